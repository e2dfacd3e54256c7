"""A call: signalling, one connection at a time, both directions of media, and recovery when the network goes away.

`command` builds one with what sends (`facewire.sender`) and what plays (`facewire.receiver`); a program of its own may
do the same (examples/). The rules of recovery: nothing heard for 1 s is a stall and only shown; after 3 s another
connection is made in the same room, while the old one may still come back; whichever works is used. What is known of
the other side's picture outlives connections, and so does the call when the signalling server goes away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from facewire.call.link import LinkMonitor, LinkState
from facewire.call.messages import (
    PROTOCOL_VERSION,
    SESSION_BYTES,
    Bye,
    Control,
    Hello,
    Recording,
    SourceHave,
    SourceWant,
    State,
    VersionError,
    decode_control,
    decode_media,
    encode_control,
)
from facewire.call.outgoing import Outgoing
from facewire.call.peer import OPEN_TIMEOUT_S, Certificate, Channel, Peer, PeerOptions
from facewire.call.pieces import MAX_PIECES, Assembly
from facewire.call.rate import FULL_FPS, Measured, Rate, RateController
from facewire.call.traffic import Traffic
from facewire.codec.packets import PACKET_VERSION
from facewire.errors import DecodeError, FacewireError, InputError, WeightsError
from facewire.models.bundle import Bundle
from facewire.sender.clock import CaptureClock
from facewire.sender.live import PictureKind, RateSettings, SenderState, SourceMessage
from facewire.signaling import (
    IceServer,
    Joined,
    PeerJoined,
    PeerLeft,
    Refused,
    ServerBack,
    ServerGone,
    Signal,
)
from facewire.signaling.events import Event

if TYPE_CHECKING:
    from facewire.receiver.playout import Playout
    from facewire.sender.live import LiveSender
    from facewire.sender.sound import SoundSender

STALL_S = 1.0
"""Nothing heard for so long: shown as a stall."""
REBUILD_S = 3.0
"""And for so long: a new connection is made."""
RETRY_S = 0.5
"""Between an attempt that failed and the next one."""
ASK_AGAIN_S = 2.0
"""The side that does not offer asks for an offer so often."""
MAX_UNHEARD = 64
TICK_S = 0.005
DECISION_S = 0.5
"""From one decision of the rate control to the next."""
RATE_WINDOW_S = 2.0
"""What is on the wire is measured over so long for it."""
BYE_S = 0.4
"""Time for the last message to leave."""
NEW_SOURCE_S = 2.0
"""The other side may ask for another source frame so often."""
FLOOD_PER_S: dict[Channel, float] = {"media": 60.0, "source": 400.0, "control": 10.0}
"""Messages a second that are read on average, and three seconds of them at once. No facewire sends more; what does is
thrown away unread.
"""
FLOOD_BURST_S = 3.0

_log = logging.getLogger(__name__)

CallState = Literal["waiting", "connecting", "connected", "stalled", "ended"]
EndCode = Literal["left", "other-left", "other-ended", "server", "room-full", "versions", "time", "nobody", "other"]
"""Why a call ended: by this side; the other left the room, or ended the call; the signalling refused; the programs do not fit;
its time was over; nobody came; anything else."""


class Signalling(Protocol):
    """What a session needs to find the other side: `facewire.signaling.SignalingClient`, or a way of one's own."""

    async def send(self, payload: dict[str, object]) -> bool:
        """Tells the other person; False if that is not possible now."""
        ...

    def __aiter__(self) -> AsyncIterator[Event]: ...


@dataclass(frozen=True)
class SessionOptions:
    """How a call is held."""

    name: str = ""
    """What the other side sees."""
    max_kbps: float | None = None
    """Budget on the wire of what this side sends, sound included."""
    relay_only: bool = False
    """All through the TURN server."""
    seconds: float | None = None
    """The call ends so long after its first opening."""
    wait_s: float | None = None
    """It is given up if the other side has not come after so long."""
    fps: float = FULL_FPS
    """The most frames a second that are sent."""


@dataclass
class Ends:
    """What sends and what plays; None for what this side does not do."""

    live: LiveSender | None = None
    sound: SoundSender | None = None
    playout: Playout | None = None
    clock: CaptureClock = field(default_factory=CaptureClock)
    """The one of `live` and `sound`."""


