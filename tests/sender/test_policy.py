"""The rules of a live sender, with made-up times and pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.codec import Motion
from facewire.errors import WeightsError
from facewire.models.runtime import Networks
from facewire.sender.face_detector import Face, FaceDetector
from facewire.sender.framing import Framing, frame_picture
from facewire.sender.policy import (
    CHANGED_FOR_MS,
    LOST_AFTER_MS,
    REFRESH_EVERY_MS,
    TURNED_FOR_MS,
    FaceWatch,
    FrameGate,
    SceneWatch,
    SourceMoment,
    in_square,
)

STRAIGHT = Motion.from_head(np.zeros(26, np.float32))


def turned(degrees: float) -> Motion:
    return Motion.from_head(np.array([np.radians(degrees), *[0] * 25], np.float32))


@pytest.mark.parametrize(
    ("camera_fps", "wanted", "taken"), [(25, 25, 250), (30, 25, 250), (60, 25, 250), (15, 25, 150), (30, 10, 100)]
)
def test_gate_makes_a_steady_rate_of_any_camera(camera_fps: int, wanted: int, taken: int) -> None:
    gate = FrameGate(wanted)
    jitter = np.random.default_rng(0).uniform(-4, 4, 10 * camera_fps)
    times = [1000 * n / camera_fps + late for n, late in enumerate(jitter)]
    kept = [time_ms for time_ms in times if gate.takes(time_ms)]
    assert len(kept) == pytest.approx(taken, rel=0.03)
    assert np.diff(kept).max() < 1000 / min(wanted, camera_fps) + 1000 / camera_fps + 8


def test_gate_does_not_catch_up_after_a_stall() -> None:
    gate = FrameGate(25)
    assert gate.takes(0)
    kept = [time_ms for time_ms in range(2000, 2200, 10) if gate.takes(time_ms)]
    assert len(kept) <= 6


@given(st.lists(st.floats(0, 200), max_size=200), st.floats(1, 120))
def test_gate_never_takes_more_than_wanted(steps: list[float], fps: float) -> None:
    gate, time_ms, kept = FrameGate(fps), 0.0, []
    for step in steps:
        time_ms += step
        if gate.takes(time_ms):
            kept.append(time_ms)
    if kept:
        assert len(kept) <= (kept[-1] - kept[0]) * fps / 1000 + 2


def test_face_is_absent_at_once_lost_later_and_found_at_once() -> None:
    watch = FaceWatch()
    assert watch.wants_look(0)
    watch.looked(0, True)
    present = [watch.present]
    assert not watch.wants_look(100)
    watch.looked(200, False)
    present.append(watch.present)
    assert not watch.lost(300)
    assert watch.wants_look(300)  # looks more often once the face is absent
    assert watch.lost(LOST_AFTER_MS)
    watch.looked(900, True)
    present.append(watch.present)
    assert not watch.lost(900)
    assert present == [True, False, True]


def test_face_that_never_appeared_is_lost_too() -> None:
    watch = FaceWatch()
    watch.looked(1000, False)
    assert not watch.lost(1000 + LOST_AFTER_MS - 1)
    assert watch.lost(1000 + LOST_AFTER_MS)


def test_only_a_face_inside_the_square_counts() -> None:
    square = Framing(100, 100, 200)
    assert in_square([Face(160, 150, 80, 90, 0.9)], square)
    assert not in_square([Face(400, 150, 80, 90, 0.9)], square)
    assert not in_square([Face(190, 190, 24, 24, 0.9)], square)
    assert not in_square([], square)


@pytest.fixture(scope="module")
def portrait(networks: Networks, astronaut: np.ndarray, detector: FaceDetector) -> tuple[Motion, np.ndarray]:
    """Motion and shape code of a framed portrait with open eyes."""
    return networks.read(frame_picture(astronaut, detector).framing.cut(astronaut))


def test_good_moment_needs_a_frontal_head_and_open_eyes(
    networks: Networks, portrait: tuple[Motion, np.ndarray]
) -> None:
    moment, (motion, shape) = SourceMoment(networks.bundle), portrait
    assert moment.is_good(motion, shape)
    assert not moment.is_good(Motion(turned(35).rotation, motion.translation, motion.expression), shape)


def test_blink_is_not_a_good_moment(networks: Networks, portrait: tuple[Motion, np.ndarray]) -> None:
    moment, (motion, shape) = SourceMoment(networks.bundle), portrait
    steps = np.vstack([np.eye(20), -np.eye(20)]).astype(np.float32)

    def moved(step: np.ndarray) -> Motion:
        return Motion(motion.rotation, motion.translation, motion.expression + step)

    closing = sorted(steps, key=lambda step: moment.eyes(moved(step), shape))[
        :2
    ]  # the two coefficients that close the eyes most
    assert moment.eyes(motion, shape) > 0.75
    assert moment.eyes(moved(closing[0] + closing[1]), shape) < 0.5
    assert not moment.is_good(moved(closing[0] + closing[1]), shape)


def test_bundle_without_a_face_model_raises_weights_error(networks: Networks, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="incomplete weight bundle"):
        SourceMoment(replace(networks.bundle, folder=tmp_path))


@pytest.fixture
def watch(nodding: list[np.ndarray]) -> SceneWatch:
    watch = SceneWatch()
    assert watch.changed(nodding[0], STRAIGHT, 0)  # there is no source frame yet
    watch.new_source(nodding[0], STRAIGHT, 0)
    return watch


def runs(watch: SceneWatch, square: np.ndarray, motion: Motion, begin_ms: int, seconds: float) -> int | None:
    """When a change was noticed, if at all."""
    for time_ms in range(begin_ms, begin_ms + round(1000 * seconds), 40):
        if watch.changed(square, motion, time_ms):
            return time_ms
    return None


def test_moving_head_in_the_same_room_needs_no_new_source(watch: SceneWatch, nodding: list[np.ndarray]) -> None:
    for number, square in enumerate(nodding * 200):
        assert not watch.changed(square, turned(20 * np.sin(number / 9)), 40 * number)


def test_another_room_is_a_change_but_brighter_light_is_not(watch: SceneWatch, nodding: list[np.ndarray]) -> None:
    brighter = np.clip(nodding[0].astype(int) + 25, 0, 255).astype(np.uint8)
    assert runs(watch, brighter, STRAIGHT, REFRESH_EVERY_MS, 10) is None
    room = nodding[0].copy()
    stripes = (np.indices((256, 256)).sum(0) // 40 % 2 * 255).astype(np.uint8)
    room[:, :60], room[:, -60:] = stripes[:, :60, None], stripes[:, -60:, None]
    noticed = runs(watch, room, STRAIGHT, REFRESH_EVERY_MS + 20_000, 10)
    assert noticed == REFRESH_EVERY_MS + 20_000 + -(-CHANGED_FOR_MS // 40) * 40


def test_short_change_does_not_count(watch: SceneWatch, nodding: list[np.ndarray]) -> None:
    other = np.asarray(cv2.flip(255 - nodding[0], 0), np.uint8)
    assert runs(watch, other, STRAIGHT, REFRESH_EVERY_MS, CHANGED_FOR_MS / 1000 - 0.1) is None
    assert not watch.changed(nodding[0], STRAIGHT, REFRESH_EVERY_MS + CHANGED_FOR_MS)
    assert runs(watch, other, STRAIGHT, 2 * REFRESH_EVERY_MS, CHANGED_FOR_MS / 1000 - 0.1) is None


def test_head_turned_far_for_long_is_a_change(watch: SceneWatch, nodding: list[np.ndarray]) -> None:
    assert runs(watch, nodding[0], turned(30), REFRESH_EVERY_MS, 10) is None
    noticed = runs(watch, nodding[0], turned(50), 2 * REFRESH_EVERY_MS, 10)
    assert noticed is not None
    assert noticed >= 2 * REFRESH_EVERY_MS + TURNED_FOR_MS


def test_refreshes_are_limited_in_rate(watch: SceneWatch, nodding: list[np.ndarray]) -> None:
    made = []
    for number in range(25 * 120):
        picture = nodding[0] if number // 100 % 2 else np.asarray(255 - nodding[0], np.uint8)
        if watch.changed(picture, STRAIGHT, 40 * number):
            watch.new_source(picture, STRAIGHT, 40 * number)
            made.append(40 * number)
    assert 1 <= len(made) <= 120_000 / REFRESH_EVERY_MS
    assert made[0] >= REFRESH_EVERY_MS
