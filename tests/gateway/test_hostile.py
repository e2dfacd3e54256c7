"""What a guest's browser may offer and send: anything else is refused before it costs much."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.codecs import get_encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from hypothesis import given
from hypothesis import strategies as st

from facewire.call.page_media import BrowserLeg, guest_connection
from facewire.call.webrtc.guest import (
    MAX_CANDIDATES,
    MAX_PIXELS,
    NOWHERE,
    SmallPictures,
    checked_offer,
    plain,
    vp8_size,
)
from facewire.errors import DecodeError
from facewire.signaling import IceServer
from tests.call.page_client import ToneTrack

GUEST = "203.0.113.7"
CANDIDATE = "a=candidate:1 1 udp 2122260223 {} 54321 typ host generation 0"


async def an_offer(*kinds: str) -> str:
    connection = RTCPeerConnection(RTCConfiguration([]))
    for kind in kinds:
        if kind == "data":
            connection.createDataChannel("more")
        else:
            connection.addTransceiver(ToneTrack() if kind == "audio" else kind)
    await connection.setLocalDescription(await connection.createOffer())
    sdp: str = connection.localDescription.sdp
    await connection.close()
    return sdp


def candidates(sdp: str) -> list[str]:
    return [line.split()[4] for line in sdp.splitlines() if line.startswith("a=candidate:")]


@pytest.mark.parametrize(
    "kinds", [("audio",), ("video", "audio"), ("audio", "video", "data"), ("audio", "video", "video")]
)
async def test_an_offer_has_one_section_for_sound_and_one_for_pictures(kinds: tuple[str, ...]) -> None:
    leg = BrowserLeg(lambda frame: None, lambda frame: None)
    with pytest.raises(DecodeError, match="one audio and one video"):
        await leg.answer(await an_offer(*kinds), guest_connection((), "127.0.0.1"))


async def test_an_offer_of_a_page_is_answered_with_vp8_alone() -> None:
    leg = BrowserLeg(lambda frame: None, lambda frame: None)
    answer = await leg.answer(await an_offer("audio", "video"), guest_connection((), "127.0.0.1"))
    assert "VP8/90000" in answer
    assert "H264" not in answer
    assert "x-google-min-bitrate" not in answer, "the path to a guest has to be learnt"
    assert "127.0.0.1" in candidates(answer)
    await leg.close()


async def test_a_guest_elsewhere_is_told_no_loopback_address() -> None:
    leg = BrowserLeg(lambda frame: None, lambda frame: None)
    answer = await leg.answer(await an_offer("audio", "video"), guest_connection((), GUEST))
    assert "127.0.0.1" not in candidates(answer)
    await leg.close()


@pytest.mark.parametrize(
    ("address", "used"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("", NOWHERE),
        ("a.host.example", NOWHERE),
        ("unknown", NOWHERE),
    ],
)
def test_where_a_guest_is_must_be_an_address(address: str, used: str) -> None:
    """A proxy may name anything, and names must not be looked up."""
    assert plain(address) == used


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "192.168.1.1", "127.0.0.1", "169.254.169.254", "::1", "fd00::1", "x.local", "a" * 99]
)
async def test_candidates_lead_to_the_guest_and_not_into_private_networks(host: str) -> None:
    sdp = await an_offer("audio", "video")
    kept = [line for line in sdp.splitlines() if not line.startswith("a=candidate:")]
    checked = checked_offer("\r\n".join([*kept, CANDIDATE.format(host)]), GUEST)
    assert candidates(checked) == [GUEST]


async def test_public_candidates_stay_and_their_number_is_limited() -> None:
    sdp = await an_offer("audio", "video")
    kept = [line for line in sdp.splitlines() if not line.startswith("a=candidate:")]
    assert candidates(checked_offer("\r\n".join([*kept, CANDIDATE.format("8.8.8.8")]), GUEST)) == ["8.8.8.8"]
    many = [CANDIDATE.format(f"8.8.8.{number}") for number in range(100)]
    assert len(candidates(checked_offer("\r\n".join([*kept, *many]), GUEST))) == MAX_CANDIDATES
    assert candidates(checked_offer("\r\n".join(kept), GUEST)) == [GUEST], "an agent without any would give up at once"
    with pytest.raises(DecodeError, match="characters"):
        checked_offer("\r\n".join([*kept, *many * 9]), GUEST)


@given(
    st.text(max_size=300)
    | st.lists(
        st.sampled_from(
            [
                "v=0",
                "m=audio 9 UDP/TLS/RTP/SAVPF 96",
                "m=video 9 UDP/TLS/RTP/SAVPF 96",
                "a=candidate:1 1 udp 1 x 1 typ host",
                "a=candidate:",
                "c=IN IP4 0.0.0.0",
                "a=mid:0",
                "a=ice-ufrag:x",
                "a=rtpmap:96 VP8/90000",
                "\x00",
                "m=",
            ]
        )
    ).map("\r\n".join)
)
def test_any_text_is_a_checked_offer_or_a_decode_error(text: str) -> None:
    with contextlib.suppress(DecodeError):
        assert checked_offer(text, GUEST).count("m=audio") >= 1


@given(
    st.lists(
        st.sampled_from(
            [
                "v=0",
                "m=audio 9 UDP/TLS/RTP/SAVPF 96",
                "m=video 9 UDP/TLS/RTP/SAVPF 96",
                "a=candidate:1 1 udp 1 1.1.1.1 1 typ host",
                "a=fingerprint:sha-256 00",
                "a=setup:actpass",
                "a=mid:0",
                "a=ice-ufrag:x",
                "a=ice-pwd:y",
                "a=rtpmap:96 VP8/90000",
            ]
        ),
        max_size=14,
    )
)
def test_damaged_offers_raise_decode_error_and_nothing_else(lines: list[str]) -> None:
    import asyncio

    async def answer() -> None:
        leg = BrowserLeg(lambda frame: None, lambda frame: None)
        with contextlib.suppress(DecodeError):
            await leg.answer("\r\n".join(lines), guest_connection((), "127.0.0.1"))
        await leg.close()

    asyncio.run(answer())


def vp8(width: int, height: int, count: int = 2) -> list[bytes]:
    """The first frames of a video, coded as browsers do."""
    encoder = av.CodecContext.create("libvpx", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.options = Fraction(1, 25), {"deadline": "realtime", "lag-in-frames": "0"}
    out = []
    for number in range(count):
        frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), 90, np.uint8), format="rgb24")
        frame.pts = number
        out += [bytes(packet) for packet in encoder.encode(frame.reformat(format="yuv420p"))]
    return out


class Coded:
    """What aiortc passes to its decoders."""

    def __init__(self, data: bytes) -> None:
        self.data = data


def test_huge_pictures_do_not_reach_the_decoder() -> None:
    queue = SmallPictures()
    for data in (*vp8(640, 480), *vp8(1920, 1104), *vp8(320, 240)):
        queue.put(("VP8", Coded(data)))
    queue.put(None)  # the end, which must come through
    assert queue.qsize() == 5
    assert queue.dropped == 2
    assert 1920 * 1080 <= MAX_PIXELS < 1920 * 1104


def test_the_size_of_a_picture_is_read_as_it_was_written() -> None:
    key, following = vp8(642, 358)
    assert vp8_size(key) == (642, 358)
    assert vp8_size(following) is None


@given(st.binary(max_size=40))
def test_any_bytes_have_a_size_or_none(data: bytes) -> None:
    size = vp8_size(data)
    assert size is None or max(size) < 1 << 14


def test_aiortc_passes_a_frame_with_its_data_to_the_decoder() -> None:
    """`SmallPictures` reads what lies in the queue."""
    from aiortc.jitterbuffer import JitterFrame

    frame = JitterFrame(data=b"x", timestamp=0)
    assert frame.data == b"x"
    assert get_encoder(RTCRtpCodecParameters("video/VP8", 90_000)) is not None


async def test_servers_for_the_guests_connection_are_used() -> None:
    servers = (IceServer(("turn:127.0.0.1:9?transport=udp",), "name", "word"),)
    connection = guest_connection(servers, GUEST)
    assert connection._RTCPeerConnection__configuration.iceServers[0].username == "name"  # type: ignore[attr-defined]
    await connection.close()
