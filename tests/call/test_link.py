"""Loss, round trip and queueing as measured from messages and reports."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.call.link import Arrivals, LinkMonitor
from facewire.call.messages import SEQUENCES, MediaMessage


def exchange(
    loss: float, one_way_s: float, messages: int = 400, start: int = 65_400
) -> tuple[LinkMonitor, LinkMonitor]:
    """A sends, B receives some of it and reports every time; all reports arrive."""
    chance, a, b = random.Random(1), LinkMonitor(), LinkMonitor()
    for count in range(messages):
        now = 0.1 * count
        message = MediaMessage((start + count) % SEQUENCES)
        a.sent(message, now)
        if chance.random() >= loss:
            b.received(message, now + one_way_s)
        if (report := b.arrivals.report(now + one_way_s + 0.02)) is not None:
            a.received(MediaMessage(count, report=report), now + 2 * one_way_s + 0.02)
    return a, b


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.2])
def test_loss_and_round_trip_are_measured_on_both_sides(loss: float) -> None:
    a, b = exchange(loss, 0.04)
    assert a.state.loss == pytest.approx(loss, abs=0.12)
    assert b.state.loss_here == pytest.approx(loss, abs=0.12)
    assert a.state.rtt_ms == pytest.approx(80, abs=6)
    assert a.state.queue_ms == pytest.approx(0, abs=6)


def test_growing_round_trip_counts_as_queueing() -> None:
    a = LinkMonitor()
    b = LinkMonitor()
    for count in range(60):
        now, way = 0.1 * count, 0.02 + (0.3 if count > 30 else 0.0)
        message = MediaMessage(count)
        a.sent(message, now)
        b.received(message, now + way)
        a.received(MediaMessage(count, report=b.arrivals.report(now + way)), now + way + 0.02)
    assert a.state.queue_ms == pytest.approx(300, abs=20)


@given(st.lists(st.integers(0, SEQUENCES - 1), max_size=300))
def test_any_sequence_numbers_are_handled(numbers: list[int]) -> None:
    arrivals, taken = Arrivals(), 0
    for at, number in enumerate(numbers):
        taken += arrivals.take(number, float(at))
    assert taken + arrivals.repeated == len(numbers)
    assert arrivals.loss is None or 0 <= arrivals.loss <= 1


def test_repeated_messages_are_distinguished_from_reordered_ones() -> None:
    arrivals = Arrivals()
    assert [arrivals.take(number, 0.0) for number in (65_534, 1, 65_535, 0, 1, 65_534, 2)] == [
        True,
        True,
        True,
        True,
        False,
        False,
        True,
    ]


@given(st.integers(0, 65_535), st.integers(0, 65_535), st.integers(0, 255))
def test_impossible_reports_are_harmless(heard: int, received: int, hold: int) -> None:
    from facewire.call.messages import Report

    link = LinkMonitor()
    for count in range(20):
        link.sent(MediaMessage(count), 0.1 * count)
        link.received(MediaMessage(count, report=Report(heard, received * count % 65_536, 4 * hold)), 0.1 * count)
    state = link.state
    assert state.loss is None or 0 <= state.loss <= 1
    assert state.rtt_ms is None or state.rtt_ms >= 0
