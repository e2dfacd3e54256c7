"""The receiving end of a call: packets go in whenever they arrive, pictures and sound come out when they are due.

Takes source messages, motion and sound packets with their arrival times, from any thread. A thread of its own passes pictures
to a `VideoSink`; a `SoundSink` pulls the sound. `jitter` says what is due, `concealment` and `sound` fill in for what is lost,
and `decoder` decodes and draws.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facewire.codec import DecodedFrame, Motion, decode_sound, decode_source, source_hash
from facewire.codec.pixels import Layer, PixelReport
from facewire.coding import Coding
from facewire.errors import DecodeError, FacewireError
from facewire.models.runtime import Networks
from facewire.receiver.concealment import Kind, MotionTimeline
from facewire.receiver.decoder import Decoder, FreeView
from facewire.receiver.jitter import PlayoutClock
from facewire.receiver.pixels import PixelAssembly, PixelDecoder, fitted
from facewire.receiver.sinks import SoundSink, VideoSink
from facewire.receiver.sound import Samples, SoundTrack
from facewire.receiver.source import ReceivedSource
from facewire.receiver.steady import Steadier

MAX_EARLY_PACKETS = 32
"""How many motion packets are kept until the source frame arrives."""
MAX_CAMERA_PICTURES = 12
"""Camera pictures kept until they are due."""
FREEZE_MS = 200.0
"""Guessing or holding motion for longer than this counts as a freeze."""
MAX_FPS = 60.0
STOP_S = 5.0
RENDER_SMOOTHING = 0.2
"""Weight of the last drawing time in the estimate for the next."""
MAX_LEAD_S = 0.4
"""A picture is started at most this long before it is due; a slower machine shows it late. Sound is delayed as much, since lips in
step are worth the delay."""
INVISIBLE_CHANGE = 2e-4
"""Motions closer than this, in radians and half picture widths, give the same picture: a fortieth of a pixel at 256."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlayoutOptions:
    """Settings of a `Playout`."""

    fps: float | None = None
    """Pictures per second; None for the sender's rate."""
    view: FreeView = field(default_factory=FreeView)
    """Where the face is seen from at first."""
    portrait: NDArray[np.uint8] | None = None
    """A framed picture, uint8 RGB (S, S, 3), to be moved in place of the sender's source frame."""


@dataclass(frozen=True)
class PlayoutStats:
    """Totals so far, and current values."""

    shown: int = 0
    """Pictures passed to the sink."""
    concealed: int = 0
    """Pictures among them whose motion was bridged across lost frames, guessed or held."""
    camera_shown: int = 0
    """Pictures among them that were not synthesised but the sender's camera's."""
    layer: Layer = "motion"
    """What the last picture shown was."""
    camera_decoded: int = 0
    """Camera pictures decoded."""
    camera_lost: int = 0
    """Camera pictures of which something came and which could not be decoded."""
    skipped: int = 0
    """Pictures left out because the machine was too slow."""
    frames: int = 0
    """Frames decoded."""
    late: int = 0
    """Frames among them that arrived after they were due."""
    undecodable: int = 0
    """Motion packets that arrived without their reference."""
    freezes: int = 0
    """How often nothing new was shown for more than 200 ms while the sender was sending."""
    frozen_ms: float = 0.0
    longest_freeze_ms: float = 0.0
    sources: int = 0
    """Source frames used."""
    substituted: int = 0
    """Pictures that were drawn from another source frame than their frame names, because that was not there yet."""
    delay_ms: float = 0.0
    """How far pictures are shown behind the fastest packet."""
    jitter_ms: float = 0.0
    render_ms: float = 0.0
    """Mean time to draw a picture."""
    lip_sync_ms: float | None = None
    """How far the sound is ahead of the picture (negative: behind). None while there is no sound."""
    worst_lip_sync_ms: tuple[float, float] = (0.0, 0.0)
    """The furthest that speech has been behind and ahead."""
    sound_played_ms: float = 0.0
    sound_concealed_ms: float = 0.0
    sound_late: int = 0
    shown_capture_ms: float | None = None
    """Capture time of the last picture shown, on the sender's clock."""
    shown_at_s: float | None = None
    """When it was shown, on the clock of the arrival times."""


