"""Two people find each other: rooms of two, tokens to enter them, and what peers tell each other to connect.

`client` is what a call uses (`SignalingClient`); `server` is what `facewire serve` runs. The server relays offers, answers
and candidates between the two people of a room and keeps none of them; media never passes through it.
"""

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