@dataclass
class SessionStats:
    """Totals over the whole call."""

    connections: int = 0
    """Times that a connection opened."""
    attempts: int = 0
    stalls: int = 0
    stalled_s: float = 0.0
    longest_silence_s: float = 0.0
    sources_received: int = 0
    first_open_s: float | None = None
    """From the other side's presence in the room to the first open connection."""
    first_media_s: float | None = None
    """And to its first motion or sound."""
    first_picture_s: float | None = None
    """And to the first picture of it that was shown."""
    refused: Counter[str] = field(default_factory=Counter)
    """Messages that were not taken, by what was wrong: malformed, repeated, flood, undecodable."""


@dataclass(frozen=True)
class Ending:
    """How a call ended. reason: in words. failed: not as somebody wanted it. code: which of the usual reasons."""

    reason: str
    failed: bool = False
    code: EndCode = "other"


@dataclass(eq=False)
class _Attempt:
    """A connection, from its first offer on."""

    name: str
    peer: Peer
    link: LinkMonitor = field(default_factory=LinkMonitor)
    assembly: Assembly = field(default_factory=Assembly)
    heard_at: float = 0.0
    greeted: bool = False
    """The other side's hello came over it and was good."""
    budget: dict[Channel, float] = field(default_factory=lambda: {c: r * FLOOD_BURST_S for c, r in FLOOD_PER_S.items()})
    filled_at: float = 0.0
    unheard: list[tuple[Channel, bytes]] = field(default_factory=list)
    """Messages that came before this side knew that the connection is open."""
    early: list[bytes] = field(default_factory=list)
    """Pieces that overtook the greeting."""
    deadline: asyncio.TimerHandle | None = None
    closed: bool = False
    """And its traffic is among that of closed connections."""


