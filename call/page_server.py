"""The web server of the call page: for one browser tab on this machine, and no one else.

It serves the files of `call/web/` and passes the messages of the page's WebSocket to a `PageHandler` (`page_call`). Requests are
checked as described in docs/page.md: the loopback address as host, a one-time token and then a cookie, and the page as the origin
of everything but plain GET requests. Nothing here knows about calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from facewire.call.page_messages import MAX_TEXT_BYTES, PAGE_VERSION, PageHello, PageMessage, read_page_message
from facewire.errors import DecodeError, InputError, NoFaceError, reason

HOST = "127.0.0.1"
PORT = 8790
"""The same for every call, since browsers remember permissions by address and port."""
WEB_FOLDER = Path(__file__).parent / "web"
SERVED = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}\.(js|css|svg)")
CONTENT_TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
MAX_PORTRAIT_BYTES = 20 << 20
HELLO_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0
RELOAD_S = 2.0
"""A reloaded page may connect before its old connection has ended. A connection that remains after this time is another tab."""
MAX_WAITING = 500
"""Messages queued for the page. A page that lets more gather is disconnected."""
ANOTHER_TAB, ANOTHER_VERSION, ENDED = 4001, 4002, 4003
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


class PageServer:
    """Serves the page for a handler. folder: the page's files. port: the one to listen on if it is free."""

    def __init__(self, handler: PageHandler, folder: Path = WEB_FOLDER, port: int = PORT) -> None:
        self._wanted_port = port
        self._handler = handler
        self._folder = folder
        self._token, self._secret = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._token_used = False
        self._port = 0
        self._page: web.WebSocketResponse | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listens on that port of 127.0.0.1 or, if it is taken, on a free one. Raises InputError if that is not possible."""
        app = web.Application(middlewares=[self._guard], client_max_size=MAX_PORTRAIT_BYTES)
        app.on_response_prepare.append(self._harden)
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/ws", self._socket),
                web.get("/picture/{whose:own|other}", self._picture),
                web.post("/portrait", self._portrait),
                web.get("/{name}", self._file),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_TIMEOUT_S)
        await self._runner.setup()
        try:
            try:
                await web.TCPSite(self._runner, HOST, self._wanted_port).start()
            except OSError:  # another call, or another program, has it
                await web.TCPSite(self._runner, HOST, 0).start()
        except OSError as error:
            await self._runner.cleanup()
            raise InputError(f"the call page cannot be served on {HOST} ({reason(error)})") from error
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Closes the page's connection, then the server."""
        if self._page is not None:
            with contextlib.suppress(ConnectionError, TimeoutError):
                await asyncio.wait_for(self._page.close(code=ENDED), CLOSE_TIMEOUT_S)
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self._port}"

    @property
    def url(self) -> str:
        """The address of the page, with a token that works once."""
        return f"{self.origin}/?token={self._token}"

    # --- checks of every request

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Host") != f"{HOST}:{self._port}":
            return _refusal(421, "Wrong address", f"This program answers at {self.origin} only.")
        acts = request.method != "GET" or request.path == "/ws"
        if acts and request.headers.get("Origin") != self.origin:
            return _refusal(403, "Refused", "This request came from another web page. Only the call page may make it.")
        is_open = request.path == "/" and "token" in request.query
        is_open = is_open or SERVED.fullmatch(request.path[1:]) is not None  # program text, not secret
        if not is_open and not self._knows(request):
            return _refusal(
                403,
                "This call belongs to another browser",
                "Open the address that facewire printed when it started. It works once, so a second browser or a private window "
                "cannot use it. To start over, stop facewire and start it again.",
            )
        response: web.StreamResponse = await handler(request)
        return response

    def _knows(self, request: web.Request) -> bool:
        return secrets.compare_digest(request.cookies.get(self._cookie, "").encode(), self._secret.encode())

    @property
    def _cookie(self) -> str:
        """The cookie's name, with the port, since cookies are shared between ports."""
        return f"facewire-{self._port}"

    async def _harden(self, _request: web.Request, response: web.StreamResponse) -> None:
        allowed = [f"{name}=(self)" for name in PERMISSIONS] + [f"{name}=()" for name in FORBIDDEN]
        response.headers.update(
            {
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cross-Origin-Opener-Policy": "same-origin",
                "Cross-Origin-Embedder-Policy": "require-corp",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Permissions-Policy": ", ".join(allowed),
                "Content-Security-Policy": (
                    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
                    f"connect-src 'self' ws://{HOST}:{self._port}; base-uri 'none'; form-action 'none'; "
                    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
                ),
            }
        )

    # --- requests

    async def _index(self, request: web.Request) -> web.StreamResponse:
        if "token" not in request.query:
            return web.FileResponse(self._folder / "index.html")
        if not self._knows(request):
            good = secrets.compare_digest(request.query["token"].encode(), self._token.encode())
            if not good or self._token_used:
                return _refusal(
                    403,
                    "This link has already been used" if good else "This link is not valid",
                    "It opens the page once, in one browser. If that was not you, someone else on this computer has used it: stop "
                    "facewire and start it again."
                    if good
                    else "Open the address that facewire printed when it started.",
                )
        self._token_used = True
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(self._cookie, self._secret, httponly=True, samesite="Strict", path="/")
        return response

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        served = SERVED.fullmatch(name)
        if served is None or not (self._folder / name).is_file():
            return _refusal(404, "Nothing here", "The call page is at /.")
        kind = {"Content-Type": f"{CONTENT_TYPES[served[1]]}; charset=utf-8"}
        return web.FileResponse(self._folder / name, headers=kind)

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        picture = self._handler.picture(request.match_info["whose"], request.query.get("v"))
        if picture is None:
            return _refusal(404, "No picture yet", "There is no source frame yet.")
        return web.Response(body=picture, content_type="image/png")

    async def _portrait(self, request: web.Request) -> web.StreamResponse:
        try:
            await self._handler.take_portrait(await request.read())
        except web.HTTPRequestEntityTooLarge:
            return _portrait_refused("too-large", f"the picture is larger than {MAX_PORTRAIT_BYTES >> 20} MB")
        except NoFaceError as error:
            return _portrait_refused("no-face", str(error))
        except InputError as error:
            return _portrait_refused("not-a-picture", str(error))
        return web.json_response({"ok": True})

    # --- the WebSocket

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=MAX_TEXT_BYTES, timeout=CLOSE_TIMEOUT_S)
        await socket.prepare(request)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._free.wait(), RELOAD_S)
        if not self._free.is_set():
            await socket.close(code=ANOTHER_TAB, message=b"the call is open in another tab")
            return socket
        self._page = socket
        self._free.clear()
        try:
            if await self._says_hello(socket):
                await self._talk(socket)
        finally:
            self._page = None
            self._free.set()
        return socket

    async def _says_hello(self, socket: web.WebSocketResponse) -> bool:
        """Whether the page said hello in this version; if not, closes the connection."""
        try:
            message = read_page_message(await socket.receive_str(timeout=HELLO_TIMEOUT_S))
            if message == PageHello(PAGE_VERSION):
                return True
        except (DecodeError, TimeoutError, TypeError) as error:
            _log.info("no hello from the page: %s", error)
        await socket.close(code=ANOTHER_VERSION, message=b"a hello of version %d is required first" % PAGE_VERSION)
        return False

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


def _portrait_refused(code: str, detail: str) -> web.Response:
    return web.json_response({"ok": False, "code": code, "detail": detail}, status=400)


def _refusal(status: int, title: str, text: str) -> web.Response:
    """A plain page for a refused request. Both texts are constants: nothing of the request is repeated."""
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>facewire: {title}</title><link rel="stylesheet" href="/style.css">'
        f'<body class="refusal"><main><h1>{title}</h1><p>{text}</p></main></body></html>'
    )
    return web.Response(status=status, text=page, content_type="text/html")
