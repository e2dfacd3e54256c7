"""How likely each integer of a frame is: the model that drives `codec.range_coder`.

`codec.packets` passes in a frame as units (`codec.quantiser`) and the frame to predict it from. `FrameModel.code_frame`
predicts each coefficient, picks a frequency table for the residual and codes it. `codec.fitting` chooses the numbers in
`Tables` from real motion. Everything is integer arithmetic on stored integers, so every machine reads the same bits.

A coefficient's prediction is its value in the reference frame, pulled slightly towards the mean (more for older references
and for livelier frames), plus what the coefficients of this frame that are already decoded say about it (head turns and shifts
go together). The residual is coded with one table of a family (`family_table`), chosen by preset, age of the reference,
coefficient, and **activity**: how large this frame's residuals have been so far, compared with the average. A still head
therefore costs next to nothing.

Measured on 34 clips (2692 frames, 24 to 30 fps) of people the tables were not fitted to, with motion as the networks read it.
Bytes per frame including the header, from about the fourteenth frame on, for one frame per packet with its reference 4 frames
back / three frames per packet, 6 back / absolute: high 14.8 / 9.8 / 24.3, default 11.5 / 7.1 / 19.9, low 9.0 / 5.1 / 16.1,
lowest 7.4 / 4.0 / 13.3.
`default_tables` cost 3 to 7 % more. In a trial at 4 frames back, activity saved 4 % of the payload, and prediction across
coefficients with the pull to the mean another 5 %.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import isqrt
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from facewire.codec.motion import FIXED_SIZE, POSE_SIZE
from facewire.codec.quantiser import MAX_UNITS, PRESETS, Preset
from facewire.codec.range_coder import SymbolCoder
from facewire.errors import DecodeError

LAG_LIMITS_MS = (45, 90, 180, 350, 800)
"""Upper bounds of the age classes of references. One more class takes older references, and another stands for none."""

LAG_CLASSES = len(LAG_LIMITS_MS) + 1
ABSOLUTE = LAG_CLASSES
"""The class of frames coded without a reference."""

CLASSES = LAG_CLASSES + 1

ACTIVITY_BITS = 8
USUAL_ACTIVITY = 1 << ACTIVITY_BITS
"""Activity of a frame that changes as much as the average frame."""

ACTIVITY_LIMITS = (10, 20, 40, 80, 113, 160, 226, 320, 453, 640)
"""Bounds of the activity buckets: octaves for still frames, half octaves around the average."""

ACTIVITY_BUCKETS = len(ACTIVITY_LIMITS) + 1
MAX_ACTIVITY = 6 * USUAL_ACTIVITY

CROSS_BITS = 6
"""Fractional bits of the weights with which coefficients predict each other (int8, so ±2)."""

RATE_BITS = 4
"""Fractional bits of the factor that turns a magnitude (quanta) into activity."""

PULL_BITS = 8
"""Fractional bits of the pull towards the mean (int8, so ±.5)."""

# --- the family of frequency tables
# ---------------------------------------------------------------------------------------

TABLE_TOTAL = 1 << 15
LARGEST_MAGNITUDE = 63
SCALES = 56
SHAPES = 3
FAMILY_SIZE = SCALES * SHAPES
_FINEST_SCALES = 32
_ONE = 1 << 32
_LENGTH_BITS = 6


@cache
def family_table(index: int) -> tuple[tuple[int, ...], int]:
    """Frequency table `index` (0 to FAMILY_SIZE - 1): its cumulative frequencies, and how many low bits are coded raw.

    index = 3 scale + shape. The mean magnitude is 2^((scale - 20) / 4), from 1/32 to 430; the shapes are Gaussian,
    Laplace and a heavy-tailed mix of two Laplace. Symbols 0 … 126 are the values -63 … 63, 127 is the escape. Mean
    magnitudes above 8 share the tables of smaller ones and code the low bits raw.
    """
    scale, shape = divmod(index, SHAPES)
    low_bits = max(0, (scale - _FINEST_SCALES + 3) // 4)
    mean = _scale_mean(scale - 4 * low_bits)
    if shape == 0:
        weights = _gaussian(mean)
    elif shape == 1:
        weights = _geometric(mean, _ONE)
    else:
        narrow, wide = _geometric(mean * 5 // 8, 3 * _ONE), _geometric(mean * 9 // 4, _ONE)
        weights = [a + b for a, b in zip(narrow, wide, strict=True)]
    both_sides = weights[:0:-1] + weights
    spare = TABLE_TOTAL - len(both_sides) - 4
    total = sum(both_sides)
    frequencies = [1 + weight * spare // total for weight in both_sides]
    middle = LARGEST_MAGNITUDE
    frequencies[middle] += TABLE_TOTAL - 4 - sum(frequencies)
    cumulative = [0]
    for frequency in (*frequencies, 4):
        cumulative.append(cumulative[-1] + frequency)
    return tuple(cumulative), low_bits


def _scale_mean(scale: int) -> int:
    """2^((scale - 20) / 4) with 32 fractional bits."""
    return (1 << 27) * (65536, 77936, 92682, 110218)[scale % 4] >> 16 << scale // 4


def _geometric(mean: int, total: int) -> list[int]:
    """One side (magnitudes 0 to 63) of a two-sided geometric distribution with that mean magnitude and sum `total`."""
    ratio = (isqrt(_ONE * _ONE + mean * mean) - _ONE) * _ONE // mean
    weights, weight = [], total * (_ONE - ratio) // (_ONE + ratio)
    for _ in range(LARGEST_MAGNITUDE + 1):
        weights.append(weight)
        weight = weight * ratio >> 32
    return weights


def _gaussian(mean: int) -> list[int]:
    """A sampled Gaussian of about that mean magnitude. Each ratio of neighbours is the previous one times exp(-1/σ²)."""
    sigma_squared = max(mean * mean // _ONE * 11 // 7, _ONE // 16)
    halved = _ONE - (_ONE * _ONE // (2 * sigma_squared) >> 16)  # exp(-1 / 2σ²) is this to the power 2^16
    for _ in range(16):
        halved = halved * halved >> 32
    weights, weight, ratio, squared = [], _ONE, halved, halved * halved >> 32
    for _ in range(LARGEST_MAGNITUDE + 1):
        weights.append(weight)
        weight = weight * ratio >> 32
        ratio = ratio * squared >> 32
    return weights


def code_integer(coder: SymbolCoder, index: int, value: int) -> int:
    """Codes one integer with table `index` of the family; a value beyond the table follows an escape."""
    cumulative, low_bits = family_table(index)
    value += 1 << low_bits >> 1
    high = value >> low_bits
    escape = 2 * LARGEST_MAGNITUDE + 1
    inside = -LARGEST_MAGNITUDE <= high <= LARGEST_MAGNITUDE
    symbol = coder.code(cumulative, high + LARGEST_MAGNITUDE if inside else escape)
    if symbol == escape:
        negative = coder.bits(1, int(high < 0))
        excess = code_sized(coder, max(abs(high) - LARGEST_MAGNITUDE - 1, 0))
        high = (LARGEST_MAGNITUDE + 1 + excess) * (-1 if negative else 1)
    else:
        high = symbol - LARGEST_MAGNITUDE
    low = coder.bits(low_bits, value & (1 << low_bits) - 1) if low_bits else 0
    return (high << low_bits | low) - (1 << low_bits >> 1)


def code_sized(coder: SymbolCoder, value: int) -> int:
    """Codes a number from 0 to 2^63 - 1: how many binary digits it has, then all of them but the first."""
    length = coder.bits(_LENGTH_BITS, value.bit_length())
    if length == 0:
        return 0
    leading = 1 << length - 1
    return leading | code_wide(coder, length - 1, value & leading - 1)


def code_wide(coder: SymbolCoder, count: int, value: int) -> int:
    """Codes `count` equally likely bits, which may be more than the coder takes at once."""
    result = 0
    while count > 0:
        part = min(count, 16)
        count -= part
        result = result << part | coder.bits(part, value >> count & (1 << part) - 1)
    return result


# --- the tables of a weight bundle
# ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tables:
    """Everything the entropy coder knows about how heads move. N = 14 + E coefficients, P presets.

    presets: the P quality settings; packets name one by its position here.
    cross: int8 (CLASSES, N, N), lower triangular without diagonal: how much of j's change to add to i's, in 64ths.
    pull: int8 (CLASSES, N): how much of the reference value to add, in 256ths (negative: back to the mean).
    bias: int16 (CLASSES, N): the change to expect of anybody (units).
    rate: uint16 (P, CLASSES, N): 4096 / the residual's average magnitude (quanta); turns a magnitude into activity.
    index: uint8 (P, CLASSES, N, ACTIVITY_BUCKETS): which `family_table` to use.
    """

    presets: tuple[Preset, ...]
    cross: NDArray[np.int8]
    pull: NDArray[np.int8]
    bias: NDArray[np.int16]
    rate: NDArray[np.uint16]
    index: NDArray[np.uint8]

    @property
    def expression_size(self) -> int:
        """E, the length of the expression code."""
        return int(self.pull.shape[1]) - FIXED_SIZE

    def preset_number(self, name: str) -> int:
        """The position of the preset called `name`. Raises ValueError, listing the known names, if there is none."""
        names = [preset.name for preset in self.presets]
        if name not in names:
            raise ValueError(f"no quality preset {name!r}; choose from {', '.join(names)}")
        return names.index(name)

    def to_bytes(self) -> bytes:
        """The tables in the compact form that a weight bundle stores: 17 kB for 20 expression coefficients and 4 presets."""
        size = self.expression_size + FIXED_SIZE
        parts = [_HEAD.pack(_MAGIC, size, len(self.presets))]
        for preset in self.presets:
            name = preset.name.encode()
            numbers = (preset.pose_units, preset.scene_units, preset.expression_units, preset.coefficients, len(name))
            parts += [bytes(numbers), name]
        parts.append(self.cross[:, *np.tril_indices(size, -1)].tobytes())
        parts += [self.pull.tobytes(), self.bias.astype("<i2").tobytes(), self.rate.astype("<u2").tobytes()]
        return b"".join([*parts, self.index.tobytes()])

    @classmethod
    def from_bytes(cls, data: bytes) -> Tables:
        """The inverse of `to_bytes`. Raises DecodeError for any other data."""
        if len(data) < _HEAD.size or data[:4] != _MAGIC:
            raise DecodeError("not entropy tables of facewire, or of another version")
        _, size, count = _HEAD.unpack_from(data)
        presets, position = [], _HEAD.size
        try:
            for _ in range(count):
                pose, scene, expression, coefficients, length = data[position : position + 5]
                name = data[position + 5 : position + 5 + length].decode()
                position += 5 + length
                presets.append(Preset(name, pose, scene, expression, coefficients))
        except ValueError:
            raise DecodeError("damaged entropy tables: the preset list does not parse") from None
        if (
            size < FIXED_SIZE
            or not presets
            or not all(p.pose_units and p.scene_units and p.expression_units for p in presets)
        ):
            raise DecodeError("damaged entropy tables: no presets, or a preset with steps of 0")
        triangle = size * (size - 1) // 2
        shapes: list[tuple[str, tuple[int, ...]]] = [
            ("i1", (CLASSES, triangle)),
            ("i1", (CLASSES, size)),
            ("<i2", (CLASSES, size)),
            ("<u2", (count, CLASSES, size)),
            ("u1", (count, CLASSES, size, ACTIVITY_BUCKETS)),
        ]
        expected = position + sum(np.dtype(kind).itemsize * int(np.prod(shape)) for kind, shape in shapes)
        if len(data) != expected:
            raise DecodeError(f"damaged entropy tables: {len(data)} bytes instead of {expected}")
        arrays = []
        for kind, shape in shapes:
            end = position + np.dtype(kind).itemsize * int(np.prod(shape))
            arrays.append(np.frombuffer(data[position:end], kind).reshape(shape))
            position = end
        cross = np.zeros((CLASSES, size, size), np.int8)
        cross[:, *np.tril_indices(size, -1)] = arrays[0]
        if arrays[4].max() >= FAMILY_SIZE:
            raise DecodeError(f"damaged entropy tables: table number {arrays[4].max()} of {FAMILY_SIZE}")
        return cls(
            tuple(presets),
            cross,
            arrays[1],
            arrays[2].astype(np.int16),
            arrays[3].astype(np.uint16),
            arrays[4],
        )


_MAGIC = b"FWT2"
_HEAD = struct.Struct("<4sBB")


class FrameModel:
    """`Tables` laid out for coding frames one after the other."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.size = tables.expression_size + FIXED_SIZE
        self._quanta = [preset.quanta(tables.expression_size) for preset in tables.presets]
        self._pull: list[list[int]] = tables.pull.tolist()
        self._bias: list[list[int]] = tables.bias.tolist()
        self._rate: list[list[list[int]]] = tables.rate.tolist()
        self._index: list[list[list[list[int]]]] = tables.index.tolist()
        self._cross = [
            [[(j, int(row[j])) for j in np.flatnonzero(row)] for row in one_class] for one_class in tables.cross
        ]

    def code_frame(
        self,
        coder: SymbolCoder,
        preset: int,
        lag_class: int,
        reference: Sequence[int],
        units: Sequence[int],
        activity: int,
    ) -> tuple[list[int], int]:
        """Encodes or decodes one frame, depending on `coder`.

        reference: N units of the frame to predict from (zeros in the class ABSOLUTE).
        units: the N units to encode; ignored when decoding, but N long.
        activity: of the frame before in the same packet, or USUAL_ACTIVITY.
        Returns the units and the activity of this frame. Raises DecodeError if a value exceeds ±MAX_UNITS.
        """
        quanta, rate, index = self._quanta[preset], self._rate[preset][lag_class], self._index[preset][lag_class]
        pull, bias, cross = self._pull[lag_class], self._bias[lag_class], self._cross[lag_class]
        result, changes = [0] * self.size, [0] * len(quanta)
        for i, quantum in enumerate(quanta):
            before = reference[i]
            drift = pull[i] * before + (bias[i] << PULL_BITS)
            if lag_class < ABSOLUTE:
                drift = drift * min(activity // (i + 1), USUAL_ACTIVITY) >> ACTIVITY_BITS
            together = sum([weight * changes[j] for j, weight in cross[i] if changes[j]])
            change = rounded(drift, PULL_BITS) + rounded(together, CROSS_BITS)
            predicted = (2 * (before + change) + quantum) // (2 * quantum)
            predicted = max(-MAX_UNITS // quantum, min(predicted, MAX_UNITS // quantum))
            table = index[i][bisect_left(ACTIVITY_LIMITS, activity // (i + 1))]
            rest = code_integer(coder, table, units[i] // quantum - predicted)
            value = (predicted + rest) * quantum
            if not -MAX_UNITS <= value <= MAX_UNITS:
                raise DecodeError("damaged packet: a coefficient is out of range")
            result[i], changes[i] = value, value - before
            activity += min(abs(rest) * rate[i] >> RATE_BITS, MAX_ACTIVITY)
        return result, activity // (len(quanta) + 1)


Integers = TypeVar("Integers", int, NDArray[np.int64])


def rounded(value: Integers, bits: int) -> Integers:
    """value / 2^bits to the nearest integer."""
    return value + (1 << bits >> 1) >> bits


def lag_class(age_ms: int) -> int:
    """The class of a reference captured `age_ms` before the frame."""
    return bisect_left(LAG_LIMITS_MS, age_ms)


def default_tables(expression_size: int, presets: tuple[Preset, ...] = PRESETS) -> Tables:
    """Tables made without training data, from typical magnitudes of talking heads at the default steps.

    expression_size: E, 0 to 241. Tables fitted to the motion at hand save 3 to 7 %.
    """
    if not 0 <= expression_size <= 255 - FIXED_SIZE:
        raise ValueError(f"an expression code has 0 to {255 - FIXED_SIZE} coefficients, not {expression_size}")
    size = expression_size + FIXED_SIZE
    index = np.zeros((len(presets), CLASSES, size, ACTIVITY_BUCKETS), np.uint8)
    rate = np.zeros((len(presets), CLASSES, size), np.uint16)
    for p, preset in enumerate(presets):
        for c in range(CLASSES):
            for i in range(size):
                quantum, scales = preset.expression_units, _EXPRESSION_SCALES
                if i < FIXED_SIZE:
                    quantum = preset.pose_units if i < POSE_SIZE else preset.scene_units
                    scales = _POSE_SCALES if i < POSE_SIZE else _SCENE_SCALES
                scale = scales[c] - _quarter_octaves(quantum)
                rate[p, c, i] = min((1 << 44) // _scale_mean(scale), 65535)
                for bucket in range(ACTIVITY_BUCKETS):
                    wanted = min(max(scale + _BUCKET_SCALES[bucket], 0), SCALES - 1)
                    index[p, c, i, bucket] = SHAPES * wanted + (1 if c < ABSOLUTE else 0)
    zeros = np.zeros((CLASSES, size), np.int8)
    cross = np.zeros((CLASSES, size, size), np.int8)
    return Tables(presets, cross, zeros, zeros.astype(np.int16), rate, index)


_POSE_SCALES = (23, 26, 29, 31, 33, 34, 40)
_SCENE_SCALES = (18, 20, 22, 24, 25, 26, 28)
_BUCKET_SCALES = (-14, -11, -9, -6, -4, -3, -1, 0, 1, 3, 4)
_EXPRESSION_SCALES = (22, 24, 26, 27, 28, 29, 30)


def _quarter_octaves(quantum: int) -> int:
    """4 log2(quantum / 4), rounded towards minus infinity, in integers."""
    return (quantum**4).bit_length() - 1 - 8
