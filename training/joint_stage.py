"""Training all six networks end to end: the sender reads motion from pixels, the wire coarsens it, the receiver synthesises.

The batches are those of `synthesis_stage` with a row of neighbours. The weights are those of the whole `FaceCodec`, ready for
`models.export`. The losses are the paper's (section 3.3) and those of docs/training.md; `JointWeights` weighs them.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from facewire.codec.quantiser import (
    ANGLE_STEP_RAD,
    EXPRESSION_STEP,
    PRESETS,
    SCENE_STEP,
    TRANSLATION_STEP,
    UNITS_PER_STEP,
)
from facewire.metrics.teacher_files import identity_file
from facewire.metrics.teachers import Identity, align, five_points
from facewire.models import face_points as fp
from facewire.models.face_codec import FaceCodec, motion_vector
from facewire.models.sender_networks import Reading, SenderNetworks
from facewire.training.adversary import Adversary
from facewire.training.batches import Batch, Rows
from facewire.training.perceptual import PerceptualLoss, trunk_file
from facewire.training.sender_stage import LIDS, K, label_losses
from facewire.training.sender_stage import WEIGHTS as SENDER_WEIGHTS
from facewire.training.stage import StageSetup, weighted_sum
from facewire.training.synthesis_stage import DRIVING_ROWS, SynthesisStage

PRESET_SHARES = {"high": 0.1, "default": 0.6, "low": 0.15, "lowest": 0.15}
"""How often motion is rounded as each preset of the codec does."""
TAIL_DROP_SHARE = 0.2
"""Share of frames that also lose a random tail of the expression code, so that fewer coefficients remain useful."""
FEWEST_COEFFICIENTS = 4


@dataclass(frozen=True)
class JointWeights:
    """Weight of each loss. A loss with weight 0 is left out if that saves time."""

    frame: float = 1.0
    """Pyramid of L1, gradient and SSIM of the synthesised frame."""
    warped: float = 0.2
    """The same of the warped source alone, at half size."""
    alpha_binarity: float = 0.02
    """4 α (1 − α): a pixel should come either from the warped source or from G's paint, since a mixture of both is soft."""
    perceptual: float = 0.03
    """VGG features of the face."""
    identity: float = 0.015
    """1 − cosine of the face-recognition features."""
    feature_matching: float = 0.1
    """Feature matching of the discriminators."""
    adversarial: float = 0.01
    """Hinge loss of the discriminators."""
    motion_consistency: float = 0.35
    """Difference of what a frozen sender reads from the synthesised and from the true frame."""
    labels: float = 0.02
    """The weighted sum of the sender stage's losses."""
    equivariance: float = 0.4
    """Points must follow affine and thin-plate bends of the picture."""
    keypoint_prior: float = 0.1
    """Keypoints must stay apart."""
    deformation: float = 0.1
    """L1 of δ."""
    temporal: float = 0.5
    """Change of the points between neighbouring frames, against that of the labels."""
    rate: float = 0.0005
    """Bits of the expression code's change between neighbouring frames."""

    def changed(self, changes: list[str]) -> JointWeights:
        """A copy with NAME=VALUE changes; raises ValueError if one is malformed."""
        values: dict[str, float] = {}
        names = [field.name for field in fields(self)]
        for change in changes:
            name, _, value = change.partition("=")
            if name not in names:
                raise ValueError(f"no loss {name!r}; choose from {', '.join(names)}")
            try:
                values[name] = float(value)
            except ValueError:
                raise ValueError(f"weight of {name}: {value!r} is not a number, as in {name}=0.1") from None
        return replace(self, **values)


