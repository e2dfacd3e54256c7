"""A call without a signalling server: python examples/own_signalling.py [SECONDS]

`Line` is all that a session needs of signalling: a way to hand the other side a few kilobytes of JSON, and events. Here both
sides live in one program and two queues carry the messages; yours may use e-mail, a chat room or a QR code.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator

from facewire.call.session import Session, SessionOptions
from facewire.models.bundle import load_bundle
from facewire.models.runtime import Networks
from facewire.receiver.playout import Playout
from facewire.receiver.sinks import NoVideo
from facewire.samples import sample_portrait
from facewire.sender.live import LiveSender, LiveSenderOptions
from facewire.signaling.events import Event, Joined, Signal

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 6.0


class Line:
    """One side's signalling. Exactly one of the two is polite; the other one makes the offers."""

    def __init__(self, outbox: asyncio.Queue[str], inbox: asyncio.Queue[str], *, polite: bool) -> None:
        self.outbox, self.inbox, self.polite = outbox, inbox, polite

    async def send(self, payload: dict[str, object]) -> bool:
        await self.outbox.put(json.dumps(payload))
        return True  # False would say that it could not be carried; the session then tries again

    async def __aiter__(self) -> AsyncIterator[Event]:
        yield Joined(ice_servers=(), polite=self.polite, peer_id="the other one")
        while True:
            yield Signal(json.loads(await self.inbox.get()))


async def main() -> None:
    bundle = load_bundle()
    networks = Networks(bundle, threads=1)
    there: asyncio.Queue[str] = asyncio.Queue()
    back: asyncio.Queue[str] = asyncio.Queue()

    ada = Session(Line(there, back, polite=False), bundle, SessionOptions(name="Ada", seconds=SECONDS))
    ada.ends.live = LiveSender(
        networks,
        str(sample_portrait()),
        LiveSenderOptions(),
        ada.source_ready,
        ada.motion_ready,
        ada.camera_state,
        clock=ada.ends.clock,
    )
    bob = Session(Line(back, there, polite=True), bundle, SessionOptions(name="Bob"))
    bob.ends.playout = Playout(networks, NoVideo(), None)

    endings = await asyncio.gather(ada.run(), bob.run())
    shown = bob.ends.playout.stats()
    print(f"Bob saw {bob.peer_name}: {shown.shown} pictures of {shown.frames} frames; {endings[1].reason}")


if __name__ == "__main__":
    asyncio.run(main())
