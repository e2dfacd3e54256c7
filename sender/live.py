"""The sending end of a call: a camera, a file in real time or a moving still picture, on threads of its own.

Takes a video and the other side's acknowledgements. Source messages, motion packets and states go out through callbacks. One
thread captures, another measures and packs; between them only the newest picture waits. `policy` holds the rules,
`face_tracker` finds the square, and `encoder` does the rest.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facewire.codec import Motion, Packing
from facewire.codec.pixels import Layer
from facewire.coding import Coding
from facewire.errors import FacewireError, InputError, reason
from facewire.models.runtime import Networks
from facewire.sender.bank import Drawn, likeness
from facewire.sender.clock import CaptureClock
from facewire.sender.cuts import CutWatch
from facewire.sender.encoder import Encoder
from facewire.sender.face_detector import FaceDetector
from facewire.sender.face_tracker import FaceTracker
from facewire.sender.framing import Framing, frame_video
from facewire.sender.media import AS_IT_IS, Frame, InputOptions, VideoSource, is_camera, open_live_video
from facewire.sender.picture_choice import UNLIKE_KBPS, Choice, PictureChoice, PictureMode, Why
from facewire.sender.pixels import LEAST_KBPS, PixelEncoder, PixelStats
from facewire.sender.policy import PATIENCE_MS, FrameGate, LookDuty, SceneWatch, SourceMoment
from facewire.sender.source import SentSource
from facewire.source_picture import PREVIEW_QUALITY

REOPEN_CAMERA_S = 2.0
"""How often to look for an unplugged camera."""
LOAD_AFTER_S = 3.0
"""The graphs that draw are compiled once the call has begun: that takes a second, and the first picture must not wait for it."""
TOO_SLOW_MS = 2000
"""If there was no time to draw what the other side sees for so long, the error to expect decides on new source frames."""
HIDDEN_MS = 3000
"""So long after the camera layer took over because the pictures were unlike, none becomes a source frame: what is in front of the
face may go away again. Later it may be a source frame that brings motion back."""
STOP_S = 5.0
"""How long to wait for a thread to end; a camera's driver may hang."""

SenderState = Literal["starting", "sending", "no-face", "paused", "camera-lost", "ended"]
PictureKind = Literal["live", "file", "portrait"]
"""Where a source frame comes from: the camera, a video file, or a picture of the user's choice."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveSenderOptions:
    """Settings of a `LiveSender`."""

    packing: Packing = Packing(frames_per_packet=3, redundancy=1)
    """How motion is packed, until `set_rate` changes it. Three frames per packet make a frame wait up to 80 ms at 25 fps, and save
    two thirds of the packet overhead."""
    fps: float = 25.0
    """The most frames per second, and the stream's nominal rate if the camera delivers as many."""
    input: InputOptions = AS_IT_IS
    """How the video is read."""
    loop: bool = False
    """Play a file again and again."""
    wait: bool = False
    """A file gives its first picture and plays on only after `begin`, when there is somebody to see it."""
    refresh: bool = True
    """Send a new source frame when the scene has changed a lot."""
    sources: int = 1
    """How many source frames are in use at a time, 1 to 8. With more than one, a tenth of a processor goes into drawing what the
    other side sees."""
    picture: PictureMode = "auto"
    """Which picture the other side is shown."""


@dataclass(frozen=True)
class SourceMessage:
    """A source frame on its way to the other side."""

    data: bytes
    """From `codec.encode_source`."""
    hash: bytes
    """Its `codec.source_hash`."""
    number: int
    """Counts this sender's source frames from 0."""
    picture: PictureKind = "live"
    """Where it comes from."""
    capture_ms: int = 0
    """When it was captured."""
    preview: bytes = b""
    """A source message of the same moment in a fifth of the bytes, for a receiver that has no picture yet."""
    extra: bool = False
    """One more beside those in use, to be sent when there is room for it."""


@dataclass(frozen=True)
class Framed:
    """The square that is cut from the camera's pictures. width, height: of those pictures, pixels."""

    framing: Framing
    width: int
    height: int


