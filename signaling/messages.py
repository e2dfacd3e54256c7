"""The messages between client and server: dataclasses to JSON and back, strictly checked on both sides.

A message is one WebSocket text frame with one JSON object with `v` (the version) and `type`; docs/signaling.md lists them all.
Anything else raises `DecodeError`. Used by `client`, `connection` and `server`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from facewire.errors import DecodeError
from facewire.signaling.events import IceServer

VERSION = 1
MAX_MESSAGE_BYTES = 64 * 1024
"""Of one message in either direction, as ASCII. An offer without media sections has about 1 kB."""
MAX_DEPTH = 32
"""Of nested objects and arrays, so that both sides accept the same messages."""
MAX_NAME_LENGTH = 64
MAX_TOKEN_LENGTH = 4096
MAX_ICE_SERVERS = 16
MAX_URL_LENGTH = 512

ROOM = re.compile(r"[A-Za-z0-9._-]{1,64}")
SESSION = re.compile(r"[0-9a-f]{32}")
PEER_ID = re.compile(r"[0-9a-f]{16}")

CLOSE_NORMAL = 1000
CLOSE_GOING_AWAY = 1001
CLOSE_TOO_BIG = 1009
CLOSE_TRY_AGAIN = 1013
CLOSE_MALFORMED = 4400
CLOSE_TOKEN = 4401
CLOSE_TIMEOUT = 4408
CLOSE_SEAT_IN_USE = 4409
CLOSE_REPLACED = 4410
CLOSE_ROOM_FULL = 4423
CLOSE_FLOOD = 4429

TOKEN_EXPIRED = "the join token has expired; ask for a new one"
"""The reason that goes with `CLOSE_TOKEN` then."""
FINAL_CODES = {
    CLOSE_TOO_BIG,
    CLOSE_MALFORMED,
    CLOSE_TOKEN,
    CLOSE_SEAT_IN_USE,
    CLOSE_REPLACED,
    CLOSE_ROOM_FULL,
    CLOSE_FLOOD,
}
"""A client closed with one of these would be closed again, so it gives up. After any other code it reconnects."""


@dataclass(frozen=True)
class Join:
    """Client: the first message."""

    type: ClassVar[str] = "join"
    room: str
    """1 to 64 of A-Z a-z 0-9 . _ -"""
    session: str
    """128 random bits as 32 hex digits. They are secret: anyone who knows them can take over this client's seat."""
    token: str | None = None
    """A join token, or the token from `Welcome`. Not needed for an open server."""
    name: str = ""
    """Shown to the other person."""
    seat: int | None = None
    """The seat this client had before the connection broke, 0 or 1. It gets that seat back if it is free."""


@dataclass(frozen=True)
class ToPeer:
    """Client: a message for the other person."""

    type: ClassVar[str] = "signal"
    seq: int
    """0, 1, 2, … within one connection. A repeated or missing number closes the connection."""
    payload: dict[str, Any]


@dataclass(frozen=True)
class Leave:
    """Client: leaves the room for good."""

    type: ClassVar[str] = "leave"


@dataclass(frozen=True)
class Welcome:
    """Server: the answer to `Join`."""

    type: ClassVar[str] = "joined"
    seat: int
    """Seat 0 is polite, seat 1 makes the offers."""
    peer: str | None
    """The other person's peer_id; None while alone."""
    peer_name: str
    ice_servers: tuple[IceServer, ...]
    token: str | None
    """Lets this session, and no other, reconnect after its join token has expired."""


@dataclass(frozen=True)
class Arrived:
    """Server: the other person joined or rejoined."""

    type: ClassVar[str] = "peer-joined"
    peer_id: str
    name: str


@dataclass(frozen=True)
class Gone:
    """Server: the other person's connection ended."""

    type: ClassVar[str] = "peer-left"
    peer_id: str
    reason: Literal["left", "lost"]


@dataclass(frozen=True)
class FromPeer:
    """Server: a message from the other person."""

    type: ClassVar[str] = "signal"
    payload: dict[str, Any]


FromClient = Join | ToPeer | Leave
FromServer = Welcome | Arrived | Gone | FromPeer


def to_json(message: FromClient | FromServer) -> str:
    """Encodes a message. Raises ValueError if its payload is not JSON."""
    values = {field.name: getattr(message, field.name) for field in dataclasses.fields(message)}
    if isinstance(message, Welcome):
        values["ice_servers"] = [dataclasses.asdict(server) for server in message.ice_servers]
    return dump({"v": VERSION, "type": message.type} | values)


