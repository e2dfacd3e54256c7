"""The states of a guest's page in Chromium: what it says, that it fits a small phone, and that axe finds nothing serious."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from facewire.gateway.server import Gateway
from facewire.signaling import inviting
from facewire.signaling.tokens import mint_for_inviting
from tests.page.conftest import ALLOW, DENY, camera_file, launched  # noqa: F401
from tests.page.test_accessibility import _axe

from .conftest import SECRET, StartGateway, invited
from .conftest import Browser as OtherBrowser

pytestmark = pytest.mark.slow
SMALLEST = {"width": 320, "height": 568}


@pytest_asyncio.fixture
async def chromium(camera_file: Path) -> AsyncIterator[Browser]:  # noqa: F811
    async for browser in launched(ALLOW, f"--use-file-for-fake-video-capture={camera_file}"):
        yield browser


async def opened(browser: Browser, link: object, locale: str = "en-GB") -> Page:
    context = await browser.new_context(viewport=SMALLEST, locale=locale, reduced_motion="reduce", has_touch=True)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(str(link))
    return page


async def is_sound(page: Page) -> None:
    """Nothing is wider than the screen, and nobody is shut out."""
    await page.wait_for_timeout(200)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.evaluate(_axe())
    result = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [one["id"] for one in result["violations"] if one["impact"] in ("serious", "critical")]
    assert serious == []


async def revoke(gateway: Gateway, code: str) -> None:
    await inviting.revoke(gateway.url, mint_for_inviting(SECRET), code)


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
async def test_from_lobby_to_waiting_and_back(start: StartGateway, chromium: Browser, locale: str) -> None:
    gateway = await start()
    link = await invited(gateway)
    page = await opened(chromium, link, locale)
    await expect(page.locator(".hint")).to_contain_text("127.0.0.1")
    await expect(page.locator("#join")).to_be_enabled()
    await is_sound(page)
    assert not await page.evaluate("document.getElementById('remote').srcObject"), "nothing is sent before joining"
    await page.fill("#name", "Grace")
    await page.click("#join")
    await expect(page.locator("#veil-text")).to_contain_text("127.0.0.1")
    await is_sound(page)
    await page.click("#words-open")
    await is_sound(page)
    await page.keyboard.press("Escape")
    await page.click("#leave")
    await expect(page.locator("#message-buttons button")).to_have_count(1)  # join again, and no program to close
    await is_sound(page)
    await page.click("#message-buttons button")
    await expect(page.locator("body")).to_have_attribute("data-view", "call")
    await page.reload()
    await expect(page.locator("body")).to_have_attribute("data-view", "call")
    await revoke(gateway, link.code)
    await page.click("#leave")
    await page.click("#message-buttons button")
    await expect(page.locator("#message-title")).to_contain_text("nicht mehr" if locale == "de-DE" else "doesn’t work")
    assert await page.evaluate("JSON.parse(localStorage.getItem('facewire')).name") == "Grace"


async def test_who_is_turned_away_is_told_why_and_may_try_again(start: StartGateway, chromium: Browser) -> None:
    gateway = await start(max_calls=1)
    link, other = await invited(gateway, reusable=True), await invited(gateway)
    await revoke(gateway, other.code)
    page = await opened(chromium, other)
    await expect(page.locator("#message-title")).to_have_text("This link doesn’t work any more")
    await expect(page.locator("#message-buttons button")).to_have_count(0)
    await is_sound(page)
    async with OtherBrowser(gateway.url) as first:
        socket = await first.socket(await first.guest(link))
        await socket.send_str('{"type": "hello", "version": 1}')
        page = await opened(chromium, link)
        await expect(page.locator("#message-title")).to_have_text("All lines are busy")
        await is_sound(page)
        await socket.send_str('{"type": "quit"}')
        while gateway.guests._guests:
            await asyncio.sleep(0.05)
        await page.click("#message-buttons button")
        await expect(page.locator("body")).to_have_attribute("data-view", "lobby")
        await gateway.drain()
        await expect(page.locator("#message-title")).to_have_text("127.0.0.1 has ended this visit")
        await is_sound(page)
        await page.click("#message-buttons button")
        await expect(page.locator("#message-title")).to_have_text("The server is about to restart")


async def test_a_guest_without_camera_is_told_and_may_join(start: StartGateway) -> None:
    gateway = await start()
    async for browser in launched(DENY):
        page = await opened(browser, await invited(gateway))
        await expect(page.locator("#preview-veil-title")).to_have_text("Camera access is blocked")
        await is_sound(page)
        await page.click("#join")
        await expect(page.locator("body")).to_have_attribute("data-view", "call")
