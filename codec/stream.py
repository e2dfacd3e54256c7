"""The `.fw` file: a source message and motion packets in records that reveal damage and truncation.

A recorder writes what `MotionEncoder` made; since nothing gets lost in a file, it acknowledges each packet at once and bundles
many frames. A player reads the file back and feeds `MotionDecoder`. These functions turn bytes into bytes; the caller opens the
file.

Layout: "FWIR", version (1 byte); then records of a kind (1 byte), a length (7 bits a byte, low bits first, the top bit
set on all but the last), the payload, and the CRC-32 of kind and payload (4 bytes, little endian). Kinds: "S" a source
message, before the packets that need it, and the first record of all; "M" a motion packet; "E" the end, whose payload is
the number of source messages, of packets and of frames, as lengths are written. The time base is the first source
message's: its frame rate, and milliseconds for all capture times.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from mmap import mmap

from facewire.codec.packets import MAX_PACKET_BYTES, frames_in
from facewire.codec.source import MAX_PICTURE_BYTES, SourceFrame, decode_source, encode_source
from facewire.errors import DecodeError

STREAM_VERSION = 2
STREAM_MAGIC = b"FWIR"
_MAX_RECORD_BYTES = MAX_PICTURE_BYTES + (1 << 16)
_CRC_BYTES = 4


@dataclass(frozen=True)
class Stream:
    """A whole `.fw` file.

    records: source frames and motion packets in the order in which they are needed; the first is a source frame.
    frames: how many frames all packets hold, repeated ones counted each time.
    """

    records: tuple[SourceFrame | bytes, ...]
    frames: int

    @property
    def sources(self) -> tuple[SourceFrame, ...]:
        """The source frames."""
        return tuple(record for record in self.records if isinstance(record, SourceFrame))

    @property
    def packets(self) -> tuple[bytes, ...]:
        """The motion packets."""
        return tuple(record for record in self.records if isinstance(record, bytes))


def write_stream(records: Iterable[SourceFrame | bytes]) -> bytes:
    """The bytes of a `.fw` file; DecodeError if a packet among the records is none, ValueError if no source frame is first."""
    parts = [STREAM_MAGIC, bytes([STREAM_VERSION])]
    sources = packets = frames = 0
    for record in records:
        if isinstance(record, SourceFrame):
            sources += 1
            parts.append(_record(b"S", encode_source(record)))
            continue
        if not sources:
            raise ValueError("a stream begins with a source frame")
        packets, frames = packets + 1, frames + frames_in(record)
        parts.append(_record(b"M", record))
    parts.append(_record(b"E", _number(sources) + _number(packets) + _number(frames)))
    return b"".join(parts)


def read_stream(data: bytes | mmap) -> Stream:
    """The inverse of `write_stream`. Of a mapped file, no more is read than is needed.

    Raises DecodeError, saying what is wrong, if it is damaged, truncated or not a `.fw` file. What is inside the packets is left to
    `MotionDecoder`.
    """
    if data[:4] != STREAM_MAGIC:
        raise DecodeError("this is not a facewire stream (a .fw file begins with FWIR)")
    if len(data) < 5 or data[4] != STREAM_VERSION:
        raise DecodeError(
            f"a stream of format version {data[4:5].hex() or 'none'}; this program reads {STREAM_VERSION}"
        )
    kind, payload, position = _next_record(data, 5)
    if kind != b"S":
        raise DecodeError(f"the stream begins with a record of kind {kind!r} instead of its source message")
    records: list[SourceFrame | bytes] = []
    sources = frames = 0
    while kind in (b"S", b"M"):
        if kind == b"S":
            records.append(decode_source(payload))
            sources += 1
        else:
            records.append(payload)
            frames += frames_in(payload)
        kind, payload, position = _next_record(data, position)
    if kind != b"E":
        raise DecodeError(f"a record of unknown kind {kind!r} after {len(records)} records")
    found = sources, len(records) - sources, frames
    announced, at = [], 0
    for _ in found:
        value, at = _read_number(payload, at)
        announced.append(value)
    if (*announced, at) != (*found, len(payload)):
        raise DecodeError(
            f"the stream holds {found[0]} source frames and {found[1]} packets with {found[2]} frames; its end record says "
            f"{announced[0]}, {announced[1]} and {announced[2]}"
        )
    if position != len(data):
        raise DecodeError(f"{len(data) - position} bytes follow the end of the stream")
    return Stream(tuple(records), frames)


def _record(kind: bytes, payload: bytes) -> bytes:
    checksum = zlib.crc32(payload, zlib.crc32(kind)).to_bytes(_CRC_BYTES, "little")
    return kind + _number(len(payload)) + payload + checksum


def _next_record(data: bytes | mmap, position: int) -> tuple[bytes, bytes, int]:
    """Kind, payload, and where the record ends."""
    if position >= len(data):
        raise DecodeError(f"the stream is cut off at byte {position}: its end record is missing")
    kind = data[position : position + 1]
    length, start = _read_number(data, position + 1)
    limit = MAX_PACKET_BYTES if kind == b"M" else _MAX_RECORD_BYTES
    if length > limit:
        raise DecodeError(f"the record at byte {position} claims {length} bytes; at most {limit} are allowed")
    end = start + length
    if end + _CRC_BYTES > len(data):
        raise DecodeError(f"the stream is cut off inside the record at byte {position}")
    payload = data[start:end]
    if zlib.crc32(payload, zlib.crc32(kind)) != int.from_bytes(data[end : end + _CRC_BYTES], "little"):
        raise DecodeError(f"the record at byte {position} is damaged: its checksum does not match")
    return kind, payload, end + _CRC_BYTES


def _number(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_number(data: bytes | mmap, position: int) -> tuple[int, int]:
    """A number and where it ends."""
    value = 0
    for index in range(5):
        if position + index >= len(data):
            raise DecodeError(f"the stream is cut off at byte {len(data)}, inside a length")
        byte = data[position + index]
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, position + index + 1
    raise DecodeError(f"damaged stream: the length at byte {position} does not end")
