"""The gateway lets in whom an invitation names, to one room, and nobody else; it says why it turns people away."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facewire.call.page_http import ANOTHER_TAB, ENDED, FLOOD
from facewire.errors import InputError
from facewire.gateway import guests
from facewire.gateway.networks import GatewayNetworks
from facewire.gateway.options import GatewayOptions
from facewire.gateway.server import Gateway
from facewire.signaling import Joined, Refused, SignalingClient, inviting, tokens
from facewire.signaling.links import Link, read_link
from facewire.signaling.server import ServerOptions, SignalingServer

from .conftest import PATIENCE_S, SECRET, Browser, StartGateway, invited

HELLO = json.dumps({"type": "hello", "version": 1})


async def said(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, object]:
    """The next message of that type."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message: dict[str, object] = await socket.receive_json()
            if message["type"] == kind:
                return message


async def closed(socket: aiohttp.ClientWebSocketResponse) -> int:
    """Skips messages up to the close frame; returns its code."""
    async with asyncio.timeout(PATIENCE_S):
        while (frame := await socket.receive()).type is WSMsgType.TEXT:
            pass
    assert frame.type is WSMsgType.CLOSE, frame
    return int(frame.data)


def counted(gateway: Gateway, name: str, **labels: str) -> float:
    return gateway.server.metrics.registry.get_sample_value(f"facewire_gateway_{name}", labels) or 0.0


async def until(condition: object) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.02)


async def test_a_link_opens_the_page_and_the_page_a_lobby_of_its_room(start: StartGateway) -> None:
    gateway = await start()
    link = await invited(gateway)
    assert str(link) == f"{gateway.url}/j#{link.code}"
    assert len(link.code) == 12
    async with Browser(gateway.url) as browser:
        async with browser.http.get(f"{gateway.url}/j") as response:
            assert response.url.path == "/j/"
            assert "main.js" in await response.text()
            assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
            assert f"ws://{gateway.url[7:]}" in response.headers["Content-Security-Policy"]
        assert await browser.status("/j/main.js") == 200
        for path in ("/j/package.json", "/j/index.html", "/j/..%2Fserver.py", "/nothing", "/j/a/b/c"):
            assert await browser.status(path) == 404
        socket = await browser.socket(await browser.guest(link))
        await socket.send_str(HELLO)
        hello = await said(socket, "hello")
        assert (hello["room"], hello["server"], hello["folder"], hello["kept"]) == ("kitchen", "127.0.0.1", "", {})
        assert hello["guest"] == {"ice_servers": []}
        while (await said(socket, "phase"))["phase"] != "lobby":
            pass
        assert counted(gateway, "guests") == 1
        assert counted(gateway, "calls") == 0


async def test_an_invitation_is_used_up_by_joining_and_not_by_looking(start: StartGateway) -> None:
    gateway = await start()
    link = await invited(gateway)
    async with Browser(gateway.url) as one, Browser(gateway.url) as two, Browser(gateway.url) as three:
        first, second = await one.guest(link), await two.guest(link)
        assert first != second
        sockets = [await one.socket(first), await two.socket(second)]
        for socket in sockets:
            await socket.send_str(HELLO)
            while (await said(socket, "phase"))["phase"] != "lobby":
                pass
        await sockets[0].send_json({"type": "join", "name": "Grace"})
        while (await said(sockets[0], "phase"))["phase"] != "call":
            pass
        await sockets[1].send_json({"type": "join", "name": "Mallory"})
        while (phase := await said(sockets[1], "phase"))["phase"] != "ended":
            pass
        assert phase["code"] == "invitation-used"
        assert "used" in str(phase["detail"])
        status, answer = await three.enter(link)
        assert (status, answer["code"]) == (410, "used")
        assert await one.guest(link) == first, "whoever used it may come back, and is one guest in however many tabs"
        await sockets[0].send_json({"type": "leave"})
        while (await said(sockets[0], "phase"))["phase"] != "ended":
            pass
        await sockets[0].send_json({"type": "join", "name": "Grace"})
        while (await said(sockets[0], "phase"))["phase"] != "call":
            pass


