"""Augmentation changes pictures and labels alike."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facewire.models.config import ModelConfig
from facewire.models.face_codec import FaceCodec
from facewire.models.geometry import base_grid, rotation_matrix
from facewire.training.augment import ThinPlate, compress
from facewire.training.batches import Batch
from facewire.training.trained import load_weights
from facewire.training.turns import angles_of, turn_heads


def ramp(size: int = 64) -> torch.Tensor:
    """A picture (1, 3, size, size) whose red and green are x and y in [-1, 1]."""
    xy = base_grid(size, size).permute(2, 0, 1)
    return torch.cat([xy, torch.zeros(1, size, size)])[None]


def plate(linear: torch.Tensor | None = None, weights: torch.Tensor | None = None) -> ThinPlate:
    centres = base_grid(5, 5).view(-1, 2)
    return ThinPlate(
        torch.eye(2)[None] if linear is None else linear,
        torch.zeros(1, 1, 2),
        centres,
        torch.zeros(1, 25, 2) if weights is None else weights,
    )


def test_thin_plate_bends_pictures_and_points_alike() -> None:
    torch.manual_seed(0)
    bend = plate(0.8 * torch.eye(2)[None], 0.004 * torch.randn(1, 25, 2))
    bent = bend.pictures(ramp())
    points = base_grid(64, 64)[8:-8:6, 8:-8:6].reshape(1, -1, 2)
    seen = bent[0, :2, 8:-8:6, 8:-8:6].permute(1, 2, 0).reshape(1, -1, 2)
    assert (seen - bend(points)).abs().max() < 0.02
    assert (bend(points) - 0.8 * points).abs().max() > 0.02


def test_identity_plate_leaves_pictures_unchanged() -> None:
    assert torch.allclose(plate().pictures(ramp()), ramp(), atol=2e-2)


@given(st.floats(0.01, 0.2))
@settings(max_examples=10, deadline=None)
def test_compression_is_lossy_and_idempotent(strength: float) -> None:
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 16, 16)
    once = compress(picture, torch.tensor([strength]))
    assert (compress(picture, torch.tensor([1e-5])) - picture).abs().max() < 1e-3
    assert (once - picture).abs().mean() > 0
    assert torch.allclose(compress(once, torch.tensor([strength])), once, atol=1e-4)


@given(st.tuples(*[st.floats(-1.2, 1.2)] * 3))
@settings(max_examples=50, deadline=None)
def test_angles_invert_rotation_matrix(angles: tuple[float, float, float]) -> None:
    rotation = torch.tensor([angles], dtype=torch.float64)
    assert torch.allclose(angles_of(rotation_matrix(rotation)), rotation, atol=1e-6)


@pytest.fixture(scope="module")
def face() -> FaceCodec:
    from facewire.models.bundle import DEFAULT_BUNDLE, WEIGHTS_FILE

    codec = FaceCodec(ModelConfig())
    load_weights(codec, DEFAULT_BUNDLE / WEIGHTS_FILE)
    return codec


def head(face: FaceCodec) -> Batch:
    motion, shape = torch.zeros(1, 26), torch.zeros(1, 40)
    motion[0, :3] = torch.tensor([0.1, -0.05, 0.2])
    points = face.face(shape, motion[:, :6], motion[:, 6:])
    return Batch(ramp(), motion, shape, points, torch.zeros(1, 3))


def test_turned_heads_have_the_requested_pose_and_points(face: FaceCodec) -> None:
    before = head(face)
    after = turn_heads(before, face.face, torch.tensor([[math.radians(15), math.radians(-8)]]))
    extra = rotation_matrix(torch.tensor([[math.radians(15), math.radians(-8), 0.0]]))
    wanted = extra @ rotation_matrix(before.motion[:, :3])
    assert torch.allclose(rotation_matrix(after.motion[:, :3]), wanted, atol=1e-5)
    assert torch.allclose(after.points, face.face(after.shape, after.motion[:, :6], after.motion[:, 6:]), atol=1e-5)
    assert torch.equal(after.motion[:, 3:], before.motion[:, 3:])


def test_turning_a_head_moves_its_pixels(face: FaceCodec) -> None:
    before = head(face)
    same = turn_heads(before, face.face, torch.zeros(1, 2))
    assert torch.allclose(same.pictures, before.pictures, atol=1e-4)
    after = turn_heads(before, face.face, torch.tensor([[math.radians(15), 0.0]]))
    nose = 14  # index of the keypoint at face-mesh point 1, which a turn moves most
    x, y = ((after.points[0, nose, :2] + 1) * 32).long().tolist()
    moved = float(after.points[0, nose, 0] - before.points[0, nose, 0])
    pulled = float(before.pictures[0, 0, y, x] - after.pictures[0, 0, y, x])
    assert abs(moved) > 0.03
    assert 0.7 < pulled / moved < 1.2
    corner = after.pictures[0, :, 0, 0] - before.pictures[0, :, 0, 0]
    assert corner.abs().max() < 0.03
