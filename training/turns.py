"""Synthetic head turns of portraits, which add people to those of the clips.

From frames with labels come the same frames with the head turned, by a warp that follows the points of the face model; hair
and neck follow less with distance. `synthesis_stage` uses it for the portraits of the data.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from facewire.models import face_points as fp
from facewire.models.geometry import FaceModel, base_grid, rotation_matrix
from facewire.training.batches import Batch

MAX_YAW, MAX_PITCH = math.radians(18), math.radians(10)
"""Beyond this, a stretched cheek is no longer believable."""
PULL_SIGMA = 0.2
"""Reach of a point's pull, in half picture widths: about a third of a face."""
RIDGE = 0.01
"""Makes the pull a compromise instead of a fold where points are crowded or pass behind each other."""
FLOW_SIZE = 64
PULLING = [*range(len(fp.KEYPOINTS)), *range(len(fp.POINTS) - len(fp.OUTLINE), len(fp.POINTS))]
"""Keypoints and outline, which are spread evenly over the head, unlike the points of lips and lids."""


def angles_of(matrix: Tensor) -> Tensor:
    """Yaw, pitch, roll (B, 3) of rotation matrices (B, 3, 3): the inverse of `geometry.rotation_matrix` within ±90° of yaw."""
    yaw = torch.asin((-matrix[:, 2, 0]).clamp(-1, 1))
    pitch = torch.atan2(matrix[:, 2, 1], matrix[:, 2, 2])
    roll = torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0])
    return torch.stack([yaw, pitch, roll], 1)


def turn_heads(batch: Batch, face: FaceModel, yaw_pitch: Tensor) -> Batch:
    """Turn the heads of a batch by yaw and pitch (B, 2), radians. Pose and points change; expression and shape stay."""
    extra = torch.cat([yaw_pitch, torch.zeros_like(yaw_pitch[:, :1])], 1)
    pose = batch.motion[:, :6]
    rotation = angles_of(rotation_matrix(extra) @ rotation_matrix(pose[:, :3]))
    motion = torch.cat([rotation, batch.motion[:, 3:]], 1)
    local = face.head_frame(batch.shape, batch.motion[:, 6:])
    change = face.place(local, motion[:, :6]) - face.place(local, pose)
    points = batch.points + change
    size = batch.pictures.shape[-1]
    grid = base_grid(FLOW_SIZE, FLOW_SIZE).to(batch.pictures).view(-1, 2)
    to, shift = points[:, PULLING, :2], change[:, PULLING, :2]
    among = _pull(to, to) + RIDGE * torch.eye(len(PULLING)).to(to)
    moved = _pull(grid.expand(len(to), -1, -1), to) @ torch.linalg.solve(among, shift)
    flow = (grid - moved).view(-1, FLOW_SIZE, FLOW_SIZE, 2).permute(0, 3, 1, 2)
    flow = functional.interpolate(flow, size=size, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
    pictures = functional.grid_sample(batch.pictures, flow, align_corners=False, padding_mode="border")
    return replace(batch, pictures=pictures, motion=motion, points=points)


def _pull(a: Tensor, b: Tensor) -> Tensor:
    """Gaussian radial basis (B, N, M) between points (B, N, 2) and (B, M, 2)."""
    return (-0.5 * torch.cdist(a, b).square() / PULL_SIGMA**2).exp()
