"""Incoming messages of one connection: limited in number, decoded, and handed on in an order that makes sense.

`connections` gives every connection an `Inbox`; what is good goes to an `InboxHandler` (`conversation`). Nothing that the
other side sends raises here: it is counted in `SessionStats.refused`.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Protocol

from facewire.call.link import LinkMonitor
from facewire.call.messages import Control, Hello, MediaMessage, VersionError, decode_control, decode_media
from facewire.call.peer import Channel
from facewire.call.pieces import MAX_PIECES, Assembly
from facewire.errors import DecodeError

FLOOD_PER_S: dict[Channel, float] = {"media": 60.0, "source": 400.0, "control": 10.0, "pixels": 150.0}
"""Messages per second that are read on average, and three seconds' worth at once. No facewire sends more; what exceeds it
is dropped unread.
"""
FLOOD_BURST_S = 3.0

_log = logging.getLogger(__name__)


class InboxHandler(Protocol):
    """Takes what came in."""

    def hello(self, hello: Hello) -> bool:
        """The first greeting on this connection; False if there can be no call with that program."""
        ...

    def control(self, message: Control) -> None:
        """Any other control message."""
        ...

    def media(self, message: MediaMessage, now: float) -> None:
        """A media message after the greeting, not seen before."""
        ...

    def pixels(self, packet: bytes, now: float) -> None:
        """A part of a camera picture, after the greeting. DecodeError if it is none."""
        ...

    def source(self, data: bytes) -> None:
        """A whole source frame, put together from its pieces."""
        ...

    def incompatible(self, reason: str) -> None:
        """The other program speaks another version of the protocol."""
        ...


class FloodLimit:
    """A token bucket per channel."""

    def __init__(self) -> None:
        self._left = {channel: rate * FLOOD_BURST_S for channel, rate in FLOOD_PER_S.items()}
        self._filled_at = 0.0

    def allows(self, channel: Channel, now: float) -> bool:
        """Whether one more message may be read."""
        elapsed, self._filled_at = now - self._filled_at, now
        for name, rate in FLOOD_PER_S.items():
            self._left[name] = min(rate * FLOOD_BURST_S, self._left[name] + rate * elapsed)
        if self._left[channel] < 1:
            return False
        self._left[channel] -= 1
        return True


class Inbox:
    """Reads the messages of one connection. refused: counts what is rejected, by reason."""

    def __init__(self, link: LinkMonitor, handler: InboxHandler, refused: Counter[str]) -> None:
        self._link, self._handler, self._refused = link, handler, refused
        self.greeted = False
        """The other side's hello came over this connection and was good."""
        self.heard_at = 0.0
        """When the last good message came."""
        self._flood = FloodLimit()
        self._assembly = Assembly()
        self._early: list[bytes] = []
        """Pieces of a source frame that overtook the greeting."""

    def receive(self, channel: Channel, data: bytes, now: float) -> None:
        if not self._flood.allows(channel, now):
            self._refused["flood"] += 1
            return
        try:
            if channel == "control":
                self._control(decode_control(data))
            elif channel == "media":
                self._media(decode_media(data), now)
            elif channel == "pixels":
                if self.greeted:
                    self._handler.pixels(data, now)
            elif self.greeted:
                self._piece(data)
            elif len(self._early) < MAX_PIECES:
                self._early.append(data)
        except VersionError as error:
            self._handler.incompatible(str(error))
        except DecodeError as error:
            self._refused["malformed"] += 1
            _log.debug("%s message of %d bytes: %s", channel, len(data), error)
        else:
            self.heard_at = now

    def _control(self, message: Control) -> None:
        if not isinstance(message, Hello):
            self._handler.control(message)
            return
        if self.greeted:
            raise DecodeError("a second hello on one connection")
        self.greeted = self._handler.hello(message)
        if self.greeted:
            early, self._early = self._early, []
            for piece in early:
                self._piece(piece)

    def _media(self, message: MediaMessage, now: float) -> None:
        if not self._link.received(message, now):
            self._refused["repeated"] += 1
        elif self.greeted:
            self._handler.media(message, now)

    def _piece(self, data: bytes) -> None:
        source = self._assembly.add(data)
        if source is not None:
            self._handler.source(source)
