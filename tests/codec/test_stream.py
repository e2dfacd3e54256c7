"""Source messages, `.fw` files and the cost on the wire."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from facewire.codec import (
    Motion,
    MotionDecoder,
    MotionEncoder,
    Packing,
    Quantiser,
    SourceFrame,
    Tables,
    decode_source,
    encode_source,
    frames_in,
    read_stream,
    wire_bytes,
    write_stream,
)
from facewire.codec.quantiser import MAX_UNITS
from facewire.errors import DecodeError

SOURCE = SourceFrame(
    bundle_hash=b"12345678",
    side=256,
    frame_rate=29.97,
    picture_format="webp",
    picture=bytes(range(256)) * 4,
    canonical=np.arange(-20, 20, dtype=np.int16),
    motion_units=np.arange(34, dtype=np.int32) * 1000,
    capture_time_ms=1_790_000_000_000,
)


def fields(source: SourceFrame) -> list[object]:
    return [value.tolist() if isinstance(value, np.ndarray) else value for value in dataclasses.astuple(source)]


@pytest.fixture(scope="module")
def packets(tables: Tables, quantiser: Quantiser, head_walk: np.ndarray) -> list[bytes]:
    encoder = MotionEncoder(tables, quantiser, Packing(frames_per_packet=16))
    result: list[bytes] = []
    for number, row in enumerate(head_walk[:50]):
        if packet := encoder.encode(Motion.from_vector(row), 40 * number):
            result.append(packet)
            encoder.acknowledge(number)
    rest = encoder.flush()
    assert rest is not None
    return [*result, rest]


@pytest.fixture(scope="module")
def file(packets: list[bytes]) -> bytes:
    return write_stream([SOURCE, *packets])


def test_source_frame_round_trips_through_bytes() -> None:
    again = decode_source(encode_source(SOURCE))
    assert fields(again) == fields(SOURCE)
    assert again.canonical.dtype == np.int16
    assert again.motion_units.dtype == np.int32


@pytest.mark.parametrize(
    "change",
    [
        {"bundle_hash": b"short"},
        {"side": 0},
        {"side": 5000},
        {"frame_rate": 0},
        {"picture_format": "bmp"},
        {"picture": b""},
        {"picture": bytes((1 << 20) + 1)},
        {"canonical": np.zeros(40, np.float32)},
        {"canonical": np.full(40, 40_000)},
        {"motion_units": np.zeros(5, np.int32)},
        {"motion_units": np.full(34, MAX_UNITS + 1)},
        {"motion_units": np.zeros((2, 34), np.int32)},
        {"capture_time_ms": -1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_impossible_source_frame_raises_value_error(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"source frame|picture format"):
        encode_source(dataclasses.replace(SOURCE, **change))


def test_damage_at_any_byte_of_a_source_message_raises_decode_error() -> None:
    data = encode_source(SOURCE)
    for position in range(len(data)):
        with pytest.raises(DecodeError):
            decode_source(data[:position])
        damaged = bytearray(data)
        damaged[position] ^= 4
        with pytest.raises(DecodeError):
            decode_source(bytes(damaged))
    with pytest.raises(DecodeError, match="header announces"):
        decode_source(data + b"\0")


def test_error_names_another_version() -> None:
    data = bytearray(encode_source(SOURCE))
    data[4] = 9
    with pytest.raises(DecodeError, match="version 9"):
        decode_source(bytes(data))


def test_stream_round_trips_through_bytes(
    file: bytes, packets: list[bytes], tables: Tables, quantiser: Quantiser
) -> None:
    stream = read_stream(file)
    assert fields(stream.sources[0]) == fields(SOURCE)
    assert list(stream.packets) == packets
    assert stream.frames == sum(map(frames_in, packets)) == 50
    decoder = MotionDecoder(tables, quantiser)
    numbers = [frame.number for packet in stream.packets for frame in decoder.decode(packet)]
    assert numbers == list(range(50))


def test_stream_may_be_empty() -> None:
    assert read_stream(write_stream([SOURCE])).packets == ()


def test_truncation_at_any_byte_raises_decode_error(file: bytes) -> None:
    for length in range(len(file)):
        with pytest.raises(DecodeError, match=r"cut off|begins with FWIR|version"):
            read_stream(file[:length])


def test_damage_at_any_byte_raises_decode_error(file: bytes) -> None:
    for position in range(len(file)):
        damaged = bytearray(file)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(DecodeError):
            read_stream(bytes(damaged))


def test_bytes_after_the_end_raise_decode_error(file: bytes) -> None:
    with pytest.raises(DecodeError, match="1 bytes follow the end"):
        read_stream(file + b"\0")


def test_missing_packet_raises_decode_error(file: bytes, packets: list[bytes]) -> None:
    shorter = write_stream([SOURCE, *packets[:-1]])
    end_record = len(file) - len(write_stream([SOURCE])) + len(shorter)
    assert end_record > 0
    start = file.index(packets[-1]) - 2
    with pytest.raises(DecodeError, match="its end record says 1, 4 and 50"):
        read_stream(file[:start] + file[start + len(packets[-1]) + 2 + 4 :])


def test_stream_takes_only_motion_packets() -> None:
    with pytest.raises(DecodeError):
        write_stream([SOURCE, b"\x00hello"])


@pytest.mark.parametrize(("payload", "forward"), [(0, 85), (1, 89), (12, 97), (13, 101)])
def test_wire_bytes_include_the_overhead(payload: int, forward: int) -> None:
    assert wire_bytes(payload) == (forward, 85)


def test_negative_payload_raises_value_error() -> None:
    with pytest.raises(ValueError, match="-1 bytes"):
        wire_bytes(-1)
