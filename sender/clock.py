"""The one clock of a sender: sound and pictures carry capture times of it, and so stay in step at the other side.

`live` and `sound` read the same `CaptureClock`; tests give it seconds of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class CaptureClock:
    """Milliseconds since it was made. seconds: a clock that never goes back."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._start = seconds()

    def now_ms(self) -> int:
        """Milliseconds since this clock was made, never going back."""
        return int(1000 * (self._seconds() - self._start))
