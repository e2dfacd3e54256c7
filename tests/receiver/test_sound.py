"""Sound is complete and in step, and gaps have neither clicks nor endless repetition."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facewire.codec import SoundPacket, decode_sound
from facewire.receiver.sound import JUMP_MS, MAX_WAITING, RATE_HZ, TOLERANCE_MS, SoundTrack
from facewire.sender.sound import SoundOptions, SoundSender

BLOCK = 960
FRAME = RATE_HZ * 60 // 1000
Packets = list[tuple[SoundPacket, int]]


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """A long vowel of wandering pitch, int16, 6 s."""
    time = np.arange(6 * RATE_HZ) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(140 + 30 * np.sin(2 * np.pi * 0.7 * time)) / RATE_HZ
    return np.asarray(4000 * np.sum([np.sin(k * phase) / k for k in range(1, 20)], axis=0), np.int16)


def coded(samples: np.ndarray) -> Packets:
    packets: Packets = []
    sender = SoundSender(None, SoundOptions(), lambda packet, at: packets.append((decode_sound(packet), at)))
    for at in range(0, samples.size - FRAME + 1, FRAME):
        sender.take(samples[at : at + FRAME], 1000 * at // RATE_HZ)
    return packets


def played(
    track: SoundTrack, packets: Iterable[tuple[SoundPacket, int]], seconds: float, *, ahead_ms: float = 300
) -> np.ndarray:
    """Adds every packet ahead_ms before it is due. Returns all that is heard from capture time 0 on."""
    waiting, out = sorted(packets, key=lambda entry: entry[1]), []
    for number in range(round(seconds * RATE_HZ / BLOCK)):
        due_ms = 1000 * number * BLOCK / RATE_HZ
        while waiting and waiting[0][1] <= due_ms + ahead_ms:
            track.add(*waiting.pop(0))
        out.append(track.block(BLOCK, due_ms))
    return np.concatenate(out)


def shift_ms(heard: np.ndarray, said: np.ndarray, at_s: float) -> float:
    """How much later than spoken the sound around that time is heard."""
    part = said[round(at_s * RATE_HZ) :][: RATE_HZ // 4].astype(float)
    shifts = range(-200 * 48, 200 * 48, 24)
    start = round(at_s * RATE_HZ)
    return max(shifts, key=lambda s: float(heard[start + s : start + s + part.size] @ part)) / 48


def test_voice_is_complete_and_on_time(voice: np.ndarray) -> None:
    track = SoundTrack()
    heard = played(track, coded(voice), 5.5)
    assert abs(shift_ms(heard, voice, 3.0)) <= TOLERANCE_MS
    stats = track.stats()
    assert stats.concealed_ms == 0
    assert stats.late == 0
    assert stats.played_ms > 5000


def test_order_and_copies_do_not_matter(voice: np.ndarray) -> None:
    packets = coded(voice)
    straight = played(SoundTrack(), packets, 5)
    track = SoundTrack()
    for start in range(0, len(packets), 4):
        packets[start : start + 4] = packets[start : start + 4][::-1]
    waiting, out = [*packets], []
    for number in range(250):
        due_ms = 20.0 * number
        while waiting and min(at for _, at in waiting[:4]) <= due_ms + 300:
            for entry in (waiting.pop(0), packets[0], packets[min(number, len(packets) - 1)]):
                track.add(*entry)
        out.append(track.block(BLOCK, due_ms))
    assert np.array_equal(np.concatenate(out), straight)


def test_lost_packet_is_filled_in_with_the_same_voice_and_no_click(voice: np.ndarray) -> None:
    packets = coded(voice)
    lost = 50
    track = SoundTrack()
    heard = played(track, packets[:lost] + packets[lost + 1 :], 5).astype(float)
    begin = round(packets[lost][1] * 48)
    gap, before = heard[begin : begin + FRAME], heard[begin - FRAME : begin]
    assert track.stats().concealed_ms == pytest.approx(60, abs=TOLERANCE_MS)
    assert np.std(gap[: FRAME // 3]) > 0.5 * np.std(before)
    usual = np.abs(np.diff(before)).max()
    assert np.abs(np.diff(heard[begin - 100 : begin + FRAME + 500])).max() < 1.5 * usual
    assert shift_ms(heard, voice, (begin + 2 * FRAME) / RATE_HZ) == pytest.approx(0, abs=TOLERANCE_MS)


def test_long_loss_fades_to_silence(voice: np.ndarray) -> None:
    packets = [entry for entry in coded(voice) if not 2000 <= entry[1] < 4000]
    heard = played(SoundTrack(), packets, 5)
    assert not heard[round(2.3 * RATE_HZ) : round(3.9 * RATE_HZ)].any()
    assert heard[round(4.2 * RATE_HZ) :].any()


def test_silence_has_the_noise_of_the_room(talk: np.ndarray) -> None:
    track = SoundTrack()
    heard = played(track, coded(talk), 10)
    pause = heard[round(4.6 * RATE_HZ) : round(4.8 * RATE_HZ)].astype(float)
    assert 20 * np.log10(np.std(pause) / 32768) == pytest.approx(-70, abs=4)
    assert track.stats().concealed_ms == 0
    for start in (2.0, 3.5, 5.0, 6.5):
        word = slice(round(start * RATE_HZ), round((start + 0.5) * RATE_HZ))
        assert np.std(heard[word].astype(float)) == pytest.approx(np.std(talk[word].astype(float)), rel=0.25)


@pytest.mark.parametrize("moved_ms", [-60, 60])
def test_speech_out_of_step_is_led_back_gently(voice: np.ndarray, moved_ms: float) -> None:
    packets, track = coded(voice), SoundTrack()
    for entry in packets[:64]:
        track.add(*entry)
    offsets = []
    for number in range(180):
        due_ms = 20.0 * number + (moved_ms if number >= 30 else 0)  # the playout delay changes at once
        track.block(BLOCK, due_ms)
        offsets.append(track.stats().offset_ms)
    assert offsets[30] == pytest.approx(-moved_ms, abs=TOLERANCE_MS)
    assert np.abs(np.diff(offsets[31:])).max() < 1
    assert abs(offsets[-1]) < 15
    assert track.stats().concealed_ms == 0


def test_speech_far_out_of_step_jumps(voice: np.ndarray) -> None:
    packets, track = coded(voice), SoundTrack()
    for entry in packets[:64]:
        track.add(*entry)
    for number in range(60):
        due_ms = 20.0 * number + (500 if number >= 30 else 0)
        track.block(BLOCK, due_ms)
        assert abs(track.stats().offset_ms) <= JUMP_MS
    assert abs(track.stats().offset_ms) < 15


def test_late_packet_is_counted_and_a_damaged_one_is_silence(voice: np.ndarray) -> None:
    packets, track = coded(voice), SoundTrack()
    track.block(BLOCK, 5000)
    assert track.add(*packets[0])
    assert not track.add(*packets[0])  # a copy
    assert track.stats().late == 1
    track.add(SoundPacket(5040, 65536, b"\x58" + bytes(30), 60.0), 5040)
    for number in range(1, 10):
        assert track.block(BLOCK, 5000 + 20 * number).shape == (BLOCK,)


frames = st.builds(
    lambda opus, at: (SoundPacket(at % 65536, 65536, bytes([88]) + opus, 60.0), at),
    st.binary(max_size=60),
    st.integers(0, 4000),
)
silences = st.builds(
    lambda at, level: (SoundPacket(at, 1 << 32, level_dbfs=-level), at), st.integers(0, 4000), st.integers(0, 127)
)
blocks = st.tuples(st.integers(1, 3000), st.floats(0, 6000))


@settings(max_examples=40)
@given(st.lists(st.one_of(frames, silences, blocks), max_size=40))
def test_blocks_are_full_and_memory_bounded_for_any_packets(events: list[tuple[object, object]]) -> None:
    track = SoundTrack()
    for first, second in events:
        if isinstance(first, SoundPacket):
            assert isinstance(second, int)
            track.add(first, second)
        else:
            assert isinstance(first, int)
            assert isinstance(second, float)
            assert track.block(first, second).shape == (first,)
    assert len(track._waiting) <= MAX_WAITING
    assert track._ready.size <= RATE_HZ // 8


def test_flood_of_packets_is_cut_off() -> None:
    track = SoundTrack()
    for number in range(10 * MAX_WAITING):
        track.add(SoundPacket(60 * number % 65536, 65536, b"\x58", 60.0), 60 * number)
    assert len(track._waiting) == MAX_WAITING
