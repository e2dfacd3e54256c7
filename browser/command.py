"""`facewire play`: a `.fw` file in a page of the browser, which decodes and draws it by itself."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from facewire.arguments import Command, add_weights

EXAMPLES = """\
examples:
  facewire encode talk.mp4 -o talk.fw                     a clip into a few kilobytes
  facewire play talk.fw                                   to be looked at in the browser

Nothing is drawn by this program: it hands the file, the networks and the page to the browser, and ends with Ctrl-C.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a .fw file, or - for standard input")
    parser.add_argument("--no-browser", action="store_true", help="print the page's address and open nothing")
    add_weights(parser)


def run(options: argparse.Namespace) -> None:
    import asyncio
    import webbrowser

    from facewire.browser.server import STANDARD_INPUT, PlayerServer, read_recording, serve
    from facewire.models.bundle import load_bundle

    bundle = load_bundle(options.weights)
    name = "standard input" if options.file == STANDARD_INPUT else options.file.name
    server = PlayerServer(read_recording(options.file, bundle), name, bundle)

    def opened(url: str) -> None:
        print(f"facewire: {name} plays at {url}", file=sys.stderr, flush=True)
        print("facewire: that address opens once; Ctrl-C ends the player", file=sys.stderr, flush=True)
        if not options.no_browser:
            asyncio.get_running_loop().run_in_executor(None, webbrowser.open, url)

    asyncio.run(serve(server, opened))


COMMANDS = (Command("play", "a .fw file in the browser, which draws it by itself", add_arguments, run, EXAMPLES),)
