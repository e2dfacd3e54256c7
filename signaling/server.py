"""The signaling server: gives WebSocket clients seats in rooms and relays messages between the two clients of a room.

`facewire serve` calls `run`. `connection` handles one client, `tokens` check permissions, `rooms` or `redis_rooms` hold the seats,
`limits` stop floods, `metrics` count. The protocol is in docs/signaling.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import re
import secrets
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from facewire.errors import FacewireError, InputError, reason
from facewire.signaling import messages, tokens
from facewire.signaling.connection import CLOSE_TIMEOUT_S, Close, Connection
from facewire.signaling.events import IceServer
from facewire.signaling.limits import Addresses, Limits, is_loopback
from facewire.signaling.messages import FromPeer, Gone, Join, Leave, ToPeer, Welcome
from facewire.signaling.metrics import Metrics
from facewire.signaling.rooms import (
    Inbox,
    Member,
    MemoryRooms,
    RoomFull,
    Rooms,
    RoomsUnavailable,
    Seat,
    SeatInUse,
)

PATH = "/ws"
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8787
HEARTBEAT_S = 8.0
"""Between pings. A client that sends nothing for half as long after a ping counts as gone."""
ICE_URL = re.compile(r"(stun|stuns|turn|turns):[^\s?]{1,255}(\?transport=(udp|tcp))?")


@dataclass(frozen=True)
class ServerOptions:
    """Options of a server."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    """0 takes any free port."""
    secret: bytes | None = None
    """Signs join tokens. Without one the server is open to everyone, which is allowed on loopback only."""
    ice_urls: tuple[str, ...] = ()
    """STUN and TURN servers for the clients, such as `turn:host:3478?transport=udp`."""
    turn_secret: bytes | None = None
    """coturn's `static-auth-secret`; required if `ice_urls` has a TURN server."""
    origins: tuple[str, ...] = ()
    """Origins of web pages that may connect, such as `https://call.example`. Programs send no origin and may always connect."""
    redis_url: str | None = None
    """The Redis through which several servers share rooms, such as `redis://host:6379/0`."""
    behind_proxy: bool = False
    """Takes client addresses from the last entry of X-Forwarded-For."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    """PEM files; given these, the server speaks wss:// and https://."""
    heartbeat_s: float = HEARTBEAT_S
    limits: Limits = field(default_factory=Limits)

    def check(self) -> None:
        """Raises InputError for options that do not work or are not safe."""
        if self.secret is None and (self.behind_proxy or not is_loopback(self.host)):
            raise InputError(
                f"an open server is for loopback only, not for {'a proxy' if self.behind_proxy else self.host}; "
                "set a secret for join tokens"
            )
        for url in self.ice_urls:
            if ICE_URL.fullmatch(url) is None:
                raise InputError(f"{url!r} is not a STUN or TURN server, such as turn:host:3478?transport=udp")
            if url.startswith("turn") and self.turn_secret is None:
                raise InputError(f"{url} needs the secret shared with the TURN server")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise InputError("TLS needs both a certificate and its key")


