"""What the signaling tests share: servers on real sockets, raw WebSocket clients that may misbehave, a real Redis."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp import web

from facewire.signaling import Event, SignalingClient
from facewire.signaling.server import ServerOptions, SignalingServer

SECRET = b"a secret for tests, of at least 32 bytes"
PATIENCE_S = 60.0
"""After which a test counts as hung: ten times what anything here takes on an idle machine."""

Result = TypeVar("Result")
StartServer = Callable[..., Awaitable[SignalingServer]]


async def soon(what: Awaitable[Result]) -> Result:
    return await asyncio.wait_for(what, PATIENCE_S)


async def next_event(client: SignalingClient) -> Event:
    return await soon(anext(client))


async def until(client: SignalingClient, kind: type[Result]) -> Result:
    """Skips events up to the next one of a type."""
    while not isinstance(event := await next_event(client), kind):
        pass
    return event


class Raw:
    """A WebSocket that can send anything."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, **values: Any) -> None:
        await self.socket.send_str(json.dumps({"v": 1} | values))

    async def join(self, room: str = "room", session: str = "0" * 32, **more: Any) -> dict[str, Any]:
        await self.send(type="join", room=room, session=session, **more)
        return await self.receive()

    async def receive(self) -> dict[str, Any]:
        message = await soon(self.socket.receive())
        assert message.type is aiohttp.WSMsgType.TEXT, message
        values: dict[str, Any] = json.loads(message.data)
        return values

    async def closed(self) -> tuple[int, str]:
        """Skips messages up to the server's close frame; returns its code and reason."""
        while (message := await soon(self.socket.receive())).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.type is aiohttp.WSMsgType.CLOSE, message
        return message.data, message.extra or ""


Connect = Callable[..., Awaitable[Raw]]


@pytest.fixture
async def serve() -> AsyncIterator[StartServer]:
    """Starts servers on loopback; they are stopped at the end of the test."""
    servers = []

    async def start(**options: Any) -> SignalingServer:
        server = SignalingServer(ServerOptions(**{"port": 0} | options))
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens raw WebSockets; they stay open until the end of the test."""
    raws = []
    async with aiohttp.ClientSession() as session:

        async def open_one(server: SignalingServer, **options: Any) -> Raw:
            raws.append(Raw(await soon(session.ws_connect(server.url, **options))))
            return raws[-1]

        yield open_one
        for raw in raws:
            await raw.socket.close()


def counted(server: SignalingServer, name: str, **labels: str) -> float:
    """The value of one of the server's metrics, 0 if it was never counted."""
    return server.metrics.registry.get_sample_value(f"facewire_signaling_{name}", labels) or 0.0


async def eventually(condition: Callable[[], bool]) -> None:
    """Polls until the condition holds."""

    async def poll() -> None:
        while not condition():
            await asyncio.sleep(0.01)

    await soon(poll())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"{process.args!r} does not listen on {port}")


class RedisServer:
    """A real Redis that can be killed and restarted."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        wait_for_port(self.port, self._process)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server (apt-get install redis-server)")
    server = RedisServer(tmp_path)
    yield server
    server.kill()


class ServeProcess:
    """`facewire serve` in a process of its own."""

    def __init__(self, *options: object) -> None:
        command = [sys.executable, "-m", "facewire.cli", "serve", *map(str, options)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        """Printed once it listens."""
        self.url = next((word for word in self.line.split() if word.startswith("ws")), "")

    def wait(self) -> tuple[int, str]:
        """Waits for the end; returns exit code and standard error."""
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, errors

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_S)


StartProcess = Callable[..., ServeProcess]


@pytest.fixture
def serve_process() -> Iterator[StartProcess]:
    processes = []

    def start(*options: object) -> ServeProcess:
        processes.append(ServeProcess(*options))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


class Link:
    """A TCP proxy that can stop forwarding while its connections stay open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._near: list[asyncio.StreamWriter] = []
        self._far: list[asyncio.StreamWriter] = []
        self._pumps: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def freeze(self) -> None:
        """Stops forwarding on the present connections, even their end. Later ones are forwarded."""
        for pump in self._pumps:
            pump.cancel()

    def abort_clients(self) -> None:
        for writer in self._near:
            writer.transport.abort()

    async def stop(self) -> None:
        self._server.close()
        self.freeze()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        for writer in self._near + self._far:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._near.append(writer)
        self._far.append(far_writer)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            self._pumps.append(asyncio.create_task(self._pump(source, sink)))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.close()


StartLink = Callable[[int], Awaitable[Link]]


@pytest.fixture
async def broken_link() -> AsyncIterator[StartLink]:
    links = []

    async def start(port: int) -> Link:
        links.append(Link(port))
        await links[-1].start()
        return links[-1]

    yield start
    for link in links:
        await link.stop()


StartTalkingServer = Callable[[str], Awaitable[str]]


@pytest.fixture
async def talking_server() -> AsyncIterator[StartTalkingServer]:
    """Starts WebSocket servers of another kind, which send one text to every client."""
    runners = []

    async def start(text: str) -> str:
        async def connected(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.send_str(text)
            await socket.receive()
            await socket.receive()
            return socket

        app = web.Application()
        app.router.add_get("/ws", connected)
        runner = web.AppRunner(app, access_log=None)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"ws://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()
