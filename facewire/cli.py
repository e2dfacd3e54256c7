"""The command `facewire`: a table of commands, and what happens when one fails.

Each package describes its commands in a `command.py`. Errors of ours (`facewire.errors`) become one line on standard error and exit
code 2; Ctrl-C exits with 130, other signals that end a program with 128 and their number, and none leaves half files.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType

from facewire import command as own
from facewire.arguments import check_apart
from facewire.benchmark import command as benchmark
from facewire.browser import command as browser
from facewire.call import command as call
from facewire.errors import FacewireError
from facewire.gateway import command as gateway
from facewire.parser import EXIT_ERROR, build_parser
from facewire.receiver import command as receiver
from facewire.sender import command as sender
from facewire.settings import read_settings
from facewire.signaling import command as signaling
from facewire.terminal import logging_to_stderr
from facewire.training import command as training

COMMANDS = (
    *call.COMMANDS,
    *gateway.COMMANDS,
    *signaling.COMMANDS,
    *sender.COMMANDS,
    *receiver.COMMANDS,
    *browser.COMMANDS,
    *benchmark.COMMANDS,
    *training.COMMANDS,
    *own.COMMANDS,
)
"""All commands, in the order of `facewire --help`."""

EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _mend_streams()
    try:
        with _signals_unwind():
            _run(arguments)
        sys.stdout.flush()
    except FacewireError as error:
        print(f"facewire: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except _Ended as ended:
        return 128 + ended.signal
    except BrokenPipeError:
        _drop_output()  # whoever read it, such as `head`, has left
    except OSError as error:
        # Files are handled where they are opened; what gets here is the machine, such as a full disk behind `> FILE`.
        _drop_output()
        print(f"facewire: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_ERROR
    except ImportError as error:
        # An extension module that is interrupted while it is imported says so with an error of its own.
        match error.__cause__:
            case KeyboardInterrupt():
                return EXIT_INTERRUPTED
            case _Ended(signal=number):
                return 128 + int(number)
        raise
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
    check_apart(options)
    with logging_to_stderr(verbose=options.verbose, quiet=options.quiet):
        options.command.run(options)


class _Ended(BaseException):
    """A signal asks the program to end: what is half done is cleaned up on the way out, as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


@contextlib.contextmanager
def _signals_unwind() -> Iterator[None]:
    """SIGTERM and SIGHUP end the command like Ctrl-C, unless whoever started it has them ignored. A second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise _Ended(number)

    ours = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _mend_streams() -> None:
    """Standard streams that are closed go nowhere, and what a terminal cannot show becomes a question mark."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        while (free := os.open(os.devnull, os.O_RDWR)) <= 2:  # or the next file opened would stand in for a stream
            pass
        os.close(free)
        sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
        sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # in tests it is something else
            stream.reconfigure(errors="replace")


def _drop_output() -> None:
    """Standard output goes nowhere from here on; keeps Python from complaining about what it cannot write at exit."""
    with contextlib.suppress(OSError):  # one without a file behind it, as in tests
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