@dataclass(frozen=True)
class LiveSenderStats:
    """Totals so far."""

    captured: int = 0
    """Pictures that the video delivered."""
    skipped: int = 0
    """Pictures replaced by a newer one before there was time for them."""
    sent: int = 0
    """Frames whose motion was packed."""
    without_face: int = 0
    """Pictures not sent because they showed no face."""
    sources: int = 0
    """Source frames made."""
    ms_per_frame: float = 0.0
    """Mean time for finding the face, measuring and packing."""
    likeness: float | None = None
    """How like the camera's picture is what the other side sees, 0 to 1, when last looked at: see `bank.likeness`."""
    sources_in_use: int = 0
    layer: Layer = "motion"
    """What the other side is shown: what it synthesises from motion, or the camera's picture as video."""
    why: Why = ""
    """Why; see `picture_choice`."""
    switches: int = 0
    """How often that changed."""
    pixels: PixelStats = field(default_factory=PixelStats)


class LiveSender:
    """One person's video at the sending end of a call.

    video: a camera's number, a video file or a still picture, as for `media.open_live_video`, or a `VideoSource` of your own.
    on_source, on_state: called with a source message, and with each new state.
    on_motion: called with a packet and the capture time of its newest frame in ms.
    on_pixels: called with the packets of one picture of the camera layer. None: that layer is never shown.
    on_layer: called with what is shown from a capture time in ms on, when that or its reason changes.
    on_square: called with the square just cut, uint8 RGB (S, S, 3), and its capture time.
    clock: shared with the sound.

    Callbacks come from this object's threads, and what they raise is logged. The constructor searches a file for its face,
    which takes up to a second. It raises InputError or NoFaceError if the video cannot be used, and WeightsError if the
    networks cannot; later faults become states.
    """

    def __init__(
        self,
        networks: Networks,
        video: str | int | VideoSource,
        options: LiveSenderOptions,
        on_source: Callable[[SourceMessage], None],
        on_motion: Callable[[bytes, int], None],
        on_state: Callable[[SenderState], None],
        *,
        on_pixels: Callable[[list[bytes]], None] | None = None,
        on_layer: Callable[[Choice, int], None] | None = None,
        on_square: Callable[[NDArray[np.uint8], int], None] | None = None,
        clock: CaptureClock | None = None,
        coding: Coding | None = None,
    ) -> None:
        self._networks = networks
        self._options = options
        self._on_source, self._on_motion, self._on_state = on_source, on_motion, on_state
        self._on_pixels, self._on_layer, self._on_square = on_pixels, on_layer, on_square
        self._clock = clock or CaptureClock()
        self._size = networks.bundle.picture_size
        detector = FaceDetector()
        networks.motion(
            np.zeros((self._size, self._size, 3), np.uint8)
        )  # loads the graph, so that bad weights fail here
        self._video_spec = video
        self._detector = detector
        self._face = FaceTracker(detector, self._frame_file(detector))
        self._video: VideoSource | None = open_live_video(video, options.input)
        self.remarks = tuple(self._video.remarks)
        """What the user should know about the video from the start, one line each."""
        self._live = self._video.live
        self._cuts = None if self._live else CutWatch()
        self._after_cut = False
        """Another shot has begun that has no source frame yet."""
        self._gate = FrameGate(min(options.fps, self._video.fps))
        self._encoder = Encoder(
            networks, frame_rate=self._gate.fps, packing=options.packing, sources=options.sources, coding=coding
        )

        self._scene = SceneWatch(turns=options.sources == 1)
        self._moment = SourceMoment(networks.bundle)
        self._source: SourceMessage | None = None
        self._numbered = 0
        self._framed: Framed | None = None
        self._portrait_wanted: NDArray[np.uint8] | None = None
        self._source_wanted_ms: int | None = None
        """Since when a new source frame has been wanted."""
        self._send_source_again = False
        self._forget_others = False
        """The other side has lost all source frames but the one that it gets again."""
        self._delivered: set[bytes] = set()
        """Hashes of source frames that the other side has, not yet told to the bank."""
        self._paused = False
        self._state: SenderState = "starting"
        self.problem = ""
        """What went wrong, if it ended or lost the camera because of a fault."""
        self._captured = self._skipped = self._sent = self._without_face = 0
        self._busy_s = 0.0
        self._choice, self._pixels = PictureChoice(options.picture), PixelEncoder()
        self._pixel_kbps: float | None = None
        """What the path leaves for the camera layer, on the wire; None where that is too little."""
        self._other_draws: bool | None = None
        """The other side can show the camera layer; None while that is not known."""
        self._camera_ms = 0
        """Since when it is shown."""
        self._switches = 0
        self._looks = LookDuty()
        self._error: float | None = None
        """Of the picture as the other side sees it, when it was last looked at."""
        self._may_look = True
        self._looked_ms = 0
        """When the other side's picture was last drawn here."""
        self._newest_ms = 0

        # Guards the encoder's packets and the requests of other threads. Never held while a network runs.
        self._lock = threading.Lock()
        self._waiting: tuple[NDArray[np.uint8], int] | None = None
        self._final_state: SenderState | None = None
        """Entered once the last picture has been processed."""
        self._load_error: FacewireError | None = None
        """Why the graphs that draw cannot be loaded; ends the sender with the next picture."""
        self._origin_ms = 0.0
        """When the current pass through the file began."""
        self._arrived = threading.Condition()
        self._stop = threading.Event()
        self._begun = threading.Event()
        if not options.wait or self._video.duration_s is None:
            self._begun.set()  # a camera and a picture that sways have no beginning to miss
        self._threads: list[threading.Thread] = []

    # --- requests of the call, from any thread

    def start(self) -> None:
        """Starts to capture. A file starts to play now."""
        if self._threads:
            return
        self._origin_ms = self._clock.now_ms()
        self._threads = [
            threading.Thread(target=self._capture, name="facewire-capture", daemon=True),
            threading.Thread(target=self._work, name="facewire-motion", daemon=True),
        ]
        if self._encoder.bank.size > 1:
            self._threads.append(threading.Thread(target=self._load_drawing, name="facewire-load", daemon=True))
        for thread in self._threads:
            thread.start()

    def begin(self) -> None:
        """A file that waits after its first picture plays from now on."""
        self._begun.set()

    def stop(self) -> None:
        """Stops both threads and closes the camera. After it returns there are no more callbacks, unless a driver hangs."""
        self._stop.set()
        self._begun.set()
        if self._video is not None:
            self._video.stop()
        with self._arrived:
            self._arrived.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(STOP_S)
        if not self._threads and self._video is not None:
            self._video.__exit__(None, None, None)

    def acknowledge(self, frame_number: int) -> None:
        """Records that the other side has that frame; later ones are predicted from it."""
        with self._lock:
            self._encoder.acknowledge(frame_number)

    def new_source(self) -> None:
        """Makes a new source frame at the next good moment."""
        with self._lock:
            if self._encoder.is_portrait:
                self._send_source_again = True
            elif self._source is not None and self._source_wanted_ms is None:
                self._source_wanted_ms = self._clock.now_ms()

    def appear_as(self, portrait: NDArray[np.uint8] | None) -> None:
        """Shows another face, from a framed picture, uint8 RGB (S, S, 3), that moves as the user does. Starts with the next
        picture.

        None returns to the user's own face, at the next good moment for a source frame.
        """
        with self._lock:
            self._portrait_wanted = portrait
            if portrait is None and self._encoder.is_portrait:
                self._source_wanted_ms = self._clock.now_ms()

    def new_receiver(self) -> None:
        """Starts over with a new receiver: it gets the source frame again, and packets that depend on no earlier ones."""
        with self._lock:
            self._encoder.start_over()
            self._delivered.clear()
            self._forget_others = self._send_source_again = True
            self._pixels.start_over()

    def source_delivered(self, name: bytes) -> None:
        """The other side has the source frame of that hash: the next one may follow."""
        with self._lock:
            self._delivered.add(name)

    def set_source_budget(self, bytes_per_minute: float) -> None:
        """How much may be spent on source frames after the first."""
        self._encoder.budget.bytes_per_minute = bytes_per_minute

    def allow_looks(self, allowed: bool) -> None:
        """Whether there is time to draw what the other side sees: not while this machine skips pictures that it should show."""
        self._may_look = allowed

    def set_rate(self, packing: Packing, fps: float) -> None:
        """Changes packing and frame rate from the next packet on. Raises InputError for impossible settings."""
        if not 1 <= fps <= 1000:
            raise InputError(f"{fps} frames per second: must be 1 to 1000")
        with self._lock:
            self._encoder.packing = packing
            self._gate.fps = min(fps, self._encoder.frame_rate)

    def show(self, mode: PictureMode) -> None:
        """Which picture the other side is shown from the next one on."""
        self._choice.mode = mode

    def set_pixels(self, kbps: float | None, *, other_draws: bool | None) -> None:
        """kbps: what the camera layer may take of the wire; None if there is no room. other_draws: the other side can show it;
        None while that is not known.
        """
        self._other_draws = other_draws
        self._pixel_kbps = None if kbps is None or kbps < LEAST_KBPS else kbps

    def pixels_lost(self, heard: int) -> None:
        """The other side needs a key picture of the camera layer; heard: the newest one that something came of."""
        with self._lock:
            self._pixels.lost(heard, self._clock.now_ms())

    def pixels_start_over(self) -> None:
        """The other side may have nothing of the camera layer."""
        with self._lock:
            self._pixels.start_over()

    def pause(self, paused: bool) -> None:
        """Turns the camera off or on again. While it is off, pictures are discarded unseen."""
        self._paused = paused

    @property
    def state(self) -> SenderState:
        return self._state

    @property
    def framed(self) -> Framed | None:
        """The square that is being cut; None before a face has been seen."""
        return self._framed

    @property
    def source(self) -> SourceMessage | None:
        """The source frame in use."""
        return self._source

    def stats(self) -> LiveSenderStats:
        taken = self._sent + self._without_face
        return LiveSenderStats(
            self._captured,
            self._skipped,
            self._sent,
            self._without_face,
            self._numbered,
            1000 * self._busy_s / max(1, taken),
            None if self._error is None else likeness(self._error),
            len(self._encoder.bank.entries),
            self.shown.layer,
            self.shown.why,
            self._switches,
            replace(self._pixels.stats),
        )

    @property
    def picture_mode(self) -> PictureMode:
        """What the user wants the other side to be shown."""
        return self._choice.mode

    @property
    def shown(self) -> Choice:
        """What the other side is shown, and why."""
        return self._choice.shown

    # --- one picture

    def take(self, picture: NDArray[np.uint8], capture_ms: int) -> None:
        """Processes a picture, uint8 RGB (H, W, 3), and sends what it gives rise to.

        The motion thread does this with every picture. A program with pictures of its own may call it instead of `start`, from
        a single thread and with increasing times.
        """
        if self._paused:
            self._hold("paused")
            return
        started = time.perf_counter()
        if self._cuts is not None and self._cuts.cut(picture) and self._source is not None:
            self._face = FaceTracker(self._detector)
            self._source_wanted_ms, self._after_cut = capture_ms, True
        framing = self._face.locate(picture, capture_ms)
        self._show(picture, framing, capture_ms)
        if framing is None or not self._face.present:
            self._without_face += 1
            lost: SenderState = "sending" if self.shown.layer == "camera" else "no-face"
            self._hold(lost if self._face.lost(capture_ms) else self._state)
            return
        self._framed = Framed(framing, picture.shape[1], picture.shape[0])
        square = framing.cut(picture, self._size)
        if self._on_square is not None:
            self._notify(self._on_square, square, capture_ms)
        motion, shape = self._networks.read(square)
        motion = self._look(square, motion, capture_ms)
        self._apply_portrait(motion, capture_ms)
        self._refresh_source(square, motion, self._moment.is_good(motion, shape), capture_ms)
        if self._after_cut and not self._encoder.is_portrait:
            self._without_face += 1
            self._hold(self._state)  # it may be somebody else
            return
        motion = self._encoder.transferred(motion)
        with self._lock:
            packet = self._encoder.pack(motion, capture_ms)
            self._newest_ms = capture_ms
            self._sent += 1
        self._busy_s += time.perf_counter() - started
        self._enter("sending")
        if packet is not None:
            self._notify(self._on_motion, packet, capture_ms)

    def _show(self, picture: NDArray[np.uint8], framing: Framing | None, capture_ms: int) -> None:
        """Decides what the other side is shown and sends the picture itself if that is it."""
        if self._on_pixels is None:
            return
        before, faces = self.shown, self._face.faces if self._face.present else 0
        if self._encoder.is_portrait:  # nobody who appears as somebody else is shown unasked
            faces = 1
        kbps = self._pixel_kbps
        shown = self._choice.decide(
            capture_ms,
            faces,
            can_send=kbps is not None,
            can_draw=self._other_draws,
            sharp=kbps is not None and (kbps >= UNLIKE_KBPS or before.why == "unlike"),
        )
        if shown.layer != before.layer:
            self._switches += 1
            self._camera_ms = capture_ms
            self.pixels_start_over()
        if shown != before and self._on_layer is not None:
            self._notify(self._on_layer, shown, capture_ms)
        if shown.layer != "camera" or kbps is None:
            return
        wide = framing is None or shown.why in ("asked", "two-faces")
        square = (widest(picture, framing) if wide or framing is None else framing).cut(picture, self._size)
        with self._lock:
            self._pixels.kbps = kbps
            packets = self._pixels.encode(square, capture_ms, at_once=shown.why in ("no-face", "unlike"))
        if packets:
            self._notify(self._on_pixels, packets)

    def _look(self, square: NDArray[np.uint8], motion: Motion, capture_ms: int) -> Motion:
        """A square's motion with its scene code, against the source frame that it is likely to be drawn best from. Where there is
        time it is also drawn as the other side sees it, and one more source frame is sent if that is bad; on a machine that never
        has the time, if it is to be expected.
        """
        encoder = self._encoder
        with self._lock:
            delivered, self._delivered = self._delivered, set()
            forget, self._forget_others = self._forget_others, False
        if forget:
            encoder.bank.keep_current()
        encoder.bank.delivered(delivered)
        if not encoder.draws:
            return encoder.with_scene(square, motion)
        current = encoder.bank.choose(motion, capture_ms)
        drawn = None
        # No time if the next picture is there already.
        if self._may_look and self._waiting is None and self._looks.due(capture_ms):
            with self._looks:
                drawn = encoder.bank.glance(square, motion)
            self._looked_ms = capture_ms
        if drawn is not None and drawn.entry is current:
            self._error = drawn.error
            self._choice.looked(capture_ms, likeness(drawn.error))
        else:
            drawn = Drawn(current, encoder.with_scene(square, motion), current.expected(motion))
            if capture_ms - self._looked_ms < TOO_SLOW_MS:
                return drawn.motion
        shown, since_ms = self.shown, capture_ms - self._camera_ms
        hidden = shown.layer == "camera" and (shown.why != "unlike" or since_ms < HIDDEN_MS)
        if not hidden and encoder.wants_source(drawn, capture_ms):
            extra = encoder.admit(square, drawn.motion, capture_ms, arrived=False)
            kind: PictureKind = "live" if self._live else "file"
            self._notify(self._on_source, self._message(extra, kind, extra=True))
            # The frame waits for its time at the other side: the source frame may well be there by then.
            encoder.bank.choose(motion, capture_ms)
            return encoder.with_scene(square, motion)
        return drawn.motion

    def _message(
        self, source: SentSource, picture: PictureKind, preview: bytes = b"", *, extra: bool = False
    ) -> SourceMessage:
        number, self._numbered = self._numbered, self._numbered + 1
        at_ms = source.frame.capture_time_ms
        return SourceMessage(source.message, source.hash, number, picture, at_ms, preview, extra)

    def _apply_portrait(self, motion: Motion, capture_ms: int) -> None:
        """Switches to the portrait that was requested, if any. The portrait's own pose corresponds to `motion`."""
        with self._lock:
            wanted, self._portrait_wanted = self._portrait_wanted, None
        if wanted is None:
            return
        self._announce(self._encoder.appear_as(wanted, capture_ms, motion), wanted, "portrait")

    def _announce(self, source: SentSource, square: NDArray[np.uint8], picture: PictureKind) -> None:
        """Queues a source frame to be sent, with a preview of the same square."""
        frame = source.frame
        preview = self._encoder.make_source(
            square, frame.capture_time_ms, source.motion.scene, PREVIEW_QUALITY, frame.number
        )
        with self._lock:
            self._source = self._message(source, picture, preview.message)
            self._source_wanted_ms, self._send_source_again = None, True

    def _refresh_source(self, square: NDArray[np.uint8], motion: Motion, good: bool, capture_ms: int) -> None:
        """Makes a new source frame if one is wanted, at a good moment or after waiting a second for one, and sends what is due."""
        if self._source_wanted_ms is None and not self._encoder.is_portrait:
            changed = self._scene.changed(square, motion, capture_ms)
            # Where looks find out by themselves, a change brings one more source frame, within its budget.
            looks = self._error is not None and capture_ms - self._looked_ms < TOO_SLOW_MS
            if changed and (self._source is None or (self._options.refresh and not looks)):
                self._source_wanted_ms = capture_ms
        wanted = self._source_wanted_ms
        if wanted is not None and (good or capture_ms - wanted >= PATIENCE_MS):
            source = self._encoder.use_source(square, capture_ms, motion.scene)
            self._announce(source, square, "live" if self._live else "file")
            self._scene.new_source(square, motion, capture_ms)
            self._after_cut = False
        with self._lock:
            again, self._send_source_again = self._send_source_again, False
        if again and self._source is not None:
            self._notify(self._on_source, self._source)

    def _hold(self, state: SenderState) -> None:
        """Pauses sending in that state, after the frames gathered so far."""
        with self._lock:
            packet = self._encoder.flush()
        if packet is not None:
            self._notify(self._on_motion, packet, self._newest_ms)
        self._enter(state)

    def _enter(self, state: SenderState) -> None:
        if state != self._state:
            self._state = state
            self._notify(self._on_state, state)

    @staticmethod
    def _notify(callback: Callable[..., None], *arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:  # a faulty listener must not end the call
            _log.exception("a callback of the live sender failed")

    # --- the threads

    def _capture(self) -> None:
        again = True
        while again and not self._stop.is_set():
            assert self._video is not None
            with self._video as video:
                try:
                    for frame, capture_ms in self._timed(video):
                        self._captured += 1
                        if self._gate.takes(capture_ms):
                            self._offer(frame.picture, capture_ms)
                except FacewireError as error:
                    self.problem = str(error)
                except Exception as error:  # of a video source that is not ours
                    _log.exception("the video source failed")
                    self.problem = f"{video.name} failed ({reason(error)})"
            again = self._reopen(video)
        self._enter_after_last("ended")

    def _reopen(self, video: VideoSource) -> bool:
        """Opens the video again if a file loops, or once a camera is back. Returns whether it did."""
        if video.live:
            self.problem = next(iter(video.remarks), self.problem)
            self._enter_after_last("camera-lost")
            while not self._stop.wait(REOPEN_CAMERA_S):
                with contextlib.suppress(InputError):
                    self._video = open_live_video(self._video_spec, self._options.input)
                    return True
            return False
        if not self._options.loop or self.problem or not video.duration_s:
            return False
        self._origin_ms += 1000 * video.duration_s  # the sound of the same file starts again at the same time
        try:
            self._video = open_live_video(self._video_spec, self._options.input)
        except InputError as error:
            self.problem = str(error)
            return False
        return True

    def _timed(self, video: VideoSource) -> Iterator[tuple[Frame, int]]:
        """Yields pictures with their capture times, those of a file in real time."""
        for frame in video:
            capture_ms = self._clock.now_ms() if video.live else round(self._origin_ms) + frame.time_ms
            while not self._stop.is_set() and (wait_ms := capture_ms - self._clock.now_ms()) > 0:
                self._stop.wait(wait_ms / 1000)
            if self._stop.is_set():
                return
            yield frame, capture_ms
            if not self._begun.is_set():
                self._begun.wait()
                self._origin_ms = self._clock.now_ms() - frame.time_ms

    def _offer(self, picture: NDArray[np.uint8], capture_ms: int) -> None:
        with self._arrived:
            if self._waiting is not None:
                self._skipped += 1
            self._waiting = picture, capture_ms
            self._arrived.notify()

    def _enter_after_last(self, state: SenderState) -> None:
        """Enters a state once the last picture has been processed."""
        with self._arrived:
            self._final_state = state
            self._arrived.notify()

    def _load_drawing(self) -> None:
        if self._stop.wait(LOAD_AFTER_S):
            return
        try:
            self._encoder.load_drawing()
        except FacewireError as error:
            self._load_error = error

    def _work(self) -> None:
        while not self._stop.is_set():
            with self._arrived:
                self._arrived.wait_for(lambda: self._waiting or self._final_state or self._stop.is_set())
                waiting, self._waiting = self._waiting, None
                state = None
                if waiting is None:
                    state, self._final_state = self._final_state, None
            try:
                if self._load_error is not None:
                    raise self._load_error
                if waiting is not None:
                    self.take(*waiting)
            except FacewireError as error:
                self.problem = str(error)
                state = "ended"
            if state is not None and not self._stop.is_set():
                self._hold(state)
            if state == "ended":
                return

    def _frame_file(self, detector: FaceDetector) -> Framing | None:
        """The square for a file, found by searching it; None for a camera. NoFaceError if no face appears to the end."""
        video = self._video_spec
        if not isinstance(video, (str, int)) or is_camera(video):
            return None
        with open_live_video(video, self._options.input) as opened:
            return frame_video(opened, detector).framing


def widest(picture: NDArray[np.uint8], framing: Framing | None) -> Framing:
    """The largest square in a picture, around what is framed."""
    height, width = picture.shape[:2]
    side = min(width, height)
    x, y = (
        (width // 2, height // 2) if framing is None else (framing.x + framing.side // 2, framing.y + framing.side // 2)
    )
    return Framing(min(max(x - side // 2, 0), width - side), min(max(y - side // 2, 0), height - side), side)
