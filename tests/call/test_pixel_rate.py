"""The camera layer takes what sound and motion leave, grows while no queue does, and gives way at once."""

from __future__ import annotations

from facewire.call.options import FULL_FPS
from facewire.call.pixel_rate import AGAIN_S, GIVE_UP_S, PixelRate
from facewire.call.rate import BUDGET_SHARE, FRUGAL_LEVEL, Measured, RateController, estimate_kbps, levels
from facewire.sender.pixels import LEAST_KBPS

STEP_S = 0.5
CALM = Measured(loss=0.0, rtt_ms=80.0, queue_ms=5.0, held_back=0, sent_kbps=None)


def run(
    rate: PixelRate, seconds: float, *, begin: float = 0.0, possible: float = 20.0, path: float = 1e9
) -> list[float | None]:
    """The layer while it is shown on a path that leaves so much for it; what exceeds it queues."""
    given: list[float | None] = []
    queue_ms, before_ms = 0.0, 0.0
    for step in range(round(seconds / STEP_S)):
        queue_ms = max(0.0, queue_ms + ((rate.kbps or 0.0) - path) * STEP_S * 1000 / max(path, 1.0))
        congested = queue_ms > 150 and queue_ms > 0.8 * before_ms
        before_ms = queue_ms
        now = begin + STEP_S * step
        given.append(rate.update(possible, 9.0, shown=True, congested=congested, queue_ms=queue_ms, now=now))
    return given


def test_it_starts_with_what_the_path_has_carried_and_grows_to_what_there_is() -> None:
    rate = PixelRate()
    assert rate.update(20, 9, shown=False, congested=False, queue_ms=0, now=0) == 9
    given = run(rate, 10)
    assert given == sorted(given, key=lambda kbps: kbps or 0)
    assert given[-1] == 20


def test_a_trusted_budget_is_used_at_once() -> None:
    assert PixelRate().update(35, None, shown=False, congested=False, queue_ms=0, now=0) == 35


def test_it_gives_way_to_a_queue_and_stays_below_what_caused_it() -> None:
    rate = PixelRate()
    rate.update(40, 9, shown=False, congested=False, queue_ms=0, now=0)
    given = run(rate, 30, possible=40, path=18)
    late = [kbps for kbps in given[20:] if kbps is not None]
    assert len(late) == len(given[20:])
    assert max(late) < 1.3 * 18
    assert sum(late) / len(late) < 18
    assert min(late) >= LEAST_KBPS


def test_a_path_too_thin_is_left_to_motion_for_a_while() -> None:
    rate = PixelRate()
    rate.update(20, 8, shown=False, congested=False, queue_ms=0, now=0)
    given = run(rate, 2 * GIVE_UP_S, path=4.0)
    assert given[-1] is None
    again = given.index(None) * STEP_S + AGAIN_S
    assert rate.update(20, 8, shown=False, congested=False, queue_ms=0, now=again - 1) is None
    assert rate.update(20, 8, shown=False, congested=False, queue_ms=0, now=again) == 8


def test_a_queue_from_before_may_drain_first() -> None:
    rate = PixelRate()
    rate.update(20, 8, shown=False, congested=True, queue_ms=600, now=0)
    given = [
        rate.update(20, 8, shown=True, congested=True, queue_ms=600 - 40 * step, now=STEP_S * (step + 1))
        for step in range(12)
    ]
    assert set(given) == {8.0}


def test_room_at_the_edge_does_not_come_and_go() -> None:
    rate, changes, before = PixelRate(), 0, True
    for step in range(100):
        fits = (
            rate.update(LEAST_KBPS + 0.5 * (-1) ** step, None, shown=False, congested=False, queue_ms=0, now=step)
            is not None
        )
        changes, before = changes + (fits != before), fits
    assert changes <= 1


def test_motion_makes_room_while_the_camera_is_shown_and_takes_it_back() -> None:
    controller = RateController(32, FULL_FPS)
    for _ in range(40):
        controller.update(CALM, STEP_S)
    before = controller.level
    assert before == FRUGAL_LEVEL
    controller.update(Measured(0.0, 80.0, 5.0, 0, None, camera=True), STEP_S)
    shown, pixels = controller.level, controller.pixel_kbps
    assert shown < before
    assert pixels is not None
    assert pixels + estimate_kbps(levels()[shown], video=True, sound=True) <= BUDGET_SHARE * 32 + 0.01
    for _ in range(20):
        controller.update(Measured(0.0, 80.0, 5.0, 0, None, camera=True), STEP_S)
    assert controller.level <= shown + 1
    controller.update(CALM, STEP_S)
    assert controller.level == before


def test_pixels_and_not_motion_give_way_to_a_queue() -> None:
    controller = RateController(64, FULL_FPS)
    for _ in range(20):
        controller.update(Measured(0.0, 80.0, 5.0, 0, None, camera=True), STEP_S)
    level, pixels = controller.level, controller.pixel_kbps
    for _ in range(4):
        controller.update(Measured(0.0, 400.0, 320.0, 0, None, camera=True), STEP_S)
    assert controller.level == level
    assert pixels is not None
    assert controller.pixel_kbps is not None
    assert controller.pixel_kbps < 0.8 * pixels


def test_no_room_below_the_least() -> None:
    controller = RateController(12, FULL_FPS)
    for _ in range(10):
        controller.update(CALM, STEP_S)
    assert controller.pixel_kbps is None
