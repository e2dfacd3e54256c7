"""Rates at equal quality: exact on synthetic curves, and never kinder to us than to a rival."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.benchmark.bandwidth.curves import (
    EqualRate,
    RatePoint,
    bd_rate,
    front,
    median_rate,
    overlap,
    rate_at,
)

rates = st.floats(0.1, 1000)
qualities = st.floats(0, 60)
curves = st.lists(st.tuples(rates, qualities), min_size=1, max_size=12)


@given(curves, st.sampled_from([1, -1]))
def test_no_cheaper_point_equals_a_point_of_the_front(points: list[RatePoint], better: int) -> None:
    kept = front(points, better)
    for kbps, quality in kept:
        assert not any(k < kbps and better * q >= better * quality for k, q in points)
    assert max(better * q for _, q in kept) == max(better * q for _, q in points)


@given(curves, qualities, st.sampled_from([1, -1]))
def test_rate_lies_between_its_neighbours_and_bounds_hold(points: list[RatePoint], quality: float, better: int) -> None:
    found = rate_at(points, quality, better)
    assert found is not None
    good = [kbps for kbps, q in points if better * q >= better * quality]
    if found.bound == ">":
        assert not good
    else:
        assert found.kbps <= min(good) * (1 + 1e-9)  # a rival never pays more than its own cheapest point
        assert found.kbps >= min(kbps for kbps, _ in points) * (1 - 1e-9)
    if found.bound == "<=":
        assert better * front(points, better)[0][1] >= better * quality


def test_rate_is_interpolated_in_log_rate() -> None:
    found = rate_at([(10, 30.0), (40, 40.0)], 35.0, 1)
    assert found is not None
    assert found.bound == "="
    assert found.kbps == pytest.approx(20)  # halfway in dB is halfway in log-rate
    assert rate_at([(10, 30.0), (40, 40.0)], 41.0, 1) == EqualRate(40, ">")
    assert rate_at([(10, 30.0), (40, 40.0)], 29.0, 1) == EqualRate(10, "<=")
    falling = rate_at([(10, 0.3), (40, 0.1)], 0.2, -1)
    assert falling is not None
    assert falling.bound == "="
    assert falling.kbps == pytest.approx(20)
    assert rate_at([], 1.0, 1) is None


def test_median_keeps_its_bound() -> None:
    low, middle, high = EqualRate(1, "<="), EqualRate(5, "="), EqualRate(3, ">")
    assert median_rate([high, low, middle]) == middle  # ">" counts as more than anything measured
    assert median_rate([low, high]) == low
    assert median_rate([high, high, low]) == high


def test_bd_rate_of_a_codec_against_itself_is_zero() -> None:
    curve = [(5.0, 28.0), (10.0, 31.0), (20.0, 34.0), (40.0, 36.5)]
    assert bd_rate(curve, curve, 1) == pytest.approx(0, abs=1e-9)


def test_bd_rate_of_half_the_rate_is_minus_fifty_percent() -> None:
    curve = [(5.0, 28.0), (10.0, 31.0), (20.0, 34.0), (40.0, 36.5)]
    half = [(rate / 2, quality) for rate, quality in curve]
    assert bd_rate(curve, half, 1) == pytest.approx(-50)
    anchor, test = ([(rate, -quality) for rate, quality in points] for points in (curve, half))
    assert bd_rate(anchor, test, -1) == pytest.approx(-50)  # less is better


def test_bd_rate_needs_points_and_overlap() -> None:
    curve = [(5.0, 28.0), (10.0, 31.0), (20.0, 34.0)]
    assert bd_rate(curve, [(5.0, 28.0), (10.0, 31.0)], 1) is None
    assert bd_rate(curve, [(50.0, 40.0), (60.0, 41.0), (70.0, 42.0)], 1) is None
    assert overlap(curve, [(50.0, 33.0), (60.0, 35.0)]) == pytest.approx(0.5)
    assert math.isclose(overlap(curve, curve), 1)
