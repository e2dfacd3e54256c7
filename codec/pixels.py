"""Packets of pixels: coded video pictures cut to the size of a message, for what motion cannot show.

`sender.pixels` codes pictures and cuts them, `receiver.pixels` puts them together and decodes those whose reference it has. Every
packet may get lost, arrive late or arrive twice.

Layout, little endian: 3 bits version, 4 bits zero, 1 bit "show at once"; the picture's number (2 bytes, modulo 65536); how many
pictures before it is the one that it is predicted from, 0 for a key picture (1); the packet's place among the picture's and how
many there are (1 each); the capture time in ms modulo 2^32 (4); then the coded bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from facewire.codec.wire import PIECE_BYTES, wire_bytes
from facewire.errors import DecodeError

Layer = Literal["motion", "camera"]
"""What of a person is shown: the picture synthesised from motion, or the camera's own."""
LAYERS: tuple[Layer, ...] = ("motion", "camera")
PIXEL_CODEC = "h264"
"""How pictures are coded, as a greeting names it."""

PIXELS_VERSION = 1
NUMBERS = 1 << 16
"""Pictures are counted modulo this."""
TIME_SPAN_MS = 1 << 32
MAX_PACKETS = 32
"""Of one picture: 35 kB."""
HEAD = struct.Struct("<BHBBBI")
BODY_BYTES = PIECE_BYTES - HEAD.size


@dataclass(frozen=True)
class PixelPacket:
    """A part of one coded picture."""

    number: int
    """Of the picture, modulo `NUMBERS`."""
    reference: int
    """It is predicted from the picture this many before it, 1 to 255; 0: from none, a key picture."""
    place: int
    """Of this packet among the picture's, from 0."""
    count: int
    """How many packets the picture has, 1 to `MAX_PACKETS`."""
    capture_ms: int
    """When the picture was captured, modulo `TIME_SPAN_MS`."""
    body: bytes
    at_once: bool = False
    """To be shown when it arrives. Otherwise when it is due, in step with the sound."""


@dataclass(frozen=True)
class PixelReport:
    """What the receiver tells the sender, so that it can repair a loss."""

    heard: int
    """Number of the newest picture of which a packet came."""
    stuck: bool
    """A picture was lost, and nothing after it can be drawn without a key picture."""


def cut_picture(data: bytes, number: int, reference: int, capture_ms: int, *, at_once: bool = False) -> list[bytes]:
    """The packets of a coded picture. ValueError if it is empty or too large, or a value is out of bounds."""
    count = -(-len(data) // BODY_BYTES)
    if not 1 <= count <= MAX_PACKETS:
        raise ValueError(f"coded picture of {len(data)} bytes: it must have 1 to {MAX_PACKETS * BODY_BYTES}")
    if not 0 <= reference <= 255:
        raise ValueError(f"a reference {reference} pictures back: at most 255")
    number, capture_ms = number % NUMBERS, capture_ms % TIME_SPAN_MS
    return [
        HEAD.pack(PIXELS_VERSION << 5 | at_once, number, reference, place, count, capture_ms)
        + data[place * BODY_BYTES : (place + 1) * BODY_BYTES]
        for place in range(count)
    ]


def decode_pixels(packet: bytes) -> PixelPacket:
    """One packet of `cut_picture`; DecodeError for any other bytes."""
    if not HEAD.size < len(packet) <= PIECE_BYTES:
        raise DecodeError(f"packet of pixels with {len(packet)} bytes: it must have {HEAD.size + 1} to {PIECE_BYTES}")
    version, number, reference, place, count, capture_ms = HEAD.unpack_from(packet)
    if version & ~1 != PIXELS_VERSION << 5:
        raise DecodeError(f"packet of pixels of version {version >> 5}: this program reads version {PIXELS_VERSION}")
    if not (1 <= count <= MAX_PACKETS and place < count):
        raise DecodeError(f"packet {place} of {count} of a picture: at most {MAX_PACKETS} are allowed")
    if place < count - 1 and len(packet) != PIECE_BYTES:
        raise DecodeError(f"packet {place} of {count} of a picture has only {len(packet)} bytes")
    return PixelPacket(number, reference, place, count, capture_ms, packet[HEAD.size :], bool(version & 1))


def later(a: int, b: int) -> int:
    """How many pictures a is after b, -32768 to 32767, of numbers modulo `NUMBERS`."""
    return (a - b + NUMBERS // 2) % NUMBERS - NUMBERS // 2


def pixel_wire_bytes(packets: list[bytes]) -> int:
    """Bytes on the wire of the packets of a picture, headers included."""
    return sum(wire_bytes(len(packet))[0] for packet in packets)
