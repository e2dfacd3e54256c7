"""The sender's three networks L, H and Δ on one trunk: from a framed picture to shape code, head pose and expression code.

        picture 256 ──area──► 128 ──► HeatMapTrunk ──45 points──► closed-form similarity (roll, x, y, scale)
             │                              │                               │
             │                              └─features──► MLP ──► H: yaw, pitch (66 bins), corrections
             │                                             └────► L: shape code (canonical keypoints)
             └── aligned crops: mouth 64x64, eyes 48x96 ─────────► Δ: expression code e

The pose becomes `codec.Motion.rotation` and `translation`, e becomes `Motion.expression`; the shape code is sent with the source
frame.
Trained by `training.sender_stage`; exported by `models.export`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from facewire.models import face_points as fp
from facewire.models.blocks import ConvNorm, ResidualNorm, act, float32_region, linear
from facewire.models.config import CORE, ModelConfig
from facewire.models.geometry import base_grid

BINS = 66
BIN_DEGREES = 3.0
"""Yaw and pitch are expectations over 66 bins of 3° from -97.5° to 97.5° (paper, section 3.1, after Ruiz et al.)."""
HEAT_MAP_SIZE = 32
MOUTH_CROP = (64, 64)
EYE_CROP = (48, 96)
MOUTH_WINDOW = (0.0, 0.42, 0.34, 0.34)
EYE_WINDOW = (0.0, -0.06, 0.48, 0.24)
"""Centre x, y and half width, half height of the crops in the head frame (half picture widths at log-scale 0)."""


@dataclass(frozen=True)
class Reading:
    """What the sender's networks read from a batch of pictures.

    pose: (B, 6) yaw, pitch, roll (radians), x, y, log-scale. expression: (B, E). shape: (B, C).
    points: (B, 45, 2) the trunk's located points. heat: (B, 45, 32·32) log-probabilities, for training.
    """

    pose: Tensor
    expression: Tensor
    shape: Tensor
    points: Tensor
    heat: Tensor

    def __getitem__(self, frames: slice | Tensor) -> Reading:
        """What was read from some of the pictures."""
        return Reading(**{name: value[frames] for name, value in vars(self).items()})


class HeatMapTrunk(nn.Module):
    """Shared trunk: picture (B, 3, 128, 128) -> 45 heat maps at 32x32 and a feature vector (B, 96)."""

    grid: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvNorm(3, 16, 5, 2), ResidualNorm(16))
        self.down1 = nn.Sequential(ConvNorm(16, 32, 3, 2), ResidualNorm(32))
        self.down2 = nn.Sequential(ConvNorm(32, 64, 3, 2), ResidualNorm(64), ResidualNorm(64))
        self.down3 = nn.Sequential(ConvNorm(64, 96, 3, 2), ResidualNorm(96), ResidualNorm(96))
        self.lateral1 = nn.Conv2d(32, 64, 1)
        self.lateral2 = nn.Conv2d(64, 64, 1)
        self.lateral3 = nn.Conv2d(96, 64, 1)
        self.merge2 = ConvNorm(64, 64)
        self.merge1 = ConvNorm(64, 64)
        self.heat = nn.Conv2d(64, len(fp.HEAT_MAP_POINTS), 1)
        self.register_buffer("grid", base_grid(HEAT_MAP_SIZE, HEAT_MAP_SIZE).view(-1, 2), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns points (B, 45, 2), log-probabilities (B, 45, 1024), features (B, 96)."""
        c1 = self.down1(self.stem(x))
        c2 = self.down2(c1)
        c3 = self.down3(c2)
        p2 = self.merge2(self.lateral2(c2) + functional.interpolate(self.lateral3(c3), scale_factor=2.0))
        p1 = self.merge1(self.lateral1(c1) + functional.interpolate(p2, scale_factor=2.0))
        # A product instead of a convolution gives the layout that the softmax needs, without a copy.
        cells = p1.permute(0, 2, 3, 1).flatten(1, 2).transpose(1, 2)
        assert self.heat.bias is not None
        heat = (self.heat.weight.flatten(1) @ cells + self.heat.bias[:, None]).float().log_softmax(-1)
        with float32_region(x):
            return heat.exp() @ self.grid, heat, c3.float().mean((2, 3))


