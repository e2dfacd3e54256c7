"""The bandwidth report as one self-contained HTML page: rates at equal quality, curves, players, costs, every clip.

Made for `report` from a `Result`, its `Summary`, costs, and players if pictures may be shown. The rules of comparison and what each
figure is blind to are on the page itself.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from importlib.resources import files

from facewire.benchmark.bandwidth.config import ONE_SOURCE, OURS, REPEAT
from facewire.benchmark.bandwidth.cost import Cost
from facewire.benchmark.bandwidth.players import Player
from facewire.benchmark.bandwidth.referee import FIGURES
from facewire.benchmark.bandwidth.rivals import RIVALS
from facewire.benchmark.bandwidth.run import CALL_S, Point, Result
from facewire.benchmark.bandwidth.summary import (
    ANCHOR,
    BD_ANCHOR,
    Comparison,
    CurvePoint,
    Summary,
    anchor_of,
    best_points,
    label,
)
from facewire.benchmark.bandwidth.wire import WireSample
from facewire.metrics.charts import Line, line_chart
from facewire.metrics.page import section, whole_page
from facewire.sender.delayed import PLAYOUT_MS, SOURCE_DELAY_MS
from facewire.sender.encoder import SOURCE_BYTES_PER_MINUTE

HEADLINE = ("st_lpips", "akd")
EQUAL_HEADS = (
    "payload, times {}",
    "wire, times {}",
    "10 min, times {}",
    "payload, worst clip, {}",
    "wire, worst, {}",
    "kbps at {}",
    "wire kbps at {}",
    "≤ / >, {}",
)
LOSSES = ("psnr", "ssim", "ms_ssim", "vmaf", "identity")
CHARTS = ("st_lpips", "akd", "psnr", "ms_ssim", "vmaf", "identity", "mouth_r", "eye_r")
UNHELD = ("mouth_r", "eye_r")
"""Figures that say nothing about the source frame held."""
DRAWN = ("x264-veryfast", "x264-veryslow", "x265", "vp8", "vp9", "svt-av1")
"""Rivals in the charts; the tables have them all."""
STYLES = {OURS: "ours", ONE_SOURCE: "hue7"}
"""Ours in the charts."""
PAPER = (
    ("bytes per frame, payload", "84.4 without adaptation, 53.0 adaptive", "payload_bytes"),
    ("kbit/s at 30 frames per second, payload", "20.3; 12.7 adaptive", "payload_30"),
    ("bits per pixel, payload", "0.00257 (84.4 B at 512 x 512); 0.00162", "bpp"),
    ("H.264 at equal perceptual quality, times our payload", "10 by people, 6.4 by LPIPS", "ratio"),
)
"""Wang, Mallya, Liu 2021, tables and section 5: theirs at 512 x 512."""


def report_page(
    result: Result,
    summary: Summary,
    costs: Sequence[Cost],
    wire: Sequence[WireSample],
    players: Sequence[Player],
) -> str:
    """The whole page."""
    style, script = (files(__package__).joinpath(f"report.{kind}").read_text("utf-8") for kind in ("css", "js"))
    sections = [
        _head(result, summary, players),
        *(_equal_section(summary, figure) for figure in HEADLINE if _compared(summary, figure)),
        _losses(summary),
        _curves(summary),
        _players(players),
        _fixed(summary),
        _bd_rates(summary),
        _wire(wire),
        _costs(costs),
        _paper(result, summary),
        _clips(result, summary),
        _sight(summary),
        _method(result),
    ]
    return whole_page("facewire: bandwidth at equal quality", sections, style=style, script=script)


def _head(result: Result, summary: Summary, players: Sequence[Player]) -> str:
    config = result.options.config
    many = "s" * (len(result.clips) != 1)
    lead = (
        f"{len(result.clips)} clip{many}, the first {config.seconds:g} seconds of each, {config.size} x {config.size} pixels, "
        f"against {len([f for f in summary.families if f in RIVALS])} classical codecs. "
        "Ours sends a picture of the face, the source frame, and then motion"
        + (f"; up to {config.sources} source frames are in use at a time, or one." if config.sources > 1 else ".")
    )
    people = '<p class="people">This page shows people from the clips. Keep it where the clips may be kept.</p>'
    return (
        f'<p class="kicker">facewire bandwidth benchmark · weights <code>{html.escape(result.bundle)}</code></p>'
        f"<h1>{_claim(summary)}</h1><p>{html.escape(lead)}</p>{people if players else ''}"
    )


def _claim(summary: Summary) -> str:
    best = strongest(summary)
    if best is None:
        return "Bandwidth at equal quality"
    wire = summary.comparison(best.family, best.figure, "wire")
    on_wire = f", {wire.ratio.text} times on the wire" if wire else ""
    return f"The strongest rival takes {best.ratio.text} times our payload{on_wire}, for the same ST-LPIPS"


def strongest(summary: Summary) -> Comparison | None:
    """The live rival whose payload comes nearest to ours at equal ST-LPIPS, in the median."""
    live = [
        c
        for c in summary.comparisons
        if (c.ours, c.figure, c.rate) == (OURS, "st_lpips", "payload") and not RIVALS[c.family].delay_note
    ]
    return min(live, key=lambda c: (c.ratio.bound == ">", c.ratio.kbps), default=None)


def _compared(summary: Summary, figure: str) -> bool:
    return any(c.figure == figure for c in summary.comparisons)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "clips") -> str:
    cells = "".join(f"<th><button>{html.escape(name)}</button></th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _equal_section(summary: Summary, figure: str) -> str:
    rows = []
    for family in summary.rivals:
        found = [_at_equal(summary, ours, family, figure) for ours in summary.ours]
        if any(found):
            pairs = zip(*(cells or ["–"] * len(EQUAL_HEADS) for cells in found), strict=True)
            rows.append([html.escape(label(family)), *(cell for pair in pairs for cell in pair)])
    title = FIGURES[figure].label.split(",")[0]
    takes = "; ".join(f"{label(ours)} takes {_takes(summary, ours)}" for ours in summary.ours)
    lead = (
        f"The least rate at which each rival reaches our {title}, clip by clip, and how many times our rate that is; {takes}. "
        "Medians over clips, and the clip on which we save least. Payload counts what follows the first picture, and the most that "
        "a call may spend on further source frames; the wire adds headers, and for us the acknowledgements; “10 min” spreads the "
        f"first picture, and what we may spend on source frames at once, over a call of {CALL_S / 60:.0f} minutes. ≤: its cheapest "
        "setting is already better, >: its best is worse; the last columns count such clips."
    )
    whose = ("ours", "one source frame")[: len(summary.ours)]
    heads = [head.format(name) for head in EQUAL_HEADS for name in whose]
    return section(f"equal-{figure}", f"At equal {title}", lead, _table(("rival", *heads), rows))


def _at_equal(summary: Summary, ours: str, family: str, figure: str) -> list[str] | None:
    """The cells of `EQUAL_HEADS`."""
    payload, wire, call = (summary.comparison(family, figure, rate, ours) for rate in ("payload", "wire", "call"))
    if payload is None or wire is None or call is None:
        return None
    return [
        f"<b>{payload.ratio.text}</b>",
        f"<b>{wire.ratio.text}</b>",
        call.ratio.text,
        f"{payload.worst.times.text} <small>{html.escape(payload.worst.clip)}</small>",
        wire.worst.times.text,
        payload.theirs.text,
        wire.theirs.text,
        f"{payload.count('<=')} / {payload.count('>')}",
    ]


def _takes(summary: Summary, ours: str) -> str:
    point = _anchor_medians(summary, ours)
    if point is None:
        return "–"
    return f"{point.payload_kbps:.1f} kbit/s of payload and {point.wire_kbps:.1f} on the wire"


def _anchor_medians(summary: Summary, ours: str) -> CurvePoint | None:
    return next((p for p in summary.curves.get(ours, []) if p.name == ANCHOR), None)


def _losses(summary: Summary) -> str:
    figures = [figure for figure in LOSSES if _compared(summary, figure)]
    heads = ["rival", *(f"{FIGURES[f].label.split(',')[0]}, {rate}" for f in figures for rate in ("payload", "wire"))]
    tables = []
    for ours in summary.ours:
        rows = []
        for family in summary.rivals:
            pairs = [(figure, rate) for figure in figures for rate in ("payload", "wire")]
            rows.append(
                [html.escape(label(family)), *(_loss(summary.comparison(family, *pair, ours)) for pair in pairs)]
            )
        tables.append(_titled(summary, ours, _table(heads, rows)))
    lead = (
        "The same comparison by other figures: times our rate that a rival takes to equal us. Red is below 1: there it is cheaper "
        "than we are. A codec that moves pictures cannot show what was hidden in them: hands, text held up and what moves "
        "behind a person are lost or smeared, and figures that compare pixel with pixel say so."
    )
    return section("lose", "Where we lose", lead, "".join(tables))


def _titled(summary: Summary, ours: str, table: str) -> str:
    """A table under the name of the one of ours that it is about, if there are two."""
    return f"<h3>Beside {html.escape(label(ours))}</h3>{table}" if len(summary.ours) > 1 else table


def _loss(comparison: Comparison | None) -> str:
    if comparison is None:
        return "–"
    text = comparison.ratio.text
    return f'<span class="bad">{text}</span>' if comparison.ratio.kbps < 1 and comparison.ratio.bound != ">" else text


def _curves(summary: Summary) -> str:
    parts = []
    for wire in (False, True):
        charts = "".join(_chart(summary, figure, wire) for figure in CHARTS)
        parts.append(f'<div class="charts pairs">{charts}</div>')
    lead = (
        "Medians over the clips at each operating point; of every codec only the points that nothing cheaper of its own equals, "
        "and none that is worse than the source frame held: a codec without any is missing. Point at a dot for its setting."
    )
    more = f"<details><summary>The same over the rate on the wire</summary>{parts[1]}</details>"
    return section("curves", "Rate and quality", lead, parts[0] + more)


def _chart(summary: Summary, figure: str, wire: bool) -> str:
    held = next((p.figures[figure] for p in summary.curves.get(REPEAT, []) if figure in p.figures), None)
    if figure in UNHELD:
        held = None
    lines = []
    drawn = {ours: style for ours, style in STYLES.items() if ours in summary.curves}
    drawn |= {family: f"hue{place}" for place, family in enumerate(DRAWN, 1) if family in summary.curves}
    for family, style in drawn.items():
        best = [
            point
            for point in best_points(summary.curves[family], figure, wire=wire)
            if held is None or FIGURES[figure].better * (point.figures[figure] - held) >= 0
        ]
        points = [(p.wire_kbps if wire else p.payload_kbps, p.figures[figure]) for p in best]
        names = [f"{label(family)} {p.name}: {x:.1f} kbps, {y:.4g}" for p, (x, y) in zip(best, points, strict=True)]
        if points:
            lines.append(Line(points, style, label(family), names))
    rates = [x for line in lines for x, _ in line.points]
    if held is not None and rates:
        lines.append(Line([(min(rates), held), (max(rates), held)], "ideal", "source frame, held"))
    axis = "kbit/s on the wire" if wire else "kbit/s of payload"
    return line_chart(FIGURES[figure].label, lines, axis, "", width=460, height=300, log_x=True)


def _players(players: Sequence[Player]) -> str:
    if not players:
        return ""
    lead = (
        "All four pictures are one video, so they are always the same frame. Space plays, comma and full stop step, “worst” jumps "
        "to the frame where ours is worst by ST-LPIPS. From the clip on which we save least to the one on which we save most."
    )
    return section("players", "Side by side", lead, "".join(_player(player) for player in players))


def _player(player: Player) -> str:
    heads = "".join(f"<span><b>{html.escape(top)}</b>{html.escape(below)}</span>" for top, below in player.columns)
    data = base64.b64encode(player.video).decode()
    return (
        f'<section class="panel player" data-fps="{player.fps:.4f}" data-worst="{player.worst}">'
        f"<h3>{html.escape(player.clip)}</h3>"
        f'<div class="strip"><div><div class="columns">{heads}</div>'
        f'<video loop muted playsinline preload="auto" src="data:video/mp4;base64,{data}"></video></div></div>'
        '<div class="controls"><button data-do="play">play</button><button data-do="back">‹ frame</button>'
        '<button data-do="on">frame ›</button><button data-do="worst">worst</button><output></output></div></section>'
    )


def _fixed(summary: Summary) -> str:
    labels = list(dict.fromkeys(fixed.label for fixed in summary.fixed))
    rows = []
    for family in [*summary.ours, *summary.rivals]:
        own = {fixed.label: fixed for fixed in summary.fixed if fixed.family == family}
        cells = [f"{own[name].payload.text} / {own[name].wire.text}" if name in own else "–" for name in labels]
        rows.append([html.escape(label(family)), *cells])
    lead = (
        "The median rate at which each reaches a quality asked of all alike, payload / wire, kbit/s. “Held” is our source frame "
        "with no bytes after it."
    )
    return section("fixed", "What a quality costs", lead, _table(["codec", *labels], rows))


def _bd_rates(summary: Summary) -> str:
    figures = list(dict.fromkeys(bd.figure for bd in summary.bd_rates))
    rows = []
    for family in dict.fromkeys(bd.family for bd in summary.bd_rates):
        own = {bd.figure: bd for bd in summary.bd_rates if bd.family == family}
        cells = [
            "–" if bd is None or bd.percent is None else f"{bd.percent:+.0f} % <small>{bd.clips}</small>"
            for bd in (own.get(figure) for figure in figures)
        ]
        rows.append([html.escape(label(family)), *cells])
    lead = (
        f"Mean change of payload against {label(BD_ANCHOR)} at equal quality (Bjøntegaard, piecewise cubic in log-rate), median "
        "over clips, and of how many. A clip counts where both fronts have three points and share half of the smaller quality "
        "range; ours is short, four presets, so few clips qualify and the tables above say more."
    )
    heads = ["codec", *(FIGURES[figure].label.split(",")[0] for figure in figures)]
    return section("bd", "BD-rate", lead, _table(heads, rows))


def _wire(samples: Sequence[WireSample]) -> str:
    if not samples:
        return ""
    rows = [
        [
            html.escape(sample.codec),
            f"{sample.payload_kbps:.1f}",
            f"{sample.modelled_kbps:.1f}",
            f"{sample.forward_kbps:.1f}",
            f"{sample.back_kbps:.1f}",
            str(sample.datagrams),
        ]
        for sample in samples
    ]
    lead = (
        "One clip in real time between two ends on this machine: rivals' packets over WebRTC's RTP, ours in a call of two "
        "programs, every datagram counted as an IP packet. Forward and back are measured; modelled is what the tables above use."
    )
    heads = ("codec", "payload kbps", "modelled kbps", "measured forward", "measured back", "datagrams forward")
    return section("wire", "On real sockets", lead, _table(heads, rows))


def _costs(costs: Sequence[Cost]) -> str:
    if not costs:
        return ""
    rows = [
        [
            html.escape(label(cost.family)),
            f"{cost.encode_ms:.1f}",
            f"{cost.decode_ms:.1f}",
            f"{cost.delay_ms:.0f}",
            f"{cost.cpu_s_per_minute:.1f}",
            f"{cost.memory_mb:.0f}",
            f"<code>{html.escape(cost.settings)}</code>",
        ]
        for cost in costs
    ]
    lead = (
        "Processor time of one thread on this machine, one clip, each codec in a process of its own. Delay is what the codec "
        "itself waits for: pictures it looks ahead, or those that share a packet. A minute of call is one stream sent and one "
        "received. With several source frames ours draws every picture here to choose among them, up to three times; a call "
        "takes a tenth of a processor for that and no more."
    )
    heads = ("codec", "encode ms", "decode ms", "delay ms", "CPU s a minute", "memory MB", "settings")
    return section("cost", "Delay and cost", lead, _table(heads, rows, kind="clips wide"))


def _paper(result: Result, summary: Summary) -> str:
    ours = summary.ours[-1]
    point = _anchor_medians(summary, ours)
    if point is None:
        return ""
    fps = sorted(clip.fps for clip in result.clips)[len(result.clips) // 2]
    size = 1000 * point.payload_kbps / 8 / fps
    x264 = summary.comparison(BD_ANCHOR, "st_lpips", "payload", ours)
    values = {
        "payload_bytes": f"{size:.1f}",
        "payload_30": f"{8 * 30 * size / 1000:.1f}",
        "bpp": f"{8 * size / result.options.config.size**2:.5f}",
        "ratio": f"{x264.ratio.text} by ST-LPIPS ({label(BD_ANCHOR)})" if x264 else "–",
    }
    rows = [[html.escape(name), html.escape(theirs), values[key]] for name, theirs, key in PAPER]
    lead = (
        "The paper's own figures (face-vid2vid, 512 x 512, TalkingHead-1KH) beside ours, with one source frame as there. Other "
        "clips, another size and another LPIPS: orders of magnitude, not a race."
    )
    return section("paper", "Beside the paper", lead, _table(("quantity", "face-vid2vid", label(ours)), rows))


def _clips(result: Result, summary: Summary) -> str:
    tables = []
    for figure in HEADLINE:
        for ours in summary.ours:
            rows = [
                _clip_row(summary, ours, clip.name, anchor_of(clip, ours), figure)
                for clip in result.clips
                if figure in anchor_of(clip, ours).figures
            ]
            if rows:
                title = FIGURES[figure].label.split(",")[0]
                own = ("kbps", "wire", "first source frame, bytes", "further ones", "their bytes", title)
                heads = ("clip", *own, *(label(family) for family in summary.rivals))
                beside = f", beside {html.escape(label(ours))}" if len(summary.ours) > 1 else ""
                tables.append(f"<h3>Payload, times ours, at equal {title}{beside}</h3>{_table(heads, rows)}")
    return section("clips", "Clip by clip", "Click a column's heading to sort by it.", "".join(tables))


def _clip_row(summary: Summary, ours: str, clip: str, point: Point, figure: str) -> list[str]:
    comparisons = [summary.comparison(family, figure, "payload", ours) for family in summary.rivals]
    return [
        html.escape(clip),
        f"{point.payload_kbps:.2f}",
        f"{point.wire_kbps:.1f}",
        f"{point.first_bytes}",
        f"{len(point.source_bytes)}",
        f"{sum(point.source_bytes)}",
        f"{point.figures[figure]:.3f}",
        *(next((e.times.text for e in c.clips if e.clip == clip), "–") if c else "–" for c in comparisons),
    ]


def _sight(summary: Summary) -> str:
    rows = [
        [html.escape(FIGURES[f].label), html.escape(FIGURES[f].sees), html.escape(FIGURES[f].blind)]
        for f in FIGURES
        if any(f in point.figures for curve in summary.curves.values() for point in curve)
    ]
    return section(
        "sight",
        "What each figure sees",
        "All are read from decoded pictures, the same for every codec.",
        _table(("figure", "sees", "does not see"), rows, kind="clips figures"),
    )


def _method(result: Result) -> str:
    config = result.options.config
    lines = [
        "Every codec gets the same framed pictures; rivals get them as 4:2:0, one key frame at the start and no other, no limit on "
        "a frame's size, no losses, no feedback counted.",
        *_source_rules(config.sources),
        "A rival is compared at the cheapest of all its settings, at full, half and quarter size and at half the frame rate, with "
        "straight lines in log-rate between its points.",
        f"Slow figures look at every {config.every}th picture, quick ones at every {config.faces_every}th; jitter at "
        f"{config.jitter_frames} consecutive ones; the first picture is never scored.",
        "A picture in which the face mesh finds no face counts for AKD as our source frame held.",
        *result.left_out,
        *(f"refused: {line}" for line in result.refused),
        *(remark for clip in result.clips for remark in clip.remarks),
    ]
    items = "".join(f"<li>{html.escape(line)}</li>" for line in dict.fromkeys(lines))
    return section("method", "Rules", "", f"<ul>{items}</ul>")


def _source_rules(sources: int) -> list[str]:
    """How source frames after the first are sent and counted."""
    if sources == 1:
        return []
    rate = SOURCE_BYTES_PER_MINUTE * 8 / 60 / 1000
    return [
        "Ours sends a further source frame where the present ones show too little, as a call does: it reaches the other side "
        f"{SOURCE_DELAY_MS:.0f} ms after its picture, and a frame is shown {PLAYOUT_MS:.0f} ms after its own. But every picture is "
        "drawn here to see that; a call has time for two or three a second.",
        "Whatever a clip takes, further source frames are charged at the most that a call may spend on them which keeps to "
        "32 kbit/s, as on a path of which no more is known, or with --frugal: in full and all the "
        f"time: {SOURCE_BYTES_PER_MINUTE:,} bytes a minute, {rate:.2f} kbit/s of payload, and on the wire also what their pieces "
        "take for headers and acknowledgements. A call may spend a minute's worth at once when it begins, and does so in the "
        f"seconds measured here: those {SOURCE_BYTES_PER_MINUTE:,} bytes count in “10 min”, spread over ten minutes with the "
        "first picture, as a rival's key frame does. What was really sent is in points.csv and clip by clip above.",
    ]
