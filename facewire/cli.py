"""The command `facewire`: options in, one of the packages called, its outcome printed.

Errors of ours (`facewire.errors`) become one line on standard error and exit code 2; Ctrl-C exits with 130 and leaves
no half files. Every command imports what it needs when it runs, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from facewire import __version__
from facewire.errors import FacewireError, InputError

if TYPE_CHECKING:
    from rich.console import Console

    from facewire.models.runtime import Networks
    from facewire.receiver.decoder import FreeView

PRESETS = ("high", "default", "low", "lowest")
BACKENDS = ("auto", "openvino", "onnxruntime", "torch")
TRAINING_NEEDS = {
    "prepare": (),
    "train": ("torch",),
    "evaluate": ("torch",),
    "export": ("torch", "onnx", "onnxscript"),
}
MAX_NUMBER = 1_000_000_000
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130

EXAMPLES = """\
examples:
  facewire loopback talk.mp4 -o talk_out.mp4       see and measure the codec on a clip
  facewire loopback 0 --max-frames 300 -o me.mp4   the same on the first camera
  facewire encode talk.mp4 -o talk.fw              a clip into a few kilobytes
  facewire decode talk.fw -o talk_out.mkv          and back, seeing only that file
  facewire demo --out demo_out                     the codec on bundled pictures, no network needed
  facewire bench talks/ --out bench_out            bytes against quality beside H.264, H.265, VP8, VP9 and AV1
  facewire bench --speed                           what it costs on this machine
  facewire info                                    version, backends, weights
  facewire serve --open                            a signalling server for this machine alone
  facewire call kitchen                            a call with whoever else is in that room
"""

SERVE_EXAMPLES = """\
examples:
  facewire serve --open                                       for trying out on this machine: no tokens
  head -c 32 /dev/urandom | base64 > secret                   for real: a secret, once,
  facewire serve --host 0.0.0.0 --secret-file secret \\
      --tls-cert fullchain.pem --tls-key privkey.pem          the server,
  facewire token kitchen --secret-file secret                 and a token for each person invited
  facewire serve --secret-file secret --host 0.0.0.0 --ice 'turn:turn.example:3478?transport=udp' \\
      --ice 'turn:turn.example:3478?transport=tcp' --turn-secret-file turn-secret
                                                              with a coturn that has the same static-auth-secret

The secrets can also be given in the environment, as FACEWIRE_SECRET and FACEWIRE_TURN_SECRET. SIGTERM ends the server
gracefully: clients are told, come back to the next one, and calls go on meanwhile. See docs/signaling.md.
"""

TOKEN_EXAMPLES = """\
examples:
  facewire token kitchen --secret-file secret             a token for one person, good for ten minutes
  facewire token kitchen --minutes 1440                   for a day; the secret is in FACEWIRE_SECRET
  facewire call kitchen --token "$(facewire token kitchen --secret-file secret)"

A token lets one person into one room. It must be used before it expires; whoever is in by then can stay and come back.
"""

LOOPBACK_EXAMPLES = """\
examples:
  facewire loopback talk.mp4 -o out.mp4                    camera and synthesis side by side
  facewire loopback talk.mp4 --loss 0.2 --rtt-ms 300       a bad link: a fifth of the packets lost
  facewire loopback talk.mp4 --loss 1101 --redundancy 0    every third packet lost, nothing repeated
  facewire loopback talk.mp4 --portrait her.png -o her.mp4 her portrait moves as the clip does
  facewire loopback talk.mp4 --yaw 15 -o turned.mp4        seen 15 degrees from the side
  facewire loopback talk.mp4 -o out.mkv --json out.json    lossless pictures and figures for other programs

