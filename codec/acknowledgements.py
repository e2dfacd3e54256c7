"""Acknowledgements that arrive late, for measurements in one process that have no network.

`training.evaluate_clip` and `benchmark.bandwidth.neural` encode a clip as a call over a given round trip would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class LateAcknowledgements:
    """Delivers frame numbers to `acknowledge` once a delay, counted in frames, has passed."""

    def __init__(self, acknowledge: Callable[[int], None], delay_frames: float) -> None:
        self._acknowledge = acknowledge
        self._delay = delay_frames
        self._waiting: deque[int] = deque()

    def sent(self, number: int) -> None:
        """Frame `number`, and with it all before it, has just left."""
        self._waiting.append(number)

    def advance(self, number: int) -> None:
        """It is the time of frame `number`: acknowledges all frames that left at least the delay before it."""
        while self._waiting and self._waiting[0] <= number - self._delay:
            self._acknowledge(self._waiting.popleft())
