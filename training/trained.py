"""Reading the weights of a training run, for the next stage or `export`."""

from __future__ import annotations

import json
from pathlib import Path

import safetensors
import safetensors.torch

from facewire.errors import InputError
from facewire.models.config import MODELS, ModelConfig
from facewire.models.face_codec import FaceCodec
from facewire.models.receiver_networks import grown


def size_of(path: Path) -> ModelConfig:
    """The model size stored with a run's weights; laptop if none is, as in a bundle."""
    with safetensors.safe_open(path, "pt") as file:
        said = (file.metadata() or {}).get("config")
    return ModelConfig(**json.loads(said)) if said else MODELS["laptop"]


def load_weights(model: FaceCodec, path: Path) -> set[str]:
    """Copy the tensors of a safetensors file to those of the model with the same names; 128-pixel weights grow to 256.

    From a file of another model size only face, scene and sender are taken, which are the same in all. Returns which of face,
    scene, sender and receiver were copied. Raises InputError if the file is missing or does not suit the model.
    """
    if not path.is_file():
        raise InputError(f"no such weights: {path}")
    mine = model.state_dict()
    loaded = {n: v for n, v in safetensors.torch.load_file(path).items() if n in mine}
    if size_of(path).name != model.config.name:
        loaded = {n: v for n, v in loaded.items() if not n.startswith("receiver.")}
    if not loaded:
        raise InputError(f"{path} holds no weights of this model")
    smaller = [n for n, v in loaded.items() if v.numel() > mine[n].numel()]
    if smaller:
        raise InputError(
            f"{path} is of a larger picture size than this model ({smaller[0]}): weights can grow, but not shrink"
        )
    model.load_state_dict({n: grown(v.float(), mine[n].shape) for n, v in loaded.items()}, strict=False)
    return {name.split(".")[0] for name in loaded}
