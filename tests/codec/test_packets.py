"""Motion packets survive loss, reordering and repetition, and damage raises nothing but DecodeError."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facewire.codec import (
    PRESETS,
    Motion,
    MotionDecoder,
    MotionEncoder,
    Packing,
    Quantiser,
    Tables,
    default_tables,
    frames_in,
)
from facewire.codec.packets import HISTORY_FRAMES, MAX_FRAMES_PER_PACKET, MAX_NUMBER, MAX_TIME_MS, PACKET_VERSION
from facewire.errors import DecodeError

Walk = Callable[[int, int], np.ndarray]
_DEFAULT = (default_tables(20), Quantiser.default(20))


def packets_of(
    encoder: MotionEncoder, values: Iterable[np.ndarray], start_ms: int = 0, acknowledge_after: int | None = None
) -> list[bytes]:
    """The packets of a clip at 25 fps. Each frame is acknowledged that many frames later."""
    packets = []
    for position, row in enumerate(values):
        packet = encoder.encode(Motion.from_vector(row), start_ms + 40 * position)
        if packet is not None:
            packets.append(packet)
        if acknowledge_after is not None and position >= acknowledge_after:
            encoder.acknowledge(encoder.next_number - 1 - acknowledge_after)
    rest = encoder.flush()
    return packets if rest is None else [*packets, rest]


def encode(encoder: MotionEncoder, motion: Motion, capture_time_ms: int) -> bytes:
    """A frame's packet, where it is clear that there is one."""
    packet = encoder.encode(motion, capture_time_ms)
    assert packet is not None
    return packet


def same(a: Motion, b: Motion) -> bool:
    return a.vector().tobytes() == b.vector().tobytes()


@pytest.mark.parametrize("preset", [preset.name for preset in PRESETS])
@pytest.mark.parametrize(("frames_per_packet", "redundancy"), [(1, 0), (1, 2), (3, 0), (5, 2), (16, 0)])
def test_every_frame_decodes_to_the_encoders_reconstruction(
    tables: Tables, quantiser: Quantiser, head_walk: np.ndarray, preset: str, frames_per_packet: int, redundancy: int
) -> None:
    encoder = MotionEncoder(
        tables,
        quantiser,
        Packing(preset, frames_per_packet, redundancy),
        first_number=1000,
    )
    decoder = MotionDecoder(tables, quantiser)
    frames = []
    for packet in packets_of(encoder, head_walk[:60], 5000, 4):
        frames += decoder.decode(packet)
    assert [frame.number for frame in frames] == list(range(1000, 1060))
    assert [frame.capture_time_ms for frame in frames] == list(range(5000, 7400, 40))
    assert {PRESETS[frame.preset].name for frame in frames} == {preset}
    assert all(same(frame.motion, encoder.reconstruction(frame.number)) for frame in frames)
    assert decoder.missing() == []
    assert decoder.newest == 1059


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 4),
    st.integers(0, 2),
    st.floats(0, 0.9),
    st.floats(0, 0.9),
    st.integers(0, 6),
)
def test_whatever_arrives_decodes_under_any_loss(
    seed: int, frames_per_packet: int, redundancy: int, loss: float, ack_loss: float, delay: int
) -> None:
    """Packets are lost, reordered and repeated, acknowledgements come late or never: whatever arrives is decodable."""
    rng = random.Random(seed)
    tables, quantiser = _DEFAULT
    encoder = MotionEncoder(tables, quantiser, Packing(frames_per_packet=frames_per_packet, redundancy=redundancy))
    decoder = MotionDecoder(tables, quantiser)
    values = np.random.default_rng(seed).normal(size=(60, 34)).cumsum(0).astype(np.float32) * 0.02
    wire: list[tuple[float, bytes]] = []
    acks: list[tuple[float, int]] = []
    got: dict[int, Motion] = {}
    truth: dict[int, Motion] = {}
    for now, row in enumerate(values):
        if rng.random() < 0.1:
            encoder.packing = replace(encoder.packing, preset=rng.choice(["high", "default", "low", "lowest"]))
        packet = encoder.encode(Motion.from_vector(row), 40 * now + rng.randrange(3))
        truth[now] = encoder.reconstruction(now)
        if packet is not None and rng.random() >= loss:
            wire += [(now + rng.uniform(0, delay), packet)] * rng.choice([1, 1, 2])
        for item in sorted(entry for entry in wire if entry[0] <= now):
            wire.remove(item)
            for frame in decoder.decode(item[1]):
                assert frame.number not in got
                got[frame.number] = frame.motion
                if rng.random() >= ack_loss:
                    acks.append((now + rng.uniform(0, delay), frame.number))
        for ack in [entry for entry in acks if entry[0] <= now]:
            acks.remove(ack)
            encoder.acknowledge(ack[1])
    assert decoder.undecodable == 0
    assert all(same(motion, truth[number]) for number, motion in got.items())
    if got:
        gaps = [number for number in range(min(got), max(got)) if number not in got]
        assert decoder.missing() == gaps


