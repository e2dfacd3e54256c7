"""Two clients meet, and stay together through every server outage."""

import asyncio

import pytest

from facewire.errors import InputError
from facewire.signaling import (
    IceServer,
    Joined,
    PeerJoined,
    PeerLeft,
    Refused,
    ServerBack,
    ServerGone,
    Signal,
    SignalingClient,
)
from facewire.signaling.client import ServerUnreachable, server_url
from facewire.signaling.limits import Limits
from facewire.signaling.rooms import MemoryRooms
from facewire.signaling.server import ServerOptions, SignalingServer
from facewire.signaling.tokens import CLOCK_SKEW_S, mint
from tests.signaling.conftest import (
    SECRET,
    Connect,
    StartLink,
    StartProcess,
    StartServer,
    StartTalkingServer,
    counted,
    eventually,
    free_port,
    next_event,
    soon,
    until,
)


async def test_two_clients_meet_and_exactly_one_makes_the_offer(serve: StartServer) -> None:
    server = await serve()
    async with (
        SignalingClient(server.url, "room", name="Anne") as anne,
        SignalingClient(server.url, "room", name="Bob") as bob,
    ):
        first, second = await until(anne, Joined), await until(bob, Joined)
        if first.peer_present:  # Bob was first
            first, second, anne, bob = second, first, bob, anne
        assert first == Joined((), polite=True, peer_id=None)
        came = await next_event(anne)
        assert isinstance(came, PeerJoined)
        assert (second.polite, second.peer_present) == (False, True)
        assert {came.name, second.peer_name} == {"Anne", "Bob"}

        assert await bob.send({"sdp": "offer", "lines": ["ü", 1, None]})
        assert await next_event(anne) == Signal({"sdp": "offer", "lines": ["ü", 1, None]})
        for number in range(30):
            assert await anne.send({"candidate": number})
        assert [await next_event(bob) for _ in range(30)] == [Signal({"candidate": number}) for number in range(30)]


async def test_leaving_is_announced_to_the_other_person(serve: StartServer) -> None:
    server = await serve()
    async with SignalingClient(server.url, "room") as anne:
        async with SignalingClient(server.url, "room"):
            bob = (await until(anne, PeerJoined)).peer_id
        assert await next_event(anne) == PeerLeft(bob, "left")


async def test_a_third_client_is_refused_and_the_other_two_stay_connected(serve: StartServer) -> None:
    server = await serve()
    async with SignalingClient(server.url, "room") as anne, SignalingClient(server.url, "room") as bob:
        await until(anne, Joined), await until(bob, Joined)
        async with SignalingClient(server.url, "room") as eve:
            assert await next_event(eve) == Refused("the room is full: two people are in it", "room-full")
            with pytest.raises(StopAsyncIteration):
                await next_event(eve)
            assert not await eve.send({"hello": 1})
        assert await anne.send({"still": "here"})
        assert await until(bob, Signal) == Signal({"still": "here"})


async def test_rooms_are_isolated(serve: StartServer) -> None:
    server = await serve()
    async with SignalingClient(server.url, "one") as anne, SignalingClient(server.url, "two") as bob:
        assert not (await until(anne, Joined)).peer_present
        assert not (await until(bob, Joined)).peer_present
        assert await anne.send({"to": "nobody"}), "accepted although no one is there"


async def test_a_token_admits_to_its_room(serve: StartServer) -> None:
    server = await serve(secret=SECRET)
    async with (
        SignalingClient(server.url, "room", mint(SECRET, "room", 3600)) as anne,
        SignalingClient(server.url, "room", mint(SECRET, "room", 3600)) as bob,
    ):
        assert isinstance(await next_event(anne), Joined)
        assert isinstance(await next_event(bob), Joined)


@pytest.mark.parametrize(
    ("token", "why", "code"),
    [
        (None, "requires a join token", "token-missing"),
        (mint(SECRET, "room", -60), "expired", "token-expired"),
        (mint(SECRET, "other", 3600), "another room", "token"),
        (mint(SECRET[::-1], "room", 3600), "not valid", "token"),
    ],
)
async def test_invalid_tokens_are_refused_with_a_reason_and_a_code(
    serve: StartServer, token: str | None, why: str, code: str
) -> None:
    server = await serve(secret=SECRET)
    async with SignalingClient(server.url, "room", token) as client:
        refused = await next_event(client)
    assert isinstance(refused, Refused)
    assert why in refused.reason
    assert refused.code == code


async def test_a_token_admits_one_person_at_a_time(serve: StartServer) -> None:
    server = await serve(secret=SECRET)
    token = mint(SECRET, "room", 3600)
    async with SignalingClient(server.url, "room", token) as anne:
        await until(anne, Joined)
        async with SignalingClient(server.url, "room", token) as eve:
            refused = await next_event(eve)
            assert isinstance(refused, Refused)
            assert "in use" in refused.reason
    async with SignalingClient(server.url, "room", token) as restarted:
        assert isinstance(await next_event(restarted), Joined), "the token works again once the seat is free"


