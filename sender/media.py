"""Where pictures come from: video files through FFmpeg's libraries, cameras through OpenCV, portraits through Pillow.

Takes a path or a camera's number and gives `Frame`s, upright RGB pictures with their capture times, to `framing` and `encoder`.
Whatever cannot be used raises an InputError that says why in one line.
"""

from __future__ import annotations

import contextlib
import io
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
from facewire.sender.camera import CameraFeed, FreezeWatch
from facewire.sender.container import (
    MIN_SIDE_PX,
    Filters,
    Timeline,
    Upright,
    audio_stream,
    check_file,
    decoded,
    is_spliced,
    open_container,
    playing_s,
    video_streams,
)

ENDS_EARLY_S = 0.5
"""A file whose pictures end so long before it says is cut short; less is rounding."""
CAMERA_LOOKS = 20
"""How many of a camera's first pictures are searched for a face; the first few are often black."""
MAX_CAMERA = 99
"""In larger numbers OpenCV takes the hundreds as a choice of driver."""
MAX_PICTURE_PX = 64_000_000
"""Larger still pictures are rejected before they are decoded."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
QUARTER_TURNS = (0, 90, 180, 270)
SWAY_FPS = 25.0
SWAY_ROLL_DEGREES, SWAY_ROLL_S = 5.0, 4.0
SWAY_SHIFT, SWAY_SHIFT_S = 0.02, 5.3
"""How a still picture moves as a test source: it leans this far each way and shifts by this share of its side, there and back in
this many seconds."""


@dataclass(frozen=True)
class InputOptions:
    """What of a video is used, and which way up. InputError for an angle that is no quarter turn."""

    stream: int | None = None
    """Which of a file's video streams, counted from 0 as in the file; None for the one that players show."""
    rotate: int = 0
    """Degrees by which pictures are turned clockwise, besides what the file itself asks for: one of `QUARTER_TURNS`."""

    def __post_init__(self) -> None:
        if self.rotate not in QUARTER_TURNS:
            raise InputError(f"pictures cannot be turned by {self.rotate} degrees: 90, 180 or 270, clockwise")

    def turned(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture, uint8 RGB (H, W, 3), the right way up."""
        return np.ascontiguousarray(np.rot90(picture, -self.rotate // 90)) if self.rotate else picture

    def check_single(self, name: str) -> None:
        """InputError if a stream was chosen of something that has no streams."""
        if self.stream is not None:
            raise InputError(f"{name}: has no streams to choose from; --stream is for video files")


AS_IT_IS = InputOptions()


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
    rotate: int = 0
    """By how many degrees its pictures have been turned on request, as `InputOptions.rotate`."""

    def __iter__(self) -> Iterator[Frame]: ...

    def looks(self, per_second: float, seconds: float) -> Iterator[Frame]:
        """Yields a few frames from the first so many seconds, or with inf from all, to find the face in, and spends no time on
        the others.
        """
        ...

    def stop(self) -> None:
        """Ends an iteration that is waiting for its next frame, from any thread. Sources that never wait long need not do so."""
        return


def open_video(clip: str | Path | int, options: InputOptions = AS_IT_IS) -> VideoSource:
    """Opens a file by its path, or a camera by its number (also as text: "0")."""
    return Camera(int(str(clip)), options) if is_camera(clip) else VideoFile(Path(str(clip)), options)


def is_camera(clip: str | Path | int) -> bool:
    """Whether that is a camera's number and not the name of a file."""
    if isinstance(clip, int):
        return True
    return len(str(clip)) < 20 and str(clip).isdecimal() and not Path(clip).exists()


def open_live_video(clip: str | Path | int | VideoSource, options: InputOptions = AS_IT_IS) -> VideoSource:
    """Like `open_video`, but a still picture becomes a source that moves it, and an open source is returned as it is."""
    if not isinstance(clip, (str, Path, int)):
        return clip
    if isinstance(clip, int) or Path(clip).suffix.lower() not in PICTURE_SUFFIXES:
        return open_video(clip, options)
    return SwayingPicture(Path(clip), options)


class VideoFile(VideoSource):
    """A video file, with the pictures that a player shows (`container`), at the times at which it shows them."""

    live = False

    def __init__(self, path: Path, options: InputOptions = AS_IT_IS) -> None:
        self.name = path.name
        self.remarks: list[str] = []
        self._path = path
        self._container = open_container(path)
        try:
            self._stream = self._choose(options.stream)
        except InputError:
            self._container.close()
            raise
        if options.stream is None and self.streams > 1:
            self.remarks.append(
                f"{self.name} has {self.streams} video streams: number {self._numbered.index(self._stream)} is used, which players "
                "show; another with --stream N"
            )
        self._options, self.rotate = options, options.rotate
        self._stream.thread_type = "AUTO"
        self.fps = _frame_rate(float(self._stream.average_rate or self._stream.base_rate or 0))
        self.duration_s = playing_s(path, self._container, self._stream)
        self._upright = Upright(path, self._stream)
        self._damage = ""

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        for frame, time_ms in self._timed():
            yield Frame(self._picture(frame), time_ms)

    def looks(self, per_second: float, seconds: float) -> Iterator[Frame]:
        next_ms = 0.0
        for frame, time_ms in self._timed():
            if time_ms > 1000 * seconds:
                return
            if time_ms >= next_ms:
                next_ms = time_ms + 1000 / per_second - 1
                yield Frame(self._picture(frame), time_ms)

    @property
    def has_sound(self) -> bool:
        """Whether there is sound beside the pictures."""
        return audio_stream(self._container) is not None

    @property
    def streams(self) -> int:
        """How many video streams there are."""
        return len(self._numbered)

    @property
    def _numbered(self) -> list[av.VideoStream]:
        """The video streams as `InputOptions` counts them."""
        return sorted(video_streams(self._container), key=lambda stream: stream.index)

    def _picture(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        return self._options.turned(self._upright.picture(frame))

    def _choose(self, number: int | None) -> av.VideoStream:
        streams = video_streams(self._container)
        if not streams:
            sound = audio_stream(self._container) is not None
            raise InputError(f"{self._path}: holds only sound, no video" if sound else f"{self._path}: not a video")
        if number is None:
            return streams[0]
        if number >= len(streams):
            there = "; ".join(
                f"{at}: {stream.codec_context.name}, {stream.width}x{stream.height}"
                + (", which players show" if len(streams) > 1 and stream is streams[0] else "")
                for at, stream in enumerate(self._numbered)
            )
            raise InputError(f"{self._path}: no video stream {number}, only {there}")
        return self._numbered[number]

    def _timed(self) -> Iterator[tuple[av.VideoFrame, int]]:
        """Yields frames with their times in ms since the first, and at the end remarks on what is missing."""
        timeline = Timeline(spliced=is_spliced(self._container))
        count, last_ms = 0, -1
        for frame in Filters(self._stream).frames(self._decoded()):
            last_ms = max(last_ms + 1, round(1000 * timeline.at(frame.time, 1 / self.fps)))
            yield frame, last_ms
            count += 1
        if count == 0:
            raise InputError(f"{self._path}: none of its frames can be decoded")
        if self._damage:
            self.remarks.append(f"{self.name} is damaged or cut short ({self._damage}): what decodes is used")
        elif self._shown_s - last_ms / 1000 > ENDS_EARLY_S + 1 / self.fps:
            self.remarks.append(
                f"{self.name} ends early: it has pictures for {last_ms / 1000:.1f} of {self._shown_s:.1f} s"
            )

    @property
    def _shown_s(self) -> float:
        """For how long the file says that it has pictures."""
        stream = self._stream
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return 0.0 if self.has_sound else self.duration_s or 0.0

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Yields frames as far as they can be decoded."""

        def damaged(why: str) -> None:
            self._damage = self._damage or why

        for frame in decoded(self._container, self._stream, damaged):
            assert isinstance(frame, av.VideoFrame)
            yield frame


class Camera(VideoSource):
    """A camera by its number. Frames carry the time at which they arrived.

    When the camera fails, the iteration ends with a remark; if it froze, it is opened again first.
    """

    live = True
    duration_s = None

    def __init__(self, index: int, options: InputOptions = AS_IT_IS) -> None:
        self.name = f"camera {index}"
        self.remarks: list[str] = []
        options.check_single(self.name)
        self._options, self.rotate = options, options.rotate
        if index > MAX_CAMERA:
            raise InputError(f"{self.name}: no such file, and cameras are numbered from 0 to {MAX_CAMERA}")
        self._index = index
        self._feed = CameraFeed(index)
        self.fps = _frame_rate(self._feed.fps or 30.0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._feed.close()

    def __iter__(self) -> Iterator[Frame]:
        start, last_ms, watch = time.monotonic(), -1, FreezeWatch()
        while (shot := self._feed.next()) is not None:
            if watch.frozen(shot):
                self._feed.close()
                self._feed = CameraFeed(self._index)
                continue
            last_ms = max(last_ms + 1, round(1000 * (shot.at_s - start)))
            yield Frame(self._options.turned(shot.picture), last_ms)
        if self._feed.failure:
            if last_ms < 0:
                raise InputError(f"{self.name}: delivers no pictures ({self._feed.failure})")
            self.remarks.append(f"{self.name} {self._feed.failure}")

    def looks(self, per_second: float, seconds: float) -> Iterator[Frame]:
        return islice(self, CAMERA_LOOKS)

    def stop(self) -> None:
        self._feed.stop()


class SwayingPicture(VideoSource):
    """A still picture that leans and shifts slowly, by `SWAY_*`, for ever: a source of known motion for tests."""

    live = False
    fps = SWAY_FPS
    duration_s = None

    def __init__(self, path: Path, options: InputOptions = AS_IT_IS) -> None:
        self.name = path.name
        self.remarks: list[str] = []
        options.check_single(self.name)
        self.rotate = options.rotate
        self._picture = options.turned(read_picture(path))

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
    """Reads a still picture, uint8 RGB (H, W, 3), as a viewer shows it: upright by its EXIF orientation, its colour profile
    applied, deeper grey in 8 bits, white for transparency.
    """
    check_file(path)
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
            image: Any = _eight_bits(ImageOps.exif_transpose(opened))
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
            picture = np.array(_srgb(image, opened.info.get("icc_profile")), np.uint8)
    except UnidentifiedImageError as error:
        raise InputError(f"{name}: cannot be read as a picture") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{name}: a damaged picture ({reason(error)})") from error
    if min(picture.shape[:2]) < MIN_SIDE_PX:
        raise InputError(
            f"{name}: {picture.shape[1]}x{picture.shape[0]} is too small; at least {MIN_SIDE_PX} pixels a side are needed"
        )
    return picture


def _eight_bits(image: Any) -> Any:
    """A picture of grey values with 16 bits and more, or with fractions, in 8; others as they are."""
    from PIL import Image

    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    grey = np.nan_to_num(np.asarray(image, np.float64))
    white = 65535.0 if image.mode != "F" else 1.0
    if grey.max() > white or (image.mode == "F" and grey.max() > 1):
        white = float(grey.max())
    return Image.fromarray(np.round(np.clip(grey / white, 0, 1) * 255).astype(np.uint8))


def _srgb(image: Any, profile: bytes | None) -> Any:
    """A picture in RGB as a screen without colour management shows it: sRGB. profile: the picture's own ICC profile, if any."""
    from PIL import ImageCms

    if profile and image.mode != "P":
        with contextlib.suppress(ImageCms.PyCMSError, OSError):  # a damaged profile, or one of another kind of picture
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
            assert converted is not None
            return converted
    return image.convert("RGB")


def _frame_rate(claimed: float) -> float:
    """Frames per second; 25 if a file or a driver claims an impossible rate."""
    return float(claimed) if 1 <= claimed <= 1000 else 25.0
