"""What proves the right to enter a room or to use the relay: signed join tokens and time-limited TURN credentials.

`facewire token` mints join tokens, the server checks them, issues the tokens that let a session come back, and makes TURN
credentials that coturn accepts without being asked. Both rest on secrets shared by file or environment, never stored here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import jwt

from facewire.errors import FacewireError, InputError, reason
from facewire.signaling.messages import PEER_ID, ROOM

ALGORITHM = "HS256"
AUDIENCE = "facewire-signaling"
MIN_SECRET_BYTES = 32
"""As long as the hash: a shorter key could be guessed from one token."""
COME_BACK_S = 24 * 3600
"""How long after its last join a session may come back, and how long TURN credentials last: longer than any call."""
CLOCK_SKEW_S = 5


class TokenError(FacewireError):
    """A join token that is expired, altered, for another room or another session; its text is for the user."""


@dataclass(frozen=True)
class Pass:
    """What a valid token says."""

    room: str
    id: str
    """One for each person invited; only one session at a time may use it."""


def load_secret(file: Path | None, variable: str) -> bytes | None:
    """The secret in `file`, or else in the environment variable; None where neither is given.

    White space around it is ignored. InputError if the file cannot be read or the secret is shorter than 32 bytes.
    """
    if file is not None:
        origin = str(file)
        try:
            text = file.read_bytes()
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({reason(error)})") from error
    elif variable in os.environ:
        origin, text = variable, os.environ[variable].encode()
    else:
        return None
    secret = text.strip()
    if len(secret) < MIN_SECRET_BYTES:
        raise InputError(
            f"{origin}: a secret of {len(secret)} bytes; at least {MIN_SECRET_BYTES} are needed, for example from "
            f"`head -c 32 /dev/urandom | base64`"
        )
    return secret


def mint(secret: bytes, room: str, lifetime_s: float) -> str:
    """A token with which one person may enter `room` within the lifetime; InputError for a name that no room can have."""
    if ROOM.fullmatch(room) is None:
        raise InputError(f"{room!r}: a room's name has 1 to 64 of A-Z a-z 0-9 . _ -")
    return _sign(secret, Pass(room, secrets.token_hex(8)), lifetime_s, {})


def mint_to_come_back(secret: bytes, granted: Pass, peer_id: str) -> str:
    """A token that holds longer, but only for the session of that peer_id."""
    return _sign(secret, granted, COME_BACK_S, {"sub": peer_id})


def verify(secret: bytes, token: str, room: str, peer_id: str) -> Pass:
    """What the token grants to the session of that peer_id in that room; TokenError if nothing."""
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            leeway=CLOCK_SKEW_S,
            options={"require": ["exp", "iat", "jti", "aud", "room"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise TokenError("the join token has expired; ask for a new one") from error
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise TokenError("the join token is not valid on this server") from error
    if claims["room"] != room:
        raise TokenError("the join token is for another room")
    if claims.get("sub", peer_id) != peer_id:
        raise TokenError("the join token belongs to another session")
    return Pass(room, claims["jti"])


def turn_credential(secret: bytes, peer_id: str, now_s: float) -> tuple[str, str]:
    """Username and password for coturn's `use-auth-secret` (the TURN REST scheme).

    The username is the expiry in Unix seconds, a colon and a name; the password the HMAC-SHA1 of it in base64.
    now_s: Unix time in seconds.
    """
    if PEER_ID.fullmatch(peer_id) is None:
        raise ValueError(f"{peer_id!r} is no peer id")
    username = f"{int(now_s) + COME_BACK_S}:{peer_id}"
    return username, base64.b64encode(hmac.digest(secret, username.encode(), hashlib.sha1)).decode()


def _sign(secret: bytes, granted: Pass, lifetime_s: float, more: dict[str, str]) -> str:
    now = int(time.time())
    claims = {"aud": AUDIENCE, "room": granted.room, "jti": granted.id, "iat": now, "exp": now + int(lifetime_s)}
    return jwt.encode(claims | more, secret, ALGORITHM)
