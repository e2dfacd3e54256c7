"""`facewire bench CLIP...`: a run, what is measured besides it, and the report, with progress and a table at the end.

Takes the checked options of `benchmark.command` and writes the files of `report` and `pairs` into the run's folder.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from facewire.benchmark.bandwidth import pairs, report
from facewire.benchmark.bandwidth.config import OURS
from facewire.benchmark.bandwidth.cost import measure_costs
from facewire.benchmark.bandwidth.players import make_players
from facewire.benchmark.bandwidth.report_page import strongest
from facewire.benchmark.bandwidth.run import BenchOptions, run_bench
from facewire.benchmark.bandwidth.summary import summarise
from facewire.benchmark.bandwidth.wire import measure_wire
from facewire.errors import InputError
from facewire.files import write_whole
from facewire.terminal import print_notes

if TYPE_CHECKING:
    from collections.abc import Iterator

ON_SOCKETS = ("x264-veryfast", "vp8")
PAIRED = 2
"""How many rivals people are asked about: those that come nearest to us."""


@dataclass(frozen=True)
class Extras:
    """What to measure and show besides the run itself."""

    players: int = 6
    """Clips shown side by side in the report; 0 keeps pictures out of it."""
    costs: bool = True
    wire: bool = True
    pairs: int = 0
    """Clips on the page of blind comparisons; 0 makes none."""


def bench(options: BenchOptions, extras: Extras, console: Console, *, quiet: bool = False) -> None:
    """Runs the benchmark and writes its report. quiet: no progress and no notes. InputError for options that contradict each other
    or clips that cannot be used.
    """
    bar = partial(_progress, Console(quiet=True) if quiet else console)
    with bar("coding and judging") as tell:
        result = run_bench(options, tell)
    print_notes((*result.left_out, *(f"refused: {line}" for line in result.refused)), quiet=quiet)
    summary = summarise(result)
    shown = next(iter(result.clips))
    costs = []
    if extras.costs:
        with bar("cost of each codec") as tell:
            costs = measure_costs(options, Path(shown.path), tell)
    samples = []
    if extras.wire:
        with bar("a call and rivals' packets on real sockets, in real time"):
            samples = measure_wire(options, shown, ON_SOCKETS)
    rival, players = strongest(summary), []
    if extras.players and rival is not None:
        with bar("pictures for the report") as tell:
            players = make_players(result, rival, extras.players, tell)
    report.write_report(result, summary, costs, samples, players)
    if extras.pairs:
        near = sorted(
            (c for c in summary.comparisons if (c.ours, c.figure, c.rate) == (OURS, "st_lpips", "payload")),
            key=lambda c: c.ratio.kbps,
        )
        if not near:
            raise InputError(
                "pairs are chosen by ST-LPIPS, which was not measured: pip install 'facewire[train,metrics]'"
            )
        with bar("pairs for people") as tell:
            page = pairs.pairs_page(result, [c.family for c in near[:PAIRED]], extras.pairs, tell)
        write_whole(options.out / "pairs.html", page.encode())
    for table in report.tables_of(result, summary):
        console.print(table)
    for name in ("report.html", "pairs.html") if extras.pairs else ("report.html",):
        console.print(f"wrote {options.out / name}", highlight=False, soft_wrap=True, markup=False)


@contextmanager
def _progress(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
