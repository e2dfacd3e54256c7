"""The gateway: the signaling server, and beside it at the same address invitations and the page of guests.

`facewire gateway` calls `run`. The signaling server listens and seats everybody; `guests` holds the calls. docs/gateway.md says
what is served and checked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from facewire.call.page_http import WEB_FOLDER, harden, page_file, picture, refusal
from facewire.errors import FacewireError
from facewire.gateway import networks as shared
from facewire.gateway.guests import Guest, Guests, TurnedAway, browser_key
from facewire.gateway.metrics import Metrics
from facewire.gateway.options import GatewayOptions
from facewire.signaling import tokens
from facewire.signaling.invitations import Invitation, InvitationRefused, Invitations, MemoryInvitations
from facewire.signaling.limits import AddressRates
from facewire.signaling.links import PAGE, Link
from facewire.signaling.messages import ROOM
from facewire.signaling.rooms import RoomsUnavailable
from facewire.signaling.server import SignalingServer

COOKIE = "facewire-guest"
MAX_BODY_BYTES = 4096
MAX_INVITATION_S = 7 * 24 * 3600
STYLE = f"{PAGE}/style.css"
ENTERING_S, ENTERING_BURST = 1.0, 30.0
"""How often one address may try a code."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gateway:
    """One gateway on the running event loop. networks: loaded ones to use; by default it loads its own when it starts."""

    def __init__(self, options: GatewayOptions, networks: shared.GatewayNetworks | None = None) -> None:
        options.check()
        self._options = options
        self._networks = networks
        self._rates = AddressRates(ENTERING_S, ENTERING_BURST)
        self.server = SignalingServer(options.server, self._routes())
        self.metrics = Metrics(self.server.metrics.registry)
        self._invitations: Invitations = MemoryInvitations()
        if options.server.redis_url is not None:
            from facewire.signaling.redis_invitations import RedisInvitations

            self._invitations = RedisInvitations(options.server.redis_url)
        self.url = ""
        """Where guests find it, without a slash at the end. Known once it has started."""
        self._guests: Guests | None = None

    async def start(self) -> None:
        """Loads the networks and starts listening. Raises InputError or WeightsError if that is not possible."""
        options = self._options
        networks = self._networks
        if networks is None:
            networks = await asyncio.to_thread(shared.load, options.weights, options.backend)
        await self.server.start()
        scheme = "https" if options.server.tls_key is not None else "http"
        host = options.server.host if ":" not in options.server.host else f"[{options.server.host}]"
        self.url = (options.public_url or f"{scheme}://{host}:{self.server.port}").rstrip("/")
        self._guests = Guests(
            urlsplit(self.url).hostname or "",
            networks,
            self.server,
            self._invitations,
            options.max_calls,
            self.metrics,
        )

    async def drain(self) -> None:
        """Lets no more guests in and waits for their calls to end, as long as the options say."""
        self.server.draining = True
        await self.guests.drain(self._options.drain_s)

    async def stop(self) -> None:
        """Ends all calls of guests and closes every connection."""
        if self._guests is not None:
            await self._guests.stop()
        await self.server.stop()
        await self._invitations.stop()

    @property
    def guests(self) -> Guests:
        assert self._guests is not None, "not started"
        return self._guests

    # --- requests

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._page(self._nothing_here)),
            web.get(PAGE, self._page(self._to_page)),
            web.get(f"{PAGE}/", self._page(self._index)),
            web.get(f"{PAGE}/{{name}}", self._page(self._file)),
            web.post(f"{PAGE}/enter", self._page(self._enter)),
            web.get(f"{PAGE}/{{guest}}/ws", self._page(self._socket)),
            web.get(f"{PAGE}/{{guest}}/picture/{{whose:own|other}}", self._page(self._picture)),
            web.post("/invitations", self._program(self._invite)),
            web.post("/invitations/use", self._program(self._use)),
            web.post("/invitations/revoke", self._program(self._revoke)),
        ]

    def _page(self, handler: Handler) -> Handler:
        """A request that a browser makes: to this host, from the page itself, with the headers of the page on the answer."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            response: web.StreamResponse
            acts = request.method != "GET" or request.path.endswith("/ws")
            if request.headers.get("Host") != urlsplit(self.url).netloc:
                response = refusal(421, "Wrong address", "This server answers at another address.", STYLE)
            elif acts and request.headers.get("Origin") != self.url:
                text = "This request came from another web page. Only the call page may make it."
                response = refusal(403, "Refused", text, STYLE)
            else:
                response = await handler(request)
            if not response.prepared:
                harden(response, self.url)
            return response

        return guarded

    async def _nothing_here(self, request: web.Request) -> web.StreamResponse:
        return refusal(
            200,
            "A facewire gateway",
            "You get into a call by a link that somebody sends you. It begins with this address.",
            STYLE,
        )

    async def _to_page(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=308, headers={"Location": f"{PAGE}/"})  # browsers keep the fragment

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(WEB_FOLDER / "index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        found = page_file(WEB_FOLDER, request.match_info["name"])
        return found or refusal(404, "Nothing here", "A call begins with the link that somebody sent you.", STYLE)

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        """An invitation's code becomes a guest, whose id is answered; the cookie says whose it is."""
        try:
            code = str((await _body(request)).get("code"))
            if not self._rates.take(self.server.address(request), time.monotonic()):
                return _said(429, "slow", "too many attempts from this address; wait a moment")
            cookie = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
            guest = await self.guests.enter(code, browser_key(cookie))
        except _BadRequest as error:
            return _said(400, "bad-request", str(error))
        except TurnedAway as error:
            return _said(503 if error.why in ("full", "closing") else 410, error.why, str(error))
        except RoomsUnavailable as error:
            return _said(503, "closing", str(error))
        response = web.json_response({"guest": guest.id, "server": urlsplit(self.url).hostname})
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=MAX_INVITATION_S,
            httponly=True,
            samesite="Strict",
            secure=self.url.startswith("https"),
            path=f"{PAGE}/",
        )
        return response

    def _guest(self, request: web.Request) -> Guest | None:
        return self.guests.find(request.match_info["guest"], browser_key(request.cookies.get(COOKIE, "")))

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        guest = self._guest(request)
        if guest is None:
            return refusal(404, "Nothing here", "This call is over. Open the link again.", STYLE)
        with self.server.kept_open(request):
            return await guest.serve(request, self.server.address(request))

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        guest = self._guest(request)
        if guest is None:
            return refusal(404, "Nothing here", "This call is over. Open the link again.", STYLE)
        return picture(guest.call, request)

    # --- invitations: for programs

    def _program(self, handler: Handler) -> Handler:
        """A request that no browser makes. What fails is answered as JSON, in words for the person."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if "Origin" in request.headers:
                return _said(403, "origin", "web pages may not ask for this")
            if not self._rates.take(self.server.address(request), time.monotonic()):
                return _said(429, "slow", "too many requests from this address; wait a moment")
            try:
                return await handler(request)
            except _BadRequest as error:
                return _said(400, "bad-request", str(error))
            except tokens.TokenError as error:
                return _said(403, "token", str(error))
            except InvitationRefused as error:
                return _said(410, error.why, str(error))
            except FacewireError as error:
                return _said(503, "busy", str(error))

        return guarded

    def _check_permission(self, request: web.Request) -> None:
        """TokenError unless the request is signed with the secret."""
        tokens.verify_inviting(self._options.inviting_secret, _permission(request))

    def _check_may_invite(self, request: web.Request, room: object, *, reusable: bool) -> None:
        """The same, or whoever may be in the room themselves invites one person to it."""
        secret = self._options.server.secret
        if not reusable and secret is None and "Authorization" not in request.headers:
            return  # an open gateway, on loopback
        if not reusable and secret is not None:
            with contextlib.suppress(tokens.TokenError):
                if tokens.room_of(secret, _permission(request)) == room:
                    return
        self._check_permission(request)

    async def _invite(self, request: web.Request) -> web.StreamResponse:
        wanted = await _body(request)
        room, seconds, reusable = wanted.get("room"), wanted.get("seconds"), wanted.get("reusable", False)
        self._check_may_invite(request, room, reusable=reusable is not False)
        if not isinstance(room, str) or ROOM.fullmatch(room) is None:
            raise _BadRequest("a room name has 1 to 64 of the characters A-Z a-z 0-9 . _ -")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 1 <= seconds <= MAX_INVITATION_S:
            raise _BadRequest(f"an invitation lasts 1 to {MAX_INVITATION_S} seconds")
        if not isinstance(reusable, bool):
            raise _BadRequest("reusable is true or false")
        code = await self._invitations.add(Invitation(room, time.time() + seconds, reusable))
        self.metrics.invitations.labels("made").inc()
        return web.json_response({"link": str(Link(self.url, code))})

    async def _use(self, request: web.Request) -> web.StreamResponse:
        """A program comes by an invitation: it gets a token for the room, and does its own part of the call."""
        code = str((await _body(request)).get("code"))
        invitation = await self._invitations.take(code, secrets.token_hex(16))
        self.metrics.invitations.labels("used").inc()
        secret = self._options.server.secret
        token = tokens.mint(secret, invitation.room, tokens.RECONNECT_S) if secret is not None else None
        return web.json_response({"room": invitation.room, "token": token})

    async def _revoke(self, request: web.Request) -> web.StreamResponse:
        self._check_permission(request)
        code = str((await _body(request)).get("code"))
        revoked = await self._invitations.revoke(code)
        self.metrics.invitations.labels("revoked").inc(int(revoked))
        return web.json_response({"revoked": revoked})


class _BadRequest(FacewireError):
    """The text is for the user."""


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON object in a request; _BadRequest for anything else."""
    data = bytearray()
    async for piece in request.content.iter_chunked(MAX_BODY_BYTES):
        data += piece
        if len(data) > MAX_BODY_BYTES:
            raise _BadRequest(f"a request of more than {MAX_BODY_BYTES} bytes")
    values: object = None
    with contextlib.suppress(ValueError, RecursionError):
        values = json.loads(bytes(data))
    if not isinstance(values, dict):
        raise _BadRequest("a request is one JSON object")
    return values


def _permission(request: web.Request) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind != "Bearer":
        raise tokens.TokenError("inviting needs the server's secret")
    return token


def _said(status: int, code: str, detail: str) -> web.Response:
    return web.json_response({"code": code, "detail": detail}, status=status)


def run(options: GatewayOptions, on_start: Callable[[Gateway], None], on_drain: Callable[[int], None]) -> None:
    """Serves until SIGTERM or SIGINT, then lets calls end; a second signal ends them.

    on_start: called once it listens. on_drain: called with the number of guests in a call when it begins to wait for them.
    """
    import signal

    import uvloop

    async def serve() -> None:
        gateway = Gateway(options)
        await gateway.start()
        leave, now = asyncio.Event(), asyncio.Event()

        def asked() -> None:
            (now if leave.is_set() else leave).set()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, asked)
        on_start(gateway)
        await leave.wait()
        if gateway.guests.calls:
            on_drain(gateway.guests.calls)
        draining, asked_twice = asyncio.create_task(gateway.drain()), asyncio.create_task(now.wait())
        await asyncio.wait((draining, asked_twice), return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, asked_twice):
            task.cancel()
        await gateway.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
