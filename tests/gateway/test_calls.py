"""A guest and a program talk to each other through a gateway: real media, real sockets, no browser."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from PIL import Image

from facewire.call.badge import stamp
from facewire.call.options import CallOptions, SessionOptions
from facewire.call.session import Session
from facewire.models.runtime import Networks
from facewire.signaling import SignalingClient, inviting
from facewire.signaling.links import Link
from facewire.signaling.tokens import mint
from tests.call.conftest import Notices, make_ends, playout_of
from tests.call.page_client import PageClient
from tests.call.test_page_call import Program
from tests.signaling.conftest import RedisServer, redis  # noqa: F401

from .conftest import PATIENCE_S, SECRET, GuestClient, StartGateway, invited, link_of


async def test_guest_and_program_see_and_hear_each_other(
    start: StartGateway,
    networks: Networks,
    carphone: Path,
    voice: Path,
) -> None:
    gateway = await start()
    listener = Notices()
    ends = make_ends(networks, video=True, sound=voice, shows=True)
    async with (
        SignalingClient(gateway.url, "kitchen", name="Ada") as client,
        GuestClient(await invited(gateway), carphone) as guest,
    ):
        session = Session(client, networks.bundle, ends, SessionOptions(name="Ada"), listener)
        running = asyncio.create_task(session.run())
        call = await guest.until("call", lambda message: message["other"] and message["other"]["shown"])
        assert call["other"]["name"] == "Ada"
        source = await guest.until("source other", lambda message: message["picture"] == "file")
        status, png = await guest.get(source["url"])
        assert (status, Image.open(io.BytesIO(png)).size) == (200, (256, 256))
        words = await guest.until("safety", lambda message: message["words"])
        async with asyncio.timeout(PATIENCE_S):
            while not (guest.pictures > 5 and guest.loudest > 500):
                await asyncio.sleep(0.05)
            while not playout_of(session).stats().shown:
                await asyncio.sleep(0.05)
        assert session.other.name == "Grace"
        assert session.other.through == "127.0.0.1"
        assert any("goes through 127.0.0.1" in text for text in listener.texts)
        assert session.other.state is not None
        assert session.other.state.picture == "live"
        assert len(words["words"]) == 6

        session.tell_recording("ask")
        asked = await guest.until("recording", lambda message: message["there"] == "asking")
        assert asked["here"] == "off"
        await guest.say(type="consent", allow=True)
        await guest.say(type="microphone", on=False)
        async with asyncio.timeout(PATIENCE_S):
            while not session.other.state.muted:
                await asyncio.sleep(0.05)

        session.end()
        ended = await guest.until("phase", lambda message: message["phase"] == "ended")
        assert ended["code"] in ("other-left", "other-ended")
        await asyncio.wait_for(running, PATIENCE_S)


@pytest.mark.parametrize("secret", [pytest.param(None, marks=pytest.mark.slow), SECRET])
async def test_the_page_of_a_program_makes_links(
    start: StartGateway, tmp_path: Path, carphone: Path, secret: bytes | None
) -> None:
    gateway = await start(secret=secret)
    token = mint(SECRET, "kitchen", 60) if secret is not None else None
    wanted = CallOptions(gateway.url, "kitchen", token, threads=1)
    async with Program(tmp_path, wanted) as server, PageClient(server, carphone) as page:
        assert (await page.until("invitation", bool))["link"] is None
        await page.say(type="invite")
        made = await page.until("invitation", lambda message: message["link"])
        assert (await inviting.use(link_of(made["link"]))).room == "kitchen"


@pytest.mark.slow
async def test_two_guests_of_one_room_see_each_other(start: StartGateway, carphone: Path) -> None:
    gateway = await start()
    link = await invited(gateway, reusable=True)
    async with GuestClient(link, carphone, "Ada") as ada, GuestClient(link, carphone, "Grace") as grace:
        for guest, other in ((ada, "Grace"), (grace, "Ada")):
            call = await guest.until("call", lambda message: message["other"] and message["other"]["shown"])
            assert call["other"]["name"] == other
            assert call["other"]["through"] == "127.0.0.1"
        assert gateway.guests.calls == 2


@pytest.mark.slow
async def test_a_call_survives_a_new_connection_of_the_guest(
    start: StartGateway, networks: Networks, carphone: Path
) -> None:
    """The guest's page lost its network and comes back over another: its own leg is new, the call with the program is not."""
    gateway = await start()
    ends = make_ends(networks, video=True, shows=True)
    link = await invited(gateway)
    async with SignalingClient(gateway.url, "kitchen") as client, GuestClient(link, carphone) as guest:
        session = Session(client, networks.bundle, ends)
        running = asyncio.create_task(session.run())
        await guest.until("call", lambda message: message["other"] and message["other"]["shown"])
        origin = {"Origin": gateway.url}
        guest._socket = await guest._browser.ws_connect(f"{gateway.url}/j/{guest.id}/ws?tab=one", headers=origin)
        guest._tasks.append(asyncio.create_task(guest._read()))
        guest.known.clear()
        await guest.say(type="hello", version=1)
        call = await guest.until("call", lambda message: message["other"])
        assert call["state"] == "connected"
        guest._connection = RTCPeerConnection(RTCConfiguration([]))
        guest.pictures = 0
        await guest.offer()
        async with asyncio.timeout(PATIENCE_S):
            while guest.pictures < 5 or session.other.state is None or session.other.state.camera != "sending":
                await asyncio.sleep(0.05)
        assert session.stats.connections == 1
        session.end()
        await asyncio.wait_for(running, PATIENCE_S)


@pytest.mark.slow
async def test_a_guest_of_one_gateway_meets_a_program_of_another(
    start: StartGateway,
    networks: Networks,
    carphone: Path,
    redis: RedisServer,  # noqa: F811
) -> None:
    one, two = await start(redis_url=redis.url), await start(redis_url=redis.url)
    link = Link(two.url, (await invited(one)).code)  # made at one, opened at the other
    ends = make_ends(networks, video=True, shows=True)
    async with SignalingClient(one.url, "kitchen") as client, GuestClient(link, carphone) as guest:
        session = Session(client, networks.bundle, ends)
        running = asyncio.create_task(session.run())
        await guest.until("call", lambda message: message["other"] and message["other"]["shown"])
        async with asyncio.timeout(PATIENCE_S):
            while not playout_of(session).stats().shown:
                await asyncio.sleep(0.05)
        assert (one.guests.calls, two.guests.calls) == (0, 1)
        session.end()
        await asyncio.wait_for(running, PATIENCE_S)


def test_the_mark_of_guests_pictures_is_at_the_top() -> None:
    """Since the page has the other person's name at the bottom."""
    grey = np.full((256, 256, 3), 128, np.uint8)
    marked = stamp(grey, top=True)
    assert (marked[:20, :150] != 128).mean() > 0.5
    assert (marked[30:] == 128).all()
