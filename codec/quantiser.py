"""Motion to integers and back: the only lossy step of the codec.

Takes `Motion` vectors from the networks and returns integers, which `codec.packets` sends without further loss. At the
receiver, `Quantiser.dequantise` is the last step before the networks. A `Preset` says how coarsely to quantise.

Whatever the preset, integers count **units**, a quarter of a coefficient's step; a coarser preset only allows every second,
fourth … of them. So frames of different presets can predict each other, and dequantising needs no preset.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewire.codec.motion import FIXED_SIZE, POSE_SIZE, SCENE_SIZE, Motion

UNITS_PER_STEP = 4
"""Units per step of the weight bundle. A power of two, so that unit = step / 4 is exact in float32."""

MAX_UNITS = 1 << 22
"""Integers are clipped to plus or minus this. It is exact in float32, and no sum of products comes near 64 bits."""

HYSTERESIS_STEPS = 0.15
"""A coefficient keeps its last integer until it is this far past the rounding border. This saves no bytes while a head moves,
but on a still head, with simulated estimates that jitter by a tenth of a step, 13 times fewer integers flicker."""

ANGLE_STEP_RAD = float(np.deg2rad(0.25))
TRANSLATION_STEP = 0.005
SCENE_STEP = 0.004
EXPRESSION_STEP = 0.05


@dataclass(frozen=True)
class Preset:
    """One quality setting.

    name: as the user types it.
    pose_units, scene_units, expression_units: units (quarter steps) per quantum of such a coefficient, 1 to 255.
    coefficients: how many expression coefficients are sent, the most important ones; the others are 0 at the receiver.
    """

    name: str
    pose_units: int
    scene_units: int
    expression_units: int
    coefficients: int

    def quanta(self, expression_size: int) -> list[int]:
        """Units per quantum of each coefficient that is sent, in the order of `Motion.vector`."""
        sent = min(self.coefficients, expression_size)
        return [self.pose_units] * POSE_SIZE + [self.scene_units] * SCENE_SIZE + [self.expression_units] * sent


PRESETS = (
    Preset("high", 2, 2, 2, 255),
    Preset("default", 4, 4, 4, 16),
    Preset("low", 6, 8, 8, 12),
    Preset("lowest", 8, 16, 12, 8),
)
"""The presets of new weight bundles, finest first: a source frame's own motion is quantised with the first.

A bundle carries its own list, and packets name a preset by its position there. So changing this tuple never changes what older
bundles read and write.
"""


class Quantiser:
    """Uniform quantiser with one step per coefficient.

    steps: float32 (14 + E,), positive: radians for yaw, pitch, roll; half picture widths for x, y; log-scale; half picture
        widths for the scene code; expression units.
    """

    def __init__(self, steps: ArrayLike) -> None:
        self.steps = np.array(steps, np.float32)
        if self.steps.ndim != 1 or not FIXED_SIZE <= self.steps.size <= 255:
            raise ValueError(f"steps must have shape (14 + E,) with E from 0 to 241, not {self.steps.shape}")
        if not (np.isfinite(self.steps).all() and (self.steps > 1e-12).all() and (self.steps < 1e6).all()):
            raise ValueError("every quantiser step must be a number between 1e-12 and 1e6")
        self.units = self.steps / np.float32(UNITS_PER_STEP)
        self.expression_size = self.steps.size - FIXED_SIZE

    @classmethod
    def default(cls, expression_size: int) -> Quantiser:
        """The steps to use without a weight bundle."""
        head = [ANGLE_STEP_RAD] * 3 + [TRANSLATION_STEP] * 3
        steps = head + [SCENE_STEP] * SCENE_SIZE + [EXPRESSION_STEP] * expression_size
        return cls(np.array(steps, np.float32))

    def quantise(self, values: ArrayLike, preset: Preset, previous: ArrayLike | None = None) -> NDArray[np.int32]:
        """Rounds to the preset's quanta.

        values: float (..., 14 + E). Raises ValueError unless all are finite.
        previous: int32 (14 + E,) units of the frame before, if any. A coefficient keeps its value from there as long as that
            is off by less than 0.65 of a quantum.
        Returns int32 (..., 14 + E) units within ±MAX_UNITS: multiples of the quantum, and 0 for coefficients that the preset
        does not send.
        """
        values = np.asarray(values, np.float64)
        if values.shape[-1:] != self.steps.shape:
            raise ValueError(
                f"a motion vector must end in {self.steps.size} numbers, not have the shape {values.shape}"
            )
        if not np.isfinite(values).all():
            raise ValueError("a motion must be finite; this one contains NaN or infinity")
        quanta = np.zeros(self.steps.size, np.int64)
        sent = preset.quanta(self.expression_size)
        quanta[: len(sent)] = sent
        divisor = np.maximum(quanta, 1)
        limit = MAX_UNITS // divisor
        scaled = np.clip(values / (self.units.astype(np.float64) * divisor), -limit, limit)
        rounded = np.rint(scaled)
        if previous is not None:
            before = np.asarray(previous, np.int64)
            keep = (before % divisor == 0) & (np.abs(scaled - before // divisor) < 0.5 + HYSTERESIS_STEPS)
            rounded = np.where(keep, before // divisor, rounded)
        return (rounded.astype(np.int64) * quanta).astype(np.int32)

    def dequantise(self, units: ArrayLike) -> NDArray[np.float32]:
        """Turns int (..., 14 + E) units into float32 values: one product each, so the bits are the same on every machine."""
        return np.asarray(units, np.int32).astype(np.float32) * self.units

    def motion(self, units: ArrayLike) -> Motion:
        """`dequantise` of one frame, as a `Motion`."""
        return Motion.from_vector(self.dequantise(units))
