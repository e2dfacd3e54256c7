import dataclasses

import numpy as np
import pytest

from facewire.codec import (
    Motion,
    MotionDecoder,
    MotionEncoder,
    Packing,
    SourceFrame,
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


def fields(source):
    return [value.tolist() if isinstance(value, np.ndarray) else value for value in dataclasses.astuple(source)]


@pytest.fixture(scope="module")
def packets(tables, quantiser, head_walk):
    encoder = MotionEncoder(tables, quantiser, Packing(frames_per_packet=16))
    result = []
    for number, row in enumerate(head_walk[:50]):
        if packet := encoder.encode(Motion.from_vector(row), 40 * number):
            result.append(packet)
            encoder.acknowledge(number)
    return [*result, encoder.flush()]


@pytest.fixture(scope="module")
def file(packets):
    return write_stream(SOURCE, packets)


def test_a_source_frame_survives_its_bytes():
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
def test_an_impossible_source_frame_is_refused(change):
    with pytest.raises(ValueError, match=r"source frame|picture format"):
        encode_source(dataclasses.replace(SOURCE, **change))


def test_a_damaged_source_message_is_refused_wherever_the_damage_is():
    data = encode_source(SOURCE)
    for position in range(len(data)):
        with pytest.raises(DecodeError):
            decode_source(data[:position])
        damaged = bytearray(data)
        damaged[position] ^= 4
        with pytest.raises(DecodeError):
            decode_source(bytes(damaged))
    with pytest.raises(DecodeError, match="were announced"):
        decode_source(data + b"\0")


def test_another_version_is_named():
    data = bytearray(encode_source(SOURCE))
    data[4] = 9
    with pytest.raises(DecodeError, match="version 9"):
        decode_source(bytes(data))


def test_a_stream_survives_its_bytes(file, packets, tables, quantiser):
    stream = read_stream(file)
    assert fields(stream.source) == fields(SOURCE)
    assert list(stream.packets) == packets
    assert stream.frames == sum(map(frames_in, packets)) == 50
    decoder = MotionDecoder(tables, quantiser)
    numbers = [frame.number for packet in stream.packets for frame in decoder.decode(packet)]
    assert numbers == list(range(50))


def test_an_empty_stream_is_a_stream():
    assert read_stream(write_stream(SOURCE, [])).packets == ()


def test_truncation_is_noticed_at_every_byte(file):
    for length in range(len(file)):
        with pytest.raises(DecodeError, match=r"cut off|begins with FWIR|version"):
            read_stream(file[:length])


def test_damage_is_noticed_at_every_byte(file):
    for position in range(len(file)):
        damaged = bytearray(file)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(DecodeError):
            read_stream(bytes(damaged))


def test_what_follows_the_end_is_noticed(file):
    with pytest.raises(DecodeError, match="1 bytes follow the end"):
        read_stream(file + b"\0")


def test_a_lost_packet_is_noticed(file, packets):
    shorter = write_stream(SOURCE, packets[:-1])
    end_record = len(file) - len(write_stream(SOURCE, [])) + len(shorter)
    assert end_record > 0
    start = file.index(packets[-1]) - 2
    with pytest.raises(DecodeError, match="its end record says 4 with 50"):
        read_stream(file[:start] + file[start + len(packets[-1]) + 2 + 4 :])


def test_only_motion_packets_go_into_a_stream():
    with pytest.raises(DecodeError):
        write_stream(SOURCE, [b"hello"])


@pytest.mark.parametrize(("payload", "forward"), [(0, 85), (1, 89), (12, 97), (13, 101)])
def test_the_wire_costs_more_than_the_payload(payload, forward):
    assert wire_bytes(payload) == (forward, 85)


def test_there_are_no_negative_payloads():
    with pytest.raises(ValueError, match="-1 bytes"):
        wire_bytes(-1)
