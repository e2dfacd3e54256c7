"""Rotations, keypoints, free view, relative transfer and interpolation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.codec import SCENE_SIZE, Motion, interpolate, relative, rotation_angles, rotation_matrix, transform, turn

Angles = tuple[float, float, float]
ANGLES = st.tuples(st.floats(-1.5, 1.5), st.floats(-3.1, 3.1), st.floats(-3.1, 3.1))


def motion(
    rotation: Iterable[float] = (0, 0, 0),
    translation: Iterable[float] = (0, 0, 0),
    expression: Iterable[float] = (0, 0),
    scene: Iterable[float] = (0,) * SCENE_SIZE,
) -> Motion:
    return Motion(*(np.array([*part], np.float32) for part in (rotation, translation, expression, scene)))


@given(ANGLES)
def test_angles_round_trip_through_the_matrix(angles: Angles) -> None:
    np.testing.assert_allclose(rotation_angles(rotation_matrix(angles)), angles, atol=1e-5)


@given(st.tuples(st.floats(-7, 7), st.floats(-7, 7), st.floats(-7, 7)))
def test_angles_beyond_a_turn_give_the_same_rotation(angles: Angles) -> None:
    matrix = rotation_matrix(angles)
    np.testing.assert_allclose(rotation_matrix(rotation_angles(matrix)), matrix, atol=2e-6)


@pytest.mark.parametrize("yaw", [np.pi / 2, -np.pi / 2])
def test_exact_profile_has_no_roll(yaw: float) -> None:
    matrix = rotation_matrix((yaw, 0.3, 0.2))
    angles = rotation_angles(matrix)
    assert angles[2] == 0
    np.testing.assert_allclose(rotation_matrix(angles), matrix, atol=1e-6)


def test_yaw_pitch_and_roll_turn_about_their_axes() -> None:
    x, y, z = np.eye(3)
    np.testing.assert_allclose(rotation_matrix((np.pi / 2, 0, 0)) @ z, x, atol=1e-12)
    np.testing.assert_allclose(rotation_matrix((0, np.pi / 2, 0)) @ y, z, atol=1e-12)
    np.testing.assert_allclose(rotation_matrix((0, 0, np.pi / 2)) @ x, y, atol=1e-12)


def test_transform_scales_turns_and_shifts() -> None:
    points = np.array([[0.5, 0.0, 0.0]])
    placed = transform(points, motion((0, 0, np.pi / 2), (0.1, -0.2, np.log(2))), np.array([[0.1, 0.0, 0.0]]))
    np.testing.assert_allclose(placed, [[0.1, 1.0, 0.0]], atol=1e-6)
    assert placed.dtype == np.float32


def test_transform_rejects_wrong_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(K, 3\)"):
        transform(np.zeros((4, 2)), motion(), np.zeros((4, 2)))


@given(ANGLES, ANGLES)
def test_free_view_is_applied_after_the_head_rotation(head: Angles, view: Angles) -> None:
    turned = turn(motion(head, (0.1, 0.2, 0.3)), *view, shift=(0.1, 0, 0.1))
    expected = rotation_matrix(view) @ rotation_matrix(np.array(head, np.float32))
    np.testing.assert_allclose(rotation_matrix(turned.rotation), expected, atol=1e-5)
    np.testing.assert_allclose(turned.translation, [0.2, 0.2, 0.4], atol=1e-6)


@given(ANGLES, ANGLES)
def test_relative_transfer_leaves_the_portrait_alone_until_the_driver_moves(portrait: Angles, driver: Angles) -> None:
    own, start = motion(portrait, (0.1, 0, 0), (0.5, 0)), motion(driver, (0.3, 0.3, 0.3), (1, 1))
    unmoved = relative(own, start, start)
    np.testing.assert_allclose(rotation_matrix(unmoved.rotation), rotation_matrix(own.rotation), atol=1e-5)
    np.testing.assert_allclose(unmoved.translation, own.translation, atol=1e-6)
    copied = relative(start, start, own)
    np.testing.assert_allclose(rotation_matrix(copied.rotation), rotation_matrix(own.rotation), atol=1e-5)
    np.testing.assert_allclose(copied.expression, own.expression, atol=1e-6)


@given(ANGLES, ANGLES)
def test_interpolation_passes_through_both_ends_and_the_middle(first: Angles, last: Angles) -> None:
    a, b = motion(first, (0, 0, 0), (0, 1)), motion(last, (1, 1, 1), (1, 0))
    for weight, end in ((0.0, a), (1.0, b)):
        np.testing.assert_allclose(
            rotation_matrix(interpolate(a, b, weight).rotation), rotation_matrix(end.rotation), atol=1e-4
        )
        np.testing.assert_allclose(interpolate(a, b, weight).expression, end.expression, atol=1e-6)
    middle = rotation_matrix(interpolate(a, b, 0.5).rotation)
    cosines = [np.trace(middle.T @ rotation_matrix(end.rotation)) for end in (a, b)]
    assert abs(cosines[0] - cosines[1]) < 1e-3


def test_interpolation_handles_half_a_turn() -> None:
    half = interpolate(motion(), motion((0, np.pi, 0)), 0.5)
    assert abs(abs(half.rotation[1]) - np.pi / 2) < 1e-3


def test_motion_round_trips_through_its_vector() -> None:
    values = np.arange(34, dtype=np.float32)
    np.testing.assert_array_equal(Motion.from_vector(values).vector(), values)


def test_scene_code_is_kept_by_turn_and_relative_and_interpolated_by_interpolate() -> None:
    ours, theirs = motion(scene=range(8)), motion(scene=[2.0] * 8)
    np.testing.assert_array_equal(turn(ours, 0.3, 0, 0).scene, ours.scene)
    np.testing.assert_array_equal(relative(ours, motion(), theirs).scene, ours.scene)
    np.testing.assert_allclose(interpolate(motion(), theirs, 0.25).scene, [0.5] * 8)


def test_head_leaves_out_the_scene() -> None:
    whole = Motion.from_vector(np.arange(34, dtype=np.float32))
    assert whole.head().tolist() == [*range(6), *range(14, 34)]
    assert whole.scene.tolist() == [*range(6, 14)]
    assert Motion.from_head(whole.head()).scene.tolist() == [0] * 8
