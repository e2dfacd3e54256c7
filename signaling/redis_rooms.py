"""Rooms that several servers share through Redis, so that the two people of a room may be connected to different ones.

A seat is a key with an expiry that its server renews while the person is connected: a server that dies frees its seats by
doing nothing. Notes between people go through one pub/sub channel a server. Implements `rooms.Rooms` for `server`.
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
"""Of all keys and channels; the number changes with the layout of what is stored."""
SEAT_TTL_S = 6.0
"""How long the seats of a server that died stay taken."""
RENEW_S = 2.0
TIMEOUT_S = 2.0
"""For an answer of Redis."""


@dataclass(frozen=True)
class _Sitter:
    """A member and the server that has the connection: the value of a seat's key."""

    member: Member
    server: str

    def to_json(self) -> str:
        return dump(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes | None) -> _Sitter | None:
        if text is None:
            return None
        values = json.loads(text)
        return cls(Member(**values["member"]), values["server"])


@dataclass
class _Local:
    """A seat whose connection is on this server, and who is known to sit in the other one."""

    seat: Seat
    inbox: Inbox
    peer: _Sitter | None = None
    settled: bool = False
    """Whether the seat has been written."""

    def meet(self, peer: _Sitter | None) -> None:
        self.peer = peer
        self.seat.peer = peer.member if peer else None

    def see(self, peer: _Sitter | None, why: Literal["left", "lost"] = "lost") -> None:
        """Takes note of who sits there now, and tells the client if that is news."""
        before = self.peer
        self.meet(peer)
        if peer and (before is None or before.member.connection != peer.member.connection):
            self.inbox(Arrived(peer.member.peer_id, peer.member.name))
        elif peer is None and before:
            self.inbox(Gone(before.member.peer_id, why))


