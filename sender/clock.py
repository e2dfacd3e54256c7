"""The clock of a sender. Sound and pictures carry its capture times and so stay in step at the other side.

`live` and `sound` share one `CaptureClock`; tests pass in seconds of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class CaptureClock:
    """Counts milliseconds from its creation. seconds: a monotonic clock."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._start = seconds()

    def now_ms(self) -> int:
        """Milliseconds since this clock was created."""
        return int(1000 * (self._seconds() - self._start))
