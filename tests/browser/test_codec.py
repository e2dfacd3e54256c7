"""The codec in JavaScript reads what the one in Python writes, to the last bit, and refuses what that one refuses."""

from __future__ import annotations

import hashlib
import itertools
import random
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facewire.codec import (
    PRESETS,
    DecodedFrame,
    Motion,
    MotionDecoder,
    MotionEncoder,
    Packing,
    Quantiser,
    SourceFrame,
    Tables,
    decode_source,
    default_tables,
    encode_source,
    read_stream,
    write_stream,
)
from facewire.codec.entropy import FAMILY_SIZE, family_table
from facewire.codec.packets import MAX_NUMBER, MAX_TIME_MS
from facewire.codec.quantiser import Preset
from facewire.codec.range_coder import RangeDecoder, RangeEncoder
from facewire.codec.source import MAX_PICTURE_BYTES
from facewire.coding import Coding
from facewire.errors import DecodeError
from facewire.models.runtime import Networks
from facewire.receiver.decoder import Decoder
from facewire.receiver.source import ReceivedSource
from facewire.receiver.steady import Steadier
from tests.codec.test_golden import GOLDEN, SOURCE

from .conftest import Node, recording, shared


def as_told(frame: DecodedFrame) -> list[Any]:
    """A frame as codec.mjs tells of it."""
    motion = frame.motion.vector().astype("<f4").tobytes().hex()
    return [frame.number, frame.capture_time_ms, motion, frame.preset, frame.source]


def as_source(source: SourceFrame) -> dict[str, Any]:
    """The same of a source frame."""
    return {
        "bundleHash": source.bundle_hash.hex(),
        "side": source.side,
        "frameRate": source.frame_rate,
        "pictureFormat": source.picture_format,
        "picture": source.picture.hex(),
        "canonical": source.canonical.tolist(),
        "motionUnits": source.motion_units.tolist(),
        "captureTimeMs": source.capture_time_ms,
        "number": source.number,
    }


def decoded(tables: Tables, quantiser: Quantiser, packets: list[bytes], frame_rate: float = 25) -> dict[str, Any]:
    """What Python makes of packets, as codec.mjs tells of it."""
    decoder = MotionDecoder(tables, quantiser, frame_rate=frame_rate)
    found: list[Any] = []
    for packet in packets:
        try:
            found.append([as_told(frame) for frame in decoder.decode(packet)])
        except DecodeError as error:
            found.append({"error": str(error)})
    rest = {"newest": decoder.newest, "undecodable": decoder.undecodable, "missing": decoder.missing()}
    return {"packets": found, **rest}


# --- the golden files and what they are made of


@pytest.mark.parametrize("preset", [preset.name for preset in PRESETS])
def test_the_golden_files_are_read_to_the_last_bit(
    node: Node, tables: Tables, quantiser: Quantiser, preset: str
) -> None:
    motion, *packets, data = (GOLDEN / f"{preset}.txt").read_text().splitlines()
    stream = node("stream", data=data)
    assert stream["records"] == [as_source(SOURCE), *packets]
    told = node("packets", packets=packets, **shared(tables, quantiser))
    frames = [frame for found in told["packets"] for frame in found]
    assert hashlib.sha256(bytes.fromhex("".join(frame[2] for frame in frames))).hexdigest() == motion
    assert told == decoded(tables, quantiser, [bytes.fromhex(packet) for packet in packets])


def test_all_frequency_tables_are_the_same(node: Node) -> None:
    told = node("family")
    assert len(told) == FAMILY_SIZE
    for index, table in enumerate(told):
        assert (tuple(table["cumulative"]), table["lowBits"]) == family_table(index), index


def test_the_tables_of_the_bundle_are_read(node: Node, coding: Coding) -> None:
    told = node("tables", data=coding.tables.to_bytes().hex())
    assert told["size"] == 14 + coding.tables.expression_size
    assert [tuple(preset.values()) for preset in told["presets"]] == [
        (p.name, p.pose_units, p.scene_units, p.expression_units, p.coefficients) for p in coding.tables.presets
    ]
    assert told["index"] == coding.tables.index.tobytes().hex()


