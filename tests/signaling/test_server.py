"""Hostile and broken clients are closed with a code and a reason and counted; other clients notice nothing."""

import asyncio
import contextlib
import dataclasses
import json
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facewire.errors import InputError
from facewire.signaling import Joined, Signal, SignalingClient
from facewire.signaling.limits import Limits
from facewire.signaling.messages import (
    CLOSE_FLOOD,
    CLOSE_GOING_AWAY,
    CLOSE_MALFORMED,
    CLOSE_ROOM_FULL,
    CLOSE_TIMEOUT,
    CLOSE_TOKEN,
    CLOSE_TOO_BIG,
    CLOSE_TRY_AGAIN,
)
from facewire.signaling.server import ServerOptions, SignalingServer
from facewire.signaling.tokens import mint
from tests.signaling.conftest import (
    PATIENCE_S,
    SECRET,
    Connect,
    Raw,
    StartServer,
    counted,
    eventually,
    free_port,
    soon,
    until,
)


@contextlib.asynccontextmanager
async def call(server: SignalingServer) -> AsyncIterator[None]:
    """Two clients that can still talk at the end."""
    async with SignalingClient(server.url, "talk") as anne, SignalingClient(server.url, "talk") as bob:
        await until(anne, Joined), await until(bob, Joined)
        yield
        assert await anne.send({"still": "here"})
        assert await until(bob, Signal) == Signal({"still": "here"})


def refused(server: SignalingServer, cause: str) -> float:
    return counted(server, "refused_total", cause=cause)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"v":1,"type":"leave"}', "the first message must be join"),
        ('{"v":1,"type":"signal","seq":0,"payload":{}}', "the first message must be join"),
        ('{"v":9,"type":"join"}', "version 9"),
        ('{"v":1,"type":"dance"}', "message type"),
        ('{"v":1,"type":"join","room":"../..","session":"' + "0" * 32 + '"}', "room cannot be"),
        ("[" * 60_000, "not JSON"),
    ],
)
async def test_malformed_messages_close_the_connection(
    serve: StartServer, connect: Connect, text: str, why: str
) -> None:
    server = await serve()
    async with call(server):
        raw = await connect(server)
        await raw.socket.send_str(text)
        code, reason = await raw.closed()
        assert code == CLOSE_MALFORMED
        assert why in reason
        await eventually(lambda: refused(server, "malformed") == 1)


async def test_binary_messages_are_malformed(serve: StartServer, connect: Connect) -> None:
    server = await serve()
    raw = await connect(server)
    await raw.socket.send_bytes(b'{"v":1,"type":"leave"}')
    assert (await raw.closed())[0] == CLOSE_MALFORMED


async def test_malformed_messages_after_joining_close_the_connection(serve: StartServer, connect: Connect) -> None:
    server = await serve()
    async with call(server):
        raw = await connect(server)
        await raw.join()
        await raw.send(type="signal", seq=0, payload="text")
        assert (await raw.closed())[0] == CLOSE_MALFORMED
        await eventually(lambda: "room" not in server._room_sizes)


async def test_a_second_join_closes_the_connection(serve: StartServer, connect: Connect) -> None:
    server = await serve()
    raw = await connect(server)
    await raw.join("one")
    await raw.send(type="join", room="two", session="1" * 32)
    assert await raw.closed() == (CLOSE_MALFORMED, "already joined")


@pytest.mark.parametrize("seqs", [(0, 0), (0, 1, 0), (1,), (0, 2)])
async def test_repeated_and_missing_messages_close_the_connection(
    serve: StartServer, connect: Connect, seqs: tuple[int, ...]
) -> None:
    server = await serve()
    async with call(server):
        raw = await connect(server)
        await raw.join()
        for seq in seqs:
            await raw.send(type="signal", seq=seq, payload={})
        code, reason = await raw.closed()
        assert code == CLOSE_MALFORMED
        assert f"signal {seqs[-1]}" in reason
        await eventually(lambda: refused(server, "replayed") == 1)


@pytest.mark.parametrize("size", [65_537, 1_000_000])
async def test_oversized_messages_close_the_connection(serve: StartServer, connect: Connect, size: int) -> None:
    server = await serve()
    async with call(server):
        raw = await connect(server)
        await raw.socket.send_str("x" * size)
        assert (await raw.closed())[0] == CLOSE_TOO_BIG
        await eventually(lambda: refused(server, "too-big") == 1)


