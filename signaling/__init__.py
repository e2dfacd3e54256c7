"""How two people find each other: rooms for two, tokens to join them, and the messages that set up a connection.

`client` (`SignalingClient`) is used by calls, `server` by `facewire serve`. The server relays offers, answers and candidates
between the two clients of a room and stores none of them. Media never passes through it.

Names are imported on first use: `facewire --help` reads `command` and needs no WebSocket library for that.
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
