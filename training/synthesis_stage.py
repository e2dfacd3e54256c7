"""What `receiver_stage` and `joint_stage` share: batches for synthesis, scene codes, picture losses and figures of pictures.

Each stage chooses the rows of its batches, and how it gets the motion that drives the receiver.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from facewire.codec.motion import Motion
from facewire.codec.quantiser import SCENE_STEP
from facewire.models.face_codec import FaceCodec
from facewire.models.receiver_networks import Synthesis
from facewire.sender.scene_motion import SceneSpace, SceneTracker
from facewire.training.batches import Batch, Rows
from facewire.training.losses import box_weights, pyramid_loss
from facewire.training.scene_space import fit_scene_space
from facewire.training.stage import Stage, StageSetup
from facewire.training.turns import MAX_PITCH, MAX_YAW, turn_heads

DRIVING_ROWS = 2
"""Driving frames for each source frame: F runs once for both."""
PORTRAIT_SHARE = 0.08
"""Share of columns that are portraits under synthetic head turns."""
NO_SCENE_SHARE = 0.15
VAL_FRAMES = 7


class SynthesisStage(Stage):
    """A stage in which the receiver synthesises pictures."""

    def __init__(self, setup: StageSetup, rows: Rows) -> None:
        super().__init__(setup, rows, PORTRAIT_SHARE, VAL_FRAMES)
        self.samples_per_step = rows.width * rows.driving_rows
        threads = torch.get_num_threads() if setup.device.type == "cpu" else os.cpu_count() or 1
        self.flows = ThreadPoolExecutor(threads)

    @abstractmethod
    def drive(self, model: FaceCodec, batch: Batch) -> tuple[Tensor, Tensor]:
        """Shape (1, C) of the first frame and motions (B, 6 + E) of all, as this stage drives the receiver."""

    def prepare(self) -> None:
        """Fit the model's scene space, unless the starting weights had one."""
        if not self.model.scene.basis.any():
            space = fit_scene_space(self.setup.train)
            self.model.scene.basis.copy_(torch.from_numpy(space.basis))
            self.model.scene.spread.copy_(torch.from_numpy(space.spread))

    def draw(self) -> Batch:
        """A batch of `rows`, the frames of a clip augmented alike; portraits turn their heads."""
        drawn = self.sampler.draw(self.rows)
        batch = self.loader.load(drawn.reshape(-1), self.setup.size)
        batch = self.augment.mirror(batch, self.rows.count)
        batch = self.augment.colour(batch, self.rows.count, strength=0.6)
        batch, _ = self.augment.similarity(batch, 0.6, self.rows.count)
        portraits = torch.from_numpy(drawn[:, 0] >= self.setup.train.first_portrait).to(self.device)
        return self.turn_portraits(self.rows.row_by_row(batch), portraits)

    def turn_portraits(self, batch: Batch, portraits: Tensor) -> Batch:
        """Turn the heads of the columns that are portraits, (width,) bool, differently in each row after the first.

        Their neighbours are the first driving frame again: nothing moves.
        """
        if not portraits.any():
            return batch
        frames = torch.arange(len(batch), device=self.device)
        for row in range(1, self.rows.source_rows + self.rows.driving_rows):
            where = frames[self.rows.row(row)][portraits]
            yaw, pitch = self.augment.uniform(len(where), MAX_YAW), self.augment.uniform(len(where), MAX_PITCH)
            turned = turn_heads(batch[where], self.model.face, torch.stack([yaw, pitch], 1))
            batch = batch.replaced(where, turned)
        if self.rows.neighbour_row:
            still = batch[frames[self.rows.first_driving][portraits]]
            batch = batch.replaced(frames[self.rows.neighbours][portraits], still)
        return batch

    def scene(self, pictures: Tensor, motion: Tensor, sources: int) -> Tensor:
        """Scene codes (B − sources, 8) of the pictures (B, 3, S, S) after the sources, as a sender measures them.

        Each is measured against the source of its column.
        """
        squares = (pictures.detach().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        heads = [Motion.from_head(row) for row in motion.detach().float().cpu().numpy()]
        space = SceneSpace(self.model.scene.basis.cpu().numpy(), self.model.scene.spread.cpu().numpy())
        trackers = [SceneTracker(space, squares[i], heads[i]) for i in range(sources)]

        def measure(frame: int) -> NDArray[np.float32]:
            return trackers[frame % sources].measure(squares[frame], heads[frame])

        codes = list(self.flows.map(measure, range(sources, len(squares))))
        return torch.from_numpy(np.stack(codes)).to(self.device)

    @staticmethod
    def noisy_scene(scene: Tensor, quanta: Tensor | float = SCENE_STEP) -> Tensor:
        """Scene codes with rounding noise. Some are set to rest, as for portraits, where no scene is known to move."""
        noisy = scene + (torch.rand_like(scene) - 0.5) * quanta
        kept = torch.rand(len(scene), 1, device=scene.device) >= NO_SCENE_SHARE
        return noisy * kept

    def picture_losses(self, synthesis: Synthesis, target: Batch) -> dict[str, Tensor]:
        """Pyramid loss of the frame and, at half size, of the warped source, which supervises the flow directly."""
        weight = box_weights(target.points, self.setup.size)
        small = [functional.avg_pool2d(x, 2) for x in (synthesis.warped, target.pictures, weight)]
        return {"frame": pyramid_loss(synthesis.frame, target.pictures, weight), "warped": pyramid_loss(*small)}

    def synthesise(self, model: FaceCodec, batch: Batch) -> Synthesis:
        """The first frame of a batch driven by each of the others."""
        shape, motion = self.drive(model, batch)
        scene = self.scene(batch.pictures, motion, 1)
        with torch.autocast(self.device.type, torch.bfloat16):
            return model.synthesise(batch.pictures[:1], shape, motion[:1], motion[1:], scene)

    def validate(self, model: FaceCodec) -> dict[str, float]:
        """PSNR, and its gain over repeating the source frame, of whole frames and of the mouth and eye boxes."""
        model.eval()
        rows = []
        for frames in self.val_frames:
            batch = self.val_loader.load(frames, self.setup.size)
            frame = self.synthesise(model, batch).frame.clamp(0, 1)
            target, source = batch.pictures[1:], batch.pictures[:1]
            boxes = (box_weights(batch.points[1:], self.setup.size) > 4).float()
            rows.append(
                [psnr(frame, target), psnr(source, target), psnr(frame, target, boxes), psnr(source, target, boxes)]
            )
        ours, repeat, ours_boxes, repeat_boxes = np.mean(rows, 0)
        return {
            "psnr": float(ours), "gain": float(ours - repeat),
            "boxes_psnr": float(ours_boxes), "boxes_gain": float(ours_boxes - repeat_boxes),
        }  # fmt: skip

    def strip(self, model: FaceCodec, path: Path) -> None:
        """For a few validation people, lines of source, driving frame, synthesised frame, warped source and alpha."""
        model.eval()
        lines = []
        for frames in self.val_frames[::9]:
            batch = self.val_loader.load(frames[[0, 2, 5]], self.setup.size)
            out = self.synthesise(model, batch)
            for index in range(2):
                alpha = out.alpha[index].expand(3, -1, -1)
                cells = [batch.pictures[0], batch.pictures[1 + index], out.frame[index], out.warped[index], alpha]
                lines.append(torch.cat(cells, 2).clamp(0, 1))
        image = (torch.cat(lines, 1).permute(1, 2, 0).float().cpu().numpy()[..., ::-1] * 255).astype(np.uint8)
        cv2.imwrite(str(path), np.ascontiguousarray(image))


def psnr(a: Tensor, b: Tensor, mask: Tensor | None = None) -> float:
    """Mean over frames of the PSNR in dB of pictures (B, 3, S, S) in [0, 1], over an optional mask (B, 1, S, S)."""
    error = (a - b).square().mean(1, keepdim=True)
    if mask is None:
        mask = torch.ones_like(error)
    mse = (error * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp(min=1)
    return float((-10 * mse.clamp(min=1e-8).log10()).mean())
