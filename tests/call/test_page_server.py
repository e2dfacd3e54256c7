"""The page's server lets in one tab of one browser and nobody else, and explains every refusal."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from facewire.call.page_http import ANOTHER_TAB, ANOTHER_VERSION, ENDED, PageHandler, Send
from facewire.call.page_messages import PageMessage, Quit
from facewire.call.page_server import PageServer
from facewire.errors import InputError
from tests.signaling.conftest import free_port

HELLO = json.dumps({"type": "hello", "version": 1})


class Listener(PageHandler):
    """A handler that answers a greeting and records what it is told."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[object] = asyncio.Queue()
        self.portrait = b""

    def page_opened(self, send: Send) -> None:
        send({"type": "hello", "name": "Zoë"})

    async def page_message(self, message: PageMessage) -> None:
        self.heard.put_nowait(message)

    def page_closed(self) -> None:
        self.heard.put_nowait("closed")

    def picture(self, whose: str, name: str | None) -> bytes | None:
        return b"png" if whose == "own" else None

    async def take_portrait(self, data: bytes) -> None:
        if data == b"no picture":
            raise InputError("the picture: not a picture that can be read")
        self.portrait = data


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest_asyncio.fixture
async def server(listener: Listener, tmp_path: Path) -> AsyncIterator[PageServer]:
    (tmp_path / "index.html").write_text("<!doctype html><title>page</title>")
    (tmp_path / "main.js").write_text("export {};")
    (tmp_path / "package.json").write_text("{}")
    made = PageServer(listener, tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


async def enter(browser: aiohttp.ClientSession, server: PageServer) -> None:
    async with browser.get(server.url) as response:
        assert response.status == 200
        assert response.url == URL(server.origin + "/")  # the token is gone from the address


async def connect(browser: aiohttp.ClientSession, server: PageServer, **headers: str) -> Any:
    return await browser.ws_connect(server.origin + "/ws", headers={"Origin": server.origin} | headers)


async def test_token_opens_the_page_once_and_reloading_works(
    server: PageServer, browser: aiohttp.ClientSession
) -> None:
    await enter(browser, server)
    async with browser.get(server.origin + "/") as response:
        assert "<title>page" in await response.text()
    await enter(browser, server)  # the same browser may use its link again
    async with aiohttp.ClientSession() as other, other.get(server.url) as response:
        assert response.status == 403
        assert "already been used" in await response.text()


@pytest.mark.parametrize("address", ["/", "/?token=wrong", "/?token=", "/picture/own", "/nothing", "/package.json"])
async def test_without_token_and_cookie_only_a_message_is_shown(
    server: PageServer, browser: aiohttp.ClientSession, address: str
) -> None:
    async with browser.get(server.origin + address) as response:
        assert response.status == 403
        assert "<h1>" in await response.text()
        assert not response.cookies


async def test_other_host_names_are_refused(server: PageServer, browser: aiohttp.ClientSession) -> None:
    await enter(browser, server)
    port = URL(server.origin).port
    for host in (f"localhost:{port}", "evil.example", f"evil.example:{port}", "127.0.0.1"):
        async with browser.get(server.origin + "/", headers={"Host": host}) as response:
            assert response.status == 421
            assert "answers at" in await response.text()


async def test_other_origins_cannot_act_with_the_cookie(
    server: PageServer, browser: aiohttp.ClientSession, listener: Listener
) -> None:
    await enter(browser, server)
    for origin in (
        "https://evil.example",
        "null",
        server.origin.replace("127.0.0.1", "localhost"),
        server.origin + "0",
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await connect(browser, server, Origin=origin)
        assert refused.value.status == 403
        async with browser.post(server.origin + "/portrait", data=b"x", headers={"Origin": origin}) as response:
            assert response.status == 403
    async with browser.post(server.origin + "/portrait", data=b"x") as response:  # no origin at all
        assert response.status == 403
    assert listener.portrait == b""


async def test_websocket_requires_the_cookie(server: PageServer, browser: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await connect(browser, server)
    assert refused.value.status == 403


async def test_second_tab_is_turned_away(
    server: PageServer, browser: aiohttp.ClientSession, listener: Listener
) -> None:
    await enter(browser, server)
    page = await connect(browser, server)
    await page.send_str(HELLO)
    assert (await page.receive_json())["name"] == "Zoë"
    tab = await connect(browser, server)
    assert (await tab.receive()).type is aiohttp.WSMsgType.CLOSE
    assert tab.close_code == ANOTHER_TAB

    await page.send_str('{"type": "quit"}')
    assert await listener.heard.get() == Quit()
    await page.send_str("nonsense")
    assert (await page.receive_json())["code"] == "bad-message"
    await page.close()
    assert await listener.heard.get() == "closed"

    again = await connect(browser, server)  # a reload
    await again.send_str(HELLO)
    assert (await again.receive_json())["type"] == "hello"
    stopping = asyncio.create_task(server.stop())
    assert (await again.receive()).type is aiohttp.WSMsgType.CLOSE
    assert again.close_code == ENDED
    await stopping


@pytest.mark.parametrize("greeting", ["nonsense", '{"type": "hello", "version": 2}', '{"type": "quit"}'])
async def test_page_of_another_version_is_closed(
    server: PageServer, browser: aiohttp.ClientSession, listener: Listener, greeting: str
) -> None:
    await enter(browser, server)
    page = await connect(browser, server)
    await page.send_str(greeting)
    assert (await page.receive()).type is aiohttp.WSMsgType.CLOSE
    assert page.close_code == ANOTHER_VERSION
    assert listener.heard.empty()


async def test_every_response_has_security_headers(server: PageServer, browser: aiohttp.ClientSession) -> None:
    await enter(browser, server)
    for address in ("/", "/main.js", "/nothing", "/picture/own"):
        async with browser.get(server.origin + address) as response:
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "geolocation=()" in response.headers["Permissions-Policy"]
            assert response.headers["Referrer-Policy"] == "no-referrer"


async def test_cookie_is_hidden_from_scripts_and_other_sites(
    server: PageServer, browser: aiohttp.ClientSession
) -> None:
    async with browser.get(server.url, allow_redirects=False) as response:
        (cookie,) = response.cookies.values()
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"


@pytest.mark.parametrize(
    "name", ["package.json", "..%2Fpage_server.py", "index.html", ".env", "Main.js", "main.js.map"]
)
async def test_only_the_pages_own_files_are_served(
    server: PageServer, browser: aiohttp.ClientSession, name: str
) -> None:
    await enter(browser, server)
    async with browser.get(URL(f"{server.origin}/{name}", encoded=True)) as response:
        assert response.status == 404
    async with browser.get(server.origin + "/main.js") as response:
        assert response.content_type == "text/javascript"


async def test_portraits_are_accepted_or_rejected_with_a_reason(
    server: PageServer, browser: aiohttp.ClientSession, listener: Listener
) -> None:
    await enter(browser, server)
    own = {"Origin": server.origin}
    async with browser.post(server.origin + "/portrait", data=b"a picture", headers=own) as response:
        assert (await response.json())["ok"] is True
    assert listener.portrait == b"a picture"
    for data, code in ((b"no picture", "not-a-picture"), (io.BytesIO(bytes(21 << 20)), "too-large")):
        async with browser.post(server.origin + "/portrait", data=data, headers=own) as response:
            assert (await response.json())["code"] == code


async def test_the_address_stays_the_same_unless_another_call_has_it(listener: Listener, tmp_path: Path) -> None:
    port = free_port()
    first, second, third = (PageServer(listener, tmp_path, port) for _ in range(3))
    await first.start()
    await second.start()
    assert first.origin == f"http://127.0.0.1:{port}"
    assert second.origin != first.origin
    await first.stop()
    await third.start()
    assert third.origin == first.origin, "so the browser still knows what the page may use"
    await second.stop()
    await third.stop()
