"""Join tokens admit one session to one room for a limited time; TURN credentials are those coturn expects."""

import base64
import hashlib
import hmac
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from facewire.errors import InputError
from facewire.signaling import tokens
from facewire.signaling.tokens import TokenError, load_secret, mint, mint_for_reconnection, turn_credential, verify

SECRET = b"a secret for tests, of at least 32 bytes"
ANNE, BOB = "a" * 16, "b" * 16


def test_a_token_verifies_for_its_room() -> None:
    granted = verify(SECRET, mint(SECRET, "kitchen", 3600), "kitchen", ANNE)
    assert granted.room == "kitchen"
    assert granted.id


def test_each_token_has_its_own_id() -> None:
    one, two = (verify(SECRET, mint(SECRET, "kitchen", 3600), "kitchen", ANNE) for _ in range(2))
    assert one.id != two.id


def claims(**changes: object) -> dict[str, Any]:
    now = int(time.time())
    return {"aud": tokens.AUDIENCE, "room": "kitchen", "jti": "x", "iat": now, "exp": now + 3600} | changes


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in claims().items() if key != name}


def altered(token: str) -> str:
    """The same token with its room changed and its signature kept."""
    head, body, signature = token.split(".")
    text = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).replace(b"cellar", b"kitchen")
    return f"{head}.{base64.urlsafe_b64encode(text).decode().rstrip('=')}.{signature}"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (mint(SECRET, "kitchen", -60), "expired"),
        (mint(b"another secret of at least 32 bytes....", "kitchen", 3600), "not valid"),
        (mint(SECRET, "cellar", 3600), "another room"),
        (altered(mint(SECRET, "cellar", 3600)), "not valid"),
        (jwt.encode(claims(), "", "none"), "not valid"),
        (jwt.encode(claims(), SECRET * 2, "HS512"), "not valid"),
        (jwt.encode(claims(aud="other"), SECRET, "HS256"), "not valid"),
        (jwt.encode(claims(nbf=int(time.time()) + 1800), SECRET, "HS256"), "not valid"),
        (jwt.encode(without("exp"), SECRET, "HS256"), "not valid"),
        (jwt.encode(without("jti"), SECRET, "HS256"), "not valid"),
        (jwt.encode(without("room"), SECRET, "HS256"), "not valid"),
        (jwt.encode(without("aud"), SECRET, "HS256"), "not valid"),
        ("", "not valid"),
        ("a.b.c", "not valid"),
        ("é" * 50, "not valid"),
    ],
)
def test_invalid_tokens_raise_token_error(token: str, why: str) -> None:
    with pytest.raises(TokenError, match=why):
        verify(SECRET, token, "kitchen", ANNE)


def test_the_reconnection_token_is_bound_to_its_session() -> None:
    granted = verify(SECRET, mint(SECRET, "kitchen", 3600), "kitchen", ANNE)
    token = mint_for_reconnection(SECRET, granted, ANNE)
    assert verify(SECRET, token, "kitchen", ANNE) == granted
    with pytest.raises(TokenError, match="another session"):
        verify(SECRET, token, "kitchen", BOB)


def test_turn_credentials_follow_the_rest_scheme() -> None:
    username, password = turn_credential(b"north", ANNE, 1_700_000_000.9)
    assert username == f"{1_700_000_000 + tokens.RECONNECT_S}:{ANNE}"
    assert base64.b64decode(password) == hmac.new(b"north", username.encode(), hashlib.sha1).digest()


def test_invalid_room_names_raise_input_error() -> None:
    for room in ("", "a b", "é", "a" * 65, "a/b", "a\n"):
        with pytest.raises(InputError, match="room"):
            mint(SECRET, room, 60)


def test_secrets_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_SECRET", raising=False)
    assert load_secret(None, "SOME_SECRET") is None
    monkeypatch.setenv("SOME_SECRET", "e" * 32)
    assert load_secret(None, "SOME_SECRET") == b"e" * 32
    file = tmp_path / "secret"
    file.write_text("f" * 32 + "\n")
    assert load_secret(file, "SOME_SECRET") == b"f" * 32, "the file takes precedence, without its line end"


def test_short_and_unreadable_secrets_raise_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "e" * 31)
    with pytest.raises(InputError, match="SOME_SECRET: a secret of 31 bytes"):
        load_secret(None, "SOME_SECRET")
    with pytest.raises(InputError, match="cannot be read"):
        load_secret(tmp_path / "nothing", "SOME_SECRET")