async def test_of_a_reusable_invitation_every_tab_is_a_guest(start: StartGateway) -> None:
    gateway = await start()
    link = await invited(gateway, reusable=True)
    async with Browser(gateway.url) as browser:
        first = await browser.guest(link)
        socket = await browser.socket(first)
        await socket.send_str(HELLO)
        await said(socket, "hello")
        second = await browser.guest(link)
        assert second != first
        assert await browser.guest(link) == second, "its page has not come yet"


async def test_links_that_lead_nowhere_are_told_apart_from_used_ones(start: StartGateway) -> None:
    gateway = await start()
    link = await invited(gateway)
    assert await inviting.revoke(gateway.url, tokens.mint_for_inviting(SECRET), link.code)
    assert not await inviting.revoke(gateway.url, tokens.mint_for_inviting(SECRET), link.code)
    async with Browser(gateway.url) as browser:
        for code in (link.code, "AAAAAAAAAAAA", "", "short", "x" * 2000, "../../../../"):
            status, answer = await browser.enter(code)
            assert (status, answer["code"]) == (410, "gone"), code
    assert counted(gateway, "refused_total", cause="gone") == 6


async def test_a_guest_belongs_to_its_browser(start: StartGateway) -> None:
    gateway = await start()
    link = await invited(gateway, reusable=True)
    async with Browser(gateway.url) as one, Browser(gateway.url) as two:
        guest = await one.guest(link)
        await two.guest(link)
        assert await one.status(f"/j/{guest}/picture/own") == 404  # none yet
        async with one.http.get(f"{gateway.url}/j/{guest}/picture/own") as response:
            assert "No picture yet" in await response.text()
        async with two.http.get(f"{gateway.url}/j/{guest}/picture/own") as response:
            assert "This call is over" in await response.text()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await two.socket(guest)
        assert refused.value.status == 404
        for cookie in one.http.cookie_jar:
            assert cookie["httponly"]
            assert cookie["samesite"] == "Strict"
            assert cookie["path"] == "/j/"


async def test_other_pages_and_other_addresses_are_refused(start: StartGateway) -> None:
    gateway = await start()
    link = await invited(gateway, reusable=True)
    async with Browser(gateway.url) as browser:
        guest = await browser.guest(link)
        for origin in ("https://evil.example", "null", gateway.url.replace("127.0.0.1", "localhost")):
            assert (await browser.post("/j/enter", {"code": link.code}, Origin=origin))[0] == 403
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await browser.socket(guest, Origin=origin)
            for path in ("/invitations", "/invitations/use", "/invitations/revoke"):
                assert (await browser.post(path, {"code": link.code}, Origin=origin))[0] == 403
        assert (await browser.post("/invitations/use", {"code": link.code}))[0] == 403  # our own page may not either
        for host in ("evil.example", "localhost"):
            assert await browser.status("/j/", Host=host) == 421


async def test_who_may_be_in_a_room_may_invite_one_person_to_it(start: StartGateway) -> None:
    gateway = await start(secret=SECRET)
    joining = tokens.mint(SECRET, "kitchen", 60)
    async with SignalingClient(gateway.url, "kitchen", joining) as client:
        assert isinstance(await anext(client), Joined)
        assert client.token != joining, "it has the one for reconnecting by now"
        for token in (joining, client.token):
            link = await inviting.invite(gateway.url, token, "kitchen", 60)
            assert (await inviting.use(link)).room == "kitchen"
            with pytest.raises(InputError, match="not signed"):
                await inviting.invite(gateway.url, token, "kitchen", 60, reusable=True)
            with pytest.raises(InputError, match="not signed"):
                await inviting.invite(gateway.url, token, "bathroom", 60)
    with pytest.raises(InputError, match="needs the server's secret"):
        await inviting.invite(gateway.url, None, "kitchen", 60)
    expired = tokens.mint(SECRET, "kitchen", -60)
    with pytest.raises(InputError, match="not signed"):
        await inviting.invite(gateway.url, expired, "kitchen", 60)


async def test_programs_find_out_whether_their_server_is_a_gateway(start: StartGateway) -> None:
    gateway = await start()
    assert await inviting.is_gateway(gateway.url)
    assert (await inviting.invite(gateway.url, None, "kitchen", 60)).gateway == gateway.url  # open to this machine
    alone = SignalingServer(ServerOptions(port=0))
    await alone.start()
    address = inviting.gateway_url(alone.url)
    assert not await inviting.is_gateway(address)
    await alone.stop()
    assert not await inviting.is_gateway(address)


