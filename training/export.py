"""From a finished training run to a weight bundle, with graphs, quantiser steps and tables fitted to training clips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from facewire.codec import Motion, Quantiser, default_tables, fit_tables
from facewire.errors import InputError
from facewire.models.export import export_bundle
from facewire.models.face_codec import FaceCodec, motion_vector
from facewire.sender.scene_motion import SceneSpace, SceneTracker
from facewire.training.data import read_clip, read_manifest
from facewire.training.options import ExportOptions
from facewire.training.trained import load_weights, size_of

PICTURE_SIZE = 256
"""Side of a bundle's pictures, whatever that of the run."""
CANONICAL_STEP = 0.05
"""Quantiser step of the canonical shape code (unit: one standard deviation over people)."""


def export(options: ExportOptions, console: Console) -> None:
    """Write the bundle. console: shows progress. Raises InputError for weights that lack some of the networks."""
    path = options.trained / "weights.safetensors" if options.trained.is_dir() else options.trained
    if not path.is_file():
        raise InputError(f"no such weights: {path}")
    config = replace(size_of(path), picture_size=PICTURE_SIZE)
    codec = FaceCodec(config).eval()
    if missing := {"face", "scene", "sender", "receiver"} - load_weights(codec, path):
        raise InputError(
            f"{path} lacks the {' and '.join(sorted(missing))} weights: export the run of `facewire train joint`"
        )
    quantiser = Quantiser.default(config.expression_size)
    space = SceneSpace(codec.scene.basis.numpy(), codec.scene.spread.numpy())
    rows = read_manifest(options.data, "train")
    rows = rows[:: max(1, len(rows) // options.clips)]
    sequences = []
    for row in track(rows, description="reading motion", console=console):
        with torch.no_grad():
            clip = read_clip(row.path)
            frames = torch.from_numpy(clip).permute(0, 3, 1, 2)
            parts = [motion_vector(codec.read(part.float() / 255)) for part in torch.split(frames, 32)]
        motions = [Motion.from_head(head) for head in torch.cat(parts).numpy()]
        tracker = SceneTracker(space, clip[0], motions[0])
        vectors = [tracker.follow(frame, motion).vector() for frame, motion in zip(clip, motions, strict=True)]
        sequences.append((np.stack(vectors), row.fps))
    tables = fit_tables(sequences, quantiser) if sequences else default_tables(config.expression_size)
    training = {"note": options.note, "table_clips": len(rows)}
    export_bundle(codec, options.out, quantiser.steps, CANONICAL_STEP, tables.to_bytes(), training)
