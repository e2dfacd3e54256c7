"""The guests of a gateway: who may enter, for how long, and what they share.

`server` brings them in by their invitations and serves their pages. A `Guest` is a `PageCall` in the one room of its invitation; it
ends when its page has been away for a while, does nothing for long, or the gateway stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import hashlib
import logging
import secrets
import time
from typing import Literal

from aiohttp import web

from facewire.call.options import CallOptions, GuestOptions, PageOptions, SessionOptions
from facewire.call.page_call import PageCall
from facewire.call.page_http import PageSocket
from facewire.errors import FacewireError
from facewire.gateway.metrics import Metrics
from facewire.gateway.networks import GatewayNetworks
from facewire.signaling.invitations import InvitationRefused, Invitations
from facewire.signaling.limits import Bucket
from facewire.signaling.local import LocalClient, Seating

COME_S = 20.0
"""From entering to the page's WebSocket."""
IDLE_S = 900.0
"""In the lobby, or after a call."""
WAIT_S = 3600.0
"""Alone in the room."""
WATCH_S = 1.0
STOP_S = 10.0
HEARTBEAT_S = 8.0
"""Between pings to the page: one whose network is gone is noticed within half as much more."""
MESSAGES_S, MESSAGE_BURST = 15.0, 150.0
"""From the page. Turning the other side's head sends the most."""

Why = Literal["used", "gone", "full", "closing"]

_log = logging.getLogger(__name__)


class TurnedAway(FacewireError):
    """Somebody cannot enter. why: the invitation is used up or not valid, the gateway is full, or it is about to stop."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why: Why = why


class Guest:
    """One guest. Made in the event loop. browser: see `browser_key`. code: of the invitation that lets the guest in."""

    def __init__(
        self,
        browser: str,
        code: str,
        room: str,
        server_name: str,
        networks: GatewayNetworks,
        seating: Seating,
        invitations: Invitations,
    ) -> None:
        self.id = secrets.token_hex(8)
        self.browser, self.code = browser, code
        self._room, self._seating, self._invitations = room, seating, invitations
        self.call = PageCall(
            CallOptions("", room, session=SessionOptions(through=server_name, wait_s=WAIT_S), threads=1),
            PageOptions(
                recordings=None,
                guest=GuestOptions(server_name, seating.ice_servers(self.id), f"{self.id}/"),
            ),
            networks=lambda: networks,
            client=self._client,
        )
        self._socket = PageSocket(self.call, messages=Bucket(MESSAGES_S, MESSAGE_BURST), heartbeat_s=HEARTBEAT_S)
        self._entered_s = time.monotonic()
        self._came = False
        self.pages = 0
        """Connections of its page: one, or more for a moment when it comes back."""

    @property
    def in_call(self) -> bool:
        return self.call.phase in ("joining", "call")

    async def serve(self, request: web.Request, address: str) -> web.StreamResponse:
        """Holds a connection of its page. address: of the browser."""
        self._came = True
        self.call.speaks_from(address)
        self.pages += 1
        try:
            return await self._socket.serve(request)
        finally:
            self.pages -= 1

    async def run(self) -> None:
        """From entering to the end."""
        watching = asyncio.create_task(self._watch())
        try:
            await self.call.run()
        finally:
            watching.cancel()
            await self._socket.close()

    def _client(self, name: str) -> LocalClient:
        return LocalClient(self._seating, self._room, name, self._admit)

    async def _admit(self) -> None:
        """Entering the room uses the invitation up; looking at the lobby does not."""
        await self._invitations.take(self.code, self.browser)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            now = time.monotonic()
            never_came = not self._came and now - self._entered_s > COME_S
            if never_came or (not self.in_call and now - self.call.phase_since_s > IDLE_S):
                self.call.quit()


class Guests:
    """All guests of one gateway. server_name: the gateway's, as guests know it. max_calls: guests at a time."""

    def __init__(
        self,
        server_name: str,
        networks: GatewayNetworks,
        seating: Seating,
        invitations: Invitations,
        max_calls: int,
        metrics: Metrics,
    ) -> None:
        self._server_name, self._networks = server_name, networks
        self._seating, self._invitations = seating, invitations
        self._max_calls, self._metrics = max_calls, metrics
        self._guests: dict[str, Guest] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closing = False
        metrics.guests.set_function(lambda: len(self._guests))
        metrics.calls.set_function(lambda: self.calls)

    @property
    def calls(self) -> int:
        """Guests who are in a call, or wait for one."""
        return sum(guest.in_call for guest in self._guests.values())

    async def enter(self, code: str, browser: str) -> Guest:
        """Lets a browser in by an invitation; raises TurnedAway. One that comes back gets the guest that it was."""
        try:
            invitation = await self._invitations.check(code, browser)
        except InvitationRefused as error:
            self._metrics.refused.labels(error.why).inc()
            raise TurnedAway(error.why, str(error)) from error
        for guest in self._guests.values():
            same = (guest.browser, guest.code) == (browser, code)
            if same and not (invitation.reusable and guest.pages):  # of a reusable one, another tab is another guest
                return guest
        if self._closing:
            self._metrics.refused.labels("closing").inc()
            raise TurnedAway("closing", "this server is about to stop; try again in some minutes")
        if len(self._guests) >= self._max_calls:
            self._metrics.refused.labels("full").inc()
            raise TurnedAway("full", "this server has as many calls as it can carry; try again in some minutes")
        guest = Guest(
            browser, code, invitation.room, self._server_name, self._networks, self._seating, self._invitations
        )
        self._guests[guest.id] = guest
        self._tasks[guest.id] = asyncio.create_task(self._hold(guest))
        self._metrics.entered.inc()
        return guest

    def find(self, name: str, browser: str) -> Guest | None:
        """The guest of that id, if it belongs to that browser."""
        guest = self._guests.get(name)
        return guest if guest is not None and secrets.compare_digest(guest.browser, browser) else None

    async def drain(self, seconds: float) -> None:
        """Lets nobody in any more, and waits until the calls have ended, at most for so long."""
        self._closing = True
        deadline = time.monotonic() + seconds
        while self._guests and time.monotonic() < deadline:
            for guest in self._guests.values():
                if not guest.in_call:
                    guest.call.quit()
            await asyncio.sleep(WATCH_S / 4)

    async def stop(self) -> None:
        """Ends every call; the other sides are told."""
        self._closing = True
        for guest in self._guests.values():
            guest.call.quit()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _hold(self, guest: Guest) -> None:
        try:
            await guest.run()
        except Exception:  # one guest must not end the others
            _log.exception("a guest's call failed")
        finally:
            del self._guests[guest.id], self._tasks[guest.id]
            await asyncio.to_thread(_give_memory_back)


def _give_memory_back() -> None:
    """A call runs a dozen threads, and glibc keeps what each of them freed: half a megabyte a call, if nobody asks for it."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def browser_key(cookie: str) -> str:
    """What a browser is known by: the hash of its cookie."""
    return hashlib.sha256(cookie.encode()).hexdigest()[:32]
