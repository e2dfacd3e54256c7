"""The coder settings that both ends of a stream must share: the weight bundle's or, for experiments, altered ones.

`facewire.sender` and `facewire.receiver` each take them from the bundle (`facewire.models`) and make coders of
`facewire.codec` with them. A stream does not carry altered settings, so only code that owns both ends, as in
`benchmark.loopback` and `training.rate_curve`, may alter them.
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
    """tables: the entropy model and its presets. quantiser: with the steps."""

    tables: Tables
    quantiser: Quantiser

    @classmethod
    def of(cls, bundle: Bundle) -> Coding:
        """The settings of a weight bundle."""
        return cls(Tables.from_bytes(bundle.tables), Quantiser(bundle.steps))

    def motion_encoder(self, packing: Packing, frame_rate: float) -> MotionEncoder:
        """Makes an encoder with these settings. Raises InputError for an impossible packing."""
        try:
            return MotionEncoder(self.tables, self.quantiser, packing, frame_rate=min(max(frame_rate, 0.1), 1000.0))
        except ValueError as error:
            raise InputError(str(error)) from error

    def motion_decoder(self, frame_rate: float) -> MotionDecoder:
        """Makes a decoder for a stream with that nominal frame rate."""
        return MotionDecoder(self.tables, self.quantiser, frame_rate=frame_rate)

    def altered(self, step_scale: float = 1.0, coefficients: int | None = None) -> Coding:
        """Returns settings with steps `step_scale` (0.25 to 32) times as large and only that many expression coefficients."""
        if not 0.25 <= step_scale <= 32:
            raise InputError(f"steps {step_scale}: must be a factor from 0.25 (finer) to 32 (coarser)")
        size = self.tables.expression_size
        if coefficients is not None and not 0 <= coefficients <= size:
            raise InputError(f"coefficients {coefficients}: must be 0 to {size}, since these weights have {size}")
        presets = tuple(_altered(preset, step_scale, coefficients) for preset in self.tables.presets)
        # Residuals shrink as the steps grow: move along the family of tables, a quarter octave at a time.
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
