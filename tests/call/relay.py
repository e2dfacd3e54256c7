"""A bad network in one process: a UDP relay between the two ends of a call, and the signaling that leads them to it.

Both sides use real sockets. Their signaling passes through `MeetingPoint`, which replaces their addresses by the relay's;
`Relay` then loses, delays, reorders and repeats their datagrams as `Impairment` says, and counts them.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from facewire.signaling.events import Event, Joined, PeerJoined, PeerLeft, Signal

HEADER_BYTES = 28
"""UDP and IPv4 headers."""
Way = Literal["ab", "ba"]
Address = tuple[str, int]


@dataclass
class Impairment:
    """What happens to datagrams in both directions; may be changed at any time."""

    loss: float = 0.0
    """Share lost, 0 to 1."""
    burst: float = 1.0
    """Average number of datagrams lost in a row."""
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Random delay added, from 0 to this; order is kept."""
    reordered: float = 0.0
    """Share delivered 60 ms late, behind others."""
    repeated: float = 0.0
    kbps: float | None = None
    """Capacity, headers included."""
    queue_ms: float = 500.0
    """Queue in front of the bottleneck; datagrams that do not fit are lost."""
    blackout: bool = False


@dataclass
class Count:
    """Datagrams and IP bytes that reached the relay, lost ones included."""

    datagrams: int = 0
    wire_bytes: int = 0
    lost: int = 0


@dataclass
class _Connection:
    """One attempt: the real addresses of the ends, and the sockets that stand for them."""

    real: dict[str, Address] = field(default_factory=dict)
    sockets: dict[str, asyncio.DatagramTransport] = field(default_factory=dict)


class _Socket(asyncio.DatagramProtocol):
    """Stands for one end: what arrives here is meant for it."""

    def __init__(self, relay: Relay, connection: _Connection, end: str) -> None:
        self.relay, self.connection, self.end = relay, connection, end

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.relay.carry(self.connection, "ba" if self.end == "a" else "ab", data)


class Relay:
    """The network between ends a and b."""

    def __init__(self, impairment: Impairment | None = None, seed: int = 0) -> None:
        self.impairment = impairment or Impairment()
        self.counts: dict[Way, Count] = {"ab": Count(), "ba": Count()}
        self._connections: dict[str, _Connection] = {}
        self.chance = random.Random(seed)
        self._losing: dict[Way, bool] = {"ab": False, "ba": False}
        self._free_at: dict[Way, float] = {"ab": 0.0, "ba": 0.0}
        self._last_at: dict[Way, float] = {"ab": 0.0, "ba": 0.0}

    async def stand_for(self, end: str, attempt: str, sdp: str) -> str:
        """The description with this relay's address in place of that end's own."""
        connection = self._connections.setdefault(attempt, _Connection())
        candidates = [line.split() for line in re.findall(r"a=candidate:.*", sdp)]
        host = next(c for c in candidates if c[2].lower() == "udp" and ":" not in c[4] and c[7] == "host")
        connection.real[end] = host[4], int(host[5])
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Socket(self, connection, end), local_addr=("127.0.0.1", 0)
        )
        connection.sockets[end] = transport
        port = transport.get_extra_info("sockname")[1]
        line = " ".join([*host[:4], "127.0.0.1", str(port), *host[6:8]])
        return re.sub(r"(a=candidate:.*\r?\n)+", line + "\r\n", sdp)

    def carry(self, connection: _Connection, way: Way, data: bytes) -> None:
        """Decides what happens to a datagram, and delivers it."""
        count, how, chance = self.counts[way], self.impairment, self.chance
        loop = asyncio.get_running_loop()
        count.datagrams += 1
        count.wire_bytes += len(data) + HEADER_BYTES
        if how.blackout or self._lose(way):
            count.lost += 1
            return
        now = loop.time()
        at = now
        if how.kbps is not None:
            at = max(now, self._free_at[way]) + 8 * (len(data) + HEADER_BYTES) / (1000 * how.kbps)
            if 1000 * (at - now) > how.queue_ms:
                count.lost += 1
                return
            self._free_at[way] = at
        at += (how.delay_ms + how.jitter_ms * chance.random()) / 1000
        if chance.random() < how.reordered:
            at += 0.06
        else:
            at = self._last_at[way] = max(at, self._last_at[way])
        for _ in range(1 + (chance.random() < how.repeated)):
            loop.call_at(at, self._deliver, connection, way, data)

    def _lose(self, way: Way) -> bool:
        """Whether to lose the next datagram: Gilbert's model, with bursts of the average length that make up the share."""
        how = self.impairment
        if how.burst <= 1:
            return self.chance.random() < how.loss
        leave = 1 / how.burst
        enter = min(1.0, how.loss * leave / max(1e-9, 1 - how.loss))
        change = leave if self._losing[way] else enter
        if self.chance.random() < change:
            self._losing[way] = not self._losing[way]
        return self._losing[way]

    def _deliver(self, connection: _Connection, way: Way, data: bytes) -> None:
        here, there = ("a", "b") if way == "ab" else ("b", "a")
        socket, address = connection.sockets.get(here), connection.real.get(there)
        if socket is not None and address is not None and not socket.is_closing():
            socket.sendto(data, address)

    def close(self) -> None:
        for connection in self._connections.values():
            for socket in connection.sockets.values():
                socket.close()


class MeetingPoint:
    """Signaling for two without a server: a makes the offers, b is polite."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.there = True
        """If False, nothing passes, as if the server were gone."""
        self.passed: list[dict[str, Any]] = []
        self.a, self.b = Line(self, "a"), Line(self, "b")

    async def carry(self, end: str, payload: dict[str, Any]) -> bool:
        if not self.there:
            return False
        description = payload.get("description")
        if isinstance(description, dict) and "a=candidate" in str(description.get("sdp")):
            sdp = await self.relay.stand_for(end, cast(str, payload["attempt"]), description["sdp"])
            payload = payload | {"description": description | {"sdp": sdp}}
        self.passed.append(payload)
        (self.b if end == "a" else self.a).tell(Signal(payload))
        return True


class Line:
    """One end's signaling, as a session takes it."""

    def __init__(self, point: MeetingPoint, end: str) -> None:
        self._point, self._end = point, end
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self.tell(Joined((), polite=end == "b", peer_id="other"))

    def tell(self, event: Event) -> None:
        self._events.put_nowait(event)

    async def send(self, payload: dict[str, object]) -> bool:
        return await self._point.carry(self._end, payload)

    def leave(self) -> None:
        """Tells the other end that this one's program died."""
        (self._point.b if self._end == "a" else self._point.a).tell(PeerLeft("other", "lost"))

    def come(self) -> None:
        (self._point.b if self._end == "a" else self._point.a).tell(PeerJoined("other"))

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            yield await self._events.get()
