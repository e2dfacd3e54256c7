"""The client of the signaling server: joins a room, rejoins after every outage, and reports what happens as events.

Used by `facewire.call`. Messages from the other person arrive as `Signal`. The protocol is in docs/signaling.md.
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
    RefusalCode,
    Refused,
    ServerBack,
    ServerGone,
    Signal,
)
from facewire.signaling.messages import Arrived, FromPeer, FromServer, Gone, Join, Leave, ToPeer, Welcome

FIRST_RETRY_S = 0.25
LAST_RETRY_S = 8.0
"""The wait between attempts doubles from the first to the last of these; half of it is random."""
CONNECT_TIMEOUT_S = 10.0
HEARTBEAT_S = 10.0
"""After so much silence the server is pinged; longer than the interval of its own pings."""
CLOSE_TIMEOUT_S = 1.0
UNREACHABLE = (aiohttp.ClientError, OSError, UnicodeError)
"""Errors of a failed connection; UnicodeError is raised for invalid host names."""
MAX_WAITING_EVENTS = 64
"""Events not yet taken. With more, the connection is not read."""


def server_url(text: str) -> str:
    """The WebSocket address of a signaling server, from what people type or copy from a browser.

    wss:// and https:// are the same, and so are ws:// and http://. Without a scheme this machine is reached by ws:// and others by
    wss://. The path defaults to /ws. Raises InputError for what is no address.
    """
    try:
        host = urlsplit(f"//{text}").hostname or ""
        local = host == "localhost" or host.startswith("127.") or host == "::1"
        parts = urlsplit(text if "://" in text else f"{'ws' if local else 'wss'}://{text}")
        scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
        usable = scheme in ("ws", "wss") and parts.hostname and parts.port != 0 and not any(map(str.isspace, text))
    except ValueError:  # bad brackets or port
        usable = False
    if not usable:
        raise InputError(f"{text!r} is not the address of a signaling server, such as ws://127.0.0.1:8787")
    return urlunsplit(parts._replace(scheme=scheme, path=parts.path.rstrip("/") or "/ws", fragment=""))


class SignalingClient:
    """A seat in a room, and messages to and from the person in the other seat.

        async with SignalingClient("ws://127.0.0.1:8787", "room") as client:
            async for event in client:
                ...

    Entering the context connects and raises ServerUnreachable, or InputError if what answers there takes no such connection. After
    that the client reconnects by itself and reports outages by `ServerGone` and `ServerBack`. `Refused` is the last event.
    """

    def __init__(self, url: str, room: str, token: str | None = None, name: str = "") -> None:
        """url: see `server_url`. token: from `facewire token`; not needed for an open server. name: shown to the other person.

        Raises InputError for a URL, room or name that no server would accept.
        """
        self._url = server_url(url)
        if messages.ROOM.fullmatch(room) is None:
            raise InputError(f"{room!r}: a room name has 1 to 64 of the characters A-Z a-z 0-9 . _ -")
        if len(name) > messages.MAX_NAME_LENGTH or not name.isprintable():
            raise InputError(f"{name!r}: a name has at most {messages.MAX_NAME_LENGTH} printable characters")
        self._join = Join(room, secrets.token_hex(16), token, name)
        self._events: asyncio.Queue[Event] = asyncio.Queue(MAX_WAITING_EVENTS)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._sent = 0
        self._joined = False
        """Whether the present connection has a seat."""
        self._away = False
        """Whether `ServerGone` was reported and `ServerBack` not yet."""
        self._over = False

    @property
    def token(self) -> str | None:
        """The token in use: the one given, later the one with which this session may reconnect."""
        return self._join.token

    async def __aenter__(self) -> SignalingClient:
        self._http = aiohttp.ClientSession()
        try:
            socket = await self._connect()
        except aiohttp.WSServerHandshakeError as error:
            await self._http.close()
            raise InputError(
                f"{self._url}: this server refuses the connection (it answered {error.status} {error.message}): check the address"
            ) from error
        except UNREACHABLE as error:
            await self._http.close()
            raise ServerUnreachable(
                f"{self._url}: the signaling server cannot be reached ({_why(error)}){self._remedy()}"
            ) from error
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
        """Sends a JSON object of at most 60 kB to the other person.

        Returns False while the server is gone: the message is dropped, since it would be out of date later.
        Raises ValueError if the payload is not JSON or too long.
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
        """Reads and reconnects until refused or cancelled."""
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
                # Randomness keeps the clients of a restarted server from reconnecting all at once.
                await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
                wait_s = min(2 * wait_s, LAST_RETRY_S)
                try:
                    socket = await self._connect()
                except UNREACHABLE:
                    socket = None
        except _Refusal as refusal:
            await self._events.put(Refused(str(refusal), refusal.code))

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
        """Reads until the connection ends. Raises _Refusal if the server closed it for good."""
        while True:
            frame = await socket.receive()
            if frame.type is aiohttp.WSMsgType.CLOSE and frame.data in messages.FINAL_CODES:
                why = frame.extra or f"closed by the server with code {frame.data}"
                raise _Refusal(why, self._refusal_code(frame.data, why))
            if frame.type is not aiohttp.WSMsgType.TEXT:
                return
            try:
                event = self._event(messages.read_from_server(frame.data))
            except DecodeError as error:
                await socket.close()
                raise _Refusal(f"the server speaks another protocol ({error})") from error
            if self._away and isinstance(event, Joined):
                self._away = False
                await self._events.put(ServerBack())
            await self._events.put(event)

    def _event(self, message: FromServer) -> Event:
        match message:
            case Welcome():
                self._joined = True
                # After an outage, this token and seat number bring the client back to its seat.
                self._join = Join(self._join.room, self._join.session, message.token, self._join.name, message.seat)
                return Joined(message.ice_servers, message.seat == 0, message.peer, message.peer_name)
            case Arrived():
                return PeerJoined(message.peer_id, message.name)
            case Gone():
                return PeerLeft(message.peer_id, message.reason)
            case FromPeer():
                return Signal(message.payload)

    def _refusal_code(self, code: int, why: str) -> RefusalCode:
        if code == messages.CLOSE_TOKEN:
            return (
                "token-expired" if why == messages.TOKEN_EXPIRED else "token" if self._join.token else "token-missing"
            )
        if code == messages.CLOSE_ROOM_FULL:
            return "room-full"
        return "replaced" if code in (messages.CLOSE_REPLACED, messages.CLOSE_SEAT_IN_USE) else "refused"

    def _remedy(self) -> str:
        """What to do where nobody listens; empty where that is not for this person to mend."""
        host = urlsplit(self._url).hostname
        return ": start one with `facewire serve --open`" if host in ("127.0.0.1", "::1", "localhost") else ""


class ServerUnreachable(InputError):
    """No signaling server answers at this address."""


class _Refusal(Exception):
    """The server closed the connection for good."""

    def __init__(self, reason: str, code: RefusalCode = "refused") -> None:
        super().__init__(reason)
        self.code: RefusalCode = code


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_TIMEOUT_S:g} s"
    return reason(error)
