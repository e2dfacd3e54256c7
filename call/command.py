"""`facewire call`, `send` and `receive`: options into a session with camera, microphone, window and speaker, or files.

What is printed while a call runs goes to standard error; figures for other programs go where `--json` says.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from facewire.arguments import (
    Command,
    Group,
    Need,
    add_input,
    add_json,
    add_networks,
    add_portrait,
    add_sources,
    add_view,
    view_degrees,
)
from facewire.call.options import FULL_FPS, CallOptions, MediaOptions, PageOptions, SessionOptions
from facewire.errors import InputError, reason
from facewire.sender.picture_choice import PICTURE_MODES
from facewire.signaling import links
from facewire.terminal import check_json, write_json

DEFAULT_SERVER = "ws://127.0.0.1:8787"
SERVER_VARIABLE, TOKEN_VARIABLE = "FACEWIRE_SERVER", "FACEWIRE_TOKEN"
NOTHING = "none"
ASK = "-"

EXAMPLES = {
    "call": """\
examples:
  facewire serve --open                                   on one machine, for trying it out
  facewire call kitchen                                   twice: each opens a page in the browser
  facewire call 'wss://calls.example.org#kitchen'         by the link that the page shows for inviting
  facewire call 'https://calls.example.org/j#x3Fq-8sV1LbA'    by the link of an invitation (`facewire invite`)
  facewire call kitchen --server wss://calls.example.org --token-file token
  facewire call kitchen --max-kbps 20                     never more than that on the wire, sound and headers included
  facewire call kitchen --video talk.mp4 --sound talk.mp4 --out other.mkv --seconds 60 --json call.json
                                                          no camera, no screen: a file in, a file out
  facewire call kitchen --out window                      no page: camera, microphone, window, speaker of this program
  facewire call kitchen --picture camera                  always the camera's own picture, as for a document
  facewire call kitchen --portrait her.jpg                the other side's motion moves that picture
  facewire call kitchen --yaw 20                          the other side seen from further to the side

Without --out the call is held in a page of the browser; --no-browser prints its address only. With --out, in a terminal: m
switches the microphone, c the camera, p what the other side is shown, the arrows look around, 0 looks from where the other
side's camera is, and q or Ctrl-C ends the call. What is shown is synthesised from motion and marked so in every file written; where
the camera's own picture takes over, that is marked too.
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


def _add_arguments(parser: argparse.ArgumentParser, command: str) -> None:
    join = parser.add_argument_group("join")
    media = parser.add_argument_group("media")
    view = parser.add_argument_group("view") if command != "send" else None
    advanced = parser.add_argument_group("advanced")
    parser.add_argument(
        "room",
        metavar="ROOM",
        help="name of the room, or an invitation link: whoever is in it with you is in the call; - asks for it",
    )
    add_json(parser)
    _add_join(join, command)
    if command != "receive":
        _add_sending(media, command)
    if command != "send":
        _add_receiving(media, command)
    media.add_argument(
        "--fps",
        type=float,
        default=FULL_FPS,
        metavar="N",
        help="frames per second, 5 to 30 (default 25): the most that is sent, and the rate of virtual cameras and raw pictures",
    )
    if view is not None:
        add_view(view)
        add_portrait(view)
    advanced.add_argument("--relay-only", action="store_true", help="send everything through the TURN server")
    advanced.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="CPU threads of each end's networks (default: one, or as many as it takes)",
    )
    add_networks(advanced)


def _add_join(group: Group, command: str) -> None:
    group.add_argument(
        "--server", metavar="URL", help=f"signaling server (default: ${SERVER_VARIABLE}, else {DEFAULT_SERVER})"
    )
    group.add_argument(
        "--token",
        metavar="TEXT",
        help=f"join token from `facewire token` (default: ${TOKEN_VARIABLE}); - asks for it, unseen by others",
    )
    group.add_argument("--token-file", type=Path, metavar="FILE", help="read the token from a file")
    group.add_argument("--name", default="", metavar="TEXT", help="your name, as the other side sees it")
    group.add_argument("--wait", type=float, metavar="SECONDS", help="give up if nobody has come by then")
    group.add_argument("--seconds", type=float, metavar="SECONDS", help="end the call this long after it began")
    if command == "call":
        group.add_argument("--no-browser", action="store_true", help="print the page's address and open nothing")


def _add_sending(group: Group, command: str) -> None:
    group.add_argument(
        "--video",
        metavar="VIDEO",
        help=f"a camera's number, a video file, test or none (default: {'the page' if command == 'call' else '0'})",
    )
    group.add_argument(
        "--sound",
        metavar="SOUND",
        help="mic, the name of a microphone, a file with sound, silence or none "
        f"(default: {'the page' if command == 'call' else 'mic'}; with a video file, its own sound)",
    )
    group.add_argument("--loop", action="store_true", help="start files again when they end")
    group.add_argument(
        "--max-kbps",
        type=float,
        metavar="KBPS",
        help="send at most this much on the wire, sound, headers and acknowledgements included (default: as much as the path "
        "is known to carry, at most 64)",
    )
    group.add_argument(
        "--frugal",
        action="store_true",
        help="send no more over a good path than over a poor one: 12 kbit/s of video, 24 with sound, for some 90 ms more delay",
    )
    group.add_argument(
        "--picture",
        choices=PICTURE_MODES,
        default="auto",
        help="what the other side sees: motion (always synthesised), camera (ordinary video, as for a document), or auto: the "
        "camera where motion cannot show what is there and the path carries it (default)",
    )
    add_input(group)
    add_sources(group)


