"""A network between two programs that tests control: their signaling passes through here and leads them to a `Relay`.

The programs get this server's address in place of the real one. Their messages are passed on unchanged, except for the
addresses in session descriptions, which are replaced by the relay's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

import aiohttp
from aiohttp import web

from .relay import Relay


class Doorway:
    """A proxy for the signaling server at `server_url`. The two programs must be named a and b, like the relay's ends."""

    def __init__(self, server_url: str, relay: Relay) -> None:
        self._server_url, self.relay = server_url, relay
        self.met_at: float | None = None
        """When the server first said that both are in the room, by `time.monotonic`."""
        self.url = ""
        app = web.Application()
        app.router.add_get("/ws", self._door)
        self._runner = web.AppRunner(app, shutdown_timeout=1)

    async def __aenter__(self) -> Doorway:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"ws://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        self.relay.close()

    async def _door(self, request: web.Request) -> web.WebSocketResponse:
        outside = web.WebSocketResponse()
        await outside.prepare(request)
        async with aiohttp.ClientSession() as http, http.ws_connect(self._server_url) as inside:
            ways = [asyncio.create_task(way) for way in (self._in(outside, inside), self._out(inside, outside))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            with contextlib.suppress(ConnectionError):
                await outside.close(code=inside.close_code or 1000)
        return outside

    async def _in(self, outside: web.WebSocketResponse, inside: aiohttp.ClientWebSocketResponse) -> None:
        end = ""
        async for message in outside:
            values: dict[str, Any] = json.loads(message.data)
            if values["type"] == "join":
                end = values["name"]
            description = values.get("payload", {}).get("description")
            if description is not None:
                attempt = values["payload"]["attempt"]
                description["sdp"] = await self.relay.stand_for(end, attempt, description["sdp"])
            await inside.send_str(json.dumps(values))

    async def _out(self, inside: aiohttp.ClientWebSocketResponse, outside: web.WebSocketResponse) -> None:
        async for message in inside:
            values = json.loads(message.data)
            if self.met_at is None and (values["type"] == "peer-joined" or values.get("peer") is not None):
                self.met_at = time.monotonic()
            await outside.send_str(message.data)
