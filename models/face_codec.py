"""The whole model in torch: face model, sender networks (L, H, Δ) and receiver networks (F, M, G) under one roof.

What the trainer optimises and `models.export` turns into ONNX graphs; its state dict is a bundle's `weights.safetensors`. At run
time nothing of this is needed: see `models.runtime`.
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
    """All six networks and the linear face they speak of."""

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
        """Drive source frames (B, 3, S, S) from source_motion (B, 6 + E) to each of driving_motion (n·B, 6 + E).

        shape: (B, C). scene: (n·B, 8) scene codes. Driving motions and scenes come as n groups of B, in the sources' order;
        F runs once per source.
        """
        appearance = self.receiver.appearance(source)
        n = len(driving_motion) // len(source)
        if n > 1:
            fields = {name: value.repeat(n, *[1] * (value.ndim - 1)) for name, value in vars(appearance).items()}
            appearance = replace(appearance, **fields)
            source, shape, source_motion = source.repeat(n, 1, 1, 1), shape.repeat(n, 1), source_motion.repeat(n, 1)
        with float32_region(source):
            field = self.scene(scene.float())
            geo = geometry(self.face, shape.float(), source_motion.float(), driving_motion.float(), field)
        return self.receiver.render(appearance, source, geo)


def motion_vector(reading: Reading) -> Tensor:
    """(B, 6 + E) as `codec.motion.Motion.head` lays it out."""
    return torch.cat([reading.pose, reading.expression], 1)
