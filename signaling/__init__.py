"""Two people find each other: rooms of two, tokens to enter them, and what peers tell each other to connect.

`client` is what a call uses (`SignalingClient`); `server` is what `facewire serve` runs. The server relays offers, answers
and candidates between the two people of a room and keeps none of them; media never passes through it.

Names are imported when they are first used: `facewire --help` reads `command` and needs no WebSocket for that.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facewire.signaling.client import SignalingClient
    from facewire.signaling.events import (
        Event,
        IceServer,
        Joined,
        PeerJoined,
        PeerLeft,
        Refused,
        ServerBack,
        ServerGone,
        Signal,
    )

__all__ = [
    "Event",
    "IceServer",
    "Joined",
    "PeerJoined",
    "PeerLeft",
    "Refused",
    "ServerBack",
    "ServerGone",
    "Signal",
    "SignalingClient",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "client" if name == "SignalingClient" else "events"
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
