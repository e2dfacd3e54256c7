"""What commands print: tables on standard output, progress and notes on standard error, JSON where it is wanted."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console


def output(*, stderr: bool = False) -> Console:
    """Standard output, for results; standard error where that is taken."""
    from rich.console import Console

    return Console(highlight=False, stderr=stderr)


def print_notes(notes: Sequence[str], *, quiet: bool, stderr: bool = False) -> None:
    """What the user should know about a result, below it."""
    if not quiet:
        console = output(stderr=stderr)
        for note in notes:
            console.print(f"note: {note}", style="yellow", markup=False, soft_wrap=True)


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[str, int], None]]:
    """A line on standard error that says what is being done and how many frames are, if a person is watching."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("starting", total=None)

        def tell(what: str, frames: int) -> None:
            bar.update(task, description=f"{what}, frame {frames}" if frames else what)

        yield tell


def check_json(target: str | None, *others: Path | None) -> None:
    """InputError if `--json` names a file that could not be written. others: files that the same run reads or writes."""
    from facewire.files import check_output

    if target not in (None, "-"):
        check_output(Path(target), *(other for other in others if other is not None))


def write_json(target: str | None, values: dict[str, Any]) -> bool:
    """Writes the figures where `--json` wants them; returns whether that was standard output."""
    if target is None:
        return False
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    encoding = "utf-8" if target != "-" else sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:  # a terminal of another encoding, or a file's name that is no text
        text = json.dumps(values, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return True
    from facewire.files import write_whole

    write_whole(Path(target), text.encode())
    return False


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


@contextlib.contextmanager
def logging_to_stderr(*, verbose: int, quiet: bool) -> Iterator[None]:
    """Logs of facewire go to standard error: warnings and errors, with -v what is done, with -vv everything."""
    logger = logging.getLogger("facewire")
    before = logger.level
    handler = _StandardError()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s" if verbose else "facewire: %(message)s"))
    logger.setLevel(logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