class RedisRooms:
    """The rooms of all servers that use the same Redis."""

    def __init__(self, url: str) -> None:
        try:
            self._redis = Redis.from_url(
                url,
                decode_responses=True,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                health_check_interval=TIMEOUT_S,
                retry=Retry(NoBackoff(), 1),
            )
        except ValueError as error:
            raise InputError(f"{url!r} is no Redis; one looks like redis://127.0.0.1:6379/0") from error
        self._notes = self._redis.pubsub()
        self._server = secrets.token_hex(8)
        self._local: dict[str, _Local] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        with _asking():
            await self._notes.subscribe(_channel(self._server))
            # The answer to the subscription: from here on no note is missed.
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
            with _asking():
                await self._redis.ping()
        except RoomsUnavailable:
            return False
        return True

    async def take(self, room: str, member: Member, wanted: int | None, inbox: Inbox) -> Seat:
        mine = _Sitter(member, self._server)
        keys = _keys(room)

        async def sit(pipe: Pipeline) -> None:
            taken = await _sitters(pipe, keys)
            index = choose([sitter.member if sitter else None for sitter in taken], member, wanted)
            former, other = taken[index], taken[1 - index]
            # Known here before it is written there: whoever sees it may send at once.
            seat = Seat(room, index, member)
            self._local[member.connection] = _Local(seat, inbox)
            self._local[member.connection].meet(other)
            pipe.multi()
            pipe.set(keys[index], mine.to_json(), px=int(1000 * SEAT_TTL_S))
            if former:
                pipe.publish(_channel(former.server), _note("replaced", former))
            if other:
                pipe.publish(_channel(other.server), _note("arrived", other, sitter=mine.to_json()))

        try:
            with _asking():
                await self._redis.transaction(sit, *keys)
        except BaseException:
            self._local.pop(member.connection, None)
            raise
        local = self._local[member.connection]
        local.settled = True
        return local.seat

    async def free(self, seat: Seat, gone: Gone) -> None:
        self._local.pop(seat.member.connection, None)
        keys = _keys(seat.room)

        async def stand_up(pipe: Pipeline) -> None:
            taken = await _sitters(pipe, keys)
            sitter, other = taken[seat.index], taken[1 - seat.index]
            pipe.multi()
            if sitter is None or sitter.member.connection != seat.member.connection:
                return  # retaken meanwhile
            pipe.delete(keys[seat.index])
            if other:
                note = _note("gone", other, sender=seat.member.connection, reason=gone.reason)
                pipe.publish(_channel(other.server), note)

        with _asking():
            await self._redis.transaction(stand_up, *keys)

    async def relay(self, seat: Seat, message: FromPeer) -> bool:
        local = self._local.get(seat.member.connection)
        if local is None or local.peer is None:
            return False
        note = _note("signal", local.peer, sender=seat.member.connection, payload=message.payload)
        with _asking():
            # Redis says how many servers listen: none if the peer's has died.
            return bool(await self._redis.publish(_channel(local.peer.server), note))

    async def _listen(self) -> None:
        """Takes the notes of this server's channel; subscribes again after every outage of Redis."""
        while True:
            try:
                note = await self._notes.get_message(ignore_subscribe_messages=True, timeout=TIMEOUT_S)
            except (RedisError, OSError):
                await asyncio.sleep(RENEW_S / 4)  # what was missed meanwhile `_renew` finds out
                continue
            if note is not None:
                self._take_note(json.loads(note["data"]))

    def _take_note(self, note: dict[str, Any]) -> None:
        local = self._local.get(note["to"])
        if local is None:
            return  # left while it was on its way
        if note["kind"] == "replaced":
            local.inbox(Replaced())
        elif note["kind"] == "arrived":
            local.see(_Sitter.from_json(note["sitter"]))
        elif local.peer is None or local.peer.member.connection != note["sender"]:
            return  # of somebody who is not there any more
        elif note["kind"] == "gone":
            local.see(None, note["reason"])
        elif note["kind"] == "signal":
            local.inbox(FromPeer(note["payload"]))

    async def _renew(self) -> None:
        """Keeps the seats of this server, and notices what no note told: a peer whose server died, a Redis that forgot."""
        while True:
            await asyncio.sleep(RENEW_S)
            locals_ = [local for local in self._local.values() if local.settled]
            if not locals_:
                continue
            try:
                await self._renew_seats(locals_)
            except (RedisError, OSError):
                continue  # the seats outlast a short outage, and the next round writes them anew after a long one

    async def _renew_seats(self, locals_: list[_Local]) -> None:
        keys = [key for local in locals_ for key in _keys(local.seat.room)]
        sitters = [_Sitter.from_json(text) for text in await self._redis.mget(keys)]
        async with self._redis.pipeline(transaction=False) as pipe:
            for number, local in enumerate(locals_):
                room = sitters[SEATS * number : SEATS * (number + 1)]
                index, member = local.seat.index, local.seat.member
                mine, other, key = room[index], room[1 - index], keys[SEATS * number + index]
                if self._local.get(member.connection) is not local:
                    continue  # freed while Redis answered
                if mine is None:
                    pipe.set(key, _Sitter(member, self._server).to_json(), px=int(1000 * SEAT_TTL_S), nx=True)
                elif mine.member.connection != member.connection:
                    local.inbox(Replaced())
                else:
                    pipe.pexpire(key, int(1000 * SEAT_TTL_S))
                    local.see(other)
            await pipe.execute()


def _keys(room: str) -> list[str]:
    # The braces keep both seats on one node of a Redis cluster.
    return [f"{PREFIX}{{{room}}}:{index}" for index in range(SEATS)]


def _channel(server: str) -> str:
    return f"{PREFIX}server:{server}"


def _note(kind: str, to: _Sitter, **values: object) -> str:
    return dump({"kind": kind, "to": to.member.connection} | values)


async def _sitters(pipe: Pipeline, keys: list[str]) -> list[_Sitter | None]:
    return [_Sitter.from_json(text) for text in await pipe.mget(keys)]


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    """Turns what Redis can fail by into RoomsUnavailable."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise RoomsUnavailable(f"Redis cannot be asked now ({reason(error)})") from error
