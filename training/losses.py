"""Picture losses: a pyramid of L1, gradient and SSIM, weighted on face, mouth and eyes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from facewire.models import face_points as fp
from facewire.models.geometry import base_grid

K = len(fp.KEYPOINTS)
MOUTH = [K + i for i in range(40)]
LEFT_EYE = [K + i for i, p in enumerate(fp.DETAILS) if p in (*fp.UPPER_LIDS[:7], *fp.LOWER_LIDS[:7], 33, 133)]
RIGHT_EYE = [K + i for i, p in enumerate(fp.DETAILS) if p in (*fp.UPPER_LIDS[7:], *fp.LOWER_LIDS[7:], 362, 263)]
FACE_GAIN, BOX_GAIN = 1.0, 4.0
LEVELS = 4


def box_weights(points: Tensor, size: int) -> Tensor:
    """Weight map (B, 1, size, size): 1, +1 in the face box, +4 in the mouth and eye boxes, from label points (B, P, 3)."""
    grid = base_grid(size, size).to(points)

    def inside(columns: list[int] | slice, margin: float) -> Tensor:
        xy = points[:, columns, :2]
        low, high = xy.amin(1) - margin, xy.amax(1) + margin
        hit = (grid > low[:, None, None]) & (grid < high[:, None, None])
        return hit.all(-1).float()

    boxes = (inside(MOUTH, 0.06) + inside(LEFT_EYE, 0.05) + inside(RIGHT_EYE, 0.05)).clamp(max=1)
    return (1 + FACE_GAIN * inside(slice(0, None), 0.05) + BOX_GAIN * boxes)[:, None]


def pyramid_loss(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean over four octaves of weighted L1 + 0.5 gradient + 0.15 (1 − SSIM); pictures (B, 3, S, S), weight (B, 1, S, S)."""
    total = output.new_zeros(())
    for level in range(LEVELS):
        if level:
            output, target, weight = (functional.avg_pool2d(x, 2) for x in (output, target, weight))
        norm = weight / weight.mean()
        error = ((output - target).abs() * norm).mean()
        dx = (output[..., 1:] - output[..., :-1] - target[..., 1:] + target[..., :-1]).abs() * norm[..., 1:]
        dy = (output[..., 1:, :] - output[..., :-1, :] - target[..., 1:, :] + target[..., :-1, :]).abs() * norm[
            ..., 1:, :
        ]
        total = total + error + 0.5 * (dx.mean() + dy.mean()) + 0.15 * _ssim_loss(output, target, norm)
    return total / LEVELS


def _ssim_loss(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """1 − SSIM on 7x7 box windows of luma, weighted."""
    a, b = a.mean(1, keepdim=True), b.mean(1, keepdim=True)
    stack = functional.avg_pool2d(torch.cat([a, b, a * a, b * b, a * b], 1), 7, 1)
    ma, mb, aa, bb, ab = stack.unbind(1)
    va, vb, cov = aa - ma * ma, bb - mb * mb, ab - ma * mb
    ssim = (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma * ma + mb * mb + 1e-4) * (va + vb + 9e-4))
    return ((1 - ssim) * weight[:, 0, 3:-3, 3:-3]).mean()
