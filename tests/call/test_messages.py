"""Media and control messages: they round-trip, and anything else raises DecodeError."""

from __future__ import annotations

import contextlib
import dataclasses

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facewire.call.messages import (
    MAX_CONTROL_BYTES,
    MAX_MEDIA_BYTES,
    PROTOCOL_VERSION,
    Bye,
    Control,
    Hello,
    LayerShown,
    MediaMessage,
    Recording,
    Report,
    SourceHave,
    SourceWant,
    State,
    Text,
    TextHave,
    VersionError,
    decode_control,
    decode_media,
    encode_control,
    encode_media,
)
from facewire.codec.pixels import PixelReport
from facewire.errors import DecodeError

HELLO = Hello(
    protocol=4,
    codec=1,
    weights=b"weights!",
    side=256,
    frame_rate=25.0,
    session=b"session!",
    sources=b"",
    video=True,
    sound=True,
    shows=True,
    clock_ms=1234,
    name="Ada",
    through="calls.example.org",
    draws="h264",
)
GOLDEN_MEDIA = bytes.fromhex("98 3456 8701 0f00 2700 02") + b"\x06mot" + b"\x05so"
GOLDEN_PIXEL_REPORT = bytes.fromhex("84 3456 0201 01")
GOLDEN_TEXT = bytes.fromhex("93 07 02 a5") + b"hello"
GOLDEN_STATE = bytes.fromhex("94 01 a7") + b"sending" + bytes.fromhex("c2 a4") + b"live"

reports = st.builds(
    Report,
    heard=st.integers(0, 65535),
    received=st.integers(0, 65535),
    hold_ms=st.integers(0, 255).map(lambda steps: 4 * steps),
)
parts = st.lists(st.tuples(st.sampled_from(["motion", "sound"]), st.binary(min_size=1, max_size=200)), max_size=12)
media = st.builds(
    MediaMessage,
    sequence=st.integers(0, 65535),
    acknowledged=st.none() | st.integers(0, (1 << 32) - 1),
    report=st.none() | reports,
    parts=parts.map(tuple),
    pixels=st.none() | st.builds(PixelReport, heard=st.integers(0, 65535), stuck=st.booleans()),
)
controls: st.SearchStrategy[Control] = st.one_of(
    st.builds(
        Hello,
        protocol=st.just(PROTOCOL_VERSION),
        codec=st.integers(0, 255),
        weights=st.binary(min_size=8, max_size=8),
        side=st.integers(1, 4096),
        frame_rate=st.floats(0, 1000),
        session=st.binary(min_size=8, max_size=8),
        sources=st.sampled_from([b"", b"12345678", b"1234567887654321"]),
        video=st.booleans(),
        sound=st.booleans(),
        shows=st.booleans(),
        clock_ms=st.integers(0, (1 << 48) - 1),
        name=st.text("abc äöü", max_size=64),
        through=st.sampled_from(["", "calls.example.org"]),
        draws=st.sampled_from(["", "h264", "h264 av1"]),
    ),
    st.builds(
        State,
        camera=st.sampled_from(["none", "sending", "no-face", "paused"]),
        muted=st.booleans(),
        picture=st.sampled_from(["live", "file", "portrait"]),
    ),
    st.builds(LayerShown, layer=st.sampled_from(["motion", "camera"]), from_ms=st.integers(0, (1 << 48) - 1)),
    st.builds(Text, number=st.integers(1, (1 << 32) - 1), text=st.text("abc äöü👋", min_size=1, max_size=500)),
    st.builds(TextHave, number=st.integers(0, (1 << 32) - 1)),
    st.builds(Recording, step=st.sampled_from(["ask", "yes", "no", "unable", "on", "off"])),
    st.builds(SourceHave, hash=st.binary(min_size=8, max_size=8)),
    st.just(SourceWant()),
    st.builds(Bye, reason=st.text("abc äöü", max_size=200)),
)


