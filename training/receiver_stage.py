"""Warm start of the receiver: F, M and G learn on label motion.

Comes in: a source and driving frames of one person with label motion. Goes out: a trained receiver half of `FaceCodec`. The
sender is out of the loop; the label motion is shaken by about its errors. `joint_stage` goes on from here.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from facewire.codec.motion import Motion
from facewire.codec.quantiser import SCENE_STEP
from facewire.models.config import MODELS
from facewire.models.face_codec import FaceCodec
from facewire.models.receiver_networks import Synthesis
from facewire.sender.scene_motion import SceneSpace, SceneTracker
from facewire.training.augment import Augmenter
from facewire.training.data import Batch, BatchLoader, FrameStore, PairSampler, clip_ranges
from facewire.training.losses import box_weights, pyramid_loss
from facewire.training.scene_space import fit_scene_space
from facewire.training.sender_stage import new_codec
from facewire.training.turns import MAX_PITCH, MAX_YAW, turn_heads

DRIVINGS = 2
"""Driving frames per source frame: F runs once for both."""
ANGLE_NOISE, SHIFT_NOISE, CODE_NOISE, SHAPE_NOISE = math.radians(0.7), 0.006, 0.06, 0.15
WARPED_WEIGHT = 0.2
NO_SCENE_SHARE = 0.15


class ReceiverStage:
    """Trains F, M and G on label motion with noise."""

    neighbour = False
    """Whether a batch ends with one more row: the frames beside the first driving ones."""
    portrait_share = 0.08
    """Share of draws that are portraits under synthetic head turns."""

    def __init__(
        self,
        train: FrameStore,
        val: FrameStore,
        device: torch.device,
        batch: int,
        size: int,
        seed: int,
        resident: bool = False,
        model: str = "laptop",
    ) -> None:
        self.batch, self.size, self.device, self.seed = batch, size, device, seed
        self.samples_per_step = batch * DRIVINGS
        self.loader = BatchLoader(train, device, resident)
        self.val_loader = BatchLoader(val, device)
        self.sampler = PairSampler(train, seed, portrait_share=self.portrait_share)
        self.first_portrait = int(train.starts[len(train.people) - train.portraits])
        self.augment = Augmenter(train.space, device, seed)
        torch.manual_seed(seed)
        self.model = new_codec(train.space, replace(MODELS[model], picture_size=size)).to(device)
        self.flows = ThreadPoolExecutor(torch.get_num_threads() if device.type == "cpu" else os.cpu_count() or 1)
        self.freeze()
        self.val_frames = [np.linspace(a, b - 1, 7).astype(np.int64) for a, b in clip_ranges(val)]

    def freeze(self) -> None:
        """The sender is out of the loop in this stage."""
        self.model.sender.requires_grad_(False)

    def draw(self) -> Batch:
        """Frames in rows of `batch`: sources, then each row of driving frames; augmented alike within a source."""
        drawn = self.sampler.draw(self.batch, DRIVINGS, self.neighbour)
        group = drawn.shape[1]
        batch = self.loader.load(drawn.reshape(-1), self.size)
        batch = self.augment.mirror(batch, group)
        batch = self.augment.colour(batch, group, strength=0.6)
        batch, _ = self.augment.similarity(batch, 0.6, group)
        order = torch.arange(self.batch * group, device=self.device).view(self.batch, group).T.reshape(-1)
        batch = Batch(**{name: value[order] for name, value in vars(batch).items()})
        return self.turned(batch, torch.from_numpy(drawn[:, 0] >= self.first_portrait).to(self.device))

    def turned(self, batch: Batch, portraits: Tensor) -> Batch:
        """Turn the heads of portraits, (batch,) bool, in the rows of driving frames; a neighbour is the first one again."""
        b = self.batch
        if not portraits.any():
            return batch
        for row in range(1, len(batch.pictures) // b):
            where = torch.arange(row * b, (row + 1) * b, device=self.device)[portraits]
            still = torch.arange(b, 2 * b, device=self.device)[portraits] if row > DRIVINGS else where
            chosen = Batch(**{name: value[still] for name, value in vars(batch).items()})
            if row <= DRIVINGS:
                yaw_pitch = torch.stack(
                    [self.augment.uniform(len(where), MAX_YAW), self.augment.uniform(len(where), MAX_PITCH)], 1
                )
                chosen = turn_heads(chosen, self.model.face, yaw_pitch)
            batch = Batch(
                **{name: value.index_copy(0, where, getattr(chosen, name)) for name, value in vars(batch).items()}
            )
        return batch

    def shaken(self, motion: Tensor) -> Tensor:
        """Label motion with about the sender's errors."""
        spread = motion.new_tensor([ANGLE_NOISE] * 3 + [SHIFT_NOISE] * 3 + [CODE_NOISE] * (motion.shape[1] - 6))
        return motion + torch.randn_like(motion) * spread

    def prepare(self) -> None:
        """Give the model its scene space, if no weights brought one."""
        if not self.model.scene.basis.any():
            space = fit_scene_space(self.sampler.store)
            self.model.scene.basis.copy_(torch.from_numpy(space.basis))
            self.model.scene.spread.copy_(torch.from_numpy(space.spread))

    def scene(self, pictures: Tensor, motion: Tensor, sources: int) -> Tensor:
        """Scene codes (B - sources, 8) of pictures (B, 3, S, S), each against its source in the first row, as a sender measures."""
        squares = (pictures.detach().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        heads = [Motion.from_head(row) for row in motion.detach().float().cpu().numpy()]
        space = SceneSpace(self.model.scene.basis.cpu().numpy(), self.model.scene.spread.cpu().numpy())
        trackers = [SceneTracker(space, squares[i], heads[i]) for i in range(sources)]

        def measure(row: int) -> NDArray[np.float32]:
            return trackers[row % sources].measure(squares[row], heads[row])

        codes = list(self.flows.map(measure, range(sources, len(squares))))
        return torch.from_numpy(np.stack(codes)).to(self.device)

    @staticmethod
    def shaken_scene(scene: Tensor, quanta: Tensor | float = SCENE_STEP) -> Tensor:
        """Scene codes with rounding noise; some are at rest, as for portraits, where the scene is nobody's."""
        noisy = scene + (torch.rand_like(scene) - 0.5) * quanta
        told = torch.rand(len(scene), 1, device=scene.device) >= NO_SCENE_SHARE
        return noisy * told

    def picture_losses(self, synthesis: Synthesis, target: Tensor, points: Tensor) -> dict[str, Tensor]:
        """Pyramid loss of the frame and, at half size, of the warped source alone (it supervises the flow directly)."""
        weight = box_weights(points, self.size)
        small = [functional.avg_pool2d(x, 2) for x in (synthesis.warped, target, weight)]
        return {"frame": pyramid_loss(synthesis.frame, target, weight), "warped": pyramid_loss(*small)}

    def losses(self, step: int) -> dict[str, Tensor]:
        """One step on label motion."""
        self.model.train()
        batch = self.draw()
        b = self.batch
        motion = self.shaken(batch.motion)
        shape = batch.shape[:b] + torch.randn_like(batch.shape[:b]) * SHAPE_NOISE
        scene = self.scene(batch.pictures, motion, b)
        with torch.autocast(self.device.type, torch.bfloat16):
            synthesis = self.model.synthesise(
                batch.pictures[:b], shape, motion[:b], motion[b:], self.shaken_scene(scene)
            )
        losses = self.picture_losses(synthesis, batch.pictures[b:], batch.points[b:])
        losses["total"] = losses["frame"] + WARPED_WEIGHT * losses["warped"]
        return losses

    def motions(self, model: FaceCodec, batch: Batch) -> tuple[Tensor, Tensor]:
        """Shape (1, C) of the first frame and motions (B, 6 + E) of all, as this stage drives the receiver."""
        return batch.shape[:1], batch.motion

    def reseed(self, step: int) -> None:
        """Draw other pairs and augmentations than before."""
        self.sampler.reseed(self.seed + step)
        self.augment.reseed(self.seed + step)

    def state_dict(self) -> dict[str, Any]:
        """Nothing besides the model."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing besides the model."""

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
        scene = self.scene(batch.pictures, motion, 1)
        with torch.autocast(self.device.type, torch.bfloat16):
            return model.synthesise(batch.pictures[:1], shape, motion[:1], motion[1:], scene)

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
