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
import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, radians
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facewire.errors import InputError

if TYPE_CHECKING:
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
  facewire call kitchen                                   twice: each opens a page in the browser
  facewire call 'wss://calls.example.org#kitchen'         by the link that the page shows for inviting
  facewire call kitchen --server wss://calls.example.org --token "$(cat token)"
  facewire call kitchen --max-kbps 20                     never more than that on the wire, sound and headers included
  facewire call kitchen --video talk.mp4 --sound talk.mp4 --out other.mkv --seconds 60 --json call.json
                                                          no camera, no screen: a file in, a file out
  facewire call kitchen --out window                      no page: camera, microphone, window, speaker of this program
  facewire call kitchen --portrait her.jpg                the other side's motion moves that picture
  facewire call kitchen --yaw 20                          the other side seen from further to the side

Without --out the call is held in a page of the browser; --no-browser prints its address only. With --out, in a terminal: m
switches the microphone, c the camera, the arrows look around, 0 looks from where the other side's camera is, and q or Ctrl-C ends
the call. What is shown is synthesised from motion and marked so in every file written.
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
    page: bool = False
    """The call is held in a page of the browser."""
    page_camera: bool = False
    """And pictures come from its camera."""
    page_microphone: bool = False
    open_browser: bool = True
    fps: float = 25.0
    recordings: Path = Path()
    """Folder for what the page records."""