async def test_clients_reconnect_after_a_server_restart_and_keep_their_roles(serve: StartServer) -> None:
    port = free_port()
    server = await serve(port=port, secret=SECRET)
    tokens = [mint(SECRET, "room", 1) for _ in range(2)]
    async with (
        SignalingClient(server.url, "room", tokens[0]) as anne,
        SignalingClient(server.url, "room", tokens[1]) as bob,
    ):
        roles = [(await until(client, Joined)).polite for client in (anne, bob)]
        await server.stop()
        for client in (anne, bob):
            await until(client, ServerGone)
            assert not await client.send({"too": "late"})
        await serve(port=port, secret=SECRET)
        again = []
        for client in (anne, bob):
            await until(client, ServerBack)
            again.append((await until(client, Joined)).polite)
        assert again == roles
        assert await bob.send({"after": "restart"})
        assert await until(anne, Signal) == Signal({"after": "restart"})


async def test_reconnecting_works_after_the_join_token_has_expired(serve: StartServer) -> None:
    port = free_port()
    server = await serve(port=port, secret=SECRET)
    async with SignalingClient(server.url, "room", mint(SECRET, "room", 2 - CLOCK_SKEW_S)) as anne:
        await until(anne, Joined)
        await server.stop()
        await until(anne, ServerGone)
        await asyncio.sleep(2.1)  # until the token has expired
        await serve(port=port, secret=SECRET)
        await until(anne, ServerBack)
        assert isinstance(await next_event(anne), Joined)


async def test_clients_reconnect_after_the_server_is_killed(serve_process: StartProcess) -> None:
    port = free_port()
    process = serve_process("--open", "--port", port)
    async with SignalingClient(process.url, "room") as anne, SignalingClient(process.url, "room") as bob:
        await until(anne, Joined), await until(bob, Joined)
        process.kill()
        await until(anne, ServerGone), await until(bob, ServerGone)
        serve_process("--open", "--port", port)
        for client in (anne, bob):
            await until(client, ServerBack)
            await until(client, Joined)
        assert await anne.send({"after": "kill"})
        assert await until(bob, Signal) == Signal({"after": "kill"})


async def test_a_client_with_a_broken_connection_takes_its_seat_back_at_once(
    serve: StartServer, broken_link: StartLink
) -> None:
    server = await serve()
    link = await broken_link(server.port)
    async with SignalingClient(link.url, "room") as anne, SignalingClient(server.url, "room") as bob:
        await until(anne, Joined)
        joined = await until(bob, Joined)
        peer_id = joined.peer_id or (await until(bob, PeerJoined)).peer_id
        # Frozen, not closed: the server still considers the old connection alive when the new one comes.
        link.freeze()
        link.abort_clients()
        await until(anne, ServerGone)
        await until(anne, ServerBack)
        assert (await until(anne, Joined)).peer_present
        assert await until(bob, PeerJoined) == PeerJoined(peer_id)
        assert await anne.send({"back": True})
        assert await until(bob, Signal) == Signal({"back": True})


async def test_a_silent_client_loses_its_seat_within_the_heartbeat(serve: StartServer, broken_link: StartLink) -> None:
    server = await serve(heartbeat_s=0.2)
    link = await broken_link(server.port)
    async with SignalingClient(server.url, "room") as bob, SignalingClient(link.url, "room"):
        anne = (await until(bob, PeerJoined)).peer_id
        link.freeze()
        assert await until(bob, PeerLeft) == PeerLeft(anne, "lost")


async def test_joining_brings_turn_credentials(serve: StartServer) -> None:
    urls = ("stun:127.0.0.1:3478", "turn:127.0.0.1:3478?transport=udp", "turn:127.0.0.1:3478?transport=tcp")
    server = await serve(ice_urls=urls, turn_secret=SECRET)
    async with SignalingClient(server.url, "room") as client:
        stun, turn = (await until(client, Joined)).ice_servers
    assert stun == IceServer(urls[:1])
    assert turn.urls == urls[1:]
    assert turn.username
    assert turn.credential


async def test_where_nobody_listens_on_this_machine_the_remedy_is_named() -> None:
    with pytest.raises(ServerUnreachable, match="start one with `facewire serve --open`"):
        async with SignalingClient(f"ws://127.0.0.1:{free_port()}", "room"):
            pass
    with pytest.raises(ServerUnreachable, match=r"reached \([^)]*\)$"):
        async with SignalingClient("ws://no.such.host.invalid", "room"):
            pass


