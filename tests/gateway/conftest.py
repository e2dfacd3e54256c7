"""Gateways on real sockets, browsers that are none, and guests with real media."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from facewire.gateway.networks import GatewayNetworks, load
from facewire.gateway.options import GatewayOptions
from facewire.gateway.server import Gateway
from facewire.signaling import inviting
from facewire.signaling.links import Link, read_link
from facewire.signaling.server import ServerOptions
from facewire.signaling.tokens import mint_for_inviting
from tests.call.conftest import voice
from tests.call.page_client import PageClient

__all__ = ["voice"]

SECRET = b"a secret for tests, of at least 32 bytes"
PATIENCE_S = 60.0

StartGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture(scope="session")
def loaded() -> GatewayNetworks:
    return load(None, "auto")


@pytest_asyncio.fixture
async def start(loaded: GatewayNetworks) -> AsyncIterator[StartGateway]:
    """Starts gateways on loopback; they are stopped at the end of the test."""
    gateways = []

    async def start_one(
        *, secret: bytes | None = None, redis_url: str | None = None, behind_proxy: bool = False, **options: Any
    ) -> Gateway:
        server = ServerOptions(port=0, secret=secret, redis_url=redis_url, behind_proxy=behind_proxy)
        gateway = Gateway(replace(GatewayOptions(SECRET, server, max_calls=4), **options), loaded)
        await gateway.start()
        gateways.append(gateway)
        return gateway

    yield start_one
    for gateway in gateways:
        await gateway.stop()


async def invited(gateway: Gateway, room: str = "kitchen", seconds: float = 60, *, reusable: bool = False) -> Link:
    permission = mint_for_inviting(SECRET)
    return await inviting.invite(gateway.url, permission, room, seconds, reusable=reusable)


class Browser:
    """A browser without a page. base: of the gateway."""

    def __init__(self, base: str) -> None:
        self.base = base

    async def __aenter__(self) -> Browser:
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, dict[str, Any]]:
        sent = {"data": body} if isinstance(body, bytes | str) else {"json": body}
        async with self.http.post(self.base + path, headers={"Origin": self.base} | headers, **sent) as response:
            if response.content_type != "application/json":
                return response.status, {"text": await response.text()}
            return response.status, await response.json()

    async def enter(self, link: Link | str) -> tuple[int, dict[str, Any]]:
        return await self.post("/j/enter", {"code": link if isinstance(link, str) else link.code})

    async def guest(self, link: Link) -> str:
        """Enters, and returns the guest's id."""
        status, answer = await self.enter(link)
        assert status == 200, answer
        return str(answer["guest"])

    async def socket(self, guest: str, tab: str = "", **headers: str) -> aiohttp.ClientWebSocketResponse:
        address = f"{self.base}/j/{guest}/ws?tab={tab}"
        return await self.http.ws_connect(address, headers={"Origin": self.base} | headers)

    async def status(self, path: str, **headers: str) -> int:
        async with self.http.get(self.base + path, headers=headers) as response:
            return response.status


class GuestClient(PageClient):
    """A guest's page without a browser: enters by a link, joins, and only then offers camera and microphone."""

    def __init__(self, link: Link, clip: Path, name: str = "Grace", server: Any = None) -> None:
        super().__init__(server, clip)
        self.link, self.name = link, name
        self.id = ""

    async def _open(self) -> aiohttp.ClientWebSocketResponse:
        base = self.link.gateway
        origin = {"Origin": base}
        async with self._browser.post(f"{base}/j/enter", json={"code": self.link.code}, headers=origin) as response:
            assert response.status == 200, await response.text()
            self.id = (await response.json())["guest"]
        return await self._browser.ws_connect(f"{base}/j/{self.id}/ws?tab=one", headers=origin)

    async def _offer(self) -> None:
        await self.until("phase", lambda message: message["phase"] == "lobby")
        await self.say(type="join", name=self.name)
        await self.until("phase", lambda message: message["phase"] == "call")
        await self.offer()

    async def offer(self) -> None:
        """Offers camera and microphone, once more if need be."""
        self.known.pop("answer", None)
        await super()._offer()

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self._browser.get(f"{self.link.gateway}/j/{path}") as response:
            return response.status, await response.read()


def link_of(text: str) -> Link:
    link = read_link(text)
    assert link is not None
    return link
