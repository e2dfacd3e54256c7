"""What every server of the call page does alike, that of its own process (`page_server`) and a gateway: files, headers, WebSocket.

A `PageSocket` passes the messages of one page to its `PageHandler` (`page_call`). Who may connect is for the servers to decide.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from facewire.call.page_messages import MAX_TEXT_BYTES, PAGE_VERSION, PageHello, PageMessage, read_page_message
from facewire.errors import DecodeError
from facewire.one_browser import CLOSE_TIMEOUT_S, ISOLATION
from facewire.signaling.limits import Bucket

WEB_FOLDER = Path(__file__).parent / "web"
SERVED = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}\.(js|css|svg)")
CONTENT_TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
HELLO_TIMEOUT_S = 5.0
RELOAD_S = 2.0
"""A reloaded page may connect before its old connection has ended. A connection that remains after this time is another tab."""
MAX_WAITING = 500
"""Messages queued for the page. A page that lets more gather is disconnected."""
ANOTHER_TAB, ANOTHER_VERSION, ENDED, FLOOD = 4001, 4002, 4003, 4029
"""Close codes of the WebSocket."""

PERMISSIONS = (
    "camera",
    "microphone",
    "fullscreen",
    "picture-in-picture",
    "speaker-selection",
    "screen-wake-lock",
    "clipboard-write",
)
"""Browser features that the page may use."""
FORBIDDEN = ("geolocation", "display-capture", "usb", "serial", "hid", "midi", "payment", "clipboard-read")

_log = logging.getLogger(__name__)

Send = Callable[[dict[str, Any]], None]


class PageHandler(Protocol):
    """Acts on what the page sends. All methods are called in the event loop."""

    def page_opened(self, send: Send) -> None:
        """A page of the same version has connected; `send` reaches it until `page_closed`."""
        ...

    async def page_message(self, message: PageMessage) -> None:
        """A message from the page. A DecodeError is reported to the page."""
        ...

    def page_closed(self) -> None:
        """The page has disconnected; it may reconnect."""
        ...

    def picture(self, whose: str, name: str | None) -> bytes | None:
        """The source frame of "own" or "other" as PNG; None without one."""
        ...

    async def take_portrait(self, data: bytes) -> None:
        """The page uploaded a picture. Raises InputError or NoFaceError if it cannot be used."""
        ...


class PageSocket:
    """The WebSocket of a handler's page: one tab at a time.

    messages: limits how fast the page may send; one that sends faster is disconnected. heartbeat_s: between pings, by which a page
    whose network is gone is noticed; None on the same machine.
    """

    def __init__(
        self, handler: PageHandler, *, messages: Bucket | None = None, heartbeat_s: float | None = None
    ) -> None:
        self._handler, self._messages, self._heartbeat_s = handler, messages, heartbeat_s
        self._page: web.WebSocketResponse | None = None
        self._tab = ""
        self._free = asyncio.Event()
        self._free.set()

    async def close(self, code: int = ENDED) -> None:
        """Closes the page's connection, if there is one. By default it is told that all is over."""
        if self._page is not None:
            with contextlib.suppress(ConnectionError, TimeoutError):
                await asyncio.wait_for(self._page.close(code=code), CLOSE_TIMEOUT_S)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Holds the connection that this request opens. A `tab` in its query names the tab: it may replace its own connection."""
        socket = web.WebSocketResponse(
            max_msg_size=MAX_TEXT_BYTES, timeout=CLOSE_TIMEOUT_S, heartbeat=self._heartbeat_s
        )
        await socket.prepare(request)
        tab = request.query.get("tab", "")
        if tab and tab == self._tab:
            await self.close(WSCloseCode.TRY_AGAIN_LATER)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._free.wait(), RELOAD_S)
        if not self._free.is_set():
            await socket.close(code=ANOTHER_TAB, message=b"the call is open in another tab")
            return socket
        self._page, self._tab = socket, tab
        self._free.clear()
        try:
            if await _says_hello(socket):
                await self._talk(socket)
        finally:
            self._page = None
            self._free.set()
        return socket

    async def _talk(self, socket: web.WebSocketResponse) -> None:
        waiting: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING)

        def send(values: dict[str, Any]) -> None:
            try:
                waiting.put_nowait(json.dumps(values, ensure_ascii=False))
            except asyncio.QueueFull:
                writer.cancel()

        async def write() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    await socket.send_str(await waiting.get())

        async def read() -> None:
            async for frame in socket:
                if self._messages is not None and not self._messages.take(1, time.monotonic()):
                    await socket.close(code=FLOOD, message=b"too many messages")
                    return
                try:
                    if frame.type is not WSMsgType.TEXT:
                        raise DecodeError("a binary message; all messages are text")
                    await self._handler.page_message(read_page_message(frame.data))
                except DecodeError as error:
                    send({"type": "problem", "code": "bad-message", "detail": str(error)})

        writer, reader = asyncio.create_task(write()), asyncio.create_task(read())
        self._handler.page_opened(send)
        try:
            await asyncio.wait((writer, reader), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._handler.page_closed()
            for task in (writer, reader):
                task.cancel()
            for outcome in await asyncio.gather(writer, reader, return_exceptions=True):
                if isinstance(outcome, Exception):
                    _log.error("the page's connection ended with an error", exc_info=outcome)
            if not socket.closed:
                await socket.close(code=WSCloseCode.TRY_AGAIN_LATER)


async def _says_hello(socket: web.WebSocketResponse) -> bool:
    """Whether the page said hello in this version; if not, closes the connection."""
    try:
        message = read_page_message(await socket.receive_str(timeout=HELLO_TIMEOUT_S))
        if message == PageHello(PAGE_VERSION):
            return True
    except (DecodeError, TimeoutError, TypeError) as error:
        _log.info("no hello from the page: %s", error)
    await socket.close(code=ANOTHER_VERSION, message=b"a hello of version %d is required first" % PAGE_VERSION)
    return False


def harden(response: web.StreamResponse, origin: str) -> None:
    """Sets the headers that keep the page to itself. origin: of the page, such as `http://127.0.0.1:8790`."""
    allowed = [f"{name}=(self)" for name in PERMISSIONS] + [f"{name}=()" for name in FORBIDDEN]
    response.headers.update(
        ISOLATION
        | {
            "Permissions-Policy": ", ".join(allowed),
            "Content-Security-Policy": (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
                f"connect-src 'self' {origin.replace('http', 'ws', 1)}; base-uri 'none'; form-action 'none'; "
                "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
            ),
        }
    )


def page_file(folder: Path, name: str) -> web.StreamResponse | None:
    """A script, style or picture of the page; None for anything else."""
    served = SERVED.fullmatch(name)
    if served is None or not (folder / name).is_file():
        return None
    return web.FileResponse(folder / name, headers={"Content-Type": f"{CONTENT_TYPES[served[1]]}; charset=utf-8"})


def picture(handler: PageHandler, request: web.Request) -> web.StreamResponse:
    """The source frame that a request for `picture/{whose}?v=NAME` names."""
    png = handler.picture(request.match_info["whose"], request.query.get("v"))
    if png is None:
        return refusal(404, "No picture yet", "There is no source frame yet.")
    return web.Response(body=png, content_type="image/png")


def refusal(status: int, title: str, text: str, style: str = "/style.css") -> web.Response:
    """A plain page for a refused request. The texts are constants: nothing of the request is repeated. style: the style's place."""
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>facewire: {title}</title><link rel="stylesheet" href="{style}">'
        f'<body class="refusal"><main><h1>{title}</h1><p>{text}</p></main></body></html>'
    )
    return web.Response(status=status, text=page, content_type="text/html")