async def test_a_message_of_the_largest_size_is_relayed(serve: StartServer, connect: Connect) -> None:
    server = await serve()
    anne, bob = await connect(server), await connect(server)
    await anne.join(session="a" * 32)
    await bob.join(session="b" * 32)
    text = json.dumps({"v": 1, "type": "signal", "seq": 0, "payload": {"x": ""}})
    await bob.socket.send_str(text.replace('""', f'"{"x" * (65_536 - len(text))}"'))
    await anne.receive()  # Bob came
    assert len((await anne.receive())["payload"]["x"]) == 65_536 - len(text)
    assert counted(server, "signals_total", outcome="relayed") == 1
    assert counted(server, "signal_bytes_total") > 65_000


async def test_floods_of_messages_close_the_connection(serve: StartServer, connect: Connect) -> None:
    server = await serve()
    async with call(server):
        raw = await connect(server)
        await raw.join()
        with contextlib.suppress(ConnectionError):
            for seq in range(1000):
                await raw.send(type="signal", seq=seq, payload={})
        assert await raw.closed() == (CLOSE_FLOOD, "too many messages")
        await eventually(lambda: refused(server, "flood") == 1)
        assert counted(server, "signals_total", outcome="undelivered") <= 200


async def test_floods_of_bytes_close_the_connection(serve: StartServer, connect: Connect) -> None:
    server = await serve()
    async with call(server):
        raw = await connect(server)
        await raw.join()
        with contextlib.suppress(ConnectionError):
            for seq in range(20):
                await raw.send(type="signal", seq=seq, payload={"x": "x" * 60_000})
        assert (await raw.closed())[0] == CLOSE_FLOOD


@pytest.mark.parametrize("kind", ["ping", "pong"])
async def test_floods_of_pings_close_the_connection(serve: StartServer, connect: Connect, kind: str) -> None:
    server = await serve()
    async with call(server):
        raw = await connect(server, autoping=False)
        await raw.join()
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                await getattr(raw.socket, kind)(b"x")
        while (message := await soon(raw.socket.receive())).type is aiohttp.WSMsgType.PONG:
            pass
        assert message.data == CLOSE_FLOOD


async def test_pings_are_answered(serve: StartServer, connect: Connect) -> None:
    server = await serve()
    raw = await connect(server, autoping=False)
    await raw.socket.ping(b"are you there")
    answer = await soon(raw.socket.receive())
    assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"are you there")


async def join_without_reading(server: SignalingServer) -> asyncio.StreamWriter:
    """Joins and reads nothing after the welcome; returns the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + b"A" * 22 + b"==\r\n\r\n"
    )
    assert b"101" in await reader.readuntil(b"\r\n\r\n")
    join = json.dumps({"v": 1, "type": "join", "room": "room", "session": "0" * 32}).encode()
    writer.write(bytes([0x81, 0x80 | len(join), 0, 0, 0, 0]) + join)
    await soon(reader.readuntil(b"ice_servers"))
    return writer


UNLIMITED = Limits(messages_s=1e9, message_burst=10**9, bytes_s=1e12, byte_burst=10**12)


async def test_a_client_that_does_not_read_is_disconnected(serve: StartServer, connect: Connect) -> None:
    """A peer that does not read must not fill the server's memory."""
    server = await serve(limits=UNLIMITED)
    writer = await join_without_reading(server)
    flood = await connect(server)
    assert (await flood.join(session="f" * 32))["peer"]
    seq = 0
    while not refused(server, "slow"):
        assert seq < 5000, "300 MB queued for a client that does not read"
        await flood.send(type="signal", seq=seq, payload={"x": "x" * 60_000})
        seq += 1
    assert (await flood.receive())["type"] == "peer-left"
    writer.transport.abort()


@pytest.mark.slow
async def test_a_client_that_does_not_read_does_not_delay_stopping(serve: StartServer, connect: Connect) -> None:
    server = await serve(limits=dataclasses.replace(UNLIMITED, waiting_bytes=10**9))
    writer = await join_without_reading(server)
    flood = await connect(server)
    await flood.join(session="f" * 32)
    for seq in range(500):  # 30 MB, more than the kernel buffers
        await flood.send(type="signal", seq=seq, payload={"x": "x" * 60_000})
    await eventually(lambda: counted(server, "signals_total", outcome="relayed") == 500)
    await soon(server.stop())
    writer.transport.abort()


