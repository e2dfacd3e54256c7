"""A run in numbers: rates at equal quality, clip by clip and in the median, BD-rate, fixed qualities, and curves.

A `Result` of `run` becomes a `Summary` for `report_page` and for the JSON and CSV files. The anchor of every comparison is our
`default` preset, with all its source frames and with one; a rival is compared at the cheapest of all its settings, sizes and
frame rates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from facewire.benchmark.bandwidth.config import ONE_SOURCE, OURS, REPEAT
from facewire.benchmark.bandwidth.curves import Bound, EqualRate, RatePoint, bd_rate, front, median_rate, rate_at
from facewire.benchmark.bandwidth.referee import FIGURES
from facewire.benchmark.bandwidth.rivals import RIVALS
from facewire.benchmark.bandwidth.run import ClipResult, Point, Result

ANCHOR = "default"
BD_ANCHOR = "x264-veryfast"
COMPARED = ("st_lpips", "akd", "psnr", "ssim", "ms_ssim", "vmaf", "identity")
"""Figures at whose equality rates are compared."""
FIXED: tuple[tuple[str, str, Callable[[Point], float]], ...] = (
    ("st_lpips", "ST-LPIPS at 0.6 of “held”", lambda held: 0.6 * held.figures["st_lpips"]),
    ("st_lpips", "ST-LPIPS at 0.4 of “held”", lambda held: 0.4 * held.figures["st_lpips"]),
    ("akd", "AKD of 3.0 px", lambda held: 3.0),
    ("akd", "AKD of 1.8 px", lambda held: 1.8),
)
"""Qualities that every codec is asked for, given the source frame held."""
RATES = ("payload", "wire", "call")
"""Payload; with headers and acknowledgements; payload with the first picture, and what we may spend at once, over ten minutes."""


@dataclass(frozen=True)
class Equal:
    """A rival at our quality on one clip: kbit/s of ours and of theirs, and theirs divided by ours."""

    clip: str
    ours: float
    theirs: float
    ratio: float
    bound: Bound
    """Of theirs: "<=" if its cheapest point is better than ours, ">" if its best is worse."""

    @property
    def times(self) -> EqualRate:
        """How many times our rate it takes, with its bound."""
        return EqualRate(self.ratio, self.bound)


@dataclass(frozen=True)
class Comparison:
    """A rival at our quality on all clips."""

    ours: str
    """Which of ours it is compared with."""
    family: str
    figure: str
    rate: str
    """One of `RATES`."""
    clips: list[Equal]

    @property
    def ratio(self) -> EqualRate:
        """Median over clips of how many times our rate it takes."""
        return median_rate([clip.times for clip in self.clips])

    @property
    def theirs(self) -> EqualRate:
        """Median of its rate, kbit/s."""
        return median_rate([EqualRate(clip.theirs, clip.bound) for clip in self.clips])

    @property
    def worst(self) -> Equal:
        """The clip on which we save least."""
        return min(self.clips, key=lambda clip: (clip.bound == ">", clip.ratio))

    def count(self, bound: Bound) -> int:
        """Number of clips with that bound."""
        return sum(clip.bound == bound for clip in self.clips)


@dataclass(frozen=True)
class Fixed:
    """The median rate at which a codec reaches a fixed quality: payload and wire, kbit/s."""

    label: str
    family: str
    payload: EqualRate
    wire: EqualRate


@dataclass(frozen=True)
class BdRate:
    """Median over clips of BD-rate against x264 veryfast, percent, and over how many clips; None if no clip has enough overlap."""

    family: str
    figure: str
    percent: float | None
    clips: int


@dataclass(frozen=True)
class CurvePoint:
    """One operating point of a codec: medians over the clips."""

    name: str
    payload_kbps: float
    wire_kbps: float
    first_bytes: float
    source_bytes: float
    """All source frames after the first."""
    figures: dict[str, float]


@dataclass(frozen=True)
class Summary:
    """All of it."""

    families: list[str]
    """Ours with all its source frames and with one, the source frame held, and the rivals that were run."""
    comparisons: list[Comparison]
    fixed: list[Fixed]
    bd_rates: list[BdRate]
    curves: dict[str, list[CurvePoint]]
    """By codec, cheapest first."""

    @property
    def ours(self) -> list[str]:
        """Which of ours were run."""
        return [family for family in (OURS, ONE_SOURCE) if family in self.families]

    @property
    def rivals(self) -> list[str]:
        """The rivals that were run."""
        return [family for family in self.families if family in RIVALS]

    def comparison(self, family: str, figure: str, rate: str, ours: str = OURS) -> Comparison | None:
        """The comparison of that name, if it could be measured."""
        wanted = (ours, family, figure, rate)
        return next((c for c in self.comparisons if (c.ours, c.family, c.figure, c.rate) == wanted), None)


def label(family: str) -> str:
    """A codec's name for people."""
    ours = {REPEAT: "source frame, held", ONE_SOURCE: "facewire, one source frame"}
    return RIVALS[family].label if family in RIVALS else ours.get(family, family)


