"""`facewire encode`: a clip into a `.fw` file."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from facewire.arguments import (
    Command,
    add_input,
    add_json,
    add_max_frames,
    add_networks,
    add_preset,
    add_source_frame,
    add_sources,
)
from facewire.errors import InputError
from facewire.terminal import check_json, output, print_notes, progress, write_json

STANDARD_OUTPUT = Path("-")

EXAMPLES = """\
examples:
  facewire encode talk.mp4 -o talk.fw                               the .fw file
  facewire encode talk.mp4 -o talk.fw --crop-video framed.mkv       and what the networks saw of the clip
  facewire encode talk.mp4 -o - | facewire decode - -o seen.mp4     through a pipe
  facewire encode phone.mp4 -o talk.fw --rotate 90                  a video in which the face lies on its side
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=Path, metavar="CLIP", help="a video file")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FILE", help="the .fw file to write, or - for standard output"
    )
    parser.add_argument(
        "--crop-video", type=Path, metavar="FILE", help="also write the framed camera pictures: .mkv (lossless) or .mp4"
    )
    add_input(parser)
    add_source_frame(parser)
    add_sources(parser)
    add_preset(parser)
    add_max_frames(parser)
    add_json(parser)
    add_networks(parser)


def run(options: argparse.Namespace) -> None:
    from facewire.models.runtime import load_networks
    from facewire.sender.bank import counted
    from facewire.sender.media import InputOptions
    from facewire.sender.record import record

    piped = options.out == STANDARD_OUTPUT
    if piped and sys.stdout.isatty():
        raise InputError("-o -: a .fw file is not for a terminal; send it to a program or a file")
    if piped and options.json == "-":
        raise InputError("the .fw file and the figures cannot both go to standard output")
    check_json(options.json, options.clip, options.out, options.crop_video)
    networks = load_networks(options.weights, backend=options.backend)
    with progress(quiet=options.quiet) as tell:
        done = record(
            options.clip,
            None if piped else options.out,
            networks,
            preset=options.preset,
            source_frame=options.source_frame,
            sources=options.sources,
            max_frames=options.max_frames,
            input_options=InputOptions(options.stream, options.rotate),
            crop_video=options.crop_video,
            progress=tell,
        )
    if piped:
        sys.stdout.buffer.write(done.data)
        sys.stdout.buffer.flush()
    payload = round(sum(done.payload_bytes))
    kbps = 8 * payload / (1000 * done.seconds)
    values = {
        "frames": done.frames,
        "seconds": round(done.seconds, 3),
        "fps": round(done.fps, 3),
        "size": done.size,
        "source_bytes": done.source_bytes,
        "sources": [asdict(source) for source in done.sources],
        "likeness": None if done.likeness is None else round(done.likeness, 4),
        "payload_bytes": [round(size, 2) for size in done.payload_bytes],
        "payload_kbps": round(kbps, 3),
        "file_bytes": done.file_bytes,
        "held": done.held,
        "remarks": done.remarks,
    }
    if not write_json(options.json, values):
        output(stderr=piped).print(
            f"{options.out}: {done.frames} frames in {done.file_bytes} bytes: {counted(len(done.sources))} {done.source_bytes}, "
            f"motion {payload} ({kbps:.2f} kbps)",
            markup=False,
            soft_wrap=True,
        )
        print_notes(done.remarks, quiet=options.quiet, stderr=piped)


COMMANDS = (Command("encode", "a clip into a .fw file of source frame and motion", add_arguments, run, EXAMPLES),)
