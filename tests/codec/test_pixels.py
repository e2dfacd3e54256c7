"""Packets of pixels: they round-trip, and anything else raises DecodeError."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.codec.pixels import BODY_BYTES, MAX_PACKETS, NUMBERS, TIME_SPAN_MS, cut_picture, decode_pixels, later
from facewire.codec.wire import PIECE_BYTES
from facewire.errors import DecodeError

GOLDEN = bytes.fromhex("20 3412 01 00 01 78563412") + b"picture"


@given(
    st.binary(min_size=1, max_size=4 * BODY_BYTES),
    st.integers(0, 1 << 20),
    st.integers(0, 255),
    st.integers(0, 1 << 40),
    st.booleans(),
)
def test_pictures_are_cut_and_read_again(
    data: bytes, number: int, reference: int, capture_ms: int, at_once: bool
) -> None:
    packets = cut_picture(data, number, reference, capture_ms, at_once=at_once)
    assert all(len(packet) <= PIECE_BYTES for packet in packets)
    read = [decode_pixels(packet) for packet in packets]
    assert b"".join(part.body for part in read) == data
    assert [part.place for part in read] == list(range(len(packets)))
    assert {(part.number, part.reference, part.count, part.capture_ms, part.at_once) for part in read} == {
        (number % NUMBERS, reference, len(packets), capture_ms % TIME_SPAN_MS, at_once)
    }


@given(st.binary(max_size=PIECE_BYTES + 2))
def test_any_bytes_decode_or_raise_decode_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        decode_pixels(data)


@given(st.integers(0, NUMBERS - 1), st.integers(-NUMBERS // 2, NUMBERS // 2 - 1))
def test_numbers_are_compared_across_the_wrap(number: int, step: int) -> None:
    assert later((number + step) % NUMBERS, number) == step


def test_golden_bytes() -> None:
    assert cut_picture(b"picture", 0x1234, 1, 0x12345678) == [GOLDEN]
    assert cut_picture(b"picture", 0x1234, 1, 0x12345678, at_once=True) == [b"\x21" + GOLDEN[1:]]


@pytest.mark.parametrize("size", [0, MAX_PACKETS * BODY_BYTES + 1])
def test_pictures_of_impossible_size_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        cut_picture(bytes(size), 0, 0, 0)


@pytest.mark.parametrize(
    "data",
    [
        GOLDEN[:10],
        b"\x40" + GOLDEN[1:],
        b"\x22" + GOLDEN[1:],
        GOLDEN[:4] + b"\x01\x01" + GOLDEN[6:],
        GOLDEN[:4] + b"\x00\x00" + GOLDEN[6:],
        GOLDEN[:4] + b"\x00\x21" + GOLDEN[6:],
        GOLDEN[:4] + b"\x00\x02" + GOLDEN[6:],
        GOLDEN + bytes(PIECE_BYTES),
    ],
)
def test_packets_with_impossible_values_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_pixels(data)
