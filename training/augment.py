"""Augmentation with label bookkeeping: plane similarity, mirror, colour, blur, compression and thin-plate bends.

It turns a `batches.Batch` into one as if the camera had been turned, moved, mirrored or of another make.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from facewire.models.geometry import base_grid
from facewire.training.batches import Batch
from facewire.training.motion_space import MotionSpace, mirror_order

MAX_TURN = math.radians(17)
MAX_LOG_SCALE = 0.2
MAX_SHIFT = 0.15
BEND = 0.005
"""Standard deviation of the thin-plate weights: about a hundredth of the picture."""


class Augmenter:
    """Random similarities, mirroring and colours. Every method returns a new batch with matching labels."""

    def __init__(self, space: MotionSpace, device: torch.device, seed: int) -> None:
        self.device = device
        self.generator = torch.Generator().manual_seed(seed)
        self.point_order = torch.from_numpy(mirror_order(space.template)).to(device)
        self.flip_expression = torch.from_numpy(space.flip_expression).to(device)
        self.flip_shape = torch.from_numpy(space.flip_shape).to(device)

    def reseed(self, seed: int) -> None:
        """Start another random sequence."""
        self.generator.manual_seed(seed)

    def uniform(self, count: int, limit: float) -> Tensor:
        """(count,) uniform in [-limit, limit]."""
        return ((torch.rand(count, generator=self.generator) * 2 - 1) * limit).to(self.device)

    def similarity(self, batch: Batch, strength: float = 1.0, group: int = 1) -> tuple[Batch, Tensor]:
        """Turn, scale and shift the frames of each group (`group` in a row) by one random similarity.

        Returns the batch and the similarities (B, 4): turn (radians), x, y, log-scale.
        """
        count = len(batch.pictures) // group

        def draw(limit: float) -> Tensor:
            return self.uniform(count, limit * strength).repeat_interleave(group)

        change = torch.stack([draw(MAX_TURN), draw(MAX_SHIFT), draw(MAX_SHIFT), draw(MAX_LOG_SCALE)], 1)
        return apply_similarity(batch, change), change

    def mirror(self, batch: Batch, group: int = 1) -> Batch:
        """Mirror half of the groups."""
        flip = (torch.rand(len(batch.pictures) // group, generator=self.generator) < 0.5).to(self.device)
        flip = flip.repeat_interleave(group)
        m = batch.motion
        sign = torch.tensor([-1, 1, -1, -1, 1, 1], device=self.device, dtype=m.dtype)
        mirrored = Batch(
            pictures=batch.pictures.flip(-1),
            motion=torch.cat([m[:, :6] * sign, m[:, 6:] @ self.flip_expression.T], 1),
            shape=batch.shape @ self.flip_shape.T,
            points=batch.points[:, self.point_order] * torch.tensor([-1.0, 1, 1], device=self.device),
            openings=batch.openings[:, [0, 2, 1]],
        )
        return Batch(
            **{
                name: torch.where(flip.view(-1, *[1] * (value.ndim - 1)), getattr(mirrored, name), value)
                for name, value in vars(batch).items()
            }
        )

    def colour(self, batch: Batch, group: int = 1, strength: float = 1.0) -> Batch:
        """Change brightness, contrast, gamma and tint, alike for the frames of a group."""
        count = len(batch.pictures) // group

        def draw(limit: float, channels: int = 1) -> Tensor:
            values = self.uniform(count * channels, limit * strength).view(count, channels, 1, 1)
            return values.repeat_interleave(group, 0)

        x = batch.pictures.clamp(1e-3, 1) ** draw(0.25).exp()
        x = (x - 0.5) * draw(0.2).exp() + 0.5 + draw(0.08) + draw(0.04, 3)
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * draw(0.3).exp()
        return replace(batch, pictures=x.clamp(0, 1))

    def degrade(self, pictures: Tensor) -> Tensor:
        """Make about a third of the pictures (B, 3, S, S) soft, a third blocky, and all slightly noisy, as bad cameras do."""
        pictures = pictures.clone()
        size = pictures.shape[-1]
        pick = torch.rand(len(pictures), generator=self.generator)
        for index in (pick < 0.3).nonzero().flatten().tolist():
            small = int(size * (0.4 + 0.5 * torch.rand(1, generator=self.generator).item()))
            soft = functional.interpolate(pictures[index : index + 1], size=small, mode="bilinear", antialias=True)
            pictures[index : index + 1] = functional.interpolate(soft, size=size, mode="bilinear")
        blocky = torch.rand(len(pictures), generator=self.generator) < 0.3
        if blocky.any():
            strength = 0.02 + 0.12 * torch.rand(int(blocky.sum()), generator=self.generator)
            pictures[blocky.to(self.device)] = compress(pictures[blocky.to(self.device)], strength.to(self.device))
        noise = torch.randn(pictures.shape, generator=self.generator).to(self.device)
        return (pictures + noise * 0.01).clamp(0, 1)

    def bend(self, count: int, size: int) -> ThinPlate:
        """Random affine and thin-plate maps of the plane for `count` pictures of one size (Siarohin et al. 2019)."""
        a = self.uniform(count, MAX_TURN * 0.8)
        scale = self.uniform(count, MAX_LOG_SCALE * 0.8).exp()
        c, s = a.cos() * scale, a.sin() * scale
        linear = torch.stack([torch.stack([c, -s], 1), torch.stack([s, c], 1)], 1)
        linear = linear + self.uniform(count * 4, 0.06).view(count, 2, 2)
        shift = self.uniform(count * 2, MAX_SHIFT * 0.8).view(count, 1, 2)
        centres = base_grid(5, 5).view(-1, 2).to(self.device)
        weights = torch.randn(count, len(centres), 2, generator=self.generator).to(self.device) * BEND
        return ThinPlate(linear, shift, centres, weights)


@dataclass(frozen=True)
class ThinPlate:
    """q = A p + b + Σ w_k U(|p − c_k|), U(r) = r² log r²: maps a point of the bent picture to its position in the straight one.

    linear: (B, 2, 2). shift: (B, 1, 2). centres: (N, 2). weights: (B, N, 2).
    """

    linear: Tensor
    shift: Tensor
    centres: Tensor
    weights: Tensor

    def __call__(self, points: Tensor) -> Tensor:
        """points: (B, M, 2) in the bent pictures; returns (B, M, 2) in the straight ones."""
        distance = torch.cdist(points, self.centres.expand(len(points), -1, -1)).square()
        bent = (distance * (distance + 1e-6).log()) @ self.weights
        return points @ self.linear.transpose(1, 2) + self.shift + bent

    def pictures(self, pictures: Tensor) -> Tensor:
        """Bend pictures (B, 3, S, S). The map is smooth, so it is computed on a 32 x 32 grid and interpolated."""
        coarse = base_grid(32, 32).to(pictures)
        flow = self(coarse.view(1, -1, 2).expand(len(pictures), -1, -1)).view(-1, 32, 32, 2).permute(0, 3, 1, 2)
        flow = functional.interpolate(flow, size=pictures.shape[-1], mode="bicubic", align_corners=False)
        return functional.grid_sample(pictures, flow.permute(0, 2, 3, 1), align_corners=False, padding_mode="border")


def compress(pictures: Tensor, strength: Tensor) -> Tensor:
    """Block artefacts like those of JPEG: an 8x8 DCT of each channel, rounded with steps that grow with frequency.

    pictures: (B, 3, S, S) in [0, 1], S a multiple of 8. strength: (B,) step of the lowest frequencies, in picture values.
    """
    n = torch.arange(8, device=pictures.device, dtype=pictures.dtype)
    basis = ((2 * n[None] + 1) * n[:, None] * math.pi / 16).cos() * 0.5
    basis[0] *= math.sqrt(0.5)
    b, c, h, w = pictures.shape
    blocks = pictures.view(b, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5)
    steps = strength[:, None, None, None, None, None] * (1 + n[:, None] + n[None]) / 2
    blocks = (basis @ blocks @ basis.T / steps).round() * steps
    return (basis.T @ blocks @ basis).permute(0, 1, 2, 4, 3, 5).reshape(b, c, h, w)


def apply_similarity(batch: Batch, change: Tensor) -> Batch:
    """Move frames by known similarities of the plane (B, 4): turn, x, y, log-scale. Labels follow exactly."""
    turn, scale = change[:, 0], change[:, 3].exp()
    c, s = turn.cos() * scale, turn.sin() * scale

    def move(xy: Tensor) -> Tensor:
        x, y = xy.unbind(-1)
        extra = [1] * (xy.ndim - 2)
        cc, ss = c.view(-1, *extra), s.view(-1, *extra)
        shift = change[:, 1:3].view(-1, *extra, 2)
        return torch.stack([cc * x - ss * y, ss * x + cc * y], -1) + shift

    points = torch.cat([move(batch.points[..., :2]), batch.points[..., 2:] * scale[:, None, None]], -1)
    pose = batch.motion[:, :6]
    pose = torch.cat([pose[:, :2], pose[:, 2:3] + change[:, :1], move(pose[:, 3:5]), pose[:, 5:] + change[:, 3:]], 1)
    size = batch.pictures.shape[-1]
    grid = base_grid(size, size).to(batch.pictures)
    inverse = (scale**-2)[:, None, None]
    dx = grid[..., 0] - change[:, 1, None, None]
    dy = grid[..., 1] - change[:, 2, None, None]
    cc, ss = c[:, None, None] * inverse, s[:, None, None] * inverse
    where = torch.stack([cc * dx + ss * dy, -ss * dx + cc * dy], -1)
    pictures = functional.grid_sample(batch.pictures, where, align_corners=False, padding_mode="border")
    return replace(batch, pictures=pictures, points=points, motion=torch.cat([pose, batch.motion[:, 6:]], 1))
