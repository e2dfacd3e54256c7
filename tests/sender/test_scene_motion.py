"""Scene codes measure what moves besides the head, and nothing else."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facewire.codec import SCENE_SIZE, Motion
from facewire.models.bundle import load_bundle
from facewire.sender.scene_motion import SceneSpace, SceneTracker

Picture = NDArray[np.uint8]
HEAD = Motion.from_head(np.zeros(26, np.float32))
SIDE = 256


@pytest.fixture(scope="module")
def space() -> SceneSpace:
    return SceneSpace.of(load_bundle())


@pytest.fixture(scope="module")
def room() -> Picture:
    """A wall with a pattern that optical flow can track."""
    noise = np.random.default_rng(3).random((SIDE, SIDE, 3)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 4)
    return np.asarray(cv2.normalize(blurred, blurred.copy(), 0, 255, cv2.NORM_MINMAX), np.uint8)


def shifted(picture: Picture, x: float, y: float) -> Picture:
    """Shifted by that many pixels, with the border repeated."""
    move = np.array([[1, 0, x], [0, 1, y]], np.float64)
    return np.asarray(cv2.warpAffine(picture, move, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def field(space: SceneSpace, code: NDArray[np.float32]) -> NDArray[np.float64]:
    """Where a code samples the source, in pixels, (2, 16, 16)."""
    return np.asarray(np.einsum("k,kcij->cij", code, space.basis) * SIDE / 2)


def test_still_scene_is_at_rest(space: SceneSpace, room: Picture) -> None:
    assert np.abs(SceneTracker(space, room, HEAD).measure(room, HEAD)).max() < 1e-3


@pytest.mark.parametrize(("x", "y"), [(6, 0), (-4, 0), (0, 5), (-3, -3)])
def test_shift_of_the_scene_is_measured(space: SceneSpace, room: Picture, x: float, y: float) -> None:
    code = SceneTracker(space, room, HEAD).measure(shifted(room, x, y), HEAD)
    edge = np.ones((16, 16), bool)
    edge[3:-3, 3:-3] = False  # the middle is the head
    found = field(space, code)[:, edge]
    np.testing.assert_allclose(found.mean(1), [-x, -y], atol=1.2)


def test_moving_head_does_not_move_the_scene(space: SceneSpace, room: Picture) -> None:
    def with_head(y: int) -> Picture:
        picture = room.copy()
        cv2.ellipse(picture, (128, 128 + y), (45, 55), 0, 0, 360, (200, 160, 140), -1)
        cv2.circle(picture, (110, 120 + y), 6, (20, 20, 20), -1)
        cv2.circle(picture, (146, 120 + y), 6, (20, 20, 20), -1)
        return picture

    code = SceneTracker(space, with_head(0), HEAD).measure(with_head(8), HEAD)
    assert np.abs(field(space, code)).mean() < 0.5


def test_codes_start_from_the_source_frames_own(space: SceneSpace, room: Picture) -> None:
    origin = np.linspace(-0.05, 0.05, SCENE_SIZE).astype(np.float32)
    moved = Motion(HEAD.rotation, HEAD.translation, HEAD.expression, origin)
    now = shifted(room, 4, 2)
    plain = SceneTracker(space, room, HEAD).measure(now, HEAD)
    np.testing.assert_allclose(SceneTracker(space, room, moved).measure(now, HEAD) - origin, plain, atol=1e-6)


def test_bare_wall_is_not_trusted(space: SceneSpace) -> None:
    wall = np.full((SIDE, SIDE, 3), 180, np.uint8)
    brighter = np.full((SIDE, SIDE, 3), 210, np.uint8)
    assert np.abs(field(space, SceneTracker(space, wall, HEAD).measure(brighter, HEAD))).max() < 1


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    head=st.lists(st.floats(-100, 100, width=32), min_size=6, max_size=6),
    side=st.sampled_from([64, 256, 300]),
)
def test_any_two_pictures_have_a_finite_code(space: SceneSpace, seed: int, head: list[float], side: int) -> None:
    pictures = np.random.default_rng(seed).integers(0, 256, (2, side, side, 3), np.uint8)
    motion = Motion.from_head(np.array([*head, *[0] * 20], np.float32))
    code = SceneTracker(space, pictures[0], motion).measure(pictures[1], motion)
    assert code.shape == (SCENE_SIZE,)
    assert code.dtype == np.float32
    assert np.isfinite(code).all()
