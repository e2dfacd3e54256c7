"""Weight bundles: folders that describe themselves. Sender and receiver must use the same one.

    bundle.json          format, configuration, SHA-256 of the other files, how it was trained
    weights.safetensors  every tensor once: networks in float16, geometry in float32, quantiser steps, probability tables
    sender.onnx  appearance.onnx  render.onnx      graphs whose weights are offsets into weights.safetensors

`load_bundle` reads a folder into a `Bundle`, from which `codec` takes steps, tables and hash, and `models.runtime` the graphs.
It needs no torch. `models.export` writes bundles.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from facewire.errors import WeightsError
from facewire.models.config import ModelConfig

FORMAT = 3
WEIGHTS_FILE = "weights.safetensors"
DEFAULT_BUNDLE = Path(__file__).parent / "weights" / "laptop"
GRAPHS = ("sender", "appearance", "render")
HASH_BYTES = 8


@dataclass(frozen=True)
class Bundle:
    """A weight bundle, read and checked."""

    folder: Path
    """The folder with the graphs."""
    config: ModelConfig
    """Sizes of the networks."""
    hash: bytes
    """First 8 bytes of the SHA-256 of weights.safetensors, which must be the same on both sides of a call."""
    steps: NDArray[np.float32]
    """(14 + E,) quantiser steps: radians, half picture widths, log-scale, half picture widths of scene, code units."""
    canonical_step: float
    """Quantiser step of the canonical shape code."""
    scene_basis: NDArray[np.float32]
    """(8, 2, 16, 16) and"""
    scene_spread: NDArray[np.float32]
    """(8,): what the scene code stands for, as `sender.scene_motion.SceneSpace` says."""
    tables: bytes
    """Probability tables, for `codec.Tables.from_bytes`."""

    @property
    def name(self) -> str:
        """Name of the model size."""
        return self.config.name

    @property
    def picture_size(self) -> int:
        """Side of the pictures in pixels."""
        return self.config.picture_size

    @property
    def expression_size(self) -> int:
        """E."""
        return self.config.expression_size

    @property
    def canonical_size(self) -> int:
        """C."""
        return self.config.canonical_size


def load_bundle(folder: Path | None = None) -> Bundle:
    """Read a bundle folder (default: the laptop weights that ship with the package); WeightsError if it cannot be used."""
    folder = DEFAULT_BUNDLE if folder is None else folder
    try:
        about = json.loads((folder / "bundle.json").read_text())
        blob = (folder / WEIGHTS_FILE).read_bytes()
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{folder} is not a weight bundle: bundle.json and {WEIGHTS_FILE} are needed ({error})"
        ) from None
    found = about.get("format") if isinstance(about, dict) else None
    if found != FORMAT:
        raise WeightsError(f"{folder}: weights of bundle format {found}; this facewire reads format {FORMAT}")
    digest = hashlib.sha256(blob)
    try:
        for name, wanted in about["sha256"].items():
            found = digest if name == WEIGHTS_FILE else hashlib.sha256((folder / name).read_bytes())
            if found.hexdigest() != wanted:
                raise WeightsError(f"{folder}: {name} is damaged: its SHA-256 is not the one bundle.json names")
    except (OSError, KeyError, AttributeError, TypeError) as error:
        raise WeightsError(f"{folder}: incomplete weight bundle ({error})") from None
    try:
        tensors = safetensors.numpy.load(blob)
        return Bundle(
            folder=folder,
            config=ModelConfig(**about["config"]),
            hash=digest.digest()[:HASH_BYTES],
            steps=tensors["coding.steps"],
            canonical_step=float(tensors["coding.canonical_step"][0]),
            scene_basis=tensors["scene.basis"],
            scene_spread=tensors["scene.spread"],
            tables=tensors["coding.tables"].tobytes(),
        )
    except (KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{folder}: incomplete weight bundle ({error})") from None
