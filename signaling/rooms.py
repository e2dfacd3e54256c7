"""Who sits where: rooms of two seats, and notes between the two people in one.

`Rooms` is what the server asks; `MemoryRooms` answers from this process, `redis_rooms.RedisRooms` for several servers
together. A room exists while somebody sits in it. Nothing that people tell each other is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from facewire.errors import FacewireError
from facewire.signaling.messages import Arrived, FromPeer, FromServer, Gone

SEATS = 2


class RoomFull(FacewireError):
    """Two others sit in the room."""


class SeatInUse(FacewireError):
    """The same token is in use by another session."""


class RoomsUnavailable(FacewireError):
    """The rooms cannot be asked now; later they can."""


@dataclass(frozen=True)
class Member:
    """One connection of one person."""

    connection: str
    """Unique to the WebSocket connection."""
    peer_id: str
    """The same for all connections of one session."""
    pass_id: str
    """Of the token; empty in open mode."""
    name: str


@dataclass(frozen=True)
class Replaced:
    """Note to a connection: the same session came back on another one."""


@dataclass
class Seat:
    """A taken seat, and who is known to sit in the other one."""

    room: str
    index: int
    member: Member
    peer: Member | None = None
    """Kept up to date by `Rooms`; None while alone."""


Inbox = Callable[[FromServer | Replaced], None]
"""Takes what a connection is to be told; must not block."""


class Rooms(Protocol):
    """Takes and frees seats; carries notes to the other seat."""

    async def start(self) -> None:
        """RoomsUnavailable if the rooms cannot be reached."""

    async def take(self, room: str, member: Member, wanted: int | None, inbox: Inbox) -> Seat:
        """A seat: the one that this session has on another connection, or the wanted one, or the first free one.

        Raises RoomFull, SeatInUse or RoomsUnavailable. The other person is told.
        """

    async def free(self, seat: Seat, gone: Gone) -> None:
        """Frees the seat unless it has been retaken; the other person is told."""

    async def relay(self, seat: Seat, message: FromPeer) -> bool:
        """Tells the other person; returns whether there was one. RoomsUnavailable if that cannot be known."""

    async def healthy(self) -> bool:
        """Whether seats can be taken now."""

    async def stop(self) -> None: ...


def choose(taken: list[Member | None], member: Member, wanted: int | None) -> int:
    """The seat for a newcomer, given who sits where; RoomFull or SeatInUse."""
    for index, other in enumerate(taken):
        if other is not None and other.peer_id == member.peer_id:
            return index
    if any(other is not None and member.pass_id and other.pass_id == member.pass_id for other in taken):
        raise SeatInUse("this join token is in use; each person needs one of their own")
    free = [index for index, other in enumerate(taken) if other is None]
    if not free:
        raise RoomFull("the room is full: two people are in it")
    return wanted if wanted in free else free[0]


class MemoryRooms:
    """The rooms of one server, in its memory."""

    def __init__(self) -> None:
        self._rooms: dict[str, list[tuple[Seat, Inbox] | None]] = {}

    async def start(self) -> None:
        pass

    async def take(self, room: str, member: Member, wanted: int | None, inbox: Inbox) -> Seat:
        seats = self._rooms.get(room) or [None] * SEATS
        index = choose([taken[0].member if taken else None for taken in seats], member, wanted)
        former, other = seats[index], seats[1 - index]
        if former:
            former[1](Replaced())
        seat = Seat(room, index, member, other[0].member if other else None)
        seats[index] = seat, inbox
        self._rooms[room] = seats
        if other:
            other[0].peer = member
            other[1](Arrived(member.peer_id, member.name))
        return seat

    async def free(self, seat: Seat, gone: Gone) -> None:
        if not self._holds(seat):
            return
        seats = self._rooms[seat.room]
        seats[seat.index] = None
        other = seats[1 - seat.index]
        if other:
            other[0].peer = None
            other[1](gone)
        else:
            del self._rooms[seat.room]

    async def relay(self, seat: Seat, message: FromPeer) -> bool:
        other = self._rooms[seat.room][1 - seat.index] if self._holds(seat) else None
        if other:
            other[1](message)
        return other is not None

    async def healthy(self) -> bool:
        return True

    async def stop(self) -> None:
        pass

    def _holds(self, seat: Seat) -> bool:
        """Whether nobody else sits there by now."""
        taken = self._rooms.get(seat.room, [None] * SEATS)[seat.index]
        return taken is not None and taken[0] is seat
