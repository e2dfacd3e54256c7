"""Rooms shared by several servers through Redis, so that two people can meet on different servers.

A seat is a key with an expiry, which its server renews while the person is connected: the seats of a server that dies become free
by themselves. Notes travel through one pub/sub channel per server. Implements `rooms.Rooms` for `server`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from facewire.errors import InputError, reason
from facewire.signaling.messages import Arrived, FromPeer, Gone, dump
from facewire.signaling.rooms import SEATS, Inbox, Member, Replaced, RoomsUnavailable, Seat, choose

PREFIX = "facewire:1:"
"""Of all keys and channels. The number changes with the format of the values."""
SEAT_TTL_S = 6.0
"""How long the seats of a dead server stay taken."""
RENEW_S = 2.0
TIMEOUT_S = 2.0
"""For an answer from Redis."""


@dataclass(frozen=True)
class _Occupant:
    """A member and the server it is connected to: the value of a seat's key."""

    member: Member
    server: str

    def to_json(self) -> str:
        return dump(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes | None) -> _Occupant | None:
        if text is None:
            return None
        values = json.loads(text)
        return cls(Member(**values["member"]), values["server"])


@dataclass
class _Local:
    """A seat whose client is connected to this server, and the known occupant of the other seat."""

    seat: Seat
    inbox: Inbox
    peer: _Occupant | None = None
    settled: bool = False
    """Whether the seat is stored in Redis."""

    def meet(self, peer: _Occupant | None) -> None:
        self.peer = peer
        self.seat.peer = peer.member if peer else None

    def see(self, peer: _Occupant | None, why: Literal["left", "lost"] = "lost") -> None:
        """Updates the other seat's occupant and tells the client about a change."""
        before = self.peer
        self.meet(peer)
        if peer and (before is None or before.member.connection != peer.member.connection):
            self.inbox(Arrived(peer.member.peer_id, peer.member.name))
        elif peer is None and before:
            self.inbox(Gone(before.member.peer_id, why))


def connect(url: str) -> Redis:
    """A client that gives up soon; InputError for what is no address of a Redis. Nothing is sent yet."""
    try:
        return Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            health_check_interval=TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),
        )
    except ValueError as error:
        raise InputError(f"{url!r} is not the address of a Redis, such as redis://127.0.0.1:6379/0") from error


