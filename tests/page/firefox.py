"""Firefox as people have it: a fresh profile, only its camera and microphone fake, driven over WebDriver BiDi.

Playwright drives its own build of Firefox, or a newer one than the long-term release, and geckodriver is not packaged. Firefox
speaks BiDi itself, so this speaks it over a WebSocket: open a page, evaluate, wait, take a picture.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest

PATIENCE_S = 120.0
POLL_S = 0.05
START_S = 180.0
PREFERENCES = {
    "media.navigator.streams.fake": True,  # a test picture without a face, and a tone
    "media.navigator.permission.disabled": True,  # nobody is there to press "Allow"
    "media.autoplay.default": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
}


class FirefoxPage:
    """One tab. errors: errors of its scripts and console."""

    def __init__(self, firefox: Firefox, context: str) -> None:
        self._firefox, self.context = firefox, context
        self.errors: list[str] = []

    async def goto(self, url: str) -> None:
        await self._firefox.command("browsingContext.navigate", context=self.context, url=url, wait="complete")

    async def before_load(self, function: str) -> None:
        """Runs a function in every page that this tab loads, before its own scripts."""
        await self._firefox.command("script.addPreloadScript", functionDeclaration=function, contexts=[self.context])

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression, awaited; plain values only."""
        answer = await self._firefox.command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self.context},
            awaitPromise=True,
        )
        if answer["type"] != "success":
            raise AssertionError(f"{expression}: {answer['exceptionDetails']['text']}")
        return json.loads(answer["result"].get("value") or "null")

    async def until(self, expression: str, seconds: float = PATIENCE_S) -> None:
        """Waits until an expression is true."""
        try:
            async with asyncio.timeout(seconds):
                while not await self.evaluate(expression):
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            shown = await self.evaluate("document.body.innerText")
            raise AssertionError(f"never true: {expression}; the page says: {shown}; errors: {self.errors}") from None

    async def says(self, words: str, seconds: float = PATIENCE_S) -> None:
        """Waits until the page shows a text."""
        await self.until(f"document.body.innerText.includes({words!r})", seconds)

    async def click(self, selector: str) -> None:
        await self.until(f"document.querySelector({selector!r})?.disabled === false")
        await self.evaluate(f"document.querySelector({selector!r}).click()")

    async def screenshot(self, path: Path) -> None:
        shot = await self._firefox.command("browsingContext.captureScreenshot", context=self.context)
        path.write_bytes(base64.b64decode(shot["data"]))


class Firefox:
    """One Firefox and the connection that drives it. `start` makes one; skips the test where Firefox is not installed."""

    def __init__(self, process: asyncio.subprocess.Process, profile: Path) -> None:
        self._process, self._profile = process, profile
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, FirefoxPage] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._http = aiohttp.ClientSession()
        self._socket: aiohttp.ClientWebSocketResponse

    @classmethod
    async def start(cls, **preferences: object) -> Firefox:
        """preferences: besides `PREFERENCES`."""
        program = shutil.which("firefox-esr") or shutil.which("firefox")
        if program is None:
            pytest.skip("no Firefox")
        profile = Path(tempfile.mkdtemp(prefix="firefox-"))
        lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in (PREFERENCES | preferences).items()]
        (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1"},
            start_new_session=True,
        )
        firefox = cls(process, profile)
        try:
            await firefox._connect()
        except BaseException:
            await firefox.stop()
            raise
        return firefox

    async def _connect(self) -> None:
        assert self._process.stderr is not None
        async with asyncio.timeout(START_S):
            while (found := re.search(rb"BiDi listening on (ws://\S+)", await self._process.stderr.readline())) is None:
                assert self._process.returncode is None, "Firefox ended"
        self._tasks.append(asyncio.create_task(_drain(self._process.stderr)))
        address = found[1].decode() + "/session"
        self._socket = await self._http.ws_connect(address, max_msg_size=0)
        self._tasks.append(asyncio.create_task(self._read()))
        await self.command("session.new", capabilities={})
        await self.command("session.subscribe", events=["log.entryAdded"])

    async def command(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        return await asyncio.wait_for(answer, START_S)

    async def page(self, width: int = 1280, height: int = 800) -> FirefoxPage:
        """A tab of its own, without cookies of others."""
        user = (await self.command("browser.createUserContext"))["userContext"]
        context = (await self.command("browsingContext.create", type="tab", userContext=user))["context"]
        page = self._pages[context] = FirefoxPage(self, context)
        size = {"width": width, "height": height}
        await self.command("browsingContext.setViewport", context=context, viewport=size)
        return page

    async def _read(self) -> None:
        async for frame in self._socket:
            message = json.loads(frame.data)
            if message["type"] == "event":
                entry = message["params"]
                page = self._pages.get(entry.get("source", {}).get("context"))
                if page is not None and entry["level"] == "error":
                    page.errors.append(str(entry["text"]))
            elif (answer := self._answers.pop(message.get("id"), None)) is not None and not answer.done():
                if message["type"] == "success":
                    answer.set_result(message["result"])
                else:
                    answer.set_exception(AssertionError(f"{message['error']}: {message['message']}"))

    async def __aenter__(self) -> Firefox:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), 10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await self._http.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        shutil.rmtree(self._profile, ignore_errors=True)


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(4096):
        pass
