"""The private names of aiortc and aioice that `facewire.call.webrtc` relies on: all there, all as they were, and used nowhere else.

A failure here after an update of aiortc names what was changed and which part of the package must follow.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import aioice.ice
import aioice.turn
import pytest
from aiortc import (
    RTCCertificate,
    RTCConfiguration,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceTransport,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSctpTransport,
)
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from aiortc.rtcsctptransport import DataChunk
from hypothesis import given
from hypothesis import strategies as st

import facewire
from facewire.call.peer import Peer, PeerOptions
from facewire.call.traffic import Traffic
from facewire.call.webrtc import Certificate, DataConnection, LocalConnection
from facewire.call.webrtc.connection import _with_hosts
from facewire.errors import InputError
from facewire.signaling import IceServer

PACKAGE = Path(facewire.__file__).parent

METHODS: list[tuple[type, str, str, str]] = [
    (RTCPeerConnection, "_RTCPeerConnection__createDtlsTransport", "(self)", "the choice of addresses"),
    (RTCPeerConnection, "_RTCPeerConnection__createSctpTransport", "(self)", "the bundling association"),
    (RTCPeerConnection, "setLocalDescription", "(self, sessionDescription)", "counting datagrams"),
    (RTCCertificate, "_create_ssl_context", "(self, srtp_profiles)", "the choice of cipher"),
    (RTCDtlsTransport, "_send_data", "(self, data)", "sending bundled packets"),
    (RTCSctpTransport, "__init__", "(self, transport, port)", "the bundling association"),
    (RTCSctpTransport, "_handle_data", "(self, data)", "counting packets by kind"),
    (RTCSctpTransport, "_receive_data_chunk", "(self, chunk)", "acknowledging after so many bytes"),
    (RTCSctpTransport, "_send_sack", "(self)", "acknowledgements that ride with data"),
    (RTCSctpTransport, "_send_chunk", "(self, chunk)", "bundling of chunks"),
    (RTCSctpTransport, "_t3_expired", "(self)", "the floor of the congestion window"),
    (RTCSctpTransport, "_set_state", "(self, state)", "cancelling the timer of acknowledgements"),
    (
        aioice.ice.Connection,
        "get_component_candidates",
        "(self, component, addresses, timeout)",
        "the choice of addresses",
    ),
    (aioice.ice.StunProtocol, "datagram_received", "(self, data, addr)", "counting datagrams; who is heard"),
    (aioice.ice.StunProtocol, "send_data", "(self, data, addr)", "counting datagrams"),
    (aioice.ice.StunProtocol, "send_stun", "(self, message, addr)", "counting datagrams"),
]
"""Methods that are overridden or called: class, name, parameters, what breaks without them."""

ATTRIBUTES: list[tuple[type, str, str]] = [
    (RTCPeerConnection, "_RTCPeerConnection__certificates", "one certificate for a whole call"),
    (RTCPeerConnection, "_RTCPeerConnection__sctp", "the bundling association"),
    (RTCRtpReceiver, "_RTCRtpReceiver__decoder_queue", "keeping huge pictures of guests from the decoder"),
    (RTCIceGatherer, "_connection", "the choice of addresses and counting datagrams"),
    (aioice.ice.Connection, "_protocols", "counting datagrams; who is heard"),
    (RTCDtlsTransport, "_ssl", "safety words and the cipher's share of a packet"),
    (RTCSctpTransport, "_advertised_rwnd", "SACK bundling"),
    (RTCSctpTransport, "_cwnd", "the floor of the congestion window"),
    (RTCSctpTransport, "_data_channel_queue", "noticing that the path takes no more"),
    (RTCSctpTransport, "_flight_size", "pacing of the source frame"),
    (RTCSctpTransport, "_last_received_tsn", "SACK bundling"),
    (RTCSctpTransport, "_local_port", "sending bundled packets"),
    (RTCSctpTransport, "_outbound_queue", "noticing that the path takes no more"),
    (RTCSctpTransport, "_remote_port", "sending bundled packets"),
    (RTCSctpTransport, "_remote_verification_tag", "sending bundled packets"),
    (RTCSctpTransport, "_rto", "repeating a lost INIT after a second"),
    (RTCSctpTransport, "_sack_duplicates", "SACK bundling"),
    (RTCSctpTransport, "_sack_misordered", "SACK bundling"),
    (RTCSctpTransport, "_sack_needed", "SACK bundling"),
]
"""Instance attributes that are read or set: class, name, what breaks without them."""


def called(name: str) -> str:
    """A mangled name as it stands in the source of aiortc."""
    return name.replace("_RTCPeerConnection__", "__")


@pytest.mark.parametrize(("owner", "name", "parameters", "breaks"), METHODS, ids=lambda value: str(value))
def test_private_method_is_there_with_its_parameters(owner: type, name: str, parameters: str, breaks: str) -> None:
    method = getattr(owner, name, None)
    assert method is not None, (
        f"aiortc renamed {owner.__name__}.{called(name)}: {breaks} in call/webrtc must be adapted"
    )
    now = f"({', '.join(inspect.signature(method).parameters)})"
    assert now == parameters, (
        f"aiortc's {owner.__name__}.{called(name)} takes {now} now: {breaks} in call/webrtc must be adapted"
    )


@pytest.mark.parametrize(("owner", "name", "breaks"), ATTRIBUTES, ids=lambda value: str(value))
async def test_private_attribute_is_there(owner: type, name: str, breaks: str) -> None:
    connection = RTCPeerConnection(RTCConfiguration([]))
    connection.createDataChannel("one")
    sctp = connection.sctp
    assert sctp is not None
    gatherer = sctp.transport.transport.iceGatherer
    receiver = connection.addTransceiver("video").receiver
    things = (connection, sctp, sctp.transport, gatherer, getattr(gatherer, "_connection", None), receiver)
    (thing,) = (thing for thing in things if isinstance(thing, owner))
    assert hasattr(thing, name), (
        f"aiortc renamed {owner.__name__}.{called(name)}: {breaks} in call/webrtc must be adapted"
    )
    await connection.close()


def test_overridden_methods_are_still_called() -> None:

    def calls(method: Any, called: str) -> bool:
        return f"{called}(" in inspect.getsource(method)

    for caller, name in [
        (RTCSctpTransport._handle_data, "self._send_sack"),
        (RTCSctpTransport._receive_chunk, "self._receive_data_chunk"),
        (RTCSctpTransport._transmit, "self._send_chunk"),
        (RTCSctpTransport.stop, "self._set_state"),
        (RTCPeerConnection.createDataChannel, "self.__createSctpTransport"),
        (aioice.ice.Connection.gather_candidates, "self.get_component_candidates"),
        (aioice.ice.Connection.sendto, "send_data"),
    ]:
        assert calls(caller, name), f"aiortc's {caller.__qualname__} no longer calls {name}: see its use in call/webrtc"
    assert DataChunk.type == 0, "packets are counted by the type and stream of their first DATA chunk"
    for name in ("datagram_received", "send_data", "send_stun"):
        assert hasattr(aioice.turn.TurnClientMixin, name), f"aioice renamed TurnClientMixin.{name}: relayed datagrams"


def private_names(file: Path) -> set[str]:
    """Names with a leading underscore that a module defines or mentions as an attribute."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return {name for name in names if name.startswith("_") and not name.endswith("__")}


