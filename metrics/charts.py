"""Small line and bar charts as SVG text, for self-contained pages.

Numbers become an `<svg>` element that is coloured by the classes of `page.css`, and so follows dark and light mode. Every
point has a `<title>`, shown on hover. Used by `training.scoreboard_page` and `benchmark.bandwidth.report_page`.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

LEFT, RIGHT, TOP, BOTTOM, NO_NUMBERS = 52, 12, 12, 38, 10
"""Margins in pixels. The left and lower ones hold the numbers of the axes."""


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    points: Sequence[tuple[float, float]]
    """x, y; NaN leaves a gap."""
    style: str
    """CSS class: ours, other, third, repeat, ideal or hue1 to hue9."""
    label: str = ""
    """For the legend; a line without a label is left out of it."""
    names: Sequence[str] = ()
    """Names of the points, shown on hover. Points with names are drawn as dots."""
    band: Sequence[tuple[float, float]] = ()
    """Lower and upper edge of a shaded band at each point."""


def line_chart(
    title: str,
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    *,
    width: int = 380,
    height: int = 250,
    zero: bool = False,
    log_x: bool = False,
) -> str:
    """A line chart. zero: start the y axis at 0. log_x: use a logarithmic x axis; all x must be above 0."""
    xs = [x for line in lines for x, _ in line.points if math.isfinite(x)]
    ys = [y for line in lines for _, y in line.points if math.isfinite(y)]
    ys += [end for line in lines for ends in line.band for end in ends] + ([0.0] if zero else [])
    if not xs or not ys:
        return ""
    x_ticks = _log_ticks(min(xs), max(xs)) if log_x else _ticks(min(xs), max(xs))
    frame = _Frame(x_ticks, _ticks(min(ys), max(ys)), width, height, log_x=log_x)
    parts = frame.axes(x_label, y_label)
    for line in lines:
        parts += [f'<g class="{line.style}">', *_line(frame, line), "</g>"]
    legend = "".join(f'<span class="key {line.style}">{html.escape(line.label)}</span>' for line in lines if line.label)
    return _figure(title, width, height, parts, legend)


def bar_chart(
    title: str,
    bars: Sequence[tuple[str, float, float | None]],
    bounds: Sequence[tuple[str, float]] = (),
    *,
    width: int = 380,
    height: int = 180,
) -> str:
    """A bar chart of names and values. The third number, the value of an alternative, is drawn as a mark.

    bounds: names and values of horizontal lines, such as a gate.
    """
    values = [value for _, value, _ in bars] + [mark for *_, mark in bars if mark is not None]
    if not bars:
        return ""
    heights = _ticks(min(0.0, *values), max([0.0, *values, *(bound for _, bound in bounds)]))
    frame = _Frame([0.0, float(len(bars))], heights, width, height, NO_NUMBERS)
    parts = frame.axes("", "", x_numbers=False)
    step = (width - LEFT - RIGHT) / len(bars)
    for index, (name, value, mark) in enumerate(bars):
        x, base, top = frame.x(index), frame.y(0), frame.y(value)
        text = f"{name}: {value:.3g}" + (f", repeat {mark:.3g}" if mark is not None else "")
        parts.append(f"<g><title>{html.escape(text)}</title>")
        parts.append(
            f'<rect class="hit" x="{x:.1f}" y="{TOP}" width="{step:.1f}" height="{height - TOP - NO_NUMBERS}"/>'
        )
        parts.append(
            f'<rect class="bar" x="{x + step * 0.12:.1f}" y="{min(base, top):.1f}" width="{step * 0.76:.1f}" '
            f'height="{max(abs(base - top), 0.5):.1f}" rx="1"/>'
        )
        if mark is not None:
            parts.append(f'<path class="mark" d="M{x:.1f} {frame.y(mark):.1f}h{step:.1f}"/>')
        parts.append("</g>")
    for name, bound in bounds:
        y = frame.y(bound)
        parts.append(f'<path class="bound" d="M{LEFT} {y:.1f}H{width - RIGHT}"/>')
        parts.append(f'<text class="bound-name" x="{width - RIGHT}" y="{y - 4:.1f}">{html.escape(name)}</text>')
    return _figure(title, width, height, parts, "")


class _Frame:
    """Axes, which map data to pixels."""

    def __init__(
        self,
        x_ticks: list[float],
        y_ticks: list[float],
        width: int,
        height: int,
        bottom: int = BOTTOM,
        *,
        log_x: bool = False,
    ) -> None:
        self.x_ticks, self.y_ticks = x_ticks, y_ticks
        self.width, self.height, self.bottom = width, height, bottom
        self.log_x = log_x

    def x(self, value: float) -> float:
        low, high = self.x_ticks[0], self.x_ticks[-1]
        if self.log_x:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return LEFT + (value - low) / (high - low) * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return self.height - self.bottom - (value - low) / (high - low) * (self.height - TOP - self.bottom)

    def axes(self, x_label: str, y_label: str, *, x_numbers: bool = True) -> list[str]:
        parts = []
        for value in self.y_ticks:
            y = self.y(value)
            parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{self.width - RIGHT}"/>')
            parts.append(f'<text class="tick y" x="{LEFT - 6}" y="{y + 3.5:.1f}">{_number(value)}</text>')
        if x_numbers:
            for value in self.x_ticks:
                parts.append(
                    f'<text class="tick x" x="{self.x(value):.1f}" y="{self.height - BOTTOM + 15}">{_number(value)}</text>'
                )
        middle = (LEFT + self.width - RIGHT) / 2
        if x_label:
            parts.append(f'<text class="axis" x="{middle:.0f}" y="{self.height - 5}">{html.escape(x_label)}</text>')
        if y_label:
            parts.append(
                f'<text class="axis" transform="translate(11 {self.height / 2 - 12:.0f}) rotate(-90)">{html.escape(y_label)}</text>'
            )
        return parts


def _line(frame: _Frame, line: Line) -> list[str]:
    parts = []
    if line.band:
        ends = list(zip((x for x, _ in line.points), line.band, strict=True))
        around = [(x, high) for x, (_, high) in ends] + [(x, low) for x, (low, _) in reversed(ends)]
        parts.append(
            f'<polygon class="band" points="{" ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in around)}"/>'
        )
    path, pen = [], "M"
    for x, y in line.points:
        if math.isfinite(y):
            path.append(f"{pen}{frame.x(x):.1f} {frame.y(y):.1f}")
            pen = "L"
        else:
            pen = "M"
    parts.append(f'<path class="line" d="{"".join(path)}"/>')
    for (x, y), name in zip(line.points, line.names, strict=False):
        if math.isfinite(y):
            text = f"<title>{html.escape(name)}</title>"
            parts.append(f'<circle class="dot" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3.5">{text}</circle>')
    return parts


def _figure(title: str, width: int, height: int, parts: list[str], legend: str) -> str:
    svg = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">{"".join(parts)}</svg>'
    keys = f'<div class="legend">{legend}</div>' if legend else ""
    return f'<figure class="chart"><figcaption>{html.escape(title)}</figcaption>{keys}{svg}</figure>'


def _ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """About `count` round numbers around [low, high]."""
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [round(index * step, 10) for index in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, from the last below `low` to the first above `high`."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = [step * 10.0**power for power in range(first, last + 1) for step in (1, 2, 5)]
    below = max(step for step in steps if step <= low * 1.0001)
    above = min((step for step in steps if step >= high * 0.9999), default=steps[-1])
    return [round(step, 10) for step in steps if below <= step <= max(above, below * 2)]


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")
