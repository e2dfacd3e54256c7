"""A call between two programs, measured from outside: `python -m tests.call.programs` (`--help`).

Two `facewire call`s with video and sound both ways (with --one-way: video one way), and between them a relay that counts
datagrams in each direction. The programs write raw frames, which are counted here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facewire.models.bundle import load_bundle
from facewire.samples import sample_clip
from facewire.signaling.server import ServerOptions, SignalingServer

from .conftest import write_voice
from .doorway import Doorway
from .relay import Relay, Way

SETTLING_S = 12.0
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Side:
    """What one program put on the wire, and what the other one showed of it."""

    kbps: float
    """IP packets in that direction after settling, acknowledgements for the other direction included, counted by the relay."""
    datagrams_per_s: float
    first_picture_s: float
    """From both being in the room to the first picture at the other program's output."""
    pictures: int
    """All pictures at that output."""
    sent: int
    """Frames that this program packed, some of them before it knew that the other one was there."""
    frames: int
    """Frames that the other one decoded."""
    shown: int
    concealed: int
    skipped: int
    """Pictures that the other one skipped because its machine was too slow."""
    sources: int
    substituted: int
    """Pictures drawn from another source frame than the one they name, which was not there yet."""
    longest_freeze_ms: float
    delay_ms: float
    end_to_end_ms: float
    sound_played_s: float
    lip_sync_ms: tuple[float, float]
    processors: float | None
    """CPU cores that this program kept busy after settling; None where the system does not tell."""
    memory_mb: float | None
    """Peak memory."""
    own_bytes_off: int
    """Difference between the program's own count of bytes sent and the relay's."""


@dataclass
class _Program:
    process: asyncio.subprocess.Process
    json: Path
    reading: asyncio.Task[tuple[int, float]]


async def measure(
    folder: Path,
    seconds: float,
    *,
    voice: Path | None,
    one_way: bool = False,
    fps: float = 25.0,
    video: Path | None = None,
    more: Sequence[str] = (),
) -> dict[Way, Side]:
    """Measures both sides for `seconds` after settling. voice: None for no sound. one_way: only a sends video.

    video: the sample clip if None. more: options for both programs.
    """
    relay, shown = Relay(), video or sample_clip()
    server = SignalingServer(ServerOptions(port=0))
    await server.start()
    try:
        async with Doorway(server.url, relay) as doorway:
            programs = [
                await _start(
                    folder, name, doorway.url, seconds, voice, fps, shown if name == "a" or not one_way else None, more
                )
                for name in "ab"
            ]
            try:
                counts, span, busy = await _watch(relay, seconds, programs)
                results = [await _result(program) for program in programs]
            finally:
                for program in programs:
                    if program.process.returncode is None:
                        program.process.kill()
                        await program.process.wait()
                    program.reading.cancel()
            assert doorway.met_at is not None
            totals = {way: count.wire_bytes for way, count in relay.counts.items()}
    finally:
        await server.stop()
    sides: dict[Way, Side] = {}
    directions: list[tuple[Way, int, int]] = [("ab", 0, 1), ("ba", 1, 0)]
    for way, here, there in directions:
        own, (other, pictures, first_at) = results[here][0], results[there]
        playout = other["playout"]
        earliest_ms, latest_ms = playout["worst_lip_sync_ms"]
        sides[way] = Side(
            kbps=8 * counts[way][1] / (1000 * span),
            datagrams_per_s=counts[way][0] / span,
            first_picture_s=first_at - doorway.met_at if pictures else 0.0,
            pictures=pictures,
            sent=own.get("sender", {}).get("sent", 0),
            frames=playout["frames"],
            shown=playout["shown"],
            concealed=playout["concealed"],
            skipped=playout["skipped"],
            sources=playout["sources"],
            substituted=playout["substituted"],
            longest_freeze_ms=playout["longest_freeze_ms"],
            delay_ms=playout["delay_ms"],
            end_to_end_ms=other["end_to_end_ms"]["mean"] or 0.0,
            sound_played_s=playout["sound_played_ms"] / 1000,
            lip_sync_ms=(earliest_ms, latest_ms),
            processors=busy[here][0],
            memory_mb=busy[here][1],
            own_bytes_off=own["sent"]["wire_bytes"] - totals[way],
        )
    return sides


