"""`facewire decode`: a `.fw` file into a video."""

from __future__ import annotations

import argparse
from math import radians
from pathlib import Path

from facewire.arguments import Command, add_json, add_networks, add_view, view_degrees
from facewire.terminal import check_json, output, progress, write_json

EXAMPLES = """\
examples:
  facewire decode talk.fw -o talk.mkv                     lossless pictures
  facewire decode talk.fw -o talk.mp4 --yaw 15            seen 15 degrees from the side
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="a .fw file, or - for standard input; nothing else is read"
    )
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FILE", help="video to write: .mkv (lossless) or .mp4"
    )
    add_view(parser)
    add_json(parser)
    add_networks(parser)


def run(options: argparse.Namespace) -> None:
    from facewire.models.runtime import load_networks
    from facewire.receiver.decoder import FreeView
    from facewire.receiver.play import play

    check_json(options.json, options.file, options.out)
    yaw, pitch, roll = map(radians, view_degrees(options))
    networks = load_networks(options.weights, backend=options.backend)
    with progress(quiet=options.quiet) as tell:
        done = play(options.file, options.out, networks, view=FreeView(yaw, pitch, roll), progress=tell)
    values = {"frames": done.frames, "fps": round(done.fps, 3), "size": done.size, "file_bytes": done.file_bytes}
    if not write_json(options.json, values):
        line = f"{options.out}: {done.frames} frames of {done.size} x {done.size} from {done.file_bytes} bytes"
        output().print(line, markup=False, soft_wrap=True)


COMMANDS = (Command("decode", "a .fw file into a video", add_arguments, run, EXAMPLES),)