class SignalingServer:
    """One server on the running event loop. routes: what else it serves at its address, as a gateway does for its guests."""

    def __init__(self, options: ServerOptions, routes: Sequence[web.AbstractRouteDef] = ()) -> None:
        options.check()
        self.metrics = Metrics()
        self._options = options
        self._rooms = _rooms(options)
        self._room_sizes: Counter[str] = Counter()
        self._addresses = Addresses(options.limits)
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._transports: set[asyncio.BaseTransport | None] = set()
        """Of the WebSockets in `_connections` and of those being closed."""
        self._sweeper: asyncio.Task[None] | None = None
        self._stopping = False
        self._about: dict[str, object] = {"gateway": True} if routes else {}
        self.draining = False
        """Whether it stops soon; `/healthz` tells balancers then to send new clients elsewhere."""
        app = web.Application()
        app.router.add_get(PATH, self._connect)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.add_routes(routes)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_TIMEOUT_S)

    @property
    def port(self) -> int:
        port: int = self._runner.addresses[0][1]
        return port

    @property
    def url(self) -> str:
        """The address for clients."""
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        return f"{'wss' if self._options.tls_key else 'ws'}://{host}:{self.port}{PATH}"

    async def start(self) -> None:
        """Starts listening. Raises InputError if that is not possible."""
        options = self._options
        tls = _tls(options)
        try:
            await self._rooms.start()
        except RoomsUnavailable as error:
            raise InputError(str(error)) from error
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, options.host, options.port, ssl_context=tls).start()
        except (OSError, UnicodeError) as error:  # UnicodeError: an invalid host name
            await self.stop()
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            remedy = ": another program has this port; choose one with --port" if taken else ""
            raise InputError(f"{options.host}:{options.port}: cannot listen ({reason(error)}){remedy}") from error
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Closes every connection with "going away" and stops. Clients will reconnect to the next server at this address."""
        self._stopping = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in self._connections:
            connection.close(Close(messages.CLOSE_GOING_AWAY, "the server is stopping", None))
        if self._connections:
            await asyncio.wait(self._connections.values(), timeout=CLOSE_TIMEOUT_S)
        await self._runner.cleanup()
        await self._rooms.stop()

    async def _health(self, request: web.Request) -> web.Response:
        leaving = self._stopping or self.draining
        if leaving or not await self._rooms.healthy():
            return web.json_response({"status": "stopping" if leaving else "no redis"} | self._about, status=503)
        return web.json_response({"status": "ok"} | self._about)

    async def _metrics(self, request: web.Request) -> web.Response:
        if not _is_private(self.address(request)):
            raise web.HTTPForbidden(text="metrics are available to private addresses only\n")
        return web.Response(body=self.metrics.text(), content_type="text/plain", charset="utf-8")

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if self._stopping:
            raise web.HTTPServiceUnavailable(text="the server is stopping\n")
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._options.origins:
            self.metrics.refused.labels("origin").inc()
            raise web.HTTPForbidden(text="this web page may not connect here\n")
        if len(self._connections) >= self._options.limits.connections:
            self.metrics.refused.labels("busy").inc()
            raise web.HTTPServiceUnavailable(text="too many connections\n")
        address = self.address(request)
        if not self._addresses.enter(address, time.monotonic()):
            self.metrics.refused.labels("address").inc()
            raise web.HTTPTooManyRequests(text="too many connections from this address\n")
        try:
            return await self._serve(request)
        finally:
            self._addresses.leave(address)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            # Pings are answered in `Connection`, so that they count as messages.
            autoping=False,
            heartbeat=self._options.heartbeat_s,
            max_msg_size=messages.MAX_MESSAGE_BYTES + 1,  # aiohttp refuses this size and above
            compress=False,
            timeout=CLOSE_TIMEOUT_S,
        )
        try:
            await socket.prepare(request)
        except ConnectionError:  # the client has not waited for the answer
            return web.Response()
        connection = Connection(request, socket, self._options.limits)
        task = asyncio.current_task()
        assert task is not None
        self._transports.add(connection.transport)
        self._connections[connection] = task
        self.metrics.connections.set(len(self._connections))
        seat: Seat | None = None
        said_goodbye = False
        try:
            seat = await self._join(connection)
            said_goodbye = await self._relay(connection, seat)
        except Close as close:
            connection.ending = connection.ending or close
        except ConnectionError:
            pass  # the client disconnected during a write
        finally:
            # Free the seat first: a client can delay closing up to the timeout.
            del self._connections[connection]
            self.metrics.connections.set(len(self._connections))
            if seat is not None:
                await self.free(seat, said_goodbye=said_goodbye)
            await connection.finish()
            self._transports.discard(connection.transport)
        if connection.ending and connection.ending.cause:
            self.metrics.refused.labels(connection.ending.cause).inc()
        return socket

    async def _join(self, connection: Connection) -> Seat:
        limits = self._options.limits
        try:
            async with asyncio.timeout(limits.join_timeout_s):
                message = await connection.receive()
        except TimeoutError as error:
            raise Close(
                messages.CLOSE_TIMEOUT, f"no join message within {limits.join_timeout_s:g} s", "timeout"
            ) from error
        if not isinstance(message, Join):
            raise Close(messages.CLOSE_MALFORMED, "the first message must be join", "malformed")
        peer_id = messages.peer_id(message.session)
        granted = self._check_token(message, peer_id)
        member = Member(secrets.token_hex(8), peer_id, granted.id, message.name)
        try:
            seat = await self.take(message.room, member, message.seat, connection.tell)
        except FacewireError as error:
            raise _refusal(error) from error
        connection.welcome(self._welcome(seat, granted))
        return seat

    # --- for clients of any kind: this is `local.Seating`

    async def take(self, room: str, member: Member, wanted: int | None, inbox: Inbox) -> Seat:
        """See `Rooms.take`."""
        if room not in self._room_sizes and len(self._room_sizes) >= self._options.limits.rooms:
            raise RoomsUnavailable("the server has no more rooms")
        self._room_sizes[room] += 1
        try:
            seat = await self._rooms.take(room, member, wanted, inbox)
        except BaseException:
            self._shrink(room)
            raise
        self.metrics.rooms.set(len(self._room_sizes))
        self.metrics.joins.inc()
        return seat

    async def free(self, seat: Seat, *, said_goodbye: bool) -> None:
        """Frees a seat; its room may be taken by others."""
        try:
            await self._rooms.free(seat, Gone(seat.member.peer_id, "left" if said_goodbye else "lost"))
        except RoomsUnavailable:
            pass  # the seat will expire
        finally:
            self._shrink(seat.room)

    async def pass_on(self, seat: Seat, message: FromPeer) -> bool:
        """Relays a message to the other seat; returns whether that was possible."""
        try:
            delivered = await self._rooms.relay(seat, message)
        except RoomsUnavailable:
            delivered = False
        self.metrics.signals.labels("relayed" if delivered else "undelivered").inc()
        if delivered:
            self.metrics.signal_bytes.inc(len(messages.dump(message.payload)))
        return delivered

    def ice_servers(self, peer_id: str) -> tuple[IceServer, ...]:
        """STUN and TURN servers for a client, with credentials of its own."""
        stun = tuple(url for url in self._options.ice_urls if url.startswith("stun"))
        turn = tuple(url for url in self._options.ice_urls if url.startswith("turn"))
        servers = [IceServer(stun)] if stun else []
        if turn and self._options.turn_secret:
            servers.append(IceServer(turn, *tokens.turn_credential(self._options.turn_secret, peer_id, time.time())))
        return tuple(servers)

    @contextlib.contextmanager
    def kept_open(self, request: web.Request) -> Iterator[None]:
        """While it lasts, this request may take as long as it likes."""
        self._transports.add(request.transport)
        try:
            yield
        finally:
            self._transports.discard(request.transport)

    # --- one client

    def _check_token(self, join: Join, peer_id: str) -> tokens.Pass:
        if self._options.secret is None:
            return tokens.Pass(join.room, "")
        if join.token is None:
            raise Close(messages.CLOSE_TOKEN, "this server requires a join token (facewire token ROOM)", "token")
        try:
            return tokens.verify(self._options.secret, join.token, join.room, peer_id)
        except tokens.TokenError as error:
            raise Close(messages.CLOSE_TOKEN, str(error), "token") from error

    def _welcome(self, seat: Seat, granted: tokens.Pass) -> Welcome:
        secret = self._options.secret
        return Welcome(
            seat=seat.index,
            peer=seat.peer.peer_id if seat.peer else None,
            peer_name=seat.peer.name if seat.peer else "",
            ice_servers=self.ice_servers(seat.member.peer_id),
            token=tokens.mint_for_reconnection(secret, granted, seat.member.peer_id) if secret else None,
        )

    async def _relay(self, connection: Connection, seat: Seat) -> bool:
        """Relays until the connection ends; returns whether the client left for good."""
        expected = 0
        while True:
            message = await connection.receive()
            match message:
                case None:
                    return False
                case Leave():
                    return True
                case Join():
                    raise Close(messages.CLOSE_MALFORMED, "already joined", "malformed")
                case ToPeer(seq=seq) if seq != expected:
                    raise Close(messages.CLOSE_MALFORMED, f"signal {seq}, expected {expected}", "replayed")
                case ToPeer(payload=payload):
                    expected += 1
                    await self.pass_on(seat, FromPeer(payload))

    def _shrink(self, room: str) -> None:
        self._room_sizes[room] -= 1
        if not self._room_sizes[room]:
            del self._room_sizes[room]
        self.metrics.rooms.set(len(self._room_sizes))

    async def _sweep(self) -> None:
        """Ends HTTP connections that do not become a WebSocket in time; aiohttp has no timeout for requests."""
        timeout_s = self._options.limits.http_timeout_s or self._options.limits.join_timeout_s
        since: dict[object, float] = {}
        while True:
            await asyncio.sleep(timeout_s / 2)
            now, handlers = time.monotonic(), self._runner.server.connections if self._runner.server else []
            since = {handler: since.get(handler, now) for handler in handlers}
            for handler in handlers:
                transport = handler.transport
                if now - since[handler] > timeout_s and transport is not None and transport not in self._transports:
                    transport.abort()

    def address(self, request: web.Request) -> str:
        """The address of the client: behind a proxy, the one that the proxy names."""
        forwarded = request.headers.get("X-Forwarded-For") if self._options.behind_proxy else None
        return forwarded.rpartition(",")[2].strip() if forwarded else request.remote or ""


def run(options: ServerOptions, on_start: Callable[[SignalingServer], None]) -> None:
    """Serves until SIGTERM or SIGINT. Calls `on_start` once listening."""
    import signal

    import uvloop

    async def serve() -> None:
        server = SignalingServer(options)
        await server.start()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        on_start(server)
        await stop.wait()
        await server.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def _rooms(options: ServerOptions) -> Rooms:
    if options.redis_url is None:
        return MemoryRooms()
    from facewire.signaling.redis_rooms import RedisRooms

    return RedisRooms(options.redis_url)


def _refusal(error: FacewireError) -> FacewireError | Close:
    if isinstance(error, RoomFull):
        return Close(messages.CLOSE_ROOM_FULL, str(error), "room-full")
    if isinstance(error, SeatInUse):
        return Close(messages.CLOSE_SEAT_IN_USE, str(error), "seat-in-use")
    if isinstance(error, RoomsUnavailable):
        return Close(messages.CLOSE_TRY_AGAIN, str(error), "busy")
    return error


def _tls(options: ServerOptions) -> ssl.SSLContext | None:
    if options.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.tls_certificate, options.tls_key)
    except OSError as error:
        raise InputError(f"{options.tls_certificate}: not usable with {options.tls_key} ({reason(error)})") from error
    return context


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False
