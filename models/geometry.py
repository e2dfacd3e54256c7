"""The linear face model and the keypoint transform in torch: where points are for a given shape, expression and pose.

From codes and poses of L, H and Δ (or off the wire) it computes keypoints x_s and x_d for M, and detail points for the fine
flow. All of it runs in float32: in bfloat16 a coordinate is off by a pixel at 256. `facewire.codec.motion` is its numpy twin,
without networks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facewire.codec.motion import SCENE_SIZE
from facewire.models import face_points as fp

LID_PUSH_UP = 0.03
LID_PUSH_DOWN = 0.021
LIP_PUSH = 0.012
"""How far one-sided detail points are pushed outwards in the head frame (half picture widths). When an eye is shut, the upper and
lower lid coincide, and a smooth blend of their flows would sample the iris. Pushed apart, skin meets skin."""

SCENE_FIELD = 16
"""Side of the scene's fields, which are interpolated linearly between their cells."""

GROUP_SIGMA = (0.035, 0.03, 0.03, 0.03, 0.022, 0.022, 0.022, 0.05)
"""Initial widths of the detail points' Gaussians, by `face_points.DETAIL_GROUPS`."""


def rotation_matrix(rotation: Tensor) -> Tensor:
    """R = Rz(roll) Ry(yaw) Rx(pitch); rotation: radians (B, 3) yaw, pitch, roll; returns (B, 3, 3)."""
    cy, cp, cr = rotation.cos().unbind(-1)
    sy, sp, sr = rotation.sin().unbind(-1)
    rows = (
        torch.stack([cr * cy, cr * sy * sp - sr * cp, cr * sy * cp + sr * sp], -1),
        torch.stack([sr * cy, sr * sy * sp + cr * cp, sr * sy * cp - cr * sp], -1),
        torch.stack([-sy, cy * sp, cy * cp], -1),
    )
    return torch.stack(rows, -2)


def detail_push() -> Tensor:
    """Outward offsets (D, 3) of the one-sided detail points in the head frame."""
    push = torch.zeros(len(fp.DETAILS), 3)
    for index, point in enumerate(fp.DETAILS):
        if point in fp.UPPER_LIDS:
            push[index, 1] = -LID_PUSH_UP
        elif point in fp.LOWER_LIDS:
            push[index, 1] = LID_PUSH_DOWN
        elif point in fp.INNER_LIPS_UPPER:
            push[index, 1] = -LIP_PUSH
        elif point in fp.INNER_LIPS_LOWER:
            push[index, 1] = LIP_PUSH
    return push


class FaceModel(nn.Module):
    """Linear face: x = s R (mean + S·shape + B·e) + t for the P points of `face_points.POINTS`.

    The canonical keypoints x_c are mean + S·shape (network L predicts the shape code), the expression deformation is δ = B e. δ
    is added before the rotation, so that it does not depend on the pose (the paper, arXiv 2011.15126 eq. 1-2, adds it after).
    The buffers come from `training.motion_space` and are not trained. `template` is the mean frontal mesh, which defines the head
    frame; the poses of labels are measured against it.
    """

    template: Tensor
    mean: Tensor
    shape_basis: Tensor
    expression_basis: Tensor
    push: Tensor

    def __init__(self, canonical_size: int, expression_size: int) -> None:
        super().__init__()
        count = len(fp.POINTS)
        self.register_buffer("template", torch.zeros(fp.MESH_SIZE, 3))
        self.register_buffer("mean", torch.zeros(count, 3))
        self.register_buffer("shape_basis", torch.zeros(count, 3, canonical_size))
        self.register_buffer("expression_basis", torch.zeros(count, 3, expression_size))
        self.register_buffer("push", detail_push())

    def head_frame(self, shape: Tensor, expression: Tensor) -> Tensor:
        """Points (B, P, 3) in the head frame for shape (B, C) and expression (B, E)."""
        b = shape.shape[0]
        offset = shape @ self.shape_basis.flatten(0, 1).T + expression @ self.expression_basis.flatten(0, 1).T
        return self.mean + offset.view(b, -1, 3)

    def forward(self, shape: Tensor, pose: Tensor, expression: Tensor) -> Tensor:
        """Points (B, P, 3) in the picture, [-1, 1]; pose: (B, 6) yaw, pitch, roll, x, y, log-scale."""
        return self.place(self.head_frame(shape, expression), pose)

    def pushed(self, points: Tensor) -> Tensor:
        """Detail points (B, D, 3) of head-frame points (B, P, 3), pushed to their own side."""
        k = len(fp.KEYPOINTS)
        return points[:, k : k + len(fp.DETAILS)] + self.push

    @staticmethod
    def place(points: Tensor, pose: Tensor) -> Tensor:
        """Apply x = s R x + t to head-frame points (B, N, 3)."""
        turn = rotation_matrix(pose[:, :3]) * pose[:, 5].exp()[:, None, None]
        shift = torch.cat([pose[:, 3:5], torch.zeros_like(pose[:, :1])], 1)
        return points @ turn.transpose(1, 2) + shift[:, None]

    @staticmethod
    def relative_turn(source: Tensor, driving: Tensor) -> Tensor:
        """A = (s_s / s_d) R_s R_d⁻¹ of two poses (B, 6), the linear part all flows share, (B, 3, 3)."""
        ratio = (source[:, 5] - driving[:, 5]).exp()[:, None, None]
        return ratio * rotation_matrix(source[:, :3]) @ rotation_matrix(driving[:, :3]).transpose(1, 2)


class SceneModel(nn.Module):
    """The basis of the scene code: fields that say where to sample the source, in half picture widths.

    The buffers come from `training.scene_space` and are not trained. spread: standard deviation of each number, for measuring them.
    """

    basis: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", torch.zeros(SCENE_SIZE, 2, SCENE_FIELD, SCENE_FIELD))
        self.register_buffer("spread", torch.ones(SCENE_SIZE))

    def forward(self, code: Tensor) -> Tensor:
        """Field (B, 2, 16, 16) of a scene code (B, 8)."""
        return (code @ self.basis.flatten(1)).view(-1, 2, SCENE_FIELD, SCENE_FIELD)


def base_grid(height: int, width: int, depth: int = 0) -> Tensor:
    """Pixel centres in [-1, 1] (align_corners=False): (H, W, 2) as x, y or with depth (D, H, W, 3) as x, y, z."""
    ys = (torch.arange(height) * 2 + 1) / height - 1
    xs = (torch.arange(width) * 2 + 1) / width - 1
    if not depth:
        y, x = torch.meshgrid(ys, xs, indexing="ij")
        return torch.stack([x, y], -1)
    zs = (torch.arange(depth) * 2 + 1) / depth - 1
    z, y, x = torch.meshgrid(zs, ys, xs, indexing="ij")
    return torch.stack([x, y, z], -1)
