"""The client of the signalling server: joins a room, stays joined across every outage, tells what happens as events.

`facewire.call` uses it; docs/signaling.md is the protocol. Messages that the other person sends arrive as `Signal`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from facewire.errors import DecodeError, InputError, reason
from facewire.signaling import messages
from facewire.signaling.events import (
    Event,
    Joined,
    PeerJoined,
    PeerLeft,
    Refused,
    ServerBack,
    ServerGone,
    Signal,
)
from facewire.signaling.messages import Arrived, FromPeer, FromServer, Gone, Join, Leave, ToPeer, Welcome

FIRST_RETRY_S = 0.25
LAST_RETRY_S = 8.0
"""The wait between two tries doubles from the first to the last of these, half of it by chance."""
CONNECT_TIMEOUT_S = 10.0
HEARTBEAT_S = 10.0
"""Silence after which the server is asked whether it lives; longer than the server's own pings are apart."""
CLOSE_TIMEOUT_S = 1.0
UNREACHABLE = (aiohttp.ClientError, OSError, UnicodeError)
"""What a connection can fail by; the last for a name that cannot be one of a host."""
MAX_WAITING_EVENTS = 64
"""Events not yet taken; then the connection is no longer read."""


class SignalingClient:
    """A seat in a room, and messages to and from the person in the other one.

        async with SignalingClient("ws://127.0.0.1:8787", "room") as client:
            async for event in client:
                ...

    Entering connects once and raises InputError if the server cannot be reached; from then on an outage is told by
    `ServerGone` and `ServerBack` and ends by itself. The events end after `Refused`.
    """

    def __init__(self, url: str, room: str, token: str | None = None, name: str = "") -> None:
        """url: ws:// or wss://, the path defaults to /ws. token: from `facewire token`, unless the server is open.

        name: shown to the other person. InputError for a url, room or name that no server would accept.
        """
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("ws", "wss") and parts.hostname and parts.port != 0
        except ValueError:  # of brackets and ports
            usable = False
        if not usable:
            raise InputError(f"{url!r} is no signalling server; one looks like ws://127.0.0.1:8787")
        if messages.ROOM.fullmatch(room) is None:
            raise InputError(f"{room!r}: a room's name has 1 to 64 of A-Z a-z 0-9 . _ -")
        if len(name) > messages.MAX_NAME_LENGTH or not name.isprintable():
            raise InputError(f"{name!r}: a name has at most {messages.MAX_NAME_LENGTH} printable characters")
        self._url = urlunsplit(parts._replace(path=parts.path if parts.path not in ("", "/") else "/ws"))
        self._join = Join(room, secrets.token_hex(16), token, name)
        self._events: asyncio.Queue[Event] = asyncio.Queue(MAX_WAITING_EVENTS)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._sent = 0
        self._joined = False
        """Whether the server gave this connection a seat."""
        self._away = False
        """Whether `ServerGone` was the last that was told of the server."""
        self._over = False

    async def __aenter__(self) -> SignalingClient:
        self._http = aiohttp.ClientSession()
        try:
            socket = await self._connect()
        except UNREACHABLE as error:
            await self._http.close()
            raise InputError(f"{self._url}: the signalling server cannot be reached ({_why(error)})") from error
        except BaseException:
            await self._http.close()
            raise
        self._task = asyncio.create_task(self._run(socket))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        with contextlib.suppress(*UNREACHABLE):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                if self._socket is not None and not self._socket.closed:
                    await self._socket.send_str(messages.to_json(Leave()))
                    await self._socket.close()
        await self._http.close()

    def __aiter__(self) -> SignalingClient:
        return self

    async def __anext__(self) -> Event:
        if self._over:
            raise StopAsyncIteration
        event = await self._events.get()
        self._over = isinstance(event, Refused)
        return event

    async def send(self, payload: dict[str, object]) -> bool:
        """Tells the other person something: a JSON object of at most 60 kB.

        Returns whether the server took it: False while it is gone, when what was to be said will be out of date later.
        ValueError for what is no JSON or too long.
        """
        text = messages.to_json(ToPeer(self._sent, payload))
        if len(text) > messages.MAX_MESSAGE_BYTES:
            raise ValueError(f"a message of {len(text)} bytes; at most {messages.MAX_MESSAGE_BYTES} are relayed")
        if self._socket is None or not self._joined:
            return False
        self._sent += 1
        try:
            await self._socket.send_str(text)
        except UNREACHABLE:
            return False
        return True

    async def _run(self, socket: aiohttp.ClientWebSocketResponse | None) -> None:
        """Reads, and connects again, until refused or cancelled."""
        wait_s = FIRST_RETRY_S
        try:
            while True:
                if socket is not None:
                    await self._read(socket)
                if self._joined:
                    wait_s = FIRST_RETRY_S
                self._joined = False
                if not self._away:
                    self._away = True
                    await self._events.put(ServerGone())
                # Chance keeps the clients of a restarted server from coming all at once.
                await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
                wait_s = min(2 * wait_s, LAST_RETRY_S)
                try:
                    socket = await self._connect()
                except UNREACHABLE:
                    socket = None
        except _Refusal as refusal:
            await self._events.put(Refused(str(refusal)))

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            socket = await self._http.ws_connect(
                self._url, heartbeat=HEARTBEAT_S, max_msg_size=messages.MAX_MESSAGE_BYTES + 1
            )
            await socket.send_str(messages.to_json(self._join))
        self._sent = 0
        self._socket = socket
        return socket

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Until the connection ends; _Refusal if the server does not want this client."""
        while True:
            frame = await socket.receive()
            if frame.type is aiohttp.WSMsgType.CLOSE and frame.data in messages.FINAL_CODES:
                raise _Refusal(frame.extra or f"closed by the server with code {frame.data}")
            if frame.type is not aiohttp.WSMsgType.TEXT:
                return
            try:
                event = self._event(messages.read_from_server(frame.data))
            except DecodeError as error:
                await socket.close()
                raise _Refusal(f"the server does not speak this protocol ({error})") from error
            if self._away and isinstance(event, Joined):
                self._away = False
                await self._events.put(ServerBack())
            await self._events.put(event)

    def _event(self, message: FromServer) -> Event:
        match message:
            case Welcome():
                self._joined = True
                # With what the server gave, this client comes back to the same seat after any outage.
                self._join = Join(self._join.room, self._join.session, message.token, self._join.name, message.seat)
                return Joined(message.ice_servers, message.seat == 0, message.peer, message.peer_name)
            case Arrived():
                return PeerJoined(message.peer_id, message.name)
            case Gone():
                return PeerLeft(message.peer_id, message.reason)
            case FromPeer():
                return Signal(message.payload)


class _Refusal(Exception):
    """The server closed for good."""


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_TIMEOUT_S:g} s"
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"it answers {error.status} {error.message}"
    return reason(error)
