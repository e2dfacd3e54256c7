"""Pictures, and sound with them, into files: bit-exact FFV1 in Matroska for measurement, H.264 in MP4 for viewing, chosen
by the file's name.

Takes pictures from `facewire.receiver`, or framed ones from `facewire.sender`. The file is whole or not there at all: it is written
under a temporary name and renamed at the end, so neither a full disk nor Ctrl-C leaves half a video behind.
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
from facewire.files import check_output, temporary_path

SUFFIXES = (".mkv", ".mp4")
SYNTHESISED = "Pictures synthesised by facewire from head motion; not camera footage"
"""Goes into the file's metadata, as the EU AI Act's article 50 asks."""
PORTRAIT = f"{SYNTHESISED}; the face is not that of the person whose motion it has"
"""The same where another picture was put in the place of the sender's."""
CAMERA_MARKED = "; pictures with the badge 'camera picture' are camera footage"
"""Added for calls, in which the camera's own picture may take over."""
SOURCE_TYPE = (
    "digitalSourceType=http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia; "
    "softwareAgent=facewire"
)
"""The same for programs, in the words that IPTC and C2PA share: a camera's picture, moved and completed by a trained network."""

SOUND_RATE_HZ = 48000
SOUND_BITRATE = 96_000
"""Of AAC in .mp4; in .mkv sound is kept as it is."""
MAX_SILENCE_S = 60
"""Longest gap in the sound that is filled."""


def check_video_path(path: Path, *others: Path) -> None:
    """`check_output` for a video, whose name also says its kind."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: a video's name ends in .mkv (lossless) or .mp4 (for viewing)")
    check_output(path, *others)


class VideoWriter(AbstractContextManager["VideoWriter"]):
    """Writes RGB pictures of one size, one video frame each.

    path: ends in .mkv (FFV1 in RGB, bit-exact) or .mp4 (H.264, 4:2:0, CRF 16). fps: frames a second that the file
    declares; with times, each frame is shown at its own. synthesised: mark the file as such. portrait: mark it as
    showing another face than the sender's. sound: the file has a sound track too, 48 kHz mono: PCM in .mkv, AAC in
    .mp4. call: say that camera pictures in it have a badge.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        *,
        synthesised: bool = True,
        portrait: bool = False,
        sound: bool = False,
        call: bool = False,
    ) -> None:
        check_video_path(path)
        self._path = path
        self._temporary = temporary_path(path)
        self._lossless = path.suffix.lower() == ".mkv"
        self._rate = Fraction(fps).limit_denominator(1001)
        self._stream: av.VideoStream | None = None
        self._sound: av.AudioStream | None = None
        self._with_sound = sound
        self._sound_end = 0
        self._last_pts = -1
        self.frames = 0
        self.closed = False
        try:
            self._container = av.open(f"file:{self._temporary}", "w")
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"{path}: cannot be written ({reason(error)})") from error
        if synthesised:
            self._container.metadata["comment"] = (PORTRAIT if portrait else SYNTHESISED) + CAMERA_MARKED * call
            self._container.metadata["description"] = SOURCE_TYPE

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

    def write_sound(self, samples: NDArray[np.int16], time_ms: float) -> None:
        """Appends sound, int16 (N,) at 48 kHz mono, heard from time_ms on. Sound before the first picture is left out;
        a gap is filled with silence.
        """
        start = round(time_ms * SOUND_RATE_HZ / 1000)
        if self._sound is None or start < 0:
            return
        gap = start - self._sound_end
        if abs(gap) > SOUND_RATE_HZ // 100:  # less is the rounding of times
            samples = np.pad(samples, (min(gap, MAX_SILENCE_S * SOUND_RATE_HZ), 0)) if gap > 0 else samples[-gap:]
        if not samples.size:
            return
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE_HZ, self._sound_end, Fraction(1, SOUND_RATE_HZ)
        self._sound_end += samples.size
        try:
            self._container.mux(self._sound.encode(frame))
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"{self._path}: cannot be written ({reason(error)})") from error

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
        if self._with_sound:
            self._sound = self._container.add_stream("pcm_s16le" if self._lossless else "aac", rate=SOUND_RATE_HZ)
            self._sound.codec_context.layout = "mono"
            if not self._lossless:
                self._sound.codec_context.bit_rate = SOUND_BITRATE
        return stream

    def _frame(self, picture: NDArray[np.uint8]) -> av.VideoFrame:
        if self._lossless:
            return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format="bgr0")
        even = np.ascontiguousarray(picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2])
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        return frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")

    def close(self) -> None:
        """Ends the file and gives it its name."""
        self.closed = True
        try:
            if self._stream is not None:
                self._container.mux(self._stream.encode(None))
            if self._sound is not None:
                self._container.mux(self._sound.encode(None))
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
        self.closed = True
        with contextlib.suppress(av.FFmpegError, OSError):  # the error that brought us here says more
            self._container.close()
        self._temporary.unlink(missing_ok=True)
