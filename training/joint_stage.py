"""All six networks end to end: the sender reads motion from pixels, the wire takes its share, the receiver synthesises.

Comes in: frames as `receiver_stage` draws them, and a frame beside the first driving one. Goes out: weights of the whole
`FaceCodec`, ready for `models.export`. The losses are the paper's (section 3.3) and those of docs/training.md; `JointWeights` has
the weight of each.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass, fields, replace
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
from facewire.training.data import Batch, FrameStore
from facewire.training.perceptual import PerceptualLoss, trunk_file
from facewire.training.receiver_stage import DRIVINGS, ReceiverStage
from facewire.training.sender_stage import LIDS, WEIGHTS, K, heat_losses, reading_losses

PRESET_SHARES = (0.1, 0.6, 0.15, 0.15)
"""How often motion is coarsened as by each preset of `codec.quantiser.PRESETS`."""
TAIL_DROP_SHARE = 0.2
"""Share of frames that lose a random tail of the expression code besides, so that fewer coefficients stay useful."""
FEWEST_COEFFICIENTS = 4


@dataclass(frozen=True)
class JointWeights:
    """Weight of each loss; 0 leaves it out and saves its time."""

    frame: float = 1.0
    """Pyramid of L1, gradient and SSIM of the synthesised frame."""
    warped: float = 0.2
    """The same of the warped source alone, at half size."""
    choice: float = 0.02
    """4 α (1 − α): each pixel comes from the warped source or from G's paint, for a mixture of both is soft."""
    perceptual: float = 0.03
    """VGG features of the face."""
    identity: float = 0.015
    """1 − cosine of the face-recognition feature."""
    features: float = 0.1
    """Feature matching of the discriminators."""
    deceit: float = 0.01
    """Hinge loss of the discriminators."""
    reread: float = 0.35
    """What a frozen sender reads from the synthesised frame, against the true one."""
    labels: float = 0.02
    """All losses of the sender stage."""
    equivariance: float = 0.4
    """Points follow affine and thin-plate bends of the picture."""
    prior: float = 0.1
    """Keypoints stay apart."""
    deformation: float = 0.1
    """L1 of δ."""
    steady: float = 0.5
    """Change of the points between neighbouring frames, against the labels' change."""
    rate: float = 0.0005
    """Bits of the expression code's change between neighbouring frames."""

    def changed(self, changes: list[str]) -> JointWeights:
        """With NAME=VALUE texts applied; ValueError names what is wrong."""
        values: dict[str, float] = {}
        names = [field.name for field in fields(self)]
        for change in changes:
            name, _, value = change.partition("=")
            if name not in names:
                raise ValueError(f"no loss {name!r}; there are {', '.join(names)}")
            try:
                values[name] = float(value)
            except ValueError:
                raise ValueError(f"weight of {name}: {value!r} is not a number, as in {name}=0.1") from None
        return replace(self, **values)


