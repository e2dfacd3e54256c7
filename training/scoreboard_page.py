"""The scoreboard as one self-contained HTML page: gates, figures, pictures of the worst clips, curves and a sortable table.

`page` turns a `Scoreboard` into text with style, script, charts and strips inside, which `training.evaluate` writes. It follows the
reader's dark or light mode and fits a phone.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable

import numpy as np

from facewire.metrics.charts import Line, bar_chart, line_chart
from facewire.metrics.page import section, whole_page
from facewire.training.evaluate_clip import VIEWS, ClipScore, View
from facewire.training.rate_curve import RatePoint
from facewire.training.scoreboard import ALL_FIGURES, FIGURES, Figure, Scoreboard, repeated

WORST = 10
"""Clips that are shown with pictures."""
OPEN = 3
"""How many of these have all their strips unfolded."""
COLUMNS = (
    "psnr", "psnr_gain", "ssim", "ms_ssim", "st_lpips", "akd", "identity", "pose_error", "mouth_r", "mouth_slope", "eye_r",
    "eye_slope", "jitter", "cross_identity", "view_yaw_slope", "view_identity", "payload_bytes",
)  # fmt: skip
SHORT = {
    "psnr": "PSNR", "psnr_gain": "gain dB", "ssim": "SSIM", "ms_ssim": "MS-SSIM", "st_lpips": "ST-LPIPS", "akd": "AKD px",
    "identity": "identity", "pose_error": "pose °", "mouth_r": "mouth r", "mouth_slope": "mouth amp.", "eye_r": "eye r",
    "eye_slope": "eye amp.", "jitter": "jitter", "cross_identity": "cross id.", "view_yaw_slope": "view yaw",
    "view_identity": "view id.", "payload_bytes": "bytes",
}  # fmt: skip
BY_KEY = {figure.key: figure for figure in ALL_FIGURES}
STRIPS = {
    "same": ("The same person", ("source", "camera", "ours", "camera", "ours", "camera", "ours")),
    "cross": (
        "Another person’s face, moved by this clip",
        ("source", "driver", "moved", "driver", "moved", "driver", "moved"),
    ),
    "view": ("Free view, yaw", ("−40°", "−30°", "−20°", "source", "20°", "30°", "40°")),
}


def page(board: Scoreboard) -> str:
    """The whole page."""
    sections = [
        _head(board),
        _cards(board),
        _figures(board),
        _worst(board),
        _bars(board),
        _views(board),
        _rate(board.curve),
        _table(board),
        _left_out(board),
    ]
    return whole_page(f"facewire scoreboard: {board.bundle}", sections)


def _head(board: Scoreboard) -> str:
    options = board.options
    people = len({clip.person for clip in board.clips})
    name, _, digest = board.bundle.partition(" ")
    anchors = {
        "gates": "Gates",
        "figures": "All figures",
        "worst": "Worst clips",
        "clips": "By clip",
        "views": "Free view",
    }
    anchors |= ({"rate": "Rate"} if board.curve else {}) | {"table": "Table"}
    coded = f"motion through real bytes at the preset “{options.preset}”"
    lead = (
        f"{len(board.clips)} clips of {people} people of the split “{options.split}”, one source frame a clip, "
        f"{'uncoded motion' if options.preset == 'none' else coded}, "
        f"{'every frame' if options.every == 1 else f'every {options.every}th frame'} scored, at 256 pixels."
    )
    return (
        f'<p class="kicker">facewire scoreboard · weights <code>{html.escape(digest)}</code></p><h1>{html.escape(name)}</h1>'
        f'<p>{html.escape(lead)}</p><p class="people">This page shows real people from research clips and synthesised '
        f"pictures of them. Keep it to yourself.</p>"
        f"<nav>{''.join(f'<a href=#{anchor}>{text}</a>' for anchor, text in anchors.items())}</nav>"
    )


def _cards(board: Scoreboard) -> str:
    gated = [figure for figure in ALL_FIGURES if figure.gate is not None and figure.key in board.summary]
    passed = sum(bool(figure.passes(board.summary[figure.key], figure.gate)) for figure in gated)
    with_goal = [figure for figure in gated if figure.goal is not None]
    reached = sum(bool(figure.passes(board.summary[figure.key], figure.goal)) for figure in with_goal)
    cards = "".join(_card(figure, board.summary) for figure in gated)
    return section(
        "gates",
        f"{passed} of {len(gated)} gates met, {reached} of {len(with_goal)} goals",
        "Filled dot: these weights. Hollow dot: the source frame, repeated. Better is always to the right.",
        f'<div class="cards">{cards}</div>',
    )


def _card(figure: Figure, summary: dict[str, float]) -> str:
    value = summary[figure.key]
    if figure.passes(value, figure.gate) and figure.passes(value, figure.goal) is not False:
        badge = (
            '<span class="badge good">✓ goal met</span>'
            if figure.goal is not None
            else '<span class="badge good">✓ gate met</span>'
        )
    elif figure.passes(value, figure.gate):
        badge = '<span class="badge fair">✓ gate, not goal</span>'
    else:
        badge = '<span class="badge bad">✗ below the gate</span>'
    return (
        f'<section class="card"><h3>{html.escape(figure.label)}</h3><div class="value">{value:.{figure.digits}f}'
        f'<span class="unit">{figure.unit}</span></div>{badge}{_bullet(figure, value, repeated(summary, figure))}</section>'
    )


def _bullet(figure: Figure, value: float, repeat: float | None) -> str:
    """A track from worse to better with gate, goal, our value and that of repeating the source frame."""
    assert figure.gate is not None
    marks = [figure.gate, figure.goal if figure.goal is not None else figure.gate]
    span = max(abs(marks[1] - marks[0]), abs(figure.gate) * 0.15)
    # Beyond this, a dot sits at the end of the track, or a far worse repeat would squeeze the rest.
    reach = [marks[0] - 2.5 * span * figure.better, marks[1] + 1.5 * span * figure.better]

    def x(number: float) -> float:
        return 8 + 184 * float(np.clip((number - reach[0]) / (reach[1] - reach[0]), 0, 1))

    parts = ['<path class="track" d="M8 10H192"/>']
    alone = figure.goal is None
    for name, bound, anchor in (("gate", figure.gate, "middle" if alone else "end"), ("goal", figure.goal, "start")):
        if bound is not None:
            at = x(bound) + {"end": 6, "middle": 0, "start": -6}[anchor]
            parts.append(f'<path class="{name}" d="M{x(bound):.1f} 2V18"/>')
            parts.append(f'<text x="{at:.1f}" y="31" text-anchor="{anchor}">{name} {bound:g}</text>')
    if repeat is not None:
        parts.append(
            f'<circle class="repeat" cx="{x(repeat):.1f}" cy="10" r="5"><title>repeat: {repeat:.{figure.digits}f}</title></circle>'
        )
    parts.append(
        f'<circle class="ours" cx="{x(value):.1f}" cy="10" r="6.5"><title>ours: {value:.{figure.digits}f}</title></circle>'
    )
    return (
        f'<svg class="bullet" viewBox="0 0 200 34" role="img" aria-label="gate {figure.gate:g}">{"".join(parts)}</svg>'
    )


def _figures(board: Scoreboard) -> str:
    rows = []
    for group, figures in FIGURES.items():
        shown = [figure for figure in figures if figure.key in board.summary]
        if shown:
            rows.append(f'<tr class="group"><th colspan="5">{html.escape(group)}</th></tr>')
        for figure in shown:
            values = (board.summary[figure.key], board.people.get(figure.key), repeated(board.summary, figure))
            cells = ["" if value is None else f"{value:.{figure.digits}f}" for value in values]
            cells[0] = f"{cells[0]} {figure.unit}"
            row = [html.escape(figure.label), *cells, html.escape(figure.note)]
            rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>")
    heads = "".join(f"<th>{name}</th>" for name in ("figure", "ours", "person-wise", "repeat", "what it measures"))
    return section(
        "figures",
        "All figures",
        "Means over clips; correlations and amplitudes are medians over the clips that move. Person-wise: every person counts "
        "once, however many clips they have.",
        f'<div class="scroll"><table class="figures"><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>',
    )


def _worst(board: Scoreboard) -> str:
    return section(
        "worst",
        f"The {min(WORST, len(board.clips))} worst clips",
        "By mean rank in PSNR, SSIM, ST-LPIPS, AKD, identity and jitter. The frames are the worst of the clip and two "
        "better ones. On a narrow screen the strips scroll sideways.",
        "".join(_clip(place, clip) for place, clip in enumerate(board.clips[:WORST], 1)),
    )


def _clip(place: int, clip: ClipScore) -> str:
    chips = []
    for key in ("psnr_gain", "ssim", "st_lpips", "akd", "identity", "mouth_r", "eye_r", "jitter"):
        if (value := per_clip(clip, key)) is not None:
            bad = BY_KEY[key].passes(value, BY_KEY[key].gate) is False
            chips.append(
                f"<span{' class=bad' if bad else ''}>{SHORT[key]} {value:.{BY_KEY[key].digits}f}{' ✗' if bad else ''}</span>"
            )
    more = "".join(_strip(clip, kind) for kind in ("cross", "view"))
    charts = "".join(
        _openings(clip, title, column)
        for title, column in (("Mouth opening, face heights", 1), ("Eye opening, eye widths", 3))
    )
    unfolded = " open" if place <= OPEN else ""
    head = f'<h3>{place}. {html.escape(clip.name)}</h3><div class="chips">{"".join(chips)}</div>'
    return (
        f'<section class="panel clip"><header>{head}</header>{_strip(clip, "same")}<details{unfolded}>'
        "<summary>Openings over time, another face, free view</summary>"
        f'<div class="charts">{charts}</div>{more}</details></section>'
    )


def _strip(clip: ClipScore, kind: str) -> str:
    if kind not in clip.strips:
        return ""
    title, names = STRIPS[kind]
    data = base64.b64encode(clip.strips[kind]).decode()
    heads = "".join(f"<span>{name}</span>" for name in names)
    return (
        f'<div class="strip" role="group" aria-label="{html.escape(title)}"><div><div class="heads">{heads}</div>'
        f'<img alt="{html.escape(title)}: {html.escape(clip.name)}" loading="lazy" src="data:image/webp;base64,{data}"></div></div>'
    )


def _openings(clip: ClipScore, title: str, column: int) -> str:
    if len(clip.openings) < 2:
        return ""
    times = clip.openings[:, 0]
    true, ours = (
        [(float(t), float(v)) for t, v in zip(times, clip.openings[:, c], strict=True)] for c in (column, column + 1)
    )
    lines = [
        Line(true, "repeat", "camera", [f"{t:.2f} s: camera {v:.3f}" for t, v in true]),
        Line(ours, "ours", "ours", [f"{t:.2f} s: ours {v:.3f}" for t, v in ours]),
    ]
    return line_chart(title, lines, "seconds", "", height=190, zero=True)


def _bars(board: Scoreboard) -> str:
    charts = []
    for key in ("psnr_gain", "st_lpips", "akd", "identity", "ssim", "jitter"):
        figure = BY_KEY[key]
        rows = [
            (clip.name, value, clip.figures.get(f"{key}_repeat") if key in ("st_lpips", "identity", "ssim") else None)
            for clip in board.clips
            if (value := per_clip(clip, key)) is not None
        ]
        rows.sort(key=lambda row: -row[1] * figure.better)
        bounds = [("gate", figure.gate)] if figure.gate is not None else []
        unit = f" ({figure.unit})" if figure.unit else ""
        charts.append(bar_chart(f"{figure.label}{unit}", rows[::-1], bounds))
    return section(
        "clips",
        "By clip",
        "Every bar is a clip, the worst on the left; short marks are the source frame repeated. Hover over a bar for its name.",
        f'<div class="charts">{"".join(charts)}</div>',
    )


def per_clip(clip: ClipScore, key: str) -> float | None:
    """A figure of one clip. The gain over repeat is the difference of two."""
    if key == "psnr_gain":
        return clip.figures["psnr"] - clip.figures["psnr_repeat"]
    return clip.figures.get(key)


def _views(board: Scoreboard) -> str:
    seen = {
        view: [v for clip in board.clips for v in clip.views if (v.axis, v.asked) == view and v.reached is not None]
        for view in VIEWS
    }
    charts = []
    for axis, style in (("yaw", "ours"), ("pitch", "other")):
        angles = [asked for name, asked in VIEWS if name == axis and seen[(name, asked)]]
        if not angles:
            continue
        reached = [np.array([v.reached for v in seen[(axis, asked)]]) for asked in angles]
        line = Line(
            [(asked, float(values.mean())) for asked, values in zip(angles, reached, strict=True)],
            style,
            "measured in the picture (shaded: 10 to 90 % of clips)",
            [
                f"{asked}° requested: {values.mean():.1f}° measured"
                for asked, values in zip(angles, reached, strict=True)
            ],
            [(float(np.quantile(values, 0.1)), float(np.quantile(values, 0.9))) for values in reached],
        )
        ideal = Line([(angles[0], angles[0]), (angles[-1], angles[-1])], "ideal", "requested")
        charts.append(
            line_chart(f"{axis.capitalize()} reached", [line, ideal], "degrees requested", "degrees measured")
        )
    charts.append(_kept(board, seen))
    return section(
        "views",
        "Free view",
        "The source frame itself, turned. Pose by the face mesh, relative to the source frame.",
        f'<div class="charts">{"".join(charts)}</div>',
    )


def _kept(board: Scoreboard, seen: dict[tuple[str, int], list[View]]) -> str:
    lines = []
    for axis, style in (("yaw", "ours"), ("pitch", "other")):
        points = [
            (asked, float(np.mean([v.identity for v in views])))
            for (name, asked), views in seen.items()
            if name == axis and views and all(v.identity is not None for v in views)
        ]
        points = sorted([*points, (0, 1.0)]) if points else []
        lines.append(Line(points, style, axis, [f"{axis} {a}°: {value:.3f}" for a, value in points]))
    if (own := board.summary.get("identity_repeat")) is not None:
        lines.append(Line([(-40, own), (40, own)], "ideal", "two camera pictures of one clip"))
    return line_chart("Identity kept", lines, "degrees requested", "cosine to the source frame")


RATE_LINES: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("ours", "presets", lambda name: name.startswith("preset")),
    ("other", "fewer coefficients", lambda name: name.endswith("coefficients") or name == "preset default"),
    ("third", "other steps", lambda name: name.startswith("steps") or name == "preset default"),
)  # fmt: skip
RATE_FIGURES = (
    ("PSNR", "dB", "psnr"),
    ("AKD", "pixels", "akd"),
    ("ST-LPIPS", "distance", "st_lpips"),
    ("Mouth opening", "r", "mouth_r"),
)


def _rate(curve: dict[str, RatePoint]) -> str:
    if not curve:
        return ""
    return section(
        "rate",
        "Rate and distortion of the motion code",
        "The cost of fewer bytes, counting motion payload only. Four frames a clip; mouth r over all clips together, each "
        "without its mean.",
        f'<div class="charts pairs">{"".join(_rate_chart(curve, *figure) for figure in RATE_FIGURES)}</div>',
    )


def _rate_chart(curve: dict[str, RatePoint], title: str, label: str, key: str) -> str:
    values: dict[str, float | None] = {name: getattr(point, key) for name, point in curve.items()}
    lines = []
    for style, label_of_line, belongs in RATE_LINES:
        points = sorted(
            (point.payload_bytes, value, name)
            for name, point in curve.items()
            if belongs(name) and point.payload_bytes is not None and (value := values[name]) is not None
        )
        names = [f"{name}: {x:.1f} bytes, {y:.4g}" for x, y, name in points]
        lines.append(Line([(x, y) for x, y, _ in points], style, label_of_line, names))
    ends = [x for line in lines for x, _ in line.points]
    if ends and (limit := values["uncoded"]) is not None:
        lines.append(Line([(min(ends), limit), (max(ends), limit)], "ideal", "uncoded"))
    return line_chart(title, lines, "bytes a frame", label)


def _table(board: Scoreboard) -> str:
    heads = "".join(f"<th><button>{SHORT[key]}</button></th>" for key in COLUMNS)
    rows = []
    for place, clip in enumerate(board.clips, 1):
        cells = []
        for key in COLUMNS:
            value, figure = per_clip(clip, key), BY_KEY[key]
            bad = value is not None and figure.passes(value, figure.gate) is False
            cells.append(
                f"<td{' class=bad' if bad else ''}>{'' if value is None else f'{value:.{figure.digits}f}'}</td>"
            )
        rows.append(f"<tr><td>{html.escape(clip.name)}</td><td>{place}</td>{''.join(cells)}</tr>")
    first = "".join(f"<th><button>{name}</button></th>" for name in ("clip", "rank"))
    return section(
        "table",
        "Every clip",
        "Worst first; click a heading to sort. Red: below the gate. Empty: not measured, or mouth or eyes do not move.",
        f'<div class="scroll"><table class="clips"><thead><tr>{first}{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>",
    )


def _left_out(board: Scoreboard) -> str:
    if not board.left_out:
        return ""
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in board.left_out)
    return f"<h2>Not measured</h2><ul>{lines}</ul>"
