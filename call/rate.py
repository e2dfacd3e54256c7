"""Rate control: from how the path is to what is sent over it. Pure: no clock, no socket.

`session` calls `RateController.update` about twice a second with a `Measured`; the `Rate` it returns goes to the live
sender, the sound and the bundling of messages. It starts low, rises while nothing is wrong, falls at once when the
queue grows or the budget is passed, and answers loss that is not of its own making with repetition in place of retreat.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from facewire.call.options import FULL_FPS
from facewire.codec import Packing
from facewire.codec.wire import MESSAGE_OVERHEAD_BYTES
from facewire.errors import InputError

MIN_FPS, MAX_FPS = 5.0, 30.0
QUEUE_LIMIT_MS = 150.0
"""More round trip than that above the shortest one: packets wait for each other somewhere."""
LOSS_LIMIT = 0.08
"""From here on loss is looked into: of our own making, or the path's?"""
HEAVY_LOSS, HEAVY_LOSS_S = 0.5, 1.5
"""On a path that has been so bad for so long nothing is gained by repeating; less is sent in any case. One burst looks the same
for a moment.
"""
RISE_AFTER_S = 3.0
"""Without trouble for so long, the next finer level is tried."""
RISE_AFTER_FALL_S = 8.0
PROBE_S = 3.0
"""So long after a step down it shows whether the loss was of our own making."""
RANDOM_LOSS_FOR_S = 30.0
BUDGET_SHARE = 0.93
"""Of the budget is planned with: motion varies."""
MIN_KBPS = 8.0
DEFAULT_KBPS = 32.0
"""Budget of a call that was given none, for repetition against loss too."""
START_LEVEL = 2
WAITING_LEVEL = 1
"""The finest while the other side waits for its first source frame, preview and whole: what media take, that has to wait for."""
COST_RISES, COST_FALLS = 0.3, 0.03
"""Share by which what is measured changes what levels are taken to cost: a pause in speech says little of the speech after
it.
"""
DEFAULT_LEVEL = 5
"""The finest level of a call that was given no budget: 12 kbps of video, 24 with sound."""
SEND_OVERHEAD_BYTES = MESSAGE_OVERHEAD_BYTES + 13
"""Around the packets of a media message: the wire's, riding acknowledgements, our own heads."""
REPORT_KBPS = 0.45
"""Consent checks of ICE and the like."""
SOUND_HEAD_BYTES = 5
REPEATED_SOUND_BPS = 8_000
"""Where sound goes out twice: coarser and whole is understood better than finer and full of holes."""
ANSWER_EVERY_S = 0.24
"""Who sends nothing still acknowledges."""


@dataclass(frozen=True)
class Rate:
    """What is sent."""

    packing: Packing
    fps: float
    sound_bps: int
    repeat_sound: bool = False
    """Sound packets go out a second time, in the next message."""

    def repeating(self, frames_per_packet: int, redundancy: int, sound_bps: int | None = None) -> Rate:
        """The same with other packets; with `sound_bps` of sound, sent twice, if that is given."""
        packing = replace(self.packing, frames_per_packet=frames_per_packet, redundancy=redundancy)
        if sound_bps is None:
            return replace(self, packing=packing)
        return replace(self, packing=packing, sound_bps=sound_bps, repeat_sound=True)


@dataclass(frozen=True)
class Measured:
    """What is known when a decision is due."""

    loss: float | None
    """Share of our messages lost, 0 to 1."""
    rtt_ms: float | None
    queue_ms: float | None
    held_back: int
    """Messages thrown away since the last decision, since the association did not take them."""
    sent_kbps: float | None
    """On the wire, of media and what comes with it, without source frames; None while it is not known."""
    source_waits: bool = False
    """The other side has no picture yet, and pieces of one are on their way; motion is not sent before."""
    source_follows: bool = False
    """It has a preview, and the whole is on its way."""


@dataclass(frozen=True)
class _Level:
    rate: Rate
    motion_bytes: float
    """Of a frame, as far as one can know: with its repetitions, for a lively speaker."""


