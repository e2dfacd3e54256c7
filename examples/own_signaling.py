"""A call without a signaling server: python examples/own_signaling.py [SECONDS]

`Line` is all the signaling that a session needs: a way to hand the other side a few kilobytes of JSON, and a stream of
events. Here both sides live in one program and two queues carry the messages; yours could use e-mail, a chat or a QR code.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator

from facewire.call.ends import EndNetworks, open_ends
from facewire.call.options import MediaOptions, SessionOptions
from facewire.call.session import Session
from facewire.models.bundle import load_bundle
from facewire.signaling.events import Event, Joined, Signal

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 6.0


class Line:
    """One side's signaling. Exactly one of the two is polite; the other one makes the offers."""

    def __init__(self, outbox: asyncio.Queue[str], inbox: asyncio.Queue[str], *, polite: bool) -> None:
        self.outbox, self.inbox, self.polite = outbox, inbox, polite

    async def send(self, payload: dict[str, object]) -> bool:
        await self.outbox.put(json.dumps(payload))
        return True  # False would say that it could not be delivered; the session then tries again

    async def __aiter__(self) -> AsyncIterator[Event]:
        yield Joined(ice_servers=(), polite=self.polite, peer_id="the other one")
        while True:
            yield Signal(json.loads(await self.inbox.get()))


async def main() -> None:
    bundle = load_bundle()
    networks = EndNetworks(bundle, threads=1)
    there: asyncio.Queue[str] = asyncio.Queue()
    back: asyncio.Queue[str] = asyncio.Queue()

    sends, shows = open_ends(MediaOptions(video="test"), networks), open_ends(MediaOptions(out="none"), networks)
    ada = Session(Line(there, back, polite=False), bundle, sends, SessionOptions(name="Ada", seconds=SECONDS))
    bob = Session(Line(back, there, polite=True), bundle, shows, SessionOptions(name="Bob"))

    endings = await asyncio.gather(ada.run(), bob.run())
    assert shows.playout is not None
    seen = shows.playout.stats()
    print(f"Bob saw {bob.other.name}: {seen.shown} pictures of {seen.frames} frames; {endings[1].reason}")


if __name__ == "__main__":
    asyncio.run(main())
