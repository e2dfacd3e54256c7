"""The web server of the call page: for one browser tab on this machine, and no one else.

It serves the files of `call/web/` and the page's WebSocket (`page_http`) for a `PageHandler` (`page_call`). Requests are
checked as described in docs/page.md: the loopback address as host, a one-time token and then a cookie, and the page as the origin
of everything but plain GET requests. Nothing here knows about calls.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from facewire.call.page_http import (
    SERVED,
    WEB_FOLDER,
    PageHandler,
    PageSocket,
    harden,
    page_file,
    picture,
    refusal,
)
from facewire.errors import InputError, NoFaceError
from facewire.one_browser import OneBrowser

PORT = 8790
"""The same for every call, since browsers remember permissions by address and port."""
MAX_PORTRAIT_BYTES = 20 << 20


class PageServer:
    """Serves the page for a handler. folder: the page's files. port: the one to listen on if it is free."""

    def __init__(self, handler: PageHandler, folder: Path = WEB_FOLDER, port: int = PORT) -> None:
        self._wanted_port = port
        self._handler = handler
        self._folder = folder
        self._door = OneBrowser()
        self.socket = PageSocket(handler)

    async def start(self) -> None:
        """Listens on that port of 127.0.0.1 or, if it is taken, on a free one. Raises InputError if that is not possible."""
        app = web.Application(middlewares=[self._guard], client_max_size=MAX_PORTRAIT_BYTES)
        app.on_response_prepare.append(self._harden)
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/ws", self.socket.serve),
                web.get("/picture/{whose:own|other}", self._picture),
                web.post("/portrait", self._portrait),
                web.get("/{name}", self._file),
            ]
        )
        await self._door.listen(app, "the call page", self._wanted_port)

    async def stop(self) -> None:
        """Closes the page's connection, then the server."""
        await self.socket.close()
        await self._door.close()

    @property
    def origin(self) -> str:
        return self._door.origin

    @property
    def url(self) -> str:
        """The address of the page, with a token that works once."""
        return self._door.url

    # --- checks of every request

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if not self._door.is_named_by(request):
            return refusal(421, "Wrong address", f"This program answers at {self.origin} only.")
        acts = request.method != "GET" or request.path == "/ws"
        if acts and request.headers.get("Origin") != self.origin:
            return refusal(403, "Refused", "This request came from another web page. Only the call page may make it.")
        is_open = request.path == "/" and "token" in request.query
        is_open = is_open or SERVED.fullmatch(request.path[1:]) is not None  # program text, not secret
        if not is_open and not self._door.knows(request):
            return refusal(
                403,
                "This call belongs to another browser",
                "Open the address that facewire printed when it started. It works once, so a second browser or a private window "
                "cannot use it. To start over, stop facewire and start it again.",
            )
        response: web.StreamResponse = await handler(request)
        return response

    async def _harden(self, _request: web.Request, response: web.StreamResponse) -> None:
        harden(response, self.origin)

    # --- requests

    async def _index(self, request: web.Request) -> web.StreamResponse:
        if "token" not in request.query:
            return web.FileResponse(self._folder / "index.html")
        entered = self._door.enter(request)
        if isinstance(entered, web.Response):
            return entered
        used = entered == "used"
        return refusal(
            403,
            "This link has already been used" if used else "This link is not valid",
            "It opens the page once, in one browser. If that was not you, someone else on this computer has used it: stop "
            "facewire and start it again."
            if used
            else "Open the address that facewire printed when it started.",
        )

    async def _file(self, request: web.Request) -> web.StreamResponse:
        found = page_file(self._folder, request.match_info["name"])
        return found or refusal(404, "Nothing here", "The call page is at /.")

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        return picture(self._handler, request)

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


def _portrait_refused(code: str, detail: str) -> web.Response:
    return web.json_response({"ok": False, "code": code, "detail": detail}, status=400)
