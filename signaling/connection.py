"""One client of the signaling server: its WebSocket, its limits and the way it is closed.

`server` makes a `Connection` for each client; `rooms` deliver to it through `tell`.
"""

from __future__ import annotations

import asyncio
import time

from aiohttp import WSMessage, WSMsgType, web
from aiohttp.http import WebSocketError

from facewire.errors import DecodeError
from facewire.signaling import messages
from facewire.signaling.limits import Bucket, Limits
from facewire.signaling.messages import Arrived, FromServer, Gone, Welcome
from facewire.signaling.rooms import Replaced

CLOSE_TIMEOUT_S = 2.0
"""For the client's half of the closing handshake, and for all clients together when the server stops."""
MAX_REASON_BYTES = 123
"""Of a close frame."""


class Close(Exception):
    """Ends a connection.

    code: of the close frame. text: the reason, for the user. cause: a label of `metrics`, None where nobody is to blame.
    """

    def __init__(self, code: int, text: str, cause: str | None) -> None:
        super().__init__(text)
        self.code, self.text, self.cause = code, text, cause


class Connection:
    """One WebSocket.

    Incoming messages are read one at a time and within the limits; outgoing ones are queued and written by a task.
    """

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, limits: Limits) -> None:
        self.ending: Close | None = None
        """Why the server closed it, if it did."""
        self.transport = request.transport
        self._socket = socket
        self._messages = Bucket(limits.messages_s, limits.message_burst)
        self._bytes = Bucket(limits.bytes_s, limits.byte_burst)
        self._out: asyncio.Queue[str | Close] = asyncio.Queue()
        self._waiting_bytes, self._max_waiting_bytes = 0, limits.waiting_bytes
        self._early: list[FromServer | Replaced] | None = []
        """Messages queued before the welcome."""
        self._writer = asyncio.create_task(self._write())

    def tell(self, note: FromServer | Replaced) -> None:
        """Queues a message until after the welcome; a client that does not read is disconnected."""
        if self._early is not None:
            self._early.append(note)
        elif isinstance(note, Replaced):
            self.close(Close(messages.CLOSE_REPLACED, "the seat was taken by another connection", None))
        else:
            self._send(note)

    def welcome(self, message: Welcome) -> None:
        early, self._early = self._early or [], None
        self._send(message)
        for note in early:
            if not isinstance(note, Arrived | Gone):  # the welcome says who is there now
                self.tell(note)

    def close(self, close: Close) -> None:
        """Closes the connection once the messages queued so far are written."""
        self.ending = self.ending or close
        self._out.put_nowait(close)

    async def receive(self) -> messages.FromClient | None:
        """The next message; None at the end of the connection. Raises Close for a message that ends it."""
        while True:
            frame: WSMessage = await self._socket.receive()
            now = time.monotonic()
            size = len(frame.data) if isinstance(frame.data, bytes | bytearray | str) else 0
            match frame.type:
                case WSMsgType.TEXT | WSMsgType.BINARY | WSMsgType.PING | WSMsgType.PONG:
                    if not (self._messages.take(1, now) and self._bytes.take(size, now)):
                        raise Close(messages.CLOSE_FLOOD, "too many messages", "flood")
                case WSMsgType.ERROR:
                    raise self._broken(frame.data)
                case _:
                    return None
            if frame.type is WSMsgType.PING:
                await self._socket.pong(frame.data)
            elif frame.type is WSMsgType.BINARY:
                raise Close(messages.CLOSE_MALFORMED, "binary message; all messages are text", "malformed")
            elif frame.type is WSMsgType.TEXT:
                try:
                    return messages.read_from_client(frame.data)
                except DecodeError as error:
                    raise Close(messages.CLOSE_MALFORMED, str(error), "malformed") from error

    async def finish(self) -> None:
        """Closes with the reason in `ending`; a client that does not answer is cut off."""
        self._out.put_nowait(self.ending or Close(messages.CLOSE_NORMAL, "", None))
        closed, _ = await asyncio.wait([self._writer], timeout=2 * CLOSE_TIMEOUT_S)
        if not closed:
            if self.transport is not None:
                self.transport.abort()
            self._writer.cancel()
            await asyncio.wait([self._writer])

    def _broken(self, error: object) -> Close:
        """Why aiohttp closed the connection: a frame too big or malformed, or a missed heartbeat."""
        code = error.code if isinstance(error, WebSocketError) else messages.CLOSE_NORMAL
        causes = {messages.CLOSE_NORMAL: "lost", messages.CLOSE_TOO_BIG: "too-big"}
        return Close(code, str(error), causes.get(code, "malformed"))

    def _send(self, message: FromServer) -> None:
        text = messages.to_json(message)
        self._waiting_bytes += len(text)
        if self._waiting_bytes <= self._max_waiting_bytes:
            self._out.put_nowait(text)
        elif self.transport is not None:
            self.ending = Close(messages.CLOSE_FLOOD, "does not read", "slow")
            self.transport.abort()

    async def _write(self) -> None:
        while True:
            item = await self._out.get()
            try:
                if isinstance(item, Close):
                    await self._socket.close(code=item.code, message=item.text.encode()[:MAX_REASON_BYTES])
                    return
                await self._socket.send_str(item)
                self._waiting_bytes -= len(item)
            except ConnectionError:
                return  # the reader notices as well
