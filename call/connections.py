"""The connections of a call, one in use and at most one being opened: offers and answers, deadlines, and new attempts.

Signaling events come in from `session`. Every `Connection` has a `Peer` and an `Inbox`; a `ConnectionUser` (`conversation`)
is told which one is in use. A connection that fell silent is not repaired: another is made beside it, and whichever works
is used.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from facewire.call.inbox import Inbox, InboxHandler
from facewire.call.link import LinkMonitor, LinkState
from facewire.call.messages import SESSION_BYTES
from facewire.call.peer import OPEN_TIMEOUT_S, Channel, Peer, PeerOptions
from facewire.call.states import SessionStats
from facewire.call.tasks import Tasks
from facewire.call.traffic import Traffic
from facewire.call.webrtc import Certificate
from facewire.errors import DecodeError
from facewire.signaling import IceServer, Joined, PeerJoined, PeerLeft, ServerGone, Signal
from facewire.signaling.events import Event

STALL_S = 1.0
"""Silence that counts as a stall."""
REBUILD_S = 3.0
"""Silence before reconnecting."""
RETRY_S = 0.5
"""Pause between a failed attempt and the next one."""
ASK_AGAIN_S = 2.0
"""How often the side that does not make offers asks for one."""
MAX_UNHEARD = 64
MAX_NAME_CHARACTERS = 64
"""Of an attempt's name."""

_log = logging.getLogger(__name__)


class Signaling(Protocol):
    """What a session needs to find the other side: `facewire.signaling.SignalingClient`, or something of your own."""

    async def send(self, payload: dict[str, object]) -> bool:
        """Sends to the other person; False if that is not possible now."""
        ...

    def __aiter__(self) -> AsyncIterator[Event]: ...


@dataclass(eq=False)
class Connection:
    """One connection, from its first offer on."""

    name: str
    peer: Peer
    link: LinkMonitor
    inbox: Inbox
    deadline: asyncio.TimerHandle
    """Gives the attempt up if it does not open."""
    unheard: list[tuple[Channel, bytes]] = field(default_factory=list)
    """Messages that came before this side knew that the connection is open."""
    counted: bool = False
    """It is closed, and its traffic is part of the closed connections' total."""


class ConnectionUser(InboxHandler, Protocol):
    """Talks over the connection in use."""

    def connected(self, connection: Connection) -> None:
        """From now on this is the connection in use."""
        ...

    def disconnected(self) -> None:
        """None is in use."""
        ...


