"""Warm start of the sender: L, H and Δ learn shape, pose and expression from the landmark labels.

It trains the sender half of `FaceCodec` on labelled pairs of frames of one person. The losses that count most are those of
points, which go through the closed geometry, and of the *change* between the two frames, because only change moves the
picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from facewire.models import face_points as fp
from facewire.models.face_codec import FaceCodec
from facewire.models.geometry import FaceModel
from facewire.models.sender_networks import HEAT_MAP_SIZE, Reading
from facewire.training.batches import Batch, Rows
from facewire.training.stage import Stage, StageSetup, weighted_sum

HEAT_SIGMA = 0.07
K, D = len(fp.KEYPOINTS), len(fp.DETAILS)
LIDS = [K + i for i, point in enumerate(fp.DETAILS) if point in fp.UPPER_LIDS + fp.LOWER_LIDS]
PICTURE_SIZE = 256
PORTRAIT_SHARE = 0.2
VAL_FRAMES = 12


@dataclass(frozen=True)
class SenderWeights:
    """Weight of each loss."""

    angles: float = 20.0
    """L1 of yaw, pitch and roll."""
    shift: float = 20.0
    """L1 of x, y and log-scale."""
    keypoints: float = 20.0
    """L1 of the keypoints in the picture."""
    canonical: float = 10.0
    """L1 of all points of the face at rest, in the head frame."""
    details: float = 40.0
    """L1 of the detail points in the picture, with lids counted three times."""
    change: float = 40.0
    """L1 of how points and pose change between the two frames of a pair."""
    openings: float = 40.0
    """Squared error of how far mouth and eyes are open."""
    expression: float = 1.0
    """Smooth L1 of the expression code."""
    heat_maps: float = 1.0
    """Cross-entropy of the heat maps."""
    located: float = 5.0
    """L1 of the points located in the heat maps."""


WEIGHTS = SenderWeights()


def openings(points: Tensor) -> Tensor:
    """Vertical openings (B, 7) of points (B, P, 2+) in picture units: three of the mouth, two of each eye."""
    pairs = ((13, 14), (82, 87), (312, 317), (159, 145), (158, 153), (386, 374), (385, 380))
    upper = [fp.POINTS.index(a, K) for a, _ in pairs]
    lower = [fp.POINTS.index(b, K) for _, b in pairs]
    return (points[:, lower, :2] - points[:, upper, :2]).square().sum(-1).add(1e-6).sqrt()


def label_losses(reading: Reading, batch: Batch, face: FaceModel) -> dict[str, Tensor]:
    """Losses of a reading against the labels, named as in `SenderWeights`.

    The n-th frame of the first half of the batch and the n-th of the second half are a pair of one clip.
    """
    pose, code = batch.motion[:, :6], batch.motion[:, 6:]
    local = face.head_frame(reading.shape, reading.expression)
    placed = face.place(local, reading.pose)
    error = placed - batch.points
    error = torch.cat([error[..., :2], 0.3 * error[..., 2:]], -1)
    detail = error[:, K:]
    canonical = face.head_frame(reading.shape, torch.zeros_like(reading.expression))
    canonical_label = face.head_frame(batch.shape, torch.zeros_like(code))
    opened, opened_label = openings(placed), openings(batch.points)
    pairs = Rows(len(batch) // 2)
    a, b = pairs.sources, pairs.driving
    change = (reading.expression[a] - reading.expression[b]) - (code[a] - code[b])
    moved = (change @ face.expression_basis.flatten(0, 1).T).view(pairs.width, -1, 3)
    turned = (reading.pose[a] - reading.pose[b]) - (pose[a] - pose[b])
    return {
        "angles": (reading.pose[:, :3] - pose[:, :3]).abs().mean(),
        "shift": (reading.pose[:, 3:] - pose[:, 3:]).abs().mean(),
        "keypoints": error[:, :K].abs().mean(),
        "canonical": (canonical - canonical_label).abs().mean(),
        "details": detail.abs().mean() + 2 * error[:, LIDS].abs().mean(),
        "change": moved[:, K:, :2].abs().mean() + 2 * moved[:, LIDS, 1].abs().mean() + 0.3 * turned.abs().mean(),
        "openings": 40 * (opened - opened_label).square().mean(),
        "expression": functional.smooth_l1_loss(reading.expression, code, beta=0.2),
        **heat_map_losses(reading, batch.points),
    }


class SenderStage(Stage):
    """Trains L, H and Δ on labelled pairs."""

    name = "sender"

    def __init__(self, setup: StageSetup) -> None:
        setup = replace(setup, size=PICTURE_SIZE, model="laptop")
        super().__init__(setup, Rows(setup.batch), PORTRAIT_SHARE, VAL_FRAMES)
        self.samples_per_step = 2 * self.rows.width
        self.model.receiver.requires_grad_(False)

    def losses(self, step: int) -> dict[str, Tensor]:
        """One step on augmented pairs. Both frames of a pair get the same colours, but each is moved by itself."""
        batch = self.loader.load(self.sampler.draw(self.rows).reshape(-1), PICTURE_SIZE)
        batch = self.augment.mirror(batch, self.rows.count)
        batch = self.augment.colour(batch, self.rows.count)
        batch, _ = self.augment.similarity(self.rows.row_by_row(batch))
        batch = replace(batch, pictures=self.augment.degrade(batch.pictures))
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16):
            reading = self.model.read(batch.pictures)
        losses = label_losses(reading, batch, self.model.face)
        losses["total"] = weighted_sum(losses, WEIGHTS)
        return losses

    def validate(self, model: FaceCodec) -> dict[str, float]:
        """Pose and landmark errors, and correlation of mouth and eyes within clips, on validation people."""
        model.eval()
        rows: dict[str, list[float]] = {}
        for frames in self.val_frames:
            batch = self.val_loader.load(frames, PICTURE_SIZE)
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
                figures["mouth_r"] = correlation(opened[:, :3].mean(1), label[:, :3].mean(1))
            if label[:, 3:].std(0).mean() > 0.008:
                figures["eye_r"] = correlation(opened[:, 3:].mean(1), label[:, 3:].mean(1))
            for name, value in figures.items():
                rows.setdefault(name, []).append(value)
        return {name: float(np.median(v) if name.endswith("_r") else np.mean(v)) for name, v in rows.items()}

    def strip(self, model: FaceCodec, path: Path) -> None:
        """Validation frames with the points that were read drawn in."""
        model.eval()
        columns = []
        for frames in self.val_frames[::9]:
            batch = self.val_loader.load(frames[::6], PICTURE_SIZE)
            reading = model.read(batch.pictures)
            placed = model.place(reading)
            for picture, points in zip(batch.pictures, placed, strict=True):
                image = np.ascontiguousarray((picture.permute(1, 2, 0).cpu().numpy()[..., ::-1] * 255).astype(np.uint8))
                for x, y in ((points[:, :2] + 1) * 128).cpu().numpy():
                    cv2.circle(image, (int(x), int(y)), 1, (0, 255, 0), -1)
                columns.append(image)
        cv2.imwrite(str(path), np.concatenate(columns[:16:2], 1))


def heat_map_losses(reading: Reading, points: Tensor) -> dict[str, Tensor]:
    """Cross-entropy of the heat maps on Gaussian targets, and L1 of the located points."""
    target = points[:, [fp.POINTS.index(point) for point in fp.HEAT_MAP_POINTS], :2]
    centres = (torch.arange(HEAT_MAP_SIZE, device=points.device) * 2 + 1) / HEAT_MAP_SIZE - 1
    gx = (-0.5 * ((target[..., :1] - centres) / HEAT_SIGMA).square()).exp()
    gy = (-0.5 * ((target[..., 1:] - centres) / HEAT_SIGMA).square()).exp()
    bump = (gy[..., :, None] * gx[..., None, :]).flatten(2)
    bump = bump / (bump.sum(-1, keepdim=True) + 1e-6)
    return {
        "heat_maps": -(bump * reading.heat).sum(-1).mean(),
        "located": (reading.points - target).abs().mean(),
    }


def correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Correlation of two series; 0 if one does not move."""
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + 1e-9))