async def test_only_the_secret_makes_and_revokes_invitations(start: StartGateway) -> None:
    gateway = await start(secret=SECRET)
    link = await invited(gateway)
    for secret in (b"another secret of more than 32 bytes", SECRET[:-1] + b"x"):
        with pytest.raises(InputError, match="not signed with the server's secret"):
            await inviting.invite(gateway.url, tokens.mint_for_inviting(secret), "kitchen", 60, reusable=False)
        with pytest.raises(InputError, match="not signed"):
            await inviting.revoke(gateway.url, tokens.mint_for_inviting(secret), link.code)
    async with aiohttp.ClientSession() as http:
        joining = tokens.mint(SECRET, "kitchen", 60)
        wanted = {"room": "bathroom", "seconds": 9}
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {joining}"}):
            async with http.post(f"{gateway.url}/invitations", json=wanted, headers=headers) as refused:
                assert refused.status == 403
            async with http.post(f"{gateway.url}/invitations/revoke", json={"code": link.code}, headers=headers) as no:
                assert no.status == 403
    async with Browser(gateway.url) as browser:
        await browser.guest(link)


@pytest.mark.parametrize(("room", "seconds"), [("no room", 60), ("", 60), ("kitchen", 0), ("kitchen", 1e9)])
async def test_impossible_invitations_are_explained(start: StartGateway, room: str, seconds: float) -> None:
    gateway = await start()
    with pytest.raises(InputError, match=r"room name|lasts"):
        await inviting.invite(gateway.url, tokens.mint_for_inviting(SECRET), room, seconds, reusable=False)


async def test_a_program_joins_by_the_same_link(start: StartGateway) -> None:
    gateway = await start(secret=SECRET)
    link = await invited(gateway)
    admission = await inviting.use(link)
    assert admission.room == "kitchen"
    async with SignalingClient(admission.server, "kitchen", admission.token) as client:
        assert isinstance(await anext(client), Joined)
    async with SignalingClient(admission.server, "bathroom", admission.token) as client:
        assert isinstance(await anext(client), Refused)
    with pytest.raises(InputError, match="has been used"):
        await inviting.use(link)
    async with Browser(gateway.url) as browser:
        assert (await browser.enter(link))[0] == 410


async def test_a_full_gateway_asks_to_try_again_and_then_lets_in(
    start: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "COME_S", 0.3)
    monkeypatch.setattr(guests, "WATCH_S", 0.1)
    gateway = await start(max_calls=1)
    link = await invited(gateway, reusable=True)
    async with Browser(gateway.url) as one, Browser(gateway.url) as two:
        guest = await one.guest(link)
        assert await one.guest(link) == guest, "a page that is reloaded takes no second place"
        status, answer = await two.enter(link)
        assert (status, answer["code"]) == (503, "full")
        assert counted(gateway, "refused_total", cause="full") == 1
        await until(lambda: counted(gateway, "guests") == 0)  # its page never came
        await two.guest(link)


async def test_a_guest_who_does_nothing_makes_room(start: StartGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guests, "IDLE_S", 0.5)
    monkeypatch.setattr(guests, "WATCH_S", 0.1)
    gateway = await start()
    async with Browser(gateway.url) as browser:
        socket = await browser.socket(await browser.guest(await invited(gateway)))
        await socket.send_str(HELLO)
        assert await closed(socket) == ENDED
    await until(lambda: counted(gateway, "guests") == 0)


async def test_a_tab_replaces_its_own_connection_and_no_other(start: StartGateway) -> None:
    gateway = await start()
    async with Browser(gateway.url) as browser:
        guest = await browser.guest(await invited(gateway))
        first = await browser.socket(guest, "one")
        await first.send_str(HELLO)
        await said(first, "hello")
        began = time.monotonic()
        again = await browser.socket(guest, "one")  # the network has changed, and the first connection hangs
        await again.send_str(HELLO)
        await said(again, "hello")
        assert time.monotonic() - began < 2.0
        other = await browser.socket(guest, "two")
        assert await closed(other) == ANOTHER_TAB


