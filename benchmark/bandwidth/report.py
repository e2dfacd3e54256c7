"""The files that a run leaves in its folder: `report.html`, `report.json` with its schema, and two tables as CSV.

Also the tables for the terminal. Pictures of the clips get into the page only on request.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from rich.table import Table

from facewire.benchmark.bandwidth.cost import Cost
from facewire.benchmark.bandwidth.players import Player
from facewire.benchmark.bandwidth.referee import FIGURES
from facewire.benchmark.bandwidth.report_page import report_page
from facewire.benchmark.bandwidth.run import Result
from facewire.benchmark.bandwidth.summary import Comparison, Summary, label
from facewire.benchmark.bandwidth.wire import WireSample
from facewire.files import write_whole

VERSION = 2
"""Version of report.json."""
DIGITS = 6
"""Significant digits in files."""


def write_report(
    result: Result, summary: Summary, costs: Sequence[Cost], wire: Sequence[WireSample], players: Sequence[Player]
) -> None:
    """Writes all files; InputError if one cannot be written."""
    out = result.options.out
    write_whole(out / "report.html", report_page(result, summary, costs, wire, players).encode())
    write_whole(out / "report.json", json.dumps(to_json(result, summary, costs, wire), indent=1).encode())
    write_whole(out / "report.schema.json", schema().encode())
    write_whole(out / "points.csv", _points_csv(result).encode())
    write_whole(out / "equal.csv", _equal_csv(summary).encode())


def schema() -> str:
    """JSON Schema of report.json."""
    return files(__package__).joinpath("report.schema.json").read_text("utf-8")


def to_json(
    result: Result, summary: Summary, costs: Sequence[Cost] = (), wire: Sequence[WireSample] = ()
) -> dict[str, Any]:
    """The report as plain values. `clips` and `comparisons` are the same in every run; times in `points` and `costs` are not."""
    values: dict[str, Any] = _rounded(
        {
            "version": VERSION,
            "weights": result.bundle,
            "config": result.options.config.to_json(),
            "left_out": result.left_out,
            "refused": result.refused,
            "clips": [{k: v for k, v in asdict(clip).items() if k != "path"} for clip in result.clips],
            "comparisons": [
                {
                    "ours": c.ours,
                    "family": c.family,
                    "figure": c.figure,
                    "rate": c.rate,
                    "theirs_kbps": asdict(c.theirs),
                    "ratio": asdict(c.ratio),
                    "worst": asdict(c.worst),
                    "clips": [asdict(clip) for clip in c.clips],
                }
                for c in summary.comparisons
            ],
            "fixed": [asdict(fixed) for fixed in summary.fixed],
            "bd_rates": [asdict(bd) for bd in summary.bd_rates],
            "curves": {family: [asdict(point) for point in curve] for family, curve in summary.curves.items()},
            "costs": [asdict(cost) for cost in costs],
            "wire": [asdict(sample) for sample in wire],
        }
    )
    return values


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value


def _points_csv(result: Result) -> str:
    file = io.StringIO()
    table = csv.writer(file)
    table.writerow(
        [
            "clip",
            "codec",
            "point",
            "first_bytes",
            "source_frames",
            "source_bytes",
            "payload_kbps",
            "wire_kbps",
            "encode_ms",
            "decode_ms",
            *FIGURES,
            "settings",
        ]
    )
    for clip in result.clips:
        for p in clip.points:
            figures = [_cell(p.figures.get(name)) for name in FIGURES]
            rates = [_cell(value) for value in (p.payload_kbps, p.wire_kbps, p.encode_ms, p.decode_ms)]
            later = (len(p.source_bytes), sum(p.source_bytes))
            table.writerow([clip.name, p.family, p.name, p.first_bytes, *later, *rates, *figures, p.settings])
    return file.getvalue()


def _equal_csv(summary: Summary) -> str:
    file = io.StringIO()
    table = csv.writer(file)
    table.writerow(["ours", "figure", "rate", "codec", "clip", "ours_kbps", "theirs_kbps", "ratio", "bound"])
    for c in summary.comparisons:
        for clip in c.clips:
            table.writerow(
                [
                    c.ours,
                    c.figure,
                    c.rate,
                    c.family,
                    clip.clip,
                    _cell(clip.ours),
                    _cell(clip.theirs),
                    _cell(clip.ratio),
                    clip.bound,
                ]
            )
    return file.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.{DIGITS}g}"


def tables_of(result: Result, summary: Summary) -> list[Table]:
    """The rates of rivals at the quality of each of ours, for the terminal."""
    many = f"{len(result.clips)} clip{'s' * (len(result.clips) != 1)}, {result.bundle}"
    tables = []
    for ours in summary.ours:
        table = Table(title=f"rates at equal quality beside {label(ours)}, {many}", title_justify="left")
        table.add_column("rival", no_wrap=True)
        columns = [(figure, rate) for figure in ("st_lpips", "akd", "psnr") for rate in ("payload", "wire")]
        for figure, rate in columns:
            table.add_column(f"{FIGURES[figure].label.split(',')[0]}\n{rate}", justify="right")
        for family in summary.rivals:
            cells = [summary.comparison(family, *column, ours) for column in columns]
            if any(cells):
                table.add_row(label(family), *(_ratio(cell) for cell in cells))
        tables.append(table)
    tables[-1].caption = (
        "times our rate at our quality, median over clips; wire with all headers and\n"
        "our acknowledgements; further source frames at the most that a call may spend.\n"
        "≤: the rival's cheapest is already better, >: its best is worse."
    )
    tables[-1].caption_justify = "left"
    return tables


def _ratio(comparison: Comparison | None) -> str:
    if comparison is None:
        return "–"
    return f"{comparison.ratio.text} x"
