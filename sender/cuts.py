"""Where a film cuts from one shot to the next, told from how much its pictures change.

Takes pictures in order. `clip` and `live` begin anew after a cut, and `training.segments` ends a training clip there.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

ALIKE = 0.55
"""Colour histograms of pictures in one shot overlap by more than this."""
CHANGE, CHANGE_FACTOR = 12.0, 8.0
"""Mean change of a pixel, of 255, from which there is a cut between two frames. In a video that always moves: times its median."""
THUMB_PX = 48
FADE = 16.0
"""Below this change other colours are a fade or a flickering light, not a cut: 2 of 118 clips without cuts have them."""
MOVED = 0.9
"""Above this likeness the same things have moved, however far."""
REMEMBERED = 50
USUAL_CHANGE = 2.5
"""Assumed until so much was seen that the video's own median says something."""
ENOUGH = 8


@dataclass(frozen=True)
class Thumb:
    """What is compared of a picture. small: int16 RGB (48, 48, 3). histogram: of its colours, float32 (216,), sum 1."""

    small: NDArray[np.int16]
    histogram: NDArray[np.float32]

    @classmethod
    def of(cls, picture: NDArray[np.uint8]) -> Thumb:
        """Of a picture, uint8 RGB (H, W, 3)."""
        small = cv2.resize(picture, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
        counts = cv2.calcHist([small], [0, 1, 2], None, [6] * 3, [0, 256] * 3)
        return cls(small.astype(np.int16), np.asarray(counts.ravel() / THUMB_PX**2, np.float32))

    def change(self, before: Thumb) -> float:
        """Mean change of a pixel, of 255."""
        return float(np.abs(self.small - before.small).mean())

    def likeness(self, before: Thumb) -> float:
        """Share of the colours that both have, 0 to 1."""
        return float(np.minimum(self.histogram, before.histogram).sum())


def cut_limit(median_change: float) -> float:
    """The change above which there is a cut, in a video where that is the median."""
    return max(CHANGE, CHANGE_FACTOR * (median_change + 0.5))


class CutWatch:
    """Says of each picture whether a new shot begins with it, by the pictures before."""

    def __init__(self) -> None:
        self._before: Thumb | None = None
        self._changes: deque[float] = deque(maxlen=REMEMBERED)

    def cut(self, picture: NDArray[np.uint8]) -> bool:
        """Whether this picture, uint8 RGB (H, W, 3), is of another shot than the one before. The first is not."""
        thumb, before = Thumb.of(picture), self._before
        self._before = thumb
        if before is None:
            return False
        change = thumb.change(before)
        usual = float(np.median(self._changes)) if len(self._changes) >= ENOUGH else USUAL_CHANGE
        self._changes.append(change)
        likeness = thumb.likeness(before)
        return (change > cut_limit(usual) and likeness < MOVED) or (change > FADE and likeness < ALIKE)
