"""A browser draws what Python draws: the networks to the level, and in the player as it is shown, in Chromium and in Firefox.

Chromium also reads AVIF as Pillow does. Firefox spreads its halved colours in another way, so pictures from AVIF are a little
apart there, and the networks are compared on source frames without loss.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from PIL import Image
from playwright.async_api import Browser, expect

from facewire.browser.server import PlayerServer
from facewire.cli import main
from facewire.codec import DecodedFrame, SourceFrame, read_stream, write_stream
from facewire.models.bundle import load_bundle
from facewire.models.runtime import Networks
from facewire.one_browser import HOST
from facewire.receiver.decoder import Decoder
from facewire.receiver.steady import Steadier
from facewire.source_picture import decompress
from tests.page.conftest import launched
from tests.page.firefox import Firefox

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

PATIENCE_S = 120.0
LEVELS = 1
"""Most that any channel of any pixel may differ: the same sums are taken in another order, then rounded to bytes."""
MEAN_LEVELS = 0.5
"""Most that pictures from AVIF may differ in Firefox, on average."""
Evaluate = Callable[[str], Awaitable[Any]]

DRAW = """(async () => {
  const { loadBundle } = await import("/networks/bundle.js");
  const { Networks } = await import("/networks/networks.js");
  const { readRecording } = await import("/codec/decoder.js");
  const { Quantiser } = await import("/codec/quantiser.js");
  const bundle = await loadBundle("/bundle/");
  const networks = await Networks.load(bundle, `${location.origin}/runtime/`, 1);
  const data = new Uint8Array(await (await fetch("/recording")).arrayBuffer());
  const { frames } = readRecording(data, { tables: bundle.tables, quantiser: new Quantiser(bundle.steps) });
  const pictures = [];
  for (let number = 0; number < frames.length; number += STEP) {
    const { motion, drawnFrom } = frames[number];
    const { data } = await networks.render(await networks.appearance(drawnFrom), motion);
    pictures.push(Array.from(data, (byte) => String.fromCharCode(byte)).join(""));
  }
  return btoa(pictures.join(""));
})()"""
SHOWN = """(() => {
  const canvas = document.getElementById("picture");
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(0, 0, copy.width, copy.height);
  return btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""));
})()"""
SEEK = """(() => {
  const seek = document.getElementById("seek");
  seek.value = TIME;
  seek.dispatchEvent(new Event("input"));
})()"""


Alike = Callable[[NDArray[np.uint8], NDArray[np.uint8]], bool]


class Reference:
    """What Python draws of a recording, frame by frame. data: the recording."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._decoder = Decoder(Networks(load_bundle(), threads=1, backend="onnxruntime"))
        frames: list[DecodedFrame] = []
        for record in read_stream(data).records:
            if isinstance(record, SourceFrame):
                self._decoder.use_source(self._decoder.read_source(record))
            else:
                frames += self._decoder.decode(record)
        self.frames = list(Steadier(self._decoder.coding).frames(frames))

    def picture(self, number: int) -> NDArray[np.uint8]:
        frame = self.frames[number]
        return self._decoder.render(frame.motion, frame.source)

    def time_ms(self, number: int) -> int:
        """Position of a frame in the recording."""
        return self.frames[number].capture_time_ms - self.frames[0].capture_time_ms


