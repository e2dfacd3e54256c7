"""A page's process with the real page server and local connection, and a script in place of a call.

`ScriptedProcess` keeps the newest message of each type, repeats them after each hello as docs/page.md describes, and records what
the page sends.
"""

from __future__ import annotations

import asyncio
import io
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facewire.call.page_http import Send
from facewire.call.page_media import BrowserLeg
from facewire.call.page_messages import Offer, PageMessage, PortraitSwitch
from facewire.call.page_server import PageServer
from facewire.errors import NoFaceError

Picture = NDArray[np.uint8]

HELLO: dict[str, Any] = {
    "type": "hello",
    "version": 1,
    "program": "0.1.0",
    "room": "kitchen",
    "server": "wss://calls.example.org",
    "name": "Ada",
    "invite": {
        "command": "facewire call kitchen --server wss://calls.example.org",
        "link": "wss://calls.example.org#kitchen",
        "token": False,
    },
    "sends": {"camera": True, "microphone": True},
    "view": {"yaw": 40, "pitch": 25, "roll": 30},
    "budget": {"min_kbps": 8, "max_kbps": 200},
    "fps": 25.0,
    "name_characters": 64,
    "text_characters": 500,
    "folder": "/home/ada",
    "kept": {},
}
OTHER: dict[str, Any] = {
    "name": "Grace",
    "camera": "sending",
    "muted": False,
    "picture": "live",
    "sends_video": True,
    "sends_sound": True,
    "shown": True,
    "layer": "motion",
    "through": None,
}
OWN: dict[str, Any] = {
    "camera": "sending",
    "muted": False,
    "camera_on": True,
    "picture": "live",
    "portrait": False,
    "width": 640,
    "height": 480,
    "framing": {"x": 130, "y": 40, "side": 380},
    "layer": "motion",
    "why": "",
    "detail": "",
}
FIGURES: dict[str, Any] = {
    "seconds": 31.5,
    "sent": {"payload_kbps": 5.1, "wire_kbps": 13.9, "bytes": 61200},
    "received": {"payload_kbps": 4.9, "wire_kbps": 13.2, "bytes": 58100},
    "h264": {
        "payload_kbps": 151.0,
        "sound_kbps": 0.0,
        "wire_kbps": 163.8,
        "psnr_db": 36.1,
        "age_s": 4.2,
        "crf": 34,
        "bytes": 645000,
    },
    "fps": 24.8,
    "fps_sent": 25.0,
    "delay_ms": 295.0,
    "rtt_ms": 21.0,
    "loss": 0.01,
    "concealed": 0.002,
    "frozen_s": 0.4,
    "preset": "default",
    "slow": False,
}
WORDS = ["amber", "canoe", "lantern", "orchard", "pebble", "violin"]
PATIENCE_S = 15.0


