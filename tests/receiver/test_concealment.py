"""Every moment has a motion, close to the true one between known frames, and there is no jump after a loss."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.codec import DecodedFrame, Motion
from facewire.receiver.concealment import MAX_KNOWN, MotionTimeline

REST = Motion.from_head(np.zeros(26, np.float32))


def swaying(time_ms: float) -> Motion:
    """A head that turns back and forth every two seconds."""
    vector = np.zeros(26, np.float32)
    vector[0], vector[6] = 0.3 * np.sin(time_ms / 320), 0.5 * np.cos(time_ms / 320)
    return Motion.from_head(vector)


def frame(number: int, time_ms: int | None = None) -> DecodedFrame:
    time_ms = 40 * number if time_ms is None else time_ms
    return DecodedFrame(number, time_ms, swaying(time_ms), 0)


def distance(a: Motion, b: Motion) -> float:
    return float(np.abs(a.vector() - b.vector()).max())


def test_known_frames_are_exact_and_moments_between_them_close() -> None:
    timeline = MotionTimeline(REST)
    for number in (2, 0, 1, 3):  # in any order
        timeline.add(frame(number))
    for time_ms in (0, 40, 50, 80, 100, 120):
        seen = timeline.at(time_ms)
        assert seen.kind == "known"
        assert distance(seen.motion, swaying(time_ms)) < (1e-6 if time_ms % 40 == 0 else 0.01)


def test_lost_frames_are_bridged() -> None:
    timeline = MotionTimeline(REST)
    for number in (0, 1, 4):
        timeline.add(frame(number))
    seen = timeline.at(100)
    assert seen.kind == "bridged"
    assert distance(seen.motion, swaying(100)) < 0.03


def test_movement_continues_then_holds_then_comes_to_rest() -> None:
    timeline = MotionTimeline(REST)
    timeline.add(frame(0))
    timeline.add(frame(1))
    kinds, motions = [], []
    for time_ms in range(40, 4000, 20):
        seen = timeline.at(time_ms)
        kinds.append(seen.kind)
        motions.append(seen.motion)
    order = ["known", "guessed", "held", "resting"]
    assert sorted(kinds, key=order.index) == kinds
    assert set(kinds) == set(order)
    held = distance(timeline.at(4000).motion, swaying(40))
    assert distance(motions[2], swaying(80)) < distance(motions[0], swaying(80))  # a guess beats holding
    assert distance(motions[-1], REST) < 1e-6
    assert held > 0.3
    steps = [distance(a, b) for a, b in pairwise(motions)]
    assert max(steps) < 0.04


def test_first_frame_after_a_loss_is_reached_without_a_jump() -> None:
    timeline = MotionTimeline(REST)
    timeline.add(frame(0))
    timeline.add(frame(1))
    shown = last = timeline.at(900).motion
    timeline.add(frame(26))  # 1040 ms: arrives late
    steps = []
    for time_ms in range(920, 1041, 20):
        motion = timeline.at(time_ms).motion
        steps.append(distance(motion, last))
        last = motion
    assert max(steps) < 1.1 * distance(shown, swaying(1040)) / len(steps)
    assert distance(last, swaying(1040)) < 1e-6


def test_without_frames_at_rest_and_before_the_first_frame_that_frame() -> None:
    timeline = MotionTimeline(REST)
    assert timeline.at(5).motion is REST
    timeline.add(frame(3))
    assert distance(timeline.at(100).motion, swaying(120)) == 0


@given(
    st.lists(st.tuples(st.integers(0, 1 << 32), st.integers(0, (1 << 48) - 1)), max_size=30),
    st.lists(st.floats(0, 3e14), max_size=30),
)
def test_any_frames_and_moments_give_a_finite_motion(frames: list[tuple[int, int]], moments: list[float]) -> None:
    timeline = MotionTimeline(REST)
    for number, time_ms in frames:
        timeline.add(frame(number, time_ms))
        for moment in moments[: number % 4]:
            assert np.isfinite(timeline.at(moment).motion.vector()).all()
    for moment in moments:
        assert np.isfinite(timeline.at(moment).motion.vector()).all()


def test_memory_is_bounded() -> None:
    timeline = MotionTimeline(REST)
    for number in range(3 * MAX_KNOWN):
        timeline.add(frame(number, 10**12 + number))
    assert len(timeline._frames) == MAX_KNOWN
    timeline.at(10**12 + 3 * MAX_KNOWN)
    assert len(timeline._frames) == 2


@pytest.mark.parametrize("gap", [1, 2, 5])
def test_bridging_beats_holding(gap: int) -> None:
    timeline = MotionTimeline(REST)
    known = [number for number in range(60) if number % (gap + 1) == 0]
    for number in known:
        timeline.add(frame(number))
    bridged = [distance(timeline.at(40 * number).motion, swaying(40 * number)) for number in range(known[-1])]
    held = [
        distance(swaying(40 * (number // (gap + 1) * (gap + 1))), swaying(40 * number)) for number in range(known[-1])
    ]
    assert np.mean(bridged) < 0.35 * np.mean(held)
