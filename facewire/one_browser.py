"""A page that a program serves to one browser on its own machine: where it listens, who is let in, what keeps the page to itself.

The address that the program prints has a token that works once; the browser that opens it gets a cookie for it.
"""

from __future__ import annotations

import secrets
from typing import Literal

from aiohttp import web

from facewire.errors import InputError, reason

HOST = "127.0.0.1"
CLOSE_TIMEOUT_S = 1.0
ISOLATION = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers that every page of ours is served with, beside its own policies of permissions and content."""


class OneBrowser:
    """The door of such a page: one port, one browser."""

    def __init__(self) -> None:
        self._token, self._secret = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._token_used = False
        self._port = 0
        self._runner: web.AppRunner | None = None

    async def listen(self, app: web.Application, what: str, port: int = 0) -> None:
        """Serves on that port of 127.0.0.1 or, if it is taken, on a free one.

        what: the page, in words. Raises InputError if that is not possible.
        """
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_TIMEOUT_S)
        await self._runner.setup()
        try:
            try:
                await web.TCPSite(self._runner, HOST, port).start()
            except OSError:  # another of our programs, or somebody else's, has it
                await web.TCPSite(self._runner, HOST, 0).start()
        except OSError as error:
            await self._runner.cleanup()
            raise InputError(f"{what} cannot be served on {HOST} ({reason(error)})") from error
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stops serving."""
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self._port}"

    @property
    def url(self) -> str:
        """The address of the page, with a token that works once."""
        return f"{self.origin}/?token={self._token}"

    def is_named_by(self, request: web.Request) -> bool:
        """Whether a request is for this address; another host's name may lead here, too."""
        return request.headers.get("Host") == f"{HOST}:{self._port}"

    def knows(self, request: web.Request) -> bool:
        """Whether a request comes from the browser that was let in."""
        return secrets.compare_digest(request.cookies.get(self._cookie, "").encode(), self._secret.encode())

    def enter(self, request: web.Request) -> web.Response | Literal["used", "invalid"]:
        """Answers a request with a token: on to the page, with the cookie, or what is wrong with the token."""
        if not self.knows(request):
            if not secrets.compare_digest(request.query["token"].encode(), self._token.encode()):
                return "invalid"
            if self._token_used:
                return "used"
        self._token_used = True
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(self._cookie, self._secret, httponly=True, samesite="Strict", path="/")
        return response

    @property
    def _cookie(self) -> str:
        """The cookie's name, with the port, since cookies are shared between ports."""
        return f"facewire-{self._port}"
