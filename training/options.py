"""Options of the training commands. Importing this module is cheap, as `facewire train --help` needs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Stage = Literal["sender", "receiver", "joint"]
STAGES: tuple[Stage, ...] = get_args(Stage)
People = Literal["folders", "names", "files"]
PEOPLE: tuple[People, ...] = get_args(People)
DEVICES = ("auto", "cpu", "cuda")
TRAINING_SIZES = (128, 256)
"""Sides of the pictures that receiver and joint can be trained on, in pixels."""
UNCODED = "none"
"""Used instead of a preset's name to leave motion uncoded."""


@dataclass(frozen=True)
class TrainOptions:
    """One run of one stage."""

    stage: Stage
    data: Path
    """Folder of labelled clips."""
    cache: Path
    """Folder for decoded frames."""
    out: Path
    """Run folder."""
    minutes: float
    """Time budget, including the time before the run was resumed."""
    steps: int | None
    """End after this many steps instead; None for the time budget."""
    resume: bool
    """Continue from the run folder's state.pt."""
    start: tuple[Path, ...]
    """Files of weights to start from."""
    size: int
    """Side of pictures for receiver and joint, one of `TRAINING_SIZES`."""
    model: str
    """Name of a size in `models.config.MODELS`, for receiver and joint."""
    batch: int
    """Source frames per step."""
    rate: float | None
    """Peak learning rate; None for the stage's own."""
    weights: tuple[str, ...]
    """Changed weights of the joint stage's losses, each as LOSS=W."""
    seed: int
    device: str
    """cpu or cuda."""
    validate_every_s: float


@dataclass(frozen=True)
class ExportOptions:
    """One export."""

    trained: Path
    """Run folder of `facewire train joint`, or a weights.safetensors."""
    data: Path
    """Labelled clips to which the probability tables are fitted."""
    out: Path
    """Bundle folder to write."""
    clips: int
    """Training clips read for the tables."""
    note: str
    """A line for bundle.json."""
