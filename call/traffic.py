"""What goes over the wire, counted by direction and kind.

`peer` counts datagrams where they enter and leave the sockets; `webrtc.association` says of each what it carried. `stats` shows
the sums.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

CIPHERS = {"ECDHE-ECDSA-CHACHA20-POLY1305": 29, "ECDHE-ECDSA-AES128-GCM-SHA256": 37}
"""What DTLS 1.2 may be encrypted with, best first, and what it adds to a packet: header 13, tag 16, and with GCM a nonce of 8."""
IPV4_UDP_BYTES = 28
IPV6_UDP_BYTES = 48
TURN_CHANNEL_BYTES = 4
"""Header that a TURN server's channel adds to each datagram."""

KINDS = ("media", "source", "control", "transport", "connection")
"""What a datagram is for: the three data channels; the association's own packets; ICE and DTLS."""


@dataclass
class Direction:
    """One way. Bytes on the wire are IP packets: payload, SCTP, DTLS, UDP and IP headers."""

    datagrams: int = 0
    wire_bytes: int = 0
    wire_by_kind: Counter[str] = field(default_factory=Counter)
    """Of the channels and the association; see `kinds` for the rest."""
    payload_by_kind: Counter[str] = field(default_factory=Counter)
    """Bytes of messages, once each, however often they were sent."""
    messages: Counter[str] = field(default_factory=Counter)

    def datagram(self, size: int, header_bytes: int) -> None:
        """A datagram of that many bytes passed the socket."""
        self.datagrams += 1
        self.wire_bytes += size + header_bytes

    def message(self, kind: str, size: int) -> None:
        self.messages[kind] += 1
        self.payload_by_kind[kind] += size

    def kinds(self) -> dict[str, int]:
        """Bytes on the wire by kind; they add up to `wire_bytes`."""
        values = {kind: self.wire_by_kind[kind] for kind in KINDS[:-1]}
        return values | {KINDS[-1]: max(0, self.wire_bytes - sum(values.values()))}

    def add(self, other: Direction) -> None:
        """Adds what another connection of the same call carried."""
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
