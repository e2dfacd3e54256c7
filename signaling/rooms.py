"""Rooms with two seats: who has which seat, and notes between the two.

`server` uses the interface `Rooms`. `MemoryRooms` keeps the rooms of one server in memory; `redis_rooms.RedisRooms` shares them
between several servers. A room exists while it has an occupied seat. Messages are passed on and never stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from facewire.errors import FacewireError
from facewire.signaling.messages import Arrived, FromPeer, FromServer, Gone

SEATS = 2


class RoomFull(FacewireError):
    """Both seats are taken."""


class SeatInUse(FacewireError):
    """Another session is using the same token."""


class RoomsUnavailable(FacewireError):
    """The rooms cannot be reached at the moment."""


@dataclass(frozen=True)
class Member:
    """A connection of a person."""

    connection: str
    """Unique to the WebSocket connection."""
    peer_id: str
    """The same for all connections of a session."""
    pass_id: str
    """The token's id; empty on an open server."""
    name: str


@dataclass(frozen=True)
class Replaced:
    """Tells a connection that its session has reconnected on another one."""


@dataclass
class Seat:
    """An occupied seat, and who is known to have the other one."""

    room: str
    index: int
    member: Member
    peer: Member | None = None
    """Updated by `Rooms`; None while alone."""


Inbox = Callable[[FromServer | Replaced], None]
"""Takes notes for a connection; must not block."""


class Rooms(Protocol):
    """Assigns and frees seats, and delivers notes to the other seat."""

    async def start(self) -> None:
        """Raises RoomsUnavailable if the rooms cannot be reached."""

    async def take(self, room: str, member: Member, wanted: int | None, inbox: Inbox) -> Seat:
        """Takes a seat: the one this session has on another connection, else the wanted one, else the first free one.

        The other person is told. Raises RoomFull, SeatInUse or RoomsUnavailable.
        """

    async def free(self, seat: Seat, gone: Gone) -> None:
        """Frees the seat unless it has been taken again. The other person is told."""

    async def relay(self, seat: Seat, message: FromPeer) -> bool:
        """Delivers to the other person; returns whether there was one. Raises RoomsUnavailable."""

    async def healthy(self) -> bool:
        """Whether seats can be taken at present."""

    async def stop(self) -> None: ...


def choose(taken: list[Member | None], member: Member, wanted: int | None) -> int:
    """The seat for a new member, given who has which seat. Raises RoomFull or SeatInUse."""
    for index, other in enumerate(taken):
        if other is not None and other.peer_id == member.peer_id:
            return index
    if any(other is not None and member.pass_id and other.pass_id == member.pass_id for other in taken):
        raise SeatInUse("this join token is in use; each person needs their own")
    free = [index for index, other in enumerate(taken) if other is None]
    if not free:
        raise RoomFull("the room is full: two people are in it")
    return wanted if wanted in free else free[0]


class MemoryRooms:
    """The rooms of one server, in memory."""

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
        """Whether the seat has not been taken again."""
        taken = self._rooms.get(seat.room, [None] * SEATS)[seat.index]
        return taken is not None and taken[0] is seat