class Session:
    """One call in one room.

    signalling: joined. bundle: weights of both ends. options: see there. Set `ends` before `run`; its parts are to be
    made with `source_ready`, `motion_ready`, `sound_ready` and `camera_state` of this session as callbacks, which may
    be called from any thread. All else belongs to the event loop of `run`.
    """

    def __init__(self, signalling: Signalling, bundle: Bundle, options: SessionOptions | None = None) -> None:
        self._signalling = signalling
        self.bundle = bundle
        self._options = options or SessionOptions()
        # InputError for a budget that nothing fits in, before anybody is called
        RateController(self._options.max_kbps, self._options.fps)
        self.ends = Ends()
        self.stats = SessionStats()
        self.state: CallState = "waiting"
        self.peer_name = ""
        self.peer_state: State | None = None
        """Camera and microphone of the other side, as it says."""
        self.notice: Callable[[str], None] = lambda text: None
        """Told, in words, of what the user may want to know."""
        self.recording_step: Callable[[str], None] = self._without_consent
        """Told what the other side says about recordings: see `messages.Recording`."""
        self.greeted: Callable[[bool], None] = lambda same: None
        """Told at every greeting on a new connection, before anything else of it, whether the other program is the same."""
        self._certificate = Certificate.generateCertificate()
        self._id = secrets.token_bytes(SESSION_BYTES)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Future[Ending] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

        self._ice_servers: tuple[IceServer, ...] = ()
        self._polite: bool | None = None
        self._present_at: float | None = None
        """Since when the other side is in the room; None while it is not, or may not be."""
        self._server_there = True
        self._other_left = False
        """The other side has said to the server that it goes."""
        self._current: _Attempt | None = None
        self._pending: _Attempt | None = None
        self._retry_at = 0.0
        self._asked_at = 0.0
        self._closing: set[_Attempt] = set()
        self._closed_traffic = Traffic()
        self._link = LinkMonitor()

        self._remote: Hello | None = None
        self._clock_offset_s: float | None = None
        """This side's clock when the other side's capture clock began, less the way of its first message."""
        self._camera: str = "none"
        self._muted = False
        self._camera_on = True
        self._source: SourceMessage | None = None
        self._picture: PictureKind = "live"
        """Where the picture is from that the other side has of this one."""
        self._outgoing = Outgoing()
        self._rate: RateController | None = None
        self._new_source_at = 0.0
        self._opened_at: float | None = None
        self._started_at = 0.0

    # --- what the ends call, from any thread

    def source_ready(self, source: SourceMessage) -> None:
        self._in_loop(self._take_source, source)

    def motion_ready(self, packet: bytes, capture_ms: int) -> None:
        self._in_loop(self._take_motion, packet)

    def sound_ready(self, packet: bytes, capture_ms: int) -> None:
        self._in_loop(self._take_sound, packet)

    def camera_state(self, state: SenderState) -> None:
        self._in_loop(self._take_camera_state, state)

    def ended_by_sink(self, reason: str) -> None:
        """The window was closed, or what is written to cannot be written any more."""
        closed = reason == "closed"
        self._in_loop(
            partial(self.end, "" if closed else reason, failed=not closed, code="left" if closed else "other")
        )

    def _in_loop(self, call: Callable[..., None], *arguments: object) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended before the sender's threads
                self._loop.call_soon_threadsafe(call, *arguments)

    # --- what the user wants

    def mute(self, muted: bool) -> None:
        """Microphone off or on."""
        self._muted = muted
        if self.ends.sound is not None:
            self.ends.sound.mute(muted)
        self._tell_state()

    @property
    def muted(self) -> bool:
        return self._muted

    def camera(self, on: bool) -> None:
        """Camera off or on."""
        self._camera_on = on
        if self.ends.live is not None:
            self.ends.live.pause(not on)

    @property
    def camera_on(self) -> bool:
        return self._camera_on

    def set_budget(self, max_kbps: float | None) -> None:
        """Another budget on the wire; InputError for one that nothing fits in. The rate begins low again."""
        rate = self._new_rate(max_kbps)
        self._options = replace(self._options, max_kbps=max_kbps)
        if self._rate is not None:
            self._rate = rate
            self._outgoing.piece_kbps = None if max_kbps is None else rate.source_kbps
            self._apply(rate.rate)

    def _new_rate(self, max_kbps: float | None) -> RateController:
        video, sound = self.ends.live is not None, self.ends.sound is not None
        return RateController(max_kbps, self._options.fps, video=video, sound=sound)

    def tell_recording(self, step: str) -> None:
        """Says to the other side how it is with recordings: see `messages.Recording`."""
        self._send_control(Recording(step))

    def end(self, reason: str = "", *, failed: bool = False, code: EndCode = "left") -> None:
        """Ends the call; `run` returns after the other side was told."""
        if self._ending is not None and not self._ending.done():
            self._ending.set_result(Ending(reason, failed, code))

    async def run(self) -> Ending:
        """Holds the call until somebody ends it. Starts the ends and stops them."""
        self._loop = asyncio.get_running_loop()
        self._ending = self._loop.create_future()
        self._started_at = time.monotonic()
        self._camera = self.ends.live.state if self.ends.live is not None else "none"
        self._rate = self._new_rate(self._options.max_kbps)
        if self._options.max_kbps is not None:
            self._outgoing.piece_kbps = self._rate.source_kbps
        self._apply(self._rate.rate)
        for part in (self.ends.playout, self.ends.live, self.ends.sound):
            if part is not None:
                part.start()
        work = [asyncio.create_task(step()) for step in (self._listen, self._tick, self._control_rate)]
        try:
            awaited: list[asyncio.Future[Any]] = [self._ending, *work]
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            for task in work:
                if task.done():
                    task.result()  # raises what ended it
            ending = (
                self._ending.result()
                if self._ending.done()
                else Ending("the signalling ended", failed=True, code="server")
            )
            await self._say_goodbye(ending)
            return ending
        finally:
            self.state = "ended"
            for task in [*work, *self._tasks]:
                task.cancel()
            await asyncio.gather(*work, *self._tasks, return_exceptions=True)
            for attempt in (self._pending, self._current, *self._closing):
                if attempt is not None:
                    await self._drop(attempt)
            self._pending = self._current = None
            await self._stop_ends()

    async def _stop_ends(self) -> None:
        for part in (self.ends.live, self.ends.sound, self.ends.playout):
            if part is not None:
                try:
                    await asyncio.to_thread(part.stop)
                except (
                    FacewireError
                ) as error:  # such as a full disk at the very end: the others are stopped all the same
                    self.notice(str(error))

    async def _say_goodbye(self, ending: Ending) -> None:
        if self._current is not None and self._current.peer.is_open:
            self._send_control(Bye(ending.reason[:200] if ending.failed else ""))
            await asyncio.sleep(BYE_S)

    # --- signalling

    async def _listen(self) -> None:
        async for event in self._signalling:
            match event:
                case Joined():
                    self._server_there = True
                    self._ice_servers, self._polite = event.ice_servers, event.polite
                    self._set_present(event.peer_present)
                case PeerJoined():
                    self._set_present(True)
                case PeerLeft():
                    self._set_present(False)
                    self._other_left = event.reason == "left"
                case Signal():
                    self._signalled(event.payload)
                case ServerGone():
                    self._server_there = False
                    self.notice("the signalling server is gone; the call goes on without it")
                case ServerBack():
                    self.notice("the signalling server is back")
                case Refused():
                    self.end(
                        event.reason, failed=True, code="room-full" if "room is full" in event.reason else "server"
                    )
                    return

    def _set_present(self, present: bool) -> None:
        if not present:
            self._present_at = None
            return
        self._other_left = False
        if self._present_at is None:
            self._present_at = time.monotonic()
            self._retry_at = 0.0

    def _signalled(self, payload: dict[str, Any]) -> None:
        kind, name = payload.get("kind"), payload.get("attempt")
        if not isinstance(name, str) or len(name) > 64:
            self.stats.refused["malformed"] += 1
        elif kind == "offer":
            self._set_present(True)
            if self._pending is not None and not self._polite and self._pending.name.startswith(self._id.hex()):
                return  # both offered at once: the polite one gives way
            self._spawn(self._answer(name, payload.get("description")))
        elif kind == "answer":
            if self._pending is not None and self._pending.name == name:
                self._spawn(self._accept(self._pending, payload.get("description")))
        elif kind == "again":
            self._set_present(True)
            silence = self._silence()
            if self._pending is None and (silence is None or silence > STALL_S):
                self._spawn(self._offer())
        else:
            self.stats.refused["malformed"] += 1

    async def _offer(self) -> None:
        attempt = await self._new_attempt(f"{self._id.hex()}-{self.stats.attempts}")
        description = await attempt.peer.offer()
        if self._pending is not attempt:
            return
        sent = await self._signalling.send({"kind": "offer", "attempt": attempt.name, "description": description})
        if not sent:
            await self._give_up(attempt)

    async def _answer(self, name: str, offer: object) -> None:
        attempt = await self._new_attempt(name)
        try:
            description = await attempt.peer.answer(offer)
        except DecodeError as error:
            await self._refuse(attempt, error)
            return
        if self._pending is attempt:
            await self._signalling.send({"kind": "answer", "attempt": name, "description": description})

    async def _accept(self, attempt: _Attempt, answer: object) -> None:
        try:
            await attempt.peer.accept(answer)
        except DecodeError as error:
            await self._refuse(attempt, error)

    async def _refuse(self, attempt: _Attempt, error: DecodeError) -> None:
        self.stats.refused["malformed"] += 1
        _log.info("%s", error)
        await self._give_up(attempt)

    # --- connections

    async def _new_attempt(self, name: str) -> _Attempt:
        """Begins a connection in place of the one being opened, if any. The one in use stays."""
        options = PeerOptions(self._ice_servers, self._options.relay_only, self._certificate)
        options = options.turned(self.stats.attempts)
        self.stats.attempts += 1
        attempt: _Attempt
        peer = Peer(
            options,
            lambda channel, data: self._received(attempt, channel, data),
            lambda: self._opened(attempt),
            lambda: self._lost(attempt),
        )
        attempt = _Attempt(name, peer)
        before, self._pending = self._pending, attempt
        assert self._loop is not None
        attempt.deadline = self._loop.call_later(OPEN_TIMEOUT_S, lambda: self._spawn(self._give_up(attempt)))
        if self._current is None:
            self.state = "connecting"
        if before is not None:
            await self._drop(before)
        return attempt

    def _opened(self, attempt: _Attempt) -> None:
        """All channels are open: this is the connection in use from now on."""
        if self._pending is not attempt:
            return
        now = time.monotonic()
        if attempt.deadline is not None:
            attempt.deadline.cancel()
        before, self._current, self._pending = self._current, attempt, None
        self._link = attempt.link
        attempt.heard_at = attempt.filled_at = now
        self.stats.connections += 1
        if self.stats.first_open_s is None and self._present_at is not None:
            self.stats.first_open_s = now - self._present_at
        self._outgoing.connect(attempt.peer, attempt.link, now)
        self._greet()
        unheard, attempt.unheard = attempt.unheard, []
        for channel, data in unheard:
            self._received(attempt, channel, data)
        if before is not None:
            self._spawn(self._drop(before))

    def _greet(self) -> None:
        playout = self.ends.playout
        self._send_control(
            Hello(
                protocol=PROTOCOL_VERSION,
                codec=PACKET_VERSION,
                weights=self.bundle.hash,
                side=self.bundle.picture_size,
                frame_rate=self._options.fps if self.ends.live is not None else 0.0,
                session=self._id,
                source=(playout.source_hash or b"") if playout is not None else b"",
                video=self.ends.live is not None,
                sound=self.ends.sound is not None,
                shows=playout is not None,
                clock_ms=self.ends.clock.now_ms(),
                name=self._options.name,
            )
        )
        self._tell_state()

    def _lost(self, attempt: _Attempt) -> None:
        """aiortc says that it is over."""
        self._spawn(self._give_up(attempt))

    async def _give_up(self, attempt: _Attempt) -> None:
        """This connection is not used any more; the next tick begins another if there is somebody to talk to."""
        if attempt is self._pending:
            self._pending = None
        elif attempt is self._current:
            self._current = None
            self._outgoing.disconnect()
        else:
            return
        self._retry_at = time.monotonic() + RETRY_S
        if self._current is None and self._pending is None and self.state != "ended":
            self.state = "waiting" if self._present_at is None else "connecting"
        await self._drop(attempt)

    async def _drop(self, attempt: _Attempt) -> None:
        if attempt.deadline is not None:
            attempt.deadline.cancel()
        self._closing.add(attempt)
        await attempt.peer.close()
        self._closing.discard(attempt)
        if not attempt.closed:  # both sides may end it at once
            attempt.closed = True
            self._closed_traffic.add(attempt.peer.traffic)

    def _silence(self) -> float | None:
        """Seconds since the other side was heard; None without a connection."""
        return None if self._current is None else time.monotonic() - self._current.heard_at

    def traffic(self) -> Traffic:
        """All connections of this call together."""
        total = Traffic()
        total.add(self._closed_traffic)
        for attempt in {self._current, self._pending, *self._closing}:
            if attempt is not None and not attempt.closed:
                total.add(attempt.peer.traffic)
        return total

    @property
    def link(self) -> LinkState:
        """The path as it is now, or was when there last was one."""
        return self._link.state

    @property
    def fingerprints(self) -> tuple[bytes, bytes] | None:
        """SHA-256 of the certificates of the connection in use, this side's first; None while there is none."""
        return self._current.peer.fingerprints if self._current is not None else None

    def taken_at_s(self, capture_ms: int) -> float | None:
        """When the other side captured something, seconds since 1970 by this machine's clock; None while not known."""
        if self._clock_offset_s is None:
            return None
        return time.time() - time.monotonic() + self._clock_offset_s + capture_ms / 1000

    @property
    def server_there(self) -> bool:
        return self._server_there

    @property
    def remote(self) -> Hello | None:
        """What the other side said of itself; None before it did."""
        return self._remote

    def end_to_end_ms(self) -> float | None:
        """From the capture of the picture now shown to its showing; None while that is not known.

        The two clocks are compared by the greeting, taken to have come in half a round trip: right to some milliseconds
        where the path is alike both ways and the greeting was not lost at first.
        """
        rtt_ms = self.link.rtt_ms
        if self.ends.playout is None or self._clock_offset_s is None or rtt_ms is None:
            return None
        stats = self.ends.playout.stats()
        if stats.shown_capture_ms is None or stats.shown_at_s is None:
            return None
        return 1000 * (stats.shown_at_s - self._clock_offset_s) - stats.shown_capture_ms + rtt_ms / 2

    @property
    def open_s(self) -> float | None:
        """Seconds since the call first opened; None before."""
        return None if self._opened_at is None else time.monotonic() - self._opened_at

    @property
    def outgoing(self) -> Outgoing:
        return self._outgoing

    @property
    def rate(self) -> Rate | None:
        """What the rate control has chosen."""
        return self._rate.rate if self._rate is not None else None

    # --- time

    async def _tick(self) -> None:
        stalled_at: float | None = None
        checked_at = 0.0
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            self._outgoing.tick(now)
            if now - checked_at < 0.05:
                continue
            checked_at = now
            self._note_first_picture(now)
            stalled_at = self._check_silence(now, stalled_at)
            self._check_connection(now)
            self._check_end(now)

    def _check_silence(self, now: float, stalled_at: float | None) -> float | None:
        silence = self._silence()
        if silence is not None:
            self.stats.longest_silence_s = max(self.stats.longest_silence_s, silence)
        if silence is not None and silence < STALL_S:
            if self._current is not None and self._current.greeted:
                self.state = "connected"
            if stalled_at is not None:
                self.stats.stalled_s += now - stalled_at
                self.notice(f"the other side is back after {now - stalled_at + STALL_S:.1f} s")
            return None
        if silence is not None and stalled_at is None:
            self.stats.stalls += 1
            self.state = "stalled"
            return now
        return stalled_at

    def _note_first_picture(self, now: float) -> None:
        playout = self.ends.playout
        if self.stats.first_picture_s is not None or self._present_at is None or playout is None:
            return
        if playout.stats().shown:
            self.stats.first_picture_s = now - self._present_at

    def _check_connection(self, now: float) -> None:
        """Begins a connection if one is needed and the other side can be told."""
        silence = self._silence()
        wanted = silence is None or silence >= REBUILD_S
        if not wanted or self._pending is not None or not self._server_there or self._present_at is None:
            return
        if self._polite:
            if now - max(self._asked_at, self._present_at) >= ASK_AGAIN_S:
                self._asked_at = now
                self._spawn(self._ask())
        elif now >= self._retry_at:
            self._retry_at = now + RETRY_S
            self._spawn(self._offer())

    async def _ask(self) -> None:
        await self._signalling.send({"kind": "again", "attempt": ""})

    def _check_end(self, now: float) -> None:
        options = self._options
        if self._opened_at is not None and options.seconds is not None and now - self._opened_at >= options.seconds:
            self.end("", code="time")
        silence = self._silence()
        if self._other_left and self._opened_at is not None and (silence is None or silence >= STALL_S):
            self.end("the other side left", code="other-left")
        if self._opened_at is None and options.wait_s is not None and now - self._started_at >= options.wait_s:
            self.end(f"nobody came within {options.wait_s:g} s", failed=True, code="nobody")

    async def _control_rate(self) -> None:
        assert self._rate is not None
        history: list[tuple[float, int]] = []
        held_back = 0
        last = time.monotonic()
        while True:
            await asyncio.sleep(DECISION_S)
            now = time.monotonic()
            sent = self.traffic().sent
            history.append((now, sent.wire_bytes - sent.wire_by_kind["source"]))
            while history[0][0] < now - RATE_WINDOW_S - DECISION_S:
                history.pop(0)
            kbps = None
            if now - history[0][0] >= RATE_WINDOW_S / 2 and self._opened_at and now - self._opened_at > RATE_WINDOW_S:
                kbps = 8 * (history[-1][1] - history[0][1]) / (1000 * (now - history[0][0]))
            stats = self._outgoing.stats
            link = self.link
            if self._current is not None and self.state == "connected":
                news = stats.held_back - held_back
                measured = Measured(
                    link.loss,
                    link.rtt_ms,
                    link.queue_ms,
                    news,
                    kbps,
                    self._outgoing.source_waits,
                    self._outgoing.source_follows,
                )
                if self._outgoing.source_under_way(now):
                    measured = replace(measured, queue_ms=None, held_back=0)
                self._apply(self._rate.update(measured, now - last))
                if self._options.max_kbps is not None:
                    self._outgoing.piece_kbps = self._rate.source_kbps
            held_back, last = stats.held_back, now

    def _apply(self, rate: Rate) -> None:
        if rate == self._outgoing.rate:
            return
        self._outgoing.rate = rate
        if self.ends.live is not None:
            self.ends.live.set_rate(RateSettings(rate.preset, rate.frames_per_packet, rate.redundancy, rate.fps))
        if self.ends.sound is not None:
            self.ends.sound.set_bitrate(rate.sound_bps)

    # --- what goes out

    def _ready(self) -> bool:
        """The other side is there and understands us."""
        return self._current is not None and self._current.greeted

    def _take_source(self, source: SourceMessage) -> None:
        self._source = source
        if source.picture != "live" or not self._outgoing.has_source:
            self._picture_is(source.picture)
        if self._ready() and self._remote is not None and self._remote.shows:
            self._outgoing.source(source)

    def _take_motion(self, packet: bytes) -> None:
        if self._ready() and self._remote is not None and self._remote.shows:
            self._outgoing.motion(packet, time.monotonic())

    def _take_sound(self, packet: bytes) -> None:
        if self._ready():
            self._outgoing.sound(packet, time.monotonic())

    def _take_camera_state(self, state: SenderState) -> None:
        self._camera = state
        self._tell_state()
        if state == "ended" and self.ends.live is not None and self.ends.live.problem:
            self.notice(self.ends.live.problem)
        self._end_with_videos()

    def _end_with_videos(self) -> None:
        """A call of two files is over when both are."""
        others_over = self.ends.playout is None or self._remote is None or not self._remote.video
        others_over = others_over or (self.peer_state is not None and self.peer_state.camera == "ended")
        if self._camera == "ended" and others_over and self._ready():
            assert self._loop is not None
            self._loop.call_later(STALL_S, self.end)

    def _picture_is(self, picture: PictureKind) -> None:
        if picture != self._picture:
            self._picture = picture
            self._tell_state()

    def _tell_state(self) -> None:
        if self._current is not None:
            self._send_control(State(self._camera, self._muted, self._picture))

    def _send_control(self, message: Control) -> None:
        if self._current is not None:
            self._current.peer.send("control", encode_control(message))

    # --- what comes in

    def _received(self, attempt: _Attempt, channel: Channel, data: bytes) -> None:
        if attempt is self._pending and len(attempt.unheard) < MAX_UNHEARD:
            attempt.unheard.append((channel, data))  # it is open for the other side already
        if attempt is not self._current:
            return  # of a connection that was replaced
        now = time.monotonic()
        if not self._within_flood_limit(attempt, channel, now):
            self.stats.refused["flood"] += 1
            return
        try:
            if channel == "control":
                self._received_control(attempt, decode_control(data))
            elif channel == "media":
                self._received_media(attempt, data, now)
            elif attempt.greeted:
                self._received_piece(attempt, data)
            elif len(attempt.early) < MAX_PIECES:
                attempt.early.append(data)
        except VersionError as error:
            self.end(str(error), failed=True, code="versions")
        except DecodeError as error:
            self.stats.refused["malformed"] += 1
            _log.debug("%s message of %d bytes: %s", channel, len(data), error)
        else:
            attempt.heard_at = now

    @staticmethod
    def _within_flood_limit(attempt: _Attempt, channel: Channel, now: float) -> bool:
        elapsed, attempt.filled_at = now - attempt.filled_at, now
        for name, rate in FLOOD_PER_S.items():
            attempt.budget[name] = min(rate * FLOOD_BURST_S, attempt.budget[name] + rate * elapsed)
        if attempt.budget[channel] < 1:
            return False
        attempt.budget[channel] -= 1
        return True

    def _received_control(self, attempt: _Attempt, message: Control) -> None:
        match message:
            case Hello():
                self._greeted(attempt, message)
            case State():
                self.peer_state = message
                if self.ends.playout is not None:
                    self.ends.playout.pause(message.camera != "sending")
                self._end_with_videos()
            case SourceHave():
                self._outgoing.has_source = True
                if self._source is not None and message.hash == self._source.hash:
                    self._picture_is(self._source.picture)
            case Recording():
                self.recording_step(message.step)
            case SourceWant():
                now = time.monotonic()
                if self.ends.live is not None and now - self._new_source_at >= NEW_SOURCE_S:
                    self._new_source_at = now
                    self.ends.live.new_source()
            case Bye():
                if message.reason:
                    self.end(f"the other side ended the call: {message.reason}", failed=True, code="other-ended")
                else:
                    self.end("the other side ended the call", code="other-ended")

    def _without_consent(self, step: str) -> None:
        """Where nobody can be asked, nobody agrees."""
        if step == "ask":
            self.notice("the other side asked to record the call; refused, since this program shows no question")
            self.tell_recording("no")
        elif step == "on":
            self.notice("the other side records the call")

    def _greeted(self, attempt: _Attempt, hello: Hello) -> None:
        if attempt.greeted:
            raise DecodeError("a second hello on one connection")
        if hello.codec != PACKET_VERSION:
            self.end(
                f"the other side codes motion in version {hello.codec}, this one in {PACKET_VERSION}: "
                "install the same facewire on both sides",
                failed=True,
                code="versions",
            )
            return
        if hello.weights != self.bundle.hash or hello.side != self.bundle.picture_size:
            self.end(
                f"the other side uses other weights ({hello.weights.hex()}, {hello.side} px) than this one "
                f"({self.bundle.hash.hex()}, {self.bundle.picture_size} px): use the same weights on both sides",
                failed=True,
                code="versions",
            )
            return
        attempt.greeted = True
        now = time.monotonic()
        if self._opened_at is None:
            self._opened_at = now
        same = self._remote is not None and self._remote.session == hello.session
        offset_s = now - hello.clock_ms / 1000
        self._clock_offset_s = min(offset_s, self._clock_offset_s) if same and self._clock_offset_s else offset_s
        self._remote, self.peer_name = hello, hello.name
        self.state = "connected"
        self.greeted(same)
        if not same:
            if self.ends.playout is not None:
                self.ends.playout.restart()
            if self.ends.live is not None:
                self.ends.live.new_receiver()
        self._outgoing.has_source = same and hello.source != b""
        if self._source is not None and hello.shows and hello.source != self._source.hash:
            self._outgoing.source(self._source)
        early, attempt.early = attempt.early, []
        for piece in early:
            self._received_piece(attempt, piece)

    def _received_media(self, attempt: _Attempt, data: bytes, now: float) -> None:
        message = decode_media(data)
        if not attempt.link.received(message, now):
            self.stats.refused["repeated"] += 1
            return
        if not attempt.greeted:
            return
        if message.acknowledged is not None and self.ends.live is not None:
            self.ends.live.acknowledge(message.acknowledged)
        playout = self.ends.playout
        if playout is None:
            return
        for kind, packet in message.parts:
            try:
                if kind == "motion":
                    playout.motion(packet, now)
                else:
                    playout.sound(packet, now)
            except (DecodeError, WeightsError) as error:
                self.stats.refused["undecodable"] += 1
                _log.debug("%s packet: %s", kind, error)
        if message.parts:
            if self.stats.first_media_s is None and self._present_at is not None:
                self.stats.first_media_s = now - self._present_at
            self._outgoing.answer(playout.acknowledged())

    def _received_piece(self, attempt: _Attempt, data: bytes) -> None:
        source = attempt.assembly.add(data)
        if source is not None and self.ends.playout is not None:
            self._spawn(self._use_source(source))

    async def _use_source(self, source: bytes) -> None:
        """Decoding and looking at the picture takes tens of milliseconds: not in the event loop."""
        assert self.ends.playout is not None
        try:
            await asyncio.to_thread(self.ends.playout.source, source)
        except FacewireError as error:
            self.stats.refused["undecodable"] += 1
            self.notice(f"the other side's source frame cannot be used ({error})")
            self._send_control(SourceWant())
            return
        self.stats.sources_received += 1
        if (name := self.ends.playout.source_hash) is not None:
            self._send_control(SourceHave(name))

    def _spawn(self, work: Any) -> None:
        async def guarded() -> None:
            try:
                await work
            except ConnectionError as error:
                _log.info("%s", error)
            except InputError as error:
                self.notice(str(error))

        task = asyncio.ensure_future(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
