"""Warm start of the receiver: F, M and G learn on the motion of the labels.

The sender is out of the loop; errors of about its size are added to the label motion instead. `joint_stage` goes on from here.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from facewire.models.face_codec import FaceCodec
from facewire.training.batches import Batch, Rows
from facewire.training.stage import StageSetup
from facewire.training.synthesis_stage import DRIVING_ROWS, SynthesisStage

ANGLE_NOISE, SHIFT_NOISE, CODE_NOISE, SHAPE_NOISE = math.radians(0.7), 0.006, 0.06, 0.15
WARPED_WEIGHT = 0.2


class ReceiverStage(SynthesisStage):
    """Trains F, M and G on label motion with noise."""

    name = "receiver"

    def __init__(self, setup: StageSetup) -> None:
        super().__init__(setup, Rows(setup.batch, driving_rows=DRIVING_ROWS))
        self.model.sender.requires_grad_(False)

    def losses(self, step: int) -> dict[str, Tensor]:
        """One step on label motion."""
        self.model.train()
        batch, rows = self.draw(), self.rows
        motion = noisy_motion(batch.motion)
        shape = batch.shape[rows.sources]
        shape = shape + torch.randn_like(shape) * SHAPE_NOISE
        scene = self.scene(batch.pictures, motion, rows.width)
        with torch.autocast(self.device.type, torch.bfloat16):
            synthesis = self.model.synthesise(
                batch.pictures[rows.sources],
                shape,
                motion[rows.sources],
                motion[rows.driving],
                self.noisy_scene(scene),
            )
        losses = self.picture_losses(synthesis, batch[rows.driving])
        losses["total"] = losses["frame"] + WARPED_WEIGHT * losses["warped"]
        return losses

    def drive(self, model: FaceCodec, batch: Batch) -> tuple[Tensor, Tensor]:
        """With the motion of the labels."""
        return batch.shape[:1], batch.motion


def noisy_motion(motion: Tensor) -> Tensor:
    """Label motion (B, 6 + E) with errors about as large as the sender's."""
    spread = motion.new_tensor([ANGLE_NOISE] * 3 + [SHIFT_NOISE] * 3 + [CODE_NOISE] * (motion.shape[1] - 6))
    return motion + torch.randn_like(motion) * spread
