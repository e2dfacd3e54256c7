"""Warm start of the sender: L, H and Δ learn shape, pose and expression from the landmark labels.

Comes in: labelled pairs of frames of one person. Goes out: a trained sender half of `FaceCodec`. Points through the closed geometry
count most, and the *difference* of two frames of one person, because only that moves the picture.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from facewire.models import face_points as fp
from facewire.models.config import ModelConfig
from facewire.models.face_codec import FaceCodec
from facewire.models.geometry import FaceModel
from facewire.models.sender_networks import HEAT_MAP_SIZE, Reading
from facewire.training.augment import Augmenter
from facewire.training.data import Batch, BatchLoader, FrameStore, PairSampler, clip_ranges
from facewire.training.motion_space import MotionSpace

HEAT_SIGMA = 0.07
K, D = len(fp.KEYPOINTS), len(fp.DETAILS)
LIDS = [K + i for i, point in enumerate(fp.DETAILS) if point in fp.UPPER_LIDS + fp.LOWER_LIDS]
WEIGHTS = {
    "angles": 20.0, "shift": 20.0, "keypoints": 20.0, "canonical": 10.0, "details": 40.0,
    "difference": 40.0, "openings": 40.0, "code": 1.0, "heat": 1.0, "located": 5.0,
}  # fmt: skip


def new_codec(space: MotionSpace, config: ModelConfig) -> FaceCodec:
    """Untrained networks on the face model of a motion space."""
    codec = FaceCodec(config)
    codec.face.template.copy_(torch.from_numpy(space.template))
    codec.face.mean.copy_(torch.from_numpy(space.mean))
    codec.face.shape_basis.copy_(torch.from_numpy(space.shape_basis))
    codec.face.expression_basis.copy_(torch.from_numpy(space.expression_basis))
    codec.sender.template.copy_(torch.from_numpy(space.template[list(fp.HEAT_MAP_POINTS), :2]))
    return codec


def openings(points: Tensor) -> Tensor:
    """Vertical openings (B, 7) of points (B, P, 2+): mouth at three places, two per eye; in picture units."""
    pairs = ((13, 14), (82, 87), (312, 317), (159, 145), (158, 153), (386, 374), (385, 380))
    upper = [fp.POINTS.index(a, K) for a, _ in pairs]
    lower = [fp.POINTS.index(b, K) for _, b in pairs]
    return (points[:, lower, :2] - points[:, upper, :2]).square().sum(-1).add(1e-6).sqrt()


def reading_losses(reading: Reading, batch: Batch, face: FaceModel, pairs: int) -> dict[str, Tensor]:
    """Losses of a reading against the labels; the first `pairs` frames and the next `pairs` belong together."""
    pose, code = batch.motion[:, :6], batch.motion[:, 6:]
    local = face.head_frame(reading.shape, reading.expression)
    placed = face.place(local, reading.pose)
    error = placed - batch.points
    error = torch.cat([error[..., :2], 0.3 * error[..., 2:]], -1)
    detail = error[:, K:]
    canonical = face.head_frame(reading.shape, torch.zeros_like(reading.expression))
    canonical_label = face.head_frame(batch.shape, torch.zeros_like(code))
    opened, opened_label = openings(placed), openings(batch.points)
    a, b = slice(0, pairs), slice(pairs, 2 * pairs)
    change = (reading.expression[a] - reading.expression[b]) - (code[a] - code[b])
    moved = (change @ face.expression_basis.flatten(0, 1).T).view(pairs, -1, 3)
    turned = (reading.pose[a] - reading.pose[b]) - (pose[a] - pose[b])
    return {
        "angles": (reading.pose[:, :3] - pose[:, :3]).abs().mean(),
        "shift": (reading.pose[:, 3:] - pose[:, 3:]).abs().mean(),
        "keypoints": error[:, :K].abs().mean(),
        "canonical": (canonical - canonical_label).abs().mean(),
        "details": detail.abs().mean() + 2 * error[:, LIDS].abs().mean(),
        "difference": moved[:, K:, :2].abs().mean() + 2 * moved[:, LIDS, 1].abs().mean() + 0.3 * turned.abs().mean(),
        "openings": 40 * (opened - opened_label).square().mean(),
        "code": functional.smooth_l1_loss(reading.expression, code, beta=0.2),
    }


class SenderStage:
    """Trains L, H and Δ on labelled pairs."""

    def __init__(
        self, train: FrameStore, val: FrameStore, device: torch.device, pairs: int, seed: int, resident: bool = False
    ) -> None:
        self.pairs, self.device, self.seed = pairs, device, seed
        self.samples_per_step = 2 * pairs
        self.loader = BatchLoader(train, device, resident)
        self.val_loader = BatchLoader(val, device)
        self.sampler = PairSampler(train, seed, portrait_share=0.2)
        self.augment = Augmenter(train.space, device, seed)
        torch.manual_seed(seed)
        self.model = new_codec(train.space, ModelConfig()).to(device)
        self.model.receiver.requires_grad_(False)
        self.val_frames = [np.linspace(a, b - 1, 12).astype(np.int64) for a, b in clip_ranges(val)]

    def losses(self, step: int) -> dict[str, Tensor]:
        """One step on augmented pairs; the two frames of a pair are moved independently."""
        drawn = self.sampler.draw(self.pairs, 1)
        batch = self.loader.load(drawn.T.reshape(-1), 256)
        batch = self.augment.mirror(self._interleave(batch), group=2)
        batch = self.augment.colour(batch, group=2)
        batch = self._interleave(batch, back=True)
        batch, _ = self.augment.similarity(batch)
        batch = replace(batch, pictures=self.augment.degrade(batch.pictures))
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16):
            reading = self.model.read(batch.pictures)
        losses = reading_losses(reading, batch, self.model.face, self.pairs)
        losses |= heat_losses(reading, batch.points)
        losses["total"] = torch.stack([WEIGHTS[name] * value for name, value in losses.items()]).sum()
        return losses

    def _interleave(self, batch: Batch, back: bool = False) -> Batch:
        rows = torch.arange(2 * self.pairs, device=self.device)
        order = rows.view(self.pairs, 2).T if back else rows.view(2, self.pairs).T
        return Batch(**{name: value[order.reshape(-1)] for name, value in vars(batch).items()})

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
        """Pose error, landmark error, and mouth and eye correlation within clips, on validation people."""
        model.eval()
        rows: dict[str, list[float]] = {}
        for frames in self.val_frames:
            batch = self.val_loader.load(frames, 256)
            reading = model.read(batch.pictures)
            placed = model.place(reading)
            error = (placed - batch.points)[..., :2].norm(dim=-1) * 128
            pose = (reading.pose - batch.motion[:, :6]).abs().mean(0)
            opened, label = openings(placed).cpu().numpy(), openings(batch.points).cpu().numpy()
            figures = {
                "yaw": float(pose[0].rad2deg()), "pitch": float(pose[1].rad2deg()), "roll": float(pose[2].rad2deg()),
                "shift_px": float(pose[3:5].mean() * 128), "scale": float(pose[5]),
                "keypoints_px": float(error[:, :K].mean()), "details_px": float(error[:, K : K + D].mean()),
            }  # fmt: skip
            if label[:, :3].std(0).mean() > 0.012:
                figures["mouth_r"] = within(opened[:, :3].mean(1), label[:, :3].mean(1))
            if label[:, 3:].std(0).mean() > 0.008:
                figures["eye_r"] = within(opened[:, 3:].mean(1), label[:, 3:].mean(1))
            for name, value in figures.items():
                rows.setdefault(name, []).append(value)
        return {name: float(np.median(v) if name.endswith("_r") else np.mean(v)) for name, v in rows.items()}

    def strip(self, model: FaceCodec, path: Path) -> None:
        """Validation frames with the read points drawn in."""
        model.eval()
        columns = []
        for frames in self.val_frames[::9]:
            batch = self.val_loader.load(frames[::6], 256)
            reading = model.read(batch.pictures)
            placed = model.place(reading)
            for picture, points in zip(batch.pictures, placed, strict=True):
                image = np.ascontiguousarray((picture.permute(1, 2, 0).cpu().numpy()[..., ::-1] * 255).astype(np.uint8))
                for x, y in ((points[:, :2] + 1) * 128).cpu().numpy():
                    cv2.circle(image, (int(x), int(y)), 1, (0, 255, 0), -1)
                columns.append(image)
        cv2.imwrite(str(path), np.concatenate(columns[:16:2], 1))


def heat_losses(reading: Reading, points: Tensor) -> dict[str, Tensor]:
    """Cross-entropy of the heat maps on Gaussian targets and L1 of the located points."""
    target = points[:, [fp.POINTS.index(point) for point in fp.HEAT_MAP_POINTS], :2]
    centres = (torch.arange(HEAT_MAP_SIZE, device=points.device) * 2 + 1) / HEAT_MAP_SIZE - 1
    gx = (-0.5 * ((target[..., :1] - centres) / HEAT_SIGMA).square()).exp()
    gy = (-0.5 * ((target[..., 1:] - centres) / HEAT_SIGMA).square()).exp()
    bump = (gy[..., :, None] * gx[..., None, :]).flatten(2)
    bump = bump / (bump.sum(-1, keepdim=True) + 1e-6)
    return {
        "heat": -(bump * reading.heat).sum(-1).mean(),
        "located": (reading.points - target).abs().mean(),
    }


def within(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Correlation of two series, 0 where one does not move."""
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + 1e-9))
