"""Where pictures come from: video files through FFmpeg's libraries, cameras through OpenCV, portraits through Pillow.

Takes a path or a camera's number and gives `Frame`s, upright RGB pictures with their capture times, to `framing` and `encoder`.
Whatever cannot be used raises an InputError that says why in one line.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from facewire.errors import InputError, reason

MIN_SIDE_PX = 32
CAMERA_LOOKS = 20
"""How many of a camera's first pictures are searched for a face; the first few are often black."""
MAX_CAMERA = 99
"""In larger numbers OpenCV takes the hundreds as a choice of driver."""
MAX_PICTURE_PX = 64_000_000
"""Larger still pictures are rejected before they are decoded."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
SWAY_FPS = 25.0
SWAY_ROLL_DEGREES, SWAY_ROLL_S = 5.0, 4.0
SWAY_SHIFT, SWAY_SHIFT_S = 0.02, 5.3
"""How a still picture moves as a test source: it leans this far each way and shifts by this share of its side, there and back in
this many seconds."""


@dataclass(frozen=True)
class Frame:
    """One picture. picture: uint8 RGB (H, W, 3), upright, square pixels. time_ms: since the first frame, increasing."""

    picture: NDArray[np.uint8]
    time_ms: int


class VideoSource(AbstractContextManager["VideoSource"], Protocol):
    """What `open_video` returns. Iterate over it once for its frames, then read `remarks`."""

    name: str
    fps: float
    live: bool
    duration_s: float | None
    """None if it has no end."""
    remarks: list[str]
    """What the user should know about the pictures, one line each."""

    def __iter__(self) -> Iterator[Frame]: ...

    def looks(self, per_second: float, seconds: float) -> Iterator[Frame]:
        """Yields a few frames from the beginning, to find the face in, and spends no time on the others."""
        ...

    def stop(self) -> None:
        """Ends an iteration that is waiting for its next frame, from any thread. Sources that never wait long need not do so."""
        return


def open_video(clip: str | Path | int) -> VideoSource:
    """Opens a file by its path, or a camera by its number (also as text: "0")."""
    if isinstance(clip, int):
        return Camera(clip)
    if len(str(clip)) < 20 and str(clip).isdecimal() and not Path(clip).exists():
        return Camera(int(str(clip)))
    return VideoFile(Path(clip))


def open_live_video(clip: str | Path | int | VideoSource) -> VideoSource:
    """Like `open_video`, but a still picture becomes a source that moves it, and an open source is returned as it is."""
    if not isinstance(clip, (str, Path, int)):
        return clip
    if isinstance(clip, int) or Path(clip).suffix.lower() not in PICTURE_SUFFIXES:
        return open_video(clip)
    return SwayingPicture(Path(clip))


class VideoFile(VideoSource):
    """A video file. Honours rotation, pixel aspect ratio and uneven frame times; reduces deeper colour to 8 bits, and scales
    pictures to the size of the first.
    """

    live = False

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.remarks: list[str] = []
        _check_file(path)
        try:
            self._container = av.open(str(path))
        except PermissionError as error:
            raise InputError(f"{path}: permission denied") from error
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"{path}: cannot be read as a video ({reason(error)})") from error
        streams = [s for s in self._container.streams.video if s.codec_context is not None]
        if not streams:
            sound = any(stream.type == "audio" for stream in self._container.streams)
            self._container.close()
            raise InputError(f"{path}: holds only sound, no video" if sound else f"{path}: not a video")
        self._path = path
        self._stream = streams[0]
        self._stream.thread_type = "AUTO"
        self.fps = _frame_rate(float(self._stream.average_rate or self._stream.base_rate or 0))
        self.duration_s = self._container.duration / av.time_base if self._container.duration else None
        self._size: tuple[int, int] | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        for frame, time_ms in self._timed():
            yield Frame(self._upright(frame), time_ms)

    def looks(self, per_second: float, seconds: float) -> Iterator[Frame]:
        next_ms = 0.0
        for frame, time_ms in self._timed():
            if time_ms > 1000 * seconds:
                return
            if time_ms >= next_ms:
                next_ms = time_ms + 1000 / per_second - 1
                yield Frame(self._upright(frame), time_ms)

    def _timed(self) -> Iterator[tuple[av.VideoFrame, int]]:
        """Yields frames with their times in ms since the first, and at the end remarks on what is missing."""
        count, last_ms, start = 0, -1, None
        for frame in self._decoded():
            seconds = frame.time if frame.time is not None else count / self.fps
            start = seconds if start is None else start
            last_ms = max(last_ms + 1, round(1000 * (seconds - start)))
            yield frame, last_ms
            count += 1
        if count == 0:
            raise InputError(f"{self._path}: none of its frames can be decoded")
        if self._stream.frames > count and not self.remarks:
            self.remarks.append(f"{self.name} ends early: it has {count} of {self._stream.frames} frames")

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Yields frames as far as they can be decoded. Damage in the middle of the file ends them with a remark."""
        frames = self._container.decode(self._stream)
        damaged = False
        while not damaged:
            try:
                frame = next(frames, None)
            except (av.FFmpegError, OSError) as error:
                self.remarks.append(f"{self.name} is damaged or cut short ({reason(error)}): what decodes is used")
                damaged, frame = True, None
            if frame is None:
                return
            yield frame

    def _upright(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        if self._size is None:
            self._size = self._square_pixels(frame)
        width, height = self._size
        picture = frame.to_ndarray(format="rgb24", width=width, height=height)
        turns = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(picture, turns), np.uint8)

    def _square_pixels(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height of a picture once its pixels are square."""
        width, height = frame.width, frame.height
        aspect = self._stream.sample_aspect_ratio
        if aspect and 0.2 < aspect < 5 and abs(aspect - 1) > 0.01:
            width = max(2, round(width * float(aspect)))
        if min(width, height) < MIN_SIDE_PX:
            raise InputError(
                f"{self._path}: {width}x{height} is too small; at least {MIN_SIDE_PX} pixels a side are needed"
            )
        return width, height


class Camera(VideoSource):
    """A camera by its number. Frames carry the time at which they arrived."""

    live = True
    duration_s = None

    def __init__(self, index: int) -> None:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self.name = f"camera {index}"
        self.remarks: list[str] = []
        if index > MAX_CAMERA:
            raise InputError(f"{self.name}: no such file, and cameras are numbered from 0 to {MAX_CAMERA}")
        self._capture = cv2.VideoCapture(index)
        if not self._capture.isOpened():
            raise InputError(f"camera {index}: not found, or in use by another program")
        self.fps = _frame_rate(self._capture.get(cv2.CAP_PROP_FPS) or 30.0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._capture.release()

    def __iter__(self) -> Iterator[Frame]:
        start, last_ms = time.monotonic(), -1
        while True:
            there, picture = self._capture.read()
            if not there:
                if last_ms < 0:
                    raise InputError(f"{self.name}: delivers no pictures")
                self.remarks.append(f"{self.name} was unplugged")
                return
            last_ms = max(last_ms + 1, round(1000 * (time.monotonic() - start)))
            yield Frame(np.ascontiguousarray(picture[..., ::-1], np.uint8), last_ms)

    def looks(self, per_second: float, seconds: float) -> Iterator[Frame]:
        return islice(self, CAMERA_LOOKS)


class SwayingPicture(VideoSource):
    """A still picture that leans and shifts slowly, by `SWAY_*`, for ever: a source of known motion for tests."""

    live = False
    fps = SWAY_FPS
    duration_s = None

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.remarks: list[str] = []
        self._picture = read_picture(path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to close."""

    def __iter__(self) -> Iterator[Frame]:
        for number in count():
            yield Frame(self._at(number / self.fps), round(1000 * number / self.fps))

    def looks(self, per_second: float, seconds: float) -> Iterator[Frame]:
        for number in range(round(per_second * min(seconds, SWAY_SHIFT_S))):
            yield Frame(self._at(number / per_second), round(1000 * number / per_second))

    def _at(self, time_s: float) -> NDArray[np.uint8]:
        height, width = self._picture.shape[:2]
        roll = SWAY_ROLL_DEGREES * np.sin(2 * np.pi * time_s / SWAY_ROLL_S)
        shift = SWAY_SHIFT * min(width, height) * np.sin(2 * np.pi * time_s / SWAY_SHIFT_S)
        move = cv2.getRotationMatrix2D((width / 2, height / 2), roll, 1.0)
        move[0, 2] += shift
        moved = cv2.warpAffine(self._picture, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.uint8)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Reads a still picture, uint8 RGB (H, W, 3): upright by its EXIF orientation, with white for transparency."""
    _check_file(path)
    return decode_picture(path, str(path))


def decode_picture(
    file: Path | BinaryIO, name: str = "the picture", formats: tuple[str, ...] | None = None
) -> NDArray[np.uint8]:
    """Like `read_picture`, for an open file. formats: the accepted ones by Pillow's names; None for all."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked here, before decoding
            opened = Image.open(file, formats=formats)
        with opened:
            if opened.width * opened.height > MAX_PICTURE_PX:
                raise InputError(f"{name}: {opened.width}x{opened.height} is too large for a portrait")
            image: Any = ImageOps.exif_transpose(opened)
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
            picture = np.array(image.convert("RGB"), np.uint8)
    except UnidentifiedImageError as error:
        raise InputError(f"{name}: cannot be read as a picture") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{name}: a damaged picture ({reason(error)})") from error
    if min(picture.shape[:2]) < MIN_SIDE_PX:
        raise InputError(
            f"{name}: {picture.shape[1]}x{picture.shape[0]} is too small; at least {MIN_SIDE_PX} pixels a side are needed"
        )
    return picture


def _check_file(path: Path) -> None:
    try:
        if not path.exists():
            raise InputError(f"{path}: no such file")
        if not path.is_file():
            raise InputError(f"{path}: not a file")
    except OSError as error:  # such as a folder on its path that may not be read
        raise InputError(f"{path}: cannot be read ({reason(error)})") from error


def _frame_rate(claimed: float) -> float:
    """Frames per second; 25 if a file or a driver claims an impossible rate."""
    return float(claimed) if 1 <= claimed <= 1000 else 25.0
