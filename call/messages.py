"""The messages of a call as bytes: media (motion and sound of one moment) and control.

`outgoing` and `conversation` encode them, `inbox` decodes them; the packets inside media messages are those of
`facewire.codec`. Decoding raises DecodeError for anything that is not exactly such a message, and nothing else.

A media message is one byte (3 bits version, then bits for "acknowledges a frame", "has a report" and "has a report about pixels",
two zero bits), a sequence number (2 bytes), then, where those bits say so, the acknowledged frame's number (a varint of 1 to 5
bytes), a report (5 bytes) and one about pixels (number of the picture, 2 bytes; 1 if stuck, else 0), then parts to the end: length
and kind in one varint (length x 2, + 1 for sound), and the packet. A control message is a msgpack array: its kind, then the
values of that kind's dataclass in order.
"""

from __future__ import annotations

import dataclasses
import re
import struct
from dataclasses import dataclass
from typing import Literal

import msgpack

from facewire.codec.pixels import LAYERS, NUMBERS, PixelReport
from facewire.errors import DecodeError

PROTOCOL_VERSION = 4
"""Version of both kinds of message, and of what a session does with them."""
MAX_SOURCE_HASHES = 16
MAX_MEDIA_BYTES = 4096
MAX_PARTS = 32
MAX_CONTROL_BYTES = 2048
MAX_NUMBER = (1 << 32) - 1
SEQUENCES = 1 << 16
MAX_HOLD_MS = 255 * 4
WEIGHTS_HASH_BYTES = 8
SOURCE_HASH_BYTES = 8
SESSION_BYTES = 8
MAX_NAME_CHARACTERS = 64
MAX_SERVER_CHARACTERS = 253
"""Of a host's name."""

_ACKNOWLEDGES, _REPORTS, _REPORTS_PIXELS = 16, 8, 4
_REPORT, _PIXEL_REPORT = struct.Struct("<HHB"), struct.Struct("<HB")

PartKind = Literal["motion", "sound"]


@dataclass(frozen=True)
class Report:
    """How the other side's media messages arrive here, for its rate control and its round-trip time."""

    heard: int
    """Sequence number of the newest message received, 0 to 65535."""
    received: int
    """Number of messages received so far, modulo 65536. Two reports give the share lost between them."""
    hold_ms: int
    """Time since the newest one came, 0 to 1020, rounded down to a multiple of 4."""


@dataclass(frozen=True)
class MediaMessage:
    """What was captured in about 100 ms."""

    sequence: int
    """Counts this side's media messages, modulo 65536."""
    acknowledged: int | None = None
    """Number of the other side's newest frame decoded here."""
    report: Report | None = None
    parts: tuple[tuple[PartKind, bytes], ...] = ()
    """Motion and sound packets, oldest first."""
    pixels: PixelReport | None = None
    """About the other side's camera pictures, where any came."""


