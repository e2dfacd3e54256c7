"""One run of one stage: it puts data, networks and losses together for `loop`."""

from __future__ import annotations

from functools import partial

import torch
from rich.console import Console

from facewire.errors import InputError
from facewire.training.batches import fits
from facewire.training.data import open_store
from facewire.training.joint_stage import JointStage, JointWeights
from facewire.training.loop import LoopOptions, train
from facewire.training.options import TrainOptions
from facewire.training.ranks import Ranks
from facewire.training.receiver_stage import ReceiverStage
from facewire.training.sender_stage import SenderStage
from facewire.training.stage import Stage, StageSetup
from facewire.training.trained import load_weights


def train_stage(options: TrainOptions, ranks: Ranks, console: Console) -> None:
    """Train a stage into its run folder. console: shows progress. Raises InputError for unusable data, weights or options."""
    device = torch.device("cuda", ranks.local) if options.device == "cuda" else torch.device(options.device)
    seed = ranks.seed(options.seed)
    if not ranks.first:
        ranks.wait()  # until rank 0 has decoded the clips
    store = open_store(options.data, options.cache, "train")
    val = open_store(options.data, options.cache, "val", store.space)
    if ranks.first:
        ranks.wait()
    resident = device.type == "cuda" and fits(store, device)
    if device.type == "cuda" and not resident and ranks.first:
        size = store.pictures.nbytes / 1e9
        console.print(
            f"{size:.1f} GB of pictures do not fit into the GPU: batches are read from the cache, which is slower"
        )
    if options.weights and options.stage != "joint":
        raise InputError("--weight is for the joint stage only")
    setup = StageSetup(store, val, device, options.batch, seed, options.size, options.model, resident)
    stage: Stage
    if options.stage == "sender":
        stage = SenderStage(setup)
        rate, clip = options.rate or 2e-3, 5.0
    else:
        if options.stage == "joint":
            try:
                stage = JointStage(setup, JointWeights().changed(list(options.weights)))
            except ValueError as error:
                raise InputError(f"--weight: {error}") from error
        else:
            stage = ReceiverStage(setup)
        rate, clip = options.rate or 1e-3, 1.0
    loop = LoopOptions(
        options.minutes, rate, clip, ema=0.998, validate_every_s=options.validate_every_s, steps=options.steps
    )
    for path in options.start:
        load_weights(stage.model, path)
    if not options.resume:
        stage.prepare()
    train(stage, loop, options.out, options.resume, partial(console.print, soft_wrap=True), ranks)