async def test_a_client_that_does_not_join_is_disconnected(serve: StartServer, connect: Connect) -> None:
    server = await serve(limits=Limits(join_timeout_s=0.1))
    raw = await connect(server)
    assert await raw.closed() == (CLOSE_TIMEOUT, "no join message within 0.1 s")
    await eventually(lambda: refused(server, "timeout") == 1)


async def test_unfinished_requests_are_disconnected(serve: StartServer) -> None:
    server = await serve(limits=Limits(join_timeout_s=0.1))
    for start in (
        b"",
        b"GET /ws HTTP/1.1\r\nHost: lo",
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(start)
        await soon(reader.read())  # until the connection ends
        writer.close()


async def test_client_that_leaves_before_the_answer_is_no_error(
    serve: StartServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve()
    upgrade = (
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as client:  # gone before the server looks
        client.sendall(upgrade.encode())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b" 404 " in await soon(reader.readline())  # it was served after the other one
    writer.close()
    assert caplog.records == []


async def test_invalid_tokens_close_with_their_code(serve: StartServer, connect: Connect) -> None:
    server = await serve(secret=SECRET)
    for token in ({}, {"token": None}, {"token": "x"}, {"token": mint(SECRET, "room", -60)}):
        raw = await connect(server)
        await raw.send(type="join", room="room", session="0" * 32, **token)
        assert (await raw.closed())[0] == CLOSE_TOKEN
    await eventually(lambda: refused(server, "token") == 4)
    assert counted(server, "joins_total") == 0


async def test_the_token_of_another_session_is_refused(serve: StartServer, connect: Connect) -> None:
    server = await serve(secret=SECRET)
    anne, eve = await connect(server), await connect(server)
    stolen = (await anne.join(token=mint(SECRET, "room", 60)))["token"]
    await eve.send(type="join", room="room", session="e" * 32, token=stolen)
    assert await eve.closed() == (CLOSE_TOKEN, "the join token belongs to another session")


async def test_a_full_room_closes_with_its_code(serve: StartServer, connect: Connect) -> None:
    server = await serve()
    for session in "ab":
        await (await connect(server)).join(session=session * 32)
    eve = await connect(server)
    await eve.send(type="join", room="room", session="e" * 32)
    assert (await eve.closed())[0] == CLOSE_ROOM_FULL
    await eventually(lambda: refused(server, "room-full") == 1)


async def test_the_number_of_rooms_is_limited(serve: StartServer, connect: Connect) -> None:
    server = await serve(limits=Limits(rooms=2))
    for room in ("one", "two"):
        await (await connect(server)).join(room)
    third = await connect(server)
    await third.send(type="join", room="three", session="0" * 32)
    assert (await third.closed())[0] == CLOSE_TRY_AGAIN
    assert (await (await connect(server)).join("two", session="1" * 32))["peer"], "existing rooms can be joined"


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        (Limits(connections=2), 503),
        (Limits(connections_per_address=2), 429),
        (Limits(connect_burst=2, connects_per_address_s=0.01), 429),
    ],
)
async def test_the_number_of_connections_is_limited(
    serve: StartServer, connect: Connect, limits: Limits, status: int
) -> None:
    server = await serve(limits=limits)
    for session in "ab":
        await (await connect(server)).join(session=session * 32)
    with pytest.raises(aiohttp.WSServerHandshakeError) as error:
        await connect(server)
    assert error.value.status == status


async def test_web_pages_connect_from_known_origins_only(serve: StartServer, connect: Connect) -> None:
    server = await serve(origins=("https://call.example",))
    await connect(server, origin="https://call.example")
    await connect(server)
    for origin in (
        "https://evil.example",
        "null",
        "https://call.example.evil.example",
        f"http://127.0.0.1:{server.port}",
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await connect(server, origin=origin)
        assert error.value.status == 403
    assert refused(server, "origin") == 4


async def test_forwarded_addresses_are_trusted_behind_a_proxy_only(serve: StartServer) -> None:
    limits = Limits(connections_per_address=1)
    plain, proxied = await serve(limits=limits), await serve(limits=limits, behind_proxy=True, secret=SECRET)
    for server, answers in ((plain, [101, 429]), (proxied, [101, 101])):
        sockets = [await handshake(server, f"X-Forwarded-For: 203.0.113.9, 198.51.100.{number}") for number in range(2)]
        assert [status for status, _ in sockets] == answers
        for _, writer in sockets:
            writer.transport.abort()


async def handshake(server: SignalingServer, *headers: str) -> tuple[int, asyncio.StreamWriter]:
    """Starts a WebSocket handshake; returns the HTTP status and the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    lines = [
        "GET /ws HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: " + "A" * 22 + "==",
        *headers,
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    return int((await soon(reader.readline())).split()[1]), writer


async def test_health_and_metrics(serve: StartServer, connect: Connect) -> None:
    server = await serve()
    await (await connect(server)).join()
    async with aiohttp.ClientSession() as session:
        page = server.url.replace("ws://", "http://").removesuffix("/ws")
        async with session.get(f"{page}/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        async with session.get(f"{page}/metrics") as answer:
            text = await answer.text()
    assert answer.content_type == "text/plain"
    assert "facewire_signaling_connections 1.0" in text
    assert "facewire_signaling_rooms 1.0" in text


async def test_metrics_are_not_for_the_public(serve: StartServer) -> None:
    server = await serve(behind_proxy=True, secret=SECRET)
    url = server.url.replace("ws://", "http://").replace("/ws", "/metrics")
    async with aiohttp.ClientSession() as session:
        for address, status in (("9.9.9.9", 403), ("10.0.0.1", 200), ("nonsense", 403)):
            async with session.get(url, headers={"X-Forwarded-For": address}) as answer:
                assert answer.status == status


async def test_stopping_closes_every_connection_with_going_away(serve: StartServer, connect: Connect) -> None:
    server = await serve()
    waiting, joined = await connect(server), await connect(server)
    await joined.join()
    stopping = asyncio.create_task(server.stop())
    for raw in (waiting, joined):
        assert await raw.closed() == (CLOSE_GOING_AWAY, "the server is stopping")
    await soon(stopping)


async def test_a_client_that_ignores_the_close_does_not_delay_stopping(serve: StartServer) -> None:
    server = await serve()
    _, writer = await handshake(server)
    await eventually(lambda: len(server._connections) == 1)
    await soon(server.stop())
    writer.transport.abort()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=200), max_size=6), st.booleans())
def test_random_bytes_disturb_no_other_client(data: list[bytes], upgraded: bool) -> None:
    async def run() -> None:
        server = SignalingServer(ServerOptions(port=0))
        await server.start()
        async with call(server):
            if upgraded:
                _, writer = await handshake(server)
            else:
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            for piece in data:
                writer.write(piece)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            writer.close()
            await eventually(lambda: len(server._connections) == 2)
        await server.stop()

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


async def test_tls(serve: StartServer, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    names = [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run(["openssl", *request, *names], check=True, capture_output=True)
    server = await serve(tls_certificate=certificate, tls_key=key)
    assert server.url.startswith("wss://")
    with pytest.raises(InputError, match="certificate"):
        async with SignalingClient(server.url, "room"):
            pass
    trusted = ssl.create_default_context(cafile=str(certificate))
    async with aiohttp.ClientSession() as session, session.ws_connect(server.url, ssl=trusted) as socket:
        assert (await Raw(socket).join())["seat"] == 0


async def test_invalid_options_raise_input_error(tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    for options, why in (
        ({"ice_urls": ("http://x",)}, "not a STUN or TURN"),
        ({"ice_urls": ("turn:x",)}, "needs the secret"),
        ({"tls_key": tmp_path / "junk.pem"}, "both"),
        ({"tls_key": tmp_path / "junk.pem", "tls_certificate": tmp_path / "junk.pem"}, "not usable"),
        ({"tls_key": tmp_path / "none", "tls_certificate": tmp_path / "none"}, "not usable"),
        ({"redis_url": "http://x"}, "not the address of a Redis"),
        ({"redis_url": f"redis://127.0.0.1:{free_port()}"}, "Redis"),
    ):
        with pytest.raises(InputError, match=why):
            await SignalingServer(ServerOptions(**{"port": 0} | options)).start()


async def test_a_port_in_use_raises_input_error(serve: StartServer) -> None:
    server = await serve()
    with pytest.raises(InputError, match=f"127.0.0.1:{server.port}: cannot listen"):
        await serve(port=server.port)
