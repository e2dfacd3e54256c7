"""Pictures into files: bit-exact FFV1 in Matroska for measurement, H.264 in MP4 for viewing, chosen by the file's name.

Comes in: pictures from `facewire.receiver`, or framed ones from `facewire.sender`. Goes out: a file that is whole or
not there: it is written under a temporary name and takes its own at the end, so neither a full disk nor Ctrl-C leaves
half a video behind.
"""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from numpy.typing import NDArray

from facewire.errors import InputError, reason
from facewire.files import check_output

SUFFIXES = (".mkv", ".mp4")
SYNTHESISED = "Pictures synthesised by facewire from head motion; not camera footage"
"""Goes into the file's metadata, as the EU AI Act's article 50 asks."""


def check_video_path(path: Path, *others: Path) -> None:
    """`check_output` for a video, whose name also says its kind."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: a video's name ends in .mkv (lossless) or .mp4 (for viewing)")
    check_output(path, *others)


class VideoWriter(AbstractContextManager["VideoWriter"]):
    """Writes RGB pictures of one size, one video frame each.

    path: ends in .mkv (FFV1 in RGB, bit-exact) or .mp4 (H.264, 4:2:0, CRF 16). fps: frames a second that the file
    declares; with times, each frame is shown at its own. synthesised: mark the file as such.
    """

    def __init__(self, path: Path, fps: float, *, synthesised: bool = True) -> None:
        check_video_path(path)
        self._path = path
        self._temporary = path.with_name(f".{path.stem}.part{path.suffix}")
        self._lossless = path.suffix.lower() == ".mkv"
        self._rate = Fraction(fps).limit_denominator(1001)
        self._stream: av.VideoStream | None = None
        self._last_pts = -1
        self.frames = 0
        try:
            self._container = av.open(str(self._temporary), "w")
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"{path}: cannot be written ({reason(error)})") from error
        if synthesised:
            self._container.metadata["comment"] = SYNTHESISED

    def write(self, picture: NDArray[np.uint8], time_ms: int | None = None) -> None:
        """Appends a picture, uint8 RGB (H, W, 3), shown at time_ms or, without it, one frame after the last."""
        try:
            if self._stream is None:
                self._stream = self._start(picture)
            frame = self._frame(picture)
            clock = Fraction(1, 1000)
            shown = Fraction(time_ms, 1000) if time_ms is not None else self.frames / self._rate
            self._last_pts = max(self._last_pts + 1, round(shown / clock))
            frame.pts, frame.time_base = self._last_pts, clock
            self._container.mux(self._stream.encode(frame))
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"{self._path}: cannot be written ({reason(error)})") from error
        self.frames += 1

    def _start(self, picture: NDArray[np.uint8]) -> av.VideoStream:
        height, width = picture.shape[:2]
        options = {} if self._lossless else {"crf": "16", "preset": "veryfast"}
        stream = self._container.add_stream("ffv1" if self._lossless else "libx264", rate=self._rate, options=options)
        stream.width, stream.height = (width, height) if self._lossless else (width // 2 * 2, height // 2 * 2)
        stream.pix_fmt = "bgr0" if self._lossless else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        if not self._lossless:
            stream.codec_context.colorspace = 1
            stream.codec_context.color_range = 1
        return stream

    def _frame(self, picture: NDArray[np.uint8]) -> av.VideoFrame:
        if self._lossless:
            return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format="bgr0")
        even = np.ascontiguousarray(picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2])
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        return frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")

    def close(self) -> None:
        """Ends the file and gives it its name."""
        try:
            if self._stream is not None:
                self._container.mux(self._stream.encode(None))
            self._container.close()
            self._temporary.replace(self._path)
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"{self._path}: cannot be written ({reason(error)})") from error
        finally:
            self._temporary.unlink(missing_ok=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.frames:
            self.close()
            return
        with contextlib.suppress(av.FFmpegError, OSError):  # the error that brought us here says more
            self._container.close()
        self._temporary.unlink(missing_ok=True)
