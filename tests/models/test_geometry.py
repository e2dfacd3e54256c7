"""The face model and the flows of M: torch agrees with numpy, and shortcuts agree with the full formulas."""

import numpy as np
import pytest
import torch

from facewire.codec import Motion, transform
from facewire.models import face_points as fp
from facewire.models.geometry import FaceModel, base_grid, detail_push
from facewire.models.receiver_networks import FineFlow, blend, compose, geometry, plane_grid

K = len(fp.KEYPOINTS)


@pytest.fixture
def face() -> FaceModel:
    generator = torch.Generator().manual_seed(0)
    face = FaceModel(canonical_size=6, expression_size=5)
    face.mean.copy_(torch.randn(face.mean.shape, generator=generator) * 0.3)
    face.shape_basis.copy_(torch.randn(face.shape_basis.shape, generator=generator) * 0.02)
    face.expression_basis.copy_(torch.randn(face.expression_basis.shape, generator=generator) * 0.05)
    return face


AT_REST = torch.zeros(1, 2, 16, 16)


def motions(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 6 + 5, generator=generator) * 0.3


def test_placed_points_agree_with_the_codec(face: FaceModel) -> None:
    shape, motion = torch.randn(4, 6), motions(4, 1)
    placed = face(shape, motion[:, :6], motion[:, 6:])
    for index in range(4):
        canonical = (face.mean + face.shape_basis @ shape[index]).numpy()
        delta = (face.expression_basis @ motion[index, 6:]).numpy()
        wanted = transform(canonical, Motion.from_head(motion[index].numpy()), delta)
        np.testing.assert_allclose(placed[index].numpy(), wanted, atol=1e-5)


def test_composed_flow_equals_the_weighted_sum_of_all_flows(face: FaceModel) -> None:
    geo = geometry(face, torch.randn(2, 6), motions(2, 2), motions(2, 3), torch.randn(2, 2, 16, 16) * 0.1)
    grid = base_grid(8, 8, 3).view(-1, 3)
    masks = torch.rand(2, len(grid), K + 1).softmax(-1)
    planes = plane_grid(8, 8, 3)
    torch.testing.assert_close(planes.T, grid)
    still = geo.still(planes, 8, 3)
    wanted = masks[..., :1] * still.transpose(1, 2)
    for k in range(K):
        flow = geo.source[:, k, None] + (grid - geo.driving[:, k, None]) @ geo.turn.transpose(1, 2)
        wanted = wanted + masks[..., k + 1, None] * flow
    found = compose(blend(masks, geo.offset), geo.turn, planes, still)
    torch.testing.assert_close(found.transpose(1, 2), wanted, atol=1e-5, rtol=1e-5)


def test_shifted_scene_shifts_the_background(face: FaceModel) -> None:
    scene = torch.zeros(1, 2, 16, 16)
    scene[:, 0], scene[:, 1] = 0.25, -0.5
    geo = geometry(face, torch.randn(1, 6), motions(1, 2), motions(1, 3), scene)
    grid = plane_grid(16, 16, 4)
    torch.testing.assert_close(geo.still(grid, 16, 4)[0], grid + torch.tensor([[0.25], [-0.5], [0.0]]))


def test_keypoint_flow_leads_from_driving_to_source(face: FaceModel) -> None:
    geo = geometry(face, torch.randn(1, 6), motions(1, 2), motions(1, 3), AT_REST)
    for k in range(K):
        masks = torch.zeros(1, 1, K + 1)
        masks[..., k + 1] = 1
        at = geo.driving[0, k, :2, None]
        reached = compose(blend(masks, geo.plane_offset), geo.plane_turn, at, at[None])
        torch.testing.assert_close(reached[0, :, 0], geo.source[0, k, :2], atol=1e-5, rtol=1e-5)


def test_fine_flow_without_motion_is_the_identity(face: FaceModel) -> None:
    motion = motions(1, 4)
    geo = geometry(face, torch.randn(1, 6), motion, motion, AT_REST)
    grid = base_grid(128, 128)[None].permute(0, 3, 1, 2)
    torch.testing.assert_close(FineFlow()(grid, geo), grid, atol=1e-4, rtol=0)


def test_fine_flow_equals_its_formula_at_a_few_pixels(face: FaceModel) -> None:
    geo = geometry(face, torch.randn(1, 6), motions(1, 5), motions(1, 6), AT_REST)
    fine = FineFlow()
    base = base_grid(128, 128)[None] + 0.01
    out = fine(base.permute(0, 3, 1, 2), geo).permute(0, 2, 3, 1)
    flat = geo.turn[0, :2, :2]
    for row, column in ((10, 20), (64, 64), (100, 3)):
        pixel = base_grid(128, 128)[row, column]
        offset = pixel - geo.driving_details[0]
        weight = (-0.5 * (offset.square().sum(-1) / fine.log_sigma.exp().square())).exp()
        flows = geo.source_details[0] + offset @ flat.T
        rest = fine.log_rest.exp()
        wanted = ((weight[:, None] * flows).sum(0) + rest * base[0, row, column]) / (weight.sum() + rest)
        torch.testing.assert_close(out[0, row, column], wanted, atol=1e-4, rtol=1e-4)


def test_lids_are_pushed_apart_but_corners_are_not() -> None:
    push = detail_push()
    assert (push[[fp.DETAILS.index(p) for p in fp.UPPER_LIDS], 1] < 0).all()
    assert (push[[fp.DETAILS.index(p) for p in fp.LOWER_LIDS], 1] > 0).all()
    assert (push[[fp.DETAILS.index(p) for p in fp.EYE_CORNERS]] == 0).all()


def test_point_groups_have_the_documented_sizes() -> None:
    assert len(fp.KEYPOINTS) == 20
    assert len(fp.DETAILS) == len(set(fp.DETAILS)) == 92
    assert len(fp.HEAT_MAP_POINTS) == len(set(fp.HEAT_MAP_POINTS)) == 45
    assert set(fp.HEAT_MAP_POINTS) <= set(fp.POINTS)
    assert len(fp.RIGID) == 33
