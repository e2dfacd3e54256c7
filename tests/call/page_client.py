"""A page without a browser: aiohttp and aiortc instead of JavaScript, for tests of the process behind the page."""

from __future__ import annotations

import asyncio
import json
import time
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from facewire.call.page_server import PageServer
from facewire.sender.media import VideoFile

PATIENCE_S = 60.0


class ClipTrack(MediaStreamTrack):
    """A camera that repeats the pictures of a file."""

    kind = "video"

    def __init__(self, path: Path, fps: float = 15.0) -> None:
        super().__init__()
        with VideoFile(path) as video:
            self._pictures = [frame.picture for frame in video]
        self._fps, self._number, self._started = fps, 0, time.monotonic()

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(max(0.0, self._started + self._number / self._fps - time.monotonic()))
        frame = av.VideoFrame.from_ndarray(self._pictures[self._number % len(self._pictures)], format="rgb24")
        frame.pts, frame.time_base = round(self._number * 90_000 / self._fps), Fraction(1, 90_000)
        self._number += 1
        return frame


class ToneTrack(MediaStreamTrack):
    """A microphone with a tone of 300 Hz that comes and goes."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._number, self._started = 0, time.monotonic()

    async def recv(self) -> av.AudioFrame:
        await asyncio.sleep(max(0.0, self._started + self._number / 50 - time.monotonic()))
        t = (np.arange(960) + 960 * self._number) / 48_000
        wave = 8000 * np.sin(2 * np.pi * 300 * t) * (np.sin(2 * np.pi * 1.5 * t) > -0.5)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 960 * self._number, Fraction(1, 48_000)
        self._number += 1
        return frame


class PageClient:
    """One tab. Entering it opens the page, greets, and offers camera and microphone."""

    def __init__(self, server: PageServer, clip: Path) -> None:
        self._server, self._clip = server, clip
        self._browser = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._connection = RTCPeerConnection(RTCConfiguration([]))
        self._news = asyncio.Condition()
        self.known: dict[str, dict[str, Any]] = {}
        """The newest message of each type, and of "source own" and "source other"."""
        self.problems: list[dict[str, Any]] = []
        self.pictures = 0
        self.loudest = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._socket = await self._open()
        self._tasks.append(asyncio.create_task(self._read()))
        await self.say(type="hello", version=1)
        await self._offer()
        return self

    async def _open(self) -> aiohttp.ClientWebSocketResponse:
        async with self._browser.get(self._server.url) as response:
            assert response.status == 200
        origin = {"Origin": self._server.origin}
        return await self._browser.ws_connect(self._server.origin + "/ws", headers=origin)

    async def _offer(self) -> None:
        self._connection.on("track", lambda track: self._tasks.append(asyncio.create_task(self._take(track))))
        self._connection.addTrack(ToneTrack())
        self._connection.addTrack(ClipTrack(self._clip))
        await self._connection.setLocalDescription(await self._connection.createOffer())
        await self.say(type="offer", sdp=self._connection.localDescription.sdp)
        answer = await self.until("answer", lambda message: "sdp" in message)
        await self._connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._socket.close()
        await self._connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._browser.close()

    async def say(self, **message: object) -> None:
        await self._socket.send_str(json.dumps(message))

    async def until(self, name: str, condition: Any, seconds: float = PATIENCE_S) -> dict[str, Any]:
        """Waits for a message of that type that meets the condition."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: name in self.known and condition(self.known[name]))
            return self.known[name]

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self._browser.get(self._server.origin + path) as response:
            return response.status, await response.read()

    async def post(self, path: str, data: bytes) -> dict[str, Any]:
        origin = {"Origin": self._server.origin}
        async with self._browser.post(self._server.origin + path, data=data, headers=origin) as response:
            answer: dict[str, Any] = await response.json()
            return answer

    async def _read(self) -> None:
        async for frame in self._socket:
            message = json.loads(frame.data)
            async with self._news:
                if message["type"] == "problem":
                    self.problems.append(message)
                name = f"source {message['whose']}" if message["type"] == "source" else message["type"]
                self.known[name] = message
                self._news.notify_all()

    async def _take(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                async with self._news:
                    if isinstance(frame, av.VideoFrame):
                        self.pictures += 1
                    elif isinstance(frame, av.AudioFrame):
                        self.loudest = max(self.loudest, int(np.abs(frame.to_ndarray()).max()))
                    self._news.notify_all()
        except MediaStreamError:
            pass
