"""What a hostile peer may send over its own connection is rejected and counted, and the call goes on."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from facewire.call.messages import (
    PROTOCOL_VERSION,
    Hello,
    MediaMessage,
    SourceHave,
    State,
    encode_control,
    encode_media,
)
from facewire.call.peer import CHANNELS, Channel, Peer, PeerOptions
from facewire.codec.pixels import cut_picture
from facewire.errors import DecodeError
from facewire.models.runtime import Networks

from .conftest import Call, make_ends, playout_of


async def running(call: Call, networks: Networks) -> Peer:
    """Starts a call from a to b and returns a's connection, for attacks."""
    call.start(a=make_ends(networks, video=True), b=make_ends(networks, shows=True))
    playout = playout_of(call.b)
    await call.until(lambda: playout.stats().frames > 5)
    current = call.a._connections.current
    assert current is not None
    return current.peer


async def goes_on(call: Call) -> None:
    playout = playout_of(call.b)
    before = playout.stats().frames
    await call.until(lambda: playout.stats().frames > before + 10)
    assert call.b.stats.connections == 1
    assert call.b.state == "connected"


async def test_garbage_on_every_channel_is_rejected(call: Call, networks: Networks) -> None:
    peer = await running(call, networks)
    for channel in CHANNELS:
        for size in (0, 1, 7, 300, 1100, 4097, 60_000):
            peer.send(channel, os.urandom(size))
        await asyncio.sleep(0.05)
    await goes_on(call)
    assert call.b.stats.refused["malformed"] >= 15


async def test_text_and_extra_channels_are_ignored(call: Call, networks: Networks) -> None:
    peer = await running(call, networks)
    peer._channels["control"].send("hello?")
    for number in range(5):
        more = peer._connection.createDataChannel(f"more {number}")
        more.on("open", lambda more=more: more.send(b"x" * 100))
    await goes_on(call)
    assert call.b._connections.current is not None
    assert call.b._connections.current.peer.strange == 1


async def test_well_formed_nonsense_is_rejected(call: Call, networks: Networks) -> None:
    peer = await running(call, networks)
    nonsense = [
        encode_media(
            MediaMessage(60_000, 4_000_000_000, None, (("motion", os.urandom(40)), ("sound", os.urandom(40))))
        ),
        encode_media(MediaMessage(60_001, 0, None, (("sound", b"\x00" * 1000),))),
        encode_media(MediaMessage(1, None, None, (("motion", b"\x20"),))),
    ]
    for message in nonsense:
        peer.send("media", message)
    for control in (State("paused", True, "live"), State("sending", False, "file"), SourceHave(b"whatever")):
        peer.send("control", encode_control(control))
    await goes_on(call)
    assert call.b.stats.refused.total() >= 1


async def test_repeated_messages_are_rejected(call: Call, networks: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = await running(call, networks)
    recorded: list[bytes] = []
    send = peer.send

    def recording(channel: Channel, data: bytes) -> bool:
        if channel == "media":
            recorded.append(data)
        return send(channel, data)

    monkeypatch.setattr(peer, "send", recording)
    await call.until(lambda: len(recorded) >= 5)
    for data in recorded[:5] * 3:
        send("media", data)
    await goes_on(call)
    assert call.b.stats.refused["repeated"] >= 15


async def test_camera_pictures_that_are_none_leave_motion_on_the_screen(call: Call, networks: Networks) -> None:
    peer = await running(call, networks)
    for number in range(20):
        for packet in cut_picture(os.urandom(3000), number, number % 3, 10 * number):
            peer.send("pixels", packet)
        await asyncio.sleep(0.02)
    await goes_on(call)
    assert playout_of(call.b).stats().camera_shown == 0
    assert playout_of(call.b).stats().camera_lost > 0


@pytest.mark.parametrize(
    "channel",
    [
        "media",
        pytest.param("source", marks=pytest.mark.slow),
        pytest.param("control", marks=pytest.mark.slow),
        pytest.param("pixels", marks=pytest.mark.slow),
    ],
)
async def test_flood_is_dropped(call: Call, networks: Networks, channel: Channel) -> None:
    peer = await running(call, networks)
    flood = {
        "media": encode_media(MediaMessage(7, None, None, (("motion", b"\x20" * 30),))),
        "source": b"x" * 50,
        "control": encode_control(State("sending", False, "live")),
        "pixels": cut_picture(b"x" * 900, 3, 1, 0)[0],
    }[channel]
    for _ in range(3000):
        peer.send(channel, flood)
    await call.until(lambda: call.b.stats.refused["flood"] > 100)
    await goes_on(call)


async def test_second_greeting_is_ignored(call: Call, networks: Networks) -> None:
    peer = await running(call, networks)
    bundle = networks.bundle
    hello = Hello(
        PROTOCOL_VERSION,
        1,
        bundle.hash,
        bundle.picture_size,
        25.0,
        b"somebody",
        b"",
        True,
        True,
        True,
        0,
        "Mallory",
        "",
        "",
    )
    peer.send("control", encode_control(hello))
    await goes_on(call)
    assert call.b.other.name != "Mallory"


async def test_malformed_signaling_is_rejected(call: Call, networks: Networks) -> None:
    await running(call, networks)
    payloads: list[dict[str, Any]] = [
        {},
        {"kind": "offer"},
        {"kind": "offer", "attempt": "x", "description": "v=0"},
        {"kind": "offer", "attempt": "x", "description": {"type": "offer", "sdp": "m=application " + "x" * 100}},
        {"kind": "offer", "attempt": "x" * 1000, "description": {}},
        {"kind": "answer", "attempt": "x", "description": {"sdp": 7}},
        {"kind": ["again"], "attempt": None},
        {"kind": "again", "attempt": ""},
    ]
    for payload in payloads:
        await call.point.a.send(payload)
    await goes_on(call)
    assert call.b.stats.refused["malformed"] >= 5


@pytest.mark.parametrize("description", [None, "v=0", {}, {"sdp": "v=0"}, {"sdp": "m=application\n" + "a" * 40_000}])
async def test_invalid_descriptions_raise_decode_error(description: object) -> None:
    peer = Peer(PeerOptions(), lambda channel, data: None, lambda: None, lambda: None)
    with pytest.raises(DecodeError):
        await peer.answer(description)
    await peer.close()
