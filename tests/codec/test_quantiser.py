"""Rounding, clipping, hysteresis and the checks of the quantiser."""

from __future__ import annotations

import numpy as np
import pytest

from facewire.codec import PRESETS, Preset, Quantiser
from facewire.codec.quantiser import MAX_UNITS

FINEST = PRESETS[0]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_error_is_at_most_half_a_quantum_and_unsent_coefficients_are_zero(
    quantiser: Quantiser, head_walk: np.ndarray, preset: Preset
) -> None:
    restored = quantiser.dequantise(quantiser.quantise(head_walk, preset))
    quanta = np.array(preset.quanta(20)) * quantiser.units[: len(preset.quanta(20))]
    error = np.abs(restored - head_walk)[:, : len(quanta)]
    assert (error <= quanta * 0.5001 + 1e-7).all()
    assert not restored[:, len(quanta) :].any()


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_extreme_values_are_clipped_without_overflow(quantiser: Quantiser, preset: Preset) -> None:
    extremes = np.tile(np.array([[3.4e38], [-3.4e38], [1e-45], [0.0]], np.float32), (1, 34))
    units = quantiser.quantise(extremes, preset)
    assert units.dtype == np.int32
    assert np.abs(units.astype(np.int64)).max() <= MAX_UNITS
    np.testing.assert_array_equal(units[0], -units[1])
    assert np.isfinite(quantiser.dequantise(units)).all()


def test_requantising_10000_random_motions_changes_nothing(quantiser: Quantiser) -> None:
    values = np.random.default_rng(0).normal(size=(10_000, 34)) * 10.0 ** np.linspace(-9, 3, 34)
    for preset in PRESETS:
        units = quantiser.quantise(values.astype(np.float32), preset)
        np.testing.assert_array_equal(quantiser.quantise(quantiser.dequantise(units), preset), units)


def test_dequantising_is_a_single_float32_product(quantiser: Quantiser) -> None:
    units = np.arange(-17, 17)
    expected = [np.float32(np.float32(n) * unit) for n, unit in zip(units, quantiser.units, strict=True)]
    assert quantiser.dequantise(units).tobytes() == np.array(expected, np.float32).tobytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rejects_nan_and_infinity(quantiser: Quantiser, bad: float) -> None:
    values = np.zeros(34, np.float32)
    values[7] = bad
    with pytest.raises(ValueError, match="NaN or infinity"):
        quantiser.quantise(values, FINEST)


def test_rejects_a_motion_of_the_wrong_length(quantiser: Quantiser) -> None:
    with pytest.raises(ValueError, match="34 numbers"):
        quantiser.quantise(np.zeros(33), FINEST)


@pytest.mark.parametrize("steps", [np.ones(5), np.zeros(34), -np.ones(34), np.full(34, np.nan), np.ones((2, 34))])
def test_rejects_impossible_steps(steps: np.ndarray) -> None:
    with pytest.raises(ValueError, match="step"):
        Quantiser(steps)


def test_jittering_value_keeps_its_integer(quantiser: Quantiser) -> None:
    preset = PRESETS[1]
    still = quantiser.quantise(np.zeros(34), preset)
    jittering = quantiser.dequantise(np.full(34, 2)) * np.float32(1.2)  # .6 of a quantum
    assert not quantiser.quantise(jittering, preset, still)[:30].any()
    assert quantiser.quantise(jittering, preset)[:30].all()
    assert quantiser.quantise(jittering * 1.2, preset, still)[:30].all()
