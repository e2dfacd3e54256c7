"""`facewire loopback`, `demo` and `bench`: the codec measured on clips, by itself and beside others."""

from __future__ import annotations

import argparse
import os
from math import radians
from pathlib import Path

from facewire.arguments import (
    Command,
    Need,
    add_input,
    add_json,
    add_max_frames,
    add_networks,
    add_portrait,
    add_preset,
    add_source_frame,
    add_sources,
    add_view,
    count,
    number,
    view_degrees,
)
from facewire.errors import InputError
from facewire.terminal import check_json, output, progress, write_json

LOOPBACK_EXAMPLES = """\
examples:
  facewire loopback talk.mp4 -o out.mp4                    camera and synthesis side by side
  facewire loopback talk.mp4 --loss 0.2 --rtt-ms 300       a bad link: a fifth of the packets lost
  facewire loopback talk.mp4 --loss 1101 --redundancy 0    every third packet lost, nothing repeated
  facewire loopback talk.mp4 --portrait her.png -o her.mp4 her portrait moves as the clip does
  facewire loopback talk.mp4 --yaw 15 -o turned.mp4        seen 15 degrees from the side
  facewire loopback talk.mkv --stream 1                    the second video of a file that holds several
  facewire loopback phone.mp4 --rotate 90                  a video in which the face lies on its side
  facewire loopback talk.mp4 -o out.mkv --json out.json    lossless pictures and figures for other programs

The picture is best when the source frame (--source-frame) shows the face from the front, eyes open, nothing before it.
"""

DEMO_EXAMPLES = """\
example:
  facewire demo --out demo_out

demo_out/index.html shows the videos side by side; its path is the last line printed. No network is needed.
"""

BENCH_EXAMPLES = """\
examples:
  facewire bench talks/ --out bench_out                  every clip of a folder against H.264, H.265, VP8, VP9 and AV1
  facewire bench talk.mp4 --small --out quick            the common rivals at a few points: minutes, not hours
  facewire bench talks/ --out bench_out --pairs 12       and a page that asks people which they prefer
  facewire bench --answers ada.csv bob.csv               what they said
  facewire bench talks/ --config mine.toml --out mine    other points; --show-config prints a file with all settings
  facewire bench --speed                                 what the codec costs on this machine, every backend

A run that was stopped goes on where it was when the same command is given again. FOLDER/report.html is the result. For all
figures: pip install 'facewire[bench,train,metrics]' and MediaPipe (docs/evaluation.md); what is missing is left out and named.
"""


def add_loopback_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", metavar="CLIP", help="a video file, or a camera's number (0 is the first)")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="video to write: .mkv (lossless) or .mp4")
    parser.add_argument(
        "--view",
        choices=("side-by-side", "reconstruction"),
        help="what the video shows (default: camera and synthesis side by side in .mp4, the synthesis alone in .mkv)",
    )
    add_json(parser)
    add_input(parser)
    add_max_frames(parser)
    parser.add_argument("--no-x264", action="store_true", help="do not compare with x264 at the same bytes")
    parser.add_argument("--no-landmarks", action="store_true", help="do not compare face landmarks (needs MediaPipe)")
    add_networks(parser)

    sending = parser.add_argument_group("sending")
    add_source_frame(sending)
    add_sources(sending)
    add_preset(sending)
    sending.add_argument(
        "--steps",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="make quantiser steps FACTOR times as large: fewer bytes, jerkier (default 1)",
    )
    sending.add_argument(
        "--coefficients", type=number, metavar="N", help="send only the N most important numbers of the expression"
    )
    sending.add_argument(
        "--frames-per-packet",
        type=count,
        default=1,
        metavar="N",
        help="frames gathered in a packet: less overhead, more delay (default 1)",
    )
    sending.add_argument(
        "--redundancy",
        type=number,
        default=1,
        metavar="N",
        help="earlier packets repeated in each, 0 to 2: repairs losses (default 1)",
    )

    link = parser.add_argument_group("the simulated link")
    link.add_argument(
        "--loss",
        type=_loss,
        default=0.0,
        metavar="SHARE|PATTERN",
        help="share of packets lost, such as 0.2, or a pattern such as 1101 (1 arrives, 0 is lost)",
    )
    link.add_argument("--rtt-ms", type=float, default=100.0, metavar="MS", help="round trip time (default 100)")
    link.add_argument(
        "--playout-delay-ms",
        type=float,
        default=100.0,
        metavar="MS",
        help="from a frame's capture to its display (default 100)",
    )
    link.add_argument("--seed", type=number, default=0, metavar="N", help="seed of the random losses (default 0)")

    view = parser.add_argument_group("view")
    add_view(view)
    add_portrait(view)


def loopback(options: argparse.Namespace) -> None:
    from facewire.benchmark.loopback import LoopbackOptions, run
    from facewire.benchmark.report import print_report, to_json
    from facewire.codec import Packing
    from facewire.receiver.decoder import FreeView
    from facewire.sender.media import InputOptions

    lossless = options.out is not None and options.out.suffix.lower() == ".mkv"
    shown = options.view or ("reconstruction" if lossless else "side-by-side")
    yaw, pitch, roll = map(radians, view_degrees(options))
    check_json(options.json, Path(options.clip), options.out, options.portrait)
    with progress(quiet=options.quiet) as tell:
        report = run(
            LoopbackOptions(
                clip=options.clip,
                input_options=InputOptions(options.stream, options.rotate),
                packing=Packing(options.preset, options.frames_per_packet, options.redundancy),
                source_frame=options.source_frame,
                sources=options.sources,
                step_scale=options.steps,
                coefficients=options.coefficients,
                loss=options.loss,
                rtt_ms=options.rtt_ms,
                playout_delay_ms=options.playout_delay_ms,
                seed=options.seed,
                view=FreeView(yaw, pitch, roll),
                portrait=options.portrait,
                out=options.out,
                side_by_side=shown == "side-by-side",
                max_frames=options.max_frames,
                weights=options.weights,
                backend=options.backend,
                rivals=not options.no_x264,
                landmarks=not options.no_landmarks,
            ),
            tell,
        )
    if not write_json(options.json, to_json(report)):
        print_report(report, output(), quiet=options.quiet)


