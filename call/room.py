"""From options to a session in its room, for `headless` and for the page (`held_call`)."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from facewire.call.connections import Signaling
from facewire.call.ends import Ends
from facewire.call.listener import Listener
from facewire.call.options import CallOptions
from facewire.call.session import Session
from facewire.models.bundle import Bundle
from facewire.signaling import SignalingClient


class RoomClient(Signaling, Protocol):
    """A `SignalingClient`, or what stands for one: signaling that joins when it is entered and leaves when it is left."""

    @property
    def token(self) -> str | None:
        """By whose right it is in the room; None where that takes no token."""

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_room(
    options: CallOptions, bundle: Bundle, ends: Ends, listener: Listener | None = None, client: RoomClient | None = None
) -> tuple[RoomClient, Session]:
    """A client and a session that uses it: enter the client, then run the session. InputError for options that cannot work.

    client: one to use in place of a `SignalingClient` for the server that the options name.
    """
    client = client or SignalingClient(options.server, options.room, options.token, options.session.name)
    return client, Session(client, bundle, ends, options.session, listener)
