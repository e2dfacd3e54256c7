"""Rates at equal quality: fronts of operating points, the rate at which a rival equals us, and BD-rate.

Works on pairs of rate and quality of one clip. Every rule here favours the rival: it may change setting, size and frame rate at
every quality, and between two of its points it gets the straight line in log-rate.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

MIN_OVERLAP = 0.5
"""BD-rate is given where the two quality ranges share at least this much of the smaller one."""
MIN_BD_POINTS = 3

RatePoint = tuple[float, float]
"""kbit/s and quality."""
Bound = Literal["=", "<=", ">"]


@dataclass(frozen=True)
class EqualRate:
    """Rate at which a codec reaches a quality. bound: "<=" if its cheapest point is already better, ">" if its best is worse."""

    kbps: float
    bound: Bound

    @property
    def text(self) -> str:
        """For people, to one decimal."""
        return f"{ {'=': '', '<=': '≤ ', '>': '> '}[self.bound] }{self.kbps:.1f}"


def front(points: Sequence[RatePoint], better: int) -> list[RatePoint]:
    """The points that no cheaper one equals, by rising rate, each strictly better. better: 1 if more is better, −1 if less is."""
    kept: list[RatePoint] = []
    for kbps, quality in sorted(points, key=lambda point: (point[0], -better * point[1])):
        if not kept or better * quality > better * kept[-1][1]:
            kept.append((kbps, quality))
    return kept


def rate_at(points: Sequence[RatePoint], quality: float, better: int) -> EqualRate | None:
    """The lowest rate at which a codec is as good as `quality`; None without points."""
    best = front(points, better)
    if not best:
        return None
    if better * best[0][1] >= better * quality:
        return EqualRate(best[0][0], "<=")
    for (rate_a, quality_a), (rate_b, quality_b) in itertools.pairwise(best):
        if better * quality_b >= better * quality:
            share = (quality - quality_a) / (quality_b - quality_a)
            low = math.log(max(rate_a, 1e-6))
            return EqualRate(math.exp(low + share * (math.log(rate_b) - low)), "=")
    return EqualRate(best[-1][0], ">")


def median_rate(rates: Sequence[EqualRate]) -> EqualRate:
    """Median over clips of rates or ratios, the lower of the middle two; values beyond a codec's range stay bounds."""
    order = {"<=": 0, "=": 1, ">": 2}
    inside = sorted(rates, key=lambda rate: (order[rate.bound] == 2, rate.kbps))
    return inside[(len(inside) - 1) // 2]


def bd_rate(anchor: Sequence[RatePoint], test: Sequence[RatePoint], better: int) -> float | None:
    """Bjøntegaard's mean change in rate from anchor to test at equal quality, percent (VCEG-M33; piecewise cubic, log-rate).

    None if a front has fewer than `MIN_BD_POINTS` points or the quality ranges share too little.
    """
    import bjontegaard

    a, b = front(anchor, better), front(test, better)
    if min(len(a), len(b)) < MIN_BD_POINTS or overlap(a, b) < MIN_OVERLAP:
        return None
    (rate_a, quality_a), (rate_b, quality_b) = (np.array(points, np.float64).T for points in (a, b))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of little overlap, which is decided above
        found = bjontegaard.bd_rate(
            rate_a,
            better * quality_a,
            rate_b,
            better * quality_b,
            method="pchip",
            require_matching_points=False,
            min_overlap=0,
        )
    return float(found) if math.isfinite(float(found)) else None


def overlap(a: Sequence[RatePoint], b: Sequence[RatePoint]) -> float:
    """Share of the smaller quality range that both cover, 0 to 1."""
    ranges = [(min(q for _, q in points), max(q for _, q in points)) for points in (a, b)]
    common = min(high for _, high in ranges) - max(low for low, _ in ranges)
    smaller = min(high - low for low, high in ranges)
    return max(0.0, common / smaller) if smaller > 0 else 0.0