class JointStage(ReceiverStage):
    """Trains everything from pixels.

    Norms of the sender are in evaluation mode: frames of one person are no fair sample for batch statistics.
    """

    neighbour = True

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
        weights: JointWeights | None = None,
    ) -> None:
        self.weights = weights or JointWeights()
        super().__init__(train, val, device, batch, size, seed, resident, model)
        self.quanta, self.kept = _wire(self.model.config.expression_size, device)
        self.scene_quanta = torch.tensor([p.scene_units * SCENE_STEP / UNITS_PER_STEP for p in PRESETS], device=device)
        self.perceptual = self._optional("perceptual", trunk_file(), PerceptualLoss)
        self.identity = self._optional("identity", identity_file(), Identity)
        self.adversary = Adversary(device) if self.weights.features or self.weights.deceit else None
        self.reader: SenderNetworks | None = None

    def _optional(self, name: str, path: Any, kind: type) -> Any:
        if not getattr(self.weights, name):
            return None
        if path is None:
            logging.getLogger(__name__).warning(
                "training without the %s loss: docs/training.md says what to install", name
            )
            return None
        return kind(path).to(self.device)

    def freeze(self) -> None:
        """Everything learns."""

    def transmitted(self, motion: Tensor, scene: Tensor) -> tuple[Tensor, Tensor]:
        """Motion (B, 6 + E) and scene codes (B, 8) as after the wire: rounding noise of a random preset, the coefficients it
        does not send at 0, and some scenes at rest, as for portraits.
        """
        b, size = motion.shape
        preset = torch.multinomial(motion.new_tensor(PRESET_SHARES), b, replacement=True)
        noisy = motion + (torch.rand_like(motion) - 0.5) * self.quanta[preset]
        kept = self.kept[preset]
        fewer = torch.randint(FEWEST_COEFFICIENTS, size - 6 + 1, (b,), device=motion.device)
        kept = torch.where(torch.rand(b, device=motion.device) < TAIL_DROP_SHARE, torch.minimum(kept, fewer), kept)
        sent = torch.arange(size, device=motion.device) < 6 + kept[:, None]
        scene = self.shaken_scene(scene, self.scene_quanta[preset, None])
        return torch.where(sent, noisy, torch.zeros_like(noisy)), scene

    def losses(self, step: int) -> dict[str, Tensor]:
        """One step from pixels. Rows of the batch: sources, two rows of driving frames, neighbours of the first."""
        self.model.train()
        self.model.sender.eval()
        batch = self.draw()
        b, weights = self.batch, self.weights
        seen = torch.cat([batch.pictures[:b], self.augment.degrade(batch.pictures[b:])])
        with torch.autocast(self.device.type, torch.bfloat16):
            reading = self.model.read(seen)
            motion = motion_vector(reading)
            driven = slice((1 + DRIVINGS) * b)
            sent, scene = self.transmitted(motion[driven][b:], self.scene(seen[driven], motion[driven], b))
            synthesis = self.model.synthesise(batch.pictures[:b], reading.shape[:b], motion[:b], sent, scene)
        true = batch.pictures[b : (1 + DRIVINGS) * b]
        points = batch.points[b : (1 + DRIVINGS) * b]
        losses = self.picture_losses(synthesis, true, points)
        losses["choice"] = (4 * synthesis.alpha * (1 - synthesis.alpha)).mean()
        # The dear losses see one of the two rows of driving frames in turn: as good in the mean, half the time.
        half = slice(step % DRIVINGS * b, (step % DRIVINGS + 1) * b)
        losses |= self.perception(synthesis.frame[half], true[half], points[half])
        if weights.reread:
            losses["reread"] = self.reread(synthesis.frame, true)
        losses |= self.reading(reading, batch)
        losses["total"] = torch.stack([getattr(weights, name) * value for name, value in losses.items()]).sum()
        if self.adversary is not None:
            losses["adversary"] = self.adversary.learn(synthesis.frame[half], true[half])
        return losses

    def perception(self, frame: Tensor, true: Tensor, points: Tensor) -> dict[str, Tensor]:
        """Losses of other networks' eyes: VGG features, identity, the adversary."""
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
                judgement = self.adversary.judge(frame, true)
                losses |= {"features": judgement.features, "deceit": judgement.deceit}
        return losses

    def reading(self, reading: Reading, batch: Batch) -> dict[str, Tensor]:
        """Losses of what the sender reads: labels, equivariance, priors, steadiness and rate."""
        b, face, weights = self.batch, self.model.face, self.weights
        pairs = Batch(**{name: value[: 2 * b] for name, value in vars(batch).items()})
        first = replace(reading, **{name: value[: 2 * b] for name, value in vars(reading).items()})
        labels = reading_losses(first, pairs, face, b) | heat_losses(first, pairs.points)
        losses = {"labels": torch.stack([WEIGHTS[name] * value for name, value in labels.items()]).sum()}
        placed = self.model.place(reading)
        if weights.equivariance:
            rows = slice(b, 2 * b)
            losses["equivariance"] = self.equivariance(batch.pictures[rows], placed[rows], reading.points[rows])
        losses["prior"] = keypoint_prior(placed[:, : len(fp.KEYPOINTS)])
        losses["deformation"] = (reading.expression @ face.expression_basis.flatten(0, 1).T).abs().mean()
        now, beside = slice(b, 2 * b), slice((1 + DRIVINGS) * b, (2 + DRIVINGS) * b)
        change = (placed[beside] - placed[now]) - (batch.points[beside] - batch.points[now])
        losses["steady"] = change[..., :2].abs().mean()
        steps = (reading.expression[beside] - reading.expression[now]).abs() / EXPRESSION_STEP
        losses["rate"] = torch.log2(1 + steps).sum(1).mean()
        return losses

    def reread(self, frame: Tensor, true: Tensor) -> Tensor:
        """What a frozen copy of the sender reads from the synthesised frame must be what it reads from the true one, L1.

        It asks for the full amplitude of mouths and lids, where picture losses are content with half of it.
        """
        if self.reader is None:  # as the stage starts, after the weights are in
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
        """Points must follow a known affine and thin-plate bend of their pictures (paper, section 3.3), L1.

        placed: the face model's points (B, P, 3); located: the trunk's (B, 45, 2), both of the straight pictures.
        """
        plate = self.augment.bend(len(pictures), pictures.shape[-1])
        with torch.autocast(self.device.type, torch.bfloat16):
            again = self.model.read(plate.pictures(pictures))
        straight = plate(self.model.place(again)[..., :2])
        return (straight - placed[..., :2]).abs().mean() * 2 + (plate(again.points) - located).abs().mean()

    def motions(self, model: FaceCodec, batch: Batch) -> tuple[Tensor, Tensor]:
        """Read from the pictures."""
        with torch.autocast(self.device.type, torch.bfloat16):
            reading = model.read(batch.pictures)
        return reading.shape[:1], motion_vector(reading)

    def state_dict(self) -> dict[str, Any]:
        """The adversary and the frozen reader, for the run's checkpoint."""
        return {
            "adversary": self.adversary.state_dict() if self.adversary else None,
            "reader": self.reader.state_dict() if self.reader else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        if self.adversary is not None and state["adversary"] is not None:
            self.adversary.load_state_dict(state["adversary"])
        if state["reader"] is not None:
            self.reader = copy.deepcopy(self.model.sender).eval().requires_grad_(False)
            self.reader.load_state_dict(state["reader"])


def _wire(expression_size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Quanta (presets, 6 + E) in motion's units, and expression coefficients sent (presets,), of the codec's presets."""
    steps = torch.tensor([ANGLE_STEP_RAD] * 3 + [TRANSLATION_STEP] * 3 + [EXPRESSION_STEP] * expression_size)
    coarse = [[p.pose_units] * 6 + [p.expression_units] * expression_size for p in PRESETS]
    quanta = torch.tensor(coarse) / UNITS_PER_STEP * steps
    kept = torch.tensor([min(p.coefficients, expression_size) for p in PRESETS])
    return quanta.to(device), kept.to(device)


def keypoint_prior(keypoints: Tensor) -> Tensor:
    """Σ max(0, 0.01 − ‖x_i − x_j‖²) over pairs: keypoints must not fall onto each other (paper, section 3.3).

    keypoints: (B, K, 3). The paper's threshold of 0.1 is for points spread over the whole picture; ours sit on lips and lids.
    """
    distance = functional.relu(0.01 - torch.cdist(keypoints, keypoints).square())
    return distance.triu(1).sum((1, 2)).mean()