def add_demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo_out"),
        metavar="FOLDER",
        help="where the page with the videos, and the figures go (default demo_out)",
    )
    add_max_frames(parser)
    add_networks(parser)


def demo(options: argparse.Namespace) -> None:
    from facewire.benchmark.demo import run_demo

    with progress(quiet=options.quiet) as tell:
        made = run_demo(options.out, options.weights, options.max_frames, tell, backend=options.backend)
    made.print(output())


def add_bench_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "clips", type=Path, nargs="*", metavar="CLIP", help="videos or folders of videos (default: the bundled clip)"
    )
    add_json(parser)
    add_networks(parser)

    what = parser.add_argument_group("the run")
    what.add_argument("--out", type=Path, metavar="FOLDER", help="folder of the run: report, points, streams")
    what.add_argument("--config", type=Path, metavar="FILE", help="TOML file of operating points and sampling")
    what.add_argument("--small", action="store_true", help="the common rivals at a few points each")
    what.add_argument("--show-config", action="store_true", help="print the configuration as TOML and stop")
    what.add_argument(
        "--workers", type=count, metavar="N", help="clips at once (default: one per processor, at most 8)"
    )
    what.add_argument("--keep-streams", action="store_true", help="keep every bitstream, for others to check")
    what.add_argument("--no-sockets", action="store_true", help="leave out the sample on real sockets (a minute)")
    what.add_argument("--no-costs", action="store_true", help="leave out times and memory")

    report = parser.add_argument_group("the report")
    report.add_argument(
        "--players", type=number, default=6, metavar="N", help="clips side by side in the report; 0: no pictures"
    )
    report.add_argument(
        "--pairs", type=count, default=0, metavar="N", help="also write a page of blind comparisons of N clips"
    )
    report.add_argument(
        "--answers", type=Path, nargs="+", metavar="FILE", help="evaluate people's answers (CSV files) and stop"
    )

    speed = parser.add_argument_group("speed")
    speed.add_argument("--speed", action="store_true", help="time every stage of sender and receiver instead")
    speed.add_argument("--frames", type=count, default=100, metavar="N", help="frames timed (default 100)")
    speed.add_argument("--threads", type=count, metavar="N", help="CPU threads of each network")


def bench(options: argparse.Namespace) -> None:
    if options.speed:
        _bench_speed(options)
    elif options.answers:
        from facewire.benchmark.bandwidth.pairs import read_answers, table_of

        output().print(table_of(read_answers(options.answers)))
    else:
        _bench_bandwidth(options)


def _runs_bandwidth(options: argparse.Namespace) -> bool:
    return not (options.speed or options.answers or options.show_config)


def _bench_bandwidth(options: argparse.Namespace) -> None:
    from facewire.benchmark.bandwidth.config import Config, as_toml, read_config, small_config

    if options.config is not None and options.small:
        raise InputError("--config or --small, not both")
    config = (
        read_config(options.config) if options.config is not None else small_config() if options.small else Config()
    )
    if options.show_config:
        print(as_toml(config), end="")
        return
    if options.out is None:
        raise InputError("--out FOLDER: where the run is kept; or --speed for times alone")
    if options.json is not None:
        raise InputError("--json goes with --speed; a run always writes report.json into its folder")
    from facewire.benchmark.bandwidth.bench import Extras, bench
    from facewire.benchmark.bandwidth.run import BenchOptions, clip_files
    from facewire.samples import sample_clip

    clips = clip_files(options.clips or [sample_clip()])
    workers = options.workers or min(8, os.cpu_count() or 1, len(clips))
    run = BenchOptions(clips, options.out, config, workers, options.weights, options.backend, options.keep_streams)
    extras = Extras(options.players, not options.no_costs, not options.no_sockets, options.pairs)
    bench(run, extras, output(), quiet=options.quiet)


def _bench_speed(options: argparse.Namespace) -> None:
    from facewire.benchmark.speed import measure_speed
    from facewire.samples import sample_clip

    if len(options.clips) > 1:
        raise InputError(f"--speed takes one clip, not {len(options.clips)}")
    clip = options.clips[0] if options.clips else sample_clip()
    check_json(options.json, clip)
    with progress(quiet=options.quiet) as tell:
        report = measure_speed(clip, options.weights, options.backend, options.threads, options.frames, tell)
    if not write_json(options.json, report.to_json()):
        report.print(output())


def _loss(text: str) -> float | str:
    """A share such as 0.2, or a pattern: two or more of 0 and 1 and nothing else."""
    if len(text) >= 2 and set(text) <= {"0", "1"}:
        return text
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a share from 0 to 1 nor a pattern such as 1101")
    return share


COMMANDS = (
    Command(
        "loopback",
        "send a clip to yourself and measure what comes out",
        add_loopback_arguments,
        loopback,
        LOOPBACK_EXAMPLES,
    ),
    Command("demo", "the codec on a bundled clip and a bundled portrait", add_demo_arguments, demo, DEMO_EXAMPLES),
    Command(
        "bench",
        "compare bytes and quality with other codecs, or measure speed",
        add_bench_arguments,
        bench,
        BENCH_EXAMPLES,
        (Need("bench", ("bjontegaard",), _runs_bandwidth),),
    ),
)
