"""Invitations: short codes, each of which lets somebody into one room, once or for a time.

A gateway makes them (`facewire invite`) and looks them up when a link is opened. `MemoryInvitations` are those of one server;
`redis_invitations.RedisInvitations` are shared. Only hashes of codes are kept: who reads the store cannot enter.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from facewire.errors import FacewireError

CODE = re.compile(r"[A-Za-z0-9_-]{12}")
CODE_BYTES = 9
"""72 random bits: at the rate that a server lets codes be tried, guessing one takes longer than the universe is old."""
MAX_INVITATIONS = 100_000
"""In one server's memory."""


@dataclass(frozen=True)
class Invitation:
    """What a code stands for."""

    room: str
    expires_s: float
    """Unix time in seconds."""
    reusable: bool = False
    """Anybody may use it until it expires; otherwise it is for the first who does."""


class InvitationRefused(FacewireError):
    """A code lets nobody in. The text is for the user.

    why: "used" by somebody else; "gone": it has expired, was revoked, or never was one.
    """

    def __init__(self, why: Literal["used", "gone"]) -> None:
        texts = {
            "used": "this invitation has been used; it was for one person, once",
            "gone": "this invitation is not valid: it has expired, was revoked, or is incomplete",
        }
        super().__init__(texts[why])
        self.why: Literal["used", "gone"] = why


class Invitations(Protocol):
    """Keeps invitations until they expire. All raise RoomsUnavailable if the store cannot be reached."""

    async def add(self, invitation: Invitation) -> str:
        """Keeps an invitation; returns its code."""

    async def check(self, code: str, by: str) -> Invitation:
        """What the code stands for, if `by` may use it: the one who has used it may again. Raises InvitationRefused."""

    async def take(self, code: str, by: str) -> Invitation:
        """The same, and uses it up unless it is reusable."""

    async def revoke(self, code: str) -> bool:
        """Forgets an invitation; False if there was none."""

    async def stop(self) -> None: ...


def new_code() -> str:
    return secrets.token_urlsafe(CODE_BYTES)


def hashed(code: str) -> str:
    """The hash under which an invitation is kept; InvitationRefused for what cannot be a code."""
    if CODE.fullmatch(code) is None:
        raise InvitationRefused("gone")
    return hashlib.sha256(code.encode()).hexdigest()


class MemoryInvitations:
    """The invitations of one server, in memory. clock: Unix time in seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._kept: dict[str, Invitation] = {}
        self._used_by: dict[str, str] = {}

    async def add(self, invitation: Invitation) -> str:
        if len(self._kept) >= MAX_INVITATIONS:
            self._forget_expired()
        if len(self._kept) >= MAX_INVITATIONS:
            raise FacewireError(f"{MAX_INVITATIONS} invitations are open: revoke some, or wait until they expire")
        code = new_code()
        self._kept[hashed(code)] = invitation
        return code

    async def check(self, code: str, by: str) -> Invitation:
        name = hashed(code)
        invitation = self._kept.get(name)
        if invitation is None or invitation.expires_s <= self._clock():
            self._forget(name)
            raise InvitationRefused("gone")
        if self._used_by.get(name, by) != by:
            raise InvitationRefused("used")
        return invitation

    async def take(self, code: str, by: str) -> Invitation:
        invitation = await self.check(code, by)
        if not invitation.reusable:
            self._used_by[hashed(code)] = by
        return invitation

    async def revoke(self, code: str) -> bool:
        return self._forget(hashed(code))

    async def stop(self) -> None:
        pass

    def _forget(self, name: str) -> bool:
        self._used_by.pop(name, None)
        return self._kept.pop(name, None) is not None

    def _forget_expired(self) -> None:
        now = self._clock()
        for name in [name for name, invitation in self._kept.items() if invitation.expires_s <= now]:
            self._forget(name)
