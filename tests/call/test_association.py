"""The bundling association on real sockets: overhead, loss, and counted traffic."""

from __future__ import annotations

import asyncio

from facewire.call.peer import Channel, Peer, PeerOptions
from facewire.call.traffic import CIPHERS
from facewire.call.webrtc.association import SEND_ALONE_AFTER_S

from .conftest import PATIENCE_S
from .relay import Impairment, Relay, Way


class Pair:
    """Two peers connected through a relay."""

    def __init__(self) -> None:
        self.relay = Relay()
        self.got: tuple[list[tuple[Channel, bytes]], list[tuple[Channel, bytes]]] = ([], [])
        self.opened = asyncio.Event(), asyncio.Event()
        self.a, self.b = (
            Peer(PeerOptions(), lambda *message, at=at: self.got[at].append(message), self.opened[at].set, lambda: None)
            for at in (0, 1)
        )

    async def open(self) -> None:
        offer = await self.a.offer()
        offer["sdp"] = await self.relay.stand_for("a", "one", offer["sdp"])
        answer = await self.b.answer(offer)
        answer["sdp"] = await self.relay.stand_for("b", "one", answer["sdp"])
        await self.a.accept(answer)
        async with asyncio.timeout(PATIENCE_S):
            for event in self.opened:
                await event.wait()

    async def heard(self, at: int, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.got[at]) < count:
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        await asyncio.gather(self.a.close(), self.b.close())
        self.relay.close()


async def test_acknowledgements_ride_with_media_without_extra_packets() -> None:
    pair = Pair()
    await pair.open()
    before = [peer.traffic.sent.wire_by_kind["transport"] for peer in (pair.a, pair.b)]
    for _ in range(20):
        pair.a.send("media", b"x" * 50)
        await asyncio.sleep(0.02)
        pair.b.send("media", b"y" * 50)
        await asyncio.sleep(0.02)
    await pair.heard(0, 20)
    await pair.heard(1, 20)
    after = [peer.traffic.sent.wire_by_kind["transport"] for peer in (pair.a, pair.b)]
    assert [late - early for late, early in zip(after, before, strict=True)] == [0, 0]
    await pair.close()


async def test_one_way_media_takes_few_acknowledgement_packets() -> None:
    pair = Pair()
    await pair.open()
    await asyncio.sleep(SEND_ALONE_AFTER_S)
    before = pair.relay.counts["ba"].datagrams
    for _ in range(40):
        pair.a.send("media", b"x" * 50)
        await asyncio.sleep(0.02)
    await pair.heard(1, 40)
    assert pair.relay.counts["ba"].datagrams - before <= 12
    await pair.close()


async def test_pieces_survive_loss_and_media_is_never_resent() -> None:
    pair = Pair()
    await pair.open()
    pair.relay.impairment = Impairment(loss=0.2, delay_ms=20)
    for number in range(20):
        pair.a.send("source", bytes([number]) * 1100)
        pair.a.send("media", bytes([number]) * 60)
        await asyncio.sleep(0.03)
    async with asyncio.timeout(PATIENCE_S):
        while sum(channel == "source" for channel, _ in pair.got[1]) < 20:
            await asyncio.sleep(0.02)
    pieces = [data[0] for channel, data in pair.got[1] if channel == "source"]
    media = [data[0] for channel, data in pair.got[1] if channel == "media"]
    assert sorted(pieces) == list(range(20))
    assert len(media) == len(set(media)) < 20
    await pair.close()


async def test_connection_opens_when_first_packets_are_lost() -> None:
    pair = Pair()
    pair.relay.chance.seed(5)
    pair.relay.impairment = Impairment(loss=0.2, delay_ms=20)
    await pair.open()
    await pair.close()


async def test_traffic_count_matches_the_relay() -> None:
    pair = Pair()
    await pair.open()
    for number in range(10):
        pair.a.send("media", bytes(20 * number + 1))
        pair.b.send("control", bytes(3))
    await pair.heard(0, 10)
    await pair.heard(1, 10)
    assert pair.a._connection.cipher == min(CIPHERS, key=CIPHERS.__getitem__)
    ways: list[tuple[Peer, Way]] = [(pair.a, "ab"), (pair.b, "ba")]
    async with asyncio.timeout(PATIENCE_S):  # the last acknowledgements are on their way
        for peer, way in ways:
            sent, counted = peer.traffic.sent, pair.relay.counts[way]
            while (sent.datagrams, sent.wire_bytes) != (counted.datagrams, counted.wire_bytes):
                await asyncio.sleep(0.02)
                sent = peer.traffic.sent
    await pair.close()
