"""The results of a loopback run: a table for people, JSON for programs. Both read a `LoopbackReport` and nothing else."""

from __future__ import annotations

from dataclasses import asdict
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
LEGEND_RATE = "kbps: video payload, 1000 bit/s, without packet headers."
LEGEND_X264 = """\
x264, motion: its frames after the first in the bytes of our motion; x264, in all: key frame included, in the bytes of \
our source frame and motion."""
LEGEND_FACE = """\
no face: pictures in which MediaPipe no longer finds the camera's face. points: mean distance, in the others, of 468 \
face points in pixels of a 256-pixel picture. mouth r, eyes r: correlation over time of how far they are open, 1 is \
perfect."""
OVER = "* x264 cannot go as low: this is CRF 51, its coarsest."


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
        console.print(_legend(report), style="dim", markup=False)
    for remark in () if quiet else report.remarks:
        console.print(f"note: {remark}", style="yellow", markup=False, soft_wrap=True)


def _quality_table(report: LoopbackReport) -> Table:
    table = Table(title="against the camera's pictures", title_justify="left")
    table.add_column("", no_wrap=True)
    for name in ("kbps", "PSNR dB", "SSIM", "no face", "points px", "mouth r", "eyes r"):
        table.add_column(name, justify="right")
    for name, score in report.quality.items():
        if score is not None:
            table.add_row(ROWS[name], _rate(report, name), *_cells(score))
    return table


def _legend(report: LoopbackReport) -> str:
    """The meaning of the columns and rows that are shown."""
    faces = any(score is not None and score.landmark_missing is not None for score in report.quality.values())
    return " ".join([LEGEND_RATE, *([LEGEND_X264] if report.x264 else []), *([LEGEND_FACE] if faces else [])])


def _rate(report: LoopbackReport, name: str) -> str:
    if name == "ours":
        return f"{report.kbps(sum(report.payload_bytes)):.2f}"
    if name not in report.x264:
        return "0"
    rival = report.x264[name]
    size = rival.total_bytes if name == "x264_total" else sum(rival.payload_bytes)
    return f"{report.kbps(size):.2f}" + ("" if rival.fits else " *")


def _cells(score: Score) -> list[str]:
    values = (
        (score.psnr_db, ".2f"),
        (score.ssim, ".3f"),
        (score.landmark_missing, ".0%"),
        (score.landmark_px, ".2f"),
        (score.mouth_r, ".2f"),
        (score.eyes_r, ".2f"),
    )
    return ["–" if value is None else f"{value:{form}}" for value, form in values]
