"""Messages from the page: those of the protocol are read, and anything else raises DecodeError."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.call.page_messages import (
    MAX_TEXT_BYTES,
    MAX_YAW_DEGREES,
    Budget,
    JoinRoom,
    Keep,
    Microphone,
    Offer,
    PageHello,
    PictureShown,
    Quit,
    View,
    read_page_message,
)
from facewire.errors import DecodeError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
TYPES = "hello offer join leave microphone camera view badge budget record consent picture portrait new-source keep quit nonsense"
FIELDS = "version sdp name on yaw pitch roll frontal burnt max_kbps allow mode"
types, fields = st.sampled_from(TYPES.split()), st.sampled_from(FIELDS.split())


def read(**values: object) -> object:
    return read_page_message(json.dumps(values))


def test_protocol_messages_are_read() -> None:
    assert read(type="hello", version=1) == PageHello(1)
    assert read(type="offer", sdp="v=0") == Offer("v=0")
    assert read(type="join", name=" Ada ") == JoinRoom("Ada")
    assert read(type="microphone", on=False) == Microphone(False)
    assert read(type="budget", max_kbps=None) == Budget(None)
    assert read(type="budget", max_kbps=20) == Budget(20.0)
    assert read(type="picture", mode="camera") == PictureShown("camera")
    assert read(type="quit", more="ignored") == Quit()
    assert read(type="keep", what="theme", value="dark") == Keep("theme", "dark")


def test_a_picture_that_is_not_known_is_refused() -> None:
    with pytest.raises(DecodeError, match="auto, motion, camera"):
        read(type="picture", mode="x-ray")


def test_free_view_is_clipped_to_its_limits() -> None:
    assert read(type="view", yaw=1000, pitch=-3, roll=0, frontal=True) == View(MAX_YAW_DEGREES, -3.0, 0.0, True)


@given(types, st.dictionaries(fields, json_values))
def test_wrong_fields_raise_decode_error(kind: str, values: dict[str, object]) -> None:
    with contextlib.suppress(DecodeError):
        read_page_message(json.dumps({"type": kind, **values}))


@given(st.text(max_size=200))
def test_any_text_is_read_or_raises_decode_error(text: str) -> None:
    with contextlib.suppress(DecodeError):
        read_page_message(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "[]",
        "{}",
        "[" * 10_000,
        '{"type": "join", "name": "' + "x" * 65 + '"}',
        '{"type": "join", "name": "a\\u001b[2Jb"}',
        '{"type": "view", "yaw": NaN, "pitch": 0, "roll": 0, "frontal": false}',
        '{"type": "view", "yaw": 1' + "0" * 400 + ', "pitch": 0, "roll": 0, "frontal": false}',
        '{"type": "microphone", "on": 1}',
        '{"type": "offer", "sdp": "' + "x" * MAX_TEXT_BYTES + '"}',
        '{"type": ["quit"]}',
        '{"type": "keep", "what": "token", "value": "x"}',
        '{"type": "keep", "what": "name", "value": 1}',
    ],
)
def test_malformed_messages_raise_decode_error(text: str) -> None:
    with pytest.raises(DecodeError):
        read_page_message(text)
