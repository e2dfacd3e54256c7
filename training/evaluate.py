"""Evaluating a weight bundle on people it never saw, coded through real bytes and compared with repeating the source frame.

From a bundle and a folder of labelled clips it makes a table, `scores.json`, `scoreboard.html` and strips of the worst clips.
`training.evaluate_clip` scores each clip in a worker process and `training.rate_curve` the motion code; `training.scoreboard`
has the rows, gates and summary, and `training.scoreboard_page` the page.
"""

from __future__ import annotations

import concurrent.futures
import json
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from facewire.errors import InputError, reason
from facewire.files import write_whole
from facewire.metrics import teacher_files
from facewire.metrics.quality import FaceMesh
from facewire.models.bundle import load_bundle
from facewire.training.data import ClipRow, read_manifest
from facewire.training.evaluate_clip import ClipScore, EvaluateOptions, evaluate_clip
from facewire.training.rate_curve import SETTINGS, RatePoint, average, rate_clip
from facewire.training.scoreboard import (
    ALL_FIGURES,
    FIGURES,
    Figure,
    Scoreboard,
    by_person,
    frechet_distances,
    repeated,
    summarise,
    worst_first,
)
from facewire.training.scoreboard_page import WORST, page
from facewire.workers import interrupts_for_this_process, worker_pool

T = TypeVar("T")


def evaluate(options: EvaluateOptions, out: Path | None, console: Console, *, quiet: bool = False) -> dict[str, float]:
    """Evaluate a bundle, write scores.json, scoreboard.html and worst/ into `out`, and return the summary.

    quiet: no progress and no notes on what is left out.
    """
    rows = read_manifest(options.data, options.split)[: options.clips]
    if not rows:
        raise InputError(f"{options.data} has no clips of split {options.split!r}")
    bundle = load_bundle(options.weights)
    left_out = teacher_files.missing()
    if not FaceMesh.installed():
        left_out.append(
            "landmarks, pose, openings, identity: not measured, since mediapipe is not installed (docs/evaluation.md)"
        )
    for line in () if quiet else left_out:
        console.print(f"[yellow]{line}", highlight=False)
    clips, points = _measure(options, rows, console, quiet=quiet)
    clips = worst_first(clips)
    board = Scoreboard(
        bundle=f"{bundle.name} {bundle.hash.hex()[:12]}",
        options=options,
        summary=summarise([clip.figures for clip in clips]) | frechet_distances(clips),
        people=by_person(clips),
        clips=clips,
        curve=average(points),
        left_out=left_out,
    )
    for part in tables(board):
        console.print(part)
    if out is not None:
        try:
            (out / "worst").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{out}: cannot be written ({reason(error)})") from error
        write_whole(out / "scores.json", json.dumps(board.to_json(), indent=1).encode())
        write_whole(out / "scoreboard.html", page(board).encode())
        for place, clip in enumerate(clips[:WORST], 1):
            for kind, strip in clip.strips.items():
                write_whole(out / "worst" / f"{place:02}_{clip.name}_{kind}.webp", strip)
        console.print(f"wrote {out / 'scoreboard.html'}", highlight=False, soft_wrap=True)
    return board.summary


def _measure(
    options: EvaluateOptions, rows: list[ClipRow], console: Console, *, quiet: bool
) -> tuple[list[ClipScore], list[dict[str, RatePoint]]]:
    with (
        Progress(console=console, transient=True, disable=quiet) as progress,
        worker_pool(options.workers, "that scored a clip") as pool,
    ):
        with interrupts_for_this_process():
            jobs = [pool.submit(evaluate_clip, options, row, partner(rows, i)) for i, row in enumerate(rows)]
        clips = _finished(jobs, progress, "evaluating clips")
        if not options.curve:
            return clips, []
        rates = [pool.submit(rate_clip, options, row) for row in rows]
        return clips, _finished(rates, progress, f"motion code at {len(SETTINGS)} settings")


def _finished(jobs: list[concurrent.futures.Future[T]], progress: Progress, what: str) -> list[T]:
    task = progress.add_task(what, total=len(jobs))
    for job in concurrent.futures.as_completed(jobs):
        job.result()
        progress.advance(task)
    return [job.result() for job in jobs]


def partner(rows: list[ClipRow], index: int) -> ClipRow | None:
    """A clip of another person, half the list further on, whose first frame clip `index` is to move; None if there is none."""
    others = (rows[(index + len(rows) // 2 + step) % len(rows)] for step in range(len(rows)))
    return next((row for row in others if row.identity != rows[index].identity), None)


def tables(board: Scoreboard) -> list[Table]:
    """The scoreboard for the terminal: figures with gates, the worst clips, and the rate curve if there is one."""
    options = board.options
    people = len({clip.person for clip in board.clips})
    main = Table(
        title=f"{board.bundle}: {len(board.clips)} {options.split} clips of {people} people, preset {options.preset}, "
        f"every {options.every}th frame"
    )
    for name in ("figure", "ours", "each person once", "repeat the source", "gate", "goal"):
        main.add_column(name, justify="left" if name == "figure" else "right")
    for group, figures in FIGURES.items():
        shown = [figure for figure in figures if figure.key in board.summary]
        if shown:
            main.add_row(f"[bold]{group}", end_section=False)
        for figure in shown:
            value = board.summary[figure.key]
            main.add_row(
                f"  {figure.label}",
                f"{value:.{figure.digits}f} {figure.unit}".rstrip(),
                f"{board.people[figure.key]:.{figure.digits}f}" if figure.key in board.people else "",
                "" if (repeat := repeated(board.summary, figure)) is None else f"{repeat:.{figure.digits}f}",
                _verdict(figure, value, figure.gate),
                _verdict(figure, value, figure.goal),
                end_section=figure is shown[-1],
            )
    parts = [main, _worst_table(board.clips[:WORST])]
    if board.curve:
        curve = Table(title="rate and distortion of the motion code")
        for name in ("setting", "bytes a frame", "PSNR dB", "AKD px", "ST-LPIPS", "mouth r"):
            curve.add_column(name, justify="left" if name == "setting" else "right")
        for name, point in board.curve.items():
            values = (point.payload_bytes, point.psnr, point.akd, point.st_lpips, point.mouth_r)
            digits = (2, 2, 2, 4, 3)
            curve.add_row(name, *("" if v is None else f"{v:.{d}f}" for v, d in zip(values, digits, strict=True)))
        parts.append(curve)
    return parts


def _verdict(figure: Figure, value: float, bound: float | None) -> str:
    if bound is None:
        return ""
    good = figure.passes(value, bound)
    sign = "≥" if figure.better > 0 else "≤"
    return f"[{'green' if good else 'red'}]{sign} {bound:g} {'✓' if good else '✗'}"


def _worst_table(clips: list[ClipScore]) -> Table:
    table = Table(title=f"the {len(clips)} worst clips, by mean rank")
    columns = ("psnr", "ssim", "st_lpips", "akd", "identity", "mouth_r", "eye_r", "jitter")
    table.add_column("clip")
    for name in columns:
        table.add_column(name, justify="right")
    digits = {figure.key: figure.digits for figure in ALL_FIGURES}
    for clip in clips:
        cells = (f"{clip.figures[n]:.{digits[n]}f}" if n in clip.figures else "" for n in columns)
        table.add_row(clip.name, *cells)
    return table


def fetch_teachers(console: Console) -> Path:
    """Download the identity network with a progress bar."""
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("fetching the identity network", total=None)

        def on_progress(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total or None)

        return teacher_files.fetch_identity(on_progress)
