"""Motion at any moment, whatever got lost: between frames that are known, or carried on from the last one.

Comes in: decoded frames in any order. Goes out: the motion of a capture time, and how it was come by, to `receiver` and
`playout`. Has no clock: times are the sender's capture times in ms.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from math import exp
from typing import Literal

from facewire.codec import DecodedFrame, Motion, interpolate

MAX_KNOWN = 512
"""Frames kept, at most: whatever a sender claims, memory is bounded."""

Kind = Literal["known", "bridged", "guessed", "held", "resting"]
"""How a motion was come by: from its own frame or between two neighbours, across lost frames, by carrying on the last
movement, by holding the last motion, or on the way to the source frame's own.
"""


@dataclass(frozen=True)
class Seen:
    """The motion of a moment. kind: how it was come by."""

    motion: Motion
    kind: Kind


class MotionTimeline:
    """The frames known around now, oldest first, and what is shown in the place of others.

    rest: the motion to come to rest at after a long loss; the source frame's own, which is what it shows best.
    """

    CARRY_ON_MS = 40.0
    """Time constant with which a movement of the head dies out that nothing new is known of. On 14 validation clips a head
    guessed so is off by 0.44 degrees and 0.53 pixels of 256 after 80 ms (held: 0.53 and 0.71; carried on undamped: 0.56 and
    0.59; bridged once the next frame is here: 0.18 and 0.20). The expression is held: carrying it on is no better at
    80 ms and worse later.
    """
    HOLD_MS = 1500.0
    """So long after the last known frame the face begins to come to rest."""
    EASE_MS = 1200.0
    """So long it takes to."""

    def __init__(self, rest: Motion) -> None:
        self.rest = rest
        self._times: list[float] = []
        self._frames: list[DecodedFrame] = []
        self._shown: tuple[float, Motion] | None = None
        """What was last shown without knowing what follows."""

    @property
    def newest_ms(self) -> float | None:
        """Capture time of the newest frame known."""
        return self._times[-1] if self._times else None

    def add(self, frame: DecodedFrame) -> None:
        """Takes a decoded frame. One with the capture time of another replaces it."""
        at = bisect_left(self._times, frame.capture_time_ms)
        if at < len(self._times) and self._times[at] == frame.capture_time_ms:
            self._frames[at] = frame
            return
        self._times.insert(at, frame.capture_time_ms)
        self._frames.insert(at, frame)
        if len(self._times) > MAX_KNOWN:
            del self._times[0], self._frames[0]

    def at(self, time_ms: float) -> Seen:
        """The motion at that capture time. Times asked for should grow; older frames are forgotten."""
        split = bisect_right(self._times, time_ms)
        self._forget(split)
        split = bisect_right(self._times, time_ms)
        before = self._frames[split - 1] if split else None
        after = self._frames[split] if split < len(self._frames) else None
        if before is None:
            return Seen(after.motion if after is not None else self.rest, "resting" if after is None else "known")
        if before.capture_time_ms == time_ms:
            return Seen(before.motion, "known")
        if after is None:
            seen = self._blind(split - 1, time_ms)
            self._shown = time_ms, seen.motion
            return seen
        start_ms, start = float(before.capture_time_ms), before.motion
        if self._shown is not None and start_ms < self._shown[0] < min(time_ms, after.capture_time_ms):
            start_ms, start = self._shown  # go on from the picture on the screen, not from one long past
        weight = (time_ms - start_ms) / (after.capture_time_ms - start_ms)
        kind: Kind = "known" if after.number == before.number + 1 else "bridged"
        return Seen(interpolate(start, after.motion, min(max(weight, 0.0), 1.0)), kind)

    def _blind(self, last: int, time_ms: float) -> Seen:
        """The motion after the newest known frame, whose place is `last`."""
        frame, age = self._frames[last], time_ms - self._times[last]
        carried = frame.motion
        step = self._times[last] - self._times[last - 1] if last > 0 else 0.0
        if 0 < step <= 3 * self.CARRY_ON_MS:
            # A speed that dies out with this time constant covers speed * constant * (1 - e^-t) by the time t.
            reach = self.CARRY_ON_MS * (1 - exp(-age / self.CARRY_ON_MS)) / step
            moved = interpolate(self._frames[last - 1].motion, frame.motion, 1 + reach)
            carried = Motion(moved.rotation, moved.translation, frame.motion.expression)
        if age <= self.HOLD_MS:
            return Seen(carried, "guessed" if age <= 3 * self.CARRY_ON_MS else "held")
        way = min((age - self.HOLD_MS) / self.EASE_MS, 1.0)
        return Seen(interpolate(carried, self.rest, way * way * (3 - 2 * way)), "resting")

    def _forget(self, split: int) -> None:
        """Two frames before now are enough to go on from."""
        if split > 2:
            del self._times[: split - 2], self._frames[: split - 2]
