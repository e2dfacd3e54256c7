"""`facewire call`, `send` and `receive`: options into a session with camera, microphone, window and speaker, or files.

`facewire.cli` calls `add_arguments` and `run`. What is printed while a call runs goes to standard error; figures for
other programs go where `--json` says.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, radians
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facewire.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from facewire.call.session import Session
    from facewire.receiver.receiver import FreeView

DEFAULT_SERVER = "ws://127.0.0.1:8787"
SERVER_VARIABLE, TOKEN_VARIABLE = "FACEWIRE_SERVER", "FACEWIRE_TOKEN"
AXES = ("yaw", "pitch", "roll")
REFRESH_S = 0.5
NOTHING = "none"

EXAMPLES = {
    "call": """\
examples:
  facewire serve --open                                   on one machine, for trying it out
  facewire call kitchen                                   twice: camera, microphone, window, speaker
  facewire call kitchen --server wss://calls.example.org --token "$(cat token)"
  facewire call kitchen --max-kbps 20                     never more than that on the wire, sound and headers included
  facewire call kitchen --video talk.mp4 --sound talk.mp4 --out other.mkv --seconds 60 --json call.json
                                                          no camera, no screen: a file in, a file out
  facewire call kitchen --portrait her.jpg                the other side's motion moves that picture
  facewire call kitchen --yaw 20                          the other side seen from further to the side

While a call runs in a terminal, m switches the microphone, c the camera, the arrows look around, 0 looks from where the other
side's camera is, and q or Ctrl-C ends the call. What is shown is synthesised from motion and marked so in every file written.
""",
    "send": """\
examples:
  facewire send kitchen --video talk.mp4 --loop           a file, again and again, to whoever comes
  facewire send kitchen --video 0 --sound none            the first camera, no sound
""",
    "receive": """\
examples:
  facewire receive kitchen                                look and listen, send nothing
  facewire receive kitchen --out talk.mkv --seconds 30    into a file
