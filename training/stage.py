"""What all stages of the training have in common: their data, their model, and what `training.loop` asks of them.

`StageSetup` goes in; a subclass of `Stage` (`sender_stage`, `receiver_stage`, `joint_stage`) brings the losses and figures.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facewire.models import face_points as fp
from facewire.models.config import MODELS, ModelConfig
from facewire.models.face_codec import FaceCodec
from facewire.training.augment import Augmenter
from facewire.training.batches import BatchLoader, PairSampler, Rows
from facewire.training.data import FrameStore, clip_ranges
from facewire.training.motion_space import MotionSpace


@dataclass(frozen=True)
class StageSetup:
    """What a stage is made from."""

    train: FrameStore
    """Clips and portraits to learn from."""
    val: FrameStore
    """Clips of people who are in none of the former."""
    device: torch.device
    batch: int
    """Clips in a step."""
    seed: int
    size: int = 128
    """Side of pictures in pixels, 128 or 256; the sender stage always has 256."""
    model: str = "laptop"
    """Of `models.config.MODELS`; the sender is the same in all."""
    resident: bool = False
    """Keep the training pictures in the device's memory."""


class Stage(ABC):
    """One stage of the curriculum: a model, its losses, and how it is judged.

    rows: what a batch is made of. portrait_share: share of columns that are portraits. val_frames: frames of each validation clip
    that are looked at, evenly spread.
    """

    name: str
    """As in `facewire train NAME`."""
    samples_per_step: int
    """Pictures that a step learns from, for the speed shown."""

    def __init__(self, setup: StageSetup, rows: Rows, portrait_share: float, val_frames: int) -> None:
        self.setup, self.rows, self.device = setup, rows, setup.device
        self.loader = BatchLoader(setup.train, setup.device, setup.resident)
        self.val_loader = BatchLoader(setup.val, setup.device)
        self.sampler = PairSampler(setup.train, setup.seed, portrait_share=portrait_share)
        self.augment = Augmenter(setup.train.space, setup.device, setup.seed)
        torch.manual_seed(setup.seed)
        config = replace(MODELS[setup.model], picture_size=setup.size)
        self.model = new_codec(setup.train.space, config).to(setup.device)
        self.val_frames = [np.linspace(a, b - 1, val_frames).astype(np.int64) for a, b in clip_ranges(setup.val)]

    @abstractmethod
    def losses(self, step: int) -> dict[str, Tensor]:
        """Losses of one step by name; "total" is minimised."""

    @abstractmethod
    def validate(self, model: FaceCodec) -> dict[str, float]:
        """Figures by name on people never trained on."""

    @abstractmethod
    def strip(self, model: FaceCodec, path: Path) -> None:
        """Write a picture that shows where training stands."""

    def prepare(self) -> None:  # noqa: B027  (optional)
        """Complete the model once the starting weights are in; called when a run starts, but not when it resumes."""

    def reseed(self, step: int) -> None:
        """Draw other samples than at the start of the run; called when a run resumes at a step."""
        self.sampler.reseed(self.setup.seed + step)
        self.augment.reseed(self.setup.seed + step)

    def run_name(self) -> str:
        """What must be the same for a run to be resumed, in words of the command line."""
        config = self.model.config
        return f"{self.name} --model {config.name} --size {config.picture_size}"

    def state_dict(self) -> dict[str, Any]:
        """What the stage needs to resume in addition to the model, for the run's checkpoint."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027  (optional)
        """Take up what `state_dict` gave."""


def new_codec(space: MotionSpace, config: ModelConfig) -> FaceCodec:
    """Untrained networks on the face model of a motion space."""
    codec = FaceCodec(config)
    codec.face.template.copy_(torch.from_numpy(space.template))
    codec.face.mean.copy_(torch.from_numpy(space.mean))
    codec.face.shape_basis.copy_(torch.from_numpy(space.shape_basis))
    codec.face.expression_basis.copy_(torch.from_numpy(space.expression_basis))
    codec.sender.template.copy_(torch.from_numpy(space.template[list(fp.HEAT_MAP_POINTS), :2]))
    return codec


def weighted_sum(losses: dict[str, Tensor], weights: object) -> Tensor:
    """Sum of losses, each times the field of `weights` with its name."""
    return torch.stack([getattr(weights, name) * value for name, value in losses.items()]).sum()