def fit_similarity(points: Tensor, template: Tensor) -> Tensor:
    """Closed-form plane similarity of points (B, N, 2) to template (N, 2): (B, 4) roll, x, y, log-scale."""
    mean = template.mean(0)
    centre = points.mean(1, keepdim=True)
    a, b = template - mean, points - centre
    dot = (a * b).sum((1, 2))
    cross = (a[:, 0] * b[..., 1] - a[:, 1] * b[..., 0]).sum(1)
    size = a.square().sum()
    c, s = dot / size, cross / size
    x = centre[:, 0, 0] - (c * mean[0] - s * mean[1])
    y = centre[:, 0, 1] - (s * mean[0] + c * mean[1])
    return torch.stack([torch.atan2(s, c), x, y, 0.5 * (c * c + s * s + 1e-6).log()], 1)


def undo_similarity(points: Tensor, frame: Tensor) -> Tensor:
    """Points (B, N, 2) seen in the upright unit-scale frame (B, 4) of `fit_similarity`."""
    c, s = frame[:, 0].cos() * (-frame[:, 3]).exp(), frame[:, 0].sin() * (-frame[:, 3]).exp()
    x, y = (points - frame[:, None, 1:3]).unbind(-1)
    return torch.stack([c[:, None] * x + s[:, None] * y, -s[:, None] * x + c[:, None] * y], -1)


def aligned_crop(picture: Tensor, frame: Tensor, grid: Tensor) -> Tensor:
    """Sample a window that is fixed in the head's upright frame. grid: (h, w, 2) positions in that frame."""
    c, s = frame[:, 0].cos() * frame[:, 3].exp(), frame[:, 0].sin() * frame[:, 3].exp()
    x, y = grid[..., 0], grid[..., 1]
    gx = c[:, None, None] * x - s[:, None, None] * y + frame[:, 1, None, None]
    gy = s[:, None, None] * x + c[:, None, None] * y + frame[:, 2, None, None]
    where = torch.stack([gx, gy], 1).permute(0, 2, 3, 1)
    return functional.grid_sample(picture, where, align_corners=False, padding_mode="border")


class HeadPoseEstimator(nn.Module):
    """H: trunk features and aligned points -> rotation by 66-bin softmax expectation (yaw, pitch) and pose corrections."""

    angles: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bins = linear(width, 2 * BINS, zero=True)
        self.correction = linear(width, 4, zero=True)
        angles = (torch.arange(BINS) - (BINS - 1) / 2) * math.radians(BIN_DEGREES)
        self.register_buffer("angles", angles, persistent=False)
        with torch.no_grad():  # start near zero: a bump around it
            bump = -0.5 * (angles / math.radians(12)) ** 2
            self.bins.bias.copy_(torch.cat([bump, bump]))

    def forward(self, hidden: Tensor, frame: Tensor) -> Tensor:
        """hidden: (B, width); frame: (B, 4) similarity. Returns pose (B, 6)."""
        yaw_pitch = self.bins(hidden).view(-1, 2, BINS).softmax(-1) @ self.angles
        correction = self.correction(hidden) * 0.3
        roll = frame[:, :1] + correction[:, :1]
        scale = frame[:, 3:] + correction[:, 3:]
        c, s = frame[:, 0].cos() * frame[:, 3].exp(), frame[:, 0].sin() * frame[:, 3].exp()
        dx, dy = correction[:, 1], correction[:, 2]
        shift = torch.stack([frame[:, 1] + c * dx - s * dy, frame[:, 2] + s * dx + c * dy], 1)
        return torch.cat([yaw_pitch, roll, shift, scale], 1)


