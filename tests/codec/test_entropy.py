"""The entropy model loses nothing, is the same on every machine, and its tables can be fitted."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from facewire.codec import PRESETS, Preset, Quantiser, Tables, default_tables, fit_tables
from facewire.codec.entropy import ABSOLUTE, CLASSES, USUAL_ACTIVITY, FrameModel, family_table, lag_class
from facewire.codec.fitting import _run
from facewire.codec.quantiser import MAX_UNITS
from facewire.codec.range_coder import RangeDecoder, RangeEncoder
from facewire.errors import DecodeError

Walk = Callable[[int, int], np.ndarray]


def coded(model: FrameModel, preset: int, age_class: int, reference: list[int], units: list[int]) -> bytes:
    encoder = RangeEncoder()
    model.code_frame(encoder, preset, age_class, reference, units, USUAL_ACTIVITY)
    return encoder.finish()


def test_round_trips_10000_random_frames(tables: Tables, quantiser: Quantiser) -> None:
    model, rng = FrameModel(tables), np.random.default_rng(0)
    for batch in range(100):
        preset = batch % len(PRESETS)
        values = rng.normal(size=(101, 34)) * 10.0 ** rng.uniform(-6, 3, size=(101, 1))
        values[rng.random(values.shape) < 0.01] = rng.choice([1e30, -1e30])
        units = quantiser.quantise(values.astype(np.float32), PRESETS[preset])
        frames = units.tolist()
        age_class = int(rng.integers(0, CLASSES))
        for frame in frames[1:]:
            decoder = RangeDecoder(coded(model, preset, age_class, frames[0], frame))
            decoded, _ = model.code_frame(decoder, preset, age_class, frames[0], [0] * 34, USUAL_ACTIVITY)
            decoder.finish()
            assert decoded == frame


def test_round_trips_the_largest_values(tables: Tables) -> None:
    model = FrameModel(tables)
    limit = [MAX_UNITS // 48 * 48] * 22 + [0] * 12
    for reference in (limit, [-v for v in limit]):
        data = coded(model, 3, 4, reference, limit)
        assert model.code_frame(RangeDecoder(data), 3, 4, reference, [0] * 34, USUAL_ACTIVITY)[0] == limit


def test_a_still_head_costs_less_than_a_byte(quantiser: Quantiser) -> None:
    units, model = [40] * 6 + [8] * 24 + [0] * 4, FrameModel(default_tables(20))
    encoder, activity = RangeEncoder(), USUAL_ACTIVITY
    for _ in range(16):
        _, activity = model.code_frame(encoder, 1, 0, units, units, activity)
    assert len(encoder.finish()) < 16


def test_tables_round_trip_through_bytes(tables: Tables) -> None:
    data = tables.to_bytes()
    again = Tables.from_bytes(data)
    assert len(data) < 20_000
    assert again.presets == tables.presets
    for name in ("cross", "pull", "bias", "rate", "index"):
        np.testing.assert_array_equal(getattr(again, name), getattr(tables, name))
        assert getattr(again, name).dtype == getattr(tables, name).dtype


def test_damaged_tables_raise_decode_error_or_parse(tables: Tables) -> None:
    rng, data = np.random.default_rng(0), tables.to_bytes()
    for cut in (0, 3, 6, 9, 40, len(data) - 1):
        with pytest.raises(DecodeError):
            Tables.from_bytes(data[:cut])
    with pytest.raises(DecodeError):
        Tables.from_bytes(data + b"\0")
    for _ in range(500):
        damaged = bytearray(data)
        damaged[rng.integers(0, 60)] = rng.integers(0, 256)
        with contextlib.suppress(DecodeError):
            Tables.from_bytes(bytes(damaged))


@pytest.mark.parametrize("size", [0, 1, 20, 64, 241])
def test_default_tables_support_every_expression_size(size: int) -> None:
    tables = default_tables(size)
    assert tables.expression_size == size
    assert Tables.from_bytes(tables.to_bytes()).expression_size == size


def test_default_tables_reject_too_large_an_expression_code() -> None:
    with pytest.raises(ValueError, match="0 to 241"):
        default_tables(242)


def test_unknown_preset_error_lists_the_known_ones(tables: Tables) -> None:
    with pytest.raises(ValueError, match="high, default, low, lowest"):
        tables.preset_number("best")


def test_tables_are_the_same_on_every_machine() -> None:
    whole = repr([family_table(index) for index in range(168)]).encode() + default_tables(20).to_bytes()
    assert hashlib.sha256(whole).hexdigest() == "1423a023dcf6903eeb00a56f6eccc023e77d28554289e78e18182753fd96cebf"


@pytest.mark.parametrize(("age_ms", "expected"), [(-5, 0), (45, 0), (46, 1), (120, 2), (181, 3), (800, 4), (801, 5)])
def test_lag_class_by_age(age_ms: int, expected: int) -> None:
    assert lag_class(age_ms) == expected


@pytest.mark.parametrize("age_class", [2, ABSOLUTE])
def test_fitting_models_the_same_activity_as_the_coder(
    tables: Tables, quantiser: Quantiser, walk: Walk, age_class: int
) -> None:
    """Fitting has a vectorised copy of the model. Equal activity means equal residuals."""
    units = quantiser.quantise(walk(60, 3), PRESETS[1]).astype(np.int64)
    now, before = units[3:], units[:-3] * (age_class < ABSOLUTE)
    prediction = (tables.cross[age_class], tables.pull[age_class], tables.bias[age_class])
    begin, rates = np.full(len(now), USUAL_ACTIVITY), tables.rate[1, age_class]
    _, activity = _run(now, before, np.array(PRESETS[1].quanta(20)), prediction, rates, begin, age_class)
    model = FrameModel(tables)
    for row, reference, expected in zip(now.tolist(), before.tolist(), activity[:, -1], strict=True):
        _, seen = model.code_frame(RangeEncoder(), 1, age_class, reference, row, USUAL_ACTIVITY)
        assert seen == expected


def test_fitted_tables_beat_the_default_tables(walk: Walk) -> None:
    quantiser = Quantiser.default(20)
    presets = (Preset("default", 4, 4, 4, 16),)
    fitted = fit_tables([(walk(150, seed), 25.0) for seed in range(4)], quantiser, presets)
    units = quantiser.quantise(walk(150, 99), presets[0]).tolist()
    size = {}
    for name, tables in (("fitted", fitted), ("default", default_tables(20, presets))):
        model, encoder = FrameModel(tables), RangeEncoder()
        for now, before in zip(units[4:], units[:-4], strict=True):
            model.code_frame(encoder, 0, lag_class(160), before, now, USUAL_ACTIVITY)
        size[name] = len(encoder.finish())
    assert size["fitted"] < size["default"]
    assert fitted.index.max() < 168
    assert fitted.pull[ABSOLUTE].shape == (34,)


def test_fitting_without_data_gives_the_default_tables(quantiser: Quantiser) -> None:
    assert fit_tables([], quantiser).to_bytes() == default_tables(20).to_bytes()
