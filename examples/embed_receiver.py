"""The receiver inside your own program: python examples/embed_receiver.py [SECONDS]

`Pictures` gets every picture as an array and may do anything with it; here it prints how bright they are. The sending side is
a `facewire send` in another process, and a server is started for both.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray

from facewire.call.ends import Ends
from facewire.call.options import SessionOptions
from facewire.call.session import Session
from facewire.models.bundle import load_bundle
from facewire.models.runtime import Networks
from facewire.receiver.playout import Playout
from facewire.receiver.sinks import VideoSink
from facewire.signaling import SignalingClient
from facewire.signaling.server import ServerOptions, SignalingServer

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 6.0


class Pictures(VideoSink):
    """Anything with these two methods is a sink. They are called from the playout's thread."""

    def __init__(self) -> None:
        self.count = 0

    def show(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        self.count += 1
        if self.count % 25 == 0:
            print(f"picture {self.count}: {picture.shape}, mean brightness {picture.mean():.0f}", flush=True)
        return True  # False would say that no more are wanted

    def close(self) -> None:
        print(f"{self.count} pictures in all")


async def main() -> None:
    server = SignalingServer(ServerOptions(port=0))
    await server.start()
    send = [sys.executable, "-m", "facewire", "send", "kitchen", "--server", server.url]
    sender = subprocess.Popen([*send, "--video", "test", "--sound", "silence", "--threads", "1", "--json", "/dev/null"])
    bundle = load_bundle()
    client = SignalingClient(server.url, "kitchen", name="looker-on")
    ends = Ends(playout=Playout(Networks(bundle, threads=1), Pictures(), sound=None))
    session = Session(client, bundle, ends, SessionOptions(seconds=SECONDS, wait_s=30))
    try:
        async with client:
            ending = await session.run()
        print(ending.reason or "the call is over")
    finally:
        await asyncio.to_thread(sender.wait, 30)
        await server.stop()


if __name__ == "__main__":
    asyncio.run(main())
