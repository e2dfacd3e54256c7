"""Guests in real browsers, Chromium and Firefox, in calls with a real program through a real gateway."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import av
import cv2
import pytest

from facewire.gateway.server import Gateway
from facewire.samples import sample_portrait
from facewire.sender.media import read_picture
from tests.call.browsers import PATIENCE_S, Browsers, Person
from tests.call.test_browsers import CAMERA_WITH_A_FACE
from tests.page.firefox import Firefox

from .conftest import StartGateway, invited

pytestmark = pytest.mark.slow

RECONNECTED_S = 20.0
"""A second or two on an idle machine."""


SHOWN = "document.getElementById('remote').getVideoPlaybackQuality().totalVideoFrames"


async def program(gateway: Gateway, clip: Path, *more: str) -> asyncio.subprocess.Process:
    """The side with the poor link, without a page: it sends a clip."""
    command = ["-m", "facewire", "call", "kitchen", "--server", gateway.url, "--name", "Ada", "--threads", "1"]
    media = ["--video", str(clip), "--loop", "--fps", "12"]
    return await asyncio.create_subprocess_exec(
        sys.executable, *command, *media, *more, stderr=asyncio.subprocess.PIPE, env=os.environ
    )


async def guest(browsers: Browsers, link: str, **options: Any) -> Person:
    """A guest's tab. Everything that its console reports but failed requests counts as an error."""
    context = await browsers.browser.new_context(reduced_motion="reduce", **options)
    page = await context.new_page()
    person = Person("guest", None, link, page, [])  # type: ignore[arg-type]
    page.on("pageerror", lambda error: person.errors.append(str(error)))
    page.on(
        "console",
        lambda message: (
            person.errors.append(message.text)
            if message.type == "error" and "Failed to load resource" not in message.text and "ERR_" not in message.text
            else None
        ),
    )
    await page.goto(link)
    return person


async def until(person: Person, expression: str, seconds: float = PATIENCE_S) -> None:
    async with asyncio.timeout(seconds):
        while not await person.page.evaluate(expression):
            await asyncio.sleep(0.1)


async def test_a_guest_with_a_phone_and_a_program_talk(
    start: StartGateway, tmp_path: Path, carphone: Path, voice: Path
) -> None:
    gateway = await start(max_calls=2)
    link = str(await invited(gateway))
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    async with Browsers(tmp_path, carphone, gateway.url) as browsers:
        person = await guest(browsers, link, **phone)
        await person.says("goes through 127.0.0.1, which sees and hears everything")
        assert not await person.page.is_visible("#appear")
        await person.page.fill("#name", "Grace")
        await person.join()
        await person.says("no one else is here yet")
        assert await person.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        out, figures = tmp_path / "guest.mkv", tmp_path / "call.json"
        ada = await program(gateway, carphone, "--sound", str(voice), "--out", str(out), "--json", str(figures))
        try:
            await person.sees()
            await person.says("Ada")
            assert await person.hears() > 0.01
            assert not await person.page.is_visible("#record")

            before, began = gateway.metrics.entered._value.get(), time.monotonic()
            await person.page.context.set_offline(True)
            await until(person, "document.getElementById('status').dataset.state === 'stalled' || !navigator.onLine")
            await person.page.context.set_offline(False)  # as when a phone changes from Wi-Fi to its own network
            await until(person, "document.getElementById('status').dataset.state === 'connected'", RECONNECTED_S)
            print(f"back {time.monotonic() - began:.1f} s after the network went")
            await person.sees()
            first = await person.page.evaluate(SHOWN)
            await until(person, f"{SHOWN} > {first} + 5")
            assert await person.page.evaluate("document.getElementById('status').dataset.state") == "connected"
            assert gateway.metrics.entered._value.get() == before, "it is the same guest"

            late = await guest(browsers, link)
            await late.says("This link has been used")
            await person.page.click("#leave")
            await person.says("You left the call")
        finally:
            await asyncio.wait_for(ada.communicate(), PATIENCE_S)
        assert ada.returncode == 0
        said = json.loads(figures.read_text())
        assert said["peer"] == "Grace"
        assert said["playout"]["shown"] > 5
        with av.open(str(out)) as film:
            assert "synthesised" in film.metadata["COMMENT"].lower()
            assert sum(1 for _ in film.decode(video=0)) > 5
        assert person.errors == []


async def test_a_guest_in_firefox_and_a_program_see_each_other(
    start: StartGateway, tmp_path: Path, carphone: Path
) -> None:
    gateway = await start()
    link = str(await invited(gateway))
    portrait = cv2.imencode(".jpg", read_picture(sample_portrait())[..., ::-1])[1].tobytes()
    async with await Firefox.start() as firefox:
        page = await firefox.page(480, 640)
        await page.before_load(CAMERA_WITH_A_FACE % base64.b64encode(portrait).decode())
        await page.goto(link)
        await page.until(
            "document.body.dataset.view === 'lobby' && !document.getElementById('join').disabled", PATIENCE_S
        )
        await page.click("#join")
        out = tmp_path / "guest.mkv"
        ada = await program(gateway, carphone, "--sound", "silence", "--out", str(out))
        try:
            await page.until("document.getElementById('remote').currentTime > 0.5", PATIENCE_S)
            await page.until("document.getElementById('badge').checkVisibility()", PATIENCE_S)
            await page.says("Connected")
            await asyncio.sleep(3)  # something to be seen of the guest
            await page.click("#leave")
        finally:
            await asyncio.wait_for(ada.communicate(), PATIENCE_S)
        with av.open(str(out)) as film:
            assert sum(1 for _ in film.decode(video=0)) > 5
        assert page.errors == []
