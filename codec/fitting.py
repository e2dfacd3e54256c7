"""Fits the entropy coder's tables to real motion: the training side of `codec.entropy`, not needed in a call.

Takes sequences of motion vectors, as the trained networks read them from the training clips, and returns the `Tables` that
go into the weight bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facewire.codec.entropy import (
    ABSOLUTE,
    ACTIVITY_BITS,
    ACTIVITY_BUCKETS,
    ACTIVITY_LIMITS,
    CLASSES,
    CROSS_BITS,
    FAMILY_SIZE,
    LARGEST_MAGNITUDE,
    MAX_ACTIVITY,
    PULL_BITS,
    RATE_BITS,
    USUAL_ACTIVITY,
    Tables,
    default_tables,
    family_table,
    lag_class,
    rounded,
)
from facewire.codec.quantiser import PRESETS, Preset, Quantiser

Sequences = Sequence[tuple[NDArray[np.float32], float]]
"""Clips as (values float32 (T, 14 + E), frames per second)."""

MAX_LAG_S = 2.5
LAGS_PER_CLASS = 3
"""About how many different ages of the reference are sampled for a class."""

MAX_SAMPLES = 120_000
LARGEST_CODED = 4095
PRIOR_SAMPLES = 6.0
"""Weight of `default_tables`, counted in samples, where real ones are few."""

CROSS_FLOOR = 3
"""Smaller weights (in 64ths) are set to 0: they cost time and predict nothing."""

_USUAL_BUCKET = int(np.searchsorted(ACTIVITY_LIMITS, USUAL_ACTIVITY))
_Prediction = tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.int16]]
_Samples = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def fit_tables(sequences: Sequences, quantiser: Quantiser, presets: tuple[Preset, ...] = PRESETS) -> Tables:
    """Fits everything in `Tables` to motion sequences. Deterministic.

    sequences: clips of at least a second or so; a few thousand frames in all are enough to beat `default_tables`.
    quantiser: with the bundle's steps. Raises ValueError if a sequence does not match them.
    """
    start = default_tables(quantiser.expression_size, presets)
    cross, pull, bias = start.cross.copy(), start.pull.copy(), start.bias.copy()
    rate, index = start.rate.copy(), start.index.copy()
    coded = [[(_units(values, quantiser, preset), fps) for values, fps in sequences] for preset in presets]
    middle = min(1, len(presets) - 1)
    for age_class in range(CLASSES):
        samples = _samples(coded[middle], age_class)
        if len(samples[0]) < 50:
            continue
        prediction = _fit_prediction(samples[0], samples[1], age_class)
        cross[age_class], pull[age_class], bias[age_class] = prediction
        for number, preset in enumerate(presets):
            quanta = np.array(preset.quanta(quantiser.expression_size))
            now, reference, earlier = _samples(coded[number], age_class)
            usual = np.full(len(now), USUAL_ACTIVITY, np.int64)
            rates = start.rate[number, age_class, : len(quanta)]
            for _ in range(2):  # the rates depend on the residuals, which depend a little on the rates
                rest, _ = _run(now, reference, quanta, prediction, rates, usual, age_class)
                means = np.maximum(np.abs(rest).mean(0), 1 / 16)
                rates = np.clip((256 << RATE_BITS) / means, 1, 65535).astype(np.uint16)
            begin = usual.copy()
            if age_class == 0:
                # Half of the references of a frame ago pass on their activity, as if they were in the same packet.
                begin[::2] = _run(reference, earlier, quanta, prediction, rates, usual, 0)[1][::2, -1]
            rest, activity = _run(now, reference, quanta, prediction, rates, begin, age_class)
            rate[number, age_class, : len(quanta)] = rates
            index[number, age_class, : len(quanta)] = _fit_index(rest, activity, start.index[number, age_class])
    return Tables(presets, cross, pull, bias, rate, index)


def _units(values: NDArray[np.float32], quantiser: Quantiser, preset: Preset) -> NDArray[np.int64]:
    """A clip as the encoder would quantise it, int64 (T, N) units."""
    rows: list[NDArray[np.int32]] = []
    for row in np.asarray(values, np.float32):
        rows.append(quantiser.quantise(row, preset, rows[-1] if rows else None))
    return np.array(rows, np.int64).reshape(-1, quantiser.steps.size)


def _samples(clips: list[tuple[NDArray[np.int64], float]], age_class: int) -> _Samples:
    """Frames, their references of that age, and the frames before the references, each (S, N)."""
    parts: list[_Samples] = []
    for units, fps in clips:
        if age_class == ABSOLUTE:
            parts.append((units, np.zeros_like(units), np.zeros_like(units)))
            continue
        lags = [lag for lag in range(1, int(MAX_LAG_S * fps) + 1) if lag_class(round(lag * 1000 / fps)) == age_class]
        for lag in lags[:: max(1, len(lags) // LAGS_PER_CLASS)]:
            if len(units) > lag + 1:
                parts.append((units[lag + 1 :], units[1:-lag], units[: -lag - 1]))
    size = clips[0][0].shape[1] if clips else 0
    if not parts:
        empty = np.zeros((0, size), np.int64)
        return empty, empty, empty
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    stride = -(-len(joined[0]) // MAX_SAMPLES)
    return joined[0][::stride], joined[1][::stride], joined[2][::stride]


def _fit_prediction(now: NDArray[np.int64], reference: NDArray[np.int64], age_class: int) -> _Prediction:
    """Weights of the other coefficients' changes, of the reference's value and of a constant, by weighted least squares."""
    change = (now - reference).astype(np.float64)
    usual = np.maximum(np.abs(change).mean(0), 0.25)
    each = np.minimum(np.abs(change) / usual, MAX_ACTIVITY / USUAL_ACTIVITY)
    weight = 1 / (1 + each.mean(1, keepdims=True))  # a few large movements must not dominate the fit
    size = now.shape[1]
    cross = np.zeros((size, size), np.int8)
    pull, bias = np.zeros(size, np.int8), np.zeros(size, np.int16)
    for i in range(size):
        moving = np.ones(len(now))
        if age_class < ABSOLUTE:
            moving = np.minimum((1 + each[:, :i].sum(1)) / (i + 1), 1)
        features = np.column_stack([change[:, :i], reference[:, i] * moving, moving]) * weight
        gram = features.T @ features
        gram[np.diag_indices_from(gram)] += 1e-3 * np.diag(gram) + 1e-6
        solution = np.linalg.solve(gram, features.T @ (change[:, i : i + 1] * weight))[:, 0]
        weights = np.clip(np.rint(solution[:i] * (1 << CROSS_BITS)), -127, 127)
        cross[i, :i] = np.where(np.abs(weights) < CROSS_FLOOR, 0, weights)
        pull[i] = np.clip(np.rint(solution[i] * (1 << PULL_BITS)), -127, 127)
        bias[i] = np.clip(np.rint(solution[i + 1]), -32767, 32767)
    return cross, pull, bias


def _run(
    now: NDArray[np.int64],
    reference: NDArray[np.int64],
    quanta: NDArray[np.int64],
    prediction: _Prediction,
    rates: NDArray[np.uint16],
    begin: NDArray[np.int64],
    age_class: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`FrameModel.code_frame` for many frames at once, (S, N) units each.

    Returns the residuals, int64 (S, sent) quanta, and the activity before each coefficient and after the last, int64
    (S, sent + 1).
    """
    cross, pull, bias = (weights.astype(np.int64) for weights in prediction)
    change = now - reference
    rest = np.zeros((len(now), len(quanta)), np.int64)
    activity = np.zeros((len(now), len(quanta) + 1), np.int64)
    total = begin.copy()
    for i, quantum in enumerate(quanta):
        activity[:, i] = total // (i + 1)
        drift = pull[i] * reference[:, i] + (bias[i] << PULL_BITS)
        if age_class < ABSOLUTE:
            drift = drift * np.minimum(activity[:, i], USUAL_ACTIVITY) >> ACTIVITY_BITS
        expected = rounded(drift, PULL_BITS) + rounded(change[:, :i] @ cross[i, :i], CROSS_BITS)
        predicted = (2 * (reference[:, i] + expected) + quantum) // (2 * quantum)
        rest[:, i] = now[:, i] // quantum - predicted
        total += np.minimum(np.abs(rest[:, i]) * int(rates[i]) >> RATE_BITS, MAX_ACTIVITY)
    activity[:, -1] = total // (len(quanta) + 1)
    return rest, activity