def test_packets_decode_in_any_order(tables: Tables, quantiser: Quantiser, head_walk: np.ndarray) -> None:
    encoder = MotionEncoder(tables, quantiser, Packing(frames_per_packet=2, redundancy=1))
    decoder = MotionDecoder(tables, quantiser)
    (first,) = packets_of(encoder, head_walk[:2])
    decoder.decode(first)
    encoder.acknowledge(1)
    later = packets_of(encoder, head_walk[2:40], 80)
    random.Random(0).shuffle(later)
    numbers = [frame.number for packet in later for frame in decoder.decode(packet)]
    assert sorted(numbers) == list(range(2, 40))
    assert decoder.missing() == []


def test_repeated_packet_returns_no_frames(tables: Tables, quantiser: Quantiser, head_walk: np.ndarray) -> None:
    decoder = MotionDecoder(tables, quantiser)
    packets = packets_of(MotionEncoder(tables, quantiser), head_walk[:20], acknowledge_after=3)
    assert all(len(decoder.decode(packet)) == 1 for packet in packets)
    assert all(decoder.decode(packet) == [] for packet in packets)
    assert decoder.undecodable == 0


def test_redundancy_repairs_single_losses(tables: Tables, quantiser: Quantiser, head_walk: np.ndarray) -> None:
    decoder = MotionDecoder(tables, quantiser)
    packets = packets_of(MotionEncoder(tables, quantiser, Packing(redundancy=1)), head_walk[:30], acknowledge_after=10)
    for packet in packets[::2]:
        decoder.decode(packet)
    assert decoder.missing() == []


def test_packet_without_its_reference_is_counted_and_not_decoded(
    tables: Tables, quantiser: Quantiser, head_walk: np.ndarray
) -> None:
    encoder, decoder = MotionEncoder(tables, quantiser), MotionDecoder(tables, quantiser)
    packets = packets_of(encoder, head_walk[:8], acknowledge_after=0)
    assert decoder.decode(packets[3]) == []  # no frame has arrived yet
    decoder.decode(packets[0])
    assert decoder.decode(packets[5]) == []
    assert decoder.undecodable == 2
    assert decoder.missing() == [1, 2, 3, 4, 5]
    assert decoder.newest == 0
    assert len(decoder.decode(packets[1])) == 1


def test_too_old_a_reference_makes_the_packet_absolute(tables: Tables, quantiser: Quantiser, walk: Walk) -> None:
    encoder = MotionEncoder(tables, quantiser)
    values = walk(70, 5)
    encoder.encode(Motion.from_vector(values[0]), 0)
    encoder.acknowledge(0)
    absolute = [bool(packet[0] & 16) for packet in packets_of(encoder, values[1:], 40)]
    assert absolute == [False] * 63 + [True] * 6


def test_memory_stays_bounded_in_a_long_call(tables: Tables, quantiser: Quantiser, walk: Walk) -> None:
    encoder, decoder = MotionEncoder(tables, quantiser), MotionDecoder(tables, quantiser)
    for number, row in enumerate(walk(600, 6)):
        packet = encode(encoder, Motion.from_vector(row), 40 * number)
        if not 200 <= number <= 500:
            assert len(decoder.decode(packet)) == 1
            encoder.acknowledge(number)
        assert len(decoder._history) <= HISTORY_FRAMES
    assert len(encoder._history) <= HISTORY_FRAMES
    assert decoder.missing() == list(range(472, 501))


