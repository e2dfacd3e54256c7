"""The bytes of a call's messages: media (motion and sound of one moment), and control.

`session` packs and reads them; the packets inside are `facewire.codec`'s and the sound's. Whatever is not exactly such a
message raises DecodeError and nothing else.

A media message is one byte (3 bits version, then bits for "acknowledges a frame" and "reports", three zero bits), a
sequence number (2), then, where those bits say so, the acknowledged frame's number (1 to 5, as a variable-length integer) and a
report (5), then parts to the end: length and kind in one variable-length integer (length x 2, + 1 for sound), and the
packet. A control message is a msgpack array: its kind, then the values of that kind's dataclass in order.
"""

from __future__ import annotations

import dataclasses
import struct
from dataclasses import dataclass
from typing import Literal

import msgpack

from facewire.errors import DecodeError

PROTOCOL_VERSION = 2
"""Of both kinds of message and of what the session does with them."""
MAX_MEDIA_BYTES = 4096
MAX_PARTS = 32
MAX_CONTROL_BYTES = 1024
MAX_NUMBER = (1 << 32) - 1
SEQUENCES = 1 << 16
MAX_HOLD_MS = 255 * 4
WEIGHTS_HASH_BYTES = 8
SOURCE_HASH_BYTES = 8
SESSION_BYTES = 8
MAX_NAME_CHARACTERS = 64

_ACKNOWLEDGES, _REPORTS = 16, 8
_REPORT = struct.Struct("<HHB")

PartKind = Literal["motion", "sound"]


@dataclass(frozen=True)
class Report:
    """How the other side's media messages arrive here; for its rate control and its round-trip time."""

    heard: int
    """Sequence number of the newest message that came, 0 to 65535."""
    received: int
    """How many came so far, modulo 65536. Two reports give the share lost between them."""
    hold_ms: int
    """Since the newest one came, 0 to 1020, to the next lower multiple of 4."""


@dataclass(frozen=True)
class MediaMessage:
    """What was captured in one moment of about 100 ms.

    sequence: counts this side's media messages, modulo 65536. acknowledged: number of the newest frame of the other side decoded
    here. parts: motion and sound packets, oldest first.
    """

    sequence: int
    acknowledged: int | None = None
    report: Report | None = None
    parts: tuple[tuple[PartKind, bytes], ...] = ()


