"""Invitations shared by several servers through Redis: two keys each, which expire. Implements `invitations.Invitations`."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any

from facewire.signaling.invitations import Invitation, InvitationRefused, hashed, new_code
from facewire.signaling.redis_rooms import PREFIX, connect, redis_errors


class RedisInvitations:
    """The invitations of all servers on one Redis. InputError for what is no address of one."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url)

    async def add(self, invitation: Invitation) -> str:
        code = new_code()
        left_s = max(1, round(invitation.expires_s - time.time()))
        with redis_errors():
            await self._redis.set(_key(code), json.dumps(dataclasses.asdict(invitation)), ex=left_s)
        return code

    async def check(self, code: str, by: str) -> Invitation:
        with redis_errors():
            text, used_by = await self._redis.mget(_key(code), _used_key(code))
        return _allowed(text, used_by, by)

    async def take(self, code: str, by: str) -> Invitation:
        invitation = await self.check(code, by)
        if invitation.reusable:
            return invitation
        left_s = max(1, round(invitation.expires_s - time.time()))
        with redis_errors():
            # Of two who try at once, one sets the key.
            if not await self._redis.set(_used_key(code), by, nx=True, ex=left_s):
                used_by = await self._redis.get(_used_key(code))
                if used_by != by:
                    raise InvitationRefused("used")
        return invitation

    async def revoke(self, code: str) -> bool:
        with redis_errors():
            return bool(await self._redis.delete(_key(code)))

    async def stop(self) -> None:
        await self._redis.aclose()


def _allowed(text: Any, used_by: Any, by: str) -> Invitation:
    if text is None:
        raise InvitationRefused("gone")
    if used_by not in (None, by):
        raise InvitationRefused("used")
    return Invitation(**json.loads(text))


def _key(code: str) -> str:
    return f"{PREFIX}invitation:{hashed(code)}"


def _used_key(code: str) -> str:
    return f"{PREFIX}invitation:{hashed(code)}:used"
