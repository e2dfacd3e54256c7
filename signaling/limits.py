"""How much one address and one connection may ask of the server. Pure: the clock is passed in. Used by `server`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from facewire.signaling.messages import MAX_MESSAGE_BYTES


@dataclass(frozen=True)
class Limits:
    """What the server bears; the defaults are far above what a call needs."""

    connections: int = 4000
    """WebSocket connections in all."""
    rooms: int = 1000
    """Rooms with somebody on this server."""
    connections_per_address: int = 64
    """At once. Many people may share an address behind carrier-grade NAT."""
    connects_per_address_s: float = 4.0
    """New connections a second from one address, after a burst of `connect_burst`; bounds the guessing of tokens, too."""
    connect_burst: int = 100
    messages_s: float = 20.0
    """Messages a second on one connection, pings and pongs among them, after a burst of `message_burst`."""
    message_burst: int = 100
    bytes_s: float = 32 * 1024
    """Bytes a second on one connection, after a burst of `byte_burst`."""
    byte_burst: int = 4 * MAX_MESSAGE_BYTES
    waiting_bytes: int = 8 * MAX_MESSAGE_BYTES
    """To a client that does not read: more, and it is disconnected."""
    join_timeout_s: float = 5.0
    """From the connection to its join message."""


@dataclass
class Bucket:
    """A token bucket: `rate` a second, at most `burst` at once."""

    rate: float
    burst: float
    level: float = field(init=False)
    """What may be taken at once, at `time_s`."""
    time_s: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.level = self.burst

    def take(self, amount: float, now_s: float) -> bool:
        """Whether that much may be taken now; if so, it is."""
        self.level = min(self.burst, self.level + (now_s - self.time_s) * self.rate)
        self.time_s = now_s
        if amount > self.level:
            return False
        self.level -= amount
        return True

    def is_full(self, now_s: float) -> bool:
        return self.level + (now_s - self.time_s) * self.rate >= self.burst


class Addresses:
    """Counts connections and their rate for each address; forgets addresses that have neither."""

    FORGET_ABOVE = 10_000
    """Addresses remembered before the idle ones are forgotten."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[str, int] = {}
        self._buckets: dict[str, Bucket] = {}

    def enter(self, address: str, now_s: float) -> bool:
        """Whether one more connection from that network may come now; if so, it is counted until `leave`."""
        network = network_of(address)
        if len(self._buckets) > self.FORGET_ABOVE:
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if not bucket.is_full(now_s)}
        bucket = self._buckets.setdefault(
            network, Bucket(self._limits.connects_per_address_s, self._limits.connect_burst)
        )
        if not bucket.take(1, now_s) or self._open.get(network, 0) >= self._limits.connections_per_address:
            return False
        self._open[network] = self._open.get(network, 0) + 1
        return True

    def leave(self, address: str) -> None:
        network = network_of(address)
        self._open[network] -= 1
        if not self._open[network]:
            del self._open[network]


def network_of(address: str) -> str:
    """What one person surely owns: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