LEVELS = (
    _Level(Rate(Packing("lowest", 4, 0), 10.0, 6_000), 8.0),
    _Level(Rate(Packing("lowest", 4, 0), 12.5, 6_000), 8.0),
    _Level(Rate(Packing("lowest", 4, 1), 25.0, 8_000), 10.0),
    _Level(Rate(Packing("low", 4, 1), 25.0, 12_000), 13.0),
    _Level(Rate(Packing("default", 3, 0), 25.0, 12_000), 12.0),
    _Level(Rate(Packing("default", 3, 1), 25.0, 12_000), 17.0),
    _Level(Rate(Packing("default", 2, 1), 25.0, 16_000), 17.0),
    _Level(Rate(Packing("high", 2, 1), 25.0, 20_000), 24.0),
)
"""What can be sent at `FULL_FPS`, cheapest first. Frames are repeated from the start on: in the seconds before loss is known to be
there, three packets lost in a row would hold the picture for half a second.
"""


def levels(fps: float = FULL_FPS) -> tuple[_Level, ...]:
    """`LEVELS` for a call of at most so many frames a second."""
    if not MIN_FPS <= fps <= MAX_FPS:
        raise InputError(f"--fps {fps:g}: from {MIN_FPS:g} to {MAX_FPS:g} frames a second")
    return tuple(replace(level, rate=replace(level.rate, fps=level.rate.fps * fps / FULL_FPS)) for level in LEVELS)


def estimate_kbps(level: _Level, *, video: bool, sound: bool) -> float:
    """What a level costs on the wire, before anything is measured."""
    return _kbps(level.rate, level.motion_bytes, video, sound)


def _kbps(rate: Rate, motion_bytes: float, video: bool, sound: bool) -> float:
    messages = rate.fps / rate.packing.frames_per_packet if video or sound else 1 / ANSWER_EVERY_S
    motion = 8 * motion_bytes * rate.fps / 1000 if video else 0.0
    speech = (rate.sound_bps * (1 + rate.repeat_sound) / 1000 + 8 * SOUND_HEAD_BYTES / 60) if sound else 0.0
    return messages * SEND_OVERHEAD_BYTES * 8 / 1000 + motion + speech + REPORT_KBPS


