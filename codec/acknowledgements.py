"""Delayed acknowledgements, for measurements that run both ends in one process.

With them `training.evaluate_clip` and `benchmark.bandwidth.neural` encode a clip as a call with a given round trip would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class LateAcknowledgements:
    """Passes frame numbers on to `acknowledge` after a delay, counted in frames."""

    def __init__(self, acknowledge: Callable[[int], None], delay_frames: float) -> None:
        self._acknowledge = acknowledge
        self._delay = delay_frames
        self._waiting: deque[int] = deque()

    def sent(self, number: int) -> None:
        """Records that frame `number` was sent just now, and with it all frames before it."""
        self._waiting.append(number)

    def advance(self, number: int) -> None:
        """Moves the time on to that of frame `number` and acknowledges every frame whose delay has passed."""
        while self._waiting and self._waiting[0] <= number - self._delay:
            self._acknowledge(self._waiting.popleft())