def _add_receiving(group: Group, command: str) -> None:
    page = "a page in the browser" if command == "call" else "window"
    group.add_argument(
        "--out",
        metavar="SINK",
        help="where pictures go: window, a video file (with the sound), virtual (a camera for other programs), raw "
        f"(RGB on standard output) or none (default: {page})",
    )
    group.add_argument("--speaker", metavar="NAME", help="a loudspeaker other than the default, a .wav file, or none")
    if command == "call":
        group.add_argument(
            "--recordings", type=Path, metavar="FOLDER", help="where the page's recordings go (default: this folder)"
        )


def _run(options: argparse.Namespace, command: str) -> None:
    wanted = read_options(options, command)
    check_json(options.json, *(Path(path) for path in (wanted.media.video, wanted.media.out) if path is not None))
    run(wanted, lambda values: write_json(options.json, values), quiet=options.quiet)


def read_options(options: argparse.Namespace, command: str) -> CallOptions:
    """Options of `call`, `send` or `receive`, checked; InputError for those that are out of range or contradict each other."""
    for name in ("seconds", "wait"):
        value = getattr(options, name)
        if value is not None and not 0 < value <= 1e9:
            raise InputError(f"--{name} {value:g}: more than 0 seconds")
    if options.threads is not None and not 1 <= options.threads <= 256:
        raise InputError(f"--threads {options.threads}: from 1 to 256")
    degrees = view_degrees(options)
    page = command == "call" and options.out is None
    _check_page(options, command, page)
    room = _asked("Room or link: ") if options.room == ASK else options.room
    invitation = links.read_link(room) if "://" in room else None
    if invitation is not None:
        server, room = _gateway_of(options, invitation), ""
    else:
        server, room = _meeting_place(options.server, room, options.configured.get("server"))
    page_camera = page and options.video is None
    video = NOTHING if command == "receive" else options.video or ("page" if page else "0")
    page_microphone = page_camera and options.sound is None
    sound = NOTHING if command == "receive" else options.sound or ("page" if page_microphone else "mic")
    out = NOTHING if command == "send" else options.out or ("page" if page else "window")
    if sound == "mic" and not video.isdecimal() and not page_camera:
        sound = "silence" if video in (NOTHING, "test") else video
    if video in ("page", NOTHING) and command != "receive":
        for name, value in (("stream", options.stream), ("rotate", options.rotate or None)):
            if value is not None:
                raise InputError(f"--{name} {value}: goes with --video and a file or a camera's number")
    if options.json == "-" and out == "raw":
        raise InputError("pictures and figures cannot both go to standard output")
    if command == "call" and video == sound == out == NOTHING:
        raise InputError("nothing to send or show: give --video, --sound or --out")
    return CallOptions(
        server=server,
        room=room,
        token=_token(options) if invitation is None else None,
        invitation=invitation,
        session=SessionOptions(
            name=options.name,
            max_kbps=getattr(options, "max_kbps", None),
            frugal=getattr(options, "frugal", False),
            relay_only=options.relay_only,
            seconds=options.seconds,
            wait_s=options.wait,
            fps=options.fps,
        ),
        media=MediaOptions(
            video=None if page_camera or video == NOTHING else video,
            stream=getattr(options, "stream", None),
            rotate=getattr(options, "rotate", 0),
            sound=None if page_microphone or sound == NOTHING else sound,
            out=None if page or command == "send" else out,
            speaker=getattr(options, "speaker", None),
            picture=getattr(options, "picture", "auto"),
            loop=getattr(options, "loop", False),
            sources=getattr(options, "sources", None),
            degrees=degrees,
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
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError(f"--recordings {folder}: not a folder")


def _meeting_place(server: str | None, room: str, configured: str | None = None) -> tuple[str, str]:
    """Server and room; an invitation link, such as wss://calls.example.org#kitchen, holds both.

    configured: the server of the configuration file, which a link overrides.
    """
    if "://" not in room:
        return server or os.environ.get(SERVER_VARIABLE, DEFAULT_SERVER), room
    if server not in (None, configured):
        raise InputError("an invitation link names the server; --server goes with the name of a room")
    address, _, name = room.partition("#")
    if not name:
        raise InputError(f"{room}: an invitation link ends in # and the name of the room")
    return address, name


def _gateway_of(options: argparse.Namespace, invitation: links.Link) -> str:
    """The server of an invitation, whose link holds everything; InputError for options that say something else."""
    for name in ("server", "token", "token_file"):
        value = getattr(options, name)
        if value not in (None, options.configured.get(name)):
            raise InputError(
                f"an invitation link holds server and token; --{name.replace('_', '-')} goes with a room's name"
            )
    return invitation.gateway


def _asked(question: str) -> str:
    """What the person types or pastes, unseen on the terminal; or a line of standard input."""
    import getpass

    try:
        text = getpass.getpass(question) if sys.stdin.isatty() else sys.stdin.readline()
    except EOFError:
        text = ""
    if not text.strip():
        raise InputError(f"{question.rstrip(': ').lower()}: nothing was given")
    return text.strip()


def _token(options: argparse.Namespace) -> str | None:
    token, file = options.token, options.token_file
    if (
        token is not None and file is not None
    ):  # of two, one of them in the configuration file, the command line's counts
        token = None if token == options.configured.get("token") else token
        file = None if file == options.configured.get("token_file") else file
        if token is not None and file is not None:
            raise InputError("--token or --token-file, not both")
    if file is not None:
        try:
            return str(file.read_text().strip())
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{file}: no token can be read there") from error
    if token == ASK:
        return _asked("Token: ")
    if token and token != options.configured.get("token"):
        remedy = f"--token-file, {TOKEN_VARIABLE} and --token - keep it from them"
        print(f"facewire: others on this machine can see --token in the list of processes; {remedy}", file=sys.stderr)
    return token or os.environ.get(TOKEN_VARIABLE) or None


def run(options: CallOptions, json_target: Callable[[dict[str, Any]], bool], *, quiet: bool = False) -> None:
    """Holds a call until it ends; InputError if it failed.

    json_target: takes the figures at the end; returns whether they went to standard output. quiet: no live table, no notices.
    """
    import cv2
    import uvloop

    if options.invitation is not None:
        options = _admitted(options, options.invitation)
    cv2.setNumThreads(1)  # a second one hastens optical flow by a third and takes a fifth more of the processors
    _check(options)
    if warning := _warning(options):
        print(f"facewire: {warning}", file=sys.stderr, flush=True)
    if options.page is not None:
        uvloop.run(_run_page(options, options.page, json_target))
        return
    from asyncio import CancelledError

    from facewire.call.headless import hold_call

    try:
        uvloop.run(hold_call(options, json_target, quiet=quiet))
    except CancelledError:
        raise KeyboardInterrupt from None


def _admitted(options: CallOptions, invitation: links.Link) -> CallOptions:
    """The same with the room and the token that the invitation stands for; this uses it up. InputError if it lets nobody in."""
    import asyncio
    from dataclasses import replace

    from facewire.signaling import inviting

    admission = asyncio.run(inviting.use(invitation))
    return replace(options, server=admission.server, room=admission.room, token=admission.token)


async def _run_page(options: CallOptions, page: PageOptions, json_target: Callable[[dict[str, Any]], bool]) -> None:
    """The call in the browser. The page is served before the heavy parts of a call are imported: it is there at once."""
    import asyncio
    import signal
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
    from facewire.models.bundle import load_bundle
    from facewire.signaling import SignalingClient

    SignalingClient(options.server, options.room, options.token, options.session.name)
    RateController(options.session.max_kbps, options.session.fps)
    if options.weights is not None:  # those that ship are tested
        load_bundle(options.weights)
    if options.page is not None and options.page.recordings is not None:
        try:
            options.page.recordings.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--recordings {options.page.recordings}: cannot be made ({reason(error)})") from error


def _warning(options: CallOptions) -> str:
    """What is not safe about the way to the server; empty if nothing is."""
    from facewire.signaling.limits import is_loopback

    parts = urlsplit(options.server)
    if options.token is None or parts.scheme != "ws" or is_loopback(parts.hostname or ""):
        return ""
    return f"warning: {options.server} is not encrypted, so others on the way can read the token and join the room: use wss://"


def _check_media(options: MediaOptions) -> None:
    """The same for files that are opened only later, when the page is there."""
    if options.portrait is None and options.video in (None, "test"):
        return
    from facewire.sender.media import InputOptions, open_live_video, read_picture

    if options.portrait is not None:
        read_picture(options.portrait)
    if options.video is not None and not options.video.isdecimal() and options.video != "test":
        with open_live_video(options.video, InputOptions(options.stream, options.rotate)):
            pass


LINES = {
    "call": "talk with the other person in a room",
    "send": "be seen and heard in a room, see nobody",
    "receive": "see and hear the other person in a room, send nothing",
}

COMMANDS = tuple(
    Command(
        name,
        line,
        partial(_add_arguments, command=name),
        partial(_run, command=name),
        EXAMPLES[name],
        (Need("call", ("aiortc", "msgpack", "uvloop")),),
        {"server": SERVER_VARIABLE, "token": TOKEN_VARIABLE, "token-file": TOKEN_VARIABLE},
    )
    for name, line in LINES.items()
)