class JointStage(SynthesisStage):
    """Trains everything from pixels.

    The sender's batch norms are in evaluation mode, since frames of one person are no fair sample for batch statistics.
    """

    name = "joint"

    def __init__(self, setup: StageSetup, weights: JointWeights | None = None) -> None:
        super().__init__(setup, Rows(setup.batch, driving_rows=DRIVING_ROWS, neighbour_row=True))
        self.weights = weights or JointWeights()
        self.wire = WireNoise.of_presets(self.model.config.expression_size, setup.device)
        perceptual = self._teacher("perceptual", trunk_file())
        self.perceptual = PerceptualLoss(perceptual).to(setup.device) if perceptual else None
        identity = self._teacher("identity", identity_file())
        self.identity = Identity(identity).to(setup.device) if identity else None
        self.adversary = Adversary(setup.device) if self.weights.feature_matching or self.weights.adversarial else None
        self.reader: SenderNetworks | None = None
        """A frozen copy of the sender, from the first step on."""

    def _teacher(self, loss: str, file: Path | None) -> Path | None:
        """The file of the network that a loss needs, if the loss counts and the file is installed."""
        if not getattr(self.weights, loss):
            return None
        if file is None:
            logging.getLogger(__name__).warning(
                "training without the %s loss: docs/training.md says what to install", loss
            )
        return file

    def transmitted(self, motion: Tensor, scene: Tensor) -> tuple[Tensor, Tensor]:
        """Motion (B, 6 + E) and scene codes (B, 8) as they arrive: with the rounding noise of a random preset, and without the
        coefficients that it does not send. Some scenes are at rest, as for portraits.
        """
        b, size = motion.shape
        preset = torch.multinomial(motion.new_tensor(self.wire.shares), b, replacement=True)
        noisy = motion + (torch.rand_like(motion) - 0.5) * self.wire.motion[preset]
        kept = self.wire.coefficients[preset]
        fewer = torch.randint(FEWEST_COEFFICIENTS, size - 6 + 1, (b,), device=motion.device)
        kept = torch.where(torch.rand(b, device=motion.device) < TAIL_DROP_SHARE, torch.minimum(kept, fewer), kept)
        sent = torch.arange(size, device=motion.device) < 6 + kept[:, None]
        scene = self.noisy_scene(scene, self.wire.scene[preset, None])
        return torch.where(sent, noisy, torch.zeros_like(noisy)), scene

    def losses(self, step: int) -> dict[str, Tensor]:
        """One step from pixels."""
        self.model.train()
        self.model.sender.eval()
        batch, rows, weights = self.draw(), self.rows, self.weights
        sources, true = batch[rows.sources], batch[rows.driving]
        # The source frame is sent at its best; the camera may be bad in all others.
        seen = torch.cat([sources.pictures, self.augment.degrade(batch.pictures[rows.sources.stop :])])
        with torch.autocast(self.device.type, torch.bfloat16):
            reading = self.model.read(seen)
            motion = motion_vector(reading)
            among = rows.sources_and_driving
            scene = self.scene(seen[among], motion[among], rows.width)
            driving, scene = self.transmitted(motion[rows.driving], scene)
            synthesis = self.model.synthesise(
                sources.pictures, reading.shape[rows.sources], motion[rows.sources], driving, scene
            )
        losses = self.picture_losses(synthesis, true)
        losses["alpha_binarity"] = (4 * synthesis.alpha * (1 - synthesis.alpha)).mean()
        # The expensive losses see one driving row in turn: as good on average, half the time.
        turn = rows.row(step % rows.driving_rows)
        losses |= self.perception(synthesis.frame[turn], true.pictures[turn], true.points[turn])
        if weights.motion_consistency:
            losses["motion_consistency"] = self.motion_consistency(synthesis.frame, true.pictures)
        losses |= self.reading_losses(reading, batch)
        losses["total"] = weighted_sum(losses, weights)
        if self.adversary is not None:
            losses["discriminator"] = self.adversary.learn(synthesis.frame[turn], true.pictures[turn])
        return losses

    def perception(self, frame: Tensor, true: Tensor, points: Tensor) -> dict[str, Tensor]:
        """Losses computed by other networks: VGG features, identity and the adversary."""
        losses = {}
        with torch.autocast(self.device.type, torch.bfloat16):
            if self.perceptual is not None:
                losses["perceptual"] = self.perceptual(frame, true, points)
            if self.identity is not None:
                ours = self.identity(align(frame, five_points(points)))
                with torch.no_grad():
                    theirs = self.identity(align(true, five_points(points)))
                losses["identity"] = 1 - (ours.float() * theirs.float()).sum(1).mean()
            if self.adversary is not None:
                losses |= vars(self.adversary.losses(frame, true))
        return losses

    def reading_losses(self, reading: Reading, batch: Batch) -> dict[str, Tensor]:
        """Losses of what the sender reads: labels, equivariance, priors, change over time and rate."""
        face, rows, weights = self.model.face, self.rows, self.weights
        pairs = slice(0, rows.first_driving.stop)
        losses = {"labels": weighted_sum(label_losses(reading[pairs], batch[pairs], face), SENDER_WEIGHTS)}
        placed = self.model.place(reading)
        now, beside = rows.first_driving, rows.neighbours
        if weights.equivariance:
            losses["equivariance"] = self.equivariance(batch.pictures[now], placed[now], reading.points[now])
        losses["keypoint_prior"] = keypoint_prior(placed[:, : len(fp.KEYPOINTS)])
        losses["deformation"] = (reading.expression @ face.expression_basis.flatten(0, 1).T).abs().mean()
        change = (placed[beside] - placed[now]) - (batch.points[beside] - batch.points[now])
        losses["temporal"] = change[..., :2].abs().mean()
        steps = (reading.expression[beside] - reading.expression[now]).abs() / EXPRESSION_STEP
        losses["rate"] = torch.log2(1 + steps).sum(1).mean()
        return losses

    def motion_consistency(self, frame: Tensor, true: Tensor) -> Tensor:
        """L1 distance between what a frozen copy of the sender reads from the synthesised and from the true frame.

        It demands the full amplitude of mouths and lids, where half of it would satisfy picture losses.
        """
        if self.reader is None:  # at the first step, once the starting weights are loaded
            self.reader = copy.deepcopy(self.model.sender).eval().requires_grad_(False)
        with torch.autocast(self.device.type, torch.bfloat16):
            ours: Reading = self.reader(frame)
            with torch.no_grad():
                theirs: Reading = self.reader(true)
        basis = self.model.face.expression_basis.flatten(0, 1)
        moved = ((ours.expression - theirs.expression) @ basis.T).view(len(frame), -1, 3)[..., :2]
        details = moved[:, K:].abs().mean() + 2 * moved[:, LIDS].abs().mean()
        return details + 0.3 * (ours.points - theirs.points).abs().mean() + 0.1 * (ours.pose - theirs.pose).abs().mean()

    def equivariance(self, pictures: Tensor, placed: Tensor, located: Tensor) -> Tensor:
        """L1 error of points under a known affine and thin-plate bend of their pictures (paper, section 3.3).

        placed: the face model's points (B, P, 3); located: the trunk's (B, 45, 2), both of the straight pictures.
        """
        plate = self.augment.bend(len(pictures), pictures.shape[-1])
        with torch.autocast(self.device.type, torch.bfloat16):
            again = self.model.read(plate.pictures(pictures))
        straight = plate(self.model.place(again)[..., :2])
        return (straight - placed[..., :2]).abs().mean() * 2 + (plate(again.points) - located).abs().mean()

    def drive(self, model: FaceCodec, batch: Batch) -> tuple[Tensor, Tensor]:
        """With what the sender reads from the pictures."""
        with torch.autocast(self.device.type, torch.bfloat16):
            reading = model.read(batch.pictures)
        return reading.shape[:1], motion_vector(reading)

    def state_dict(self) -> dict[str, Any]:
        """The adversary and the frozen copy of the sender, for the run's checkpoint."""
        return {
            "adversary": self.adversary.state_dict() if self.adversary else None,
            "reader": self.reader.state_dict() if self.reader else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore from a checkpoint."""
        if self.adversary is not None and state["adversary"] is not None:
            self.adversary.load_state_dict(state["adversary"])
        if state["reader"] is not None:
            self.reader = copy.deepcopy(self.model.sender).eval().requires_grad_(False)
            self.reader.load_state_dict(state["reader"])


@dataclass(frozen=True)
class WireNoise:
    """What each preset of the codec does to motion."""

    shares: list[float]
    """How often each preset is drawn."""
    motion: Tensor
    """(presets, 6 + E) quanta in the units of `Motion.head`."""
    scene: Tensor
    """(presets,) quanta of the scene code."""
    coefficients: Tensor
    """(presets,) expression coefficients that are sent."""

    @classmethod
    def of_presets(cls, expression_size: int, device: torch.device) -> WireNoise:
        """Of `codec.quantiser.PRESETS`."""
        steps = torch.tensor([ANGLE_STEP_RAD] * 3 + [TRANSLATION_STEP] * 3 + [EXPRESSION_STEP] * expression_size)
        coarse = [[p.pose_units] * 6 + [p.expression_units] * expression_size for p in PRESETS]
        return cls(
            shares=[PRESET_SHARES[preset.name] for preset in PRESETS],
            motion=(torch.tensor(coarse) / UNITS_PER_STEP * steps).to(device),
            scene=torch.tensor([p.scene_units * SCENE_STEP / UNITS_PER_STEP for p in PRESETS], device=device),
            coefficients=torch.tensor([min(p.coefficients, expression_size) for p in PRESETS], device=device),
        )


def keypoint_prior(keypoints: Tensor) -> Tensor:
    """Σ max(0, 0.01 − ‖x_i − x_j‖²) over pairs: keypoints must not coincide (paper, section 3.3).

    keypoints: (B, K, 3). The paper's threshold of 0.1 is for points spread over the whole picture; ours are close together on
    lips and lids.
    """
    distance = functional.relu(0.01 - torch.cdist(keypoints, keypoints).square())
    return distance.triu(1).sum((1, 2)).mean()
