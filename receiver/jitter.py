"""The playout delay: as large as the network's jitter requires, and no larger.

Takes the capture and arrival times of all packets, and tells `playout` which capture time is due at a moment of this machine's
clock, for pictures and sound alike. Clocks that drift apart look the same as a network that becomes slower, and are followed in
the same way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

import numpy as np

WINDOW_S = 12.0
"""The delay depends on the packets of this many seconds."""
MAX_PACKETS = 512
PERCENTILE = 97
"""Percentage of packets that should arrive in time. Of the others, motion is bridged and sound is concealed."""
STEP_PERCENTILE = 88
"""A packet's contents must last until the next one; if about 12 % or more are lost, until the one after that, which repeats the
lost frames. Simulated for 5 minutes with 3 frames per packet and 20 % loss, 4.9 % of the pictures are concealed and there are
2.6 freezes over 200 ms per minute, the longest of 360 ms, at a delay of 272 ms. With the median step: 20.7 %, 15.8, 480 ms, 149 ms.
"""
MARGIN_MS = 10.0
MIN_DELAY_MS, MAX_DELAY_MS = 20.0, 800.0
"""Bounds of the delay behind the fastest packet."""
FIRST_GUESS_MS = 120.0
"""Delay behind the first packet until more is known: three frames at 25 fps, or two of sound."""
UP_PER_S, DOWN_PER_S = 400.0, 15.0
"""By how many milliseconds per second the delay grows and shrinks. It grows while something is missing anyway, and shrinks
unnoticed (1.5 %)."""
JUMP_MS = 2000.0
"""A larger difference is applied at once: the sender's clock must have restarted."""


class PlayoutClock:
    """Maps this machine's time to the sender's capture times, with a playout delay.

    Media (motion, sound) are tracked separately and share one delay, the largest that any of them needs, so that they stay in
    step.
    """

    def __init__(self) -> None:
        self._media: dict[Hashable, _Medium] = {}
        self._offset_ms: float | None = None
        """Local time minus the capture time that is due."""
        self._last_s = 0.0

    @property
    def running(self) -> bool:
        """Whether a packet has arrived."""
        return self._offset_ms is not None

    @property
    def delay_ms(self) -> float:
        """How far pictures are shown behind the fastest packet of the last seconds."""
        if self._offset_ms is None:
            return 0.0
        return self._offset_ms - min(medium.fastest_ms for medium in self._media.values())

    @property
    def jitter_ms(self) -> float:
        """How much later than the fastest packets the slowest ones are, leaving out outliers."""
        return max((medium.late_ms - medium.fastest_ms for medium in self._media.values()), default=0.0)

    def packet_arrived(self, medium: Hashable, capture_ms: float, arrival_s: float) -> bool:
        """Records a packet with something new in it. capture_ms: of the newest frame in it, or of the end of its sound.

        Returns whether the sender's clock has restarted, which makes earlier capture times meaningless.
        """
        transit = 1000 * arrival_s - capture_ms
        restarted = False
        if self._offset_ms is None:
            self._offset_ms = transit + FIRST_GUESS_MS
            self._last_s = arrival_s
        elif abs(transit - self._offset_ms) > JUMP_MS + MAX_DELAY_MS:
            self._media.clear()
            self._offset_ms = transit + FIRST_GUESS_MS
            restarted = True
        self._media.setdefault(medium, _Medium()).add(capture_ms, arrival_s, transit)
        return restarted

    def advance(self, now_s: float, lead_ms: float = 0.0) -> None:
        """Moves the delay towards what is needed. Call it often, with increasing times.

        lead_ms: how long before it is due a picture is started, and needs its motion.
        """
        elapsed, self._last_s = max(0.0, now_s - self._last_s), max(now_s, self._last_s)
        if self._offset_ms is None:
            return
        for medium in self._media.values():
            medium.forget(now_s)
        fastest = min(medium.fastest_ms for medium in self._media.values())
        wanted = max(medium.needed_ms for medium in self._media.values()) + lead_ms
        wanted = min(max(wanted, fastest + MIN_DELAY_MS), fastest + MAX_DELAY_MS)
        difference = wanted - self._offset_ms
        if abs(difference) > JUMP_MS:
            self._offset_ms = wanted
        else:
            self._offset_ms += min(max(difference, -DOWN_PER_S * elapsed), UP_PER_S * elapsed)

    def due_ms(self, at_s: float) -> float:
        """The capture time that is due at that time on this machine's clock."""
        assert self._offset_ms is not None, "no packet has arrived yet"
        return 1000 * at_s - self._offset_ms


class _Medium:
    """The packets of one medium: how long each was in transit (plus the unknown offset between the clocks), and how far apart
    they were captured.
    """

    def __init__(self) -> None:
        self._packets: deque[tuple[float, float, float | None]] = deque(maxlen=MAX_PACKETS)
        """Arrival in s, transit in ms, and how many ms after the previous packet it was captured (None if it was overtaken)."""
        self._newest_ms: float | None = None
        self._figures: tuple[float, float, float] | None = None
        """Transit of the fastest and the slowest packet, without outliers, and the offset needed. None once packets have been
        added or dropped.
        """

    def add(self, capture_ms: float, arrival_s: float, transit_ms: float) -> None:
        newer = self._newest_ms is None or capture_ms > self._newest_ms
        step = capture_ms - self._newest_ms if newer and self._newest_ms is not None else None
        if newer:
            self._newest_ms = capture_ms
        self._packets.append((arrival_s, transit_ms, step))
        self._figures = None

    def forget(self, now_s: float) -> None:
        """Drops packets that are too old, but never the last one."""
        while len(self._packets) > 1 and self._packets[0][0] < now_s - WINDOW_S:
            self._packets.popleft()
            self._figures = None

    @property
    def fastest_ms(self) -> float:
        return self._now()[0]

    @property
    def late_ms(self) -> float:
        return self._now()[1]

    @property
    def needed_ms(self) -> float:
        return self._now()[2]

    def _now(self) -> tuple[float, float, float]:
        if self._figures is None:
            transits = [transit for _, transit, _ in self._packets]
            steps = [step for _, _, step in self._packets if step is not None]
            late_ms = float(np.percentile(transits, PERCENTILE))
            # A packet's contents must last until the next one arrives.
            lasts_ms = float(np.percentile(steps, STEP_PERCENTILE)) if steps else 0.0
            self._figures = min(transits), late_ms, late_ms + lasts_ms + MARGIN_MS
        return self._figures
