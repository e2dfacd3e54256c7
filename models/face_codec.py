"""The whole model in torch: face model, sender networks (L, H, Δ) and receiver networks (F, M, G).

The trainer optimises it and `models.export` turns it into ONNX graphs; its state dict is a bundle's `weights.safetensors`. It
is not needed at run time: see `models.runtime`.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from facewire.models.blocks import float32_region
from facewire.models.config import ModelConfig
from facewire.models.geometry import FaceModel, SceneModel
from facewire.models.receiver_networks import ReceiverNetworks, Synthesis, geometry
from facewire.models.sender_networks import Reading, SenderNetworks


class FaceCodec(nn.Module):
    """All six networks, and the linear face model that they share."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.face = FaceModel(config.canonical_size, config.expression_size)
        self.scene = SceneModel()
        self.sender = SenderNetworks(config)
        self.receiver = ReceiverNetworks(config)

    def read(self, pictures: Tensor) -> Reading:
        """What L, H and Δ read from pictures (B, 3, S, S) in [0, 1]."""
        reading: Reading = self.sender(pictures)
        return reading

    def place(self, reading: Reading) -> Tensor:
        """Points (B, P, 3) in the picture for a reading."""
        points: Tensor = self.face(reading.shape, reading.pose, reading.expression)
        return points

    def synthesise(
        self, source: Tensor, shape: Tensor, source_motion: Tensor, driving_motion: Tensor, scene: Tensor
    ) -> Synthesis:
        """Move source frames (B, 3, S, S) from source_motion (B, 6 + E) to driving_motion (n·B, 6 + E).

        shape: (B, C). scene: (n·B, 8) scene codes. Driving motions and scenes are n groups of B in the order of the sources;
        F runs once for each source.
        """
        appearance = self.receiver.appearance(source)
        n = len(driving_motion) // len(source)
        if n > 1:
            fields = {name: value.repeat(n, *[1] * (value.ndim - 1)) for name, value in vars(appearance).items()}
            appearance = replace(appearance, **fields)
            shape, source_motion = shape.repeat(n, 1), source_motion.repeat(n, 1)
        with float32_region(source):
            field = self.scene(scene.float())
            geo = geometry(self.face, shape.float(), source_motion.float(), driving_motion.float(), field)
        return self.receiver.render(appearance, geo)


def motion_vector(reading: Reading) -> Tensor:
    """(B, 6 + E) as `codec.motion.Motion.head` lays it out."""
    return torch.cat([reading.pose, reading.expression], 1)