async def test_a_page_that_floods_is_cut_off(start: StartGateway) -> None:
    gateway = await start()
    async with Browser(gateway.url) as browser:
        socket = await browser.socket(await browser.guest(await invited(gateway)))
        await socket.send_str(HELLO)
        for _ in range(400):
            await socket.send_json({"type": "view", "yaw": 1, "pitch": 1, "roll": 0, "frontal": False})
        assert await closed(socket) == FLOOD


async def test_nonsense_of_a_guest_is_answered_and_has_no_effect(start: StartGateway) -> None:
    gateway = await start()
    nonsense = [
        "",
        "x",
        "[]",
        "{}",
        "null",
        '{"type": 1}',
        '{"type": "invite"}',
        '{"type": "offer", "sdp": "v=0"}',
        "[" * 9999,
    ]
    nonsense += [
        '{"type": "offer", "sdp": "%s"}' % ("m=audio 9 x 0\\r\\n" * 2000),
        '{"type": "join", "name": "%s"}' % ("x" * 99),
    ]
    async with Browser(gateway.url) as browser:
        guest = await browser.guest(await invited(gateway))
        socket = await browser.socket(guest)
        await socket.send_str(HELLO)
        for text in nonsense:
            await socket.send_str(text)
            assert (await said(socket, "problem"))["code"] in ("bad-message", "webrtc")
        await socket.send_bytes(b"\x00")
        assert (await said(socket, "problem"))["code"] == "bad-message"
        await socket.send_str("x" * 70_000)
        assert await closed(socket) == 1009
        again = await browser.socket(guest)
        await again.send_str(HELLO)
        assert (await said(again, "hello"))["room"] == "kitchen"


@pytest.mark.parametrize("message", [{"type": "record", "on": True}, {"type": "portrait", "on": True}])
async def test_a_guest_cannot_record_or_appear_as_another(start: StartGateway, message: dict[str, object]) -> None:
    gateway = await start()
    async with Browser(gateway.url) as browser:
        guest = await browser.guest(await invited(gateway))
        socket = await browser.socket(guest)
        await socket.send_str(HELLO)
        await socket.send_json(message)
        assert (await said(socket, "problem"))["code"] == "bad-message"
        assert (await browser.post(f"/j/{guest}/portrait", b"x"))[0] in (404, 405)


async def test_trying_codes_is_slowed_down(start: StartGateway) -> None:
    gateway = await start()
    async with Browser(gateway.url) as browser:
        statuses = [(await browser.enter("AAAAAAAAAAAA"))[0] for _ in range(40)]
    assert 429 in statuses
    assert statuses.count(410) <= 32


async def test_draining_ends_lobbies_refuses_guests_and_waits_for_calls(start: StartGateway) -> None:
    gateway = await start(drain_s=60.0)
    link = await invited(gateway, reusable=True)
    async with AsyncExitStack() as stack:
        one, two, three = [await stack.enter_async_context(Browser(gateway.url)) for _ in range(3)]
        calling, waiting = await one.socket(await one.guest(link)), await two.socket(await two.guest(link))
        for socket in (calling, waiting):
            await socket.send_str(HELLO)
            while (await said(socket, "phase"))["phase"] != "lobby":
                pass
        await calling.send_json({"type": "join", "name": "Grace"})
        while (await said(calling, "phase"))["phase"] != "call":
            pass
        draining = asyncio.create_task(gateway.drain())
        assert await closed(waiting) == ENDED
        status, answer = await three.enter(link)
        assert (status, answer["code"]) == (503, "closing")
        assert await three.status("/healthz") == 503
        assert not draining.done()
        await calling.send_json({"type": "leave"})
        await asyncio.wait_for(draining, PATIENCE_S)
        assert await closed(calling) == ENDED


async def test_draining_is_bounded(start: StartGateway) -> None:
    gateway = await start(drain_s=0.3)
    async with Browser(gateway.url) as browser:
        socket = await browser.socket(await browser.guest(await invited(gateway)))
        await socket.send_str(HELLO)
        while (await said(socket, "phase"))["phase"] != "lobby":
            pass
        await socket.send_json({"type": "join", "name": "Grace"})
        while (await said(socket, "phase"))["phase"] != "call":
            pass
        await asyncio.wait_for(gateway.drain(), PATIENCE_S)
        assert gateway.guests.calls == 1


