"""The results of a loopback run: a table for people, JSON for programs. Both read a `LoopbackReport` and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from facewire.benchmark.loopback import LoopbackReport
from facewire.metrics.quality import Score

ROWS = {
    "ours": "facewire",
    "repeat": "source, held",
    "x264": "x264, motion",
    "x264_total": "x264, in all",
}
LEGEND_X264 = {
    "x264, motion": "x264 in the bytes of our motion, its first frame apart",
    "x264, in all": "x264 in the bytes of our source frames and motion",
}
MISSING = "–"
OVER = "* x264 cannot go as low: this is CRF 51, its coarsest."


@dataclass(frozen=True)
class Figure:
    """A column of the table of quality. meaning: in one line. of: its text, None where it was not measured."""

    name: str
    meaning: str
    of: Callable[[Score], str | None]


def _figure(name: str, meaning: str, value: Callable[[Score], float | None], form: str) -> Figure:
    def text(score: Score) -> str | None:
        measured = value(score)
        return None if measured is None else f"{measured:{form}}"

    return Figure(name, meaning, text)


RATE = "kbps"
RATE_MEANING = "video payload, 1000 bit/s; of facewire the motion alone"
FIGURES = (
    _figure("PSNR dB", "likeness of the pixels to the camera's; more is better", lambda s: s.psnr_db, ".2f"),
    _figure("SSIM", "likeness of the structure, 0 to 1; more is better", lambda s: s.ssim, ".3f"),
    _figure(
        "no face", "pictures in which MediaPipe does not find the face any more", lambda s: s.landmark_missing, ".0%"
    ),
    _figure(
        "points px",
        "how far face points are off, in pixels of a 256-pixel picture",
        lambda s: s.landmark_px,
        ".2f",
    ),
    _figure(
        "mouth r",
        "how closely its opening follows the camera's; 1 is perfect",
        lambda s: s.mouth_r,
        ".2f",
    ),
    _figure("eyes r", "the same of the eyes", lambda s: s.eyes_r, ".2f"),
)


def measured(report: LoopbackReport) -> list[Figure]:
    """The figures that at least one row has."""
    scores = [score for score in report.quality.values() if score is not None]
    return [figure for figure in FIGURES if any(figure.of(score) is not None for score in scores)]


def to_json(report: LoopbackReport) -> dict[str, Any]:
    """Plain values: sizes in bytes, `payload_bytes` one number per frame, kbps in 1000 bit/s, times in ms per frame. `total_kbps`
    is source message and motion spread over the clip; `wire_kbps` is motion with all packet headers.
    """
    payload = np.array(report.payload_bytes or [0.0])
    total = float(payload.sum())
    return {
        "frames": report.frames,
        "seconds": round(report.seconds, 3),
        "fps": round(report.fps, 3),
        "size": report.size,
        "weights": report.weights,
        "source_bytes": report.source_bytes,
        "sources": [asdict(source) for source in report.sources],
        "payload_bytes": [round(size, 2) for size in report.payload_bytes],
        "payload_bytes_median": round(float(np.median(payload)), 2),
        "payload_bytes_p95": round(float(np.percentile(payload, 95)), 2),
        "payload_kbps": round(report.kbps(total), 3),
        "total_kbps": round(report.kbps(report.source_bytes + total), 3),
        "wire_kbps": round(report.kbps(report.wire_forward_bytes), 3),
        "wire_back_kbps": round(report.kbps(report.wire_back_bytes), 3),
        "packets": report.packets,
        "packets_lost": report.packets_lost,
        "concealed": report.concealed,
        "longest_concealed_run": report.longest_concealed_run,
        "held": report.held,
        "ms": report.ms,
        "quality": {name: score.to_json() if score else None for name, score in report.quality.items()},
        "x264": {
            name: {
                "crf": rival.crf,
                "first_bytes": rival.first_bytes,
                "payload_bytes": sum(rival.payload_bytes),
                "payload_kbps": round(report.kbps(sum(rival.payload_bytes)), 3),
                "fits": rival.fits,
            }
            for name, rival in report.x264.items()
        },
        "remarks": report.remarks,
    }


def print_report(
    report: LoopbackReport, console: Console, title: str = "facewire loopback", *, quiet: bool = False
) -> None:
    """Prints the tables. quiet: without the notes below them."""
    values = to_json(report)
    figures = Table(title=title, show_header=False, title_justify="left")
    figures.add_column(style="bold")
    figures.add_column()
    figures.add_row("video", f"{report.frames} frames, {report.fps:.2f} per second, {report.size} x {report.size}")
    figures.add_row(
        "source frame, once" if len(report.sources) == 1 else f"{len(report.sources)} source frames",
        f"{report.source_bytes} bytes; with the motion {values['total_kbps']:.2f} kbps over this clip",
    )
    figures.add_row(
        "motion payload",
        f"{values['payload_kbps']:.2f} kbps; {values['payload_bytes_median']:g} bytes per frame (median), "
        f"{values['payload_bytes_p95']:g} (95th percentile)",
    )
    figures.add_row(
        "motion on the wire",
        f"{values['wire_kbps']:.1f} kbps with all packet headers, plus {values['wire_back_kbps']:.1f} of acknowledgements back",
    )
    figures.add_row(
        "channel",
        f"{report.packets_lost} of {report.packets} packets lost; {report.concealed} frames concealed, "
        f"{report.longest_concealed_run} in a row at most",
    )
    figures.add_row("ms per frame", ", ".join(f"{stage} {ms:.1f}" for stage, ms in report.ms.items()))
    figures.add_row("weights", report.weights)
    console.print(figures)
    if any(report.quality.values()):
        console.print(_quality_table(report))
        if not all(rival.fits for rival in report.x264.values()):
            console.print(OVER, style="yellow", markup=False, soft_wrap=True)
        console.print(_legend(report))
    for remark in () if quiet else report.remarks:
        console.print(f"note: {remark}", style="yellow", markup=False, soft_wrap=True)


def _quality_table(report: LoopbackReport) -> Table:
    table = Table(title="against the camera's pictures", title_justify="left")
    table.add_column("", no_wrap=True)
    figures = measured(report)
    for name in (RATE, *(figure.name for figure in figures)):
        table.add_column(name, justify="right")
    for name, score in report.quality.items():
        if score is not None:
            table.add_row(ROWS[name], rate(report, name), *(figure.of(score) or MISSING for figure in figures))
    return table


def _legend(report: LoopbackReport) -> Table:
    """What each column and row shown means."""
    lines = Table.grid(padding=(0, 2))
    meanings = {RATE: RATE_MEANING, **{figure.name: figure.meaning for figure in measured(report)}}
    for name, meaning in (meanings | (LEGEND_X264 if report.x264 else {})).items():
        lines.add_row(name, meaning, style="dim")
    return lines


def rate(report: LoopbackReport, name: str) -> str:
    """What a row of `ROWS` takes, in kbps; with a star where x264 cannot go as low as ours."""
    if name == "ours":
        return f"{report.kbps(sum(report.payload_bytes)):.2f}"
    if name not in report.x264:
        return "0"
    rival = report.x264[name]
    size = rival.total_bytes if name == "x264_total" else sum(rival.payload_bytes)
    return f"{report.kbps(size):.2f}" + ("" if rival.fits else " *")