@pytest.fixture(scope="module")
def recorded(runtime: Path, carphone: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The bundled clip."""
    path = tmp_path_factory.mktemp("recorded") / "carphone.fw"
    assert main(["encode", str(carphone), "-o", str(path)]) == 0
    return Reference(path.read_bytes())


@pytest.fixture(scope="module")
def lossless(recorded: Reference) -> Reference:
    """The same with source frames that every decoder reads alike."""

    def in_webp(source: SourceFrame) -> SourceFrame:
        file = io.BytesIO()
        Image.fromarray(decompress(source.picture, source.side)).save(file, "WEBP", lossless=True)
        return replace(source, picture=file.getvalue(), picture_format="webp")

    records = read_stream(recorded.data).records
    return Reference(write_stream(in_webp(one) if isinstance(one, SourceFrame) else one for one in records))


@contextlib.asynccontextmanager
async def served(reference: Reference) -> AsyncIterator[str]:
    """The address of a player of a recording."""
    server = PlayerServer(reference.data, "carphone.fw", load_bundle())
    await server.start()
    yield server.url
    await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async for browser in launched():
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def firefox() -> AsyncIterator[Firefox]:
    async with await Firefox.start() as browser:
        yield browser


def pictures(told: str) -> NDArray[np.uint8]:
    """uint8 RGB (N, 256, 256, 3) of what a page tells."""
    return np.frombuffer(base64.b64decode(told), np.uint8).reshape(-1, 256, 256, 4)[..., :3]


def equal(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    return bool(np.abs(a.astype(int) - b).max() <= LEVELS)


def webp(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side)).save(file, "WEBP", lossless=True)
    return file.getvalue()


def axe() -> str:
    """The script that looks for what shuts people out of a page."""
    package = pytest.importorskip("axe_playwright_python")
    return (Path(str(package.__path__[0])) / "axe.min.js").read_text(encoding="utf-8")


def nearly_equal(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    return bool(np.abs(a.astype(int) - b).mean() <= MEAN_LEVELS)


async def until(true: Callable[[], Awaitable[bool]], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await true():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"never happened: {what}") from None


async def plays(evaluate: Evaluate, reference: Reference, alike: Alike) -> None:
    """The player comes up and plays by itself, to the end; then it shows the frames that are sought."""

    async def state(name: str) -> bool:
        found = await evaluate("document.body.dataset.state")
        assert found != "failed", await evaluate("document.body.innerText")
        return bool(found == name)

    await until(lambda: state("ready"), "the player is ready")
    assert await evaluate("crossOriginIsolated")
    last = reference.picture(len(reference.frames) - 1)

    async def shows(picture: NDArray[np.uint8]) -> bool:
        return alike(pictures(await evaluate(SHOWN))[0], picture)

    await until(lambda: shows(last), "the last picture is shown")
    assert await evaluate("document.getElementById('play').textContent") == "Play"
    for number in (60, 7, 100):
        picture = reference.picture(number)
        assert not nearly_equal(picture, last)
        await evaluate(SEEK.replace("TIME", str(reference.time_ms(number) + 1)))
        await until(lambda picture=picture: shows(picture), f"picture {number} is shown")  # type: ignore[misc]
    text = await evaluate("document.body.innerText")
    assert "synthesised from motion" in text
    assert "5, 21041 bytes" in text
    assert await evaluate("document.querySelectorAll('#sources [aria-current]').length") == 1


async def draws(evaluate: Evaluate, reference: Reference, alike: Alike) -> None:
    """The networks give the right pictures, some of them from every source frame."""
    step = 24
    drawn = pictures(await evaluate(DRAW.replace("STEP", str(step))))
    assert len(drawn) == len(reference.frames) // step
    for number, picture in enumerate(drawn):
        assert alike(picture, reference.picture(step * number)), number


async def test_chromium_draws_the_same_pictures(chromium: Browser, recorded: Reference, lossless: Reference) -> None:
    for reference in (recorded, lossless):
        page = await chromium.new_page()
        async with served(reference) as url:
            await page.goto(url)
            await draws(page.evaluate, reference, equal)
        await page.close()


async def test_firefox_draws_the_same_pictures(firefox: Firefox, recorded: Reference, lossless: Reference) -> None:
    for reference, alike in ((recorded, nearly_equal), (lossless, equal)):
        page = await firefox.page()
        async with served(reference) as url:
            await page.goto(url)
            await draws(page.evaluate, reference, alike)


def with_picture(recorded: Reference, picture: bytes, picture_format: str) -> Reference:
    """The recording with other bytes for every picture. Nothing is drawn of it here."""
    records = read_stream(recorded.data).records
    other = [replace(one, picture=picture, picture_format=picture_format) for one in records[:1]]  # type: ignore[type-var]
    changed = copy(recorded)
    changed.data = write_stream([*other, *(one for one in records[1:] if not isinstance(one, SourceFrame))])
    return changed


@pytest.mark.parametrize(
    ("picture", "picture_format", "words"),
    [
        (b"no picture", "avif", "the source frame's picture is damaged, or this browser cannot read AVIF"),
        (b"no picture", "png", "a source frame in png; this program reads avif and webp"),
        (webp(128), "webp", "a source frame of 128x128; these weights need 256x256"),
    ],
)
async def test_a_source_frame_that_cannot_be_used_is_said_on_the_page(
    picture: bytes, picture_format: str, words: str, chromium: Browser, recorded: Reference
) -> None:
    page = await chromium.new_page()
    async with served(with_picture(recorded, picture, picture_format)) as url:
        await page.goto(url)
        await expect(page.locator("body[data-state=failed] #message")).to_have_text(words, timeout=1000 * PATIENCE_S)
        await expect(page.locator("#controls")).to_be_hidden()
    await page.close()


async def test_the_player_in_chromium(chromium: Browser, recorded: Reference) -> None:
    page = await chromium.new_page()
    errors, hosts = list[str](), set[str | None]()
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    async with served(recorded) as url:
        await page.goto(url)
        await plays(page.evaluate, recorded, equal)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            found = await page.evaluate(f"{axe()}; axe.run()")
            assert [(fault["id"], fault["impact"]) for fault in found["violations"]] == []
    assert errors == []
    assert hosts <= {HOST, None}
    await page.close()


async def test_the_player_in_firefox(firefox: Firefox, recorded: Reference) -> None:
    page = await firefox.page()
    async with served(recorded) as url:
        await page.goto(url)
        await plays(page.evaluate, recorded, nearly_equal)
    assert page.errors == []
