"""The source frames that one person is drawn from, and how well each draws what the camera sees now.

The sender holds the receiver's networks too and draws what it sends: so it knows the error that the other side sees. `encoder`
asks which source frame a picture is best drawn from and whether a new one is worth its bytes; `policy` has the rules for a call.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire.codec import MAX_SOURCE_NUMBER, Motion, distance
from facewire.models.runtime import Appearance, Networks
from facewire.sender.scene_motion import SceneTracker
from facewire.sender.source import SentSource

COMPARED_PX = 128
"""Side of the pictures whose difference counts. On 61 validation clips their mean absolute difference correlates with ST-LPIPS at
.96; PSNR does at .82."""
CANDIDATES = 2
"""How many source frames besides the one in use are tried on a picture, the likeliest first."""
CHANGE_GAIN = 0.1
"""Share by which another source frame must be better to take over: no flicker between two that are alike."""
STEADY_MS = 400.0
STEADY_GAIN = 0.3
"""And so much better if the last change was less than so long ago."""
FLOOR = 1.1
"""Error, in levels of 255, of a source frame drawn as itself: what a new one would have."""
OTHERS_EVERY = 3
"""Every so many glances are at a source frame that is not in use."""
GOOD = FLOOR + 0.6
"""Up to this error no other source frame is tried."""
WORTH, WORTH_WHEN_EMPTY = 1.0, 4.0
"""Error above the floor, in levels of 255, from which a new source frame is worth its bytes while the budget is full, and when it
is spent; in between in proportion. With less of a rise, the first seconds take what later ones need more."""
SLOPE = 1.5
"""Levels of error above the floor to expect for each unit of `codec.distance`, until a source frame has been drawn from."""
SLOPE_MEMORY = 0.3
"""Weight of one picture in a source frame's own slope. One that shows another light or another room soon has a steep one."""
NEAR = 0.5
"""Distances below this count as this much: what is wrong there is not the motion."""
EVERY_MS = 300.0
"""New source frames are at least so long apart."""


@dataclass(eq=False)
class Entry:
    """A source frame in use."""

    source: SentSource
    tracker: SceneTracker | None
    """Measures the scene against it; None for a portrait."""
    arrived: bool = True
    """The other side has it. It is used before that: a frame is shown some time after it was sent, and a source frame that is late
    even then is replaced by the nearest one at the other side."""
    appearance: Appearance | None = None
    """What F makes of it, once it was drawn from."""
    slope: float = SLOPE
    """Levels of error above the floor for each unit of distance, as learnt from what was drawn from it."""

    def expected(self, motion: Motion) -> float:
        """The error to expect of a picture in which the head moves like that."""
        return FLOOR + self.slope * max(NEAR, distance(self.source.motion, motion))

    def learn(self, motion: Motion, error: float) -> None:
        """Records the error of a picture that was drawn from it."""
        apart = max(NEAR, distance(self.source.motion, motion))
        self.slope += SLOPE_MEMORY * (max(0.0, error - FLOOR) / apart - self.slope)


@dataclass(frozen=True)
class Drawn:
    """A picture as the other side would see it from one source frame."""

    entry: Entry
    motion: Motion
    """With the scene code against that source frame."""
    error: float
    """Mean absolute difference to the camera's square at 128 pixels, in levels of 255."""


class ByteBudget:
    """How many bytes may be spent: so many a minute, and no more than a minute's worth at once."""

    def __init__(self, bytes_per_minute: float) -> None:
        self.bytes_per_minute = bytes_per_minute
        self._left = bytes_per_minute
        self._at_ms: float | None = None

    def left(self, now_ms: float) -> float:
        """Bytes that may be spent now. Times do not go back."""
        if self._at_ms is not None:
            gained = (now_ms - self._at_ms) / 60_000 * self.bytes_per_minute
            self._left = min(self._left + max(0.0, gained), self.bytes_per_minute)
        self._at_ms = now_ms
        return self._left

    def spend(self, size: int) -> None:
        """Takes that many bytes; may go below zero for what had to be sent."""
        self._left -= size


