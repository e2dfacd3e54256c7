"""The quality of the path to the other side, measured from media messages alone: loss, round trip and queueing delay.

`outgoing` and `inbox` tell `LinkMonitor` about every message sent and received; `rate_loop` and `stats` read `LinkState`.
Nothing is sent from here: reports ride in the media messages.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from facewire.call.messages import SEQUENCES, MediaMessage, Report

WINDOW_S = 4.0
"""Loss is measured over this long: 32 messages at 8 per second."""
FLOOR_WINDOW_S = 30.0
"""The shortest round trip within this time is the path's own; anything above it is queueing."""
REMEMBERED = 256
"""How many send times are kept, and how far back a duplicate is recognised."""


@dataclass(frozen=True)
class LinkState:
    """What is known about the path."""

    loss: float | None
    """Share of our media messages that did not arrive, 0 to 1; None before two reports."""
    loss_here: float | None
    """The same for the other side's messages."""
    rtt_ms: float | None
    """Round trip of the last seconds, smoothed; None before the first report."""
    queue_ms: float | None
    """How much the round trip exceeds the shortest one of the last half minute."""


class Arrivals:
    """The other side's media messages as they arrive over one connection."""

    def __init__(self) -> None:
        self._newest: int | None = None
        """Sequence number, unwrapped."""
        self._seen = 0
        """Bit i is set if message newest - i has arrived."""
        self._received = 0
        self._newest_at = 0.0
        self._window: deque[tuple[float, int, int]] = deque()
        self.repeated = 0

    def take(self, sequence: int, now: float) -> bool:
        """Notes a message; False if it is a duplicate, or too old to tell."""
        if self._newest is None:
            self._newest, self._seen, self._newest_at = sequence, 1, now
        else:
            step = (sequence - self._newest + SEQUENCES // 2) % SEQUENCES - SEQUENCES // 2
            if step > 0:
                self._newest += step
                self._seen = (self._seen << min(step, REMEMBERED) | 1) & (1 << REMEMBERED) - 1
                self._newest_at = now
            elif -step >= REMEMBERED or self._seen >> -step & 1:
                self.repeated += 1
                return False
            else:
                self._seen |= 1 << -step
        self._received += 1
        self._window.append((now, self._newest, self._received))
        while self._window[0][0] < now - WINDOW_S:
            self._window.popleft()
        return True

    @property
    def loss(self) -> float | None:
        """Share lost during the last seconds, 0 to 1; None before there is enough to tell."""
        if len(self._window) < 2:
            return None
        (_, first, before), (_, last, received) = self._window[0], self._window[-1]
        return _share(last - first, received - before)

    def report(self, now: float) -> Report | None:
        """The report for the other side; None before its first message."""
        if self._newest is None:
            return None
        hold_ms = int(1000 * (now - self._newest_at))
        return Report(self._newest % SEQUENCES, self._received % SEQUENCES, hold_ms)


class LinkMonitor:
    """Both directions of one connection. Times are in seconds, from a monotonic clock."""

    def __init__(self) -> None:
        self.arrivals = Arrivals()
        self._sent_at: dict[int, float] = {}
        self._reports: deque[tuple[float, int, int]] = deque()
        self._floors: deque[tuple[float, float]] = deque()
        self._rtt_ms: float | None = None

    def sent(self, message: MediaMessage, now: float) -> None:
        self._sent_at[message.sequence] = now
        self._sent_at.pop((message.sequence - REMEMBERED) % SEQUENCES, None)

    def received(self, message: MediaMessage, now: float) -> bool:
        """Notes a message; False if it is a duplicate that is to be dropped."""
        if not self.arrivals.take(message.sequence, now):
            return False
        if message.report is not None:
            self._reported(message.report, now)
        return True

    def _reported(self, report: Report, now: float) -> None:
        sent_at = self._sent_at.get(report.heard)
        if sent_at is None:  # a message that never existed, or is long gone: nothing to learn
            return
        rtt_ms = 1000 * (now - sent_at) - report.hold_ms
        if report.hold_ms < 1000 and rtt_ms >= 0:
            self._rtt_ms = rtt_ms if self._rtt_ms is None else 0.7 * self._rtt_ms + 0.3 * rtt_ms
            self._floors.append((now, rtt_ms))
            while self._floors[0][0] < now - FLOOR_WINDOW_S:
                self._floors.popleft()
        self._reports.append((now, report.heard, report.received))
        while self._reports[0][0] < now - WINDOW_S:
            self._reports.popleft()

    @property
    def state(self) -> LinkState:
        loss = None
        if len(self._reports) >= 2:
            (_, first, before), (_, last, received) = self._reports[0], self._reports[-1]
            loss = _share((last - first) % SEQUENCES, (received - before) % SEQUENCES)
        queue_ms = None
        if self._rtt_ms is not None:
            queue_ms = max(0.0, self._rtt_ms - min(rtt for _, rtt in self._floors))
        return LinkState(loss, self.arrivals.loss, self._rtt_ms, queue_ms)


def _share(sent: int, received: int) -> float | None:
    """Share lost; None if too few were sent to tell, or if the numbers contradict each other."""
    if not 4 <= sent < SEQUENCES // 2:
        return None
    return min(1.0, max(0.0, 1 - received / sent))
