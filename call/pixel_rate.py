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
GIVE_UP_S = 4.0
"""If the least rate meets a queue that is no shorter after so long, the path is too thin,"""
AGAIN_S = 10.0
"""and is tried again after this."""
CALM_MS = 100.0
"""A queue below this leaves room for more."""


class PixelRate:
    """The rate of the camera layer of one call. Times are in seconds and do not decrease."""

    def __init__(self) -> None:
        self.kbps: float | None = None
        """On the wire; None where there is no room."""
        self._limit = LEAST_KBPS
        self._fits = True
        self._again_at = self._fell_at = float("-inf")
        self._fell_queue_ms = 0.0
        self._ceiling, self._ceiling_until = float("inf"), 0.0

    def update(
        self, possible: float, known: float | None, *, shown: bool, congested: bool, queue_ms: float, now: float
    ) -> float | None:
        """Returns `kbps`. possible: what the budget leaves. known: what the path has carried beside sound and motion; None where
        the budget is to be trusted. shown: the layer is on the wire. congested: a queue of `queue_ms` grows, or stays.
        """
        self._fits = possible >= LEAST_KBPS * (1 if self._fits else FIT_AGAIN)
        settled = now - self._fell_at >= SETTLE_S
        if not shown:
            self._limit = possible if known is None else min(possible, max(known, LEAST_KBPS))
            self._fell_at, self._fell_queue_ms = now, queue_ms  # what waits now is not the layer's doing
        elif not settled:
            self._fell_queue_ms = max(self._fell_queue_ms, queue_ms)
        elif congested and self._limit > LEAST_KBPS:
            self._fall(queue_ms, now)
        elif congested and now >= self._again_at and self._gives_up(queue_ms, now):
            self._again_at = now + AGAIN_S
        elif queue_ms < CALM_MS:
            ceiling = self._ceiling if now < self._ceiling_until else float("inf")
            self._limit = min(self._limit * RISE, max(ceiling, LEAST_KBPS))
        self._limit = min(self._limit, possible)
        self.kbps = max(self._limit, LEAST_KBPS) if self._fits and now >= self._again_at else None
        return self.kbps

    def _fall(self, queue_ms: float, now: float) -> None:
        self._fell_at, self._fell_queue_ms = now, queue_ms
        self._ceiling, self._ceiling_until = BELOW * self._limit, now + BELOW_FOR_S
        self._limit = max(FALL * self._limit, LEAST_KBPS)

    def _gives_up(self, queue_ms: float, now: float) -> bool:
        return now - self._fell_at >= GIVE_UP_S and queue_ms >= self._fell_queue_ms
