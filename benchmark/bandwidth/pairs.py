"""Asking people: a page of blind A/B comparisons, and what their answers say.

A `Result` and the rivals to ask about become `pairs.html`; the CSV files that the page saves become shares with confidence
intervals. Each pair is one clip by ours and by a rival, beside the camera's; the browser draws which side is whose.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import sqrt
from pathlib import Path

import numpy as np
from rich.table import Table

from facewire.benchmark.bandwidth.clip import read_clip
from facewire.benchmark.bandwidth.codec import Picture
from facewire.benchmark.bandwidth.players import at_quality, at_wire, mp4, shown_at
from facewire.benchmark.bandwidth.run import Point, Result
from facewire.benchmark.bandwidth.summary import anchor_of, label
from facewire.errors import InputError, reason
from facewire.metrics.page import whole_page

COLUMNS = ("clip", "rival", "point", "condition", "answer", "left", "seconds")
"""Columns of the CSV that the page saves. answer: facewire, rival or same. left: who was on the left."""
ANSWERS = ("facewire", "rival", "same")
CONDITIONS = {"quality": "same ST-LPIPS", "wire": "same rate on the wire"}
Z = 1.959964
"""Normal quantile of a 95 % interval."""


@dataclass(frozen=True)
class Preference:
    """How often ours was preferred to a rival under a condition."""

    rival: str
    condition: str
    ours: int
    theirs: int
    same: int

    @property
    def share(self) -> float:
        """The share for ours; answers of "same" count half for each."""
        return (self.ours + self.same / 2) / (self.ours + self.theirs + self.same)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share (Wilson 1927)."""
        count = self.ours + self.theirs + self.same
        middle = (self.share + Z * Z / (2 * count)) / (1 + Z * Z / count)
        half = Z * sqrt(self.share * (1 - self.share) / count + Z * Z / (4 * count * count)) / (1 + Z * Z / count)
        return middle - half, middle + half


def pairs_page(result: Result, rivals: Sequence[str], count: int, tell: Callable[[int, int], None]) -> str:
    """The page. rivals: families. count: clips, spread over the run's; each is asked once per rival and condition."""
    places = np.unique(np.linspace(0, len(result.clips) - 1, min(count, len(result.clips))).round().astype(int))
    chosen = [result.clips[place] for place in places]
    trials, done, total = [], 0, len(chosen) * len(rivals) * len(CONDITIONS)
    for found in chosen:
        clip = read_clip(Path(found.path), result.options.config.size, result.options.config.seconds)
        ours = anchor_of(found)
        videos = {
            "camera": _video(clip.pictures, clip.fps),
            "ours": _video(shown_at(result.options, clip, ours), clip.fps),
        }
        for family in rivals:
            for condition, pick in (("quality", at_quality), ("wire", at_wire)):
                tell(done, total)
                done += 1
                point: Point = pick(found, family, ours)
                shown = _video(shown_at(result.options, clip, point), clip.fps)
                names = {"clip": found.name, "rival": label(family), "point": point.name, "condition": condition}
                trials.append(names | videos | {"theirs": shown})
    style, script = (files(__package__).joinpath(f"pairs.{kind}").read_text("utf-8") for kind in ("css", "js"))
    data = json.dumps({"columns": COLUMNS, "trials": trials}).replace("<", "\\u003c")
    body = (
        '<p class="kicker">facewire · blind comparison</p><h1>Which is nearer to the camera’s picture?</h1>'
        '<p class="people">This page shows people from the clips. Keep it where the clips may be kept.</p>'
        '<div class="trial"><figure><figcaption>A</figcaption><video data-side="left" muted loop playsinline></video></figure>'
        '<figure class="camera"><figcaption>camera</figcaption><video data-side="camera" muted loop playsinline></video></figure>'
        '<figure><figcaption>B</figcaption><video data-side="right" muted loop playsinline></video></figure></div>'
        '<div class="controls"><button data-answer="left">← A</button><button data-answer="same">↓ the same</button>'
        '<button data-answer="right">B →</button><button data-answer="undo">undo</button><output></output></div>'
        '<section class="end" hidden><h2>Thank you</h2><p></p><div class="controls"><button data-answer="save">save answers (CSV)'
        '</button></div></section><p class="soft">Arrow keys answer, backspace takes the last answer back, space plays again from '
        f'the start.</p><script type="application/json" id="trials">{data}</script>'
    )
    return whole_page("facewire: blind comparison", [body], style=style, script=script)


def _video(pictures: Sequence[Picture], fps: float) -> str:
    return "data:video/mp4;base64," + base64.b64encode(mp4(pictures, fps)).decode()


def read_answers(paths: Sequence[Path]) -> list[Preference]:
    """Counts the answers of one or more people; InputError for a file that the page did not save."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for path in paths:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read ({reason(error)})") from error
        rows = csv.DictReader(io.StringIO(text))
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise InputError(f"{path}: not answers of the comparison page; its first line would be {','.join(COLUMNS)}")
        for row in rows:
            if row["answer"] not in ANSWERS or row["condition"] not in CONDITIONS:
                raise InputError(
                    f"{path}: line {rows.line_num}: answer {row['answer']!r} to {row['condition']!r} is not one of the page's"
                )
            own = counts.setdefault((row["rival"], row["condition"]), dict.fromkeys(ANSWERS, 0))
            own[row["answer"]] += 1
    if not counts:
        raise InputError("no answers in these files")
    return [Preference(*key, own["facewire"], own["rival"], own["same"]) for key, own in sorted(counts.items())]


def table_of(preferences: Sequence[Preference]) -> Table:
    """For the terminal."""
    table = Table(title="how often facewire was preferred", title_justify="left")
    for name in ("rival", "at", "facewire", "rival ", "same", "share", "95 % interval"):
        table.add_column(name, justify="left" if name in ("rival", "at") else "right")
    for found in preferences:
        low, high = found.interval
        table.add_row(
            found.rival,
            CONDITIONS[found.condition],
            *(str(number) for number in (found.ours, found.theirs, found.same)),
            f"{found.share:.0%}",
            f"{low:.0%} to {high:.0%}",
        )
    return table