def summarise(result: Result) -> Summary:
    """The numbers of a run."""
    families = list(dict.fromkeys(point.family for clip in result.clips for point in clip.points))
    ours = [family for family in families if family in result.options.config.ours]
    rivals = [family for family in families if family in RIVALS]
    figures = [
        name for name in COMPARED if any(name in point.figures for clip in result.clips for point in clip.points)
    ]
    comparisons = [
        Comparison(own, family, figure, rate, clips)
        for own in ours
        for figure in figures
        for rate in RATES
        for family in rivals
        if (clips := list(_equal(result.clips, own, family, figure, rate)))
    ]
    return Summary(
        families,
        comparisons,
        [fixed for family in (*ours, *rivals) for fixed in _fixed(result.clips, family)],
        [_bd(result.clips, family, figure) for figure in figures for family in (*ours, *rivals) if family != BD_ANCHOR],
        {family: _curve(result.clips, family) for family in families},
    )


def rate_of(point: Point, rate: str) -> float:
    """kbit/s of a point, counted in one of the ways of `RATES`."""
    if rate == "wire":
        return point.wire_kbps
    return point.payload_kbps if rate == "payload" else point.call_kbps(point.payload_kbps)


def curve_of(clip: ClipResult, family: str, figure: str, rate: str) -> list[RatePoint]:
    """Rate and quality of every operating point that has the figure and a rate above zero."""
    points = [(rate_of(p, rate), p.figures[figure]) for p in clip.of(family) if figure in p.figures]
    return [point for point in points if point[0] > 0]


def anchor_of(clip: ClipResult, family: str = OURS) -> Point:
    """One of ours at the preset with which rivals are compared."""
    return next(point for point in clip.of(family) if point.name == ANCHOR)


def _equal(clips: Sequence[ClipResult], own: str, family: str, figure: str, rate: str) -> Iterable[Equal]:
    for clip in clips:
        ours = anchor_of(clip, own)
        if figure not in ours.figures:
            continue
        found = rate_at(curve_of(clip, family, figure, rate), ours.figures[figure], FIGURES[figure].better)
        if found is not None:
            kbps = rate_of(ours, rate)
            yield Equal(clip.name, kbps, found.kbps, found.kbps / kbps, found.bound)


def _fixed(clips: Sequence[ClipResult], family: str) -> Iterable[Fixed]:
    for figure, text, wanted in FIXED:
        found: dict[str, list[EqualRate]] = {"payload": [], "wire": []}
        for clip in clips:
            held = next((point for point in clip.of(REPEAT) if figure in point.figures), None)
            for rate, rates in found.items():
                if held is not None and (points := curve_of(clip, family, figure, rate)):
                    at = rate_at(points, wanted(held), FIGURES[figure].better)
                    assert at is not None
                    rates.append(at)
        if found["payload"]:
            yield Fixed(text, family, median_rate(found["payload"]), median_rate(found["wire"]))


def _bd(clips: Sequence[ClipResult], family: str, figure: str) -> BdRate:
    better = FIGURES[figure].better
    values = [
        value
        for clip in clips
        if (
            value := bd_rate(
                curve_of(clip, BD_ANCHOR, figure, "payload"), curve_of(clip, family, figure, "payload"), better
            )
        )
        is not None
    ]
    return BdRate(family, figure, median(values) if values else None, len(values))


def _curve(clips: Sequence[ClipResult], family: str) -> list[CurvePoint]:
    by_name: dict[str, list[Point]] = {}
    for clip in clips:
        for point in clip.of(family):
            by_name.setdefault(point.name, []).append(point)
    made = []
    for name, points in by_name.items():
        names = {figure for point in points for figure in point.figures}
        made.append(
            CurvePoint(
                name,
                median(point.payload_kbps for point in points),
                median(point.wire_kbps for point in points),
                median(point.first_bytes for point in points),
                median(sum(point.source_bytes) for point in points),
                {f: median(p.figures[f] for p in points if f in p.figures) for f in sorted(names)},
            )
        )
    return sorted(made, key=lambda point: point.payload_kbps)


def best_points(curve: Sequence[CurvePoint], figure: str, *, wire: bool) -> list[CurvePoint]:
    """Those of a codec's medians that no cheaper one equals, for the charts."""
    rated = [(point.wire_kbps if wire else point.payload_kbps, point) for point in curve if figure in point.figures]
    kept = front([(kbps, point.figures[figure]) for kbps, point in rated], FIGURES[figure].better)
    return [point for kbps, point in sorted(rated, key=lambda entry: entry[0]) if (kbps, point.figures[figure]) in kept]
