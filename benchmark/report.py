"""What a loopback run tells: a table for people, JSON for programs. Both read a `LoopbackReport` and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from facewire.benchmark.loopback import LoopbackReport
from facewire.benchmark.quality import Score

ROWS = {
    "ours": "facewire",
    "repeat": "the source frame, repeated",
    "x264": "x264, same rate after the first frame",
    "x264_total": "x264, same bytes in all",
}


def to_json(report: LoopbackReport) -> dict[str, Any]:
    """Plain values. Sizes in bytes, `payload_bytes` one number a frame, kbps in 1000 bit/s, times in ms a frame."""
    payload = np.array(report.payload_bytes or [0.0])
    return {
        "frames": report.frames,
        "seconds": round(report.seconds, 3),
        "fps": round(report.fps, 3),
        "size": report.size,
        "weights": report.weights,
        "source_bytes": report.source_bytes,
        "payload_bytes": report.payload_bytes,
        "payload_bytes_median": round(float(np.median(payload)), 2),
        "payload_bytes_p95": round(float(np.percentile(payload, 95)), 2),
        "payload_kbps": round(report.kbps(float(payload.sum())), 3),
        "wire_kbps": round(report.kbps(report.wire_forward_bytes), 3),
        "wire_back_kbps": round(report.kbps(report.wire_back_bytes), 3),
        "packets": report.packets,
        "packets_lost": report.packets_lost,
        "concealed": report.concealed,
        "longest_concealed_run": report.longest_concealed_run,
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


def print_report(report: LoopbackReport, console: Console, title: str = "facewire loopback") -> None:
    """The tables for the terminal."""
    values = to_json(report)
    figures = Table(title=title, show_header=False, title_justify="left")
    figures.add_column(style="bold")
    figures.add_column()
    figures.add_row("video", f"{report.frames} frames, {report.fps:.2f} a second, {report.size} x {report.size}")
    figures.add_row("source frame, once", f"{report.source_bytes} bytes")
    figures.add_row(
        "motion payload",
        f"{values['payload_kbps']:.2f} kbps; {values['payload_bytes_median']:g} bytes a frame (median), "
        f"{values['payload_bytes_p95']:g} (95th percentile)",
    )
    figures.add_row("on the wire", f"{values['wire_kbps']:.1f} kbps, and {values['wire_back_kbps']:.1f} back")
    figures.add_row(
        "channel",
        f"{report.packets_lost} of {report.packets} packets lost; {report.concealed} frames concealed, "
        f"{report.longest_concealed_run} in a row at most",
    )
    figures.add_row("ms a frame", ", ".join(f"{stage} {ms:.1f}" for stage, ms in report.ms.items()))
    figures.add_row("weights", report.weights)
    console.print(figures)
    if any(report.quality.values()):
        console.print(_quality_table(report))
    for remark in report.remarks:
        console.print(f"note: {remark}", style="yellow", markup=False)


def _quality_table(report: LoopbackReport) -> Table:
    table = Table(title="against the camera's pictures", title_justify="left")
    table.add_column("")
    for name in ("kbps", "PSNR dB", "SSIM", "landmarks px", "mouth r", "eyes r"):
        table.add_column(name, justify="right")
    for name, score in report.quality.items():
        if score is not None:
            table.add_row(ROWS.get(name, name), _rate(report, name), *_cells(score))
    return table


def _rate(report: LoopbackReport, name: str) -> str:
    if name == "ours":
        return f"{report.kbps(sum(report.payload_bytes)):.2f}"
    if name not in report.x264:
        return "0"
    rival = report.x264[name]
    size = rival.total_bytes if name == "x264_total" else sum(rival.payload_bytes)
    return f"{report.kbps(size):.2f}"


def _cells(score: Score) -> list[str]:
    values = ((score.psnr_db, 2), (score.ssim, 3), (score.landmark_px, 2), (score.mouth_r, 2), (score.eyes_r, 2))
    return ["–" if value is None else f"{value:.{digits}f}" for value, digits in values]