The picture is best when the source frame (--source-frame) shows the face from the front, eyes open, nothing before it.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        options = build_parser(arguments[0] if arguments else None).parse_args(arguments)
        options.run(options)
        sys.stdout.flush()
    except FacewireError as error:
        print(f"facewire: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # whoever read it, such as `head`, has left
    except OSError as error:
        # Files are handled where they are opened; what gets here is the machine, such as a full disk behind `> FILE`.
        _drop_output()
        print(f"facewire: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_ERROR
    return 0


def _drop_output() -> None:
    """Standard output goes nowhere from here on; keeps Python from complaining about what it cannot write at exit."""
    with contextlib.suppress(OSError):  # one without a file behind it, as in tests
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the options in one line, as all our errors are said."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_ERROR, f"{self.prog}: {message}; {self.prog} --help tells more\n")


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """All commands and their options; those of a training command only if it is the one to run."""
    parser = _Parser(
        prog="facewire",
        description="A neural video-call codec: one source frame, then only head motion, at a few kilobits a second.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"facewire {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_loopback(commands)
    _add_encode(commands)
    _add_decode(commands)
    _add_demo(commands)
    _add_bench(commands)
    _add_info(commands)
    for name, line in (
        ("call", "talk with the other person in a room"),
        ("send", "be seen and heard in a room, see nobody"),
        ("receive", "see and hear the other person in a room, send nothing"),
    ):
        _add_call(commands, name, line)
    _add_serve(commands)
    _add_token(commands)
    for name, line in (
        ("prepare", "cut and label raw videos for training"),
        ("train", "train the networks"),
        ("evaluate", "score trained networks on clips never trained on"),
        ("export", "write trained networks as a weight bundle"),
    ):
        _add_training(commands, name, line, wanted=name == command)
    return parser


# --- loopback


def _add_loopback(commands: Any) -> None:
    parser = _command(commands, "loopback", "send a clip to yourself and measure what comes out", LOOPBACK_EXAMPLES)
    parser.add_argument("clip", help="a video file, or a camera's number (0 is the first)")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="video to write: .mkv (lossless) or .mp4")
    parser.add_argument(
        "--view",
        choices=("side-by-side", "reconstruction"),
        help="what the video shows (default: camera and synthesis side by side in .mp4, the synthesis alone in .mkv)",
    )
    _add_json(parser)
    parser.add_argument("--max-frames", type=_count, metavar="N", help="stop after N frames")
    parser.add_argument("--no-x264", action="store_true", help="do not compare with x264 at the same bytes")
    parser.add_argument("--no-landmarks", action="store_true", help="do not compare face landmarks (needs MediaPipe)")
    _add_weights(parser)

    sending = parser.add_argument_group("sending")
    _add_picture_and_preset(sending)
    sending.add_argument(
        "--steps",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="quantiser steps FACTOR times as large: fewer bytes, jerkier (default 1)",
    )
    sending.add_argument(
        "--coefficients", type=_number, metavar="N", help="send only the N most important numbers of the expression"
    )
    sending.add_argument(
        "--frames-per-packet",
        type=_count,
        default=1,
        metavar="N",
        help="frames gathered in a packet: less overhead, more delay (default 1)",
    )
    sending.add_argument(
        "--redundancy",
        type=_number,
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
    link.add_argument("--seed", type=_number, default=0, metavar="N", help="of the random losses (default 0)")

    seeing = parser.add_argument_group("seeing")
    _add_view(seeing)
    seeing.add_argument(
        "--portrait",
        type=Path,
        metavar="PICTURE",
        help="move the face of this picture instead; use pictures of people who agreed to it",
    )
    parser.set_defaults(run=_run_loopback)


def _run_loopback(options: argparse.Namespace) -> None:
    from facewire.benchmark.loopback import LoopbackOptions, run
    from facewire.benchmark.report import print_report, to_json
    from facewire.codec import Packing

    lossless = options.out is not None and options.out.suffix.lower() == ".mkv"
    view = options.view or ("reconstruction" if lossless else "side-by-side")
    _check_json(options.json, Path(options.clip), options.out, options.portrait)
    with _progress() as progress:
        report = run(
            LoopbackOptions(
                clip=options.clip,
                packing=Packing(options.preset, options.frames_per_packet, options.redundancy),
                source_frame=options.source_frame,
                step_scale=options.steps,
                coefficients=options.coefficients,
                loss=options.loss,
                rtt_ms=options.rtt_ms,
                playout_delay_ms=options.playout_delay_ms,
                seed=options.seed,
                view=_free_view(options),
                portrait=options.portrait,
                out=options.out,
                side_by_side=view == "side-by-side",
                max_frames=options.max_frames,
                weights=options.weights,
                backend=options.backend,
                rivals=not options.no_x264,
                landmarks=not options.no_landmarks,
            ),
            progress,
        )
    if not _write_json(options.json, to_json(report)):
        print_report(report, _console())


# --- encode and decode


def _add_encode(commands: Any) -> None:
    examples = "example:\n  facewire encode talk.mp4 -o talk.fw --crop-video framed.mkv\n"
    parser = _command(commands, "encode", "a clip into a .fw file of source frame and motion", examples)
    parser.add_argument("clip", type=Path, help="a video file")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="the .fw file to write")
    parser.add_argument(
        "--crop-video", type=Path, metavar="FILE", help="also write the framed camera pictures: .mkv (lossless) or .mp4"
    )
    _add_picture_and_preset(parser)
    parser.add_argument("--max-frames", type=_count, metavar="N", help="stop after N frames")
    _add_json(parser)
    _add_weights(parser)
    parser.set_defaults(run=_run_encode)


def _run_encode(options: argparse.Namespace) -> None:
    from facewire.sender.record import record

    _check_json(options.json, options.clip, options.out, options.crop_video)
    networks = _networks(options)
    with _progress() as progress:
        done = record(
            options.clip,
            options.out,
            networks,
            preset=options.preset,
            source_frame=options.source_frame,
            max_frames=options.max_frames,
            crop_video=options.crop_video,
            progress=progress,
        )
    payload = round(sum(done.payload_bytes))
    kbps = 8 * payload / (1000 * done.seconds)
    values = {
        "frames": done.frames,
        "seconds": round(done.seconds, 3),
        "fps": round(done.fps, 3),
        "size": done.size,
        "source_bytes": done.source_bytes,
        "payload_bytes": [round(size, 2) for size in done.payload_bytes],
        "payload_kbps": round(kbps, 3),
        "file_bytes": done.file_bytes,
        "remarks": done.remarks,
    }
    if not _write_json(options.json, values):
        console = _console()
        console.print(
            f"{options.out}: {done.frames} frames in {done.file_bytes} bytes: source frame {done.source_bytes}, "
            f"motion {payload} ({kbps:.2f} kbps)",
            markup=False,
            soft_wrap=True,
        )
        for remark in done.remarks:
            console.print(f"note: {remark}", style="yellow", markup=False, soft_wrap=True)


def _add_decode(commands: Any) -> None:
    examples = "example:\n  facewire decode talk.fw -o talk.mkv\n"
    parser = _command(commands, "decode", "a .fw file into a video", examples)
    parser.add_argument("file", type=Path, help="a .fw file; nothing else is read but the weights")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FILE", help="video to write: .mkv (lossless) or .mp4"
    )
    _add_view(parser)
    _add_json(parser)
    _add_weights(parser)
    parser.set_defaults(run=_run_decode)


def _run_decode(options: argparse.Namespace) -> None:
    from facewire.receiver.play import play

    _check_json(options.json, options.file, options.out)
    view = _free_view(options)
    networks = _networks(options)
    with _progress() as progress:
        done = play(options.file, options.out, networks, view=view, progress=progress)
    values = {"frames": done.frames, "fps": round(done.fps, 3), "size": done.size, "file_bytes": done.file_bytes}
    if not _write_json(options.json, values):
        line = f"{options.out}: {done.frames} frames of {done.size} x {done.size} from {done.file_bytes} bytes"
        _console().print(line, markup=False, soft_wrap=True)


# --- demo, info, training


def _add_demo(commands: Any) -> None:
    examples = "example:\n  facewire demo --out demo_out\n"
    parser = _command(commands, "demo", "the codec on a bundled clip and a bundled portrait", examples)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo_out"),
        metavar="FOLDER",
        help="where videos, the picture strip and figures go (default demo_out)",
    )
    parser.add_argument("--max-frames", type=_count, metavar="N", help="only the first N frames of the clip")
    _add_weights(parser)
    parser.set_defaults(run=_run_demo)


def _run_demo(options: argparse.Namespace) -> None:
    from facewire.benchmark.demo import run_demo

    with _progress() as progress:
        demo = run_demo(options.out, options.weights, options.max_frames, progress, backend=options.backend)
    demo.print(_console())


BENCH_EXAMPLES = """\
examples:
  facewire bench talks/ --out bench_out                  every clip of a folder against H.264, H.265, VP8, VP9 and AV1
  facewire bench talk.mp4 --small --out quick            the common rivals at a few points: minutes, not hours
  facewire bench talks/ --out bench_out --pairs 12       and a page that asks people which they prefer
  facewire bench --answers ada.csv bob.csv               what they said
  facewire bench talks/ --config mine.toml --out mine    other points; --show-config prints a file with all settings
  facewire bench --speed                                 what the codec costs on this machine, every backend

A run that was stopped goes on where it was when the same command is given again. DIR/report.html is the result. For all figures:
pip install 'facewire[bench,train,metrics]' and MediaPipe (docs/evaluation.md); what is missing is left out and named.
"""


def _add_bench(commands: Any) -> None:
    parser = _command(commands, "bench", "bytes against quality beside other codecs; or speed", BENCH_EXAMPLES)
    parser.add_argument(
        "clips", type=Path, nargs="*", help="videos with a face, or folders of them (default: the bundled clip)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run: report, points, streams")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file of operating points and sampling")
    parser.add_argument("--small", action="store_true", help="the common rivals at a few points each")
    parser.add_argument("--show-config", action="store_true", help="print the configuration as TOML and stop")
    parser.add_argument(
        "--workers", type=_count, metavar="N", help="clips at once (default: one a processor, at most 8)"
    )
    parser.add_argument("--keep-streams", action="store_true", help="keep every bitstream, for others to check")
    parser.add_argument(
        "--players", type=_number, default=6, metavar="N", help="clips side by side in the report; 0: no pictures"
    )
    parser.add_argument(
        "--pairs", type=_count, default=0, metavar="N", help="also a page of blind comparisons of N clips"
    )
    parser.add_argument(
        "--answers", type=Path, nargs="+", metavar="CSV", help="evaluate what people answered, and stop"
    )
    parser.add_argument("--no-sockets", action="store_true", help="leave out the sample on real sockets (a minute)")
    parser.add_argument("--no-costs", action="store_true", help="leave out times and memory")
    speed = parser.add_argument_group("speed")
    speed.add_argument("--speed", action="store_true", help="ms of every stage of sender and receiver instead")
    speed.add_argument("--frames", type=_count, default=100, metavar="N", help="frames timed (default 100)")
    speed.add_argument("--threads", type=_count, metavar="N", help="CPU threads of each network")
    _add_json(parser)
    _add_weights(parser)
    parser.set_defaults(run=_run_bench)


def _run_bench(options: argparse.Namespace) -> None:
    if options.speed:
        _run_speed(options)
    elif options.answers:
        from facewire.benchmark.bandwidth.pairs import read_answers, table_of

        _console().print(table_of(read_answers(options.answers)))
    else:
        _run_bandwidth(options)


def _run_bandwidth(options: argparse.Namespace) -> None:
    from facewire.benchmark.bandwidth.config import Config, as_toml, read_config, small_config

    if options.config is not None and options.small:
        raise InputError("--config or --small, not both")
    config = (
        read_config(options.config) if options.config is not None else small_config() if options.small else Config()
    )
    if options.show_config:
        print(as_toml(config), end="")
        return
    _need("bench CLIPS", "bjontegaard", extra="bench")
    if options.out is None:
        raise InputError("--out DIR: where the run is kept; or --speed for times alone")
    if options.json is not None:
        raise InputError("--json goes with --speed; a run always writes report.json into its folder")
    from facewire.benchmark.bandwidth.command import Extras, bench
    from facewire.benchmark.bandwidth.run import BenchOptions, clip_files
    from facewire.samples import sample_clip

    clips = clip_files(options.clips or [sample_clip()])
    workers = options.workers or min(8, os.cpu_count() or 1, len(clips))
    run = BenchOptions(clips, options.out, config, workers, options.weights, options.backend, options.keep_streams)
    extras = Extras(options.players, not options.no_costs, not options.no_sockets, options.pairs)
    bench(run, extras, _console())


def _run_speed(options: argparse.Namespace) -> None:
    from facewire.benchmark.speed import measure_speed
    from facewire.samples import sample_clip

    if len(options.clips) > 1:
        raise InputError(f"--speed takes one clip, not {len(options.clips)}")
    clip = options.clips[0] if options.clips else sample_clip()
    _check_json(options.json, clip)
    with _progress() as progress:
        report = measure_speed(clip, options.weights, options.backend, options.threads, options.frames, progress)
    if not _write_json(options.json, report.to_json()):
        report.print(_console())


def _add_info(commands: Any) -> None:
    parser = _command(commands, "info", "version, backends and weights", "")
    _add_json(parser)
    _add_weights(parser)
    parser.set_defaults(run=_run_info)


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _run_info(options: argparse.Namespace) -> None:
    import av
    import cv2

    from facewire.models.backends import advice

    networks = _networks(options)
    bundle = networks.bundle
    values: dict[str, Any] = {
        "facewire": __version__,
        "python": sys.version.split()[0],
        "backend": f"{networks.backend.name} on {networks.backend.device}",
        "precision": networks.backend.precision,
        "chosen": "by --backend" if options.backend != "auto" else networks.backend.why,
        "faster with": advice(networks.backend) or "nothing known",
        "processors": os.cpu_count(),
        "onnxruntime": _version("onnxruntime"),
        "openvino": _version("openvino"),
        "av": av.__version__,
        "opencv": cv2.__version__,
        "rich": _version("rich"),
        "weights": bundle.name,
        "weights_hash": bundle.hash.hex(),
        "picture_size": bundle.picture_size,
        "expression_size": bundle.expression_size,
        "training": importlib.util.find_spec("torch") is not None,
    }
    if not _write_json(options.json, values):
        for name, value in values.items():
            print(f"{name:16} {', '.join(value) if isinstance(value, list) else value}")


# --- signalling


def _add_call(commands: Any, name: str, line: str) -> None:
    from facewire.call import command

    parser = _command(commands, name, line, command.EXAMPLES[name])
    command.add_arguments(parser, name)
    _add_json(parser)
    _add_weights(parser)
    parser.set_defaults(run=_run_call, command=name)


def _run_call(options: argparse.Namespace) -> None:
    _need(options.command, "aiortc", "msgpack", "uvloop", extra="call")
    from facewire.call.command import read_options, run

    wanted = read_options(options, options.command)
    _check_json(options.json, *(Path(path) for path in (wanted.media.video, wanted.media.out) if path is not None))
    run(wanted, lambda values: _write_json(options.json, values))


def _add_serve(commands: Any) -> None:
    line = "the signalling server, where the two people of a call meet"
    parser = _command(commands, "serve", line, SERVE_EXAMPLES)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8787, help="TCP port, 0 for any free one (default 8787)")
    who = parser.add_argument_group("who may come")
    who.add_argument("--open", action="store_true", help="everybody on this machine, without tokens")
    _add_secret(who)
    who.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="web page that may connect, such as https://call.example; repeat for more (default: none)",
    )
    ice = parser.add_argument_group("what clients are told")
    ice.add_argument(
        "--ice",
        action="append",
        default=[],
        metavar="URL",
        help="STUN or TURN server, such as turn:turn.example:3478?transport=udp; repeat for more",
    )
    ice.add_argument(
        "--turn-secret-file",
        type=Path,
        metavar="FILE",
        help="coturn's static-auth-secret (default: $FACEWIRE_TURN_SECRET)",
    )
    house = parser.add_argument_group("how it is run")
    house.add_argument("--redis", metavar="URL", help="share rooms with other servers, such as redis://host:6379/0")
    house.add_argument("--tls-cert", type=Path, metavar="FILE", help="PEM certificate chain: serve wss://")
    house.add_argument("--tls-key", type=Path, metavar="FILE", help="its PEM key")
    house.add_argument(
        "--behind-proxy",
        action="store_true",
        help="a reverse proxy before it sets X-Forwarded-For; without one, clients could lie about their address",
    )
    parser.set_defaults(run=_run_serve)


