"""The events of a client, one frozen dataclass each. Made by `client`, used by `facewire.call`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class IceServer:
    """A STUN or TURN server to gather candidates from, in the terms of WebRTC's RTCIceServer."""

    urls: tuple[str, ...]
    """Such as `turn:host:3478?transport=udp`."""
    username: str | None = None
    """For TURN; contains its expiry (see `tokens.turn_credential`)."""
    credential: str | None = None
    """For TURN."""


@dataclass(frozen=True)
class Joined:
    """This client has a seat in the room. Reported after connecting, and again after every `ServerBack`."""

    ice_servers: tuple[IceServer, ...]
    """With fresh credentials; use those of the newest event."""
    polite: bool
    """Exactly one of the two clients is polite; the other one makes the offer."""
    peer_id: str | None
    """The other person; None when alone."""
    peer_name: str = ""
    """The other person's chosen name; empty when alone or unnamed."""

    @property
    def peer_present(self) -> bool:
        return self.peer_id is not None


@dataclass(frozen=True)
class PeerJoined:
    """The other person joined, or rejoined: a client keeps its peer_id when it reconnects."""

    peer_id: str
    name: str = ""
    """Their chosen name: printable, at most 64 characters, no proof of identity."""


@dataclass(frozen=True)
class PeerLeft:
    """The other person is no longer connected to the server. A running call can ignore this if they are only lost."""

    peer_id: str
    reason: Literal["left", "lost"] = "lost"
    """left: they left the room; lost: their connection to the server broke, and they may come back."""


@dataclass(frozen=True)
class Signal:
    """A message that the other person sent with `SignalingClient.send`."""

    payload: dict[str, Any]
    """Any JSON object. It comes from the other person and only its size has been checked: trust nothing in it."""


RefusalCode = Literal[
    "token-missing", "token-expired", "token", "room-full", "replaced", "invitation-used", "invitation-gone", "refused"
]
"""Why a server refuses: it wants a join token; the token has expired, or does not admit to this room; two people are in the room;
the seat was taken over by another connection; the invitation was used by somebody else, or is not valid any more; anything else.
"""


@dataclass(frozen=True)
class Refused:
    """The server refused this client. No event follows."""

    reason: str
    """One line, for the user."""
    code: RefusalCode = "refused"


@dataclass(frozen=True)
class ServerGone:
    """The connection to the server is lost. The client keeps trying; a running call continues."""


@dataclass(frozen=True)
class ServerBack:
    """Connected again; `Joined` follows."""


Event = Joined | PeerJoined | PeerLeft | Signal | Refused | ServerGone | ServerBack
