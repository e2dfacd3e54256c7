"""One WebRTC connection to the other person: four data channels, with every datagram counted.

`connections` makes one per attempt and passes its descriptions through the signaling; messages come back through callbacks.
A broken connection is not repaired (aiortc has no ICE restart) but replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from aiortc import RTCConfiguration, RTCDataChannel, RTCIceServer, RTCSessionDescription
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from facewire.call.traffic import Traffic
from facewire.call.webrtc import Certificate, DataConnection
from facewire.errors import DecodeError, InputError, reason
from facewire.signaling import IceServer

OPEN_TIMEOUT_S = 10.0
"""At 20 % loss opening takes up to this long; after that, starting over is faster."""
MAX_DESCRIPTION_CHARACTERS = 32_768


Channel = Literal["media", "source", "control", "pixels"]
CHANNELS: tuple[Channel, ...] = ("media", "source", "control", "pixels")
"""A channel's index is its stream number on the wire. Both sides know them; nothing is negotiated."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PeerOptions:
    """How a connection is made."""

    ice_servers: tuple[IceServer, ...] = ()
    """STUN and TURN servers; only the first TURN address is used (see `turned`). Empty: only this machine's addresses."""
    relay_only: bool = False
    """Send everything through the TURN server, to hide this machine's address or to test the server."""
    certificate: Certificate | None = None
    """Identifies this side; None makes a new one."""

    def turned(self, attempt: int) -> PeerOptions:
        """These options with another TURN address first at each attempt: where UDP is blocked, TCP gets its turn."""
        urls = [(server, url) for server in self.ice_servers for url in server.urls]
        turn = [entry for entry in urls if entry[1].startswith("turn")]
        if len(turn) < 2:
            return self
        start = attempt % len(turn)
        ordered = [entry for entry in urls if entry not in turn] + turn[start:] + turn[:start]
        servers = tuple(IceServer((url,), server.username, server.credential) for server, url in ordered)
        return replace(self, ice_servers=servers)


class Peer:
    """One connection, or the attempt at one.

    on_message (channel, bytes) is called for each message; exceptions that it raises are logged. on_open is called once all
    channels are open, and on_closed when the connection failed or the other side closed it, but not after `close`. All are
    called in the event loop. Raises InputError for unusable server addresses.
    """

    def __init__(
        self,
        options: PeerOptions,
        on_message: Callable[[Channel, bytes], None],
        on_open: Callable[[], None],
        on_closed: Callable[[], None],
    ) -> None:
        self._on_message, self._on_open, self._on_closed = on_message, on_open, on_closed
        self.traffic = Traffic()
        self.strange = 0
        """Text messages received; facewire sends none."""
        servers = [RTCIceServer(list(s.urls), s.username, s.credential) for s in options.ice_servers]
        policy = RTCIceTransportPolicy.RELAY if options.relay_only else RTCIceTransportPolicy.ALL
        certificate = options.certificate or Certificate.generateCertificate()
        streams: dict[int, str] = {number: name for number, name in enumerate(CHANNELS)}
        self._connection = DataConnection(RTCConfiguration(servers, policy), certificate, self.traffic, streams)
        try:
            self._channels: dict[Channel, RTCDataChannel] = {
                "media": self._channel("media", ordered=False, maxRetransmits=0),
                "source": self._channel("source", ordered=False),
                "control": self._channel("control", ordered=True),
                "pixels": self._channel("pixels", ordered=False, maxRetransmits=0),
            }
        except ValueError as error:  # aiortc reads the servers' addresses when the first channel is made
            raise InputError(f"the server names a STUN or TURN address that cannot be used ({error})") from error
        self._announced = self._closing = False
        self._connection.on("connectionstatechange", self._state_changed)

    # --- descriptions

    async def offer(self) -> dict[str, str]:
        """The description that starts the attempt. Takes as long as the slowest STUN or TURN server, at most 5 s."""
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return self._description()

    async def answer(self, offer: object) -> dict[str, str]:
        """The answer to the other side's offer; DecodeError for an invalid offer."""
        await self._take(offer, "offer")
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return self._description()

    async def accept(self, answer: object) -> None:
        """Takes the other side's answer to our offer; DecodeError for an invalid answer."""
        await self._take(answer, "answer")

    async def _take(self, description: object, kind: str) -> None:
        sdp = description.get("sdp") if isinstance(description, dict) else None
        if not isinstance(sdp, str) or len(sdp) > MAX_DESCRIPTION_CHARACTERS or "m=application" not in sdp:
            raise DecodeError(f"the other side's {kind} is not a session description")
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp, kind))
        except Exception as error:  # aiortc's parser raises anything
            raise DecodeError(f"the other side's {kind} cannot be used ({reason(error)})") from error

    def _description(self) -> dict[str, str]:
        description = self._connection.localDescription
        return {"type": description.type, "sdp": description.sdp}

    @property
    def fingerprints(self) -> tuple[bytes, bytes] | None:
        """SHA-256 of both certificates, this side's first; None before the other one is known.

        These are the certificates that the connection really uses, not those that the descriptions claim.
        """
        return self._connection.fingerprints

    # --- messages

    @property
    def is_open(self) -> bool:
        return all(channel.readyState == "open" for channel in self._channels.values())

    @property
    def queued(self) -> int:
        """Messages and pieces that the association holds back because the path is too slow."""
        return self._connection.association.queued

    @property
    def in_flight(self) -> int:
        """Bytes sent that are neither acknowledged nor given up."""
        return self._connection.association.in_flight

    @property
    def closed(self) -> bool:
        return self._closing or self._connection.connectionState in ("closed", "failed")

    def send(self, channel: Channel, data: bytes) -> bool:
        """Sends a message; False if that channel is not open."""
        if self.closed or self._channels[channel].readyState != "open":
            return False
        self._channels[channel].send(data)
        self.traffic.sent.message(channel, len(data))
        return True

    async def close(self) -> None:
        """Closes the connection; the other side is told if the path works."""
        self._closing = True
        with contextlib.suppress(ConnectionError):
            await asyncio.shield(self._connection.close())  # aiortc breaks if this is cancelled half-way

    def _channel(self, name: Channel, **options: Any) -> RTCDataChannel:
        channel = self._connection.createDataChannel(name, negotiated=True, id=CHANNELS.index(name), **options)
        channel.on("message", lambda data: self._received(name, data))
        channel.on("open", self._opened)
        return channel

    def _opened(self) -> None:
        if self.is_open and not self._announced and not self._closing:
            self._announced = True
            self._on_open()

    def _received(self, channel: Channel, data: bytes | str) -> None:
        if self._closing:
            return
        if isinstance(data, str):
            self.strange += 1
            return
        self.traffic.received.message(channel, len(data))
        try:
            self._on_message(channel, data)
        except Exception:  # whatever the other side sends must not break the connection
            _log.exception("message of %d bytes on the %s channel", len(data), channel)

    def _state_changed(self) -> None:
        if self._connection.connectionState in ("closed", "failed") and not self._closing:
            self._on_closed()
