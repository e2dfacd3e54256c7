"""A browser with a fake camera, and the call page in it with a scripted process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

from facewire.samples import sample_portrait
from facewire.sender.media import read_picture

from .scripted import Picture, ScriptedProcess

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
]
ALLOW = "--use-fake-ui-for-media-stream"
DENY = "--deny-permission-prompts"
PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)
KEEP_VIEW_TRANSITION = """{
  const start = document.startViewTransition.bind(document);
  document.startViewTransition = (change) => (window.viewTransition = start(change));
}"""
"""The page's newest view transition, for `Opened.settled`."""


@pytest.fixture(scope="module")
def face() -> Picture:
    """The public-domain portrait, uint8 RGB (256, 256, 3)."""
    portrait = read_picture(sample_portrait())
    return np.asarray(cv2.resize(portrait[:260, 90:350], (256, 256), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.fixture(scope="module")
def camera_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The browser's fake camera: the portrait, swaying."""
    portrait = cv2.cvtColor(cv2.resize(read_picture(sample_portrait()), (640, 640))[:480], cv2.COLOR_RGB2BGR)
    file = tmp_path_factory.mktemp("camera") / "portrait.mjpeg"
    shifts = [round(4 * np.sin(2 * np.pi * step / 10)) for step in range(10)]
    file.write_bytes(b"".join(cv2.imencode(".jpg", np.roll(portrait, shift, 1))[1].tobytes() for shift in shifts))
    return file


async def launched(*flags: str) -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(camera_file: Path) -> AsyncIterator[Browser]:
    async for browser in launched(ALLOW, f"--use-file-for-fake-video-capture={camera_file}"):
        yield browser


@dataclass
class Opened:
    """A page and its process. errors: those its console reported."""

    page: Page
    process: ScriptedProcess
    context: BrowserContext
    errors: list[str] = field(default_factory=list)

    def at(self, selector: str) -> Locator:
        return self.page.locator(selector)

    async def view(self, name: str) -> None:
        """Waits until a view is shown."""
        await self.page.wait_for_selector(f"body[data-view={name}]", timeout=PATIENCE_MS)

    async def until(self, expression: str) -> None:
        """Waits until an expression is true. Playwright's `wait_for_function` evaluates text, which the page's policy forbids."""
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while not await self.page.evaluate(expression):
                await asyncio.sleep(0.05)

    async def camera_is_seen(self) -> None:
        await self.until("document.getElementById('preview-video').videoWidth > 0")

    async def other_is_seen(self) -> None:
        await self.until("document.getElementById('remote').videoWidth === 256")

    async def settled(self) -> None:
        """Waits until every animation that ends has ended.

        While one view turns into another the browser shows snapshots, which swallow presses of the mouse. Their animations
        begin some frames after the new view is in place, so the transition itself is waited for.
        """
        await self.page.evaluate("window.viewTransition?.finished")
        await self.page.evaluate(
            "Promise.all(document.getAnimations().filter((a) => a.effect.getComputedTiming().endTime < 1e5)"
            ".map((a) => a.finished.catch(() => 0)))"
        )


async def opened(
    browser: Browser, face: Picture, kept: dict[str, str] | None = None, **context_options: object
) -> AsyncIterator[Opened]:
    """kept: what the process remembers of earlier calls."""
    process = ScriptedProcess(face)
    process.hello["kept"] = kept or {}
    url = await process.start()
    context = await browser.new_context(**context_options)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    open_ = Opened(page, process, context)
    await page.add_init_script(KEEP_VIEW_TRANSITION)
    page.on("console", lambda message: open_.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: open_.errors.append(str(error)))
    await page.goto(url)
    await open_.view("lobby")
    yield open_
    await context.close()
    await asyncio.wait_for(process.stop(), 10)


@pytest_asyncio.fixture(loop_scope="module")
async def call_page(browser: Browser, face: Picture) -> AsyncIterator[Opened]:
    """The page at the size of a desktop window; its console must report no error."""
    async for open_ in opened(browser, face, viewport={"width": 1280, "height": 800}):
        yield open_
        assert open_.errors == []


@pytest_asyncio.fixture(loop_scope="module")
async def german_page(browser: Browser, face: Picture) -> AsyncIterator[Opened]:
    """The same in German."""
    async for open_ in opened(browser, face, locale="de-DE", viewport={"width": 1280, "height": 800}):
        yield open_
        assert open_.errors == []
