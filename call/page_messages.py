"""Messages from the page to its process: JSON text to checked dataclasses.

`page_http` reads the text frames of the page's WebSocket; `page_call` acts on the messages. Anything that is not exactly
such a message raises DecodeError, and nothing else. docs/page.md describes the protocol in both directions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from facewire.call.messages import MAX_NAME_CHARACTERS, MAX_TEXT_CHARACTERS
from facewire.errors import DecodeError
from facewire.sender.picture_choice import PICTURE_MODES, PictureMode

PAGE_VERSION = 1
MAX_TEXT_BYTES = 65_536
MAX_YAW_DEGREES, MAX_PITCH_DEGREES, MAX_ROLL_DEGREES = 25.0, 20.0, 30.0
"""Limits of the free view: at 30 degrees the face begins to smear, since the source frame does not show its side."""


KEPT = ("name", "camera", "microphone", "speaker", "theme", "keys", "panel")
"""What the page may have remembered; devices by the names that the browser shows."""
MAX_KEPT_CHARACTERS = 200


@dataclass(frozen=True)
class PageHello:
    """The first message."""

    version: int
    """Version of this protocol."""


@dataclass(frozen=True)
class Offer:
    """The offer for the local WebRTC connection."""

    sdp: str


@dataclass(frozen=True)
class JoinRoom:
    """Join the room."""

    name: str
    """Shown to the other side; printable."""


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
    """The angle from which the other side is seen, in degrees, clipped to the limits."""

    yaw: float
    pitch: float
    roll: float
    frontal: bool
    """Always seen from the front, however the head turns."""


@dataclass(frozen=True)
class Badge:
    """The "synthesised" badge."""

    burnt: bool
    """It is drawn into the picture itself."""


@dataclass(frozen=True)
class Budget:
    """The bandwidth limit of what is sent."""

    max_kbps: float | None
    """kbit/s on the wire; None for no limit."""


@dataclass(frozen=True)
class PictureShown:
    """Which picture the other side is shown of this one."""

    mode: PictureMode


@dataclass(frozen=True)
class Write:
    """Write a text to the other person."""

    text: str


@dataclass(frozen=True)
class Record:
    """Start or stop recording the call."""

    on: bool


@dataclass(frozen=True)
class Consent:
    """Allow the other side to record, or not."""

    allow: bool


@dataclass(frozen=True)
class PortraitSwitch:
    """Appear as the posted portrait or as oneself."""

    on: bool


@dataclass(frozen=True)
class NewSource:
    """Take a new source frame of oneself."""


@dataclass(frozen=True)
class Invite:
    """Make an invitation link for one person."""


@dataclass(frozen=True)
class Quit:
    """End the process."""


@dataclass(frozen=True)
class Keep:
    """Remember something for the next call."""

    what: str
    """One of `KEPT`."""
    value: str


PageMessage = (
    PageHello
    | Keep
    | Offer
    | JoinRoom
    | LeaveRoom
    | Microphone
    | CameraSwitch
    | View
    | Badge
    | Budget
    | Write
    | Record
    | Consent
    | PictureShown
    | PortraitSwitch
    | NewSource
    | Invite
    | Quit
)


def read_page_message(text: str) -> PageMessage:
    """The message in a text frame; DecodeError for anything else."""
    if len(text) > MAX_TEXT_BYTES:
        raise DecodeError(f"message of {len(text)} characters: at most {MAX_TEXT_BYTES} are allowed")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecodeError("message is not JSON") from error
    if not isinstance(values, dict):
        raise DecodeError("message is not a JSON object")
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
        case "picture":
            mode = fields.text("mode", 20)
            for known in PICTURE_MODES:
                if mode == known:
                    return PictureShown(known)
            raise DecodeError(f"mode must be one of {', '.join(PICTURE_MODES)}")
        case "write":
            return Write(fields.text("text", MAX_TEXT_CHARACTERS))
        case "record":
            return Record(fields.switch("on"))
        case "consent":
            return Consent(fields.switch("allow"))
        case "portrait":
            return PortraitSwitch(fields.switch("on"))
        case "new-source":
            return NewSource()
        case "keep":
            if (what := fields.text("what", 20)) not in KEPT:
                raise DecodeError(f"what to keep must be one of {', '.join(KEPT)}")
            return Keep(what, fields.text("value", MAX_KEPT_CHARACTERS))
        case "invite":
            return Invite()
        case "quit":
            return Quit()
        case kind:
            raise DecodeError(f"unknown message type {str(kind)[:40]!r}")


class _Fields:
    """The fields of one message, each checked as it is read."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def switch(self, name: str) -> bool:
        value = self._values.get(name)
        if not isinstance(value, bool):
            raise DecodeError(f"{name} must be true or false")
        return value

    def number(self, name: str) -> float:
        value = self._values.get(name)
        # A JSON integer may have any number of digits, too many for a float.
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e9 < value < 1e9:
            raise DecodeError(f"{name} must be a number")
        return float(value)

    def text(self, name: str, limit: int) -> str:
        value = self._values.get(name)
        if not isinstance(value, str) or len(value) > limit:
            raise DecodeError(f"{name} must be a string of at most {limit} characters")
        return value

    def name(self, field: str) -> str:
        """A person's name: printable, without spaces around it."""
        value = self.text(field, MAX_NAME_CHARACTERS).strip()
        if value and not value.isprintable():
            raise DecodeError(f"{field} must be printable")
        return value
