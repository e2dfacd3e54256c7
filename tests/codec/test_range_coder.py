"""The range coder loses nothing, wastes little and notices surplus bytes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.codec.entropy import FAMILY_SIZE, TABLE_TOTAL, code_integer, code_sized, code_wide, family_table
from facewire.codec.range_coder import RangeDecoder, RangeEncoder
from facewire.errors import DecodeError

INTEGERS = st.one_of(st.integers(-4, 4), st.integers(-100, 100), st.integers(-(2**22), 2**22))


@given(st.lists(st.tuples(st.integers(0, FAMILY_SIZE - 1), INTEGERS), max_size=60))
def test_integers_round_trip_with_every_table(pairs: list[tuple[int, int]]) -> None:
    encoder = RangeEncoder()
    for index, value in pairs:
        assert code_integer(encoder, index, value) == value
    data = encoder.finish()
    decoder = RangeDecoder(data)
    assert [code_integer(decoder, index, 0) for index, _ in pairs] == [value for _, value in pairs]
    decoder.finish()


@given(st.lists(st.integers(0, 2**63 - 1), max_size=10), st.integers(0, 2**60 - 1))
def test_numbers_of_any_size_round_trip(numbers: list[int], wide: int) -> None:
    encoder = RangeEncoder()
    for number in numbers:
        code_sized(encoder, number)
    code_wide(encoder, 60, wide)
    decoder = RangeDecoder(encoder.finish())
    assert [code_sized(decoder, 0) for _ in numbers] == numbers
    assert code_wide(decoder, 60, 0) == wide
    decoder.finish()


@given(st.lists(st.integers(0, 7), min_size=1, max_size=40), st.binary(min_size=1, max_size=4))
def test_surplus_bytes_are_never_read_as_the_same_packet(symbols: list[int], garbage: bytes) -> None:
    encoder = RangeEncoder()
    for symbol in symbols:
        encoder.bits(3, symbol)
    decoder = RangeDecoder(encoder.finish() + garbage)
    if [decoder.bits(3, 0) for _ in symbols] == symbols:
        with pytest.raises(DecodeError, match="do not end where"):
            decoder.finish()


def test_packet_costs_less_than_half_a_byte_over_the_ideal() -> None:
    rng = np.random.default_rng(0)
    over = []
    for _ in range(400):
        indices = rng.integers(20, 90, rng.integers(6, 60))
        encoder, ideal = RangeEncoder(), 0.0
        for index in indices:
            cumulative, low_bits = family_table(int(index))
            frequencies = np.diff(cumulative)
            symbol = int(rng.choice(len(frequencies), p=frequencies / frequencies.sum()))
            encoder.code(cumulative, symbol)
            ideal += math.log2(cumulative[-1] / frequencies[symbol])
            if low_bits:
                encoder.bits(low_bits, 0)
                ideal += low_bits
        over.append(len(encoder.finish()) - ideal / 8)
    assert np.mean(over) < 0.45
    assert max(over) < 1.2


@pytest.mark.parametrize("index", range(FAMILY_SIZE))
def test_every_table_is_complete_and_increasing(index: int) -> None:
    cumulative, low_bits = family_table(index)
    assert cumulative[0] == 0
    assert cumulative[-1] == TABLE_TOTAL
    assert min(np.diff(cumulative)) >= 1
    assert low_bits <= 8
    middle = (len(cumulative) - 1) // 2
    assert np.argmax(np.diff(cumulative)) in (middle - 1, middle)
