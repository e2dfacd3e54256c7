"""The source message: everything the receiver needs once, before motion alone is enough.

`sender` builds a `SourceFrame` from the picture and what the networks found in it, sends the bytes in small pieces, and
`receiver` turns them back and hands picture, canonical code and motion to its networks. A new one replaces the last at
any time.

Layout, little endian: "FWSF", version (1 byte), bundle hash (8), picture side (2), frame rate in mHz (4), picture
format (1), capture time in ms (8), number of canonical values (2), number of motion values (2), length of the picture
(4); canonical values (2 each), motion units (4 each), picture; CRC-32 of all that (4).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facewire.codec.motion import FIXED_SIZE
from facewire.codec.quantiser import MAX_UNITS
from facewire.errors import DecodeError

SOURCE_VERSION = 1
BUNDLE_HASH_BYTES = 8
SOURCE_HASH_BYTES = 8
MAX_PICTURE_SIDE = 4096
MAX_PICTURE_BYTES = 1 << 20
MAX_CANONICAL_SIZE = 4096
MAX_MOTION_SIZE = 255

PICTURE_FORMATS = ("webp", "avif", "jpeg", "png")
"""Codecs of the source picture, by their number on the wire."""

_MAGIC = b"FWSF"
_HEAD = struct.Struct("<4sB8sHIBQHHI")
_CRC = struct.Struct("<I")


@dataclass(frozen=True)
class SourceFrame:
    """The source frame and what goes with it.

    bundle_hash: 8 bytes, of the weight bundle both sides must have.
    side: height and width of the picture square in pixels, 1 to 4096.
    frame_rate: nominal frames a second of the motion that follows, 0.1 to 1000; kept to a thousandth.
    picture_format: one of `PICTURE_FORMATS`.
    picture: the encoded picture, 1 byte to 1 MiB, not looked into.
    canonical: int16 (C,), the canonical keypoint code in quanta of the bundle's step.
    motion_units: int32 (14 + E,), the source frame's own motion, by `Quantiser.quantise` with the finest preset.
    capture_time_ms: the sender's clock, 0 to 2^48 - 1.
    """

    bundle_hash: bytes
    side: int
    frame_rate: float
    picture_format: str
    picture: bytes
    canonical: NDArray[np.int16]
    motion_units: NDArray[np.int32]
    capture_time_ms: int


def encode_source(source: SourceFrame) -> bytes:
    """A source message; ValueError naming the field that is out of bounds."""
    if source.picture_format not in PICTURE_FORMATS:
        raise ValueError(f"the picture format is one of {', '.join(PICTURE_FORMATS)}, not {source.picture_format!r}")
    for name in ("canonical", "motion_units"):
        if not np.issubdtype(getattr(source, name).dtype, np.integer) or getattr(source, name).ndim != 1:
            raise ValueError(f"{name} of a source frame must be a row of integers")
    canonical, units = source.canonical.astype("<i2"), source.motion_units.astype("<i4")
    if (canonical != source.canonical).any():
        raise ValueError("canonical of a source frame must fit 16 bits a number")
    fields = (
        round(source.frame_rate * 1000),
        source.side,
        len(source.picture),
        canonical.size,
        units.size,
        source.capture_time_ms,
    )
    problem = _problem(*fields) or _units_problem(units)
    if len(source.bundle_hash) != BUNDLE_HASH_BYTES:
        problem = f"a bundle hash of {len(source.bundle_hash)} bytes instead of {BUNDLE_HASH_BYTES}"
    if problem:
        raise ValueError(f"a source frame cannot have {problem}")
    head = _HEAD.pack(
        _MAGIC,
        SOURCE_VERSION,
        source.bundle_hash,
        source.side,
        fields[0],
        PICTURE_FORMATS.index(source.picture_format),
        source.capture_time_ms,
        canonical.size,
        units.size,
        len(source.picture),
    )
    body = b"".join([head, canonical.tobytes(), units.tobytes(), source.picture])
    return body + _CRC.pack(zlib.crc32(body))


def decode_source(data: bytes) -> SourceFrame:
    """The inverse of `encode_source`; DecodeError for bytes that are damaged, of another version or something else."""
    if len(data) < 5 or data[:4] != _MAGIC:
        raise DecodeError("this is not a facewire source message")
    if data[4] != SOURCE_VERSION:
        raise DecodeError(f"a source message of format version {data[4]}; this program reads {SOURCE_VERSION}")
    if len(data) < _HEAD.size + _CRC.size:
        raise DecodeError(f"a source message cut off after {len(data)} bytes")
    _, _, bundle_hash, side, millihertz, picture_format, time_ms, canonical_size, units_size, length = (
        _HEAD.unpack_from(data)
    )
    problem = _problem(millihertz, side, length, canonical_size, units_size, time_ms)
    if problem or picture_format >= len(PICTURE_FORMATS):
        raise DecodeError(f"a source message with {problem or f'picture format {picture_format}, which is unknown'}")
    expected = _HEAD.size + 2 * canonical_size + 4 * units_size + length + _CRC.size
    if len(data) != expected:
        raise DecodeError(f"a source message of {len(data)} bytes, where {expected} were announced")
    if _CRC.unpack(data[-_CRC.size :])[0] != zlib.crc32(data[: -_CRC.size]):
        raise DecodeError("a source message whose checksum does not match: it was damaged on the way")
    units_start = _HEAD.size + 2 * canonical_size
    picture_start = units_start + 4 * units_size
    units = np.frombuffer(data[units_start:picture_start], "<i4").astype(np.int32)
    if problem := _units_problem(units):
        raise DecodeError(f"a source message with {problem}")
    return SourceFrame(
        bundle_hash,
        side,
        millihertz / 1000,
        PICTURE_FORMATS[picture_format],
        data[picture_start : -_CRC.size],
        np.frombuffer(data[_HEAD.size : units_start], "<i2").astype(np.int16),
        units,
        time_ms,
    )


def source_hash(data: bytes) -> bytes:
    """8 bytes that name a source message: by them two sides find out that one still has the other's."""
    return hashlib.sha256(data).digest()[:SOURCE_HASH_BYTES]


def _problem(millihertz: int, side: int, length: int, canonical_size: int, units_size: int, time_ms: int) -> str:
    """What is out of bounds, in words; empty if nothing is."""
    bounds = (
        (millihertz, 100, 1_000_000, "frame rate of {} mHz"),
        (side, 1, MAX_PICTURE_SIDE, "picture {} pixels wide"),
        (length, 1, MAX_PICTURE_BYTES, "picture of {} bytes"),
        (canonical_size, 0, MAX_CANONICAL_SIZE, "canonical code of {} numbers"),
        (units_size, FIXED_SIZE, MAX_MOTION_SIZE, "motion of {} numbers"),
        (time_ms, 0, (1 << 48) - 1, "capture time of {} ms"),
    )
    for value, low, high, words in bounds:
        if not low <= value <= high:
            return f"a {words.format(value)} ({low} to {high} is possible)"
    return ""


def _units_problem(units: NDArray[np.int32]) -> str:
    beyond = units[(units > MAX_UNITS) | (units < -MAX_UNITS)]
    return f"a motion value of {beyond[0]} units (±{MAX_UNITS} is possible)" if beyond.size else ""