class RedisRooms:
    """The rooms of all servers on one Redis."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url)
        self._notes = self._redis.pubsub()
        self._server = secrets.token_hex(8)
        self._local: dict[str, _Local] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        with redis_errors():
            await self._notes.subscribe(_channel(self._server))
            # Waits for the answer to the subscription: from here on no note is missed.
            await self._notes.get_message(timeout=TIMEOUT_S)
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._renew())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._notes.aclose()
        await self._redis.aclose()

    async def healthy(self) -> bool:
        try:
            with redis_errors():
                await self._redis.ping()
        except RoomsUnavailable:
            return False
        return True

    async def take(self, room: str, member: Member, wanted: int | None, inbox: Inbox) -> Seat:
        mine = _Occupant(member, self._server)
        keys = _keys(room)

        async def take_seat(pipe: Pipeline) -> None:
            taken = await _occupants(pipe, keys)
            index = choose([occupant.member if occupant else None for occupant in taken], member, wanted)
            former, other = taken[index], taken[1 - index]
            # Known here before it is stored: another server may send as soon as it sees the seat.
            seat = Seat(room, index, member)
            self._local[member.connection] = _Local(seat, inbox)
            self._local[member.connection].meet(other)
            pipe.multi()
            pipe.set(keys[index], mine.to_json(), px=int(1000 * SEAT_TTL_S))
            if former:
                pipe.publish(_channel(former.server), _note("replaced", former))
            if other:
                pipe.publish(_channel(other.server), _note("arrived", other, occupant=mine.to_json()))

        try:
            with redis_errors():
                await self._redis.transaction(take_seat, *keys)
        except BaseException:
            self._local.pop(member.connection, None)
            raise
        local = self._local[member.connection]
        local.settled = True
        return local.seat

    async def free(self, seat: Seat, gone: Gone) -> None:
        self._local.pop(seat.member.connection, None)
        keys = _keys(seat.room)

        async def free_seat(pipe: Pipeline) -> None:
            taken = await _occupants(pipe, keys)
            occupant, other = taken[seat.index], taken[1 - seat.index]
            pipe.multi()
            if occupant is None or occupant.member.connection != seat.member.connection:
                return  # taken again meanwhile
            pipe.delete(keys[seat.index])
            if other:
                note = _note("gone", other, sender=seat.member.connection, reason=gone.reason)
                pipe.publish(_channel(other.server), note)

        with redis_errors():
            await self._redis.transaction(free_seat, *keys)

    async def relay(self, seat: Seat, message: FromPeer) -> bool:
        local = self._local.get(seat.member.connection)
        if local is None or local.peer is None:
            return False
        note = _note("signal", local.peer, sender=seat.member.connection, payload=message.payload)
        with redis_errors():
            # Redis returns the number of subscribers: none if the peer's server has died.
            return bool(await self._redis.publish(_channel(local.peer.server), note))

    async def _listen(self) -> None:
        """Receives this server's notes; get_message subscribes again after an outage of Redis."""
        while True:
            try:
                note = await self._notes.get_message(ignore_subscribe_messages=True, timeout=TIMEOUT_S)
            except (RedisError, OSError):
                await asyncio.sleep(RENEW_S / 4)  # `_renew` finds out what was missed
                continue
            if note is not None:
                self._take_note(json.loads(note["data"]))

    def _take_note(self, note: dict[str, Any]) -> None:
        local = self._local.get(note["to"])
        if local is None:
            return  # left before the note arrived
        if note["kind"] == "replaced":
            local.inbox(Replaced())
        elif note["kind"] == "arrived":
            local.see(_Occupant.from_json(note["occupant"]))
        elif local.peer is None or local.peer.member.connection != note["sender"]:
            return  # from a former occupant
        elif note["kind"] == "gone":
            local.see(None, note["reason"])
        elif note["kind"] == "signal":
            local.inbox(FromPeer(note["payload"]))

    async def _renew(self) -> None:
        """Renews this server's seats, and detects changes that came without a note: a dead server, a Redis that lost its data."""
        while True:
            await asyncio.sleep(RENEW_S)
            locals_ = [local for local in self._local.values() if local.settled]
            if not locals_:
                continue
            try:
                await self._renew_seats(locals_)
            except (RedisError, OSError):
                continue  # seats survive a short outage; after a long one the next round stores them again

    async def _renew_seats(self, locals_: list[_Local]) -> None:
        keys = [key for local in locals_ for key in _keys(local.seat.room)]
        occupants = [_Occupant.from_json(text) for text in await self._redis.mget(keys)]
        async with self._redis.pipeline(transaction=False) as pipe:
            for number, local in enumerate(locals_):
                room = occupants[SEATS * number : SEATS * (number + 1)]
                index, member = local.seat.index, local.seat.member
                mine, other, key = room[index], room[1 - index], keys[SEATS * number + index]
                if self._local.get(member.connection) is not local:
                    continue  # freed while Redis answered
                if mine is None:
                    pipe.set(key, _Occupant(member, self._server).to_json(), px=int(1000 * SEAT_TTL_S), nx=True)
                elif mine.member.connection != member.connection:
                    local.inbox(Replaced())
                else:
                    pipe.pexpire(key, int(1000 * SEAT_TTL_S))
                    local.see(other)
            await pipe.execute()


def _keys(room: str) -> list[str]:
    # The braces keep both seats on the same node of a Redis cluster.
    return [f"{PREFIX}{{{room}}}:{index}" for index in range(SEATS)]


def _channel(server: str) -> str:
    return f"{PREFIX}server:{server}"


def _note(kind: str, to: _Occupant, **values: object) -> str:
    return dump({"kind": kind, "to": to.member.connection} | values)


async def _occupants(pipe: Pipeline, keys: list[str]) -> list[_Occupant | None]:
    return [_Occupant.from_json(text) for text in await pipe.mget(keys)]


@contextlib.contextmanager
def redis_errors() -> Iterator[None]:
    """Turns errors of Redis into RoomsUnavailable."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise RoomsUnavailable(f"Redis cannot be reached ({reason(error)})") from error
