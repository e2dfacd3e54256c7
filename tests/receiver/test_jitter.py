"""The playout delay is what the network requires: found quickly, kept small, and adjusted to drifting clocks."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.receiver.jitter import MAX_DELAY_MS, WINDOW_S, PlayoutClock

PACKET_MS = 120
TICK_S = 0.04


def simulate(
    jitter_ms: np.ndarray, *, drift_ppm: float = 0.0, clock: PlayoutClock | None = None
) -> tuple[PlayoutClock, list[float], list[float]]:
    """Packets 120 ms apart, each late by its jitter. Returns the clock, the delay at every tick, and by how much every
    packet came before the newest of what was known ran out (negative: too late).
    """
    clock = clock or PlayoutClock()
    arrivals = [
        (0.05 + PACKET_MS * n * (1 + drift_ppm * 1e-6) / 1000 + late / 1000, PACKET_MS * n)
        for n, late in enumerate(jitter_ms)
    ]
    heapq.heapify(arrivals)
    now_s, newest, delays, spare = 0.0, None, [], []
    while arrivals:
        now_s += TICK_S
        while arrivals and arrivals[0][0] <= now_s:
            arrival_s, capture_ms = heapq.heappop(arrivals)
            if newest is not None:
                spare.append(newest - clock.due_ms(arrival_s))
            newest = capture_ms if newest is None else max(newest, capture_ms)
            clock.packet_arrived("motion", capture_ms, arrival_s)
        clock.advance(now_s)
        delays.append(clock.delay_ms)
    return clock, delays, spare


def test_steady_network_needs_only_the_length_of_a_packet() -> None:
    _, delays, spare = simulate(np.zeros(200))
    assert PACKET_MS <= delays[-1] < PACKET_MS + 15
    assert min(spare[20:]) >= 0


@pytest.mark.parametrize("jitter_ms", [20, 60, 150])
def test_delay_covers_the_jitter_and_little_more(jitter_ms: int) -> None:
    late = np.random.default_rng(0).uniform(0, jitter_ms, 500)
    _, delays, spare = simulate(late)
    assert np.mean(np.array(spare[100:]) < 0) < 0.06
    assert max(delays[1000:]) < PACKET_MS + jitter_ms + 15


def test_delay_rises_within_a_second_and_falls_slowly() -> None:
    late = np.concatenate([np.zeros(150), np.full(150, 150.0), np.zeros(300)])
    _, delays, spare = simulate(late)
    rise = int(150 * PACKET_MS / 1000 / TICK_S)
    assert delays[rise + 50] - delays[rise - 5] > 140
    assert min(spare[165:300]) >= 0  # nothing is late from a second and a half after the change
    fall = np.diff(delays[-1000:])
    assert fall.min() > -0.02 * 1000 * TICK_S
    assert delays[-1] < PACKET_MS + 60


@pytest.mark.parametrize("drift_ppm", [-300, 300])
def test_drifting_clocks_are_followed(drift_ppm: float) -> None:
    _, delays, spare = simulate(
        np.random.default_rng(1).uniform(0, 30, 5_000), drift_ppm=drift_ppm
    )  # 10 minutes: 180 ms apart
    assert min(delays[100:]) > PACKET_MS - 10
    assert max(delays[100:]) < PACKET_MS + 60
    assert np.mean(np.array(spare[100:]) < 0) < 0.05


def test_blackout_changes_nothing_if_the_network_recovers() -> None:
    clock, before, _ = simulate(np.zeros(100))
    now_s = 0.05 + 200 * PACKET_MS / 1000
    clock.advance(now_s)
    assert clock.delay_ms == pytest.approx(before[-1])
    assert not clock.packet_arrived("motion", 200 * PACKET_MS, now_s)


def test_restarted_sender_clock_is_detected() -> None:
    clock, _, _ = simulate(np.zeros(100))
    assert clock.packet_arrived("motion", 5, 12.1)
    clock.advance(12.2)
    assert clock.due_ms(12.2) == pytest.approx(5, abs=130)


def test_media_share_the_larger_delay() -> None:
    clock = PlayoutClock()
    for n in range(200):
        clock.packet_arrived("motion", 40 * n, 0.04 * n + 0.05)
        clock.packet_arrived("sound", 40 * n, 0.04 * n + 0.15)
        clock.advance(0.04 * n + 0.15)
    assert clock.delay_ms == pytest.approx(150, abs=5)


@given(st.lists(st.tuples(st.sampled_from(["motion", "sound"]), st.floats(0, 3e14), st.floats(0, 1e6)), max_size=60))
def test_delay_stays_in_bounds_for_any_packets(heard: list[tuple[str, float, float]]) -> None:
    clock = PlayoutClock()
    now_s = 0.0
    for medium, capture_ms, later_s in heard:
        clock.packet_arrived(medium, capture_ms, now_s)
        now_s += later_s % (2 * WINDOW_S)
        clock.advance(now_s)
        assert np.isfinite(clock.due_ms(now_s))
    for _ in range(400):
        now_s += 0.1
        clock.advance(now_s)
    assert not heard or -1 <= clock.delay_ms <= MAX_DELAY_MS + 1