class Playout:
    """One person as the other side sees and hears them.

    networks: with the sender's weights.
    sink, sound: where pictures and sound go; None for no sound.
    clock: in seconds; all arrival times come from it.
    on_end: called once, from a thread of this object, when showing has ended, with the reason: the window was closed, the disk
        is full.
    """

    def __init__(
        self,
        networks: Networks,
        sink: VideoSink,
        sound: SoundSink | None,
        options: PlayoutOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_end: Callable[[str], None] | None = None,
        coding: Coding | None = None,
    ) -> None:
        self._options = options or PlayoutOptions()
        networks.load("appearance", "render")  # now, rather than when the first source frame is waiting
        self._sink, self._sound_sink = sink, sound
        self._now_s = clock
        self._on_end = on_end

        self._lock = threading.RLock()  # guards all state below that threads share; not held while networks run
        self._clock = PlayoutClock()
        self._decoder = Decoder(networks, view=self._options.view, portrait=self._options.portrait, coding=coding)
        self._timeline = MotionTimeline(_at_rest(networks), Steadier(self._decoder.coding))
        self._track = SoundTrack()
        self._early: deque[tuple[bytes, float]] = deque(maxlen=MAX_EARLY_PACKETS)
        self._anchor_ms: float | None = None
        """A recent whole capture time, for sound packets that carry only part of theirs."""
        self._due_ms: float | None = None
        self._source_hash: bytes | None = None
        self._hashes: dict[int, bytes] = {}
        """Of source messages by number."""
        self._paused = False

        self._size = networks.bundle.picture_size
        self._assembly, self._pixel_decoder = PixelAssembly(), PixelDecoder()
        self._camera: deque[tuple[int, bool, NDArray[np.uint8]]] = deque(maxlen=MAX_CAMERA_PICTURES)
        """Camera pictures in order, with their capture times and whether they are to be shown at once."""
        self._motion_from_ms: int | None = None
        """From this capture time on, motion was to be shown again; None while the camera's pictures are."""
        self._layer: Layer = "motion"
        self._camera_shown = self._camera_decoded = 0
        self._drawn: tuple[ReceivedSource, Motion, NDArray[np.uint8]] | None = None
        self._shown = self._concealed = self._skipped = self._frames = self._late = self._sources = 0
        self._substituted = 0
        self._freezes, self._frozen_ms, self._longest_ms, self._freeze_ms = 0, 0.0, 0.0, 0.0
        self._render_s, self._rendered = 0.0, 0
        self._usual_render_s = self._render_scatter_s = 0.0
        self._shown_at: tuple[float, float] | None = None
        self._moved = False
        """Whether a received motion has been shown."""
        self._picture_late_ms = 0.0
        self._worst = [0.0, 0.0]
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # --- what arrives, from any thread

    def source(self, message: bytes) -> None:
        """Takes a source message. Pictures are drawn from it from the next one on.

        Raises DecodeError if it is damaged and WeightsError if it needs other weights.
        """
        source = self._decoder.read_source(decode_source(message))
        with self._lock:
            self._decoder.use_source(source)
            self._source_hash = source_hash(message)
            self._hashes[source.number] = self._source_hash
            self._timeline.rest = source.motion
            self._sources += 1
            self._anchor_ms = self._anchor_ms or source.capture_time_ms
            early, self._early = list(self._early), deque(maxlen=MAX_EARLY_PACKETS)
        for packet, arrival_s in early:
            try:
                self.motion(packet, arrival_s)
            except DecodeError as error:
                _log.debug("a packet from before the source frame: %s", error)

    def motion(self, packet: bytes, arrival_s: float) -> None:
        """Takes a motion packet that arrived at that time. Raises DecodeError if it is not one."""
        with self._lock:
            if not self._decoder.ready:
                self._early.append((packet, arrival_s))
                return
            fresh = self._decoder.decode(packet)
            if not fresh:
                return
            newest = max(frame.capture_time_ms for frame in fresh)
            if self._clock.packet_arrived("motion", newest, arrival_s):
                self._reset()
            self._anchor_ms = newest
            self._frames += len(fresh)
            for frame in fresh:
                self._add(frame)

    def sound(self, packet: bytes, arrival_s: float) -> None:
        """Takes a sound packet that arrived at that time. Raises DecodeError if it is not one."""
        sound = decode_sound(packet)
        with self._lock:
            if self._anchor_ms is None and not sound.whole_time:
                return  # its time is not known yet; a packet with its whole time comes every second
            capture_ms = sound.near(self._anchor_ms if self._anchor_ms is not None else sound.capture_ms)
            if sound.whole_time:
                self._anchor_ms = capture_ms
            new = self._track.add(sound, capture_ms) and not sound.silence
            if new and self._clock.packet_arrived("sound", capture_ms + sound.duration_ms, arrival_s):
                self._reset()
                self._track.add(sound, capture_ms)

    def pixels(self, packet: bytes, arrival_s: float) -> None:
        """Takes a packet of a camera picture that arrived at that time. Raises DecodeError if it is not one."""
        with self._lock:
            self._assembly.add(packet, arrival_s)

    def layer(self, layer: Layer, from_ms: int) -> None:
        """What the sender wants to be shown from that capture time on."""
        with self._lock:
            self._motion_from_ms = from_ms if layer == "motion" else None

    def pixel_report(self, now_s: float) -> PixelReport | None:
        """What the sender should know about its camera pictures; None before the first packet."""
        with self._lock:
            return self._assembly.report(now_s)

    def restart(self) -> None:
        """Starts over with a new sender: frame numbers and clock restart, and its motion waits for its source message."""
        with self._lock:
            self._assembly = PixelAssembly()
            self._camera.clear()
            self._motion_from_ms = None
            self._decoder.restart()
            self._clock = PlayoutClock()
            self._anchor_ms = None
            self._reset()

    def pause(self, paused: bool) -> None:
        """Records that the sender has paused or resumed its video, so that a pause does not count as loss."""
        self._paused = paused

    def free_view(self, yaw: float, pitch: float, roll: float, *, frontal: bool = False) -> None:
        """Changes the view: the head is turned further by these angles, in radians. frontal: from the front."""
        self._decoder.view = FreeView(yaw, pitch, roll, frontal)

    def acknowledged(self) -> int | None:
        """Number of the newest decoded frame, to be acknowledged. None before the first."""
        with self._lock:
            return self._decoder.acknowledged

    @property
    def real_picture(self) -> tuple[NDArray[np.uint8], int] | None:
        """The sender's source frame, uint8 RGB (S, S, 3), and its capture time on the sender's clock, ms."""
        source = self._decoder.source
        return None if source is None else (source.picture, source.capture_time_ms)

    @property
    def real_pictures(self) -> list[tuple[bytes, NDArray[np.uint8], int]]:
        """All source frames that are here, the newest last: hash, uint8 RGB (S, S, 3), capture time on the sender's clock, ms."""
        with self._lock:
            return [
                (self._hashes[number], source.picture, source.capture_time_ms)
                for number, source in self._decoder.sources.items()
                if number in self._hashes
            ]

    @property
    def source_hash(self) -> bytes | None:
        """Hash of the newest source message, so that it need not be sent again."""
        return self._source_hash

    @property
    def source_hashes(self) -> list[bytes]:
        """Of all source messages that are here."""
        return [name for name, _, _ in self.real_pictures]

    def stats(self) -> PlayoutStats:
        with self._lock:
            sound = self._track.stats()
            return PlayoutStats(
                shown=self._shown,
                concealed=self._concealed,
                camera_shown=self._camera_shown,
                layer=self._layer,
                camera_decoded=self._camera_decoded,
                camera_lost=self._assembly.lost,
                skipped=self._skipped,
                frames=self._frames,
                late=self._late,
                undecodable=self._decoder.undecodable,
                freezes=self._freezes,
                frozen_ms=self._frozen_ms,
                longest_freeze_ms=self._longest_ms,
                sources=self._sources,
                substituted=self._substituted,
                delay_ms=self._clock.delay_ms,
                jitter_ms=self._clock.jitter_ms,
                render_ms=1000 * self._render_s / max(1, self._rendered),
                lip_sync_ms=sound.offset_ms + self._picture_late_ms if sound.played_ms else None,
                worst_lip_sync_ms=(self._worst[0], self._worst[1]),
                sound_played_ms=sound.played_ms,
                sound_concealed_ms=sound.concealed_ms,
                sound_late=sound.late,
                shown_capture_ms=self._shown_at[0] if self._shown_at is not None else None,
                shown_at_s=self._shown_at[1] if self._shown_at is not None else None,
            )

    # --- what goes out

    def start(self) -> None:
        """Starts to show and to play."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="facewire-playout", daemon=True)
            self._thread.start()
            if self._sound_sink is not None:
                self._sound_sink.start(self.sound_block)

    def stop(self) -> None:
        """Stops the thread and closes both sinks. Raises FacewireError if what they wrote cannot be completed."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_S)
        try:
            if self._sound_sink is not None:
                self._sound_sink.stop()
        finally:
            self._sink.close()

    def show(self, now_s: float) -> bool:
        """Draws and shows the picture due at now_s, if there is one. Returns False once the sink wants no more.

        The thread does this at every tick. A program with its own loop may call it instead of `start`.
        """
        lead_s = min(self._usual_render_s + self._render_scatter_s, MAX_LEAD_S)
        at_s = now_s + lead_s
        self._decode_pixels()
        with self._lock:
            source = self._decoder.drawn_source()
            self._clock.advance(now_s, 1000 * lead_s)
            due_ms = self._clock.due_ms(at_s) if self._clock.running else None
            self._due_ms = due_ms
            camera = self._camera_picture(due_ms)
        if camera is not None:
            return self._show_camera(*camera, due_ms, at_s)
        with self._lock:
            if source is None:
                return True
            seen = self._timeline.at(due_ms) if due_ms is not None else None
            at_rest = self._decoder.view.seen(source.motion)
            motion = at_rest
            if seen is not None:
                source = self._decoder.drawn_source(seen.motion, seen.source) or source
                self._substituted += seen.source is not None and seen.source not in self._decoder.sources
                motion = self._decoder.drawn_motion(seen.motion)
        picture = self._draw(source, motion)
        self._stop.wait(max(0.0, at_s - self._now_s()))  # drawn early: wait until it is due
        shown_s = max(at_s, self._now_s())
        wanted_more = self._sink.show(picture, shown_s)
        with self._lock:
            self._record(None if seen is None else seen.kind, due_ms, shown_s)
        return wanted_more

    def _decode_pixels(self) -> None:
        """Decodes the camera pictures that have arrived."""
        while True:
            with self._lock:
                assembly, coded = self._assembly, self._assembly.take()
            if coded is None:
                return
            picture = self._pixel_decoder.decode(coded)
            with self._lock:
                if picture is None:
                    assembly.refuse()
                elif assembly is self._assembly:
                    self._camera.append((coded.capture_ms, coded.at_once, fitted(picture, self._size)))
                    self._camera_decoded += 1

    def _camera_picture(self, due_ms: float | None) -> tuple[int, NDArray[np.uint8]] | None:
        """The camera picture to be shown then and its capture time: the newest that is due, if it is not motion's turn again.

        Without a clock, before sound or motion came, the newest one. With the lock held.
        """
        over_ms = self._motion_from_ms
        if over_ms is not None and (due_ms is None or due_ms >= over_ms):
            while self._camera and self._camera[0][0] < over_ms:
                self._camera.popleft()

        def is_due(place: int) -> bool:
            captured_ms, at_once, _ = self._camera[place]
            return due_ms is None or at_once or captured_ms <= due_ms

        while len(self._camera) > 1 and is_due(1):
            self._camera.popleft()
        if not self._camera or not is_due(0):
            return None
        captured_ms, _, picture = self._camera[0]
        return captured_ms, picture

    def _show_camera(self, captured_ms: int, picture: NDArray[np.uint8], due_ms: float | None, at_s: float) -> bool:
        self._stop.wait(max(0.0, at_s - self._now_s()))
        shown_s = max(at_s, self._now_s())
        wanted_more = self._sink.show_camera(picture, shown_s)
        with self._lock:
            if due_ms is not None:
                self._timeline.at(due_ms)  # forgets what is over
            self._layer = "camera"
            self._shown, self._camera_shown = self._shown + 1, self._camera_shown + 1
            self._freeze_ms = 0.0
            if self._clock.running:
                self._shown_at = float(captured_ms), shown_s
        return wanted_more

    def sound_block(self, count: int, play_at_s: float) -> Samples:
        """The samples to be heard from play_at_s on, int16 (count,) at 48 kHz mono."""
        with self._lock:
            if not self._clock.running:
                return np.zeros(count, np.int16)
            return self._track.block(count, self._clock.due_ms(play_at_s))

    def _run(self) -> None:
        reason = ""
        due_s = self._now_s()
        try:
            while not self._stop.is_set():
                if not self.show(max(due_s, self._now_s())):
                    reason = "closed"
                    break
                period = 1 / min(self._options.fps or self._decoder.frame_rate, MAX_FPS)
                due_s += period
                if (behind := int((self._now_s() - due_s) / period)) > 0:
                    self._skipped += behind  # do not catch up on missed pictures
                    due_s += behind * period
                self._stop.wait(max(0.0, due_s - self._now_s()))
        except FacewireError as error:
            reason = str(error)
        except Exception as error:
            _log.exception("showing pictures failed")
            reason = f"showing pictures failed ({type(error).__name__})"
        if reason and self._on_end is not None:
            self._on_end(reason)

    def _draw(self, source: ReceivedSource, motion: Motion) -> NDArray[np.uint8]:
        if self._drawn is not None and self._drawn[0] is source and _same(self._drawn[1], motion):
            return self._drawn[2]  # a still face costs nothing
        started_s = self._now_s()
        picture = source.render(motion)
        took_s = self._now_s() - started_s
        self._render_s, self._rendered = self._render_s + took_s, self._rendered + 1
        self._render_scatter_s += RENDER_SMOOTHING * (abs(took_s - self._usual_render_s) - self._render_scatter_s)
        self._usual_render_s += RENDER_SMOOTHING * (took_s - self._usual_render_s)
        self._drawn = source, motion, picture
        return picture

    # --- with the lock held

    def _add(self, frame: DecodedFrame) -> None:
        if self._due_ms is not None and frame.capture_time_ms < self._due_ms:
            self._late += 1
        self._timeline.add(frame)

    def _reset(self) -> None:
        self._timeline = MotionTimeline(self._timeline.rest, Steadier(self._decoder.coding))
        self._track = SoundTrack()
        self._due_ms = None

    def _record(self, kind: Kind | None, due_ms: float | None, shown_s: float) -> None:
        self._shown += 1
        self._layer = "motion"
        before = self._shown_at
        if due_ms is None or kind is None or not self._clock.running:  # reset while the picture was drawn
            return
        self._shown_at = due_ms, shown_s
        self._picture_late_ms = self._clock.due_ms(shown_s) - due_ms
        if not self._paused:
            self._concealed += kind != "known"
        self._moved = self._moved or kind == "known"
        if kind in ("known", "bridged") or self._paused or not self._moved:
            self._freeze_ms = 0.0  # waiting for the first motion is not a freeze
        elif before is not None:
            step_ms = 1000 * (shown_s - before[1])
            was, self._freeze_ms = self._freeze_ms, self._freeze_ms + step_ms
            self._freezes += was <= FREEZE_MS < self._freeze_ms
            if self._freeze_ms > FREEZE_MS:
                self._frozen_ms += step_ms if was > FREEZE_MS else self._freeze_ms
            self._longest_ms = max(self._longest_ms, self._freeze_ms)
        if self._track.speaking:
            offset = self._track.stats().offset_ms + self._picture_late_ms
            self._worst = [min(self._worst[0], offset), max(self._worst[1], offset)]


def _same(a: Motion, b: Motion) -> bool:
    return bool(np.abs(a.vector() - b.vector()).max() < INVISIBLE_CHANGE)


def _at_rest(networks: Networks) -> Motion:
    return Motion.from_head(np.zeros(6 + networks.bundle.expression_size, np.float32))
