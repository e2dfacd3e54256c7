"""Two people in browsers: Chromium with a camera fed from a clip, a `facewire call` for each, and what their pages show.

The programs are the installed command, the pages the real ones; the only thing in between is `Doorway`, which the tests may cut.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facewire.sender.media import VideoFile

from .conftest import write_voice

CHROMIUM = Path("/usr/bin/chromium")
CAMERA_FPS = 12
"""The clip plays at less than half its speed, so that a machine that runs everything twice can keep up."""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
PATIENCE_S = 90.0

GRAB = """async ([id, count, every]) => {
  const video = document.getElementById(id), canvas = new OffscreenCanvas(1, 1), grabs = [];
  for (let number = 0; number < count; number++) {
    if (video.videoWidth) {
      canvas.width = video.videoWidth; canvas.height = video.videoHeight;
      canvas.getContext('2d').drawImage(video, 0, 0);
      const bytes = new Uint8Array(await (await canvas.convertToBlob({type: 'image/png'})).arrayBuffer());
      grabs.push([Date.now(), btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''))]);
    }
    await new Promise((done) => setTimeout(done, every));
  }
  return grabs;
}"""
"""Grabs pictures of a video element while it plays, each with its time in ms."""

LISTEN = """async (seconds) => {
  const context = new AudioContext(), analyser = context.createAnalyser(), block = new Float32Array(2048);
  context.createMediaStreamSource(document.getElementById('remote').srcObject).connect(analyser);
  let loudest = 0;
  const until = Date.now() + 1000 * seconds;
  while (Date.now() < until) {
    analyser.getFloatTimeDomainData(block);
    loudest = Math.max(loudest, Math.sqrt(block.reduce((sum, value) => sum + value * value, 0) / block.length));
    await new Promise((done) => setTimeout(done, 20));
  }
  await context.close();
  return loudest;
}"""
"""The peak level of the other side's sound over some seconds, 0 to 1."""


@dataclass(frozen=True)
class Grab:
    """A picture that a page showed. at_s: seconds since 1970. picture: uint8 RGB (H, W, 3)."""

    at_s: float
    picture: NDArray[np.uint8]


@dataclass
class Person:
    """One program and its page. errors: errors of the page's scripts."""

    name: str
    process: asyncio.subprocess.Process
    url: str
    page: Any
    errors: list[str]

    async def join(self) -> None:
        await self.page.wait_for_selector("#join:enabled", timeout=1000 * PATIENCE_S)
        await self.page.click("#join")

    async def sees(self) -> None:
        """Waits until the other side's picture moves on the page."""
        script = "() => { const v = document.getElementById('remote'); return v.videoWidth > 0 && v.currentTime > 0.5 }"
        await self.page.wait_for_function(script, timeout=1000 * PATIENCE_S)

    async def says(self, text: str) -> None:
        """Waits until the page shows a text, ignoring case."""
        script = "(text) => document.body.innerText.toLowerCase().includes(text.toLowerCase())"
        await self.page.wait_for_function(script, arg=text, timeout=1000 * PATIENCE_S)

    async def grabs(self, video: str, count: int = 40, every_ms: int = 200) -> list[Grab]:
        """Grabs pictures of the video element with that id."""
        grabbed = await self.page.evaluate(GRAB, [video, count, every_ms])
        return [Grab(at_ms / 1000, _decode_png(base64.b64decode(png))) for at_ms, png in grabbed]

    async def hears(self, seconds: float = 4.0) -> float:
        """The peak level of the other side, 0 to 1."""
        loudest: float = await self.page.evaluate(LISTEN, seconds)
        return loudest


class Browsers:
    """A browser in which every tab is a person. `person` starts a program and opens its page in its own browser context."""

    def __init__(self, folder: Path, clip: Path, server: str) -> None:
        self._folder, self._clip, self._server = folder, clip, server
        self._programs: list[asyncio.subprocess.Process] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Browsers:
        playwright = pytest.importorskip("playwright.async_api")
        if not CHROMIUM.exists():
            pytest.skip(f"no {CHROMIUM}")
        camera, voice = write_camera(self._folder / "camera.y4m", self._clip), write_voice(self._folder / "voice.wav")
        self._playwright = await playwright.async_playwright().start()
        self.browser = await self._playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=[
                *FLAGS,
                f"--use-file-for-fake-video-capture={camera}",
                f"--use-file-for-fake-audio-capture={voice}",
            ],
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.browser.close()
        await self._playwright.stop()
        for process in self._programs:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), PATIENCE_S)
        for task in self._tasks:
            task.cancel()

    async def person(self, name: str, *more: str) -> Person:
        process, url = await self.program(name, *more)
        context = await self.browser.new_context(viewport={"width": 480, "height": 640}, reduced_motion="reduce")
        page = await context.new_page()
        person = Person(name, process, url, page, [])
        page.on("pageerror", lambda error: person.errors.append(str(error)))
        await page.goto(person.url)
        return person

    async def program(self, name: str, *more: str) -> tuple[asyncio.subprocess.Process, str]:
        """A program without a browser, and the address of its page."""
        command = ["-m", "facewire", "call", "room", "--server", self._server, "--name", name, "--no-browser"]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            *("--threads", "1", "--recordings", str(self._folder), *more),
            stderr=asyncio.subprocess.PIPE,
            env=os.environ,
        )
        self._programs.append(process)
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            line = (await process.stderr.readline()).decode()
        address = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line)
        assert address is not None, line
        self._tasks.append(asyncio.create_task(_drain(process.stderr)))
        return process, address[0]


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(4096):
        pass


def write_camera(path: Path, clip: Path, fps: int = CAMERA_FPS) -> Path:
    """Writes a clip for Chromium's fake camera, which repeats it: uncompressed, 320 x 240."""
    with VideoFile(clip) as video, path.open("wb") as file:
        file.write(f"YUV4MPEG2 W320 H240 F{fps}:1 Ip A1:1 C420jpeg\n".encode())
        for frame in video:
            picture = cv2.resize(frame.picture, (320, 240), interpolation=cv2.INTER_AREA)
            planes = av.VideoFrame.from_ndarray(np.asarray(picture, np.uint8), format="rgb24").reformat(
                format="yuv420p"
            )
            file.write(b"FRAME\n" + planes.to_ndarray().tobytes())
    return path


def _decode_png(data: bytes) -> NDArray[np.uint8]:
    """uint8 RGB (H, W, 3)."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture[..., ::-1], np.uint8)
