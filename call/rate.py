"""Rate control: decides from the state of the path what is sent over it. Pure: no clock, no socket.

`rate_loop` calls `RateController.update` twice a second with a `Measured`; the `Rate` that it returns is applied to the live
sender, the sound and the bundling of messages. The rate starts low, rises while nothing is wrong, and falls at once when
the queue grows or the budget is exceeded. Loss that it does not cause itself is answered with repetition, not with less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from facewire.call.options import FULL_FPS
from facewire.call.pixel_rate import PixelRate
from facewire.codec import Packing
from facewire.codec.wire import MESSAGE_OVERHEAD_BYTES
from facewire.errors import InputError

MIN_FPS, MAX_FPS = 5.0, 30.0
QUEUE_LIMIT_MS = 150.0
"""A round trip that exceeds the shortest one by more than this means that packets queue somewhere."""
LOSS_LIMIT = 0.08
"""Above this it is investigated whether we cause the loss ourselves."""
HEAVY_LOSS, HEAVY_LOSS_S = 0.5, 1.5
"""Where so much has been lost for so long, repetition gains nothing, and less is sent. For a moment, one burst looks the same."""
RISE_AFTER_S = 3.0
"""After this long without trouble, the next level is tried."""
RISE_AFTER_FALL_S = 8.0
RISE_WITH_ROOM_S = 1.0
"""On a path that is known to carry more, and on which nothing has been wrong."""
PROBE_S = 3.0
"""How long after a step down it shows whether we caused the loss."""
RANDOM_LOSS_FOR_S = 30.0
BUDGET_SHARE = 0.93
"""Share of the budget that is planned with, since motion varies."""
MIN_KBPS = 8.0
FRUGAL_KBPS = 32.0
"""Budget of a call without a limit, repetition against loss included, until the path is known to carry more."""
MOST_KBPS = 64.0
"""And the most that is then used."""
PATH_SHARE = 0.5
"""Of what the path has carried of source frames."""
START_LEVEL = 2
WAITING_LEVEL = 1
"""The highest level while the other side waits for its first source frame, preview or whole: media delay it."""
COST_RISES, COST_FALLS = 0.3, 0.03
"""How quickly measurements change the estimated cost of levels, up and down: a pause says little about the speech after it."""
FRUGAL_LEVEL = 5
"""The highest level within `FRUGAL_KBPS`: 12 kbps of video, 24 with sound."""
SEND_OVERHEAD_BYTES = MESSAGE_OVERHEAD_BYTES + 13
"""Overhead of a media message: on the wire, for acknowledgements that ride along, and for our own headers."""
REPORT_KBPS = 0.45
"""ICE consent checks and the like."""
SOUND_HEAD_BYTES = 5
REPEATED_SOUND_BPS = 8_000
"""Bit rate of sound that is sent twice: coarse but complete speech is easier to understand than finer speech with gaps."""
PROVEN_S = 15.0
"""A path on which no queue has grown for so long is trusted to carry the budget when the camera's picture is shown."""
CAMERA_SHARE = 0.5
"""Share of the budget for sound, and for motion that nobody sees, while the camera's picture is shown; pixels get the rest."""
ANSWER_EVERY_S = 0.24
"""How often a side that sends nothing acknowledges."""


@dataclass(frozen=True)
class Rate:
    """What is sent."""

    packing: Packing
    fps: float
    sound_bps: int
    sound_frame_ms: int = 60
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
    """What is known when a decision is made."""

    loss: float | None
    """Share of our messages lost, 0 to 1."""
    rtt_ms: float | None
    queue_ms: float | None
    held_back: int
    """Messages dropped since the last decision because the association did not take them."""
    sent_kbps: float | None
    """Rate on the wire of media and everything that comes with them, without source frames; None while unknown."""
    source_waits: bool = False
    """The other side has no picture yet, and pieces of one are on their way; no motion is sent until it has."""
    source_follows: bool = False
    """The other side has a preview, and the whole source frame is on its way."""
    path_kbps: float = 0.0
    """What the path is known to carry, from source frames; 0 while unknown."""
    camera: bool = False
    """The camera's picture is shown, and sent beside sound and motion; it is not part of `sent_kbps`."""


