"""Messages survive a round trip; anything else raises DecodeError."""

import json
import re
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facewire.errors import DecodeError
from facewire.signaling import messages
from facewire.signaling.events import IceServer
from facewire.signaling.messages import (
    Arrived,
    FromPeer,
    Gone,
    Join,
    Leave,
    ToPeer,
    Welcome,
    read_from_client,
    read_from_server,
    to_json,
)

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # for busy machines
hex_digits = st.text("0123456789abcdef", min_size=16, max_size=16)
rooms = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=64)
names = st.text(max_size=64).filter(str.isprintable)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
payloads = st.dictionaries(st.text(), json_values, max_size=4)
ice_servers = st.builds(
    IceServer,
    st.lists(st.just("turn:host:3478?transport=tcp"), min_size=1, max_size=3).map(tuple),
    st.none() | names,
    st.none() | names,
)
from_client = st.one_of(
    st.builds(
        Join, rooms, hex_digits.map(lambda half: 2 * half), st.none() | names, names, st.sampled_from([None, 0, 1])
    ),
    st.builds(ToPeer, st.integers(0, 2**53 - 1), payloads),
    st.just(Leave()),
)
from_server = st.one_of(
    st.builds(
        Welcome,
        st.sampled_from([0, 1]),
        st.none() | hex_digits,
        names,
        st.lists(ice_servers, max_size=3).map(tuple),
        st.none() | names,
    ),
    st.builds(Arrived, hex_digits, names),
    st.builds(Gone, hex_digits, st.sampled_from(["left", "lost"])),
    st.builds(FromPeer, payloads),
)


@patient
@given(from_client)
def test_server_reads_what_a_client_writes(message: Any) -> None:
    assert read_from_client(to_json(message)) == message


@patient
@given(from_server)
def test_client_reads_what_a_server_writes(message: Any) -> None:
    assert read_from_server(to_json(message)) == message


@patient
@given(st.text() | json_values.map(json.dumps))
def test_anything_else_raises_decode_error(text: str) -> None:
    for read in (read_from_client, read_from_server):
        with pytest.raises(DecodeError):
            read(text)


@patient
@given(from_client | from_server, st.data())
def test_a_changed_field_decodes_or_raises_decode_error(message: Any, data: st.DataObject) -> None:
    values = json.loads(to_json(message))
    field = data.draw(st.sampled_from(sorted(values)))
    values[field] = data.draw(json_values)
    text = json.dumps(values)
    for read in (read_from_client, read_from_server):
        try:
            again = read(text)
        except DecodeError:
            continue
        assert read(to_json(again)) == again


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '{"type": "leave"}',
        '{"v": 2, "type": "leave"}',
        '{"v": true, "type": "leave"}',
        '{"v": 1, "type": "leave", "why": "bored"}',
        '{"v": 1, "type": "signal", "seq": 0}',
        '{"v": 1, "type": "signal", "seq": -1, "payload": {}}',
        '{"v": 1, "type": "signal", "seq": 0.0, "payload": {}}',
        '{"v": 1, "type": "signal", "seq": 0, "payload": []}',
        '{"v": 1, "type": "signal", "seq": 0, "payload": {"x": NaN}}',
        '{"v": 1, "type": "signal", "seq": 0, "payload": {"x": 1e999}}',
        '{"v": 1, "type": "signal", "seq": ' + "9" * 5000 + ', "payload": {}}',
        '{"v": 1, "type": "signal", "seq": 0, "payload": {"x": ' + "[" * 40 + "]" * 40 + "}}",
        '{"v": 1, "type": "signal", "seq": 0, "payload": {"x": ' + "[" * 30000 + "]" * 30000 + "}}",
        '{"v": 1, "type": "signal", "seq": 0, "payload": {"x": "' + "ü" * 20_000 + '"}}',
        '{"v": 1, "type": "join", "room": "a b", "session": "' + "0" * 32 + '"}',
        '{"v": 1, "type": "join", "room": "a", "session": "' + "0" * 31 + '"}',
        '{"v": 1, "type": "join", "room": "a", "session": "' + "0" * 32 + '", "name": "\\u001b[2J"}',
        '{"v": 1, "type": "join", "room": "a", "session": "' + "0" * 32 + '", "name": "\\ud800"}',
        '{"v": 1, "type": "join", "room": "a", "session": "' + "0" * 32 + '", "seat": 2}',
    ],
)
def test_malformed_messages_raise_decode_error(text: str) -> None:
    with pytest.raises(DecodeError):
        read_from_client(text)


def test_the_deepest_payload_sent_can_be_relayed_and_read() -> None:
    def nested(levels: int) -> dict[str, Any]:
        return {"x": nested(levels - 1)} if levels else {}

    deepest = nested(messages.MAX_DEPTH - 2)  # the message itself and its payload are the first two
    read = read_from_client(to_json(ToPeer(0, deepest)))
    assert isinstance(read, ToPeer)
    assert read_from_server(to_json(FromPeer(read.payload))) == FromPeer(deepest)
    with pytest.raises(DecodeError, match="nested"):
        read_from_client(to_json(ToPeer(0, {"x": deepest})))


def test_every_close_code_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "signaling.md").read_text()
    codes = {value for name, value in vars(messages).items() if name.startswith("CLOSE_")} - {messages.CLOSE_NORMAL}
    rows = {int(row[0]): row[1] for row in re.findall(r"^\| (\d{4}) \|.*\| ([a-z ]+) \|$", text, re.MULTILINE)}
    assert rows.keys() == codes
    assert {code for code, what in rows.items() if what == "gives up"} == messages.FINAL_CODES