def names_in_aiortc() -> set[str]:
    """Every private attribute and method of the classes that are adapted."""
    sources = (RTCPeerConnection, RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport, RTCSctpTransport)
    found = set()
    for owner in (*sources, aioice.ice.Connection, aioice.ice.StunProtocol):
        names = {node.attr for node in ast.walk(ast.parse(inspect.getsource(owner))) if isinstance(node, ast.Attribute)}
        names |= set(vars(owner))
        found |= {
            f"_{owner.__name__}{name}" if name.startswith("__") else name for name in names if name.startswith("_")
        }
    return found


def test_every_private_name_that_is_used_is_in_the_lists_above() -> None:
    listed = {name for _, name, _, _ in METHODS} | {name for _, name, _ in ATTRIBUTES}
    used = {name for file in (PACKAGE / "call" / "webrtc").glob("*.py") for name in private_names(file)}
    assert (used & names_in_aiortc()) - listed == set()
    assert {name for name in listed if name.startswith("_") and not name.endswith("__")} - used == set(), (
        "listed but unused"
    )


def test_no_other_module_touches_aiortcs_private_names() -> None:
    folders = [folder for folder in PACKAGE.iterdir() if folder.is_dir()]  # links, which rglob would not follow
    files = [file for folder in folders for file in folder.rglob("*.py") if file.parent.name != "webrtc"]
    users = [file for file in files if "aiortc" in file.read_text()]
    assert {"peer.py", "page_media.py"} <= {file.name for file in users}
    touched = {file.name: private_attributes_of_others(file) & names_in_aiortc() for file in users}
    assert {name: names for name, names in touched.items() if names} == {}


