"""Watches a long call: `python -m tests.call.soak [--minutes N]` prints memory, tasks, threads and lip sync every minute.

Both sides in one process, through the relay with 1 % loss; one sends a clip and a voice, the other shows and plays them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from facewire.models.bundle import load_bundle
from facewire.models.runtime import Networks

from .conftest import Call, make_ends, playout_of, write_voice
from .relay import Impairment

SETTLING_S = 30.0
SHOWN_FPS = 5.0


@dataclass(frozen=True)
class Look:
    """One sample. memory_mb: of the whole process. lip_sync_ms: how far sound is ahead of the picture, as the median since the
    sample before, because single values rather tell how busy the machine was.
    """

    at_s: float
    memory_mb: float
    tasks: int
    """Those that have run for a second; short ones, such as decoding a source frame, are not counted."""
    threads: int
    lip_sync_ms: float
    sent: int
    """Frames that the sender packed."""
    frames: int
    """Frames that the receiver decoded."""
    undecodable: int
    fps: float
    """As chosen by the rate control."""
    loss: float
    queue_ms: float
    held_back: int
    connections: int
    longest_silence_s: float


async def soak(networks: Networks, voice: Path, seconds: float, every_s: float) -> list[Look]:
    """Samples a call once it has settled; the last sample is what is left after its end."""
    tasks_before = len(asyncio.all_tasks())
    call = Call(networks)
    call.relay.impairment = Impairment(loss=0.01, delay_ms=40, jitter_ms=10)
    call.start(a=make_ends(networks, video=True, sound=voice), b=make_ends(networks, shows=True, shown_fps=SHOWN_FPS))
    began = time.monotonic()
    looks: list[Look] = []
    lip_sync_ms: list[float] = []

    lasting: set[asyncio.Task[Any]] = set()

    async def follow(seconds: float) -> None:
        nonlocal lasting
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            lasting = asyncio.all_tasks()
            await asyncio.sleep(min(1.0, seconds))
            if (offset := playout_of(call.b).stats().lip_sync_ms) is not None:
                lip_sync_ms.append(offset)

    def look() -> None:
        gc.collect()
        playout, live, rate, link = playout_of(call.b), call.a.ends.live, call.a.rate, call.a.link
        assert live is not None
        stats = playout.stats()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        looks.append(
            Look(
                time.monotonic() - began,
                pages * 4096 / 1e6,
                len(asyncio.all_tasks() & lasting) - tasks_before,
                threading.active_count(),
                statistics.median(lip_sync_ms or [0.0]),
                live.stats().sent,
                stats.frames,
                stats.undecodable,
                rate.fps,
                link.loss or 0.0,
                link.queue_ms or 0.0,
                call.a.outgoing.stats.held_back,
                call.b.stats.connections,
                call.b.stats.longest_silence_s,
            )
        )
        lip_sync_ms.clear()
        print(" ".join(f"{name}={value:.1f}" for name, value in vars(looks[-1]).items()), flush=True)

    await follow(min(SETTLING_S, seconds / 3))
    while time.monotonic() - began < seconds:
        look()
        await follow(every_s)
    await call.stop()
    await asyncio.sleep(1)
    look()
    return looks


def main() -> None:
    parser = argparse.ArgumentParser(description="Watches a long call.")
    parser.add_argument("--minutes", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        voice = write_voice(Path(folder) / "voice.wav")
        uvloop.run(soak(Networks(load_bundle(), threads=1), voice, 60 * options.minutes, 60.0))


if __name__ == "__main__":
    main()
