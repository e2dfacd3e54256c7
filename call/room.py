"""From options to a session in its room, for `headless` and for the page (`held_call`)."""

from __future__ import annotations

from facewire.call.ends import Ends
from facewire.call.listener import Listener
from facewire.call.options import CallOptions
from facewire.call.session import Session
from facewire.models.bundle import Bundle
from facewire.signaling import SignalingClient


def open_room(
    options: CallOptions, bundle: Bundle, ends: Ends, listener: Listener | None = None
) -> tuple[SignalingClient, Session]:
    """A client and a session that uses it: enter the client, then run the session. InputError for options that cannot work."""
    client = SignalingClient(options.server, options.room, options.token, options.session.name)
    return client, Session(client, bundle, ends, options.session, listener)