@given(data=st.data())
@settings(max_examples=100)
def test_damaged_tables_are_refused_by_both(node: Node, data: st.DataObject) -> None:
    whole = bytearray(default_tables(2).to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, 60 if data.draw(st.booleans()) else len(whole) - 1))] = data.draw(
            st.integers(0, 255)
        )
    damaged = bytes(whole)[: data.draw(st.sampled_from([len(whole), 5, 8, 40, len(whole) - 1]))]
    assert node.error("tables", data=damaged.hex()) == raised(Tables.from_bytes, damaged)


# --- the range coder


Draw = int | list[int]
"""A number of bits, or the frequencies of a table."""


@given(
    drawn=st.lists(
        st.tuples(st.integers(0, 16) | st.lists(st.integers(1, 6000), min_size=1, max_size=9), st.integers(0))
    ),
    cut=st.integers(0, 3),
    surplus=st.binary(max_size=2),
    flipped=st.integers(0, 63) | st.none(),
)
@settings(max_examples=300)
def test_symbols_come_back_and_the_same_bytes_are_refused(
    node: Node, drawn: list[tuple[Draw, int]], cut: int, surplus: bytes, flipped: int | None
) -> None:
    encoder, draws = RangeEncoder(), [draw for draw, _ in drawn]
    values = []
    for draw, number in drawn:
        if isinstance(draw, int):
            values.append(encoder.bits(draw, number % (1 << draw)))
        else:
            values.append(encoder.code(cumulated(draw), number % len(draw)))
    written = encoder.finish()
    damaged = bytearray(written[: len(written) - cut] + surplus)
    if flipped is not None and damaged:
        damaged[flipped // 8 % len(damaged)] ^= 1 << flipped % 8
    told = node("symbols", strings=[written.hex(), damaged.hex()], draws=draws)
    assert told == [values, symbols(bytes(damaged), draws)]


@pytest.mark.parametrize("before", [b"", b"\xff", b"\xff\xff\xff", b"\x80\x00\x01", b"\xff\xff\xff\xff"])
@pytest.mark.parametrize("draws", [[], [1], [[1, 2]], [[5, 1, 7], 3], [16, [3, 4, 5]], [[1] * 9, [2, 1], 16, [7]]])
def test_every_short_string_gives_the_same_symbols_or_the_same_error(
    node: Node, draws: list[Draw], before: bytes
) -> None:
    """The borders of the intervals, which random bytes hardly ever meet."""
    some = [0, 1, 2, 3, 127, 128, 129, 170, 254, 255]
    ends = [b"", *(bytes([a]) for a in range(256)), *(bytes([a, b]) for a in some for b in range(256))]
    strings = [before + end for end in ends]
    expected = [symbols(string, draws) for string in strings]
    assert node("symbols", strings=[string.hex() for string in strings], draws=draws) == expected


def symbols(data: bytes, draws: list[Draw]) -> Any:
    """What Python reads, as codec.mjs tells of it."""
    try:
        decoder = RangeDecoder(data)
        values = [decoder.bits(draw) if isinstance(draw, int) else decoder.code(cumulated(draw)) for draw in draws]
        decoder.finish()
    except DecodeError as error:
        return {"error": str(error)}
    return values


def cumulated(frequencies: list[int]) -> list[int]:
    return [0, *itertools.accumulate(frequencies)]


# --- packets


@given(data=st.data())
@settings(max_examples=60)
def test_random_motion_is_decoded_alike(node: Node, tables: Tables, quantiser: Quantiser, data: st.DataObject) -> None:
    """Any motion, clock, packing, acknowledgement and channel."""
    seed = data.draw(st.integers(0, 2**32))
    random_ = np.random.default_rng(seed)
    frame_rate = data.draw(st.sampled_from([0.1, 12.5, 25.0, 29.97, 1000.0]))
    first = data.draw(st.sampled_from([0, 1, 250, 2**31, MAX_NUMBER - 40]))
    together = data.draw(st.sampled_from([(1, 0), (1, 2), (3, 1), (5, 2), (16, 0)]))
    packing = Packing(data.draw(st.sampled_from([preset.name for preset in PRESETS])), *together)
    encoder = MotionEncoder(tables, quantiser, packing, frame_rate=frame_rate, first_number=first)
    scale = 10.0 ** random_.uniform(-4, 4, 34)
    time_ms, packets, source = data.draw(st.sampled_from([0, 123456, MAX_TIME_MS - 200_000])), list[bytes](), 0
    for number in range(40):
        time_ms += int(random_.choice([1, 40, 41, 80, 1000, 4000]))
        source = int(random_.integers(256)) if random_.random() < 0.1 else source
        row = (random_.normal(size=34) * scale).astype(np.float32)
        packet = encoder.encode(Motion.from_vector(row), time_ms, source)
        packets += [] if packet is None else [packet]
        if random_.random() < 0.5:
            encoder.acknowledge(first + number - int(random_.integers(1, 30)))
    rest = encoder.flush()
    packets += [] if rest is None else [rest]
    lossy = data.draw(st.booleans())
    if lossy:
        packets = [packet for packet in packets if random_.random() > 0.2]
        random_.shuffle(packets)
    expected = decoded(tables, quantiser, packets, frame_rate)
    assert (
        node("packets", packets=[p.hex() for p in packets], frameRate=frame_rate, **shared(tables, quantiser))
        == expected
    )
    assert lossy or sum(map(len, expected["packets"])) == 40


def test_damaged_packets_are_refused_by_both_and_never_hang(
    node: Node, tables: Tables, quantiser: Quantiser, head_walk: np.ndarray
) -> None:
    """The same bytes give the same frames or the same error, and leave both decoders in the same state."""
    encoder = MotionEncoder(tables, quantiser, Packing("default", 2, 1))
    good = []
    for number, row in enumerate(head_walk[:60]):
        packet = encoder.encode(Motion.from_vector(row), 40 * number, number // 20)
        good += [] if packet is None else [packet]
        encoder.acknowledge(number - 4)
    chance = random.Random(7)
    packets = []
    for packet in good * 20:
        damaged = bytearray(packet)
        for _ in range(chance.choice([0, 1, 1, 2, 8])):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        packets.append(bytes(damaged)[: chance.choice([len(damaged), len(damaged), chance.randrange(len(damaged))])])
    packets += [
        b"",
        b"\x60" * 5000,
        *(bytes([0x70 | n]) + chance.randbytes(chance.choice([3, 40, 4095])) for n in range(16)),
    ]
    packets += [chance.randbytes(chance.randrange(1, 60)) for _ in range(300)]
    chance.shuffle(packets)
    packets = [good[0], *packets]  # so that predicted packets have something to refer to
    expected = decoded(tables, quantiser, packets)
    told = node("packets", packets=[packet.hex() for packet in packets], **shared(tables, quantiser))
    assert told == expected
    kinds = {found["error"][:35] for found in expected["packets"] if isinstance(found, dict)}
    assert len(kinds) >= 5, kinds


class Insistent(RangeEncoder):
    """Says for every frame that its source frame changes, to the one that it is."""

    def code(self, cumulative: Sequence[int], symbol: int) -> int:
        if tuple(cumulative) == (0, 255, 256):
            super().code(cumulative, 1)
            self.bits(8, 0)
            return 0
        return super().code(cumulative, symbol)


def test_a_change_to_the_same_source_frame_is_refused(
    node: Node, tables: Tables, quantiser: Quantiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facewire.codec.packets.RangeEncoder", Insistent)
    encoder = MotionEncoder(tables, quantiser, Packing("default", 2, 0))
    row = np.zeros(34, np.float32)
    assert encoder.encode(Motion.from_vector(row), 0) is None
    packet = encoder.encode(Motion.from_vector(row), 40)
    assert packet is not None
    told = node("packets", packets=[packet.hex()], **shared(tables, quantiser))
    assert told == decoded(tables, quantiser, [packet])
    assert told["packets"] == [{"error": "damaged packet: a change to the same source frame"}]


def test_frames_older_than_both_remember_are_left_out(node: Node, tables: Tables, quantiser: Quantiser) -> None:
    sent = []
    for number in (300, 173, 172, 171, 300, 430, 302, 303):
        encoder = MotionEncoder(tables, quantiser, Packing(), first_number=number)
        packet = encoder.encode(Motion.from_vector(np.zeros(34, np.float32)), 40 * number)
        assert packet is not None
        sent.append(packet)
    expected = decoded(tables, quantiser, sent)
    assert [len(found) for found in expected["packets"]] == [1, 1, 0, 0, 0, 1, 0, 1]
    assert node("packets", packets=[packet.hex() for packet in sent], **shared(tables, quantiser)) == expected


@pytest.mark.parametrize("low", [0, 1, 255, 256, 2**32 - 1])
@pytest.mark.parametrize("presets", [PRESETS[:1], (*PRESETS, Preset("own", 255, 1, 7, 3))])
def test_other_tables_and_steps_are_followed(node: Node, presets: tuple[Preset, ...], low: int) -> None:
    tables = default_tables(3, presets)
    quantiser = Quantiser(np.geomspace(2e-12, 9e5, 17))
    encoder = MotionEncoder(tables, quantiser, Packing(presets[-1].name, 1, 0), first_number=low)
    row = np.linspace(-9e9, 9e9, 17, dtype=np.float32)  # far beyond what can be sent: it is clipped
    packet = encoder.encode(Motion.from_vector(row), MAX_TIME_MS)
    assert packet is not None
    assert node("packets", packets=[packet.hex()], **shared(tables, quantiser)) == decoded(tables, quantiser, [packet])


# --- source messages and files


def sources() -> st.SearchStrategy[SourceFrame]:
    units = st.lists(st.integers(-(1 << 22), 1 << 22), min_size=14, max_size=40)
    codes = st.lists(st.integers(-(1 << 15), (1 << 15) - 1), max_size=50)
    return st.builds(
        SourceFrame,
        st.binary(min_size=8, max_size=8),
        st.integers(1, 4096),
        st.integers(100, 1_000_000).map(lambda millihertz: millihertz / 1000),
        st.sampled_from(["webp", "avif", "jpeg", "png"]),
        st.binary(min_size=1, max_size=200),
        codes.map(lambda values: np.array(values, np.int16)),
        units.map(lambda values: np.array(values, np.int32)),
        st.integers(0, MAX_TIME_MS),
        st.integers(0, 255),
    )


def raised(function: Any, data: bytes) -> str | None:
    """The message of a DecodeError of ours; None if there is none."""
    try:
        function(data)
    except DecodeError as error:
        return str(error)
    return None


@given(sources())
def test_source_messages_are_read(node: Node, source: SourceFrame) -> None:
    assert node("source", data=encode_source(source).hex()) == as_source(source)


@pytest.mark.parametrize("units", [-(1 << 22) - 1, (1 << 22) + 1, -(1 << 31)])
def test_source_motion_out_of_range_is_refused(node: Node, units: int) -> None:
    whole = bytearray(encode_source(SOURCE))
    whole[37 + 2 * 40 : 37 + 2 * 40 + 4] = units.to_bytes(4, "little", signed=True)
    whole[-4:] = zlib.crc32(whole[:-4]).to_bytes(4, "little")
    error = node.error("source", data=whole.hex())
    assert error == raised(decode_source, bytes(whole))
    assert error == f"a source message with a motion value of {units} units (it must be within ±4194304)"


def test_the_largest_source_message_is_read(node: Node) -> None:
    source = replace(SOURCE, picture=bytes(MAX_PICTURE_BYTES), canonical=np.zeros(4096, np.int16))
    data = write_stream([source])
    assert node("stream", data=data.hex())["records"] == [as_source(source)]


@given(data=st.data())
@settings(max_examples=200)
def test_damaged_source_messages_are_refused_by_both(node: Node, data: st.DataObject) -> None:
    whole = bytearray(encode_source(SOURCE))
    for _ in range(data.draw(st.integers(0, 2))):
        whole[data.draw(st.integers(0, 40 if data.draw(st.booleans()) else len(whole) - 1))] = data.draw(
            st.integers(0, 255)
        )
    if data.draw(st.booleans()):  # as if the checksum of what is there were right
        whole[-4:] = zlib.crc32(whole[:-4]).to_bytes(4, "little")
    damaged = bytes(whole)[: data.draw(st.sampled_from([len(whole), len(whole) - 1, 4, 5, 30, 41]))]
    assert node.error("source", data=damaged.hex()) == raised(decode_source, damaged)


@given(data=st.data())
@settings(max_examples=200)
def test_damaged_files_are_refused_by_both(node: Node, data: st.DataObject) -> None:
    _, *_, golden = (GOLDEN / "lowest.txt").read_text().splitlines()
    whole = bytearray.fromhex(golden)
    for _ in range(data.draw(st.integers(0, 2))):
        whole[data.draw(st.integers(0, 8 if data.draw(st.booleans()) else len(whole) - 1))] = data.draw(
            st.integers(0, 255)
        )
    damaged = bytes(whole)[: data.draw(st.integers(0, len(whole)) | st.just(len(whole)))] + data.draw(
        st.binary(max_size=2)
    )
    told, expected = node.error("stream", data=damaged.hex()), raised(read_stream, damaged)
    if expected is None or told is None or "kind" not in expected:  # Python shows the kind as it is, whatever it is
        assert told == expected


# --- whole recordings


def test_a_recording_is_steadied_as_python_steadies_it(node: Node, coding: Coding, head_walk: np.ndarray) -> None:
    data = recording(coding, head_walk, bytes(8))
    decoder = coding.motion_decoder(25)
    frames = [frame for packet in read_stream(data).packets for frame in decoder.decode(packet)]
    told = node("recording", data=data.hex(), **shared(coding.tables, coding.quantiser))
    assert [one[:5] for one in told] == [as_told(frame) for frame in Steadier(coding).frames(frames)]
    assert [one[5] for one in told] == [number // 40 for number in range(200)]


def test_a_recording_with_a_gap_or_without_motion_is_refused(node: Node, coding: Coding, head_walk: np.ndarray) -> None:
    records = read_stream(recording(coding, head_walk, bytes(8))).records
    encoder = coding.motion_encoder(Packing(), 25)
    packets = [encoder.encode(Motion.from_vector(row), 40 * number) for number, row in enumerate(head_walk[:9])]
    values = shared(coding.tables, coding.quantiser)
    gap = write_stream([records[0], *(packet for packet in packets[:4] + packets[5:] if packet is not None)])
    assert node.error("recording", data=gap.hex(), **values) == "damaged stream: frame 4 is missing"
    needed = write_stream([*records[:2], *records[3:]])
    assert (
        node.error("recording", data=needed.hex(), **values) == "damaged stream: a packet needs frames that are missing"
    )
    still = write_stream(records[:1])
    nothing = "holds a source frame but no motion that can be decoded"
    assert node.error("recording", data=still.hex(), **values) == nothing


def test_a_frame_without_its_source_frame_is_drawn_from_the_nearest(
    node: Node, coding: Coding, networks: Networks
) -> None:
    random_ = np.random.default_rng(5)
    spread = np.array([0.5] * 3 + [0.3] * 3 + [0.02] * 8 + [0.15] * 20)
    decoder = Decoder(networks, coding=coding)
    messages = []
    for number in [*range(12), 2, *range(12, 17), 5, 17, 18]:  # more than either keeps; two numbers come again
        row = random_.normal(size=34) * spread
        units = coding.quantiser.quantise(row, coding.tables.presets[0])
        canonical = np.zeros(40, np.int16)
        source = SourceFrame(networks.bundle.hash, 256, 25.0, "avif", b"picture", canonical, units, 0, number)
        messages.append(encode_source(source).hex())
        blank, own = np.zeros((256, 256, 3), np.uint8), coding.quantiser.motion(units)
        decoder.use_source(ReceivedSource(networks, blank, own, np.zeros(40, np.float32), 25.0, 0, number))
    assert len(decoder.sources) == 16
    frames, expected = [], []
    for number in range(400):
        row = (random_.normal(size=34) * spread).astype(np.float32)
        drawn = decoder.drawn_source(Motion.from_vector(row), number)
        assert drawn is not None
        frames.append((row.astype("<f4").tobytes().hex(), number))
        expected.append(drawn.number)
    values = shared(coding.tables, coding.quantiser)
    assert node("drawn", sources=messages, frames=frames, **values) == expected
    assert set(expected) == set(decoder.sources)
    assert node("drawn", sources=[], frames=frames[:1], **values) == [None]
