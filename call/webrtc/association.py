"""An SCTP association that sends fewer packets than aiortc's and opens on bad links. Used by `connection`.

aiortc acknowledges every message in a packet of its own (85 bytes and more), sends one chunk per packet, and repeats a lost INIT
with a tag that the other side must refuse. `BundlingAssociation` piggybacks acknowledgements and FORWARD-TSN chunks on packets
with data, sends them alone only when too many have gathered or waited too long, and repeats INIT as the standard says. All of this
is within RFC 9260, so the other side may be any WebRTC implementation.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import cast

from aiortc import RTCDtlsTransport
from aiortc.rtcsctptransport import (
    SCTP_MAX_PACKET_LENGTH,
    USERDATA_MAX_LENGTH,
    Chunk,
    DataChunk,
    ForwardTsnChunk,
    InitChunk,
    RTCSctpTransport,
    SackChunk,
    serialize_packet,
)

from facewire.call.traffic import CIPHERS, Traffic

PIGGYBACK_AFTER_PACKETS = 3
"""Unacknowledged packets before an acknowledgement is piggybacked; each one costs 20 bytes."""
SEND_ALONE_AFTER_PACKETS = 5
SEND_ALONE_AFTER_BYTES = 1000
"""Of data. A piece of a source frame is acknowledged at once, so that the next ones can follow."""
SEND_ALONE_AFTER_S = 0.5
"""Well below the sender's shortest retransmission timeout, 1 s."""
GAP_ALONE_AFTER_S = 0.1
"""Instead of `SEND_ALONE_AFTER_S` when a packet is missing or a FORWARD-TSN is pending."""
INITIAL_RTO_S = 1.0
"""As in RFC 9260. aiortc waits three times as long before it repeats the first packet."""
MIN_WINDOW_BYTES = 4 * USERDATA_MAX_LENGTH
"""The congestion window never shrinks below this. `rate` reduces what is sent; a window of one packet would only make live media
wait for a timeout."""

_SCTP_HEADER_BYTES = 12


class _Chunks(Chunk):
    """Several chunks in one packet."""

    def __init__(self, chunks: list[Chunk]) -> None:
        super().__init__()
        self.chunks = chunks

    def __bytes__(self) -> bytes:
        return b"".join(bytes(chunk) for chunk in self.chunks)