def test_first_absolute_frame_resumes_after_a_blackout(tables: Tables, quantiser: Quantiser, walk: Walk) -> None:
    encoder, decoder = MotionEncoder(tables, quantiser), MotionDecoder(tables, quantiser)
    values = walk(500, 7)
    decoder.decode(packets_of(encoder, values[:1])[0])
    encoder.acknowledge(0)
    lost = packets_of(encoder, values[1:400], 40)
    resumed = packets_of(encoder, values[400:401], 16_000)[0]
    assert len(lost) == 399
    assert [frame.number for frame in decoder.decode(resumed)] == [400]
    encoder.acknowledge(400)
    following = packets_of(encoder, values[401:402], 16_040)[0]
    assert not following[0] & 16
    assert [frame.number for frame in decoder.decode(following)] == [401]
    assert decoder.missing() == list(range(400 - HISTORY_FRAMES + 2, 400))


def test_new_preset_waits_for_the_next_packet(tables: Tables, quantiser: Quantiser, head_walk: np.ndarray) -> None:
    encoder, decoder = (
        MotionEncoder(tables, quantiser, Packing("high", frames_per_packet=3)),
        MotionDecoder(tables, quantiser),
    )
    assert encoder.encode(Motion.from_vector(head_walk[0]), 0) is None
    encoder.packing = replace(encoder.packing, preset="lowest")
    packets = packets_of(encoder, head_walk[1:6], 40)
    presets = [frame.preset for packet in packets for frame in decoder.decode(packet)]
    assert presets == [0, 0, 0, 3, 3, 3]
    assert encoder.packing.preset == "lowest"


def test_flush_returns_the_frames_gathered(tables: Tables, quantiser: Quantiser, head_walk: np.ndarray) -> None:
    encoder = MotionEncoder(tables, quantiser, Packing(frames_per_packet=5))
    assert encoder.flush() is None
    assert encoder.encode(Motion.from_vector(head_walk[0]), 0) is None
    packet = encoder.flush()
    assert packet is not None
    assert frames_in(packet) == 1
    assert encoder.flush() is None


def test_impossible_acknowledgements_are_ignored(tables: Tables, quantiser: Quantiser, head_walk: np.ndarray) -> None:
    encoder = MotionEncoder(tables, quantiser, Packing(frames_per_packet=2))
    encoder.encode(Motion.from_vector(head_walk[0]), 0)
    for number in (0, 7, -1, 10**9):
        encoder.acknowledge(number)
    assert encode(encoder, Motion.from_vector(head_walk[1]), 40)[0] & 16
    encoder.acknowledge(1)
    encoder.acknowledge(0)
    encoder.encode(Motion.from_vector(head_walk[2]), 80)
    assert not encode(encoder, Motion.from_vector(head_walk[3]), 120)[0] & 16


@given(st.lists(st.integers(0, MAX_TIME_MS), min_size=1, max_size=8), st.sampled_from([0.1, 12.5, 29.97, 1000.0]))
def test_any_capture_times_round_trip(times: list[int], frame_rate: float) -> None:
    tables, quantiser = _DEFAULT
    encoder = MotionEncoder(tables, quantiser, frame_rate=frame_rate, first_number=MAX_NUMBER - 20)
    decoder = MotionDecoder(tables, quantiser, frame_rate=frame_rate)
    for number, time_ms in enumerate(times, MAX_NUMBER - 20):
        (frame,) = decoder.decode(encode(encoder, Motion.from_vector(np.zeros(34, np.float32)), time_ms))
        assert (frame.number, frame.capture_time_ms) == (number, time_ms)
        encoder.acknowledge(number)


