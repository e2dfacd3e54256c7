"""A seat in a room for a program that is the server itself: what `client` is over the network, without one.

A gateway makes a `LocalClient` for each call of a guest. Its seat is one of the server's (`Seating`), like that of any client.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Protocol

from facewire.errors import FacewireError
from facewire.signaling.events import Event, IceServer, Joined, PeerJoined, PeerLeft, RefusalCode, Refused, Signal
from facewire.signaling.invitations import InvitationRefused
from facewire.signaling.messages import Arrived, FromPeer, FromServer, Gone, Welcome, peer_id
from facewire.signaling.rooms import Inbox, Member, Replaced, RoomFull, RoomsUnavailable, Seat, SeatInUse

MAX_WAITING_EVENTS = 256
"""Events not yet taken; with more, the seat is given up."""


class Seating(Protocol):
    """What a server does for its own clients, as for those that connect."""

    async def take(self, room: str, member: Member, wanted: int | None, inbox: Inbox) -> Seat:
        """As `Rooms.take`; RoomsUnavailable if the server has no more rooms, too."""
        ...

    async def free(self, seat: Seat, *, said_goodbye: bool) -> None: ...

    async def pass_on(self, seat: Seat, message: FromPeer) -> bool: ...

    def ice_servers(self, peer_id: str) -> tuple[IceServer, ...]: ...


class LocalClient:
    """A seat in a room, from entering the context to leaving it; events as those of `SignalingClient`, without outages.

    admit: awaited before the seat is taken; its InvitationRefused becomes a `Refused`. name: shown to the other person.
    """

    def __init__(
        self, seating: Seating, room: str, name: str = "", admit: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._seating, self._room, self._name, self._admit = seating, room, name, admit
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._seat: Seat | None = None
        self._over = False

    token: str | None = None
    """The server needs none."""

    async def __aenter__(self) -> LocalClient:
        session = secrets.token_hex(16)
        member = Member(secrets.token_hex(8), peer_id(session), "", self._name)
        try:
            if self._admit is not None:
                await self._admit()
            self._seat = seat = await self._seating.take(self._room, member, None, self._tell)
        except InvitationRefused as error:
            self._refuse(error, "invitation-used" if error.why == "used" else "invitation-gone")
        except RoomFull as error:
            self._refuse(error, "room-full")
        except (SeatInUse, RoomsUnavailable) as error:
            self._refuse(error, "refused")
        else:
            ice_servers, peer = self._seating.ice_servers(member.peer_id), seat.peer
            joined = Joined(ice_servers, seat.index == 0, peer.peer_id if peer else None, peer.name if peer else "")
            self._events.put_nowait(joined)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._seat is not None:
            await self._seating.free(self._seat, said_goodbye=True)

    def __aiter__(self) -> LocalClient:
        return self

    async def __anext__(self) -> Event:
        if self._over:
            raise StopAsyncIteration
        event = await self._events.get()
        self._over = isinstance(event, Refused)
        return event

    async def send(self, payload: dict[str, Any]) -> bool:
        """Sends a JSON object to the other person; False if nobody is there."""
        return self._seat is not None and await self._seating.pass_on(self._seat, FromPeer(payload))

    def _refuse(self, error: FacewireError, code: RefusalCode) -> None:
        self._events.put_nowait(Refused(str(error), code))

    def _tell(self, note: FromServer | Replaced) -> None:
        """From the rooms."""
        if self._events.qsize() >= MAX_WAITING_EVENTS:
            return  # a flood from the other side; a call has a handful
        match note:
            case Arrived():
                self._events.put_nowait(PeerJoined(note.peer_id, note.name))
            case Gone():
                self._events.put_nowait(PeerLeft(note.peer_id, note.reason))
            case FromPeer():
                self._events.put_nowait(Signal(note.payload))
            case Replaced():
                self._events.put_nowait(Refused("the seat was taken by another connection", "replaced"))
            case Welcome():
                pass  # rooms send none