class BundlingAssociation(RTCSctpTransport):
    """An association that bundles chunks.

    dtls: what carries its packets. traffic: where packets are counted. kind_of_stream: what each stream of data is for.
    header_bytes: UDP and IP headers around each datagram of the path in use.
    """

    def __init__(
        self,
        dtls: RTCDtlsTransport,
        traffic: Traffic,
        kind_of_stream: dict[int, str],
        header_bytes: Callable[[], int],
    ) -> None:
        super().__init__(dtls)
        self._rto = INITIAL_RTO_S
        self._traffic, self._kind_of_stream, self._header_bytes = traffic, kind_of_stream, header_bytes
        self._waiting_packets = self._waiting_bytes = 0
        self._forward: ForwardTsnChunk | None = None
        self._pending_timer: asyncio.TimerHandle | None = None

    @property
    def queued(self) -> int:
        """Messages and parts of messages not yet sent for the first time."""
        return len(self._outbound_queue) + len(self._data_channel_queue)

    @property
    def cipher(self) -> str | None:
        """The cipher in use, one of `traffic.CIPHERS`; None before the DTLS handshake."""
        tls = self.transport._ssl
        return tls.get_cipher_name() if tls is not None else None

    @property
    def in_flight(self) -> int:
        """Bytes sent that are neither acknowledged nor abandoned."""
        return self._flight_size

    async def _handle_data(self, data: bytes) -> None:
        self._count(self._traffic.received.wire_by_kind, data)
        await super()._handle_data(data)

    async def _receive_data_chunk(self, chunk: DataChunk) -> None:
        self._waiting_bytes += len(chunk.user_data)
        await super()._receive_data_chunk(chunk)

    async def _send_sack(self) -> None:
        """Called by aiortc after each packet with data."""
        self._waiting_packets += 1
        if self._waiting_packets >= SEND_ALONE_AFTER_PACKETS or self._waiting_bytes >= SEND_ALONE_AFTER_BYTES:
            await self._send_pending()
        else:
            self._send_within(
                GAP_ALONE_AFTER_S if self._sack_misordered or self._sack_duplicates else SEND_ALONE_AFTER_S
            )

    async def _send_chunk(self, chunk: Chunk) -> None:
        if isinstance(chunk, ForwardTsnChunk):
            self._forward = chunk
            self._send_within(GAP_ALONE_AFTER_S)
        elif isinstance(chunk, DataChunk):
            pending: list[Chunk] = []
            if self._waiting_packets >= PIGGYBACK_AFTER_PACKETS or self._sack_misordered or self._forward is not None:
                pending = self._take_pending()
            length = _SCTP_HEADER_BYTES + len(bytes(_Chunks([*pending, chunk])))
            if length > SCTP_MAX_PACKET_LENGTH:
                await self._send_packet(pending)
                pending = []
            await self._send_packet([*pending, chunk])
        else:
            await self._send_packet([chunk])

    def _t3_expired(self) -> None:
        super()._t3_expired()
        self._cwnd = max(self._cwnd, MIN_WINDOW_BYTES)

    def _set_state(self, state: RTCSctpTransport.State) -> None:
        super()._set_state(state)
        if state == self.State.CLOSED and self._pending_timer is not None:
            self._pending_timer.cancel()
            self._pending_timer = None

    # --- pending chunks

    def _send_within(self, seconds: float) -> None:
        """Sends pending chunks alone after that time, unless a packet with data takes them along before."""
        loop = asyncio.get_running_loop()
        if self._pending_timer is not None:
            if self._pending_timer.when() <= loop.time() + seconds:
                return
            self._pending_timer.cancel()
        self._pending_timer = loop.call_later(seconds, lambda: asyncio.ensure_future(self._send_pending()))

    def _take_pending(self) -> list[Chunk]:
        """Takes the pending chunks, the acknowledgement first, as the standard requires."""
        pending: list[Chunk] = []
        if self._waiting_packets:
            pending.append(self._sack())
        if self._forward is not None:
            pending.append(self._forward)
        self._waiting_packets = self._waiting_bytes = 0
        self._forward = None
        if self._pending_timer is not None:
            self._pending_timer.cancel()
            self._pending_timer = None
        return pending

    async def _send_pending(self) -> None:
        self._pending_timer = None
        if pending := self._take_pending():
            await self._send_packet(pending)

    def _sack(self) -> SackChunk:
        sack = SackChunk()
        assert self._last_received_tsn is not None
        sack.cumulative_tsn = self._last_received_tsn
        sack.advertised_rwnd = max(0, self._advertised_rwnd)
        offsets = sorted((tsn - self._last_received_tsn) % (1 << 32) for tsn in self._sack_misordered)
        for offset in offsets:
            if sack.gaps and sack.gaps[-1][1] == offset - 1:
                sack.gaps[-1] = (sack.gaps[-1][0], offset)
            else:
                sack.gaps.append((offset, offset))
        sack.duplicates = self._sack_duplicates[:]
        self._sack_duplicates.clear()
        self._sack_needed = False
        return sack

    async def _send_packet(self, chunks: list[Chunk]) -> None:
        tag = 0 if isinstance(chunks[0], InitChunk) else self._remote_verification_tag
        data = serialize_packet(self._local_port, cast(int, self._remote_port), tag, _Chunks(chunks))
        with contextlib.suppress(ConnectionError):  # the path is gone: to SCTP this is a lost packet
            await self.transport._send_data(data)
            self._count(self._traffic.sent.wire_by_kind, data)

    def _count(self, counter: dict[str, int], packet: bytes) -> None:
        """Counts a packet under the kind of its first DATA chunk."""
        kind = "transport"
        position = _SCTP_HEADER_BYTES
        while position + 8 <= len(packet):
            length = int.from_bytes(packet[position + 2 : position + 4], "big")
            if packet[position] == DataChunk.type and position + 10 <= len(packet):
                kind = self._kind_of_stream.get(int.from_bytes(packet[position + 8 : position + 10], "big"), kind)
                break
            position += max(4, (length + 3) // 4 * 4)
        counter[kind] += len(packet) + CIPHERS.get(self.cipher or "", max(CIPHERS.values())) + self._header_bytes()
