"""A camera, a file in real time or a moved still picture, as the sending end of a call.

Comes in: a video and what the other side acknowledges. Goes out, through callbacks from this module's own threads:
source messages, motion packets and states. One thread captures, one measures and packs; between them waits one picture,
the newest. `scene` holds the rules, `framing` the square, and the codec does the rest.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facewire.codec import Motion, Packing
from facewire.coding import Coding
from facewire.errors import FacewireError, InputError, NoFaceError
from facewire.models.runtime import Networks
from facewire.sender.clock import CaptureClock
from facewire.sender.encoder import Encoder
from facewire.sender.face_detector import FaceDetector
from facewire.sender.face_tracker import FaceTracker
from facewire.sender.framing import Framing, frame_video
from facewire.sender.media import Frame, VideoSource, open_live_video
from facewire.sender.policy import PATIENCE_MS, FrameGate, SceneWatch, SourceMoment
from facewire.sender.source import SentSource
from facewire.source_picture import PREVIEW_QUALITY

REOPEN_CAMERA_S = 2.0
"""So often an unplugged camera is looked for."""
STOP_S = 5.0
"""Longest wait for a thread to end; a camera's driver may hang."""

SenderState = Literal["starting", "sending", "no-face", "paused", "camera-lost", "ended"]
PictureKind = Literal["live", "file", "portrait"]
"""Where a source frame is from: a camera just now, a video file, or a picture of the sender's choosing."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveSenderOptions:
    """What a live sender does."""

    packing: Packing = Packing(frames_per_packet=3, redundancy=1)
    """How motion is packed until `set_rate` says otherwise. Three frames a packet let a frame wait 80 ms at 25 a second, and
    save two packets' overhead of three."""
    fps: float = 25.0
    """The most frames a second, and the stream's nominal rate if the camera gives as many."""
    loop: bool = False
    """A file starts again at its end."""
    refresh: bool = True
    """Send a new source frame when the scene has changed too much."""


@dataclass(frozen=True)
class SourceMessage:
    """A source frame as it goes to the other side. data: of `codec.encode_source`. hash: its `codec.source_hash`.
    number: counts this sender's source frames from 0. picture: where it is from. capture_ms: when it was made. preview: the
    same moment in a fifth of the bytes, a source message too, for whom has no picture yet.
    """

    data: bytes
    hash: bytes
    number: int
    picture: PictureKind = "live"
    capture_ms: int = 0
    preview: bytes = b""


@dataclass(frozen=True)
class Framed:
    """What is cut of the camera's picture. width, height: of that picture, pixels."""

    framing: Framing
    width: int
    height: int


@dataclass(frozen=True)
class LiveSenderStats:
    """Totals so far."""

    captured: int = 0
    """Pictures that the video gave."""
    skipped: int = 0
    """Pictures wanted but replaced by a newer one before there was time for them."""
    sent: int = 0
    """Frames whose motion was packed."""
    without_face: int = 0
    """Pictures that were not sent since no face was seen."""
    sources: int = 0
    """Source frames."""
    ms_per_frame: float = 0.0
    """Mean time that looking, measuring and packing took."""