class CanonicalKeypointDetector(nn.Module):
    """L: trunk features -> shape code (B, C); canonical keypoints x_c = mean + S·shape (`geometry.FaceModel`)."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.head = linear(width, size, zero=True)

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden: (B, width)."""
        shape: Tensor = self.head(hidden)
        return shape


class ExpressionEstimator(nn.Module):
    """Δ: two aligned crops of the full-size picture and the trunk's view -> expression code e (B, E); δ = B e."""

    mouth_grid: Tensor
    eye_grid: Tensor

    def __init__(self, width: int, size: int) -> None:
        super().__init__()

        def tower(height: int, breadth: int) -> nn.Sequential:
            return nn.Sequential(
                ConvNorm(3, 24, 3, 2),
                ResidualNorm(24),
                ConvNorm(24, 40, 3, 2),
                ResidualNorm(40),
                ConvNorm(40, 64, 3, 2),
                ResidualNorm(64),
                ConvNorm(64, 64, 3, 2),
                nn.Flatten(),
                linear(64 * (height // 16) * (breadth // 16), 128),
            )

        self.mouth = tower(*MOUTH_CROP)
        self.eyes = tower(*EYE_CROP)
        self.join = linear(256 + width, 192)
        self.head = linear(192, size, zero=True)
        for name, (height, breadth), window in (
            ("mouth_grid", MOUTH_CROP, MOUTH_WINDOW),
            ("eye_grid", EYE_CROP, EYE_WINDOW),
        ):
            grid = base_grid(height, breadth) * torch.tensor(window[2:]) + torch.tensor(window[:2])
            self.register_buffer(name, grid, persistent=False)

    def forward(self, picture: Tensor, frame: Tensor, hidden: Tensor) -> Tensor:
        """picture: (B, 3, S, S) in [0, 1]; frame: (B, 4) similarity; hidden: (B, width) trunk view."""
        mouth = self.mouth(aligned_crop(picture, frame, self.mouth_grid) * 2 - 1).float()
        eyes = self.eyes(aligned_crop(picture, frame, self.eye_grid) * 2 - 1).float()
        joined = act(self.join(torch.cat([act(mouth), act(eyes), hidden], 1)))
        code: Tensor = self.head(joined)
        return code


class SenderNetworks(nn.Module):
    """Trunk, H, L and Δ: everything that the sender runs."""

    template: Tensor
    WIDTH = 192

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.trunk = HeatMapTrunk()
        self.view = nn.Sequential(
            linear(96 + 3 * len(fp.HEAT_MAP_POINTS), 256), nn.LeakyReLU(0.1), linear(256, self.WIDTH)
        )
        self.pose = HeadPoseEstimator(self.WIDTH)
        self.canonical = CanonicalKeypointDetector(self.WIDTH, config.canonical_size)
        self.expression = ExpressionEstimator(self.WIDTH, config.expression_size)
        self.register_buffer("template", torch.zeros(len(fp.HEAT_MAP_POINTS), 2))

    def forward(self, picture: Tensor) -> Reading:
        """picture: (B, 3, S, S) in [0, 1]."""
        ratio = picture.shape[-1] // CORE
        # A mean over sub-pixels is faster on the backends than pooling three planes.
        small = functional.pixel_unshuffle(picture, ratio).view(-1, 3, ratio**2, CORE, CORE).mean(2)
        points, heat, features = self.trunk(small * 2 - 1)
        with float32_region(picture):
            frame = fit_similarity(points, self.template)
            aligned = undo_similarity(points, frame) - self.template
            sharpness = heat.max(-1).values
            seen = torch.cat([features, 4 * aligned.flatten(1), 0.2 * sharpness], 1)
            hidden = act(self.view(seen))
            pose = self.pose(hidden, frame)
            shape = self.canonical(hidden)
        expression = self.expression(picture, frame.detach(), hidden)
        return Reading(pose, expression.float(), shape, points, heat)
