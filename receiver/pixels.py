"""The other side's camera as ordinary video: packets to pictures, as far as their references are here.

`PixelAssembly` takes packets of `facewire.codec.pixels` in any order, says which coded picture is next, and makes the report by
which the sender repairs losses. `PixelDecoder` decodes. `playout` holds both. Whatever comes, they keep little: a few coded
pictures, and nothing of a picture that is too large.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from facewire.codec.pixels import NUMBERS, PixelPacket, PixelReport, decode_pixels, later
from facewire.errors import DecodeError

MAX_WAITING = 8
"""Coded pictures that are kept, complete or not: 280 kB at most."""
MIN_SIDE, MAX_SIDE = 16, 512
"""Bounds of a picture, pixels; no sender of ours goes beyond half of the second."""
FAR = 64
"""A picture so many numbers away begins another stream."""
MIX_UP_S = 0.06
"""Packets that overtake each other are given so long before a picture counts as lost."""


@dataclass(frozen=True)
class CodedPicture:
    """One picture, put together. capture_ms: modulo 2^32, on the sender's clock."""

    key: bool
    capture_ms: int
    data: bytes
    at_once: bool = False
    """As in `PixelPacket`."""


class PixelAssembly:
    """Coded pictures of one sender in the order in which they can be decoded. Not thread-safe."""

    def __init__(self) -> None:
        self.lost = 0
        """Pictures of which something came, and which could not be drawn for want of packets or of their reference."""
        self._parts: dict[int, dict[int, PixelPacket]] = {}
        """Of pictures after the last one taken: packets by their place."""
        self._taken: int | None = None
        """Number of the newest picture that `take` gave."""
        self._heard: int | None = None
        self._missing_since_s: float | None = None

    def add(self, packet: bytes, arrival_s: float) -> None:
        """Takes a packet that arrived then. DecodeError if it is not one, or contradicts another one."""
        part = decode_pixels(packet)
        if self._heard is None or abs(later(part.number, self._heard)) > FAR:
            self._parts.clear()
            self._heard, self._taken = part.number, None
        elif later(part.number, self._heard) > 0:
            self._heard = part.number
        if self._taken is not None and later(part.number, self._taken) <= 0:
            return
        parts = self._parts.setdefault(part.number, {})
        if any(
            (other.count, other.reference, other.at_once) != (part.count, part.reference, part.at_once)
            for other in parts.values()
        ):
            raise DecodeError(f"packets of picture {part.number} that contradict each other")
        parts[part.place] = part
        if len(self._parts) > MAX_WAITING:
            self._drop(min(self._parts, key=self._age))
        self._note_missing(arrival_s)

    def take(self) -> CodedPicture | None:
        """The next picture whose reference was taken before; None if there is none yet. What a key picture makes needless is
        passed over."""
        whole = [number for number in sorted(self._parts, key=self._age) if self._is_whole(number)]
        keys = [number for number in whole if self._reference(number) is None]
        number = keys[-1] if keys else next((n for n in whole if self._reference(n) == self._taken), None)
        if number is None:
            return None
        parts = self._parts.pop(number)
        for older in [n for n in self._parts if later(n, number) < 0]:
            self._drop(older)
        self._taken, self._missing_since_s = number, None
        data = b"".join(parts[place].body for place in range(len(parts)))
        return CodedPicture(parts[0].reference == 0, parts[0].capture_ms, data, parts[0].at_once)

    def refuse(self) -> None:
        """The picture last taken cannot be decoded: nothing that depends on it can be either."""
        self._taken = None
        self.lost += 1

    def report(self, now_s: float) -> PixelReport | None:
        """For the sender; None before the first packet."""
        if self._heard is None:
            return None
        since_s = self._missing_since_s
        return PixelReport(self._heard, since_s is not None and now_s - since_s >= MIX_UP_S)

    def _note_missing(self, arrival_s: float) -> None:
        """Since when there is a whole picture whose reference is missing."""
        stuck = any(
            self._is_whole(number)
            and (reference := self._reference(number)) is not None
            and reference != self._taken
            and not (reference in self._parts and self._is_whole(reference))
            for number in self._parts
        )
        if not stuck:
            self._missing_since_s = None
        elif self._missing_since_s is None:
            self._missing_since_s = arrival_s

    def _age(self, number: int) -> int:
        return later(number, self._heard or 0)

    def _is_whole(self, number: int) -> bool:
        parts = self._parts[number]
        return len(parts) == next(iter(parts.values())).count

    def _reference(self, number: int) -> int | None:
        """Number of the picture that one is predicted from; None for a key picture."""
        back = next(iter(self._parts[number].values())).reference
        return (number - back) % NUMBERS if back else None

    def _drop(self, number: int) -> None:
        del self._parts[number]
        self.lost += 1


class PixelDecoder:
    """Decodes the pictures that `PixelAssembly` gives, in that order."""

    def __init__(self) -> None:
        self._codec: av.VideoCodecContext | None = None

    def decode(self, coded: CodedPicture) -> NDArray[np.uint8] | None:
        """A picture, uint8 RGB (N, N, 3) with N from 16 to 512; None for bytes that are no such picture."""
        if self._codec is None or coded.key:
            self._codec = _open()
        picture = None
        try:
            packet = av.Packet(
                len(coded.data)
            )  # decoders may read beyond the end: only a packet made so has zeros there
            packet.update(coded.data)
            for frame in self._codec.decode(packet):
                picture = _to_rgb(frame)
        except av.FFmpegError:
            picture = None
        if picture is None:
            self._codec = None
        return picture


def _open() -> av.VideoCodecContext:
    context = av.CodecContext.create("h264", "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    context.options = {"flags": "low_delay", "max_pixels": str(MAX_SIDE * MAX_SIDE)}
    return context


def _to_rgb(frame: av.VideoFrame) -> NDArray[np.uint8] | None:
    if frame.width != frame.height or not MIN_SIDE <= frame.width <= MAX_SIDE or frame.format.name != "yuv420p":
        return None
    made = frame.reformat(format="rgb24", src_colorspace="ITU709", src_color_range="MPEG", dst_color_range="JPEG")
    return np.asarray(made.to_ndarray(), np.uint8)


def fitted(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture, uint8 RGB (N, N, 3), scaled to (side, side, 3)."""
    if picture.shape[0] == side:
        return picture
    how = cv2.INTER_AREA if picture.shape[0] > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (side, side), interpolation=how), np.uint8)