junk = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)
bodies = (
    st.binary(max_size=200)
    | junk.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries({"code": junk, "room": junk, "seconds": junk, "reusable": junk}).map(
        lambda value: json.dumps(value).encode()
    )
)


@given(st.lists(bodies, min_size=1, max_size=5), st.sampled_from(["/j/enter", "/invitations", "/invitations/use"]))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_body_is_answered_without_an_error_of_ours(bodies: list[bytes], path: str) -> None:
    async def ask() -> None:
        gateway = Gateway(GatewayOptions(SECRET, ServerOptions(port=0)), networks=_NoNetworks())  # type: ignore[arg-type]
        await gateway.start()
        try:
            async with Browser(gateway.url) as browser:
                permission = {"Authorization": f"Bearer {tokens.mint_for_inviting(SECRET)}"}
                for body in bodies:
                    headers = permission if path != "/j/enter" else {"Origin": gateway.url}
                    async with browser.http.post(gateway.url + path, data=body, headers=headers) as response:
                        assert response.status in (200, 400, 410, 429), await response.text()
                async with browser.http.post(gateway.url + path, data=b"x" * 100_000, headers=headers) as response:
                    assert response.status in (400, 429)
        finally:
            await gateway.stop()

    asyncio.run(ask())


class _NoNetworks:
    """Nobody comes so far as to need them."""


@pytest.mark.parametrize(
    ("server", "url", "words"),
    [
        (ServerOptions(host="0.0.0.0"), None, "open server"),
        (ServerOptions(host="0.0.0.0", secret=SECRET), None, "--public-url"),
        (ServerOptions(secret=SECRET, behind_proxy=True), None, "--public-url"),
        (ServerOptions(secret=SECRET, behind_proxy=True), "http://calls.example.org", "https"),
        (ServerOptions(host="0.0.0.0", secret=SECRET), "https://calls.example.org", "--tls-cert"),
        (ServerOptions(), "https://calls.example.org", "--behind-proxy"),
        (ServerOptions(), "https://calls.example.org/path", "without a path"),
        (ServerOptions(), "calls.example.org", "such as https"),
    ],
)
def test_options_with_which_no_guest_could_come_are_refused(server: ServerOptions, url: str | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        GatewayOptions(SECRET, server, public_url=url).check()


async def test_over_tls_cookies_and_sockets_are_for_tls_alone(
    loaded: GatewayNetworks, certificate: tuple[Path, Path]
) -> None:
    chain, key = certificate
    gateway = Gateway(GatewayOptions(SECRET, ServerOptions(port=0, tls_certificate=chain, tls_key=key)), loaded)
    await gateway.start()
    try:
        assert gateway.url.startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=str(chain))
        permission = {"Authorization": f"Bearer {tokens.mint_for_inviting(SECRET)}"}
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            wanted = {"room": "kitchen", "seconds": 60}
            async with http.post(f"{gateway.url}/invitations", json=wanted, headers=permission, ssl=trust) as response:
                link = read_link((await response.json())["link"])
            assert link is not None
            origin = {"Origin": gateway.url}
            async with http.post(
                f"{gateway.url}/j/enter", json={"code": link.code}, headers=origin, ssl=trust
            ) as response:
                assert response.cookies["facewire-guest"]["secure"]
                assert f"wss://{gateway.url[8:]}" in response.headers["Content-Security-Policy"]
                guest = (await response.json())["guest"]
            socket = await http.ws_connect(f"{gateway.url}/j/{guest}/ws", headers=origin, ssl=trust)
            await socket.send_str(HELLO)
            assert (await said(socket, "hello"))["room"] == "kitchen"
            await socket.close()
    finally:
        await gateway.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number(), now, now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(Encoding.PEM))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return chain, key


async def test_a_link_names_the_public_address(start: StartGateway) -> None:
    gateway = await start(secret=SECRET, behind_proxy=True, public_url="https://calls.example.org/")
    link = await inviting.invite(
        f"http://127.0.0.1:{gateway.server.port}", tokens.mint_for_inviting(SECRET), "kitchen", 60, reusable=False
    )
    assert link == Link("https://calls.example.org", link.code)