class ScriptedProcess:
    """One page's process. face: the other person's picture, uint8 RGB (S, S, 3)."""

    def __init__(self, face: Picture) -> None:
        self.face = face
        self.heard: list[PageMessage] = []
        self.asked_for: list[str | None] = []
        """Pictures that the page loaded."""
        self.portraits: list[bytes] = []
        self.refuse_portraits = False
        self.hello: dict[str, Any] = dict(HELLO)
        self.camera_frames = 0
        self.sound_frames = 0
        self.server = PageServer(self)
        self._said: dict[str, dict[str, Any]] = {}
        self._send: Send | None = None
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._leg = BrowserLeg(self._take_camera, self._take_sound)
        self.phase("lobby")
        self.say("own", **OWN)
        self.say("view", yaw=0, pitch=0, roll=0, frontal=False)
        self.say("budget", max_kbps=None)
        self.say("safety", words=None)
        self.say("recording", here="off", file=None, seconds=None, there="off")

    async def start(self) -> str:
        """Starts serving; returns the address to open."""
        await self.server.start()
        self._spawn(self._show())
        return self.server.url

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._leg.close()
        await self.server.stop()

    async def drop(self) -> None:
        """Breaks the connection to the page, which may reconnect."""
        await self.server.socket.close(1011)

    async def die(self) -> None:
        """Stops as if killed: without a goodbye, and no longer listening."""
        await self.server._door.close()

    # --- the script

    def say(self, kind: str, **values: Any) -> None:
        """Sends a message to the page, now or after its next hello."""
        message = {"type": kind, **values}
        self._said[kind + str(values.get("whose", ""))] = message
        if kind == "phase" and values["phase"] != "call":
            self._said.pop("call", None)
        if self._send is not None:
            self._send(message)

    def phase(self, phase: str, code: str = "", detail: str = "") -> None:
        self.say("phase", phase=phase, code=code, detail=detail)

    def own(self, **values: Any) -> None:
        self.say("own", **(OWN | values))

    def call(
        self, state: str = "connected", *, server: bool = True, seconds: float | None = 31.5, **other: Any
    ) -> None:
        """Enters a call. other: differences from a Grace who is seen and heard."""
        self.phase("call")
        met = None if state in ("waiting", "connecting") else OTHER | other
        self.say("call", state=state, server=server, seconds=None if met is None else seconds, other=met)

    def figures(self, **values: Any) -> None:
        self.say("figures", **(FIGURES | values))

    def source(self, picture: str = "live", whose: str = "other", count: int = 1) -> None:
        """The newest of so many source frames, taken a second apart."""
        there = [
            {"url": f"picture/{whose}?v={number}", "taken_ms": 1_795_290_127_000 + 1000 * number}
            for number in range(1, count + 1)
        ]
        self.say("source", whose=whose, picture=picture, **there[-1], set=there if whose == "other" else [])

    def recording(self, **values: Any) -> None:
        self.say("recording", **({"here": "off", "file": None, "seconds": None, "there": "off"} | values))

    def texts(self, *texts: tuple[str, str], first: int = 0) -> None:
        """What was written: whose ("own", "other") and the text. Of one's own, only those before the last arrived. first: number of
        the first, where the process has forgotten older ones.
        """
        last = len(texts) - 1
        self.say(
            "texts",
            texts=[
                {
                    "whose": whose,
                    "text": text,
                    "at_ms": 1_795_290_127_000 + first + at,
                    "arrived": whose == "other" or at < last,
                }
                for at, (whose, text) in enumerate(texts)
            ],
        )

    def words(self) -> None:
        self.say("safety", words=WORDS)

    async def hears(self, wanted: PageMessage | type[PageMessage]) -> None:
        """Waits until the page has sent a message, or one of a type, since the last `forget`."""

        def said() -> bool:
            return any(message == wanted or type(message) is wanted for message in self.heard)

        try:
            async with asyncio.timeout(PATIENCE_S), self._news:
                await self._news.wait_for(said)
        except TimeoutError:
            said_instead = [message for message in self.heard if not isinstance(message, Offer)]
            raise AssertionError(f"the page did not send {wanted}, but {said_instead}") from None

    def forget(self) -> None:
        self.heard.clear()

    # --- PageHandler

    def page_opened(self, send: Send) -> None:
        self._send = send
        send(self.hello)
        for message in list(self._said.values()):
            send(message)

    async def page_message(self, message: PageMessage) -> None:
        if isinstance(message, Offer):
            answer = await self._leg.answer(message.sdp)
            if self._send is not None:
                self._send({"type": "answer", "sdp": answer})
        if isinstance(message, PortraitSwitch):
            self.own(picture="portrait" if message.on else "live", portrait=True)
        async with self._news:
            self.heard.append(message)
            self._news.notify_all()

    def page_closed(self) -> None:
        self._send = None

    def picture(self, whose: str, name: str | None) -> bytes | None:
        self.asked_for.append(name)
        file = io.BytesIO()
        Image.fromarray(self.face).save(file, "png")
        return file.getvalue()

    async def take_portrait(self, data: bytes) -> None:
        if self.refuse_portraits:
            raise NoFaceError("no face was found in the picture")
        self.portraits.append(data)

    # --- media

    def _take_camera(self, _frame: object) -> None:
        self.camera_frames += 1

    def _take_sound(self, _frame: object) -> None:
        self.sound_frames += 1

    async def _show(self) -> None:
        """Shows the other person, swaying."""
        step = 0
        while True:
            step += 1
            shifted = np.roll(self.face, round(3 * np.sin(step / 8)), axis=1)
            self._leg.show(shifted, time.monotonic())
            await asyncio.sleep(0.1)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
