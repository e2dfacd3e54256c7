"""The graphs of a bundle in torch, which `models.export` writes as ONNX and `models.torch_backend` runs directly.

They take and return bytes of pictures and numbers off the wire: the networks of `face_codec`, with the conversion of bytes to
floats and back around them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facewire.models.face_codec import FaceCodec, motion_vector
from facewire.models.receiver_networks import Appearance, geometry


def _floats(picture: Tensor) -> Tensor:
    return picture.permute(0, 3, 1, 2).float() / 255


class TorchGraph(nn.Module):
    """One graph. inputs, outputs: names of what `forward` takes and returns, in order. kept: inputs that repeat from run to run."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    kept: tuple[str, ...] = ()


class SenderGraph(TorchGraph):
    """Picture uint8 (B, S, S, 3) -> motion (B, 6 + E), shape (B, C)."""

    inputs = ("picture",)
    outputs = ("motion", "shape")

    def __init__(self, codec: FaceCodec) -> None:
        super().__init__()
        self.sender = codec.sender

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        reading = self.sender(_floats(picture))
        return motion_vector(reading), reading.shape


class AppearanceGraph(TorchGraph):
    """Picture uint8 (B, S, S, 3) -> the fields of `receiver_networks.Appearance`."""

    inputs = ("picture",)
    outputs = ("volume", "skip64", "skip128", "texture")

    def __init__(self, codec: FaceCodec) -> None:
        super().__init__()
        self.receiver = codec.receiver

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See the class."""
        out = self.receiver.appearance(_floats(picture))
        return out.volume, out.skip64, out.skip128, out.texture


class RenderGraph(TorchGraph):
    """Appearance, shape, two motions (B, 6 + E) and the scene code (B, 8) -> frame uint8 (B, S, S, 3)."""

    inputs = (*AppearanceGraph.outputs, "shape", "source_motion", "driving_motion", "scene")
    outputs = ("frame",)
    kept = AppearanceGraph.outputs

    def __init__(self, codec: FaceCodec) -> None:
        super().__init__()
        self.face, self.scene, self.receiver = codec.face, codec.scene, codec.receiver

    def forward(
        self,
        volume: Tensor,
        skip64: Tensor,
        skip128: Tensor,
        texture: Tensor,
        shape: Tensor,
        source_motion: Tensor,
        driving_motion: Tensor,
        scene: Tensor,
    ) -> Tensor:
        """See the class."""
        geo = geometry(self.face, shape, source_motion, driving_motion, self.scene(scene))
        planes, _, _ = self.receiver.planes(Appearance(volume, skip64, skip128, texture), geo)
        planes = (planes * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        b, h, w, _ = planes.shape
        ratio = self.receiver.generator.ratio
        planes = planes.view(b, h, w, 3, ratio, ratio)  # a pixel shuffle on bytes, from channels last to channels last
        return planes.permute(0, 1, 4, 2, 5, 3).reshape(b, h * ratio, w * ratio, 3)


GRAPHS = {"sender": SenderGraph, "appearance": AppearanceGraph, "render": RenderGraph}
"""By the names of `bundle.GRAPHS`."""
