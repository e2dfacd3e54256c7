"""The command `facewire`: a table of commands, and what happens when one fails.

Each package describes its commands in a `command.py`. Errors of ours (`facewire.errors`) become one line on standard error and exit
code 2; Ctrl-C exits with 130 and leaves no half files.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from facewire import command as own
from facewire.benchmark import command as benchmark
from facewire.call import command as call
from facewire.errors import FacewireError
from facewire.parser import EXIT_ERROR, build_parser
from facewire.receiver import command as receiver
from facewire.sender import command as sender
from facewire.settings import read_settings
from facewire.signaling import command as signaling
from facewire.terminal import logging_to_stderr
from facewire.training import command as training

COMMANDS = (
    *call.COMMANDS,
    *signaling.COMMANDS,
    *sender.COMMANDS,
    *receiver.COMMANDS,
    *benchmark.COMMANDS,
    *training.COMMANDS,
    *own.COMMANDS,
)
"""All commands, in the order of `facewire --help`."""

EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        _run(arguments)
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


def _run(arguments: Sequence[str]) -> None:
    parser, parsers = build_parser(COMMANDS, arguments[0] if arguments else "")
    command = next((command for command in COMMANDS if arguments and command.name == arguments[0]), None)
    configured = {}
    if command is not None and command.reads_settings and not {"-h", "--help"} & set(arguments):
        configured = read_settings().apply(command, parsers[command.name], COMMANDS)
    options = parser.parse_args(arguments)
    options.configured = configured
    options.commands = COMMANDS
    options.command.check_needs(options)
    with logging_to_stderr(verbose=options.verbose, quiet=options.quiet):
        options.command.run(options)


def _drop_output() -> None:
    """Standard output goes nowhere from here on; keeps Python from complaining about what it cannot write at exit."""
    with contextlib.suppress(OSError):  # one without a file behind it, as in tests
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