""",
}


@dataclass(frozen=True)
class CallOptions:
    """What a person asked for. video, sound, out, speaker: None for nothing."""

    server: str
    room: str
    token: str | None
    name: str
    video: str | None
    sound: str | None
    out: str | None
    speaker: str | None
    loop: bool
    max_kbps: float | None
    seconds: float | None
    wait_s: float | None
    relay_only: bool
    degrees: tuple[float, float, float]
    """Free view: yaw, pitch, roll."""
    portrait: Path | None
    weights: Path | None
    backend: str
    threads: int | None


def add_arguments(parser: argparse.ArgumentParser, command: str) -> None:
    """The options of `call`, `send` or `receive`."""
    parser.add_argument("room", help="name of the room: whoever is in it with you is in the call")
    parser.add_argument(
        "--server",
        default=os.environ.get(SERVER_VARIABLE, DEFAULT_SERVER),
        metavar="URL",
        help=f"signalling server (default: ${SERVER_VARIABLE}, else {DEFAULT_SERVER})",
    )
    parser.add_argument("--token", metavar="TEXT", help=f"join token, of `facewire token` (default: ${TOKEN_VARIABLE})")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="read the token from a file")
    parser.add_argument("--name", default="", metavar="TEXT", help="what the other side sees you called")
    if command != "receive":
        parser.add_argument(
            "--video", default="0", metavar="VIDEO", help="a camera's number, a video file, test or none (default 0)"
        )
        parser.add_argument(
            "--sound",
            default="mic",
            metavar="SOUND",
            help="mic, the name of a microphone, a file with sound, silence or none (default mic; a video file's own sound)",
        )
        parser.add_argument("--loop", action="store_true", help="files start again at their end")
        parser.add_argument(
            "--max-kbps",
            type=float,
            metavar="N",
            help="what is sent takes at most N kbit/s on the wire, sound, headers and acknowledgements included",
        )
    if command != "send":
        parser.add_argument(
            "--out",
            default="window",
            metavar="SINK",
            help="where pictures go: window, a video file (with the sound), virtual (a camera for other programs), raw "
            "(RGB on standard output) or none (default window)",
        )
        parser.add_argument(
            "--speaker",
            metavar="NAME",
            help="another loudspeaker than the default, a .wav file, or none",
        )
        for axis, line in zip(AXES, ("seen from further to the side", "from above or below", "tilted"), strict=True):
            parser.add_argument(
                f"--{axis}", type=float, default=0.0, metavar="DEGREES", help=f"free view: the head {line}"
            )
        parser.add_argument(
            "--portrait",
            type=Path,
            metavar="PICTURE",
            help="move the face of this picture instead; use pictures of people who agreed to it",
        )
    parser.add_argument("--seconds", type=float, metavar="N", help="end the call N seconds after it began")
    parser.add_argument("--wait", type=float, metavar="N", help="give up if nobody has come after N seconds")
    parser.add_argument("--relay-only", action="store_true", help="everything through the TURN server")
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="CPU threads of each end's networks (default: one, or as many as it takes)",
    )


def read_options(options: argparse.Namespace, command: str) -> CallOptions:
    """Checked options; InputError for those that cannot be."""
    for name in ("seconds", "wait"):
        value = getattr(options, name)
        if value is not None and not 0 < value <= 1e9:
            raise InputError(f"--{name} {value:g}: more than 0 seconds")
    if options.threads is not None and not 1 <= options.threads <= 256:
        raise InputError(f"--threads {options.threads}: from 1 to 256")
    degrees = tuple(getattr(options, axis, 0.0) for axis in AXES)
    for axis, angle in zip(AXES, degrees, strict=True):
        if not isfinite(angle) or abs(angle) > 180:
            raise InputError(f"--{axis} {angle}: an angle from -180 to 180 degrees")
    video = getattr(options, "video", NOTHING)
    sound = getattr(options, "sound", NOTHING)
    out = getattr(options, "out", NOTHING)
    if sound == "mic" and not video.isdecimal():
        sound = "silence" if video in (NOTHING, "test") else video
    if options.json == "-" and out == "raw":
        raise InputError("pictures and figures cannot both go to standard output")
    if command == "call" and video == sound == out == NOTHING:
        raise InputError("a call without video, sound and output is none")
    return CallOptions(
        server=options.server,
        room=options.room,
        token=_token(options),
        name=options.name,
        video=None if video == NOTHING else video,
        sound=None if sound == NOTHING else sound,
        out=None if command == "send" else out,
        speaker=getattr(options, "speaker", None),
        loop=getattr(options, "loop", False),
        max_kbps=getattr(options, "max_kbps", None),
        seconds=options.seconds,
        wait_s=options.wait,
        relay_only=options.relay_only,
        degrees=(degrees[0], degrees[1], degrees[2]),
        portrait=getattr(options, "portrait", None),
        weights=options.weights,
        backend=options.backend,
        threads=options.threads,
    )


def _token(options: argparse.Namespace) -> str | None:
    if options.token is not None and options.token_file is not None:
        raise InputError("--token or --token-file, not both")
    if options.token_file is not None:
        try:
            return str(options.token_file.read_text().strip())
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{options.token_file}: no token can be read there") from error
    return options.token or os.environ.get(TOKEN_VARIABLE) or None


def run(options: CallOptions, json_target: Callable[[dict[str, Any]], bool], *, quiet: bool = False) -> None:
    """Holds a call until it ends; InputError if it failed.

    json_target: takes the figures at the end; returns whether they went to standard output. quiet: no live table.
    """
    import cv2
    import uvloop

    cv2.setNumThreads(1)  # a second one hastens optical flow by a third and takes a fifth more of the processors
    uvloop.run(_run(options, json_target, quiet))


async def _run(options: CallOptions, json_target: Callable[[dict[str, Any]], bool], quiet: bool) -> None:
    from rich.console import Console

    from facewire.call.keys import Keys
    from facewire.call.session import Session, SessionOptions
    from facewire.call.stats import CallStats
    from facewire.models.bundle import load_bundle
    from facewire.signaling import SignalingClient

    bundle = await asyncio.to_thread(load_bundle, options.weights)
    client = SignalingClient(options.server, options.room, options.token, options.name)
    session = Session(
        client,
        bundle,
        SessionOptions(options.name, options.max_kbps, options.relay_only, options.seconds, options.wait_s),
    )
    console = Console(stderr=True, highlight=False)
    session.notice = lambda text: console.print(f"facewire: {text}", markup=False, soft_wrap=True)
    await asyncio.to_thread(_open_ends, session, options)
    async with client:
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, session.end)
        stats = CallStats(session)
        with Keys(session, _view(options)).read() as keys:
            following = asyncio.create_task(_follow(stats, console, quiet or not console.is_terminal, keys))
            try:
                ending = await session.run()
            finally:
                following.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await following
    stats.look()
    printed = json_target(stats.values() | {"ending": ending.reason, "failed": ending.failed})
    if ending.failed:
        raise InputError(ending.reason)
    if not printed:
        if ending.reason:
            session.notice(ending.reason)
        (console if options.out == "raw" else Console(highlight=False)).print(stats.table())  # no text among pictures


async def _follow(stats: Any, console: Any, quiet: bool, keys: bool) -> None:
    from rich.live import Live

    from facewire.call.keys import HELP

    def table() -> Any:
        made = stats.table()
        made.caption, made.caption_justify = HELP if keys else None, "left"
        return made

    with contextlib.ExitStack() as stack:
        live = None if quiet else stack.enter_context(Live(table(), console=console, transient=True))
        while True:
            await asyncio.sleep(REFRESH_S)
            stats.look()
            if live is not None:
                live.update(table())


def _open_ends(session: Session, options: CallOptions) -> None:
    """Cameras, files, windows: whatever cannot be used is an InputError before anybody is called."""
    from facewire.models.runtime import Networks, networks_for_drawing
    from facewire.receiver.playout import Playout, PlayoutOptions
    from facewire.receiver.sinks import open_sinks
    from facewire.sender.live import LiveSender, LiveSenderOptions

    # One thread for the sender's networks: they are small, and a second one mostly waits.
    networks = Networks(session.bundle, options.threads or 1, options.backend)
    ends, size = session.ends, session.bundle.picture_size
    if options.video is not None:
        video = _test_picture() if options.video == "test" else options.video
        ends.live = LiveSender(
            networks,
            video,
            LiveSenderOptions(loop=options.loop),
            session.source_ready,
            session.motion_ready,
            session.camera_state,
            clock=ends.clock,
        )
    if options.sound is not None:
        ends.sound = _open_sound(session, options)
    if options.out is not None:
        portrait = None if options.portrait is None else _portrait(options.portrait, size, options.out)
        sink, sound_sink = open_sinks(options.out, options.speaker, size=size, portrait=portrait is not None)
        # Networks of its own: the receiver's thread and the sender's do not wait for each other.
        ends.playout = Playout(
            networks_for_drawing(session.bundle, options.threads, options.backend),
            sink,
            sound_sink,
            PlayoutOptions(view=_view(options), portrait=portrait),
            on_end=session.ended_by_sink,
        )


def _view(options: CallOptions) -> FreeView:
    from facewire.receiver.receiver import FreeView

    yaw, pitch, roll = (radians(angle) for angle in options.degrees)
    return FreeView(yaw, pitch, roll)


def _portrait(path: Path, size: int, out: str) -> NDArray[np.uint8]:
    """The face of a picture, framed: uint8 RGB (size, size, 3)."""
    from facewire.sender.face_detector import FaceDetector
    from facewire.sender.framing import frame_picture
    from facewire.sender.media import read_picture

    if Path(out).resolve() == path.resolve():
        raise InputError(f"{path}: is the portrait, and would be overwritten")
    picture = read_picture(path)
    return frame_picture(picture, FaceDetector(), path.name).framing.cut(picture, size)


def _open_sound(session: Session, options: CallOptions) -> Any:
    from facewire.sender.sound import SoundOptions, SoundSender

    assert options.sound is not None
    audio = {"silence": None, "mic": "default"}.get(options.sound, options.sound)
    clock, settings = session.ends.clock, SoundOptions(loop=options.loop)
    try:
        return SoundSender(audio, settings, session.sound_ready, clock=clock)
    except InputError:
        if options.sound != options.video:
            raise
    return SoundSender(None, settings, session.sound_ready, clock=clock)  # a video file without sound


def _test_picture() -> str:
    from facewire.benchmark.demo import bundled_portrait

    return str(bundled_portrait())
