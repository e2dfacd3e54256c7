"""What the call page may say to its process: JSON texts into checked values.

Comes in: text frames of the page's WebSocket, from `page_server`. Goes out: frozen dataclasses for `page_call`. Whatever is not
exactly such a message raises DecodeError and nothing else. docs/page.md is the protocol, both ways.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from facewire.call.messages import MAX_NAME_CHARACTERS
from facewire.errors import DecodeError

PAGE_VERSION = 1
MAX_TEXT_BYTES = 65_536
MAX_YAW_DEGREES, MAX_PITCH_DEGREES, MAX_ROLL_DEGREES = 40.0, 25.0, 30.0
"""Of the free view: further round there is little that the source frame has seen."""


@dataclass(frozen=True)
class PageHello:
    """The first message. version: of this protocol."""

    version: int


@dataclass(frozen=True)
class Offer:
    """Of the local WebRTC connection."""

    sdp: str


@dataclass(frozen=True)
class JoinRoom:
    """Go into the room. name: what the other side sees, printable."""

    name: str


@dataclass(frozen=True)
class LeaveRoom:
    """End the call."""


@dataclass(frozen=True)
class Microphone:
    """Microphone on or off."""

    on: bool


@dataclass(frozen=True)
class CameraSwitch:
    """Camera on or off."""

    on: bool


@dataclass(frozen=True)
class View:
    """From where the other side is seen: degrees, held to the limits. frontal: from its front, whatever it does."""

    yaw: float
    pitch: float
    roll: float
    frontal: bool


@dataclass(frozen=True)
class Badge:
    """burnt: the mark of synthesis is drawn into the picture itself."""

    burnt: bool


@dataclass(frozen=True)
class Budget:
    """Of what is sent, kbps on the wire; None for no limit."""

    max_kbps: float | None


@dataclass(frozen=True)
class Record:
    """Record the call, or end that."""

    on: bool


@dataclass(frozen=True)
class Consent:
    """Whether the other side may record."""

    allow: bool


@dataclass(frozen=True)
class PortraitSwitch:
    """Appear as the posted portrait, or as oneself."""

    on: bool


@dataclass(frozen=True)
class NewSource:
    """A new source frame of oneself."""


@dataclass(frozen=True)
class Quit:
    """End the process."""


PageMessage = (
    PageHello
    | Offer
    | JoinRoom
    | LeaveRoom
    | Microphone
    | CameraSwitch
    | View
    | Badge
    | Budget
    | Record
    | Consent
    | PortraitSwitch
    | NewSource
    | Quit
)


def read_page_message(text: str) -> PageMessage:
    """The message of a text frame; DecodeError if it is none."""
    if len(text) > MAX_TEXT_BYTES:
        raise DecodeError(f"a message of {len(text)} characters; at most {MAX_TEXT_BYTES} fit")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecodeError("a message that is no JSON") from error
    if not isinstance(values, dict):
        raise DecodeError("a message that is no JSON object")
    fields = _Fields(values)
    match values.get("type"):
        case "hello":
            return PageHello(round(fields.number("version")))
        case "offer":
            return Offer(fields.text("sdp", MAX_TEXT_BYTES))
        case "join":
            return JoinRoom(fields.name("name"))
        case "leave":
            return LeaveRoom()
        case "microphone":
            return Microphone(fields.switch("on"))
        case "camera":
            return CameraSwitch(fields.switch("on"))
        case "view":
            limits = {"yaw": MAX_YAW_DEGREES, "pitch": MAX_PITCH_DEGREES, "roll": MAX_ROLL_DEGREES}
            yaw, pitch, roll = (min(max(fields.number(axis), -limit), limit) for axis, limit in limits.items())
            return View(yaw, pitch, roll, fields.switch("frontal"))
        case "badge":
            return Badge(fields.switch("burnt"))
        case "budget":
            return Budget(None if values.get("max_kbps") is None else fields.number("max_kbps"))
        case "record":
            return Record(fields.switch("on"))
        case "consent":
            return Consent(fields.switch("allow"))
        case "portrait":
            return PortraitSwitch(fields.switch("on"))
        case "new-source":
            return NewSource()
        case "quit":
            return Quit()
        case kind:
            raise DecodeError(f"a message of type {str(kind)[:40]!r}, which is unknown")


class _Fields:
    """The fields of one message, each checked as it is read."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def switch(self, name: str) -> bool:
        value = self._values.get(name)
        if not isinstance(value, bool):
            raise DecodeError(f"{name} is to be true or false")
        return value

    def number(self, name: str) -> float:
        value = self._values.get(name)
        # An integer of JSON may have any length, and is no float then.
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e9 < value < 1e9:
            raise DecodeError(f"{name} is to be a number")
        return float(value)

    def text(self, name: str, limit: int) -> str:
        value = self._values.get(name)
        if not isinstance(value, str) or len(value) > limit:
            raise DecodeError(f"{name} is to be a text of at most {limit} characters")
        return value

    def name(self, field: str) -> str:
        """What a person is called: printable, without spaces around it."""
        value = self.text(field, MAX_NAME_CHARACTERS).strip()
        if value and not value.isprintable():
            raise DecodeError(f"{field} is to be printable")
        return value