class LiveSender:
    """One person's video at the sending end of a call.

    video: a camera's number, a video file or a still picture, as `media.open_live_video` takes it, or a source of one's own.
    on_source, on_motion (packet, capture time of its newest frame in ms), on_state, on_square (the square just cut, uint8 RGB
    (S, S, 3), and its capture time): called from this object's threads; what they raise is logged. clock: shared with the sound.
    Raises InputError or NoFaceError if the video cannot be used and WeightsError if the networks cannot; after that, faults are
    states. A file is looked through for its face here, which takes up to a second.
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
        on_square: Callable[[NDArray[np.uint8], int], None] | None = None,
        clock: CaptureClock | None = None,
        coding: Coding | None = None,
    ) -> None:
        self._networks = networks
        self._options = options
        self._on_source, self._on_motion, self._on_state = on_source, on_motion, on_state
        self._on_square = on_square
        self._clock = clock or CaptureClock()
        self._size = networks.bundle.picture_size
        detector = FaceDetector()
        networks.motion(np.zeros((self._size, self._size, 3), np.uint8))  # loads the graph: bad weights show up here
        self._video_spec = video
        self._face = FaceTracker(detector, self._frame_file(video, detector))
        self._video: VideoSource | None = open_live_video(video)
        self._live = self._video.live
        self._gate = FrameGate(min(options.fps, self._video.fps))
        self._encoder = Encoder(networks, frame_rate=self._gate.fps, packing=options.packing, coding=coding)

        self._scene = SceneWatch()
        self._moment = SourceMoment(networks.bundle)
        self._source: SourceMessage | None = None
        self._framed: Framed | None = None
        self._portrait_wanted: NDArray[np.uint8] | None = None
        self._source_wanted_ms: int | None = None
        """Since when a new source frame is wanted; the first picture wants one."""
        self._send_source_again = False
        self._paused = False
        self._state: SenderState = "starting"
        self.problem = ""
        """Why it ended or the camera was lost, in words, if that was a fault."""
        self._captured = self._skipped = self._sent = self._without_face = 0
        self._busy_s = 0.0
        self._newest_ms = 0

        self._lock = (
            threading.Lock()
        )  # of the encoder's packets and of what other threads ask for; never held while networks run
        self._waiting: tuple[NDArray[np.uint8], int] | None = None
        self._then: SenderState | None = None
        self._origin_ms = 0.0
        """When the file's current run began."""
        self._arrived = threading.Condition()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    # --- what the call asks for, from any thread

    def start(self) -> None:
        """Begins to capture; a file starts to play now."""
        if self._threads:
            return
        self._origin_ms = self._clock.now_ms()
        self._threads = [
            threading.Thread(target=self._capture, name="facewire-capture", daemon=True),
            threading.Thread(target=self._work, name="facewire-motion", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends both threads and closes the camera. No callback comes after it returns, unless a driver hangs."""
        self._stop.set()
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
        """The other side has that frame; what follows is predicted from it."""
        with self._lock:
            self._encoder.acknowledge(frame_number)

    def new_source(self) -> None:
        """Makes a new source frame as soon as the face is well seen."""
        with self._lock:
            if self._encoder.is_portrait:
                self._send_source_again = True
            elif self._source is not None and self._source_wanted_ms is None:
                self._source_wanted_ms = self._clock.now_ms()

    def appear_as(self, portrait: NDArray[np.uint8] | None) -> None:
        """From the next picture on, another face is moved as this one moves: of a framed picture, uint8 RGB (S, S, 3).

        None: oneself again, from the next moment on that is good for a source frame.
        """
        with self._lock:
            self._portrait_wanted = portrait
            if portrait is None and self._encoder.is_portrait:
                self._source_wanted_ms = self._clock.now_ms()

    def new_receiver(self) -> None:
        """The other side starts from nothing: it gets the source frame again, and packets that need no earlier ones."""
        with self._lock:
            self._encoder.start_over()
            self._send_source_again = True

    def set_rate(self, packing: Packing, fps: float) -> None:
        """Changes what is sent from the next packet on; InputError for settings that do not exist."""
        if not 1 <= fps <= 1000:
            raise InputError(f"{fps} frames a second: from 1 to 1000")
        with self._lock:
            self._encoder.packing = packing
            self._gate.fps = min(fps, self._encoder.frame_rate)

    def pause(self, paused: bool) -> None:
        """Camera off: pictures are thrown away unseen until it is on again."""
        self._paused = paused

    @property
    def state(self) -> SenderState:
        return self._state

    @property
    def framed(self) -> Framed | None:
        """The square that is cut now; None before a face was seen."""
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
            self._source.number + 1 if self._source is not None else 0,
            1000 * self._busy_s / max(1, taken),
        )

    # --- one picture

    def take(self, picture: NDArray[np.uint8], capture_ms: int) -> None:
        """Looks at a picture, uint8 RGB (H, W, 3), and sends what is to be sent of it.

        What the motion thread does with every picture; a program that has pictures of its own may call it instead of
        `start`, from one thread, with growing times.
        """
        if self._paused:
            self._hold("paused")
            return
        started = time.perf_counter()
        framing = self._face.locate(picture, capture_ms)
        if framing is None or not self._face.present:
            self._without_face += 1
            self._hold("no-face" if self._face.lost(capture_ms) else self._state)
            return
        self._framed = Framed(framing, picture.shape[1], picture.shape[0])
        square = framing.cut(picture, self._size)
        if self._on_square is not None:
            self._tell(self._on_square, square, capture_ms)
        motion, shape = self._networks.read(square)
        motion = self._encoder.with_scene(square, motion)
        self._change_face(motion, capture_ms)
        self._refresh_source(square, motion, self._moment.good(motion, shape), capture_ms)
        motion = self._encoder.transferred(motion)
        with self._lock:
            packet = self._encoder.pack(motion, capture_ms)
            self._newest_ms = capture_ms
            self._sent += 1
        self._busy_s += time.perf_counter() - started
        self._enter("sending")
        if packet is not None:
            self._tell(self._on_motion, packet, capture_ms)

    def _change_face(self, motion: Motion, capture_ms: int) -> None:
        """Takes the portrait that is wanted as source frame, if one is. Its motion begins where this motion stands."""
        with self._lock:
            wanted, self._portrait_wanted = self._portrait_wanted, None
        if wanted is None:
            return
        self._announce(self._encoder.appear_as(wanted, capture_ms, motion), wanted, "portrait")

    def _announce(self, source: SentSource, square: NDArray[np.uint8], picture: PictureKind) -> None:
        """Has a source frame sent, with a preview of the same square."""
        frame = source.frame
        preview = self._encoder.make_source(square, frame.capture_time_ms, source.motion.scene, PREVIEW_QUALITY)
        with self._lock:
            number = self._source.number + 1 if self._source is not None else 0
            self._source = SourceMessage(
                source.message, source.hash, number, picture, frame.capture_time_ms, preview.message
            )
            self._source_wanted_ms, self._send_source_again = None, True

    def _refresh_source(self, square: NDArray[np.uint8], motion: Motion, good: bool, capture_ms: int) -> None:
        """Makes a new source frame if one is wanted and the moment is good, or no better one came for a second."""
        if self._source_wanted_ms is None and not self._encoder.is_portrait:
            changed = self._scene.changed(square, motion, capture_ms)
            if changed and (self._source is None or self._options.refresh):
                self._source_wanted_ms = capture_ms
        wanted = self._source_wanted_ms
        if wanted is not None and (good or capture_ms - wanted >= PATIENCE_MS):
            source = self._encoder.use_source(square, capture_ms, motion.scene)
            self._announce(source, square, "live" if self._live else "file")
            self._scene.sourced(square, motion, capture_ms)
        with self._lock:
            again, self._send_source_again = self._send_source_again, False
        if again and self._source is not None:
            self._tell(self._on_source, self._source)

    def _hold(self, state: SenderState) -> None:
        """Nothing to send: what was gathered goes out, then there is silence."""
        with self._lock:
            packet = self._encoder.flush()
        if packet is not None:
            self._tell(self._on_motion, packet, self._newest_ms)
        self._enter(state)

    def _enter(self, state: SenderState) -> None:
        if state != self._state:
            self._state = state
            self._tell(self._on_state, state)

    @staticmethod
    def _tell(callback: Callable[..., None], *arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:  # whoever listens must not be able to end the call
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
            again = self._reopen(video)
        self._then_enter("ended")

    def _reopen(self, video: VideoSource) -> bool:
        """Whether there is another run: of a file that loops, or of a camera once it is there again."""
        if video.live:
            self.problem = next(iter(video.remarks), self.problem)
            self._then_enter("camera-lost")
            while not self._stop.wait(REOPEN_CAMERA_S):
                with contextlib.suppress(InputError):
                    self._video = open_live_video(self._video_spec)
                    return True
            return False
        if not self._options.loop or self.problem or not video.duration_s:
            return False
        self._origin_ms += 1000 * video.duration_s  # sound of the same file starts again at the same time
        try:
            self._video = open_live_video(self._video_spec)
        except InputError as error:
            self.problem = str(error)
            return False
        return True

    def _timed(self, video: VideoSource) -> Iterator[tuple[Frame, int]]:
        """Pictures with their capture times; those of a file are waited for."""
        for frame in video:
            capture_ms = self._clock.now_ms() if video.live else round(self._origin_ms) + frame.time_ms
            while not self._stop.is_set() and (wait_ms := capture_ms - self._clock.now_ms()) > 0:
                self._stop.wait(wait_ms / 1000)
            if self._stop.is_set():
                return
            yield frame, capture_ms

    def _offer(self, picture: NDArray[np.uint8], capture_ms: int) -> None:
        with self._arrived:
            if self._waiting is not None:
                self._skipped += 1
            self._waiting = picture, capture_ms
            self._arrived.notify()

    def _then_enter(self, state: SenderState) -> None:
        """The state that follows once the last picture is worked off."""
        with self._arrived:
            self._then = state
            self._arrived.notify()

    def _work(self) -> None:
        while not self._stop.is_set():
            with self._arrived:
                self._arrived.wait_for(lambda: self._waiting or self._then or self._stop.is_set())
                waiting, self._waiting = self._waiting, None
                then = None
                if waiting is None:
                    then, self._then = self._then, None
            try:
                if waiting is not None:
                    self.take(*waiting)
            except FacewireError as error:
                self.problem = str(error)
                then = "ended"
            if then is not None and not self._stop.is_set():
                self._hold(then)
            if then == "ended":
                return

    @staticmethod
    def _frame_file(video: str | int | VideoSource, detector: FaceDetector) -> Framing | None:
        """The square for a file, by a look through its beginning; None for a camera, or where no face is in it yet."""
        if not isinstance(video, (str, int)):
            return None
        with open_live_video(video) as opened:
            if opened.live:
                return None
            with contextlib.suppress(NoFaceError):
                return frame_video(opened, detector).framing
        return None
