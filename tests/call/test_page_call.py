"""The process behind the page, with real media but no browser: it does what the page asks and reports what changes."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from facewire.call import page_call
from facewire.call.options import CallOptions, PageOptions, SessionOptions
from facewire.call.page_call import PageCall
from facewire.call.page_server import PageServer
from facewire.signaling.server import ServerOptions, SignalingServer

from .page_client import PageClient


def options(server: str = "ws://127.0.0.1:9") -> CallOptions:
    return CallOptions(server, "kitchen", session=SessionOptions(name="Ada"), threads=1)


class Program:
    """A `facewire call` with a page in this process."""

    def __init__(self, folder: Path, wanted: CallOptions) -> None:
        self.call = PageCall(wanted, PageOptions(open_browser=False, recordings=folder))
        self.server = PageServer(self.call)

    async def __aenter__(self) -> PageServer:
        await self.server.start()
        self.running = asyncio.create_task(self.call.run())
        return self.server

    async def __aexit__(self, *_: object) -> None:
        self.call.quit()
        await asyncio.wait([self.running])
        if not self.running.cancelled():
            self.running.result()
        await self.server.stop()


@pytest_asyncio.fixture
async def meeting() -> AsyncIterator[str]:
    server = SignalingServer(ServerOptions(port=0))
    await server.start()
    yield server.url
    await server.stop()


async def test_lobby_shows_what_will_be_sent(tmp_path: Path, carphone: Path, portrait_file: Path) -> None:
    async with Program(tmp_path, options()) as server, PageClient(server, carphone) as page:
        hello = await page.until("hello", bool)
        assert (hello["room"], hello["name"], hello["sends"]) == (
            "kitchen",
            "Ada",
            {"camera": True, "microphone": True},
        )
        await page.until("phase", lambda message: message["phase"] == "lobby")
        own = await page.until("own", lambda message: message["framing"] is not None)
        assert (own["width"], own["height"]) == (193, 144)  # 176 pixels that are not square
        assert 60 < own["framing"]["side"] <= 144  # the man's face, not the car
        source = await page.until("source own", lambda message: message["picture"] == "live")
        status, png = await page.get(f"/{source['url']}")
        assert status == 200
        assert Image.open(io.BytesIO(png)).size == (256, 256)
        assert (await page.get("/picture/other"))[0] == 404

        await page.say(type="camera", on=False)
        await page.until("own", lambda message: message["camera"] == "paused")
        await page.say(type="camera", on=True)
        await page.until("own", lambda message: message["camera"] == "sending")

        await page.say(type="view", yaw=99, pitch=1, roll=0, frontal=False)
        assert (await page.until("view", lambda message: message["pitch"] == 1))["yaw"] == hello["view"]["yaw"]
        await page.say(type="budget", max_kbps=20)
        await page.until("budget", lambda message: message["max_kbps"] == 20)
        await page.say(type="picture", mode="motion")
        await page.until("picture", lambda message: message["mode"] == "motion")
        await page.until("own", lambda message: (message["layer"], message["why"]) == ("motion", ""))

        await page.say(type="portrait", on=True)
        await page.until("problem", lambda message: "no portrait" in message["detail"])
        grey = io.BytesIO()
        Image.fromarray(np.full((300, 300, 3), 90, np.uint8)).save(grey, "PNG")
        assert (await page.post("/portrait", grey.getvalue()))["code"] == "no-face"
        assert (await page.post("/portrait", b"no picture"))["code"] == "not-a-picture"
        assert (await page.post("/portrait", portrait_file.read_bytes()))["ok"]
        await page.until("own", lambda message: message["portrait"])
        await page.say(type="portrait", on=True)
        await page.until("source own", lambda message: message["picture"] == "portrait")
        await page.say(type="portrait", on=False)
        await page.until("source own", lambda message: message["picture"] == "live")


async def test_unreachable_server_is_reported_and_joining_can_be_retried(tmp_path: Path, carphone: Path) -> None:
    program = Program(tmp_path, options())
    async with program as server, PageClient(server, carphone) as page:
        await page.until("phase", lambda message: message["phase"] == "lobby")
        for _ in range(2):
            await page.say(type="join", name="Ada")
            ended = await page.until("phase", lambda message: message["phase"] == "ended")
            assert ended["code"] == "server"
            assert "9" in ended["detail"]
            page.known.pop("phase")
        await page.say(type="quit")
        await asyncio.wait_for(asyncio.shield(program.running), 20)


async def test_process_ends_a_while_after_the_tab_is_closed(
    tmp_path: Path, carphone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_call, "PAGE_AWAY_S", 0.5)
    program = Program(tmp_path, options())
    async with program as server:
        async with PageClient(server, carphone) as page:
            await page.until("own", lambda message: message["camera"] == "sending")
        await asyncio.wait_for(asyncio.shield(program.running), 20)


async def test_process_cancelled_during_a_call_ends(tmp_path: Path, carphone: Path, meeting: str) -> None:
    program = Program(tmp_path, options(meeting))
    async with program as server, PageClient(server, carphone) as page:
        await page.until("phase", lambda message: message["phase"] == "lobby")
        await page.say(type="join", name="Ada")
        await page.until("call", lambda message: message["state"] == "waiting")
        program.running.cancel()
        await asyncio.wait([program.running], timeout=20)
        assert program.running.cancelled()


@pytest.mark.slow
async def test_two_pages_in_a_call(tmp_path: Path, carphone: Path, portrait_file: Path, meeting: str) -> None:
    async with (
        Program(tmp_path, options(meeting)) as ada_server,
        Program(tmp_path, options(meeting)) as grace_server,
        PageClient(ada_server, carphone) as ada,
        PageClient(grace_server, carphone) as grace,
    ):
        for page, name in ((ada, "Ada"), (grace, "Grace")):
            await page.until("phase", lambda message: message["phase"] == "lobby")
            await page.say(type="join", name=name)
        call = await ada.until("call", lambda message: message["other"] is not None and message["other"]["shown"])
        assert call["other"]["name"] == "Grace"
        assert call["other"]["picture"] == "live"
        words = (await ada.until("safety", lambda message: message["words"]))["words"]
        assert words == (await grace.until("safety", lambda message: message["words"]))["words"]
        assert len(words) == 6
        source = await ada.until("source other", bool)
        own = await grace.until("source own", bool)
        assert abs(source["taken_ms"] - own["taken_ms"]) < 2000
        await ada.until("figures", lambda message: message["received"]["wire_kbps"] and message["fps"])
        await ada.until("figures", lambda _: ada.pictures > 20 and ada.loudest > 1000)
        figures = await ada.until("figures", lambda message: message["h264"] is not None)
        h264 = figures["h264"]
        assert h264["wire_kbps"] > h264["payload_kbps"] + h264["sound_kbps"]
        assert min(h264["payload_kbps"], h264["sound_kbps"]) > 1

        await grace.say(type="microphone", on=False)
        await ada.until("call", lambda message: message["other"]["muted"])
        await grace.say(type="camera", on=False)
        await ada.until("call", lambda message: message["other"]["camera"] == "paused")
        await grace.say(type="camera", on=True)
        await ada.until("call", lambda message: message["other"]["camera"] == "sending")

        assert (await grace.post("/portrait", portrait_file.read_bytes()))["ok"]
        await grace.say(type="portrait", on=True)
        await ada.until("call", lambda message: message["other"]["picture"] == "portrait")
        await ada.until("source other", lambda message: message["url"] != source["url"])
        await grace.say(type="portrait", on=False)
        await ada.until("call", lambda message: message["other"]["picture"] == "live")

        await ada.say(type="record", on=True)
        await grace.until("recording", lambda message: message["there"] == "asking")
        await grace.say(type="consent", allow=True)
        await grace.until("recording", lambda message: message["there"] == "on")
        recording = await ada.until("recording", lambda message: message["here"] == "on")
        pictures = ada.pictures
        await ada.until("figures", lambda _: ada.pictures > pictures + 10)
        await ada.say(type="record", on=False)
        await grace.until("recording", lambda message: message["there"] == "off")
        assert Path(recording["file"]).stat().st_size > 1000

        await ada.say(type="leave")
        assert (await ada.until("phase", lambda message: message["phase"] == "ended"))["code"] == "left"
        ended = await grace.until("phase", lambda message: message["phase"] == "ended")
        assert ended["code"] in ("other-ended", "other-left")  # by word of the other side, or of the server
        for page, name in ((ada, "Ada"), (grace, "Grace")):  # and once more, in the same processes
            await page.say(type="join", name=name)
        await ada.until("call", lambda message: message["other"] is not None and message["other"]["shown"])
