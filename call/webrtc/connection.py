"""Peer connections with a choice of addresses, certificate and association that aiortc has no options for.

aiortc builds the layers of a connection (ICE, DTLS, SCTP) in private methods of `RTCPeerConnection`, which are overridden here.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
from typing import Any

from aioice.ice import get_host_addresses
from aiortc import RTCCertificate, RTCConfiguration, RTCDtlsTransport, RTCPeerConnection, RTCSessionDescription
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from cryptography.hazmat.primitives.serialization import Encoding

from facewire.call.traffic import CIPHERS, IPV4_UDP_BYTES, IPV6_UDP_BYTES, TURN_CHANNEL_BYTES, Traffic
from facewire.call.webrtc.association import BundlingAssociation

LOOPBACK = "127.0.0.1"


class Certificate(RTCCertificate):
    """A certificate that prefers the cipher with the least overhead per packet. Made by `generateCertificate`."""

    def _create_ssl_context(self, srtp_profiles: Any) -> Any:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(":".join(CIPHERS).encode())
        return context

    @property
    def sha256(self) -> bytes:
        """Its fingerprint."""
        (value,) = (one.value for one in self.getFingerprints() if one.algorithm == "sha-256")
        return bytes.fromhex(value.replace(":", ""))


class ChosenAddresses(RTCPeerConnection):
    """A connection that uses only the addresses that `_choose` returns."""

    def _choose(self, addresses: list[str]) -> list[str]:
        """addresses: those of this machine that aioice found, without loopback."""
        raise NotImplementedError

    def _RTCPeerConnection__createDtlsTransport(self) -> RTCDtlsTransport:
        dtls: RTCDtlsTransport = super()._RTCPeerConnection__createDtlsTransport()  # type: ignore[misc]
        ice = dtls.transport.iceGatherer._connection
        gather = ice.get_component_candidates

        async def gather_from_chosen(component: int, addresses: list[str], timeout: int = 5) -> Any:
            candidates = await gather(component, self._choose(addresses), timeout)
            for protocol in ice._protocols:
                self._bound(protocol)
            return candidates

        ice.get_component_candidates = gather_from_chosen  # type: ignore[method-assign]
        return dtls

    def _bound(self, protocol: Any) -> None:
        """A socket of this connection is there. protocol: an `aioice.ice.StunProtocol`."""


class LocalConnection(ChosenAddresses):
    """A connection to a browser on this machine that nothing outside this machine can reach.

    Chromium connects to 127.0.0.1. Firefox never does, so the machine's own addresses that lead outside are offered as well;
    whatever reaches them from another machine is dropped unread. Browsers replace their addresses by `.local` names
    until the person allows the camera. Nobody need resolve these: the browser has the addresses of this machine.
    """

    def __init__(self, configuration: RTCConfiguration) -> None:
        super().__init__(configuration)
        self._own = {LOOPBACK, *get_host_addresses(use_ipv4=True, use_ipv6=True)}
        self._offered = [LOOPBACK, *outward_addresses()]
        self.strange = 0
        """Datagrams dropped because they came from another machine."""

    async def setRemoteDescription(self, sessionDescription: RTCSessionDescription) -> None:
        sdp = _with_hosts(sessionDescription.sdp, self._offered)
        await super().setRemoteDescription(RTCSessionDescription(sdp, sessionDescription.type))

    def _choose(self, addresses: list[str]) -> list[str]:
        return self._offered

    def _bound(self, protocol: Any) -> None:
        receive = protocol.datagram_received

        def receive_from_here(data: bytes, address: Any) -> None:
            if address[0].partition("%")[0] in self._own:
                receive(data, address)
            else:
                self.strange += 1

        protocol.datagram_received = receive_from_here


def outward_addresses() -> list[str]:
    """The addresses with which this machine would reach the Internet, IPv4 and IPv6, where it has them. Nothing is sent."""
    found = []
    for family, somewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((somewhere, 9))
            found.append(probe.getsockname()[0])
    return [address for address in found if address != LOOPBACK]


def _with_hosts(sdp: str, hosts: list[str]) -> str:
    """A description whose UDP host candidates are at these addresses, whatever they name, and without other candidates."""
    lines = []
    for line in sdp.splitlines():
        if not line.startswith("a=candidate:"):
            lines.append(line)
        elif (candidate := _HOST_CANDIDATE.fullmatch(line)) is not None:
            lines += [f"{candidate[1]}{host}{candidate[2]}" for host in hosts]
    return "".join(f"{line}\r\n" for line in lines)


_HOST_CANDIDATE = re.compile(r"(a=candidate:\S+ \d+ udp \d+ )\S+( \d+ typ host(?: .*)?)", re.IGNORECASE)


class DataConnection(ChosenAddresses):
    """A connection for data channels only, with a `BundlingAssociation`, that counts every datagram.

    configuration: its ICE servers and policy. certificate: this side's identity. traffic: where datagrams and packets are
    counted. kind_of_stream: what each stream number of data is for, one of `traffic.KINDS`.
    """

    def __init__(
        self,
        configuration: RTCConfiguration,
        certificate: Certificate,
        traffic: Traffic,
        kind_of_stream: dict[int, str],
    ) -> None:
        super().__init__(configuration)
        self._relay_only = configuration.iceTransportPolicy is RTCIceTransportPolicy.RELAY
        self._RTCPeerConnection__certificates = [certificate]  # replaces the one aiortc makes for each connection
        self._certificate, self._traffic, self._kind_of_stream = certificate, traffic, kind_of_stream
        self._header_bytes = IPV4_UDP_BYTES
        """UDP and IP headers around each datagram of the path in use."""
        self._counting = False
        self.association: BundlingAssociation
        """Set when the first data channel is made."""

    async def setLocalDescription(self, sessionDescription: RTCSessionDescription | None = None) -> None:
        await super().setLocalDescription(sessionDescription)
        self._count_datagrams()

    @property
    def fingerprints(self) -> tuple[bytes, bytes] | None:
        """SHA-256 of both sides' certificates, this side's first; None before the other side's is known.

        Taken from the certificates that secure the connection, not from the descriptions.
        """
        tls = self.association.transport._ssl
        theirs = tls.get_peer_certificate(as_cryptography=True) if tls is not None else None
        if theirs is None:
            return None
        return self._certificate.sha256, hashlib.sha256(theirs.public_bytes(Encoding.DER)).digest()

    @property
    def cipher(self) -> str | None:
        """The cipher in use, one of `CIPHERS`; None before the handshake."""
        return self.association.cipher

    def _choose(self, addresses: list[str]) -> list[str]:
        """All of them; on a machine without any, loopback, which aioice leaves out."""
        return addresses if addresses or self._relay_only else [LOOPBACK]

    def _RTCPeerConnection__createSctpTransport(self) -> None:
        self.association = self._RTCPeerConnection__sctp = BundlingAssociation(
            self._RTCPeerConnection__createDtlsTransport(),
            self._traffic,
            self._kind_of_stream,
            lambda: self._header_bytes,
        )

    def _count_datagrams(self) -> None:
        """Counts datagrams at the sockets, STUN included. Those of gathering candidates have passed by then."""
        if not self._counting:
            self._counting = True
            for protocol in self.association.transport.transport.iceGatherer._connection._protocols:
                self._count_at(protocol)

    def _count_at(self, protocol: Any) -> None:
        candidate = protocol.local_candidate
        header_bytes = IPV6_UDP_BYTES if ":" in candidate.host else IPV4_UDP_BYTES
        header_bytes += TURN_CHANNEL_BYTES if candidate.type == "relay" else 0
        receive, send_data, send_stun = protocol.datagram_received, protocol.send_data, protocol.send_stun

        def counted_receive(data: bytes, address: Any) -> None:
            self._traffic.received.datagram(len(data), header_bytes)
            receive(data, address)

        async def counted_data(data: bytes, address: Any) -> None:
            self._header_bytes = header_bytes
            self._traffic.sent.datagram(len(data), header_bytes)
            await send_data(data, address)

        def counted_stun(message: Any, address: Any) -> None:
            self._traffic.sent.datagram(len(bytes(message)), header_bytes)
            send_stun(message, address)

        protocol.datagram_received = counted_receive
        protocol.send_data, protocol.send_stun = counted_data, counted_stun