def encode_media(message: MediaMessage) -> bytes:
    """Raises ValueError for values out of bounds."""
    if not 0 <= message.sequence < SEQUENCES:
        raise ValueError(f"sequence number {message.sequence} is not from 0 to 65535")
    flags = PROTOCOL_VERSION << 5
    body = bytearray()
    if message.acknowledged is not None:
        flags |= _ACKNOWLEDGES
        body += _varint(message.acknowledged)
    if message.report is not None:
        flags |= _REPORTS
        report = message.report
        body += _REPORT.pack(report.heard, report.received, min(report.hold_ms, MAX_HOLD_MS) // 4)
    if message.pixels is not None:
        if not 0 <= message.pixels.heard < NUMBERS:
            raise ValueError(f"a picture's number {message.pixels.heard} is not from 0 to {NUMBERS - 1}")
        flags |= _REPORTS_PIXELS
        body += _PIXEL_REPORT.pack(message.pixels.heard, message.pixels.stuck)
    if len(message.parts) > MAX_PARTS:
        raise ValueError(f"{len(message.parts)} parts in a media message: at most {MAX_PARTS} are allowed")
    for kind, packet in message.parts:
        if not packet:
            raise ValueError(f"empty {kind} packet")
        body += _varint(len(packet) << 1 | (kind == "sound")) + packet
    data = struct.pack("<BH", flags, message.sequence) + body
    if len(data) > MAX_MEDIA_BYTES:
        raise ValueError(f"media message of {len(data)} bytes: at most {MAX_MEDIA_BYTES} are allowed")
    return data


def decode_media(data: bytes) -> MediaMessage:
    """The inverse of `encode_media`; DecodeError for any other bytes."""
    if not 3 <= len(data) <= MAX_MEDIA_BYTES:
        raise DecodeError(f"media message of {len(data)} bytes: it must have 3 to {MAX_MEDIA_BYTES}")
    flags, sequence = struct.unpack_from("<BH", data)
    if flags >> 5 != PROTOCOL_VERSION or flags & 3:
        raise DecodeError(f"media message of version {flags >> 5}: this program reads version {PROTOCOL_VERSION}")
    position = 3
    acknowledged = report = pixels = None
    if flags & _ACKNOWLEDGES:
        acknowledged, position = _read_varint(data, position)
    if flags & _REPORTS:
        if position + _REPORT.size > len(data):
            raise DecodeError("media message truncated in its report")
        heard, received, hold = _REPORT.unpack_from(data, position)
        report = Report(heard, received, 4 * hold)
        position += _REPORT.size
    if flags & _REPORTS_PIXELS:
        if position + _PIXEL_REPORT.size > len(data) or data[position + 2] > 1:
            raise DecodeError("media message with a damaged report about pixels")
        number, stuck = _PIXEL_REPORT.unpack_from(data, position)
        pixels = PixelReport(number, bool(stuck))
        position += _PIXEL_REPORT.size
    parts: list[tuple[PartKind, bytes]] = []
    while position < len(data):
        head, position = _read_varint(data, position)
        length = head >> 1
        if not 1 <= length <= len(data) - position:
            raise DecodeError(f"packet of {length} bytes, but only {len(data) - position} are left in the message")
        parts.append(("sound" if head & 1 else "motion", data[position : position + length]))
        position += length
        if len(parts) > MAX_PARTS:
            raise DecodeError(f"media message with more than {MAX_PARTS} parts")
    return MediaMessage(sequence, acknowledged, report, tuple(parts), pixels)


def _varint(value: int) -> bytes:
    if not 0 <= value <= MAX_NUMBER:
        raise ValueError(f"{value} is not from 0 to {MAX_NUMBER}")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Returns the number and the position after it. Only the shortest encoding of a number is accepted."""
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            if value > MAX_NUMBER or (byte == 0 and shift > 7):
                break
            return value, position
        if shift == 35:
            break
    raise DecodeError("damaged or truncated number in a media message")


# --- control


@dataclass(frozen=True)
class Hello:
    """The first message each way on every connection: who is speaking, and whether the two programs match."""

    protocol: int
    codec: int
    """Version of the motion packets."""
    weights: bytes
    """Hash of the weight bundle, 8 bytes."""
    side: int
    """Height and width of the picture in pixels."""
    frame_rate: float
    """Nominal frame rate of this side's video; 0 if it sends none."""
    session: bytes
    """8 random bytes, new for every session: if they are unchanged, all state is still there."""
    sources: bytes
    """Hashes of the other side's source frames that this side already has, 8 bytes each, which need not be sent again."""
    video: bool
    """This side sends video."""
    sound: bool
    """This side sends sound."""
    shows: bool
    """This side wants the other side's video."""
    clock_ms: int
    """This side's capture clock when the message was sent."""
    name: str
    """This side's display name."""
    through: str
    """The server that speaks for this side, and sees and hears everything, as a gateway does; empty where there is none."""
    draws: str
    """How camera pictures may be coded that this side can show, by name and separated by spaces; empty if it shows none."""

    def source_hashes(self) -> set[bytes]:
        """`sources`, one by one."""
        size = SOURCE_HASH_BYTES
        return {self.sources[at : at + size] for at in range(0, len(self.sources), size)}


@dataclass(frozen=True)
class State:
    """State of this side's camera and microphone."""

    camera: str
    """One of `CAMERA_STATES`: none, or a state of `LiveSender`."""
    muted: bool
    """The person switched the microphone off."""
    picture: str
    """Where the source frame comes from: one of `PICTURE_KINDS`, as in `LiveSender`."""


@dataclass(frozen=True)
class LayerShown:
    """What is to be shown of this side from a capture time on. A camera picture that arrives sooner says so itself."""

    layer: str
    """One of `codec.pixels.LAYERS`."""
    from_ms: int
    """On this side's capture clock."""


@dataclass(frozen=True)
class SourceHave:
    """The other side's source frame arrived completely and can be used."""

    hash: bytes


@dataclass(frozen=True)
class SourceWant:
    """Asks for another source frame: the one that came cannot be used."""


@dataclass(frozen=True)
class Bye:
    """This side ends the call."""

    reason: str
    """In words; empty if the person just left."""


@dataclass(frozen=True)
class Recording:
    """About recordings."""

    step: str
    """"ask", "on" and "off" come from the side that records; "yes" and "no" from the other one, "no" at any time, and "unable"
    from a program that has no way to ask its person."""


@dataclass(frozen=True)
class Text:
    """What a person writes to the other one."""

    number: int
    """Counts this side's texts from 1: one that comes again after a new connection is recognised by it."""
    text: str
    """1 to 500 characters on one line."""


@dataclass(frozen=True)
class TextHave:
    """All texts of the other side up to one are here."""

    number: int


Control = Hello | State | SourceHave | SourceWant | Bye | Recording | LayerShown | Text | TextHave
_CONTROLS: tuple[type[Control], ...] = (
    Hello,
    State,
    SourceHave,
    SourceWant,
    Bye,
    Recording,
    LayerShown,
    Text,
    TextHave,
)

PICTURE_KINDS = ("live", "file", "portrait")
RECORDING_STEPS = ("ask", "yes", "no", "unable", "on", "off")
CAMERA_STATES = ("none", "starting", "sending", "no-face", "paused", "camera-lost", "ended")
MAX_REASON_CHARACTERS = 200
MAX_DRAWS_CHARACTERS = 64
MAX_TEXT_CHARACTERS = 500
SAFE_TEXT = re.compile("[^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]+")
"""A text that cannot leave its line: no control characters, line breaks or marks that turn the direction of what follows."""


def encode_control(message: Control) -> bytes:
    """Raises ValueError for values that the other side would reject."""
    values = [getattr(message, field.name) for field in dataclasses.fields(message)]
    problem = _problem(message)
    if problem:
        raise ValueError(problem)
    data: bytes = msgpack.packb([_CONTROLS.index(type(message)), *values])
    return data


def decode_control(data: bytes) -> Control:
    """The inverse of `encode_control`; DecodeError for any other bytes."""
    if not 1 <= len(data) <= MAX_CONTROL_BYTES:
        raise DecodeError(f"control message of {len(data)} bytes: it must have 1 to {MAX_CONTROL_BYTES}")
    try:
        values = msgpack.unpackb(data, max_array_len=16, max_map_len=0, max_ext_len=0)
    except Exception as error:  # msgpack raises a dozen types, among them plain ValueError and RecursionError
        raise DecodeError("control message that is not msgpack") from error
    if not isinstance(values, list) or not values or type(values[0]) is not int:
        raise DecodeError("control message that is not an array starting with its kind")
    if not 0 <= values[0] < len(_CONTROLS):
        raise DecodeError(f"control message of unknown kind {values[0]}")
    kind = _CONTROLS[values[0]]
    if kind is Hello and len(values) > 1 and type(values[1]) is int and values[1] != PROTOCOL_VERSION:
        raise VersionError(values[1])
    fields = dataclasses.fields(kind)
    if len(values) - 1 != len(fields):
        raise DecodeError(f"{kind.__name__} message with {len(values) - 1} values instead of {len(fields)}")
    for field, value in zip(fields, values[1:], strict=True):
        if type(value).__name__ != field.type:  # annotations are strings here, and only plain types
            raise DecodeError(f"{kind.__name__}.{field.name} is a {type(value).__name__}, not a {field.type}")
    message = kind(*values[1:])
    problem = _problem(message)
    if problem:
        raise DecodeError(problem)
    return message


class VersionError(DecodeError):
    """The other side speaks another version of this protocol."""

    def __init__(self, theirs: int) -> None:
        super().__init__(
            f"the other side runs another version of facewire (call protocol {theirs}, here {PROTOCOL_VERSION}): "
            "install the same version on both sides"
        )


def _problem(message: Control) -> str:
    """Which value of a control message is out of bounds, in words; empty if none is."""
    sizes: tuple[tuple[bool, str], ...] = ()
    if isinstance(message, Hello):
        sizes = (
            (len(message.weights) == WEIGHTS_HASH_BYTES, "weights hash"),
            (len(message.session) == SESSION_BYTES, "session"),
            (_are_hashes(message.sources), "source hash"),
            (0 <= message.protocol <= 255 and 0 <= message.codec <= 255, "version"),
            (1 <= message.side <= 4096, "picture size"),
            (0 <= message.frame_rate <= 1000, "frame rate"),
            (0 <= message.clock_ms < 1 << 48, "clock"),
            (_is_text(message.name, MAX_NAME_CHARACTERS), "name"),
            (_is_text(message.through, MAX_SERVER_CHARACTERS), "server's name"),
            (_is_text(message.draws, MAX_DRAWS_CHARACTERS), "list of what it draws"),
        )
    elif isinstance(message, State):
        sizes = (
            (message.camera in CAMERA_STATES, "camera state"),
            (message.picture in PICTURE_KINDS, "picture kind"),
        )
    elif isinstance(message, LayerShown):
        sizes = ((message.layer in LAYERS, "layer"), (0 <= message.from_ms < 1 << 48, "time"))
    elif isinstance(message, Recording):
        sizes = ((message.step in RECORDING_STEPS, "recording step"),)
    elif isinstance(message, Text):
        sizes = (
            (1 <= message.number <= MAX_NUMBER, "number"),
            (len(message.text) <= MAX_TEXT_CHARACTERS and SAFE_TEXT.fullmatch(message.text) is not None, "text"),
        )
    elif isinstance(message, TextHave):
        sizes = ((0 <= message.number <= MAX_NUMBER, "number"),)
    elif isinstance(message, SourceHave):
        sizes = ((len(message.hash) == SOURCE_HASH_BYTES, "source hash"),)
    elif isinstance(message, Bye):
        sizes = ((_is_text(message.reason, MAX_REASON_CHARACTERS), "reason"),)
    wrong = [name for good, name in sizes if not good]
    return f"{type(message).__name__} with an invalid {wrong[0]}" if wrong else ""


def _are_hashes(value: bytes) -> bool:
    return len(value) % SOURCE_HASH_BYTES == 0 and len(value) <= MAX_SOURCE_HASHES * SOURCE_HASH_BYTES


def _is_text(value: str, limit: int) -> bool:
    return len(value) <= limit and (value.isprintable() or not value)