def add_arguments(parser: argparse.ArgumentParser, command: str) -> None:
    """The options of `call`, `send` or `receive`."""
    parser.add_argument(
        "room", help="name of the room, or the link of an invitation: whoever is in it with you is in the call"
    )
    parser.add_argument(
        "--server",
        metavar="URL",
        help=f"signalling server (default: ${SERVER_VARIABLE}, else {DEFAULT_SERVER})",
    )
    parser.add_argument("--token", metavar="TEXT", help=f"join token, of `facewire token` (default: ${TOKEN_VARIABLE})")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="read the token from a file")
    parser.add_argument("--name", default="", metavar="TEXT", help="what the other side sees you called")
    by_page = "the page's" if command == "call" else ""
    if command == "call":
        parser.add_argument("--no-browser", action="store_true", help="print the page's address and open nothing")
        parser.add_argument(
            "--recordings", type=Path, metavar="FOLDER", help="where the page's recordings go (default: this folder)"
        )
    if command != "receive":
        parser.add_argument(
            "--video",
            metavar="VIDEO",
            help=f"a camera's number, a video file, test or none (default {by_page or '0'})",
        )
        parser.add_argument(
            "--sound",
            metavar="SOUND",
            help="mic, the name of a microphone, a file with sound, silence or none "
            f"(default {by_page or 'mic'}; a video file's own sound)",
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
            metavar="SINK",
            help="where pictures go: window, a video file (with the sound), virtual (a camera for other programs), raw "
            f"(RGB on standard output) or none (default {'a page in the browser' if by_page else 'window'})",
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
    parser.add_argument(
        "--fps",
        type=float,
        default=25.0,
        metavar="N",
        help="frames a second, 5 to 30 (default 25): the most that is sent, and what virtual cameras and raw pictures have",
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
    page = command == "call" and options.out is None
    _check_page(options, command, page)
    server, room = _meeting_place(options.server, options.room)
    page_camera = page and options.video is None
    video = NOTHING if command == "receive" else options.video or ("page" if page else "0")
    page_microphone = page_camera and options.sound is None
    sound = NOTHING if command == "receive" else options.sound or ("page" if page_microphone else "mic")
    out = NOTHING if command == "send" else options.out or ("page" if page else "window")
    if sound == "mic" and not video.isdecimal() and not page_camera:
        sound = "silence" if video in (NOTHING, "test") else video
    if options.json == "-" and out == "raw":
        raise InputError("pictures and figures cannot both go to standard output")
    if command == "call" and video == sound == out == NOTHING:
        raise InputError("a call without video, sound and output is none")
    return CallOptions(
        server=server,
        room=room,
        token=_token(options),
        name=options.name,
        video=None if page_camera or video == NOTHING else video,
        sound=None if page_microphone or sound == NOTHING else sound,
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
        page=page,
        page_camera=page_camera,
        page_microphone=page_microphone,
        fps=options.fps,
        open_browser=not getattr(options, "no_browser", False),
        recordings=(getattr(options, "recordings", None) or Path()).resolve(),
    )


def _check_page(options: argparse.Namespace, command: str, page: bool) -> None:
    """InputError for options that contradict each other about the page."""
    if page and options.speaker is not None:
        raise InputError("--speaker: in the page the loudspeaker is chosen there; with it goes --out window or another")
    if command == "call" and not page and (options.no_browser or options.recordings is not None):
        raise InputError("--no-browser and --recordings are for the page, which --out takes the place of")
    folder = getattr(options, "recordings", None)
    if folder is not None and not folder.is_dir():
        raise InputError(f"--recordings {folder}: no such folder")


def _meeting_place(server: str | None, room: str) -> tuple[str, str]:
    """Server and room; an invitation's link, such as wss://calls.example.org#kitchen, holds both."""
    if "://" not in room:
        return server or os.environ.get(SERVER_VARIABLE, DEFAULT_SERVER), room
    if server is not None:
        raise InputError("the link of an invitation names the server; --server is for the name of a room")
    address, _, name = room.partition("#")
    if not name:
        raise InputError(f"{room}: an invitation's link ends in # and the name of the room")
    return address, name


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
    uvloop.run(_run_page(options, json_target) if options.page else _run(options, json_target, quiet))


async def _run_page(options: CallOptions, json_target: Callable[[dict[str, Any]], bool]) -> None:
    """The call in the browser. Nothing of the call is imported before the page is served: the person sees it at once."""
    import webbrowser

    from facewire.call.page_call import PageCall, hold
    from facewire.call.page_server import PageServer

    _check_before_page(options)

    def say(text: str) -> None:
        with contextlib.suppress(OSError):  # whoever read this is gone; what is said goes to the page too
            print(f"facewire: {text}", file=sys.stderr, flush=True)

    call = PageCall(options, say)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(name, call.quit)

    def opened(server: PageServer) -> None:
        say(f"the call is at {server.url}")
        say("that address opens once; Ctrl-C ends the call")
        if options.open_browser:
            loop.run_in_executor(None, webbrowser.open, server.url)

    await hold(call, opened)
    json_target(call.outcome or {})
    if call.failed:
        raise InputError(call.failed)


def _check_before_page(options: CallOptions) -> None:
    """What cannot be is said in the terminal at once, not when the person has come to the page."""
    from facewire.call.rate import RateController
    from facewire.signaling import SignalingClient

    SignalingClient(options.server, options.room, options.token, options.name)
    RateController(options.max_kbps, options.fps)
    if options.video not in (None, "test") or options.portrait is not None:
        from facewire.sender.media import open_live_video, read_picture

        if options.portrait is not None:
            read_picture(options.portrait)
        if options.video is not None and not options.video.isdecimal() and options.video != "test":
            with open_live_video(options.video):
                pass


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
        SessionOptions(
            options.name, options.max_kbps, options.relay_only, options.seconds, options.wait_s, options.fps
        ),
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
    from facewire.call.ends import open_portrait, open_sound, open_video
    from facewire.models.runtime import Networks, networks_for_drawing
    from facewire.receiver.playout import Playout, PlayoutOptions
    from facewire.receiver.sinks import open_sinks

    # One thread for the sender's networks: they are small, and a second one mostly waits.
    networks = Networks(session.bundle, options.threads or 1, options.backend)
    ends, size = session.ends, session.bundle.picture_size
    ends.live = open_video(
        options, networks, ends.clock, session.source_ready, session.motion_ready, session.camera_state
    )
    ends.sound = open_sound(options, ends.clock, session.sound_ready)
    if options.out is not None:
        portrait = None if options.portrait is None else open_portrait(options.portrait, size, options.out)
        sink, sound_sink = open_sinks(
            options.out, options.speaker, options.fps, size=size, portrait=portrait is not None
        )
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
