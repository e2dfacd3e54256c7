"""Sound packets round-trip through bytes, and anything else raises DecodeError."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.codec import SILENT_DBFS, SoundPacket, decode_sound, encode_silence, encode_speech
from facewire.codec.sound import MAX_OPUS_BYTES, TIME_STEP_MS
from facewire.errors import DecodeError

SILK_60_MS = 11 << 3  # first byte of a mono Opus packet of one 60 ms frame
times = st.integers(0, (1 << 48) - 1)


@given(st.binary(max_size=MAX_OPUS_BYTES - 1), times, st.booleans())
def test_speech_round_trips(tail: bytes, capture_ms: int, whole_time: bool) -> None:
    opus = bytes([SILK_60_MS]) + tail
    packet = decode_sound(encode_speech(opus, capture_ms, whole_time=whole_time))
    assert packet.opus == opus
    assert packet.duration_ms == 60
    assert not packet.silence
    assert packet.whole_time == whole_time


@given(st.floats(-200, 20), times)
def test_silence_round_trips(level: float, capture_ms: int) -> None:
    packet = decode_sound(encode_silence(level, capture_ms))
    assert packet.silence
    assert packet.level_dbfs == pytest.approx(min(max(level, SILENT_DBFS), 0), abs=0.5)


@given(times, st.integers(-32_000, 32_000))
def test_short_time_is_resolved_within_half_a_minute_of_the_anchor(capture_ms: int, away_ms: int) -> None:
    packet = decode_sound(encode_speech(bytes([SILK_60_MS]), capture_ms, whole_time=False))
    assert 0 <= capture_ms - packet.near(capture_ms + away_ms) < TIME_STEP_MS


@given(times, st.integers(-(10**9), 10**9))
def test_whole_time_wraps_after_seven_weeks(capture_ms: int, away_ms: int) -> None:
    packet = decode_sound(encode_silence(-50, capture_ms))
    assert 0 <= capture_ms - packet.near(capture_ms + away_ms) < TIME_STEP_MS


@given(st.binary(max_size=64))
def test_any_bytes_decode_or_raise_decode_error(data: bytes) -> None:
    try:
        packet = decode_sound(data)
    except DecodeError:
        return
    assert isinstance(packet, SoundPacket)
    assert packet.silence == (packet.duration_ms == 0)
    assert packet.duration_ms <= 120


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (b"", "shortest"),
        (b"\0\0", "shortest"),
        (b"\xc0\0\0\0\0", "kind 3"),
        (b"\x40\0\0", "cut off"),
        (b"\x80\0\0\0\xff", "damaged"),
        (b"\0\0\x5c", "stereo"),
        (b"\0\0\x5b", "how many frames"),
        (b"\0\0\x5b\x3f", "ms"),
        (b"\0\0" + bytes(MAX_OPUS_BYTES + 1), "bytes"),
    ],
)
def test_decode_error_says_what_is_wrong(packet: bytes, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        decode_sound(packet)


def test_sizes_of_headers_and_silence() -> None:
    assert len(encode_speech(bytes(50), 1_000_000, whole_time=False)) == 52
    assert len(encode_speech(bytes(50), 1_000_000, whole_time=True)) == 54
    assert len(encode_silence(-60, 1_000_000)) == 5


def test_wrong_arguments_raise_value_error() -> None:
    for opus in (b"", bytes(MAX_OPUS_BYTES + 1)):
        with pytest.raises(ValueError, match="Opus packet"):
            encode_speech(opus, 0, whole_time=True)
    with pytest.raises(ValueError, match="capture time"):
        encode_silence(-60, -1)
