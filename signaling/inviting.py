"""What programs ask a gateway about invitations: `facewire invite` makes and revokes them, `facewire call LINK` uses one.

Browsers do the last by themselves.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from facewire.errors import InputError, reason
from facewire.signaling.client import UNREACHABLE, server_url
from facewire.signaling.links import Link, read_link

TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Admission:
    """What a program gets for an invitation: where to go, and what lets it in."""

    server: str
    """Address of the signaling server."""
    room: str
    token: str | None
    """None where the server is open."""


def gateway_url(server: str) -> str:
    """The address of a gateway from that of its signaling server or what people type for it; InputError as `server_url`."""
    url = server_url(server)
    return f"http{url.removeprefix('ws').removesuffix('/ws')}"


async def use(link: Link) -> Admission:
    """Uses an invitation as a program. InputError if it lets nobody in, or nothing answers."""
    answer = await _ask(link.gateway, "use", {"code": link.code})
    room, token = answer.get("room"), answer.get("token")
    if not isinstance(room, str) or not isinstance(token, str | None):
        raise InputError(f"{link.gateway}: this is not a facewire gateway")
    return Admission(server_url(link.gateway), room, token)


async def invite(gateway: str, permission: str | None, room: str, lifetime_s: float, *, reusable: bool = False) -> Link:
    """Makes an invitation. InputError if that is refused, or nothing answers.

    permission: from `tokens.mint_for_inviting`, or a join token for that room: who may be in it may invite one person to it. None
    at an open gateway.
    """
    wanted = {"room": room, "seconds": lifetime_s, "reusable": reusable}
    answer = await _ask(gateway, "", wanted, permission)
    link = read_link(str(answer.get("link")))
    if link is None:
        raise InputError(f"{gateway}: this is not a facewire gateway")
    return link


async def revoke(gateway: str, permission: str, code: str) -> bool:
    """Takes an invitation back; False if there was none. permission: from `tokens.mint_for_inviting`."""
    answer = await _ask(gateway, "revoke", {"code": code}, permission)
    return answer.get("revoked") is True


async def is_gateway(gateway: str) -> bool:
    """Whether a gateway answers there, and not a signaling server alone, or nothing."""
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            aiohttp.ClientSession() as session,
            session.get(f"{gateway}/healthz", allow_redirects=False) as response,
        ):
            answer = _object(await response.content.read(MAX_ANSWER_BYTES))
            return answer is not None and answer.get("gateway") is True
    except UNREACHABLE:
        return False


async def _ask(gateway: str, what: str, body: dict[str, Any], permission: str | None = None) -> dict[str, Any]:
    """POSTs to the gateway's invitations; returns its answer. InputError with its own words for a refusal."""
    url = f"{gateway}/invitations" + (f"/{what}" if what else "")
    headers = {"Authorization": f"Bearer {permission}"} if permission is not None else {}
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            aiohttp.ClientSession() as session,
            session.post(url, json=body, headers=headers, allow_redirects=False) as response,
        ):
            text = await response.content.read(MAX_ANSWER_BYTES)
            answer = _object(text)
            if response.status == 200 and answer is not None:
                return answer
            if answer is not None and isinstance(answer.get("detail"), str):
                raise InputError(answer["detail"][:300])
            raise InputError(
                f"{gateway}: no facewire gateway is there (it answered {response.status} {response.reason})"
            )
    except UNREACHABLE as error:
        why = f"no answer within {TIMEOUT_S:g} s" if isinstance(error, TimeoutError) else reason(error)
        remedy = (
            ": start one with `facewire gateway`" if urlsplit(gateway).hostname in ("127.0.0.1", "localhost") else ""
        )
        raise InputError(f"{gateway}: the gateway cannot be reached ({why}){remedy}") from error


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None
