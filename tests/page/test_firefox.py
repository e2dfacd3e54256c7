"""The call page in Firefox, with the settings that people have: picture and sound reach the process and come back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from .firefox import Firefox, FirefoxPage
from .scripted import Picture, ScriptedProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def firefox() -> AsyncIterator[Firefox]:
    async with await Firefox.start() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def firefox_without_addresses() -> AsyncIterator[Firefox]:
    """As some privacy guides advise."""
    async with await Firefox.start(**{"media.peerconnection.ice.no_host": True}) as browser:
        yield browser


async def opened(firefox: Firefox, process: ScriptedProcess) -> FirefoxPage:
    page = await firefox.page()
    await page.goto(await process.start())
    await page.until("document.body.dataset.view === 'lobby'")
    return page


@pytest_asyncio.fixture(loop_scope="module")
async def process(face: Picture) -> AsyncIterator[ScriptedProcess]:
    scripted = ScriptedProcess(face)
    try:
        yield scripted
    finally:
        await scripted.stop()


async def test_picture_and_sound_go_both_ways(firefox: Firefox, process: ScriptedProcess) -> None:
    page = await opened(firefox, process)
    await page.until("document.getElementById('preview-video').videoWidth > 0")
    process.call()
    await page.until("document.getElementById('remote').videoWidth === 256")
    await page.until("document.getElementById('remote').currentTime > 0.5")
    assert process.camera_frames > 0
    assert process.sound_frames > 0
    assert page.errors == []


@pytest.mark.slow
async def test_a_browser_that_never_connects_is_told_what_to_do(
    firefox_without_addresses: Firefox, process: ScriptedProcess
) -> None:
    page = await opened(firefox_without_addresses, process)
    await page.says("Your browser blocks WebRTC")
    process.call()
    await page.says("open its address in another browser")