def test_wrong_arguments_raise_value_error(tables: Tables, quantiser: Quantiser) -> None:
    encoder = MotionEncoder(tables, quantiser, first_number=MAX_NUMBER)
    motion = Motion.from_vector(np.zeros(34, np.float32))
    with pytest.raises(ValueError, match="capture time"):
        encoder.encode(motion, -1)
    with pytest.raises(ValueError, match="34 numbers"):
        encoder.encode(Motion.from_vector(np.zeros(20, np.float32)), 0)
    encoder.encode(motion, 0)
    with pytest.raises(ValueError, match="frame numbers end"):
        encoder.encode(motion, 40)
    with pytest.raises(ValueError, match="not among the last"):
        encoder.reconstruction(3)
    with pytest.raises(ValueError, match="redundancy"):
        encoder.packing = Packing(redundancy=3)
    with pytest.raises(ValueError, match="16 fit"):
        encoder.packing = Packing(frames_per_packet=MAX_FRAMES_PER_PACKET, redundancy=1)
    with pytest.raises(ValueError, match="frame rate"):
        MotionDecoder(tables, quantiser, frame_rate=0)
    with pytest.raises(ValueError, match="20 expression coefficients"):
        MotionEncoder(tables, Quantiser.default(19))
    with pytest.raises(ValueError, match="20 expression coefficients"):
        MotionDecoder(tables, Quantiser.default(19))


@pytest.mark.parametrize("packet", [b"", b"\0", b"\xff" * 30, b"\x20" * 5000], ids=["empty", "v0", "v7", "too long"])
def test_other_bytes_raise_decode_error(tables: Tables, quantiser: Quantiser, packet: bytes) -> None:
    with pytest.raises(DecodeError):
        MotionDecoder(tables, quantiser).decode(packet)


def fuzz(tables: Tables, quantiser: Quantiser, values: np.ndarray, rounds: int) -> None:
    """Damages packets in many ways: nothing but DecodeError may come out."""
    rng = random.Random(rounds)
    encoder = MotionEncoder(tables, quantiser, Packing(frames_per_packet=2, redundancy=1))
    packets = packets_of(encoder, values, acknowledge_after=4)
    decoder = MotionDecoder(tables, quantiser)
    refused = 0
    for count in range(rounds):
        if count % 500 == 0:
            decoder = MotionDecoder(tables, quantiser)
            for packet in packets[:10]:
                decoder.decode(packet)
        damaged = bytearray(rng.choice(packets[:20]))
        kind = rng.randrange(5)
        if kind == 0:
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del damaged[rng.randrange(len(damaged)) :]
        elif kind == 2:
            damaged += rng.randbytes(rng.randrange(1, 9))
        elif kind == 3:
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        else:
            damaged = bytearray([PACKET_VERSION << 5 | rng.randrange(32)]) + rng.randbytes(rng.randrange(60))
        try:
            frames = decoder.decode(bytes(damaged))
        except DecodeError:
            refused += 1
        else:
            assert len(frames) <= MAX_FRAMES_PER_PACKET
            assert all(np.isfinite(frame.motion.vector()).all() for frame in frames)
        assert len(decoder._history) <= HISTORY_FRAMES
        assert len(decoder.missing()) <= 2 * HISTORY_FRAMES + MAX_FRAMES_PER_PACKET
    assert rounds // 8 < refused < rounds


def test_damaged_packets_raise_only_decode_errors(tables: Tables, quantiser: Quantiser, head_walk: np.ndarray) -> None:
    fuzz(tables, quantiser, head_walk[:60], 5_000)


@pytest.mark.slow
def test_100000_damaged_packets_raise_only_decode_errors(
    tables: Tables, quantiser: Quantiser, head_walk: np.ndarray
) -> None:
    fuzz(tables, quantiser, head_walk[:60], 100_000)


def test_frame_costs_what_the_documentation_says(quantiser: Quantiser, head_walk: np.ndarray) -> None:
    """At a round trip of 150 ms, with tables not fitted to this motion."""
    for preset, most in (("default", 20), ("lowest", 10)):
        packets = packets_of(
            MotionEncoder(default_tables(20), quantiser, Packing(preset)), head_walk, acknowledge_after=3
        )
        assert sum(map(len, packets)) / len(packets) <= most
