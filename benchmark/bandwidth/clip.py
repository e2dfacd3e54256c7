"""Clips as the bandwidth benchmark sees them: the framed square of a video at a constant frame rate.

A video file becomes a `Clip` that every codec gets alike, or an InputError that says why it cannot be used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from facewire.benchmark.bandwidth.codec import Picture
from facewire.errors import InputError, reason
from facewire.sender.face_detector import FaceDetector
from facewire.sender.framing import frame_video
from facewire.sender.media import Frame, open_video

MAX_FPS = 30.0
"""A call's highest; of faster clips every second, third … picture is taken."""
MIN_FRAMES = 12
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Clip:
    """The pictures that every codec gets."""

    name: str
    pictures: list[Picture] = field(repr=False)
    """uint8 RGB (S, S, 3)."""
    fps: float
    remarks: list[str]

    @property
    def seconds(self) -> float:
        """Its duration."""
        return len(self.pictures) / self.fps

    def kbps(self, size: float) -> float:
        """The rate of that many bytes, spread over the pictures after the first."""
        return 8 * size * self.fps / (1000 * (len(self.pictures) - 1))


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hex."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from error
    return digest.hexdigest()


def read_clip(path: Path, size: int, seconds: float) -> Clip:
    """Reads the beginning of a video, framed as a call frames the face, in pictures of `size` pixels a side."""
    detector = FaceDetector()
    with open_video(path) as video:
        framed = frame_video(video, detector)
    with open_video(path) as video:
        fps = video.fps / ceil(video.fps / MAX_FPS - 1e-6)
        frames = steady(video, fps, max(MIN_FRAMES, round(seconds * fps)))
        pictures = [framed.framing.cut(frame.picture, size) for frame in frames]
        remarks = framed.remarks() + video.remarks
    if len(pictures) < MIN_FRAMES:
        raise InputError(f"{path}: has {len(pictures)} frames; at least {MIN_FRAMES} are needed")
    if framed.framing.side < size:
        remarks.append(f"{path.name}: the face's square is {framed.framing.side} pixels, scaled up to {size}")
    return Clip(path.stem, pictures, fps, remarks)


def steady(frames: Iterable[Frame], fps: float, count: int) -> Iterator[Frame]:
    """At most `count` frames at even times: at each the newest one, as a screen would show it."""
    slack_ms = 500 / fps
    made, newest = 0, None
    for frame in frames:
        while newest is not None and made < count and 1000 * made / fps + slack_ms <= frame.time_ms:
            yield newest
            made += 1
        if made >= count:
            return
        newest = frame
    if newest is not None and made < count:
        yield newest
