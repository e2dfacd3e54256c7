"""The coder settings that both ends of a stream must share: the weight bundle's own or, for experiments, coarser ones.

`facewire.sender` and `facewire.receiver` each make one from the bundle (`facewire.models`) and feed it to
`facewire.codec`. A stream does not carry altered settings, so only `benchmark.loopback`, which owns both ends, alters
them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from facewire.codec import MotionDecoder, MotionEncoder, Packing, Preset, Quantiser, Tables
from facewire.codec.entropy import SCALES, SHAPES
from facewire.errors import InputError
from facewire.models.bundle import Bundle

MAX_QUANTUM_UNITS = 255
UINT16_MAX = 65535


@dataclass(frozen=True)
class Coding:
    """tables: the entropy model with its presets. quantiser: the steps."""

    tables: Tables
    quantiser: Quantiser

    @classmethod
    def of(cls, bundle: Bundle) -> Coding:
        """As the weight bundle says."""
        return cls(Tables.from_bytes(bundle.tables), Quantiser(bundle.steps))

    def motion_encoder(self, packing: Packing, frame_rate: float) -> MotionEncoder:
        """An encoder of these settings; InputError for a packing that does not exist."""
        try:
            return MotionEncoder(self.tables, self.quantiser, packing, frame_rate=min(max(frame_rate, 0.1), 1000.0))
        except ValueError as error:
            raise InputError(str(error)) from error

    def motion_decoder(self, frame_rate: float) -> MotionDecoder:
        """The decoder for a stream of that nominal frame rate."""
        return MotionDecoder(self.tables, self.quantiser, frame_rate=frame_rate)

    def altered(self, step_scale: float = 1.0, coefficients: int | None = None) -> Coding:
        """With quantiser steps that many times as large, 0.25 to 32, and only the first coefficients of the expression
        code.
        """
        if not 0.25 <= step_scale <= 32:
            raise InputError(f"steps {step_scale}: a factor from 0.25 (finer) to 32 (coarser)")
        size = self.tables.expression_size
        if coefficients is not None and not 0 <= coefficients <= size:
            raise InputError(f"coefficients {coefficients}: these weights have {size}, so 0 to {size}")
        presets = tuple(_altered(preset, step_scale, coefficients) for preset in self.tables.presets)
        # What is left to code shrinks as the steps grow: move along the family of tables, quarter octaves a place.
        shift = round(4 * np.log2(step_scale))
        scales = np.clip(self.tables.index.astype(int) // SHAPES - shift, 0, SCALES - 1)
        index = (scales * SHAPES + self.tables.index % SHAPES).astype(np.uint8)
        rate = np.clip(self.tables.rate * step_scale, 0, UINT16_MAX).astype(np.uint16)
        return Coding(replace(self.tables, presets=presets, index=index, rate=rate), self.quantiser)


def _altered(preset: Preset, step_scale: float, coefficients: int | None) -> Preset:
    def coarser(units: int) -> int:
        return min(max(1, round(units * step_scale)), MAX_QUANTUM_UNITS)

    kept = preset.coefficients if coefficients is None else min(preset.coefficients, coefficients)
    return replace(
        preset,
        pose_units=coarser(preset.pose_units),
        scene_units=coarser(preset.scene_units),
        expression_units=coarser(preset.expression_units),
        coefficients=kept,
    )