def _fit_index(rest: NDArray[np.int64], activity: NDArray[np.int64], fallback: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The cheapest table of the family for each coefficient and activity bucket, uint8 (sent, ACTIVITY_BUCKETS)."""
    bits = _family_bits()
    sent = rest.shape[1]
    buckets = np.searchsorted(ACTIVITY_LIMITS, activity)
    clipped = np.clip(rest, -LARGEST_CODED, LARGEST_CODED) + LARGEST_CODED
    chosen = np.zeros((sent, ACTIVITY_BUCKETS), np.uint8)
    for i in range(sent):
        overall = np.bincount(clipped[:, i], minlength=2 * LARGEST_CODED + 1)
        usual = int(np.argmin(bits @ overall))
        for bucket in range(ACTIVITY_BUCKETS):
            counts = np.bincount(clipped[buckets[:, i] == bucket, i], minlength=2 * LARGEST_CODED + 1)
            shift = int(fallback[i, bucket]) - int(fallback[i, _USUAL_BUCKET])
            guess = min(max(usual + shift, 0), FAMILY_SIZE - 1)
            counts = counts + PRIOR_SAMPLES * np.exp2(-bits[guess])
            chosen[i, bucket] = np.argmin(bits @ counts)
    return chosen


@lru_cache(maxsize=1)
def _family_bits() -> NDArray[np.float64]:
    """How many bits each table of the family spends on each value, float64 (FAMILY_SIZE, 2 LARGEST_CODED + 1)."""
    values = np.arange(-LARGEST_CODED, LARGEST_CODED + 1)
    bits = np.zeros((FAMILY_SIZE, values.size))
    for index in range(FAMILY_SIZE):
        cumulative, low_bits = family_table(index)
        spent = np.log2(cumulative[-1]) - np.log2(np.diff(cumulative))
        high = (values + (1 << low_bits >> 1)) >> low_bits
        outside = np.abs(high) > LARGEST_MAGNITUDE
        excess = np.maximum(np.abs(high) - LARGEST_MAGNITUDE, 1)
        escape = spent[-1] + 7 + np.floor(np.log2(excess))
        inside = spent[np.clip(high, -LARGEST_MAGNITUDE, LARGEST_MAGNITUDE) + LARGEST_MAGNITUDE]
        bits[index] = low_bits + np.where(outside, escape, inside)
    return bits
