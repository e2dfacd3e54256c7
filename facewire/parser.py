"""The command line as argparse sees it, built from `arguments.Command`s. Its errors are one line and say what was meant."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from facewire import __version__
from facewire.arguments import Command, did_you_mean

EXIT_ERROR = 2

EXAMPLES = """\
examples:
  facewire call kitchen                            a call with whoever else is in that room
  facewire serve --open                            the signaling server for it, on this machine alone
  facewire loopback talk.mp4 -o talk_out.mp4       see and measure the codec on a clip
  facewire loopback 0 --max-frames 300 -o me.mp4   the same on the first camera
  facewire encode talk.mp4 -o talk.fw              a clip into a few kilobytes
  facewire decode talk.fw -o talk_out.mkv          and back, from that file alone
  facewire demo --out demo_out                     the codec on bundled pictures, no network needed
  facewire bench talks/ --out bench_out            bytes and quality beside H.264, H.265, VP8, VP9 and AV1
  facewire bench --speed                           what it costs on this machine
  facewire doctor                                  what is installed, what is missing, how to get it

Defaults for any option can stand in a file: see docs/configuration.md.
"""


class Parser(argparse.ArgumentParser):
    """Reports what is wrong with the options in one line, like all our errors, with the nearest word that is right."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_ERROR, f"{self.prog}: {message}; see {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parses everything or fails here, in the parser of the command whose options they are."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(
                f"unknown argument {unknown[0]}{did_you_mean(unknown[0].partition('=')[0], self.option_names())}"
            )
        return options, unknown

    def option_names(self) -> list[str]:
        """All options, such as --json and -o."""
        return [name for action in self._actions for name in action.option_strings]

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = [str(choice) for choice in action.choices or ()]
        if choices and str(value) not in choices:
            what = "no command" if isinstance(action, argparse._SubParsersAction) else "not a choice:"
            raise argparse.ArgumentError(
                None if what == "no command" else action,
                f"{what} {str(value)!r}{did_you_mean(str(value), choices) or '; one of ' + ', '.join(choices)}",
            )


def build_parser(commands: Sequence[Command], wanted: str | None = None) -> tuple[Parser, dict[str, Parser]]:
    """The parser of the whole command line, and that of each command.

    wanted: the command to run; others are listed without their options. None gives all commands all options.
    """
    parser = Parser(
        prog="facewire",
        description="A neural video-call codec: a few source frames and head motion between them, at a few kilobits a second.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"facewire {__version__}")
    listed = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parsers = {}
    for command in commands:
        own = parsers[command.name] = listed.add_parser(
            command.name,
            help=command.line,
            description=command.line[0].upper() + command.line[1:] + ".",
            epilog=command.examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if wanted in (None, command.name):
            command.add_arguments(own)
            _add_verbosity(own)
        own.set_defaults(command=command)
    return parser, parsers


def _add_verbosity(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument("-v", "--verbose", action="count", default=0, help="say what is done; -vv: for finding faults")
    how.add_argument("-q", "--quiet", action="store_true", help="no progress and no notes; errors only")