class SourceBank:
    """One person's source frames.

    networks: with the receiver's graphs. size: how many at a time, 1 to 8. The one in use is `current`.
    """

    def __init__(self, networks: Networks, size: int) -> None:
        self._networks = networks
        self.size = size
        self.entries: list[Entry] = []
        self.current: Entry | None = None
        self._changed_ms = -1e9
        self._number = -1
        self._glances = 0

    def next_number(self) -> int:
        """The number of the next source frame."""
        return (self._number + 1) % (MAX_SOURCE_NUMBER + 1)

    def add(self, source: SentSource, *, arrived: bool, follows_scene: bool = True) -> Entry:
        """Takes a source frame; the first one is used at once, any other when it is chosen. Drops one if there are too many."""
        self._number = source.frame.number
        while len(self.entries) >= self.size:
            self.entries.remove(self._least_useful())
        tracker = source.tracker(self._networks) if follows_scene else None
        entry = Entry(source, tracker, arrived)
        self.entries.append(entry)
        if self.current is None or self.current not in self.entries:
            self.current = entry
        return entry

    def clear(self) -> None:
        """Forgets all: the next source frame starts anew, as after a change of the room or of the face."""
        self.entries, self.current = [], None

    def delivered(self, names: set[bytes]) -> None:
        """The other side has the source frames of these hashes."""
        for entry in self.entries:
            entry.arrived = entry.arrived or entry.source.hash in names

    def keep_current(self) -> None:
        """Forgets all source frames but the one in use: the other side has none of them."""
        self.entries = [entry for entry in self.entries if entry is self.current]

    def likeliest(self, motion: Motion) -> list[Entry]:
        """All source frames, the one with the least error to expect first."""
        return sorted(self.entries, key=lambda entry: entry.expected(motion))

    def _others(self, motion: Motion) -> list[Entry]:
        """`likeliest` without the one in use."""
        return [entry for entry in self.likeliest(motion) if entry is not self.current]

    def follow(self, square: NDArray[np.uint8], motion: Motion) -> Motion:
        """A square's motion with its scene code against the source frame in use."""
        entry = self.current
        return motion if entry is None or entry.tracker is None else entry.tracker.follow(square, motion)

    def draw(self, entry: Entry, square: NDArray[np.uint8], motion: Motion) -> Drawn:
        """How the other side sees a square, uint8 RGB (S, S, 3), in which the head moves like that, from one source frame."""
        seen = motion if entry.tracker is None else entry.tracker.follow(square, motion)
        source = entry.source
        if entry.appearance is None:
            entry.appearance = self._networks.appearance(source.picture)
        picture = self._networks.render(entry.appearance, source.canonical, source.motion, seen)
        error = difference(picture, square)
        entry.learn(motion, error)
        return Drawn(entry, seen, error)

    def glance(self, square: NDArray[np.uint8], motion: Motion) -> Drawn:
        """Draws a square from one source frame, for a call that has time for no more: the one in use, or now and then the
        likeliest other one, so that it is known what to expect of that.
        """
        assert self.current is not None, "no source frame yet"
        self._glances += 1
        others = self._others(motion) if self._glances % OTHERS_EVERY == 0 else []
        return self.draw(others[0] if others else self.current, square, motion)

    def choose(self, motion: Motion, time_ms: float) -> Entry:
        """Uses the source frame with the least error to expect from now on: for pictures that there is no time to draw."""
        assert self.current is not None, "no source frame yet"
        best = self.likeliest(motion)[0]
        self._change(best, best.expected(motion), self.current.expected(motion), time_ms)
        return self.current

    def _change(self, entry: Entry, error: float, current_error: float, time_ms: float) -> bool:
        """Uses another source frame if it is so much better that the change is worth it."""
        gain = STEADY_GAIN if time_ms - self._changed_ms < STEADY_MS else CHANGE_GAIN
        if entry is self.current or error >= (1 - gain) * current_error:
            return False
        self.current, self._changed_ms = entry, time_ms
        return True

    def look(self, square: NDArray[np.uint8], motion: Motion, time_ms: float) -> Drawn:
        """Draws a square from the source frame in use and the likeliest others, and uses the best from now on."""
        assert self.current is not None, "no source frame yet"
        drawn = [self.draw(self.current, square, motion)]
        if drawn[0].error > GOOD:
            drawn += [self.draw(entry, square, motion) for entry in self._others(motion)[:CANDIDATES]]
        best = min(drawn, key=lambda one: one.error)
        return best if self._change(best.entry, best.error, drawn[0].error, time_ms) else drawn[0]

    def _least_useful(self) -> Entry:
        """The one whose place another takes with the least loss, among those not in use."""
        others = [entry for entry in self.entries if entry is not self.current]
        if not others:
            return self.entries[0]

        def apart(entry: Entry) -> float:
            rest = [other for other in self.entries if other is not entry]
            return min(distance(entry.source.motion, other.source.motion) for other in rest) / max(0.1, entry.slope)

        return min(others, key=apart)


@dataclass(frozen=True)
class UsedSource:
    """A source frame that was sent."""

    number: int
    frame: int
    """Number of the frame that it is of."""
    bytes: int
    used: int
    """Frames that were sent with it."""


class UsedSources:
    """Counts for reports which source frames were sent and how many frames used each."""

    def __init__(self) -> None:
        self._sent: list[tuple[int, int, int]] = []
        self._used: list[int] = []

    def sent(self, source: SentSource, frame: int) -> None:
        """One more source frame was sent, of that frame."""
        self._sent.append((source.frame.number, frame, len(source.message)))
        self._used.append(0)

    def used(self, number: int) -> None:
        """A frame was sent with the newest source frame of that number."""
        for place in reversed(range(len(self._sent))):
            if self._sent[place][0] == number:
                self._used[place] += 1
                return

    def list(self) -> list[UsedSource]:
        """All of them, in order."""
        return [UsedSource(*sent, used) for sent, used in zip(self._sent, self._used, strict=True)]


def counted(sources: int) -> str:
    """How many source frames, in words: "source frame" or "5 source frames"."""
    return "source frame" if sources == 1 else f"{sources} source frames"


def likeness(error: float) -> float:
    """An error of `difference` as a share: 1 is the camera's picture, 0 an error of 32 levels, that of another picture."""
    return max(0.0, 1 - error / 32)


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean absolute difference of two pictures, uint8 RGB (S, S, 3), at 128 pixels and a little blurred, in levels of 255."""
    return float(np.abs(_small(a) - _small(b)).mean())


def _small(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    size = (COMPARED_PX, COMPARED_PX)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 0.8), np.float32)


def worth(best: Drawn, budget: ByteBudget, time_ms: float) -> bool:
    """Whether a picture that is drawn so badly is worth a new source frame, as large as the one that it was drawn from."""
    left = budget.left(time_ms)
    if left < len(best.entry.source.message):
        return False
    full = left / budget.bytes_per_minute
    return best.error - FLOOR > full * WORTH + (1 - full) * WORTH_WHEN_EMPTY
