"""Limits for each address and each connection. Pure: the time is passed in. Used by `server` and `connection`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from facewire.signaling.messages import MAX_MESSAGE_BYTES


@dataclass(frozen=True)
class Limits:
    """Limits of one server. The defaults are far above what calls need."""

    connections: int = 4000
    """WebSocket connections in total."""
    rooms: int = 1000
    """Rooms with a client on this server."""
    connections_per_address: int = 64
    """Simultaneous ones. Many people may share an address behind carrier-grade NAT."""
    connects_per_address_s: float = 4.0
    """New connections per second from one address, after a burst of `connect_burst`. Also slows down guessing of tokens."""
    connect_burst: int = 100
    messages_s: float = 20.0
    """Messages per second on one connection, pings and pongs included, after a burst of `message_burst`."""
    message_burst: int = 100
    bytes_s: float = 32 * 1024
    """Bytes per second on one connection, after a burst of `byte_burst`."""
    byte_burst: int = 4 * MAX_MESSAGE_BYTES
    waiting_bytes: int = 8 * MAX_MESSAGE_BYTES
    """Queued for one client; a client that lets more gather is disconnected."""
    join_timeout_s: float = 5.0
    """From connecting to the join message."""
    http_timeout_s: float | None = None
    """How long an HTTP connection may take that does not become a WebSocket; None for as long as for joining."""


@dataclass
class Bucket:
    """A token bucket: `rate` per second, at most `burst` at once."""

    rate: float
    burst: float
    level: float = field(init=False)
    """What could be taken at `time_s`."""
    time_s: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.level = self.burst

    def take(self, amount: float, now_s: float) -> bool:
        """Takes an amount if it is available; returns whether it was."""
        self.level = min(self.burst, self.level + (now_s - self.time_s) * self.rate)
        self.time_s = now_s
        if amount > self.level:
            return False
        self.level -= amount
        return True

    def is_full(self, now_s: float) -> bool:
        return self.level + (now_s - self.time_s) * self.rate >= self.burst


class Addresses:
    """Counts connections and limits their rate, for each network."""

    FORGET_ABOVE = 10_000
    """Networks remembered before the idle ones are forgotten."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[str, int] = {}
        self._buckets: dict[str, Bucket] = {}

    def enter(self, address: str, now_s: float) -> bool:
        """Whether an address may open one more connection now; if so, it is counted until `leave`."""
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


class AddressRates:
    """Limits how often each network may do something: `rate` times a second, after a burst."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: dict[str, Bucket] = {}

    def take(self, address: str, now_s: float) -> bool:
        """Whether an address may do it once more now."""
        if len(self._buckets) > Addresses.FORGET_ABOVE:
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if not bucket.is_full(now_s)}
        return self._buckets.setdefault(network_of(address), Bucket(self._rate, self._burst)).take(1, now_s)


def network_of(address: str) -> str:
    """The smallest network that one person controls: an IPv4 address, or the /64 of an IPv6 address."""
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
    """Whether a server listening on that host can be reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