class RateController:
    """One call's decisions.

    max_kbps: budget on the wire of what this side sends, sound included; None for 32. fps: the most frames a second. video, sound:
    what this side sends.
    """

    def __init__(
        self, max_kbps: float | None = None, fps: float = FULL_FPS, *, video: bool = True, sound: bool = True
    ) -> None:
        if max_kbps is not None and not MIN_KBPS <= max_kbps <= 100_000:
            raise InputError(f"--max-kbps {max_kbps:g}: from {MIN_KBPS:g} up, packet headers included")
        self.budget_kbps = DEFAULT_KBPS if max_kbps is None else max_kbps
        self._levels = levels(fps)
        self._video, self._sound = video, sound
        self._queue_ms = 0.0
        """When last looked: one that shrinks needs no further step down."""
        self._media_kbps: float | None = None
        self._scale = 1.0
        """What levels really cost here, compared with the estimate."""
        self._now = 0.0
        self._quiet_since = 0.0
        self._heavy_since: float | None = None
        self._fell_at: float | None = None
        self._probe: tuple[float, float] | None = None
        """When a step down was made to see what becomes of the loss, and how high that was."""
        self._random_until = self._random_loss = 0.0
        """Until when, and at what share, loss is known not to be of our making."""
        self._top = DEFAULT_LEVEL if max_kbps is None else len(self._levels) - 1
        self._ceiling = self._top
        self._ceiling_until = 0.0
        self._waited = False
        self.level = self._affordable(START_LEVEL)
        self._robust = False

    @property
    def rate(self) -> Rate:
        """What to send now."""
        rate = self._levels[self.level].rate
        if not self._robust:
            return rate
        # Repeat more, and in smaller parts, as far as the budget allows.
        packing = rate.packing
        once = self._levels[self.level].motion_bytes / (1 + packing.redundancy * 0.5)
        thrifty = min(rate.sound_bps, REPEATED_SOUND_BPS)
        wishes = (
            (rate.repeating(2, 2, rate.sound_bps), once * 2),
            (rate.repeating(3, 2, thrifty), once * 2),
            (rate.repeating(3, 1, thrifty), once * 1.5),
            (rate.repeating(3, 2), once * 2),
            (rate.repeating(packing.frames_per_packet, max(1, packing.redundancy)), once * 1.5),
        )
        for wish, size in wishes:
            if self._scale * _kbps(wish, size, self._video, self._sound) <= BUDGET_SHARE * self.budget_kbps:
                return wish
        return rate

    @property
    def source_kbps(self) -> float:
        """What is left for the pieces of a source frame beside the media, never less than a quarter of the budget."""
        media = self._media_kbps
        if media is None:
            media = estimate_kbps(self._levels[self.level], video=False, sound=self._sound)
        return max(self.budget_kbps / 4, BUDGET_SHARE * self.budget_kbps - media)

    def update(self, measured: Measured, elapsed_s: float) -> Rate:
        """Decides anew. elapsed_s: since the last call."""
        self._now += max(0.0, elapsed_s)
        if measured.sent_kbps is not None and measured.sent_kbps > 0:
            rate = self.rate
            expected = _kbps(
                rate, self._levels[self.level].motion_bytes, self._video and not measured.source_waits, self._sound
            )
            change = min(2.0, max(0.5, measured.sent_kbps / expected)) - self._scale
            self._scale += (COST_RISES if change > 0 else COST_FALLS) * change
        self._media_kbps = measured.sent_kbps
        queue_ms, before_ms = measured.queue_ms or 0.0, self._queue_ms
        self._queue_ms = queue_ms
        congested = (queue_ms > QUEUE_LIMIT_MS and queue_ms > 0.8 * before_ms) or measured.held_back > 0
        loss = measured.loss or 0.0
        over = measured.sent_kbps is not None and measured.sent_kbps > self.budget_kbps
        if loss <= HEAVY_LOSS:
            self._heavy_since = None
        elif self._heavy_since is None:
            self._heavy_since = self._now
        heavy = self._heavy_since is not None and self._now - self._heavy_since >= HEAVY_LOSS_S
        if congested or over or heavy:
            self._fall()
        elif loss > LOSS_LIMIT or self._probe is not None:
            self._look_into(loss)
        else:
            if loss < LOSS_LIMIT / 2 and self._now >= self._random_until:
                self._robust = False
            self._rise()
        self._wait_for_source(measured.source_waits or measured.source_follows)
        self.level = self._affordable(self.level)
        return self.rate

    def _wait_for_source(self, waits: bool) -> None:
        if waits:
            self.level, self._quiet_since = min(self.level, WAITING_LEVEL), self._now
        elif self._waited and self._fell_at is None:
            self.level = max(self.level, START_LEVEL)
        self._waited = waits

    def _fall(self) -> None:
        """A level down, and no way back up to this one for a while."""
        if self._fell_at is not None and self._now - self._fell_at < 1.0:
            return  # the last step has not had time to show
        if self.level > 0:
            self._ceiling, self._ceiling_until = self.level - 1, self._now + 1.5 * RISE_AFTER_FALL_S
            self.level -= 1
        self._robust, self._random_until, self._random_loss = False, 0.0, 0.0
        self._fell_at = self._quiet_since = self._now

    def _look_into(self, loss: float) -> None:
        """Loss without a queue: one step down tells whether we cause it; if not, it is repeated against."""
        if self._probe is None and (self._now < self._random_until or loss < 1.3 * self._random_loss):
            self._robust = True
            self._rise()
            return
        self._quiet_since = self._now
        if self._probe is None:
            self._probe = self._now, loss
            self.level = max(min(self.level, START_LEVEL), self.level - 1)  # a try that takes no frames away
        elif self._now - self._probe[0] >= PROBE_S:
            if loss > 0.7 * self._probe[1]:
                self._random_until, self._random_loss, self._robust = self._now + RANDOM_LOSS_FOR_S, loss, True
                self.level = min(self.level + 1, self._ceiling)
            else:  # the step down has helped
                self._ceiling, self._ceiling_until = self.level, self._now + 1.5 * RISE_AFTER_FALL_S
            self._probe = None

    def _rise(self) -> None:
        if self._now >= self._ceiling_until:
            self._ceiling = self._top
        wait = RISE_AFTER_S if self._fell_at is None else RISE_AFTER_FALL_S
        if self._now - self._quiet_since >= wait and self.level < self._ceiling:
            self.level += 1
            self._quiet_since = self._now

    def _affordable(self, level: int) -> int:
        """The finest level up to that one that the budget bears."""
        while level > 0 and self._cost(level) > BUDGET_SHARE * self.budget_kbps:
            level -= 1
        return level

    def _cost(self, level: int) -> float:
        return self._scale * estimate_kbps(self._levels[level], video=self._video, sound=self._sound)