def private_attributes_of_others(file: Path) -> set[str]:
    """Names with a leading underscore of anything but `self`."""
    nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)]
    return {node.attr for node in nodes if node.attr.startswith("_") and ast.unparse(node.value) != "self"}


async def test_other_connections_of_the_process_stay_as_aiortc_makes_them() -> None:
    peer = Peer(PeerOptions(), lambda channel, data: None, lambda: None, lambda: None)
    plain = RTCPeerConnection(RTCConfiguration([]))
    plain.createDataChannel("one")
    assert type(plain.sctp) is RTCSctpTransport
    await plain.close()
    await peer.close()


async def candidates(connection: RTCPeerConnection) -> list[str]:
    """Addresses that the connection offers."""
    connection.createDataChannel("one")
    await connection.setLocalDescription(await connection.createOffer())
    lines = connection.localDescription.sdp.splitlines()
    await connection.close()
    return [line.split()[4] for line in lines if line.startswith("a=candidate:")]


def data_connection(policy: RTCIceTransportPolicy = RTCIceTransportPolicy.ALL) -> DataConnection:
    configuration = RTCConfiguration([], policy)
    return DataConnection(configuration, Certificate.generateCertificate(), Traffic(), {0: "media"})


async def test_a_local_connection_offers_loopback_first_and_own_addresses_besides() -> None:
    """Firefox never connects to 127.0.0.1."""
    offered = await candidates(LocalConnection(RTCConfiguration([])))
    own = aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=True)
    assert offered[0] == "127.0.0.1"
    assert set(offered[1:]) <= set(own)
    assert bool(offered[1:]) == bool(own)


async def test_a_local_connection_hears_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = LocalConnection(RTCConfiguration([]))
    connection.createDataChannel("one")
    await connection.setLocalDescription(await connection.createOffer())
    sctp = connection.sctp
    assert sctp is not None
    protocols = sctp.transport.transport.iceGatherer._connection._protocols
    assert protocols
    heard: list[bytes] = []
    for protocol in protocols:
        monkeypatch.setattr(protocol.receiver, "data_received", lambda data, component: heard.append(data))
        protocol.datagram_received(b"\xffhere", (protocol.local_candidate.host, 4000))
        protocol.datagram_received(b"\xffthere", ("198.51.100.7", 4000))
    assert heard == [b"\xffhere"] * len(protocols)
    assert connection.strange == len(protocols)
    await connection.close()


def test_names_that_hide_a_browsers_address_are_never_resolved() -> None:
    sdp = "v=0\r\na=candidate:0 1 UDP 2122187007 4858edf9.local 57114 typ host\r\na=candidate:2 1 TCP 9 x.local 9 typ host\r\n"
    assert _with_hosts(sdp, ["127.0.0.1", "192.0.2.2"]) == (
        "v=0\r\na=candidate:0 1 UDP 2122187007 127.0.0.1 57114 typ host\r\n"
        "a=candidate:0 1 UDP 2122187007 192.0.2.2 57114 typ host\r\n"
    )


@given(st.text() | st.text("a=candidte:0 1udpUDPhostyl.\r\n").map(lambda text: f"a=candidate:{text}"))
def test_no_candidate_of_an_offer_is_outside_this_machine(sdp: str) -> None:
    for line in _with_hosts(sdp, ["127.0.0.1"]).splitlines():
        assert not line.startswith("a=candidate:") or line.split(" ")[4] == "127.0.0.1"


async def test_a_machine_without_addresses_offers_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: [])
    assert set(await candidates(data_connection())) == {"127.0.0.1"}


async def test_relay_only_offers_no_address_of_this_machine() -> None:
    assert await candidates(data_connection(RTCIceTransportPolicy.RELAY)) == []


async def test_an_unusable_server_address_is_an_input_error() -> None:
    with pytest.raises(InputError, match="STUN or TURN address that cannot be used"):
        Peer(PeerOptions((IceServer(("turn:",)),)), lambda channel, data: None, lambda: None, lambda: None)


def test_the_fingerprint_is_the_one_in_descriptions() -> None:
    certificate = Certificate.generateCertificate()
    (value,) = (one.value for one in certificate.getFingerprints() if one.algorithm == "sha-256")
    assert certificate.sha256.hex(":").upper() == value.upper()
