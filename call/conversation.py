"""What the two sides say to each other over the connection in use: greeting, states, source frames and media, both ways.

On one side are this machine's `Ends` (their `Uplink` delivers here), on the other an `Inbox` and an `Outgoing`. The state of
the conversation outlives connections: what the other side has of this one's picture need not be sent again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable

from facewire.call.connections import STALL_S, Connection, ConnectionUser
from facewire.call.ends import Ends, UplinkTarget
from facewire.call.listener import Listener
from facewire.call.messages import (
    PROTOCOL_VERSION,
    SESSION_BYTES,
    Bye,
    Control,
    Hello,
    LayerShown,
    MediaMessage,
    Recording,
    SourceHave,
    SourceWant,
    State,
    Text,
    TextHave,
    encode_control,
)
from facewire.call.options import SessionOptions
from facewire.call.other_side import OtherSide
from facewire.call.outgoing import Outgoing
from facewire.call.states import Ending, SessionStats
from facewire.call.tasks import Tasks
from facewire.call.texts import Texts
from facewire.codec.packets import PACKET_VERSION
from facewire.codec.pixels import PIXEL_CODEC, Layer
from facewire.errors import DecodeError, FacewireError, WeightsError
from facewire.models.bundle import Bundle
from facewire.sender.live import PictureKind, SenderState, SourceMessage
from facewire.sender.picture_choice import Choice

NEW_SOURCE_S = 2.0
"""How often the other side may ask for another source frame."""

_log = logging.getLogger(__name__)


class Conversation(ConnectionUser, UplinkTarget):
    """One call's conversation. end: ends the call. All is called in the event loop."""

    def __init__(
        self,
        bundle: Bundle,
        ends: Ends,
        options: SessionOptions,
        stats: SessionStats,
        listener: Listener,
        tasks: Tasks,
        end: Callable[[Ending], None],
    ) -> None:
        self._bundle, self._ends, self._options = bundle, ends, options
        self._stats, self._listener, self._tasks, self._end = stats, listener, tasks, end
        self._id = secrets.token_bytes(SESSION_BYTES)
        self.outgoing = Outgoing()
        self.other = OtherSide()
        self.texts = Texts()
        self.connection: Connection | None = None
        """The one in use."""
        self.opened_at: float | None = None
        """When the other side first greeted."""
        self.first_media_at: float | None = None
        self._camera: str = "none"
        self._muted = False
        self._picture: PictureKind = "live"
        """Where the picture comes from that the other side has of this one."""
        self._source: SourceMessage | None = None
        """The source frame that this side sends."""
        self._extras: dict[bytes, SourceMessage] = {}
        """Further ones by hash, until the other side has them."""
        self._layer = LayerShown("motion", 0)
        self._new_source_at = 0.0
        self.flowing_at: float | None = None
        """Since when the other side can see and hear this one."""

    @property
    def ready(self) -> bool:
        """The other side is there and understands us."""
        return self.connection is not None and self.connection.inbox.greeted

    def start(self) -> None:
        """Takes up what the ends make from now on."""
        self._ends.uplink.attach(self)
        if self._ends.live is not None:
            self._camera = self._ends.live.state

    def begin_files(self) -> None:
        """Lets files play from the moment on at which the other side can see them: once it has the first source frame, if their
        first picture makes one.
        """
        if self.flowing_at is not None or not self.ready:
            return
        live = self._ends.live
        if live is not None and self._is_shown() and not self.outgoing.has_source:
            stats = live.stats()
            if self._source is not None or not stats.sent + stats.without_face:
                return
        self.flowing_at = time.monotonic()
        self._ends.begin_files()

    def mute(self, muted: bool) -> None:
        self._muted = muted
        if self._ends.sound is not None:
            self._ends.sound.mute(muted)
        self._tell_state()

    @property
    def muted(self) -> bool:
        return self._muted

    def tell_recording(self, step: str) -> None:
        """Tells the other side about recordings: see `messages.Recording`."""
        self._send(Recording(step))

    def write(self, text: str) -> None:
        """Writes to the other side, now or once it can be reached. InputError for a text that cannot be sent."""
        message = self.texts.write(text)
        if self.ready:
            self._send(message)

    def say_goodbye(self, reason: str) -> bool:
        """reason: why the call failed; empty if it did not. False if nobody can be told."""
        return self._send(Bye(reason))

    # --- the connection

    def connected(self, connection: Connection) -> None:
        self.connection = connection
        self.outgoing.connect(connection.peer, connection.link, time.monotonic())
        playout = self._ends.playout
        self._send(
            Hello(
                protocol=PROTOCOL_VERSION,
                codec=PACKET_VERSION,
                weights=self._bundle.hash,
                side=self._bundle.picture_size,
                frame_rate=self._options.fps if self._ends.live is not None else 0.0,
                session=self._id,
                sources=b"".join(playout.source_hashes) if playout is not None else b"",
                video=self._ends.live is not None,
                sound=self._ends.sound is not None,
                shows=playout is not None,
                clock_ms=self._ends.uplink.clock.now_ms(),
                name=self._options.name,
                through=self._options.through,
                draws=PIXEL_CODEC if playout is not None else "",
            )
        )
        self._tell_state()
        if self._layer.from_ms:
            self._send(self._layer)

    def disconnected(self) -> None:
        self.connection = None
        self.outgoing.disconnect()

    def _send(self, message: Control) -> bool:
        return self.connection is not None and self.connection.peer.send("control", encode_control(message))

    def _tell_state(self) -> None:
        self._send(State(self._camera, self._muted, self._picture))

    # --- from this side's ends

    def take_source(self, source: SourceMessage) -> None:
        if source.extra:
            self._extras[source.hash] = source
            if self._is_shown():
                self.outgoing.extra_source(source)
            return
        self._source = source
        self._extras.clear()
        if source.picture != "live" or not self.outgoing.has_source:
            self._set_picture(source.picture)
        if self._is_shown():
            self.outgoing.source(source)

    def take_motion(self, packet: bytes) -> None:
        if self._is_shown():
            self.outgoing.motion(packet, time.monotonic())

    def take_sound(self, packet: bytes) -> None:
        if self.ready:
            self.outgoing.sound(packet, time.monotonic())

    def take_camera_state(self, state: SenderState) -> None:
        before, self._camera = self._camera, state
        self._tell_state()
        if state in ("ended", "camera-lost") and self._ends.live is not None and self._ends.live.problem:
            again = "; it is used again as soon as it is back" if state == "camera-lost" else ""
            self._listener.notice(f"{self._ends.live.problem}{again}")
        elif before == "camera-lost":
            self._listener.notice("the camera is back")
        self._end_with_videos()

    def take_pixels(self, packets: list[bytes]) -> None:
        if self._is_shown():
            self.outgoing.pixels(packets)

    def take_layer(self, shown: Choice, from_ms: int) -> None:
        if shown.layer != self._layer.layer:
            self._layer = LayerShown(shown.layer, from_ms)
            if self.ready:
                self._send(self._layer)

    @property
    def other_draws(self) -> bool | None:
        """Whether the other side can show this one's camera pictures; None before it said so."""
        hello = self.other.hello
        return None if hello is None else self._is_shown() and PIXEL_CODEC in hello.draws.split()

    def playout_ended(self, reason: str) -> None:
        self._end(Ending("", code="left") if reason == "closed" else Ending(reason, failed=True))

    def _is_shown(self) -> bool:
        """The other side wants our pictures."""
        return self.ready and self.other.hello is not None and self.other.hello.shows

    def _set_picture(self, picture: PictureKind) -> None:
        if picture != self._picture:
            self._picture = picture
            self._tell_state()

    def _end_with_videos(self) -> None:
        """A call between two video files is over when both are."""
        other = self.other
        others_over = self._ends.playout is None or other.hello is None or not other.hello.video
        others_over = others_over or (other.state is not None and other.state.camera == "ended")
        if self._camera == "ended" and others_over and self.ready:
            asyncio.get_running_loop().call_later(STALL_S, self._end, Ending("", code="left"))

    # --- from the other side

    def hello(self, hello: Hello) -> bool:
        if mismatch := _mismatch(hello, self._bundle):
            self.incompatible(mismatch)
            return False
        now = time.monotonic()
        if self.opened_at is None:
            self.opened_at = now
        same = self.other.greeted(hello, now)
        if self._ends.live is not None:
            self._ends.live.pixels_start_over()
        self._listener.greeted(same)
        if not same:
            self.texts.start_over()
            if hello.through:
                self._listener.notice(f"this call goes through {hello.through}, which sees and hears everything")
            if self._ends.playout is not None:
                self._ends.playout.restart()
            if self._ends.live is not None:
                self._ends.live.new_receiver()
            self._extras.clear()
        for text in self.texts.waiting:
            self._send(text)
        theirs = hello.source_hashes() if same else set()
        self.outgoing.has_source = bool(theirs)
        if self._source is not None and hello.shows:
            if self._source.hash not in theirs:
                self.outgoing.source(self._source)
            for name, extra in list(self._extras.items()):
                if name in theirs:
                    self._delivered(name)
                else:
                    self.outgoing.extra_source(extra)
        return True

    def incompatible(self, reason: str) -> None:
        self._end(Ending(reason, failed=True, code="versions"))

    def control(self, message: Control) -> None:
        match message:
            case State():
                self.other.state = message
                if self._ends.playout is not None:
                    self._ends.playout.pause(message.camera != "sending")
                self._end_with_videos()
            case LayerShown():
                if self._ends.playout is not None:
                    layer: Layer = "camera" if message.layer == "camera" else "motion"
                    self._ends.playout.layer(layer, message.from_ms)
            case SourceHave():
                self.outgoing.has_source = True
                self._delivered(message.hash)
                if self._source is not None and message.hash == self._source.hash:
                    self._set_picture(self._source.picture)
            case SourceWant():
                now = time.monotonic()
                if self._ends.live is not None and now - self._new_source_at >= NEW_SOURCE_S:
                    self._new_source_at = now
                    self._ends.live.new_source()
            case Recording():
                if (reply := self._listener.recording(message.step)) is not None:
                    self.tell_recording(reply)
            case Text():
                if (written := self.texts.take(message, time.monotonic())) is not None:
                    self._listener.written(self.other.name, written.text)
                self._send(TextHave(self.texts.heard))
            case TextHave():
                self.texts.arrived(message.number)
            case Bye():
                reason = "the other side ended the call" + (f": {message.reason}" if message.reason else "")
                self._end(Ending(reason, failed=bool(message.reason), code="other-ended"))
            case Hello():
                raise DecodeError("a second hello on one connection")

    def media(self, message: MediaMessage, now: float) -> None:
        live, playout = self._ends.live, self._ends.playout
        if message.acknowledged is not None and live is not None:
            live.acknowledge(message.acknowledged)
        if message.pixels is not None and message.pixels.stuck and live is not None:
            live.pixels_lost(message.pixels.heard)
        if playout is None:
            return
        for kind, packet in message.parts:
            try:
                if kind == "motion":
                    playout.motion(packet, now)
                else:
                    playout.sound(packet, now)
            except (DecodeError, WeightsError) as error:
                self._stats.refused["undecodable"] += 1
                _log.debug("%s packet: %s", kind, error)
        if message.parts:
            self.first_media_at = self.first_media_at or now
            self.outgoing.answer(playout.acknowledged())

    def pixels(self, packet: bytes, now: float) -> None:
        if (playout := self._ends.playout) is not None:
            playout.pixels(packet, now)
            self.outgoing.answer_pixels(playout.pixel_report)

    def source(self, data: bytes) -> None:
        if self._ends.playout is not None:
            self._tasks.spawn(self._use_source, data)

    def _delivered(self, name: bytes) -> None:
        """The other side has that source frame."""
        self._extras.pop(name, None)
        if self._ends.live is not None:
            self._ends.live.source_delivered(name)

    async def _use_source(self, data: bytes) -> None:
        """Decoding the picture and running networks on it takes tens of milliseconds: not in the event loop."""
        playout = self._ends.playout
        assert playout is not None
        try:
            await asyncio.to_thread(playout.source, data)
        except FacewireError as error:
            self._stats.refused["undecodable"] += 1
            self._listener.notice(f"the other side's source frame cannot be used ({error})")
            self._send(SourceWant())
            return
        self._stats.sources_received += 1
        if (name := playout.source_hash) is not None:
            self._send(SourceHave(name))


def _mismatch(hello: Hello, bundle: Bundle) -> str:
    """Why there can be no call between that program and this one; empty if there can."""
    if hello.codec != PACKET_VERSION:
        return (
            f"the other side encodes motion in version {hello.codec}, this one in {PACKET_VERSION}: "
            "install the same facewire on both sides"
        )
    if hello.weights != bundle.hash or hello.side != bundle.picture_size:
        return (
            f"the other side uses other weights ({hello.weights.hex()}, {hello.side} px) than this one "
            f"({bundle.hash.hex()}, {bundle.picture_size} px): use the same weights on both sides"
        )
    return ""
