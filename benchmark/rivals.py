"""What a classical codec makes of the same pictures with the same bytes: x264 with a video call's settings.

Comes in: the framed pictures of a clip and a budget in bytes from `loopback`. Goes out: x264's pictures and sizes,
which `quality` scores like ours. x264 is given its best case: no limit on a frame's size, no repeated key frames, no
packet losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

MAX_CRF = 51.0
CRF_TOLERANCE = 0.25


@dataclass(frozen=True)
class Rival:
    """A clip as x264 coded it."""

    crf: float
    first_bytes: int
    """Payload of the first, the key frame: the counterpart of our source frame."""
    payload_bytes: list[int]
    """Payload of each frame after the first."""
    pictures: list[NDArray[np.uint8]]
    """As decoded, uint8 RGB, one for each frame."""
    fits: bool
    """False: even CRF 51, its coarsest, is over the budget."""

    @property
    def total_bytes(self) -> int:
        return self.first_bytes + sum(self.payload_bytes)


def x264(pictures: Sequence[NDArray[np.uint8]], fps: float, budget_bytes: int, *, count_first: bool) -> Rival:
    """Codes pictures, uint8 RGB (S, S, 3), at the lowest CRF that keeps to the budget.

    count_first: the budget covers the key frame too; otherwise it covers the frames after it.
    """

    def cost(sizes: Sequence[int]) -> int:
        return sum(sizes) if count_first else sum(sizes[1:])

    low, high = 0.0, MAX_CRF
    best = _encode(pictures, fps, high)
    fits = cost(_sizes(best)) <= budget_bytes
    while fits and high - low > CRF_TOLERANCE:
        middle = (low + high) / 2
        packets = _encode(pictures, fps, middle)
        if cost(_sizes(packets)) <= budget_bytes:
            high, best = middle, packets
        else:
            low = middle
    sizes = _sizes(best)
    return Rival(high, sizes[0], sizes[1:], _decode(best), fits)


def _encode(pictures: Sequence[NDArray[np.uint8]], fps: float, crf: float) -> list[bytes]:
    rate = Fraction(fps).limit_denominator(1001)
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.height, context.width = pictures[0].shape[:2]
    context.pix_fmt, context.framerate, context.time_base = "yuv420p", rate, 1 / rate
    context.colorspace, context.color_range = 1, 1
    context.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "crf": f"{crf:.3f}",
        "x264-params": "keyint=infinite:bframes=0:threads=1:sliced-threads=0",
    }
    packets: list[bytes] = []
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts, frame.time_base = number, 1 / rate
        packets += [bytes(packet) for packet in context.encode(frame)]
    packets += [bytes(packet) for packet in context.encode(None)]
    return packets


def _decode(packets: Sequence[bytes]) -> list[NDArray[np.uint8]]:
    context = av.CodecContext.create("h264", "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    frames = [frame for data in packets for frame in context.decode(av.Packet(data))]
    frames += context.decode(None)
    return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in frames]


def _sizes(packets: Sequence[bytes]) -> list[int]:
    return [len(data) - _advertisement(data) for data in packets]


def _advertisement(data: bytes) -> int:
    """Bytes of the SEI unit in which x264 writes its name and options: no call would send it."""
    starts = [i for i in range(len(data) - 3) if data[i : i + 3] == b"\0\0\1"]
    size = 0
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        if data[start + 3] & 0x1F == 6 and b"x264" in data[start:end]:
            size += end - start
    return size
