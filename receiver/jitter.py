"""When to show what was captured when: the playout delay, as large as the network's jitter asks for and no larger.

Comes in: capture and arrival time of every packet. Goes out: the capture time that is due at a moment of this machine's
clock, to `playout`, which shows pictures and plays sound by it. Clocks that run apart are followed the same way as a
network that becomes slower.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

import numpy as np

WINDOW_S = 12.0
"""Packets of so long decide the delay."""
MAX_HEARD = 512
PERCENTILE = 97
"""This share of packets should be in time; of the others, motion is bridged and sound concealed."""
STEP_PERCENTILE = 88
"""What a packet brings must last until the next one; when about 12 % or more are lost, until the one after it, which repeats
the lost one's frames. Simulated for 5 minutes with 3 frames a packet and 20 % lost: 4.9 % of the pictures concealed and 2.6
freezes over 200 ms a minute, the longest 360 ms, at 272 ms of delay; with the median step 20.7 %, 15.8, 480 ms at 149 ms.
"""
MARGIN_MS = 10.0
MIN_DELAY_MS, MAX_DELAY_MS = 20.0, 800.0
"""Bounds of the delay behind the fastest packet."""
FIRST_GUESS_MS = 120.0
"""Delay behind the first packet until more is known: three frames a packet at 25 a second, or two of sound."""
UP_PER_S, DOWN_PER_S = 400.0, 15.0
"""Milliseconds of delay gained and lost in a second: up while something is missing anyway, down unnoticed (1.5 %)."""
JUMP_MS = 2000.0
"""A larger difference is not made up for but taken at once: the sender's clock started anew."""


class PlayoutClock:
    """Maps this machine's time to the sender's capture times, a playout delay behind.

    Packets of several media (motion, sound) are heard of separately and share one delay, the largest that one of them needs: so
    they stay in step.
    """

    def __init__(self) -> None:
        self._media: dict[Hashable, _Heard] = {}
        self._offset_ms: float | None = None
        """Local time minus capture time of what is due."""
        self._last_s = 0.0

    @property
    def running(self) -> bool:
        """Whether a packet was heard of."""
        return self._offset_ms is not None

    @property
    def delay_ms(self) -> float:
        """How far behind the fastest packet of the last seconds pictures are shown."""
        if self._offset_ms is None:
            return 0.0
        return self._offset_ms - min(heard.fastest_ms for heard in self._media.values())

    @property
    def jitter_ms(self) -> float:
        """By how much the slowest packets that still count are later than the fastest."""
        return max((heard.late_ms - heard.fastest_ms for heard in self._media.values()), default=0.0)

    def heard(self, medium: Hashable, capture_ms: float, arrival_s: float) -> bool:
        """A packet with something new arrived. capture_ms: when the newest of what is in it was captured (for sound:
        ended). Returns whether the sender's clock started anew: capture times of before mean nothing any more.
        """
        transit = 1000 * arrival_s - capture_ms
        anew = False
        if self._offset_ms is None:
            self._offset_ms = transit + FIRST_GUESS_MS
            self._last_s = arrival_s
        elif abs(transit - self._offset_ms) > JUMP_MS + MAX_DELAY_MS:
            self._media.clear()
            self._offset_ms = transit + FIRST_GUESS_MS
            anew = True
        self._media.setdefault(medium, _Heard()).add(capture_ms, arrival_s, transit)
        return anew

    def advance(self, now_s: float, lead_ms: float = 0.0) -> None:
        """Moves the delay towards what is needed. To be called often, with growing times. lead_ms: so long before its
        moment a picture is begun, and its motion must be here.
        """
        elapsed, self._last_s = max(0.0, now_s - self._last_s), max(now_s, self._last_s)
        if self._offset_ms is None:
            return
        for heard in self._media.values():
            heard.forget(now_s)
        fastest = min(heard.fastest_ms for heard in self._media.values())
        wanted = max(heard.needed_ms for heard in self._media.values()) + lead_ms
        wanted = min(max(wanted, fastest + MIN_DELAY_MS), fastest + MAX_DELAY_MS)
        difference = wanted - self._offset_ms
        if abs(difference) > JUMP_MS:
            self._offset_ms = wanted
        else:
            self._offset_ms += min(max(difference, -DOWN_PER_S * elapsed), UP_PER_S * elapsed)

    def due_ms(self, at_s: float) -> float:
        """The capture time that is due at that time of this machine's clock."""
        assert self._offset_ms is not None, "nothing was heard of yet"
        return 1000 * at_s - self._offset_ms


class _Heard:
    """Packets of one medium: how long each was on its way (plus the two clocks' unknown difference), and how far apart
    they were captured.
    """

    def __init__(self) -> None:
        self._packets: deque[tuple[float, float, float | None]] = deque(maxlen=MAX_HEARD)
        """Arrival in s, transit in ms, and captured so many ms after the newest before it, unless that overtook it."""
        self._newest_ms: float | None = None
        self._figures: tuple[float, float, float] | None = None
        """Transit of the fastest and of the slowest packet that counts, and how far behind must be shown; None once
        packets have come or gone.
        """

    def add(self, capture_ms: float, arrival_s: float, transit_ms: float) -> None:
        newer = self._newest_ms is None or capture_ms > self._newest_ms
        step = capture_ms - self._newest_ms if newer and self._newest_ms is not None else None
        if newer:
            self._newest_ms = capture_ms
        self._packets.append((arrival_s, transit_ms, step))
        self._figures = None

    def forget(self, now_s: float) -> None:
        """Gives up packets that are too old, but never the last one."""
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
            # What a packet brings must last until the next one is here.
            lasts_ms = float(np.percentile(steps, STEP_PERCENTILE)) if steps else 0.0
            self._figures = min(transits), late_ms, late_ms + lasts_ms + MARGIN_MS
        return self._figures
