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
from math import isfinite
from pathlib import Path
from typing import Any

from facewire.call.options import CallOptions, MediaOptions, PageOptions, SessionOptions
from facewire.errors import InputError

DEFAULT_SERVER = "ws://127.0.0.1:8787"
SERVER_VARIABLE, TOKEN_VARIABLE = "FACEWIRE_SERVER", "FACEWIRE_TOKEN"
AXES = ("yaw", "pitch", "roll")
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
        session=SessionOptions(
            name=options.name,
            max_kbps=getattr(options, "max_kbps", None),
            relay_only=options.relay_only,
            seconds=options.seconds,
            wait_s=options.wait,
            fps=options.fps,
        ),
        media=MediaOptions(
            video=None if page_camera or video == NOTHING else video,
            sound=None if page_microphone or sound == NOTHING else sound,
            out=None if page or command == "send" else out,
            speaker=getattr(options, "speaker", None),
            loop=getattr(options, "loop", False),
            degrees=(degrees[0], degrees[1], degrees[2]),
            portrait=getattr(options, "portrait", None),
        ),
        page=PageOptions(
            camera=page_camera,
            microphone=page_microphone,
            open_browser=not options.no_browser,
            recordings=(options.recordings or Path()).resolve(),
        )
        if page
        else None,
        weights=options.weights,
        backend=options.backend,
        threads=options.threads,
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
    _check(options)
    if options.page is not None:
        uvloop.run(_run_page(options, options.page, json_target))
    else:
        from facewire.call.headless import hold_call

        uvloop.run(hold_call(options, json_target, quiet=quiet))


async def _run_page(options: CallOptions, page: PageOptions, json_target: Callable[[dict[str, Any]], bool]) -> None:
    """The call in the browser. The page is served before the heavy parts of a call are imported: it is there at once."""
    import webbrowser

    from facewire.call.page_call import PageCall, hold
    from facewire.call.page_server import PageServer

    _check_media(options.media)

    def say(text: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads this any more; what is said goes to the page too
            print(f"facewire: {text}", file=sys.stderr, flush=True)

    call = PageCall(options, page, say)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(name, call.quit)

    def opened(server: PageServer) -> None:
        say(f"the call is at {server.url}")
        say("that address opens once; Ctrl-C ends the call")
        if page.open_browser:
            loop.run_in_executor(None, webbrowser.open, server.url)

    await hold(call, opened)
    json_target(call.outcome or {})
    if call.failed:
        raise InputError(call.failed)


def _check(options: CallOptions) -> None:
    """InputError for what cannot work, before anything is opened."""
    from facewire.call.rate import RateController
    from facewire.signaling import SignalingClient

    SignalingClient(options.server, options.room, options.token, options.session.name)
    RateController(options.session.max_kbps, options.session.fps)


def _check_media(options: MediaOptions) -> None:
    """The same for files that are opened only later, when the page is there."""
    from facewire.sender.media import open_live_video, read_picture

    if options.portrait is not None:
        read_picture(options.portrait)
    if options.video is not None and not options.video.isdecimal() and options.video != "test":
        with open_live_video(options.video):
            pass