def dump(value: object) -> str:
    """Compact ASCII JSON. Raises ValueError for values that JSON does not have, such as infinity."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def read_from_client(text: str) -> FromClient:
    """Decodes a message from a client. Raises DecodeError with the fault."""
    message: FromClient = _read(text, {kind.type: kind for kind in get_args(FromClient)})
    return message


def read_from_server(text: str) -> FromServer:
    """Decodes a message from the server. Raises DecodeError with the fault."""
    message: FromServer = _read(text, {kind.type: kind for kind in get_args(FromServer)})
    return message


def peer_id(session: str) -> str:
    """The public id of a session: the same after every reconnection, and of no use in guessing the session.

    session: 32 hex digits. Returns 16 hex digits.
    """
    return hashlib.sha256(session.encode()).hexdigest()[:16]


def _read(text: str, kinds: dict[str, Any]) -> Any:
    try:
        values = json.loads(text)
        size = len(dump(values))  # raises ValueError for NaN, and for numbers such as 1e999, which become infinite
    except (ValueError, RecursionError) as error:
        raise DecodeError("not JSON") from error
    if size > MAX_MESSAGE_BYTES:  # non-ASCII characters grow when relayed
        raise DecodeError(f"{size} bytes of JSON; the limit is {MAX_MESSAGE_BYTES}")
    if not isinstance(values, dict):
        raise DecodeError("not a JSON object")
    if _is_deeper(values, MAX_DEPTH):
        raise DecodeError(f"JSON nested deeper than {MAX_DEPTH}")
    version, name = values.pop("v", None), values.pop("type", None)
    if type(version) is not int or version != VERSION:
        raise DecodeError(f"version {_quoted(version)}; this side speaks version {VERSION}")
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        raise DecodeError(f"message type {_quoted(name)}; expected one of {', '.join(sorted(kinds))}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    required = {field.name for field in fields.values() if field.default is dataclasses.MISSING}
    if not required <= values.keys() <= fields.keys():
        raise DecodeError(f"a {name} message has {', '.join(sorted(fields)) or 'no fields'}; got {_quoted([*values])}")
    for field, value in values.items():
        if not _CHECKS[field](value):
            raise DecodeError(f"{name}: {field} cannot be {_quoted(value)}")
    if "ice_servers" in values:
        values["ice_servers"] = tuple(
            IceServer(tuple(server["urls"]), server["username"], server["credential"])
            for server in values["ice_servers"]
        )
    return kind(**values)


def _is_deeper(value: dict[str, Any], limit: int) -> bool:
    level: list[Any] = [value]
    for _ in range(limit):
        inner = [item for outer in level for item in (outer.values() if isinstance(outer, dict) else outer)]
        level = [item for item in inner if isinstance(item, dict | list)]
    return bool(level)


def _quoted(value: object) -> str:
    text = dump(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_text(value: object, limit: int) -> bool:
    return isinstance(value, str) and len(value) <= limit and value.isprintable()


def _is_number(value: object, below: int) -> bool:
    return type(value) is int and 0 <= value < below


def _is_ice_servers(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_ICE_SERVERS
        and all(
            isinstance(server, dict)
            and server.keys() == {"urls", "username", "credential"}
            and isinstance(server["urls"], list)
            and 1 <= len(server["urls"]) <= MAX_ICE_SERVERS
            and all(_is_text(url, MAX_URL_LENGTH) for url in server["urls"])
            and all(server[key] is None or _is_text(server[key], MAX_URL_LENGTH) for key in ("username", "credential"))
            for server in value
        )
    )


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "room": lambda value: _matches(ROOM, value),
    "session": lambda value: _matches(SESSION, value),
    "token": lambda value: value is None or _is_text(value, MAX_TOKEN_LENGTH),
    "name": lambda value: _is_text(value, MAX_NAME_LENGTH),
    "seat": lambda value: value is None or _is_number(value, 2),
    "seq": lambda value: _is_number(value, 1 << 53),
    "payload": lambda value: isinstance(value, dict),
    "peer_id": lambda value: _matches(PEER_ID, value),
    "peer": lambda value: value is None or _matches(PEER_ID, value),
    "peer_name": lambda value: _is_text(value, MAX_NAME_LENGTH),
    "ice_servers": _is_ice_servers,
    "reason": lambda value: value in ("left", "lost"),
}
