"""Building blocks shared by several networks: convolutions, residual blocks, FiLM."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAK = 0.1
Layer = TypeVar("Layer", nn.Conv2d, nn.Conv3d, nn.Linear)


def act(x: Tensor) -> Tensor:
    """The non-linearity of all networks."""
    return functional.leaky_relu(x, LEAK)


def float32_region(like: Tensor) -> AbstractContextManager[object]:
    """A region in full precision inside any autocast, for computing poses, flows and grids."""
    kind = like.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, zero: bool = False) -> nn.Conv2d:
    """2-D convolution that keeps the size (or divides it by stride), He-initialised or zero."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
    return _initialise(layer, zero)


def conv3d(inputs: int, outputs: int, kernel: int = 3, zero: bool = False) -> nn.Conv3d:
    """3-D convolution that keeps the size."""
    layer = nn.Conv3d(inputs, outputs, kernel, 1, kernel // 2)
    return _initialise(layer, zero)


def linear(inputs: int, outputs: int, zero: bool = False) -> nn.Linear:
    """Fully connected layer, He-initialised or zero."""
    return _initialise(nn.Linear(inputs, outputs), zero)


def _initialise(layer: Layer, zero: bool) -> Layer:
    if zero:
        nn.init.zeros_(layer.weight)
    else:
        nn.init.kaiming_normal_(layer.weight, LEAK)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Residual(nn.Module):
    """x + γ · conv(act(conv(act(x)))) with γ a vector that starts at zero; optionally modulated by FiLM.

    x: (B, C, H, W) or (B, C, D, H, W) with `volume`.
    """

    def __init__(self, width: int, volume: bool = False) -> None:
        super().__init__()
        make = conv3d if volume else conv
        self.first = make(width, width)
        self.second = make(width, width)
        self.gamma = nn.Parameter(torch.zeros(width, *([1] * (3 if volume else 2))))

    def forward(self, x: Tensor, film: Tensor | None = None) -> Tensor:
        """film: (B, 2C) scale and shift after the first convolution."""
        y = self.first(act(x))
        if film is not None:
            scale, shift = film[:, :, None, None].chunk(2, 1)
            y = y * (1 + scale) + shift
        out: Tensor = x + self.gamma * self.second(act(y))
        return out


class ConvNorm(nn.Module):
    """Convolution, batch normalisation, non-linearity (sender networks; the norm folds away on export)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, LEAK)
        self.norm = nn.BatchNorm2d(outputs, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, inputs, H, W)."""
        return act(self.norm(self.conv(x)))


class ResidualNorm(nn.Module):
    """Residual block with batch normalisation whose branch starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = ConvNorm(width, width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(width, momentum=0.03)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, width, H, W)."""
        return act(x + self.norm(self.second(self.first(x))))
