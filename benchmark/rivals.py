"""What a classical codec makes of the same pictures with the same bytes: x264 with a video call's settings.

`loopback` gives the framed pictures of a clip and a budget in bytes; `metrics.quality` scores x264's pictures like ours. x264 gets
its best case: no limit on a frame's size, no repeated key frames, no packet losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facewire.benchmark.bandwidth.codec import Coded
from facewire.benchmark.bandwidth.rivals import RIVALS

X264 = RIVALS["x264-veryfast"]
MAX_CRF = 51.0
CRF_TOLERANCE = 0.25


@dataclass(frozen=True)
class Rival:
    """A clip as x264 coded it."""

    crf: float
    first_bytes: int
    """Payload of the key frame, the counterpart of our source frame."""
    payload_bytes: list[int]
    """Payload of each frame after the first."""
    pictures: list[NDArray[np.uint8]]
    """Decoded, uint8 RGB, one per frame."""
    fits: bool
    """False if even CRF 51, its coarsest, is over the budget."""

    @property
    def total_bytes(self) -> int:
        return self.first_bytes + sum(self.payload_bytes)


def x264(pictures: Sequence[NDArray[np.uint8]], fps: float, budget_bytes: int, *, count_first: bool) -> Rival:
    """Codes pictures, uint8 RGB (S, S, 3), at the lowest CRF within the budget.

    count_first: the budget covers the key frame too; otherwise it covers the frames after it.
    """

    def coded_at(crf: float) -> Coded:
        return X264.at(quality=round(crf, 3)).encode(pictures, fps)

    def cost(coded: Coded) -> int:
        return coded.payload_bytes + (coded.first_bytes if count_first else 0)

    low, high = 0.0, MAX_CRF
    best = coded_at(high)
    fits = cost(best) <= budget_bytes
    while fits and high - low > CRF_TOLERANCE:
        middle = (low + high) / 2
        coded = coded_at(middle)
        if cost(coded) <= budget_bytes:
            high, best = middle, coded
        else:
            low = middle
    later = [len(packet.data) for packet in best.packets if not packet.first]
    shown = X264.at(quality=high).decode(best.packets, len(pictures))
    return Rival(high, best.first_bytes, later, shown, fits)