@dataclass(frozen=True)
class _Level:
    rate: Rate
    motion_bytes: float
    """Estimated size of a frame of a lively speaker, repetitions included."""


LEVELS = (
    _Level(Rate(Packing("lowest", 4, 0), 10.0, 6_000), 8.0),
    _Level(Rate(Packing("lowest", 4, 0), 12.5, 6_000), 8.0),
    _Level(Rate(Packing("lowest", 4, 1), 25.0, 8_000), 10.0),
    _Level(Rate(Packing("low", 4, 1), 25.0, 12_000), 13.0),
    _Level(Rate(Packing("default", 3, 0), 25.0, 12_000), 12.0),
    _Level(Rate(Packing("default", 3, 1), 25.0, 12_000), 17.0),
    _Level(Rate(Packing("default", 2, 1), 25.0, 16_000), 17.0),
    _Level(Rate(Packing("high", 2, 1), 25.0, 20_000), 24.0),
    _Level(Rate(Packing("default", 1, 1), 25.0, 24_000, 20), 17.0),
    _Level(Rate(Packing("high", 1, 1), 25.0, 28_000, 20), 24.0),
)
"""What can be sent at `FULL_FPS`, cheapest first. Frames are repeated from the start: before loss has been measured, three
packets lost in a row would freeze the picture for half a second. The last two cost a message a frame and short frames of sound, for
a delay that is some 90 ms shorter.
"""


def levels(fps: float = FULL_FPS) -> tuple[_Level, ...]:
    """`LEVELS` for a call of at most `fps` frames per second."""
    if not MIN_FPS <= fps <= MAX_FPS:
        raise InputError(f"--fps {fps:g}: must be from {MIN_FPS:g} to {MAX_FPS:g} frames per second")
    return tuple(replace(level, rate=replace(level.rate, fps=level.rate.fps * fps / FULL_FPS)) for level in LEVELS)


def estimate_kbps(level: _Level, *, video: bool, sound: bool) -> float:
    """The estimated cost of a level on the wire, before anything is measured."""
    return _kbps(level.rate, level.motion_bytes, video, sound)


def _kbps(rate: Rate, motion_bytes: float, video: bool, sound: bool) -> float:
    messages = rate.fps / rate.packing.frames_per_packet if video or sound else 1 / ANSWER_EVERY_S
    motion = 8 * motion_bytes * rate.fps / 1000 if video else 0.0
    speech = (
        (rate.sound_bps * (1 + rate.repeat_sound) / 1000 + 8 * SOUND_HEAD_BYTES / rate.sound_frame_ms) if sound else 0.0
    )
    return messages * SEND_OVERHEAD_BYTES * 8 / 1000 + motion + speech + REPORT_KBPS