async def test_an_unreachable_server_raises_input_error() -> None:
    for url in (
        f"ws://127.0.0.1:{free_port()}",
        "ws://no.such.host.invalid",
        "ws://a..b",
        f"wss://127.0.0.1:{free_port()}",
    ):
        with pytest.raises(InputError, match=f"{url}/ws: the signaling server cannot be reached"):
            async with SignalingClient(url, "room"):
                pass


async def test_another_web_server_raises_input_error(serve: StartServer) -> None:
    server = await serve()
    with pytest.raises(InputError, match="404"):
        async with SignalingClient(server.url.replace("/ws", "/other"), "room"):
            pass


async def test_a_server_of_another_version_is_refused(talking_server: StartTalkingServer) -> None:
    async with SignalingClient(await talking_server('{"v": 2, "type": "hello"}'), "room") as client:
        refused = await next_event(client)
    assert isinstance(refused, Refused)
    assert "version 2" in refused.reason


@pytest.mark.parametrize(
    ("url", "room", "name"),
    [
        ("ftp://127.0.0.1", "room", ""),
        ("", "room", ""),
        ("ws://a b", "room", ""),
        ("ws://", "room", ""),
        ("ws://[", "room", ""),
        ("ws://host:99999", "room", ""),
        ("ws://127.0.0.1", "a room", ""),
        ("ws://127.0.0.1", "room", "x" * 65),
        ("ws://127.0.0.1", "room", "\n"),
    ],
)
def test_invalid_arguments_raise_input_error(url: str, room: str, name: str) -> None:
    with pytest.raises(InputError):
        SignalingClient(url, room, name=name)


async def test_sending_oversized_or_non_json_payloads_raises_value_error(serve: StartServer) -> None:
    server = await serve()
    async with SignalingClient(server.url, "room") as client:
        await until(client, Joined)
        with pytest.raises(ValueError, match="at most"):
            await client.send({"sdp": "x" * 70_000})
        with pytest.raises(ValueError, match="JSON"):
            await client.send({"x": float("inf")})
        assert await client.send({"fine": True})


async def test_closing_does_not_wait_for_a_missing_server(serve: StartServer) -> None:
    server = await serve()
    async with SignalingClient(server.url, "room") as client:
        await until(client, Joined)
        await server.stop()
        await until(client, ServerGone)
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_the_server_keeps_no_state_of_clients_that_left(serve: StartServer) -> None:
    server = await serve()
    for _ in range(20):
        async with SignalingClient(server.url, "room") as anne, SignalingClient(server.url, "room") as bob:
            await until(anne, Joined), await until(bob, Joined)
    await eventually(lambda: not server._addresses._open)
    assert not server._connections
    assert not server._transports
    assert not server._room_sizes
    assert isinstance(server._rooms, MemoryRooms)
    assert not server._rooms._rooms


async def test_an_open_server_listens_on_loopback_only() -> None:
    for host in ("0.0.0.0", "::", "192.168.0.1"):
        with pytest.raises(InputError, match="loopback only"):
            SignalingServer(ServerOptions(host=host))
    with pytest.raises(InputError, match="loopback only"):
        SignalingServer(ServerOptions(behind_proxy=True))
    await soon(SignalingServer(ServerOptions(host="0.0.0.0", secret=SECRET)).stop())


async def test_a_full_server_is_retried_and_reported_once(serve: StartServer, connect: Connect) -> None:
    server = await serve(limits=Limits(rooms=1))
    other = await connect(server)
    await other.join("other")
    async with SignalingClient(server.url, "room") as client:
        assert await next_event(client) == ServerGone()
        await eventually(lambda: counted(server, "refused_total", cause="busy") >= 2)
        await other.send(type="leave")
        assert await next_event(client) == ServerBack()
        assert isinstance(await next_event(client), Joined)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ws://127.0.0.1:8787", "ws://127.0.0.1:8787/ws"),
        ("wss://calls.example.org/ws/", "wss://calls.example.org/ws"),
        ("https://calls.example.org", "wss://calls.example.org/ws"),
        ("https://calls.example.org/#kitchen", "wss://calls.example.org/ws"),
        ("http://127.0.0.1:8787/", "ws://127.0.0.1:8787/ws"),
        ("HTTPS://calls.example.org/meet/ws", "wss://calls.example.org/meet/ws"),
        ("calls.example.org", "wss://calls.example.org/ws"),
        ("calls.example.org:8443/ws", "wss://calls.example.org:8443/ws"),
        ("localhost:8787", "ws://localhost:8787/ws"),
        ("[::1]:8787", "ws://[::1]:8787/ws"),
    ],
)
def test_address_is_what_people_paste(text: str, url: str) -> None:
    assert server_url(text) == url
