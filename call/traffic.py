"""Traffic on the wire, counted by direction and kind.

`peer` counts datagrams where they enter and leave the sockets; `webrtc.association` says of each what it carried. `stats` shows
the sums.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

CIPHERS = {"ECDHE-ECDSA-CHACHA20-POLY1305": 29, "ECDHE-ECDSA-AES128-GCM-SHA256": 37}
"""Ciphers for DTLS 1.2, best first, and the bytes they add to a packet: header 13, tag 16, and with GCM a nonce of 8."""
IPV4_UDP_BYTES = 28
IPV6_UDP_BYTES = 48
TURN_CHANNEL_BYTES = 4
"""Header that a TURN channel adds to each datagram."""

KINDS = ("media", "source", "control", "pixels", "transport", "connection")
"""What datagrams carry: the four data channels, the SCTP association's own packets, ICE and DTLS."""


@dataclass
class Direction:
    """One way. Bytes on the wire are IP packets: payload, SCTP, DTLS, UDP and IP headers."""

    datagrams: int = 0
    wire_bytes: int = 0
    wire_by_kind: Counter[str] = field(default_factory=Counter)
    """For the channels and the association; `kinds` adds the rest."""
    payload_by_kind: Counter[str] = field(default_factory=Counter)
    """Bytes of messages, counted once however often they were sent."""
    messages: Counter[str] = field(default_factory=Counter)

    def datagram(self, size: int, header_bytes: int) -> None:
        """Counts a datagram of `size` bytes at the socket."""
        self.datagrams += 1
        self.wire_bytes += size + header_bytes

    def message(self, kind: str, size: int) -> None:
        self.messages[kind] += 1
        self.payload_by_kind[kind] += size

    def kinds(self) -> dict[str, int]:
        """Bytes on the wire by kind; the values add up to `wire_bytes`."""
        values = {kind: self.wire_by_kind[kind] for kind in KINDS[:-1]}
        return values | {KINDS[-1]: max(0, self.wire_bytes - sum(values.values()))}

    def add(self, other: Direction) -> None:
        """Adds another connection of the same call."""
        self.datagrams += other.datagrams
        self.wire_bytes += other.wire_bytes
        self.wire_by_kind.update(other.wire_by_kind)
        self.payload_by_kind.update(other.payload_by_kind)
        self.messages.update(other.messages)


@dataclass
class Traffic:
    """Both ways of one connection, or of all connections of a call."""

    sent: Direction = field(default_factory=Direction)
    received: Direction = field(default_factory=Direction)

    def add(self, other: Traffic) -> None:
        self.sent.add(other.sent)
        self.received.add(other.received)
