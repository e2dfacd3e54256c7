"""Motion without the steps of its quantiser."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facewire.codec import DecodedFrame, Motion
from facewire.codec.quantiser import HYSTERESIS_STEPS
from facewire.coding import Coding
from facewire.models.bundle import load_bundle
from facewire.receiver.steady import MAX_GAP_MS, Steadier

CODING = Coding.of(load_bundle())
SIZE = CODING.quantiser.steps.size
PRESET = [preset.name for preset in CODING.tables.presets].index("default")
SENT = np.zeros(SIZE)
SENT[: len(CODING.tables.presets[PRESET].quanta(SIZE - 14))] = 1
QUANTUM = CODING.quantiser.steps * SENT


def frames_of(vectors: NDArray[np.floating], every_ms: int = 40) -> list[DecodedFrame]:
    return [
        DecodedFrame(number, every_ms * number, Motion.from_vector(vector.astype(np.float32)), PRESET)
        for number, vector in enumerate(vectors)
    ]


def received(true: NDArray[np.floating]) -> list[DecodedFrame]:
    units = [CODING.quantiser.quantise(vector, CODING.tables.presets[PRESET]) for vector in true]
    return frames_of(np.stack([CODING.quantiser.dequantise(one) for one in units]))


def vectors(frames: list[DecodedFrame]) -> NDArray[np.float64]:
    return np.stack([frame.motion.vector() for frame in frames]).astype(np.float64)


def steadied(frames: list[DecodedFrame]) -> NDArray[np.float64]:
    return vectors(list(Steadier(CODING).frames(frames)))


def shaking(values: NDArray[np.float64]) -> float:
    return float(np.abs(np.diff(values, 2, axis=0) / CODING.quantiser.steps)[:, SENT > 0].mean())


def test_slow_motion_is_smoother_and_nearer_to_what_was_meant() -> None:
    speed = np.random.default_rng(0).uniform(-0.3, 0.3, SIZE)
    true = np.cumsum(np.tile(QUANTUM * speed, (60, 1)), 0)
    decoded = received(true)
    assert shaking(steadied(decoded)) < 0.6 * shaking(vectors(decoded))
    assert np.abs(steadied(decoded) - true).mean() < 0.9 * np.abs(vectors(decoded) - true).mean()


def test_fast_motion_does_not_lag() -> None:
    true = np.cumsum(np.tile(QUANTUM * 4.0, (30, 1)), 0)
    decoded = received(true)
    assert np.abs(steadied(decoded) - vectors(decoded))[1:-1].max() < 1e-5


@given(st.lists(st.integers(-40, 40), min_size=1, max_size=12), st.integers(1, 400))
def test_nothing_leaves_what_was_rounded_to_the_value(steps: list[int], every_ms: int) -> None:
    decoded = frames_of(np.array([QUANTUM * step for step in steps]), every_ms)
    moved = np.abs(steadied(decoded) - vectors(decoded))
    assert (moved <= (0.5 + HYSTERESIS_STEPS) * QUANTUM + 1e-5).all()
    if every_ms >= MAX_GAP_MS:
        assert moved.max() == 0


def test_frames_keep_everything_else_and_their_number() -> None:
    decoded = [replace(frame, source=frame.number % 3) for frame in received(np.zeros((5, SIZE)))]
    out = list(Steadier(CODING).frames(decoded))
    assert [(f.number, f.capture_time_ms, f.source) for f in out] == [
        (f.number, f.capture_time_ms, f.source) for f in decoded
    ]
    assert list(Steadier(CODING).frames([])) == []
    assert steadied(decoded[:1]) == pytest.approx(vectors(decoded[:1]))