def _run_serve(options: argparse.Namespace) -> None:
    _need("serve", "jwt", "prometheus_client", "uvloop", *(["redis"] if options.redis else []), extra="server")
    from facewire.signaling.server import ServerOptions, SignalingServer, run
    from facewire.signaling.tokens import load_secret

    secret = load_secret(options.secret_file, "FACEWIRE_SECRET")
    if options.open and secret is not None:
        raise InputError("--open and a secret exclude each other (is FACEWIRE_SECRET set?)")
    if not options.open and secret is None:
        raise InputError("serve needs --secret-file or FACEWIRE_SECRET, or --open to try it on this machine alone")

    def tell(server: SignalingServer) -> None:
        print(f"listening on {server.url}{' (open to everybody on this machine)' if options.open else ''}", flush=True)

    run(
        ServerOptions(
            host=options.host,
            port=options.port,
            secret=secret,
            ice_urls=tuple(options.ice),
            turn_secret=load_secret(options.turn_secret_file, "FACEWIRE_TURN_SECRET"),
            origins=tuple(options.origin),
            redis_url=options.redis,
            behind_proxy=options.behind_proxy,
            tls_certificate=options.tls_cert,
            tls_key=options.tls_key,
        ),
        tell,
    )


def _add_token(commands: Any) -> None:
    parser = _command(commands, "token", "an invitation: lets one person into a room", TOKEN_EXAMPLES)
    parser.add_argument("room", help="1 to 64 of A-Z a-z 0-9 . _ -")
    _add_secret(parser)
    parser.add_argument(
        "--minutes", type=_minutes, default=10, metavar="N", help="how soon it must be used, up to 10080 (default 10)"
    )
    parser.set_defaults(run=_run_token)


