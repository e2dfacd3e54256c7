"""Signed join tokens for rooms, and time-limited credentials for a TURN server.

`facewire token` mints join tokens. The server verifies them, issues tokens with which a session can reconnect, and derives TURN
credentials that coturn accepts. The secrets come from a file or the environment and are never stored here.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import jwt

from facewire.errors import FacewireError, InputError, reason
from facewire.signaling.messages import PEER_ID, ROOM, TOKEN_EXPIRED

ALGORITHM = "HS256"
AUDIENCE, INVITING_AUDIENCE = "facewire-signaling", "facewire-inviting"
MIN_SECRET_BYTES = 32
"""The length of the hash; a shorter key could be brute-forced from one token."""
RECONNECT_S = 24 * 3600
"""How long a session may reconnect after its last join, and how long TURN credentials last: longer than any call."""
INVITING_S = 60
"""How long a permission to invite lasts; `facewire invite` makes one for each request, so that the secret itself is never sent."""
CLOCK_SKEW_S = 5


class TokenError(FacewireError):
    """A join token is expired, altered, or for another room or session. The text is for the user."""


@dataclass(frozen=True)
class Pass:
    """The contents of a valid token."""

    room: str
    id: str
    """One per invited person; only one session at a time may use it."""


def load_secret(file: Path | None, variable: str) -> bytes | None:
    """Reads the secret from `file`, else from the environment variable; None where neither is given.

    Surrounding white space is ignored. Raises InputError if the file cannot be read or the secret is shorter than 32 bytes.
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
            f"{origin}: a secret of {len(secret)} bytes is too short; at least {MIN_SECRET_BYTES} are needed, for example from "
            f"`head -c 32 /dev/urandom | base64`"
        )
    return secret


def keep_secret(file: Path) -> bytes:
    """The secret in a file that only this user can read; it is made where there is none. InputError if that cannot be."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as new:
                new.write(f"{secrets.token_urlsafe(MIN_SECRET_BYTES)}\n")
        if os.name == "posix" and file.stat().st_mode & 0o077:
            raise InputError(f"{file}: others can read this secret; say `chmod 600 {file}`, or delete it for a new one")
    except OSError as error:
        raise InputError(f"{file}: no secret can be kept there ({reason(error)})") from error
    secret = load_secret(file, "")
    assert secret is not None
    return secret


def mint(secret: bytes, room: str, lifetime_s: float) -> str:
    """A token with which one person may join `room` within the lifetime. Raises InputError for an invalid room name."""
    if ROOM.fullmatch(room) is None:
        raise InputError(f"{room!r}: a room name has 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    return _sign(secret, Pass(room, secrets.token_hex(8)), lifetime_s, {})


def mint_for_reconnection(secret: bytes, granted: Pass, peer_id: str) -> str:
    """A longer-lived token, bound to the session with that peer_id."""
    return _sign(secret, granted, RECONNECT_S, {"sub": peer_id})


def verify(secret: bytes, token: str, room: str, peer_id: str) -> Pass:
    """Verifies a token for the session with that peer_id. Raises TokenError."""
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
        raise TokenError(TOKEN_EXPIRED) from error
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise TokenError("the join token is not valid on this server") from error
    if claims["room"] != room:
        raise TokenError("the join token is for another room")
    if claims.get("sub", peer_id) != peer_id:
        raise TokenError("the join token belongs to another session")
    return Pass(room, claims["jti"])


def mint_for_inviting(secret: bytes) -> str:
    """Lets whoever has it invite people, to any room, for a minute."""
    now = int(time.time())
    return jwt.encode({"aud": INVITING_AUDIENCE, "iat": now, "exp": now + INVITING_S}, secret, ALGORITHM)


def verify_inviting(secret: bytes, token: str) -> None:
    """Raises TokenError for what is no permission to invite."""
    try:
        jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            audience=INVITING_AUDIENCE,
            leeway=CLOCK_SKEW_S,
            options={"require": ["exp", "iat", "aud"]},
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise TokenError("this is not signed with the server's secret, or the clocks differ by a minute") from error


def room_of(secret: bytes, token: str) -> str:
    """The room into which a token lets somebody, whoever that is. Raises TokenError."""
    try:
        claims = jwt.decode(
            token, options={"verify_signature": False}
        )  # what it says of itself; `verify` is what counts
        room, peer_id = claims["room"], claims.get("sub", "")
    except (jwt.InvalidTokenError, ValueError, KeyError, RecursionError) as error:
        raise TokenError("the join token is not valid on this server") from error
    return verify(secret, token, room, peer_id).room


def turn_credential(secret: bytes, peer_id: str, now_s: float) -> tuple[str, str]:
    """Username and password for coturn's `use-auth-secret` (the TURN REST scheme).

    The username is the expiry in Unix seconds, a colon and a name; the password the HMAC-SHA1 of it in base64.
    now_s: Unix time in seconds.
    """
    if PEER_ID.fullmatch(peer_id) is None:
        raise ValueError(f"{peer_id!r} is not a peer id")
    username = f"{int(now_s) + RECONNECT_S}:{peer_id}"
    return username, base64.b64encode(hmac.digest(secret, username.encode(), hashlib.sha1)).decode()


def _sign(secret: bytes, granted: Pass, lifetime_s: float, more: dict[str, str]) -> str:
    now = int(time.time())
    claims = {"aud": AUDIENCE, "room": granted.room, "jti": granted.id, "iat": now, "exp": now + int(lifetime_s)}
    return jwt.encode(claims | more, secret, ALGORITHM)
