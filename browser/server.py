"""The server of the page that plays a `.fw` file: for one browser on this machine, and no one else.

It takes a recording as bytes, checked against the weights, and serves it together with the page, the scripts, onnxruntime-web and
the weights. The browser does the rest. Requests must name the loopback address as host; the recording itself needs a cookie, which
a one-time token gets (docs/browser.md).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from facewire.browser.files import BUNDLE_FILES, FOLDER, RUNTIME_FILES, SCRIPTS, content_type, runtime_folder
from facewire.codec import read_stream
from facewire.errors import DecodeError, InputError, WeightsError, reason
from facewire.models.bundle import Bundle
from facewire.one_browser import ISOLATION, OneBrowser

STANDARD_INPUT = Path("-")
POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'"
"""What scripts may do. Workers get it as it stands: onnxruntime-web starts its threads from plain addresses."""
PAGE_POLICY = (
    f"{POLICY}; style-src 'self'; img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types facewire-painter"
)


def read_recording(path: Path, bundle: Bundle) -> bytes:
    """The bytes of a `.fw` file; "-" is standard input.

    Raises InputError if it cannot be read, DecodeError if it is damaged or something else, and WeightsError if its source frames
    need other weights.
    """
    try:
        data = sys.stdin.buffer.read() if path == STANDARD_INPUT else path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from error
    try:
        stream = read_stream(data)
    except DecodeError as error:
        raise DecodeError(f"{path}: {error}") from error
    if not stream.frames:
        raise DecodeError(f"{path}: holds a source frame but no motion")
    for source in stream.sources:
        if source.bundle_hash != bundle.hash:
            ours = f"{bundle.name} {bundle.hash.hex()}"
            raise WeightsError(f"{path}: made with weights {source.bundle_hash.hex()}; these are {ours}")
    return data


class PlayerServer:
    """Serves the page of one recording. data: a `.fw` file. name: what the page calls it.

    Raises InputError if onnxruntime-web is not installed.
    """

    def __init__(self, data: bytes, name: str, bundle: Bundle) -> None:
        self._data, self._name, self._bundle = data, name, bundle
        self._runtime = runtime_folder()
        self._door = OneBrowser()

    async def start(self) -> None:
        """Listens on a free port of 127.0.0.1. Raises InputError if that is not possible."""
        app = web.Application(middlewares=[self._guard])
        app.on_response_prepare.append(_harden)
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/recording", self._recording),
                web.get("/{name:.+}", self._file),
            ]
        )
        await self._door.listen(app, "the player")

    async def stop(self) -> None:
        """Stops serving."""
        await self._door.close()

    @property
    def url(self) -> str:
        """The address of the page, with a token that works once."""
        return self._door.url

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not self._door.is_named_by(request):
            return web.Response(status=421, text=f"This program answers at {self._door.origin} only.")
        return await handler(request)

    async def _index(self, request: web.Request) -> web.StreamResponse:
        if "token" not in request.query:
            return _served(FOLDER / "player/index.html")
        entered = self._door.enter(request)
        if isinstance(entered, web.Response):
            return entered
        return _refused("used before" if entered == "used" else "not valid")

    async def _recording(self, request: web.Request) -> web.StreamResponse:
        if not self._door.knows(request):
            return _refused("used in another browser")
        headers = {"Content-Type": "application/octet-stream", "Recording-Name": quote(self._name)}
        return web.Response(body=self._data, headers=headers)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        folder, _, file = name.rpartition("/")
        if SCRIPTS.fullmatch(name) and (FOLDER / name).is_file():
            return _served(FOLDER / name)
        if folder == "runtime" and file in RUNTIME_FILES:
            return _served(self._runtime / file)
        if folder == "bundle" and file in BUNDLE_FILES:
            return _served(self._bundle.folder / file)
        return web.Response(status=404, text="Nothing here; the player is at /.")


def _served(path: Path) -> web.StreamResponse:
    return web.FileResponse(path, headers={"Content-Type": content_type(path.name)})


def _refused(why: str) -> web.StreamResponse:
    text = f"This address was {why}. Start `facewire play` again, and open the address that it prints."
    return web.Response(status=403, text=text)


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    page = response.content_type == "text/html"
    response.headers.update(
        ISOLATION
        | {
            "Permissions-Policy": "camera=(), microphone=(), geolocation=(), display-capture=()",
            "Content-Security-Policy": PAGE_POLICY if page else POLICY,
        }
    )


async def serve(server: PlayerServer, opened: Callable[[str], None]) -> None:
    """Serves until it is cancelled. opened: called with the address once it can be opened."""
    await server.start()
    try:
        opened(server.url)
        await asyncio.Event().wait()
    finally:
        await server.stop()
