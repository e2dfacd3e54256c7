"""The connection of a gateway to a guest's browser, which may be anywhere and anybody's.

A guest's offer may hold one audio and one video section and nothing else. Where the guest can be reached is taken from its HTTP
connection rather than from its word, so that it cannot have the gateway send to private networks. What comes in is limited before
anything is decoded.
"""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import re
import time
from typing import Any

from aiortc import RTCConfiguration, RTCRtpSender, RTCSessionDescription

from facewire.call.webrtc.connection import LOOPBACK, ChosenAddresses, outward_addresses
from facewire.errors import DecodeError
from facewire.signaling.limits import Bucket

MAX_OFFER_CHARACTERS = 16_384
MAX_CANDIDATES = 16
MAX_PIXELS = 1920 * 1088
"""Of a picture. The page asks its browser for 640x480; a larger picture than this is dropped before it is decoded."""
BYTES_S, BURST_BYTES = 500_000.0, 2_000_000.0
"""What is read from a guest: 4 Mbit/s, eight times what its camera needs."""
NOWHERE = "192.0.2.1"
"""An address of nobody (RFC 5737)."""
VIDEO_CODEC = "video/VP8"
"""Every browser has it, and the size of a picture stands in its first bytes."""

_SECTION = re.compile(r"^m=(\w+)", re.MULTILINE)
_CANDIDATE = re.compile(r"(a=candidate:\S+ \d+ udp \d+ )(\S+)( \d+ typ \w+)(.*)", re.IGNORECASE)


class GuestConnection(ChosenAddresses):
    """One connection. address: the IP address with which the guest's browser speaks HTTP."""

    def __init__(self, configuration: RTCConfiguration, address: str) -> None:
        super().__init__(configuration)
        self._address = plain(address)
        self._bucket = Bucket(BYTES_S, BURST_BYTES)
        self.dropped = 0
        """Datagrams over the limit."""

    async def setRemoteDescription(self, sessionDescription: RTCSessionDescription) -> None:
        """Raises DecodeError for an offer that a call page would not make."""
        sdp = checked_offer(sessionDescription.sdp, self._address)
        self.addTransceiver("audio")
        video = self.addTransceiver("video")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        video.setCodecPreferences([codec for codec in codecs if codec.mimeType == VIDEO_CODEC])
        receiver: Any = video.receiver
        receiver._RTCRtpReceiver__decoder_queue = SmallPictures()
        await super().setRemoteDescription(RTCSessionDescription(sdp, sessionDescription.type))

    def _choose(self, addresses: list[str]) -> list[str]:
        if not _is_loopback(self._address):
            return addresses
        return [LOOPBACK, *outward_addresses()]  # Firefox never connects to 127.0.0.1

    def _bound(self, protocol: Any) -> None:
        receive = protocol.datagram_received

        def receive_some(data: bytes, address: Any) -> None:
            if self._bucket.take(len(data), time.monotonic()):
                receive(data, address)
            else:
                self.dropped += 1

        protocol.datagram_received = receive_some


class SmallPictures(queue.Queue[Any]):
    """The queue in front of a decoder, without pictures of more than MAX_PIXELS and those that follow from them."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped = 0
        self._too_large = False

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        if item is not None:
            size = vp8_size(item[1].data)
            if size is not None:
                self._too_large = size[0] * size[1] > MAX_PIXELS
            if self._too_large:
                self.dropped += 1
                return
        super().put(item, block, timeout)


def vp8_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a VP8 key frame (RFC 6386, 9.1); None for any other frame, which has the size of the one before."""
    if len(data) < 10 or data[0] & 1 or data[3:6] != b"\x9d\x01\x2a":
        return None
    return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF


def checked_offer(sdp: str, address: str) -> str:
    """The offer with candidates that lead to the guest alone; DecodeError for one that a call page would not make.

    Addresses of the Internet stay, since a guest may have several. Names and private addresses become `address`: they lead nowhere
    from here, or somewhere that is none of the guest's business. Connections over TCP are left out.
    """
    if len(sdp) > MAX_OFFER_CHARACTERS:
        raise DecodeError(f"an offer of {len(sdp)} characters: at most {MAX_OFFER_CHARACTERS} are allowed")
    if _SECTION.findall(sdp) != ["audio", "video"]:
        raise DecodeError("an offer has one audio and one video section, in this order, and no other")
    lines: list[str] = []
    candidates = 0
    for line in sdp.splitlines():
        if not line.startswith("a=candidate:"):
            lines.append(line)
        elif (found := _CANDIDATE.fullmatch(line)) is not None and candidates < MAX_CANDIDATES:
            candidates += 1
            host = found[2] if _is_global(found[2]) else address
            lines.append(f"{found[1]}{host}{re.sub('typ .*', 'typ host', found[3])}")
    if not candidates:  # the browser calls first; a connection without any would end before that
        place = next(at for at, line in enumerate(lines) if line.startswith("m=audio")) + 1
        lines.insert(place, f"a=candidate:0 1 udp 1 {address} 9 typ host")
    return "".join(f"{line}\r\n" for line in lines)


def plain(address: str) -> str:
    """The address without a zone, IPv4 where it is that in the form of IPv6; one that leads nowhere for what is no address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return NOWHERE
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _is_global(text: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(text).is_global
    return False


def _is_loopback(text: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(text).is_loopback
    return False
