"""What a client tells the call: one frozen dataclass an event. Made by `client`, used by `facewire.call`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class IceServer:
    """A STUN or TURN server to gather candidates from, in the terms of WebRTC's RTCIceServer."""

    urls: tuple[str, ...]
    """Such as `turn:host:3478?transport=udp`."""
    username: str | None = None
    """TURN only; carries its own expiry (see `tokens.turn_credential`)."""
    credential: str | None = None
    """TURN only."""


@dataclass(frozen=True)
class Joined:
    """This client has a seat in the room. Comes once at first and again after every `ServerBack`."""

    ice_servers: tuple[IceServer, ...]
    """With fresh credentials: use the newest."""
    polite: bool
    """Of the two people in a room exactly one is polite; the other one makes the offer."""
    peer_id: str | None
    """The other person, None when alone."""
    peer_name: str = ""
    """What the other person calls themselves; empty when alone or unnamed."""

    @property
    def peer_present(self) -> bool:
        return self.peer_id is not None


@dataclass(frozen=True)
class PeerJoined:
    """The other person came, or came back: the same client keeps its peer_id when it reconnects."""

    peer_id: str
    name: str = ""
    """What they call themselves: printable, at most 64 characters, never a proof of identity."""


@dataclass(frozen=True)
class PeerLeft:
    """The other person is no longer connected to the server. A running call need not care when they are only lost."""

    peer_id: str
    reason: Literal["left", "lost"] = "lost"
    """left: they said so; lost: their connection to the server broke, and they may come back."""


@dataclass(frozen=True)
class Signal:
    """What the other person sent with `SignalingClient.send`."""

    payload: dict[str, Any]
    """Any JSON object: checked for size, not for meaning. It comes from the other person: trust nothing in it."""


@dataclass(frozen=True)
class Refused:
    """The server does not want this client; no event follows."""

    reason: str
    """One line for the user."""


@dataclass(frozen=True)
class ServerGone:
    """The connection to the server is lost; the client goes on trying. A running call goes on."""


@dataclass(frozen=True)
class ServerBack:
    """Connected again; `Joined` follows."""


Event = Joined | PeerJoined | PeerLeft | Signal | Refused | ServerGone | ServerBack