class Connections:
    """Makes connections to the other side while it is in the room, and gives up those that fail."""

    def __init__(
        self, signaling: Signaling, user: ConnectionUser, stats: SessionStats, tasks: Tasks, *, relay_only: bool = False
    ) -> None:
        self._signaling, self._user, self._stats, self._tasks = signaling, user, stats, tasks
        self._relay_only = relay_only
        self._certificate = Certificate.generateCertificate()
        self._prefix = secrets.token_hex(SESSION_BYTES)
        """Begins the names of the attempts that this side offers."""
        self._ice_servers: tuple[IceServer, ...] = ()
        self._polite: bool | None = None
        self.server_there = True
        self.present_at: float | None = None
        """Since when the other side is in the room; None while it is not, or may not be."""
        self.other_left = False
        """The other side told the server that it is leaving."""
        self.current: Connection | None = None
        """In use."""
        self.pending: Connection | None = None
        """Being opened."""
        self._closing: set[Connection] = set()
        self._closed_traffic = Traffic()
        self._link = LinkMonitor()
        self._retry_at = 0.0
        self._asked_at = 0.0

    # --- how things stand

    def silence(self) -> float | None:
        """Seconds since the other side was heard; None without a connection."""
        return None if self.current is None else time.monotonic() - self.current.inbox.heard_at

    @property
    def healthy(self) -> bool:
        """A connection is in use, the other side has greeted over it, and it is not silent."""
        silence = self.silence()
        return self.current is not None and self.current.inbox.greeted and silence is not None and silence < STALL_S

    @property
    def link(self) -> LinkState:
        """The path as it is now, or as it was when there last was one."""
        return self._link.state

    def traffic(self) -> Traffic:
        """All connections together, closed ones included."""
        total = Traffic()
        total.add(self._closed_traffic)
        for connection in {self.current, self.pending, *self._closing}:
            if connection is not None and not connection.counted:
                total.add(connection.peer.traffic)
        return total

    # --- signaling

    def take(self, event: Event) -> None:
        """Follows who is in the room, and carries on with the attempt that a message is about."""
        match event:
            case Joined():
                self.server_there = True
                self._ice_servers, self._polite = event.ice_servers, event.polite
                self._set_present(event.peer_present)
            case PeerJoined():
                self._set_present(True)
            case PeerLeft():
                self._set_present(False)
                self.other_left = event.reason == "left"
            case Signal():
                self._signaled(event.payload)
            case ServerGone():
                self.server_there = False
            case _:
                pass

    def _set_present(self, present: bool) -> None:
        if not present:
            self.present_at = None
            return
        self.other_left = False
        if self.present_at is None:
            self.present_at = time.monotonic()
            self._retry_at = 0.0

    def _signaled(self, payload: dict[str, Any]) -> None:
        kind, name, description = payload.get("kind"), payload.get("attempt"), payload.get("description")
        if not isinstance(name, str) or len(name) > MAX_NAME_CHARACTERS:
            self._stats.refused["malformed"] += 1
        elif kind == "offer":
            self._set_present(True)
            if self.pending is not None and not self._polite and self.pending.name.startswith(self._prefix):
                return  # both sides made an offer at once: the polite one gives way
            self._tasks.spawn(self._answer, name, description)
        elif kind == "answer":
            if self.pending is not None and self.pending.name == name:
                self._tasks.spawn(self._accept, self.pending, description)
        elif kind == "again":
            self._set_present(True)
            silence = self.silence()
            if self.pending is None and (silence is None or silence > STALL_S):
                self._tasks.spawn(self._offer)
        else:
            self._stats.refused["malformed"] += 1

    async def _offer(self) -> None:
        connection = await self._begin(f"{self._prefix}-{self._stats.attempts}")
        description = await connection.peer.offer()
        if self.pending is not connection:
            return
        sent = await self._signaling.send({"kind": "offer", "attempt": connection.name, "description": description})
        if not sent:
            await self._give_up(connection)

    async def _answer(self, name: str, offer: object) -> None:
        connection = await self._begin(name)
        try:
            description = await connection.peer.answer(offer)
        except DecodeError as error:
            await self._refuse(connection, error)
            return
        if self.pending is connection:
            await self._signaling.send({"kind": "answer", "attempt": name, "description": description})

    async def _accept(self, connection: Connection, answer: object) -> None:
        try:
            await connection.peer.accept(answer)
        except DecodeError as error:
            await self._refuse(connection, error)

    async def _refuse(self, connection: Connection, error: DecodeError) -> None:
        self._stats.refused["malformed"] += 1
        _log.info("%s", error)
        await self._give_up(connection)

    async def _ask(self) -> None:
        await self._signaling.send({"kind": "again", "attempt": ""})

    # --- from the first offer to the end

    def check(self, now: float) -> None:
        """Begins a connection if one is needed and the other side can be told."""
        silence = self.silence()
        wanted = silence is None or silence >= REBUILD_S
        if not wanted or self.pending is not None or not self.server_there or self.present_at is None:
            return
        if self._polite:
            if now - max(self._asked_at, self.present_at) >= ASK_AGAIN_S:
                self._asked_at = now
                self._tasks.spawn(self._ask)
        elif now >= self._retry_at:
            self._retry_at = now + RETRY_S
            self._tasks.spawn(self._offer)

    async def _begin(self, name: str) -> Connection:
        """A new connection in place of the one being opened, if there is one. The one in use stays."""
        options = PeerOptions(self._ice_servers, self._relay_only, self._certificate).turned(self._stats.attempts)
        self._stats.attempts += 1
        connection: Connection
        peer = Peer(
            options,
            lambda channel, data: self._received(connection, channel, data),
            lambda: self._opened(connection),
            lambda: self._tasks.spawn(self._give_up, connection),
        )
        link = LinkMonitor()
        deadline = asyncio.get_running_loop().call_later(
            OPEN_TIMEOUT_S, lambda: self._tasks.spawn(self._give_up, connection)
        )
        connection = Connection(name, peer, link, Inbox(link, self._user, self._stats.refused), deadline)
        before, self.pending = self.pending, connection
        if before is not None:
            await self._drop(before)
        return connection

    def _opened(self, connection: Connection) -> None:
        """All channels are open: this is the connection in use from now on."""
        if self.pending is not connection:
            return
        now = time.monotonic()
        connection.deadline.cancel()
        before, self.current, self.pending = self.current, connection, None
        self._link = connection.link
        connection.inbox.heard_at = now
        self._stats.connections += 1
        if self._stats.first_open_s is None and self.present_at is not None:
            self._stats.first_open_s = now - self.present_at
        self._user.connected(connection)
        unheard, connection.unheard = connection.unheard, []
        for channel, data in unheard:
            self._received(connection, channel, data)
        if before is not None:
            self._tasks.spawn(self._drop, before)

    def _received(self, connection: Connection, channel: Channel, data: bytes) -> None:
        if connection is self.current:
            connection.inbox.receive(channel, data, time.monotonic())
        elif connection is self.pending and len(connection.unheard) < MAX_UNHEARD:
            connection.unheard.append((channel, data))  # it is open for the other side already

    async def _give_up(self, connection: Connection) -> None:
        """This connection is not used any more; `check` begins another if there is somebody to talk to."""
        if connection is self.pending:
            self.pending = None
        elif connection is self.current:
            self.current = None
            self._user.disconnected()
        else:
            return
        self._retry_at = time.monotonic() + RETRY_S
        await self._drop(connection)

    async def _drop(self, connection: Connection) -> None:
        connection.deadline.cancel()
        self._closing.add(connection)
        await connection.peer.close()
        self._closing.discard(connection)
        if not connection.counted:  # both sides may end it at once
            connection.counted = True
            self._closed_traffic.add(connection.peer.traffic)

    async def close(self) -> None:
        """Closes every connection."""
        for connection in (self.pending, self.current, *self._closing):
            if connection is not None:
                await self._drop(connection)
        self.pending = self.current = None
