"""How much of the wire the camera layer may take: what sound and motion leave, as far as the path carries it. Pure: no clock.

`rate` asks it at every decision. While the layer is not shown it says what there would be; while it is shown, it grows until a
queue does, and shrinks at once then.
"""

from __future__ import annotations

from facewire.sender.pixels import LEAST_KBPS

FIT_AGAIN = 1.2
"""After there was no room, there must be so many times the least before there is any again."""
RISE, FALL = 1.12, 0.65
"""By how much it grows at a decision while nothing is wrong, and shrinks when a queue grows."""
SETTLE_S = 1.5
"""Time between a step down and the next step."""
BELOW = 0.85
"""After a queue it stays below this share of what caused it,"""
BELOW_FOR_S = 15.0
"""for so long."""
AGAIN_S = 10.0
"""After the path has proved too thin, it is tried again."""


class PixelRate:
    """The rate of the camera layer of one call. Times are in seconds and do not decrease."""

    def __init__(self) -> None:
        self.kbps: float | None = None
        """On the wire; None where there is no room."""
        self._limit = LEAST_KBPS
        self._fits = True
        self._again_at = self._fell_at = float("-inf")
        self._ceiling, self._ceiling_until = float("inf"), 0.0

    def update(
        self, possible: float, known: float | None, *, shown: bool, congested: bool, calm: bool, now: float
    ) -> float | None:
        """Returns `kbps`. possible: what the budget leaves. known: what the path has carried beside sound and motion; None where
        the budget is to be trusted. shown: the layer is on the wire. congested: a queue grows. calm: there is none worth
        mentioning.
        """
        self._fits = possible >= LEAST_KBPS * (1 if self._fits else FIT_AGAIN)
        if not shown:
            self._limit = possible if known is None else min(possible, max(known, LEAST_KBPS))
        elif congested and now - self._fell_at >= SETTLE_S:
            self._fall(now)
        elif calm and now - self._fell_at >= SETTLE_S:
            ceiling = self._ceiling if now < self._ceiling_until else float("inf")
            self._limit = min(self._limit * RISE, max(ceiling, LEAST_KBPS), possible)
        self._limit = min(self._limit, possible)
        self.kbps = max(self._limit, LEAST_KBPS) if self._fits and now >= self._again_at else None
        return self.kbps

    def _fall(self, now: float) -> None:
        if self._limit <= LEAST_KBPS:
            self._again_at = now + AGAIN_S
        self._fell_at = now
        self._ceiling, self._ceiling_until = BELOW * self._limit, now + BELOW_FOR_S
        self._limit = max(FALL * self._limit, LEAST_KBPS)