async def _start(
    folder: Path,
    name: str,
    url: str,
    seconds: float,
    voice: Path | None,
    fps: float,
    video: Path | None,
    more: Sequence[str],
) -> _Program:
    figures = folder / f"{name}.json"
    sends = [
        "--video",
        "none" if video is None else str(video),
        "--sound",
        "none" if voice is None else str(voice),
        "--loop",
    ]
    ends = ["--seconds", str(seconds + SETTLING_S + 2), "--wait", str(PATIENCE_S), "--threads", "1", "--fps", str(fps)]
    command = ["-m", "facewire", "call", "room", "--server", url, "--name", name, *sends, *ends, *more]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, "--out", "raw", "--json", str(figures), stdout=asyncio.subprocess.PIPE, env=os.environ
    )
    assert process.stdout is not None
    return _Program(process, figures, asyncio.create_task(_count_pictures(process.stdout)))


async def _count_pictures(stream: asyncio.StreamReader) -> tuple[int, float]:
    """How many raw pictures came, and when the first one was complete."""
    size = 3 * load_bundle().picture_size ** 2
    received, first_at = 0, 0.0
    while data := await stream.read(1 << 18):
        received += len(data)
        if not first_at and received >= size:
            first_at = time.monotonic()
    assert received % size == 0, f"{received} bytes are not a whole number of pictures"
    return received // size, first_at


Busy = tuple[float | None, float | None]


async def _watch(
    relay: Relay, seconds: float, programs: list[_Program]
) -> tuple[dict[Way, tuple[int, int]], float, list[Busy]]:
    """Datagrams and bytes in each direction after settling, the seconds they took, and the load of each program."""
    async with asyncio.timeout(PATIENCE_S):
        while not all(count.datagrams > 20 for count in relay.counts.values()):
            assert all(program.process.returncode is None for program in programs), "a program ended before the call"
            await asyncio.sleep(0.05)
    await asyncio.sleep(SETTLING_S)
    began, before = time.monotonic(), {w: (c.datagrams, c.wire_bytes) for w, c in relay.counts.items()}
    worked = [_processor_s(program) for program in programs]
    await asyncio.sleep(seconds)
    span = time.monotonic() - began
    busy = [(_rate(_processor_s(p), was, span), _memory_mb(p)) for p, was in zip(programs, worked, strict=True)]
    return {w: (c.datagrams - before[w][0], c.wire_bytes - before[w][1]) for w, c in relay.counts.items()}, span, busy


def _processor_s(program: _Program) -> float | None:
    """CPU time of a running program, all threads together."""
    stat = Path(f"/proc/{program.process.pid}/stat")
    if not stat.exists():
        return None
    fields = stat.read_text().rpartition(")")[2].split()  # the name may contain anything
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rate(now: float | None, was: float | None, span: float) -> float | None:
    return None if now is None or was is None else (now - was) / span


def _memory_mb(program: _Program) -> float | None:
    status = Path(f"/proc/{program.process.pid}/status")
    if not status.exists():
        return None
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024


async def _result(program: _Program) -> tuple[dict[str, Any], int, float]:
    async with asyncio.timeout(PATIENCE_S):
        pictures, first_at = await program.reading
        assert await program.process.wait() == 0
    return json.loads(program.json.read_text()), pictures, first_at


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures a call between two programs.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--one-way", action="store_true", help="video one way")
    parser.add_argument("--fps", type=float, default=25.0, metavar="N")
    parser.add_argument("--no-sound", action="store_true", help="no sound either way")
    parser.add_argument("--voice", type=Path, metavar="FILE", help="sound to send in place of the synthetic voice")
    parser.add_argument("--video", type=Path, metavar="FILE", help="what both send in place of the sample clip")
    parser.add_argument(
        "more", nargs="*", metavar="OPTION", help="after --: options for both programs, such as --sources 1"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        voice = None
        if not options.no_sound:
            voice = options.voice or write_voice(Path(folder) / "voice.wav")
        sides = asyncio.run(
            measure(
                Path(folder),
                options.seconds,
                voice=voice,
                one_way=options.one_way,
                fps=options.fps,
                video=options.video,
                more=options.more,
            )
        )
        for way, side in sides.items():
            print(way, json.dumps(asdict(side)), flush=True)


if __name__ == "__main__":
    main()