def encode_media(message: MediaMessage) -> bytes:
    """ValueError for values out of bounds."""
    if not 0 <= message.sequence < SEQUENCES:
        raise ValueError(f"a sequence number is 0 to 65535, not {message.sequence}")
    flags = PROTOCOL_VERSION << 5
    body = bytearray()
    if message.acknowledged is not None:
        flags |= _ACKNOWLEDGES
        body += _varint(message.acknowledged)
    if message.report is not None:
        flags |= _REPORTS
        report = message.report
        body += _REPORT.pack(report.heard, report.received, min(report.hold_ms, MAX_HOLD_MS) // 4)
    if len(message.parts) > MAX_PARTS:
        raise ValueError(f"a media message has at most {MAX_PARTS} parts, not {len(message.parts)}")
    for kind, packet in message.parts:
        if not packet:
            raise ValueError(f"an empty {kind} packet")
        body += _varint(len(packet) << 1 | (kind == "sound")) + packet
    data = struct.pack("<BH", flags, message.sequence) + body
    if len(data) > MAX_MEDIA_BYTES:
        raise ValueError(f"a media message of {len(data)} bytes; at most {MAX_MEDIA_BYTES} fit")
    return data


def decode_media(data: bytes) -> MediaMessage:
    """The inverse of `encode_media`; DecodeError for any other bytes."""
    if not 3 <= len(data) <= MAX_MEDIA_BYTES:
        raise DecodeError(f"a media message has 3 to {MAX_MEDIA_BYTES} bytes, not {len(data)}")
    flags, sequence = struct.unpack_from("<BH", data)
    if flags >> 5 != PROTOCOL_VERSION or flags & 7:
        raise DecodeError(f"a media message of another version ({flags >> 5}; this program reads {PROTOCOL_VERSION})")
    position = 3
    acknowledged = report = None
    if flags & _ACKNOWLEDGES:
        acknowledged, position = _read_varint(data, position)
    if flags & _REPORTS:
        if position + _REPORT.size > len(data):
            raise DecodeError("a media message cut off in its report")
        heard, received, hold = _REPORT.unpack_from(data, position)
        report = Report(heard, received, 4 * hold)
        position += _REPORT.size
    parts: list[tuple[PartKind, bytes]] = []
    while position < len(data):
        head, position = _read_varint(data, position)
        length = head >> 1
        if not 1 <= length <= len(data) - position:
            raise DecodeError(f"a packet of {length} bytes where {len(data) - position} are left in the message")
        parts.append(("sound" if head & 1 else "motion", data[position : position + length]))
        position += length
        if len(parts) > MAX_PARTS:
            raise DecodeError(f"a media message with more than {MAX_PARTS} parts")
    return MediaMessage(sequence, acknowledged, report, tuple(parts))


def _varint(value: int) -> bytes:
    if not 0 <= value <= MAX_NUMBER:
        raise ValueError(f"a number is 0 to {MAX_NUMBER}, not {value}")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number and the position behind it. Exactly one spelling of each number is accepted."""
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
    raise DecodeError("a damaged or cut-off number in a media message")


# --- control


@dataclass(frozen=True)
class Hello:
    """The first message each way on every connection: who speaks, and whether the two can understand each other."""

    protocol: int
    codec: int
    """Version of the motion packets."""
    weights: bytes
    """Hash of the weight bundle, 8 bytes."""
    side: int
    """Height and width of the picture in pixels."""
    frame_rate: float
    """Nominal frames a second of this side's video; 0 if it sends none."""
    session: bytes
    """8 random bytes, new each time the program starts: the same ones mean that all state is still there."""
    source: bytes
    """Hash of the source frame of the other side that this side has; empty if none. It is not sent again."""
    video: bool
    """This side sends video."""
    sound: bool
    """This side sends sound."""
    shows: bool
    """This side wants the other's video."""
    clock_ms: int
    """This side's capture clock when it said so."""
    name: str
    """What this side calls itself."""


@dataclass(frozen=True)
class State:
    """How this side's camera and microphone are.

    camera: as `LiveSender`'s states. muted: no sound on purpose. picture: where the source frame is from, as `LiveSender`'s kinds.
    """

    camera: str
    muted: bool
    picture: str


@dataclass(frozen=True)
class SourceHave:
    """This source frame of the other side arrived whole and can be used."""

    hash: bytes


@dataclass(frozen=True)
class SourceWant:
    """Another source frame, please: what came cannot be used."""


@dataclass(frozen=True)
class Bye:
    """This side ends the call. reason: in words, empty if the person just left."""

    reason: str


@dataclass(frozen=True)
class Recording:
    """About recordings. step: of who records, "ask", "on" and "off"; of the other one, "yes" and "no", also later."""

    step: str


Control = Hello | State | SourceHave | SourceWant | Bye | Recording
_CONTROLS: tuple[type[Control], ...] = (Hello, State, SourceHave, SourceWant, Bye, Recording)

PICTURE_KINDS = ("live", "file", "portrait")
RECORDING_STEPS = ("ask", "yes", "no", "on", "off")
CAMERA_STATES = ("none", "starting", "sending", "no-face", "paused", "camera-lost", "ended")
MAX_REASON_CHARACTERS = 200


def encode_control(message: Control) -> bytes:
    """ValueError for values that the other side would refuse."""
    values = [getattr(message, field.name) for field in dataclasses.fields(message)]
    problem = _problem(message)
    if problem:
        raise ValueError(problem)
    data: bytes = msgpack.packb([_CONTROLS.index(type(message)), *values])
    return data


def decode_control(data: bytes) -> Control:
    """The inverse of `encode_control`; DecodeError for any other bytes."""
    if not 1 <= len(data) <= MAX_CONTROL_BYTES:
        raise DecodeError(f"a control message has 1 to {MAX_CONTROL_BYTES} bytes, not {len(data)}")
    try:
        values = msgpack.unpackb(data, max_array_len=16, max_map_len=0, max_ext_len=0)
    except Exception as error:  # msgpack raises a dozen kinds, some of them plain ValueError or RecursionError
        raise DecodeError("a control message that is no msgpack") from error
    if not isinstance(values, list) or not values or type(values[0]) is not int:
        raise DecodeError("a control message that is no array with its kind in front")
    if not 0 <= values[0] < len(_CONTROLS):
        raise DecodeError(f"a control message of kind {values[0]}, which is unknown")
    kind = _CONTROLS[values[0]]
    if kind is Hello and len(values) > 1 and type(values[1]) is int and values[1] != PROTOCOL_VERSION:
        raise VersionError(values[1])
    fields = dataclasses.fields(kind)
    if len(values) - 1 != len(fields):
        raise DecodeError(f"a {kind.__name__} message with {len(values) - 1} values instead of {len(fields)}")
    for field, value in zip(fields, values[1:], strict=True):
        if type(value).__name__ != field.type:  # annotations are text here, and only plain types
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
            f"the other side runs another facewire (call protocol {theirs}, here {PROTOCOL_VERSION}): "
            "install the same version on both sides"
        )


def _problem(message: Control) -> str:
    """What is out of bounds in a control message, in words; empty if nothing is."""
    sizes: tuple[tuple[bool, str], ...] = ()
    if isinstance(message, Hello):
        sizes = (
            (len(message.weights) == WEIGHTS_HASH_BYTES, "weights hash"),
            (len(message.session) == SESSION_BYTES, "session"),
            (len(message.source) in (0, SOURCE_HASH_BYTES), "source hash"),
            (0 <= message.protocol <= 255 and 0 <= message.codec <= 255, "version"),
            (1 <= message.side <= 4096, "picture size"),
            (0 <= message.frame_rate <= 1000, "frame rate"),
            (0 <= message.clock_ms < 1 << 48, "clock"),
            (_is_text(message.name, MAX_NAME_CHARACTERS), "name"),
        )
    elif isinstance(message, State):
        sizes = (
            (message.camera in CAMERA_STATES, "camera state"),
            (message.picture in PICTURE_KINDS, "kind of picture"),
        )
    elif isinstance(message, Recording):
        sizes = ((message.step in RECORDING_STEPS, "step of a recording"),)
    elif isinstance(message, SourceHave):
        sizes = ((len(message.hash) == SOURCE_HASH_BYTES, "source hash"),)
    elif isinstance(message, Bye):
        sizes = ((_is_text(message.reason, MAX_REASON_CHARACTERS), "reason"),)
    wrong = [name for good, name in sizes if not good]
    return f"{type(message).__name__} with a {wrong[0]} that cannot be" if wrong else ""


def _is_text(value: str, limit: int) -> bool:
    return len(value) <= limit and (value.isprintable() or not value)
