"""The source message: everything the receiver needs once, so that motion alone is enough from then on.

`sender` builds a `SourceFrame` from the picture and what the networks found in it; `receiver` decodes it and passes picture,
canonical code and motion to its networks. A new source message may replace the last at any time.

Layout, little endian: "FWSF", version (1 byte), number (1), bundle hash (8), picture side (2), frame rate in mHz (4), picture
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

SOURCE_VERSION = 2
BUNDLE_HASH_BYTES = 8
SOURCE_HASH_BYTES = 8
DEFAULT_SOURCES, MAX_SOURCES = 6, 8
"""Source frames that a sender has in use at a time, by default and at most."""
MAX_PICTURE_SIDE = 4096
MAX_SOURCE_NUMBER = 255
"""A number may come again for another source frame; it then takes the place of the first."""
MAX_PICTURE_BYTES = 1 << 20
MAX_CANONICAL_SIZE = 4096
MAX_MOTION_SIZE = 255

PICTURE_FORMATS = ("webp", "avif", "jpeg", "png")
"""Formats of the source picture; their positions are their numbers on the wire."""

_MAGIC = b"FWSF"
_HEAD = struct.Struct("<4sBB8sHIBQHHI")
_CRC = struct.Struct("<I")


@dataclass(frozen=True)
class SourceFrame:
    """The contents of a source message."""

    bundle_hash: bytes
    """8 bytes of the weight bundle that both sides must have."""
    side: int
    """Height and width of the square picture in pixels, 1 to 4096."""
    frame_rate: float
    """Nominal frames per second of the motion that follows, 0.1 to 1000, rounded to a thousandth."""
    picture_format: str
    """One of `PICTURE_FORMATS`."""
    picture: bytes
    """The encoded picture, 1 byte to 1 MiB. It is not examined here."""
    canonical: NDArray[np.int16]
    """int16 (C,), the canonical keypoint code in quanta of the bundle's step."""
    motion_units: NDArray[np.int32]
    """int32 (14 + E,), the picture's own motion, from `Quantiser.quantise` with the first preset."""
    capture_time_ms: int
    """On the sender's clock, 0 to 2^48 - 1."""
    number: int = 0
    """By which frames name it, 0 to 255."""


def encode_source(source: SourceFrame) -> bytes:
    """Encodes a source message. Raises ValueError, naming the field, if one is out of bounds."""
    if source.picture_format not in PICTURE_FORMATS:
        raise ValueError(
            f"the picture format must be one of {', '.join(PICTURE_FORMATS)}, not {source.picture_format!r}"
        )
    for name in ("canonical", "motion_units"):
        if not np.issubdtype(getattr(source, name).dtype, np.integer) or getattr(source, name).ndim != 1:
            raise ValueError(f"{name} of a source frame must be a row of integers")
    canonical, units = source.canonical.astype("<i2"), source.motion_units.astype("<i4")
    if (canonical != source.canonical).any():
        raise ValueError("canonical of a source frame must fit into 16-bit integers")
    fields = (
        round(source.frame_rate * 1000),
        source.side,
        len(source.picture),
        canonical.size,
        units.size,
        source.capture_time_ms,
    )
    problem = _problem(*fields) or _units_problem(units)
    if not 0 <= source.number <= MAX_SOURCE_NUMBER:
        problem = f"the number {source.number} (0 to {MAX_SOURCE_NUMBER} is possible)"
    if len(source.bundle_hash) != BUNDLE_HASH_BYTES:
        problem = f"a bundle hash of {len(source.bundle_hash)} bytes instead of {BUNDLE_HASH_BYTES}"
    if problem:
        raise ValueError(f"a source frame cannot have {problem}")
    head = _HEAD.pack(
        _MAGIC,
        SOURCE_VERSION,
        source.number,
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
    """The inverse of `encode_source`. Raises DecodeError if the bytes are damaged, of another version or something else."""
    if len(data) < 5 or data[:4] != _MAGIC:
        raise DecodeError("this is not a facewire source message")
    if data[4] != SOURCE_VERSION:
        raise DecodeError(f"a source message of format version {data[4]}; this program reads {SOURCE_VERSION}")
    if len(data) < _HEAD.size + _CRC.size:
        raise DecodeError(f"a source message cut off after {len(data)} bytes")
    _, _, number, bundle_hash, side, millihertz, picture_format, time_ms, canonical_size, units_size, length = (
        _HEAD.unpack_from(data)
    )
    problem = _problem(millihertz, side, length, canonical_size, units_size, time_ms)
    if problem or picture_format >= len(PICTURE_FORMATS):
        raise DecodeError(f"a source message with {problem or f'picture format {picture_format}, which is unknown'}")
    expected = _HEAD.size + 2 * canonical_size + 4 * units_size + length + _CRC.size
    if len(data) != expected:
        raise DecodeError(f"a source message of {len(data)} bytes; its header announces {expected}")
    if _CRC.unpack(data[-_CRC.size :])[0] != zlib.crc32(data[: -_CRC.size]):
        raise DecodeError("a damaged source message: its checksum does not match")
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
        number,
    )


def source_hash(data: bytes) -> bytes:
    """8 bytes that identify a source message, so that two sides can tell whether one still has the other's."""
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
            return f"a {words.format(value)} (it must be {low} to {high})"
    return ""


def _units_problem(units: NDArray[np.int32]) -> str:
    beyond = units[(units > MAX_UNITS) | (units < -MAX_UNITS)]
    return f"a motion value of {beyond[0]} units (it must be within ±{MAX_UNITS})" if beyond.size else ""