def _run_token(options: argparse.Namespace) -> None:
    _need("token", "jwt", extra="server")
    from facewire.signaling.tokens import load_secret, mint

    secret = load_secret(options.secret_file, "FACEWIRE_SECRET")
    if secret is None:
        raise InputError("token needs the server's secret: --secret-file or FACEWIRE_SECRET")
    print(mint(secret, options.room, 60 * options.minutes))


def _add_secret(parser: Any) -> None:
    parser.add_argument(
        "--secret-file",
        type=Path,
        metavar="FILE",
        help="the secret that signs tokens, at least 32 bytes (default: $FACEWIRE_SECRET)",
    )


def _need(command: str, *modules: str, extra: str) -> None:
    """InputError if a module that only this command needs is not installed."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise InputError(f"{command} needs {', '.join(missing)}: pip install 'facewire[{extra}]'")


def _add_training(commands: Any, name: str, line: str, *, wanted: bool) -> None:
    parser = _command(commands, name, f"{line} (needs facewire[train])", "")
    if not wanted:
        return  # their options live beside the trainer, which only they load
    _need(name, *TRAINING_NEEDS[name], extra="train")
    training = importlib.import_module("facewire.training.cli")
    getattr(training, f"add_arguments_{name}")(parser)
    parser.set_defaults(run=getattr(training, f"run_{name}"))


# --- what the commands share


def _command(commands: Any, name: str, line: str, epilog: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=line,
        description=line[0].upper() + line[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json",
        metavar="FILE",
        nargs="?",
        const="-",
        help="write the figures as JSON to FILE, or in place of the table for - or no name",
    )


def _add_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, metavar="FOLDER", help="another weight bundle than the one that ships")
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        default="auto",
        help="what runs the networks (default: the fastest installed; `facewire info` names it)",
    )


def _add_picture_and_preset(parser: Any) -> None:
    parser.add_argument(
        "--source-frame",
        type=_number,
        default=0,
        metavar="N",
        help="the frame sent as a picture (default 0, the first)",
    )
    parser.add_argument("--preset", choices=PRESETS, default="default", help="quality of the motion (default: default)")


def _add_view(parser: Any) -> None:
    for axis, line in (
        ("yaw", "seen from further to the side"),
        ("pitch", "from above or below"),
        ("roll", "tilted"),
    ):
        parser.add_argument(f"--{axis}", type=float, default=0.0, metavar="DEGREES", help=f"free view: the head {line}")


def _free_view(options: argparse.Namespace) -> FreeView:
    from math import isfinite, radians

    from facewire.receiver.decoder import FreeView

    for axis in ("yaw", "pitch", "roll"):
        degrees = getattr(options, axis)
        if not isfinite(degrees) or abs(degrees) > 180:
            raise InputError(f"--{axis} {degrees}: an angle from -180 to 180 degrees")
    return FreeView(radians(options.yaw), radians(options.pitch), radians(options.roll))


def _networks(options: argparse.Namespace) -> Networks:
    from facewire.models.bundle import load_bundle
    from facewire.models.runtime import Networks

    return Networks(load_bundle(options.weights), backend=options.backend)


def _number(text: str) -> int:
    value = int(text) if text.isdecimal() and len(text) < 20 else -1
    if not 0 <= value <= MAX_NUMBER:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {MAX_NUMBER}")
    return value


def _count(text: str) -> int:
    value = _number(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def _port(text: str) -> int:
    value = _number(text)
    if value > 65535:
        raise argparse.ArgumentTypeError("a port is at most 65535")
    return value


def _minutes(text: str) -> int:
    value = _count(text)
    if value > 7 * 24 * 60:
        raise argparse.ArgumentTypeError("at most a week, 10080 minutes")
    return value


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


def _check_json(target: str | None, *others: Path | None) -> None:
    """others: files that the same run reads or writes."""
    from facewire.files import check_output

    if target not in (None, "-"):
        check_output(Path(target), *(other for other in others if other is not None))


def _write_json(target: str | None, values: dict[str, Any]) -> bool:
    """Writes the figures where they are wanted; returns whether that was standard output."""
    if target is None:
        return False
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return True
    from facewire.files import write_whole

    write_whole(Path(target), text.encode())
    return False


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """A line on standard error that tells what is being done, if a person is watching."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=None)

        def tell(what: str, frames: int) -> None:
            bar.update(task, description=f"{what}, frame {frames}" if frames else what)

        yield tell


if __name__ == "__main__":
    sys.exit(main())