@given(media)
def test_media_messages_round_trip(message: MediaMessage) -> None:
    data = encode_media(message)
    assert decode_media(data) == message


@given(media)
def test_media_message_overhead_is_small(message: MediaMessage) -> None:
    packets = sum(len(packet) for _, packet in message.parts)
    assert len(encode_media(message)) - packets <= 3 + 5 + 5 + 3 + 2 * len(message.parts)


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_raise_decode_error_media(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert encode_media(decode_media(data)) == data  # whatever is accepted has exactly one spelling


@given(media, st.data())
def test_damaged_media_messages_raise_decode_error(message: MediaMessage, data: st.DataObject) -> None:
    original = encode_media(message)
    place = data.draw(st.integers(0, len(original) - 1))
    damaged = original[:place] + bytes([data.draw(st.integers(0, 255))]) + original[place + 1 :]
    with contextlib.suppress(DecodeError):
        decode_media(damaged)
    with contextlib.suppress(DecodeError):
        decode_media(original[:place])


@given(controls)
def test_control_messages_round_trip(message: Control) -> None:
    assert decode_control(encode_control(message)) == message


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_raise_decode_error_control(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        decode_control(data)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | st.binary(max_size=9)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4),
)


@given(st.integers(-2, 8), st.lists(values, max_size=13))
@settings(max_examples=40)
def test_any_control_values_decode_or_raise_decode_error(kind: int, fields: list[object]) -> None:
    with contextlib.suppress(DecodeError):
        decode_control(msgpack.packb([kind, *fields]))


def test_golden_bytes() -> None:
    message = MediaMessage(
        sequence=0x5634,
        acknowledged=135,
        report=Report(heard=15, received=39, hold_ms=8),
        parts=(("motion", b"mot"), ("sound", b"so")),
    )
    assert encode_media(message) == GOLDEN_MEDIA
    assert encode_media(MediaMessage(0x5634, pixels=PixelReport(0x0102, True))) == GOLDEN_PIXEL_REPORT
    assert encode_control(State("sending", False, "live")) == GOLDEN_STATE
    assert encode_control(Text(2, "hello")) == GOLDEN_TEXT
    assert encode_control(LayerShown("camera", 300)) == b"\x93\x06\xa6camera\xcd\x01\x2c"


def test_oversized_messages_are_rejected() -> None:
    with pytest.raises(DecodeError):
        decode_media(b"\x40" + bytes(MAX_MEDIA_BYTES))
    with pytest.raises(DecodeError):
        decode_control(bytes(MAX_CONTROL_BYTES + 1))
    with pytest.raises(ValueError, match="4096"):
        encode_media(MediaMessage(0, parts=(("motion", bytes(4096)),)))


def test_deeply_nested_control_message_is_rejected() -> None:
    with pytest.raises(DecodeError):
        decode_control(b"\x91" * 1000)


def test_other_protocol_version_is_explained() -> None:
    values = [getattr(HELLO, field.name) for field in dataclasses.fields(Hello)]
    values[0] = 9
    with pytest.raises(VersionError, match="install the same version"):
        decode_control(msgpack.packb([0, *values, "a field of the future"]))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weights", b"short"),
        ("session", b""),
        ("sources", b"123"),
        ("sources", b"12345678" * 17),
        ("side", 0),
        ("side", 1 << 20),
        ("frame_rate", float("nan")),
        ("frame_rate", 1e9),
        ("clock_ms", -1),
        ("name", "x" * 65),
        ("name", "a\x1b[2Jb"),
        ("through", "x" * 254),
        ("through", "a\nb"),
        ("draws", "x" * 65),
        ("draws", "h264\n"),
        ("video", 1),
    ],
)
def test_hello_with_invalid_values_is_rejected(field: str, value: object) -> None:
    values = [value if f.name == field else getattr(HELLO, f.name) for f in dataclasses.fields(Hello)]
    with pytest.raises(DecodeError):
        decode_control(msgpack.packb([0, *values]))