class RateController:
    """The decisions of one call.

    max_kbps: budget for what this side sends, on the wire and sound included; None for 32, and up to 64 where the path is known to
    carry twice as much. frugal: never more than 32. fps: the most frames per second. video, sound: whether this side sends them.
    """

    def __init__(
        self,
        max_kbps: float | None = None,
        fps: float = FULL_FPS,
        *,
        frugal: bool = False,
        video: bool = True,
        sound: bool = True,
    ) -> None:
        if max_kbps is not None and not MIN_KBPS <= max_kbps <= 100_000:
            raise InputError(f"--max-kbps {max_kbps:g}: must be at least {MIN_KBPS:g}, packet headers included")
        self.budget_kbps = FRUGAL_KBPS if max_kbps is None else max_kbps
        if frugal:
            self.budget_kbps = min(self.budget_kbps, FRUGAL_KBPS)
        self._grows = max_kbps is None and not frugal
        self._levels = levels(fps)
        self._video, self._sound = video, sound
        self._queue_ms = 0.0
        """At the last decision: a queue that is shrinking needs no further step down."""
        self._media_kbps: float | None = None
        self._pixels = PixelRate()
        self._camera = False
        self._total_kbps = 0.0
        """Of which the camera's picture, sound and motion have their shares."""
        self._motion_level = 0
        """Before the camera's picture was shown."""
        self._scale = 1.0
        """The real cost of levels, relative to the estimate."""
        self._now = 0.0
        self._quiet_since = 0.0
        self._heavy_since: float | None = None
        self._fell_at: float | None = None
        self._probe: tuple[float, float] | None = None
        """When a step down was made to see whether it reduces the loss, and how high the loss was."""
        self._random_until = self._random_loss = 0.0
        """Until when, and up to what share, loss is known not to be caused by us."""
        self._top = FRUGAL_LEVEL if max_kbps is None or frugal else len(self._levels) - 1
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
            if self._scale * _kbps(wish, size, self._video, self._sound) <= self._plan_kbps:
                return wish
        return rate

    @property
    def has_room(self) -> bool:
        """Nobody set a limit, and the path is known to carry more than `FRUGAL_KBPS`."""
        return self._grows and self.budget_kbps > FRUGAL_KBPS

    @property
    def source_kbps(self) -> float:
        """What media leave for pieces of a source frame, but at least a quarter of the budget."""
        media = self._media_kbps
        if media is None:
            media = estimate_kbps(self._levels[self.level], video=False, sound=self._sound)
        return max(self.budget_kbps / 4, BUDGET_SHARE * self.budget_kbps - media)

    def update(self, measured: Measured, elapsed_s: float) -> Rate:
        """Returns the new rate. elapsed_s: time since the last call."""
        self._now += max(0.0, elapsed_s)
        self._switch(measured.camera)
        if self._grows:
            self.budget_kbps = min(max(FRUGAL_KBPS, PATH_SHARE * measured.path_kbps), MOST_KBPS)
            self._top = len(self._levels) - 1 if self.has_room else FRUGAL_LEVEL
            self._ceiling = min(self._ceiling, self._top)
            self.level = min(self.level, self._top)
        self._learn_cost(measured)
        loss = measured.loss or 0.0
        over = measured.sent_kbps is not None and measured.sent_kbps > self.budget_kbps
        congested, heavy = self._is_congested(measured), self._is_heavy(loss)
        if over or heavy or (congested and not measured.camera):
            self._fall()
        elif congested:
            self._quiet_since = self._now  # pixels give way
        elif loss > LOSS_LIMIT or self._probe is not None:
            self._look_into(loss)
        else:
            if loss < LOSS_LIMIT / 2 and self._now >= self._random_until:
                self._robust = False
            self._rise()
        self._wait_for_source(measured.source_waits or measured.source_follows)
        self.level = self._affordable(self.level)
        self._give_pixels(measured, congested=congested)
        return self.rate

    @property
    def pixel_kbps(self) -> float | None:
        """What camera pictures may take of the wire; None where that is too little."""
        return self._pixels.kbps

    @property
    def _plan_kbps(self) -> float:
        """For sound and motion."""
        return CAMERA_SHARE * self._total_kbps if self._camera else BUDGET_SHARE * self.budget_kbps

    def _switch(self, camera: bool) -> None:
        """Makes room when the camera's picture is shown, and goes back to where motion was."""
        if camera and not self._camera:
            self._motion_level = self.level
        elif self._camera and not camera:
            self.level = max(self.level, min(self._motion_level, self._ceiling))
            self._quiet_since = self._now
        self._camera = camera

    def _give_pixels(self, measured: Measured, *, congested: bool) -> None:
        """What is left for pixels now, or would be at the level that leaves room for them."""
        shown, budget, known = self._camera, BUDGET_SHARE * self.budget_kbps, None
        if shown:
            cost = max(self._cost(self.level), measured.sent_kbps or 0.0)
        else:
            proven = self._fell_at is None or self._now - self._fell_at >= PROVEN_S
            sent = measured.sent_kbps or 0.0
            self._total_kbps = budget if proven or not sent else min(budget, sent)
            self._camera = True
            cost = self._cost(self._affordable(min(self.level, FRUGAL_LEVEL)))
            self._camera = False
            if self._grows and not self.has_room:
                known = max(sent - cost, measured.path_kbps)
        self._pixels.update(
            budget - cost, known, shown=shown, congested=congested, queue_ms=self._queue_ms, now=self._now
        )

    def _learn_cost(self, measured: Measured) -> None:
        """Compares what was sent with the estimate."""
        self._media_kbps = measured.sent_kbps
        if measured.sent_kbps is None or measured.sent_kbps <= 0:
            return
        video = self._video and not measured.source_waits
        expected = _kbps(self.rate, self._levels[self.level].motion_bytes, video, self._sound)
        change = min(2.0, max(0.5, measured.sent_kbps / expected)) - self._scale
        self._scale += (COST_RISES if change > 0 else COST_FALLS) * change

    def _is_congested(self, measured: Measured) -> bool:
        queue_ms, before_ms = measured.queue_ms or 0.0, self._queue_ms
        self._queue_ms = queue_ms
        return (queue_ms > QUEUE_LIMIT_MS and queue_ms > 0.8 * before_ms) or measured.held_back > 0

    def _is_heavy(self, loss: float) -> bool:
        """Whether so much has been lost for so long that repetition gains nothing."""
        if loss <= HEAVY_LOSS:
            self._heavy_since = None
        elif self._heavy_since is None:
            self._heavy_since = self._now
        return self._heavy_since is not None and self._now - self._heavy_since >= HEAVY_LOSS_S

    def _wait_for_source(self, waits: bool) -> None:
        if waits:
            self.level, self._quiet_since = min(self.level, WAITING_LEVEL), self._now
        elif self._waited and self._fell_at is None:
            self.level = max(self.level, START_LEVEL)
        self._waited = waits

    def _fall(self) -> None:
        """Goes down a level and stays below this one for a while."""
        if self._fell_at is not None and self._now - self._fell_at < 1.0:
            return  # the last step has not had time to take effect
        if self.level > 0:
            self._ceiling, self._ceiling_until = self.level - 1, self._now + 1.5 * RISE_AFTER_FALL_S
            self.level -= 1
        self._robust, self._random_until, self._random_loss = False, 0.0, 0.0
        self._fell_at = self._quiet_since = self._now

    def _look_into(self, loss: float) -> None:
        """Loss without a queue: a step down tells whether we cause it. If not, repetition makes up for it."""
        if self._probe is None and (self._now < self._random_until or loss < 1.3 * self._random_loss):
            self._robust = True
            self._rise()
            return
        self._quiet_since = self._now
        if self._probe is None:
            self._probe = self._now, loss
            self.level = max(min(self.level, START_LEVEL), self.level - 1)  # an experiment that costs no frames
        elif self._now - self._probe[0] >= PROBE_S:
            if loss > 0.7 * self._probe[1]:
                self._random_until, self._random_loss, self._robust = self._now + RANDOM_LOSS_FOR_S, loss, True
                self.level = min(self.level + 1, self._ceiling)
            else:  # the step down helped
                self._ceiling, self._ceiling_until = self.level, self._now + 1.5 * RISE_AFTER_FALL_S
            self._probe = None

    def _rise(self) -> None:
        if self._now >= self._ceiling_until:
            self._ceiling = self._top
        wait = RISE_AFTER_S if self._fell_at is None else RISE_AFTER_FALL_S
        if self._fell_at is None and self.has_room:
            wait = RISE_WITH_ROOM_S
        if self._now - self._quiet_since >= wait and self.level < self._ceiling:
            self.level = min(self.level + 1, FRUGAL_LEVEL) if self._camera else self.level + 1
            self._quiet_since = self._now

    def _affordable(self, level: int) -> int:
        """The highest level, up to this one, that the budget allows."""
        while level > 0 and self._cost(level) > self._plan_kbps:
            level -= 1
        return level

    def _cost(self, level: int) -> float:
        return self._scale * estimate_kbps(self._levels[level], video=self._video, sound=self._sound)
