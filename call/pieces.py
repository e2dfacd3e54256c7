"""Source messages cut into small pieces and put together again. In one piece they would hold up the motion behind them.

`outgoing` sends a piece every few milliseconds over the unordered, reliable channel, so they arrive in any order, each at
least once. A piece is the message's hash (8 bytes), its index (2) and the number of pieces (2), then up to 1088 bytes.
"""

from __future__ import annotations

import struct

from facewire.codec import source_hash
from facewire.codec.source import MAX_PICTURE_BYTES
from facewire.codec.wire import PIECE_BYTES
from facewire.errors import DecodeError

MAX_SOURCE_BYTES = MAX_PICTURE_BYTES + 16_384

_HEAD = struct.Struct("<8sHH")
_BODY_BYTES = PIECE_BYTES - _HEAD.size
MAX_PIECES = -(-MAX_SOURCE_BYTES // _BODY_BYTES)


def cut(data: bytes) -> list[bytes]:
    """The pieces of a source message; ValueError if it is empty or too large."""
    if not 1 <= len(data) <= MAX_SOURCE_BYTES:
        raise ValueError(f"source message of {len(data)} bytes: it must have 1 to {MAX_SOURCE_BYTES}")
    count = -(-len(data) // _BODY_BYTES)
    name = source_hash(data)
    return [
        _HEAD.pack(name, place, count) + data[place * _BODY_BYTES : (place + 1) * _BODY_BYTES] for place in range(count)
    ]


class Assembly:
    """Puts source messages together. Of those that are incomplete it keeps the newest two: a sender that starts another
    one has given up the one before, whose last pieces may still arrive.
    """

    def __init__(self) -> None:
        self._begun: dict[tuple[bytes, int], dict[int, bytes]] = {}
        self._done = b""

    def add(self, piece: bytes) -> bytes | None:
        """Adds a piece and returns the whole message if it was the last one missing. DecodeError for a bad piece."""
        if not _HEAD.size < len(piece) <= PIECE_BYTES:
            raise DecodeError(
                f"piece of a source frame with {len(piece)} bytes: it must have {_HEAD.size + 1} to {PIECE_BYTES}"
            )
        name, place, count = _HEAD.unpack_from(piece)
        if not (1 <= count <= MAX_PIECES and place < count):
            raise DecodeError(f"piece {place} of {count} of a source frame: at most {MAX_PIECES} are allowed")
        if place < count - 1 and len(piece) != PIECE_BYTES:
            raise DecodeError(f"piece {place} of {count} of a source frame has only {len(piece)} bytes")
        if name == self._done:
            return None
        key = name, count
        if key not in self._begun:
            for old in list(self._begun)[: len(self._begun) - 1]:
                del self._begun[old]
        bodies = self._begun.setdefault(key, {})
        bodies[place] = piece[_HEAD.size :]
        if len(bodies) < count:
            return None
        del self._begun[key]
        data = b"".join(bodies[place] for place in range(count))
        if source_hash(data) != name:
            raise DecodeError("source frame does not match its hash")
        self._done = name
        return data
