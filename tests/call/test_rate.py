"""Rate control on simulated paths: it starts low, keeps the budget, and yields to queues but not to random loss."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.call.rate import (
    FRUGAL_KBPS,
    FRUGAL_LEVEL,
    LEVELS,
    MIN_KBPS,
    MOST_KBPS,
    START_LEVEL,
    WAITING_LEVEL,
    Measured,
    Rate,
    RateController,
    estimate_kbps,
    levels,
)
from facewire.errors import InputError

STEP_S = 0.5


class Path:
    """A link of limited capacity with a queue in front of it, and random loss."""

    def __init__(self, kbps: float, loss: float = 0.0, rtt_ms: float = 60.0, queue_limit_ms: float = 2000.0) -> None:
        self.kbps, self.loss, self.rtt_ms, self.limit = kbps, loss, rtt_ms, queue_limit_ms
        self.queue_ms = 0.0
        self.chance = random.Random(0)

    def carry(self, sent_kbps: float) -> Measured:
        self.queue_ms += 1000 * STEP_S * (sent_kbps - self.kbps) / self.kbps
        overflow = max(0.0, self.queue_ms - self.limit) * self.kbps / (1000 * STEP_S * sent_kbps)
        self.queue_ms = min(max(0.0, self.queue_ms), self.limit)
        loss = min(1.0, max(0.0, self.loss + overflow + self.chance.gauss(0, 0.02)))
        return Measured(loss, self.rtt_ms + self.queue_ms, self.queue_ms, 0, sent_kbps)


def cost(rate: Rate) -> float:
    """What a rate takes on the wire: overhead of messages, motion, sound."""
    motion = {"lowest": 7, "low": 9, "default": 12, "high": 17}[rate.packing.preset] * (
        1 + 0.45 * rate.packing.redundancy
    )
    sound = rate.sound_bps * (1 + rate.repeat_sound) / 1000 + 0.7
    return rate.fps / rate.packing.frames_per_packet * 106 * 8 / 1000 + motion * rate.fps * 8 / 1000 + sound + 0.4


def run(controller: RateController, path: Path, seconds: float) -> list[tuple[Rate, float, float]]:
    history = []
    for _ in range(int(seconds / STEP_S)):
        sent = cost(controller.rate)
        history.append((controller.rate, sent, path.queue_ms))
        controller.update(path.carry(sent), STEP_S)
    return history


def test_rate_starts_low_and_rises_on_a_good_path() -> None:
    controller = RateController()
    history = run(controller, Path(1000.0), 30)
    assert history[0][1] < 18
    assert controller.level == FRUGAL_LEVEL
    assert history[-1][0].fps == 25
    assert history[-1][1] < 32


def known(path: Path, kbps: float, controller: RateController, seconds: float) -> list[tuple[Rate, float]]:
    """Rates and costs on a path of which source frames have shown that it carries so much."""
    history = []
    for _ in range(int(seconds / STEP_S)):
        sent = cost(controller.rate)
        history.append((controller.rate, sent))
        controller.update(replace(path.carry(sent), path_kbps=kbps), STEP_S)
    return history


def test_path_that_carries_much_is_used_for_less_delay() -> None:
    controller = RateController()
    history = known(Path(1000.0), 400.0, controller, 40)
    rate, sent = history[-1]
    assert controller.level == len(LEVELS) - 1
    assert (rate.packing.frames_per_packet, rate.sound_frame_ms) == (1, 20)
    assert FRUGAL_KBPS < sent <= MOST_KBPS
    history = known(Path(1000.0), 0.0, controller, 2)
    assert history[-1][1] <= FRUGAL_KBPS, "a new connection, of which nothing is known"


def test_path_that_is_not_known_to_carry_twice_as_much_is_not_tried() -> None:
    controller = RateController()
    history = known(Path(70.0), 56.0, controller, 60)
    assert controller.level == FRUGAL_LEVEL
    assert max(sent for _, sent in history) < FRUGAL_KBPS
    frugal = RateController(frugal=True)
    known(Path(1000.0), 400.0, frugal, 40)
    assert frugal.level == FRUGAL_LEVEL
    limited = RateController(20.0)
    assert max(sent for _, sent in known(Path(1000.0), 400.0, limited, 40)) < 20


def test_roomy_path_that_narrows_is_left_at_once() -> None:
    controller = RateController()
    known(Path(1000.0), 400.0, controller, 40)
    history = known(Path(25.0), 400.0, controller, 60)
    assert sum(sent for _, sent in history[20:]) / len(history[20:]) < 26


def test_rate_stays_below_the_capacity_of_a_narrow_path() -> None:
    controller = RateController()
    history = run(controller, Path(20.0), 120)
    queues = [queue for _, _, queue in history[20:]]
    assert sorted(queues)[len(queues) // 2] < 100
    assert max(queues) < 1000
    assert sum(sent for _, sent, _ in history[20:]) / len(history[20:]) < 20


@pytest.mark.parametrize("loss", [0.1, 0.2])
def test_random_loss_is_answered_with_repetition(loss: float) -> None:
    controller = RateController()
    history = run(controller, Path(1000.0, loss=loss), 40)
    late = history[-20:]
    assert all(rate.packing.redundancy >= 1 for rate, _, _ in late)
    assert any(rate.packing.redundancy == 2 for rate, _, _ in late)
    assert all(rate.fps == 25 for rate, _, _ in late)


def test_bursts_of_loss_cost_no_frames() -> None:
    controller = RateController()
    run(controller, Path(1000.0), 20)
    for number in range(120):
        loss = (0.0, 0.0, 0.55, 0.3)[number // 2 % 4]
        rate = controller.update(Measured(loss, 60.0, 0.0, 0, cost(controller.rate)), STEP_S)
        assert rate.fps == 25


def test_heavy_loss_lowers_the_rate() -> None:
    controller = RateController()
    run(controller, Path(1000.0, loss=0.7), 30)
    assert controller.level == 0


def test_loss_caused_by_sending_too_much_lowers_the_rate() -> None:
    controller = RateController()
    history = run(controller, Path(17.0, queue_limit_ms=60.0), 60)
    overloads = [sent for _, sent, _ in history[40:] if sent > 17.0]
    assert len(overloads) < len(history[40:]) / 4


def test_first_source_frame_gets_what_sound_leaves() -> None:
    controller = RateController(18.0)
    for _ in range(10):
        controller.update(Measured(0.0, 60.0, 0.0, 0, None, source_waits=True), STEP_S)
    assert controller.level == WAITING_LEVEL
    assert controller.source_kbps > 6
    for _ in range(10):
        controller.update(Measured(0.0, 60.0, 0.0, 0, 9.0, source_follows=True), STEP_S)
    assert controller.level == WAITING_LEVEL, "with a preview there, the whole still comes first"
    controller.update(Measured(0.0, 60.0, 0.0, 0, None), STEP_S)
    assert controller.level == START_LEVEL


def test_pause_in_speech_does_not_make_higher_levels_look_cheap() -> None:
    controller = RateController(18.0)
    path = Path(1000.0)
    for number in range(240):
        sent = cost(controller.rate)
        assert sent <= 18
        silent = number // 8 % 2
        controller.update(path.carry(sent - silent * controller.rate.sound_bps / 1000), STEP_S)
    assert controller.rate.fps == 25


@pytest.mark.parametrize("budget", [12.0, 16.0, 20.0, 32.0, 64.0])
def test_budget_holds(budget: float) -> None:
    controller = RateController(budget)
    history = run(controller, Path(1000.0), 60)
    assert all(sent <= budget for _, sent, _ in history[-60:])


@pytest.mark.parametrize("budget", [16.0, 24.0])
def test_budget_holds_on_a_lossy_path(budget: float) -> None:
    controller = RateController(budget)
    history = run(controller, Path(1000.0, loss=0.2), 60)
    assert all(sent <= 1.05 * budget for _, sent, _ in history[-60:])


@pytest.mark.parametrize("budget", [0.0, MIN_KBPS - 1, float("nan"), float("inf"), -3.0])
def test_budget_too_small_for_anything_is_rejected(budget: float) -> None:
    with pytest.raises(InputError, match="max-kbps"):
        RateController(budget)


measurements = st.builds(
    Measured,
    loss=st.none() | st.floats(0, 1),
    rtt_ms=st.none() | st.floats(0, 60_000),
    queue_ms=st.none() | st.floats(0, 60_000),
    held_back=st.integers(0, 100),
    sent_kbps=st.none() | st.floats(0, 10_000),
)


@given(st.none() | st.floats(MIN_KBPS, 200), st.lists(st.tuples(measurements, st.floats(0, 60)), max_size=60))
def test_any_measurement_gives_a_valid_rate(budget: float | None, history: list[tuple[Measured, float]]) -> None:
    controller = RateController(budget)
    for measured, elapsed in history:
        rate = controller.update(measured, elapsed)
        assert 0 <= controller.level < len(LEVELS)
        assert 1 <= rate.packing.frames_per_packet * (1 + rate.packing.redundancy) <= 16
        assert rate.packing.preset in ("high", "default", "low", "lowest")
        assert 0 < controller.source_kbps <= controller.budget_kbps


def test_higher_levels_cost_more() -> None:
    for video, sound in ((True, True), (True, False)):
        costs = [estimate_kbps(level, video=video, sound=sound) for level in LEVELS]
        assert costs == sorted(costs)


def test_estimates_stay_below_the_targets() -> None:
    assert estimate_kbps(LEVELS[FRUGAL_LEVEL], video=True, sound=False) < 12
    assert estimate_kbps(LEVELS[FRUGAL_LEVEL], video=True, sound=True) < 24


@pytest.mark.parametrize("fps", [5.0, 12.5, 30.0])
def test_other_frame_rates_have_the_same_levels(fps: float) -> None:
    controller = RateController(40, fps)
    seen = {rate.fps for rate, _, _ in run(controller, Path(500), 100)}
    assert seen == {fps}
    assert {level.rate.fps for level in levels(fps)} == {level.rate.fps * fps / 25 for level in LEVELS}
    costs = [estimate_kbps(levels(fps)[FRUGAL_LEVEL], video=True, sound=True) for fps in (5, 25, 30)]
    assert costs == sorted(costs)


@pytest.mark.parametrize("fps", [0, 4.9, 31, float("nan"), float("inf")])
def test_invalid_frame_rates_are_rejected(fps: float) -> None:
    with pytest.raises(InputError, match="--fps"):
        RateController(fps=fps)
