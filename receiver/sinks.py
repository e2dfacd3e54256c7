"""Where a call's pictures and sound go: a window, a file, another program, a virtual camera, a speaker, or nowhere.

`playout` passes pictures with the time at which to show them; sound is pulled by its sink, at the sink's own pace. `open_sinks`
chooses sinks by name.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire.errors import InputError, reason
from facewire.files import check_output, temporary_path
from facewire.receiver.sound import RATE_HZ, Samples
from facewire.video import VideoWriter, check_video_path

WINDOW_TITLE = "facewire: a synthesised picture"
CAMERA_TITLE = "facewire: a camera picture"
WINDOW_PX = 512
CLOSING_KEYS = (27, ord("q"))
PROBE_S = 20.0
DEFAULT_DEVICE = "default"
BLOCK_S = 0.02
"""Sound is pulled in blocks of this length where no sound card sets the pace."""

_log = logging.getLogger(__name__)

Pull = Callable[[int, float], Samples]
"""How a sound sink gets sound: called with a count and the time of the first sample; returns int16 (count,), 48 kHz mono."""
Badge = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Returns a copy of a picture, uint8 RGB (H, W, 3), with a badge in it."""


class VideoSink(Protocol):
    """Takes pictures and shows them."""

    def show(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        """Shows a picture, uint8 RGB (S, S, 3), at that time or at once.

        Returns False once no more are wanted, because a window was closed or a reader has gone. Raises InputError if it fails.
        """
        ...

    def show_camera(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        """The same for a picture that is not synthesised but the other side's camera's. Sinks that mark pictures mark it so."""
        return self.show(picture, at_s)

    def close(self) -> None:
        """Closes the sink and completes what it has written. May be called twice."""
        ...


class SoundSink(Protocol):
    """Pulls sound at its own pace, from a thread of its own."""

    def start(self, pull: Pull) -> None: ...

    def stop(self) -> None:
        """Stops pulling before it returns. May be called twice."""
        ...


class NoVideo(VideoSink):
    """Discards the pictures."""

    def show(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        return True

    def close(self) -> None:
        """There is nothing to close."""


class PacedSound(SoundSink):
    """Pulls sound by a clock, as a sound card would, and passes it on.

    play: called with each block and the time at which it is to be heard. clock: in seconds.
    """

    def __init__(
        self, play: Callable[[Samples, float], None] | None = None, clock: Callable[[], float] = time.monotonic
    ):
        self._play = play
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, pull: Pull) -> None:
        self._thread = threading.Thread(target=self._run, args=(pull,), name="facewire-sound-out", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, pull: Pull) -> None:
        started, blocks, count = self._clock(), 0, round(BLOCK_S * RATE_HZ)
        while not self._stop.is_set():
            at_s = started + blocks * BLOCK_S
            samples = pull(count, at_s)
            if self._play is not None:
                self._play(samples, at_s)
            blocks += 1
            self._stop.wait(max(0.0, started + blocks * BLOCK_S - self._clock()))


class Window(VideoSink):
    """A window on the screen. q, Escape or its own button close it.

    Raises InputError if there is no screen. Another process finds that out, since the window system kills the one that asks in
    vain.
    """

    def __init__(self) -> None:
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise InputError("no window: this machine has no screen; write to a file instead, or show nothing")
        script = f"import cv2; cv2.namedWindow({WINDOW_TITLE!r})"
        try:
            probe = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=PROBE_S, check=False)
        except subprocess.TimeoutExpired:
            raise InputError(f"no window: the screen did not answer in {PROBE_S:.0f} s") from None
        if probe.returncode:
            raise InputError("no window: the screen cannot be used; write to a file instead, or show nothing")
        self._open = False
        self._camera = False
        """The title says that the picture is the camera's."""

    def show_camera(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        return self._show(picture, camera=True)

    def show(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        return self._show(picture, camera=False)

    def _show(self, picture: NDArray[np.uint8], *, camera: bool) -> bool:
        try:
            if not self._open:
                cv2.namedWindow(WINDOW_TITLE, cv2.WINDOW_NORMAL)
                cv2.resizeWindow(WINDOW_TITLE, WINDOW_PX, WINDOW_PX)
                self._open = True
            if camera != self._camera:
                self._camera = camera
                cv2.setWindowTitle(WINDOW_TITLE, CAMERA_TITLE if camera else WINDOW_TITLE)
            cv2.imshow(WINDOW_TITLE, picture[..., ::-1])
            key = cv2.waitKey(1) & 0xFF
            return key not in CLOSING_KEYS and cv2.getWindowProperty(WINDOW_TITLE, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error as error:
            raise InputError(f"the window failed ({reason(error)})") from error

    def close(self) -> None:
        if self._open:
            self._open = False
            with contextlib.suppress(cv2.error):
                cv2.destroyWindow(WINDOW_TITLE)


class RecordedFile(VideoSink):
    """A video file, marked as synthesised. `sound` is the sink of its sound track. Time starts with the first picture.

    camera_badge: draws a badge into the pictures that are not synthesised.
    """

    def __init__(
        self,
        path: Path,
        fps: float = 25.0,
        *,
        portrait: bool = False,
        sound: bool = True,
        camera_badge: Badge | None = None,
    ) -> None:
        check_video_path(path)
        self._writer = VideoWriter(path, fps, portrait=portrait, sound=sound, call=camera_badge is not None)
        self._camera_badge = camera_badge
        self._lock = threading.Lock()
        self._start_s: float | None = None
        self._failed: InputError | None = None
        self.sound = PacedSound(self.hear)

    def show(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        with self._lock:
            if self._failed is not None:
                raise self._failed
            self._start_s = at_s if self._start_s is None else self._start_s
            self._writer.write(picture, round(1000 * (at_s - self._start_s)))
        return True

    def show_camera(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        return self.show(picture if self._camera_badge is None else self._camera_badge(picture), at_s)

    def close(self) -> None:
        with self._lock:
            if not self._writer.closed:
                self._writer.__exit__(None, None, None)

    def hear(self, samples: Samples, at_s: float) -> None:
        """Appends sound, int16 (N,) at 48 kHz mono, heard from that time on. If it fails, the next `show` raises."""
        with self._lock:
            if self._start_s is None or self._failed is not None or self._writer.closed:
                return
            try:
                self._writer.write_sound(samples, 1000 * (at_s - self._start_s))
            except InputError as error:
                self._failed = error


class RawFrames(VideoSink):
    """RGB pictures one after another, for another program to read. They carry no times, so they come at exactly fps per second,
    and a missing one is replaced by a copy.
    """

    def __init__(self, stream: BinaryIO, fps: float) -> None:
        self._stream, self._fps = stream, fps
        self._start_s: float | None = None
        self._written = 0

    def show(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        self._start_s = at_s if self._start_s is None else self._start_s
        due = 1 + round((at_s - self._start_s) * self._fps) - self._written
        if due > self._fps:  # the reader was away: do not give it a second of copies
            self._start_s += (due - 1) / self._fps
            due = 1
        try:
            for _ in range(due):
                self._stream.write(picture.tobytes())
                self._written += 1
            self._stream.flush()
        except (BrokenPipeError, ValueError):  # the reader has gone, or the stream is closed
            return False
        except OSError as error:
            raise InputError(f"raw frames cannot be written ({reason(error)})") from error
        return True

    def close(self) -> None:
        """Leaves the stream to its owner."""


class VirtualCamera(VideoSink):
    """A camera for other programs, through pyvirtualcam. Raises InputError if the system offers none."""

    def __init__(self, size: int, fps: float) -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise InputError("no virtual camera: run pip install 'facewire[virtual-camera]'") from error
        try:
            self._camera: Any = pyvirtualcam.Camera(width=size, height=size, fps=fps)
        except (RuntimeError, OSError) as error:
            raise InputError(f"no virtual camera: {reason(error)}") from error

    def show(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        try:
            self._camera.send(np.ascontiguousarray(picture))
        except (RuntimeError, OSError) as error:
            raise InputError(f"the virtual camera failed ({reason(error)})") from error
        return True

    def close(self) -> None:
        self._camera.close()


class WavFile(SoundSink):
    """A WAV file, which appears only once it is complete."""

    def __init__(self, path: Path) -> None:
        check_output(path)
        self._path = path
        self._temporary = temporary_path(path)
        self._paced = PacedSound(self._write)
        try:
            self._file: wave.Wave_write | None = wave.open(str(self._temporary), "wb")  # noqa: SIM115
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({reason(error)})") from error
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(RATE_HZ)

    def start(self, pull: Pull) -> None:
        self._paced.start(pull)

    def stop(self) -> None:
        self._paced.stop()
        if self._file is None:
            return
        try:
            self._file.close()
            self._temporary.replace(self._path)
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written ({reason(error)})") from error
        finally:
            self._file = None
            self._temporary.unlink(missing_ok=True)

    def _write(self, samples: Samples, _at_s: float) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # `stop` reports a full disk
                self._file.writeframesraw(samples.astype("<i2").tobytes())


class Speaker(SoundSink):
    """A loudspeaker through PortAudio. device: its name or a part of it, or "default"."""

    def __init__(self, device: str = DEFAULT_DEVICE) -> None:
        try:
            import sounddevice
        except ImportError as error:
            raise InputError("no loudspeaker: run pip install 'facewire[sound]'") from error
        except OSError as error:
            raise InputError("no loudspeaker: the system lacks PortAudio (libportaudio2)") from error
        self._pull: Pull | None = None

        def wanted(block: Samples, count: int, times: Any, _status: object) -> None:
            heard_at_s = time.monotonic() + times.outputBufferDacTime - times.currentTime
            block[:, 0] = self._pull(count, heard_at_s) if self._pull is not None else 0

        try:
            self._stream: Any = sounddevice.OutputStream(
                samplerate=RATE_HZ,
                channels=1,
                dtype="int16",
                blocksize=round(BLOCK_S * RATE_HZ),
                device=None if device == DEFAULT_DEVICE else device,
                callback=wanted,
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            raise InputError(f"loudspeaker {device}: cannot be used ({reason(error)})") from error

    def start(self, pull: Pull) -> None:
        self._pull = pull
        self._stream.start()

    def stop(self) -> None:
        self._stream.close()


def open_sinks(
    out: str,
    speaker: str | None = None,
    fps: float = 25.0,
    *,
    size: int = 256,
    portrait: bool = False,
    camera_badge: Badge | None = None,
) -> tuple[VideoSink, SoundSink | None]:
    """Opens sinks by name. Raises InputError for one that is not available here.

    out: "window", "raw" (RGB pictures on standard output), "virtual" (a camera for other programs), "none", or a video file.
    speaker: "none" for no sound at all, a .wav file, or a loudspeaker's name. None stands for the sound track if `out` is a
        file, and otherwise for the default loudspeaker; if there is none, sound is received but not heard.
    size: side of the pictures in pixels. portrait: mark a file as a portrait that somebody else moves.
    camera_badge: for pictures in a file that are not synthesised.
    """
    if out not in ("window", "raw", "virtual", "none"):
        recorded = RecordedFile(Path(out), fps, portrait=portrait, sound=speaker is None, camera_badge=camera_badge)
        return recorded, recorded.sound if speaker is None else _sound_sink(speaker)
    video: VideoSink
    if out == "window":
        video = Window()
    elif out == "raw":
        video = RawFrames(sys.stdout.buffer, fps)
    else:
        video = VirtualCamera(size, fps) if out == "virtual" else NoVideo()
    return video, PacedSound() if out == "none" and speaker is None else _sound_sink(speaker)


def _sound_sink(speaker: str | None) -> SoundSink | None:
    if speaker == "none":
        return None
    if speaker is not None:
        return WavFile(Path(speaker)) if Path(speaker).suffix.lower() == ".wav" else Speaker(speaker)
    try:
        return Speaker()
    except InputError as error:
        _log.warning("%s; the other side will not be heard", error)
        return PacedSound()
