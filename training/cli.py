"""`facewire train`, `facewire evaluate` and `facewire export`: options in, a run folder, a scoreboard or a weight bundle out."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from facewire.errors import InputError


def add_arguments_train(parser: argparse.ArgumentParser) -> None:
    """Options of `facewire train`."""
    parser.add_argument("stage", choices=("sender", "receiver", "joint"), help="which part to train")
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled clips (manifest.csv, labels/)")
    parser.add_argument("--cache", type=Path, default=Path(".cache/frames"), help="where decoded frames are kept")
    parser.add_argument("--out", type=Path, required=True, help="run folder: checkpoints, curve, strips")
    parser.add_argument("--minutes", type=float, default=60.0, help="time budget, resumed time included (default 60)")
    parser.add_argument("--resume", action="store_true", help="go on from the run folder's state.pt")
    parser.add_argument("--start", type=Path, action="append", default=[], help="weights to start from; may be repeated")
    parser.add_argument("--size", type=int, choices=(128, 256), default=128, help="picture side for receiver and joint")
    parser.add_argument("--batch", type=int, default=8, help="source frames a step (default 8)")
    parser.add_argument("--rate", type=float, help="peak learning rate (default: the stage's own)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="random seed (default 1)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default auto)")
    parser.add_argument("--validate-every", type=float, default=300.0, help="seconds between validations (default 300)")


def run_train(args: argparse.Namespace) -> None:
    """Train one stage."""
    import torch

    from facewire.training.data import open_store
    from facewire.training.loop import LoopOptions, Stage, train

    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    store = open_store(args.data, args.cache, "train")
    val = open_store(args.data, args.cache, "val", store.space)
    resident = device.type == "cuda"
    stage: Stage
    if args.stage == "sender":
        from facewire.training.sender_stage import SenderStage

        stage = SenderStage(store, val, device, args.batch, args.seed, resident)
        options = LoopOptions(args.minutes, args.rate or 2e-3, clip=5.0, ema=0.998)
    else:
        from facewire.training.receiver_stage import JointStage, ReceiverStage

        kind = ReceiverStage if args.stage == "receiver" else JointStage
        stage = kind(store, val, device, args.batch, args.size, args.seed, resident)
        options = LoopOptions(args.minutes, args.rate or 1e-3, clip=1.0, ema=0.998)
    options = LoopOptions(**(vars(options) | {"validate_every_s": args.validate_every}))
    for path in args.start:
        load_weights(stage.model, path)
    train(stage, options, args.out, args.resume, Console(stderr=True).print)


def load_weights(model: "torch.nn.Module", path: Path) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Copy every tensor of a safetensors file that the model has by that name; grows 128-pixel weights to 256."""
    import safetensors.torch

    from facewire.models.receiver_networks import grown

    if not path.is_file():
        raise InputError(f"no such weights: {path}")
    mine = model.state_dict()
    loaded = {n: v for n, v in safetensors.torch.load_file(path).items() if n in mine}
    if not loaded:
        raise InputError(f"{path} holds no weights of this model")
    model.load_state_dict({n: grown(v.float(), mine[n].shape) for n, v in loaded.items()}, strict=False)
