"""What the page costs: `python -m tests.call.page_cost [--seconds N] [--one-way]`.

Two people in two browsers on this machine, with camera and voice both ways (with --one-way: from b to a). Prints the time from
the command to one's own picture, and for each side the cores that its program takes and the frame rates that it sends and
shows. A machine that is too slow for two people skips pictures, so cores alone say little.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from facewire.samples import sample_clip
from facewire.signaling.server import ServerOptions, SignalingServer

from .browsers import Browsers, Person, write_camera

SETTLING_S = 12.0
CAMERA_FPS = 25


def cpu_s(root: int, name: str = "") -> float:
    """CPU time of a process and its descendants, seconds. name: only of those whose name contains it."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                head, _, tail = (entry / "stat").read_text().rpartition(")")
            except OSError:  # it has just ended
                continue
            fields = tail.split()
            parents[int(entry.name)] = int(fields[1])
            if name in head:
                used[int(entry.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def below(process: int) -> bool:
        while process in parents:
            if process == root:
                return True
            process = parents[process]
        return False

    return sum(seconds for process, seconds in used.items() if below(process))


async def first_sight(browsers: Browsers, name: str, *more: str) -> tuple[Person, float]:
    """Starts a person. Also returns the seconds from the command to their own picture on the page."""
    began = time.monotonic()
    person = await browsers.person(name, *more)
    if more:
        return person, 0.0  # a person without a camera
    await person.page.wait_for_function("() => document.getElementById('preview-video').currentTime > 0")
    return person, time.monotonic() - began


async def measure(folder: Path, seconds: float, *, one_way: bool) -> dict[str, Any]:
    server = SignalingServer(ServerOptions(port=0))
    await server.start()
    figures: dict[str, dict[str, Any]] = {}

    def listen(person: Person) -> None:
        def heard(text: str | bytes) -> None:
            if '"figures"' in str(text):
                figures[person.name] = json.loads(text)

        person.page.on("websocket", lambda socket: socket.on("framereceived", heard))

    async with Browsers(folder, sample_clip(), server.url) as browsers:
        write_camera(folder / "camera.y4m", sample_clip(), CAMERA_FPS)
        receives_only = ("--video", "none", "--sound", "none") if one_way else ()
        a, _ = await first_sight(browsers, "a", *receives_only)
        b, sight_s = await first_sight(browsers, "b")
        people = a, b
        for person in people:
            listen(person)
            await person.page.reload()
            await person.join()
        await asyncio.gather(*(person.sees() for person in people[: 1 if one_way else 2]))
        await asyncio.sleep(SETTLING_S)
        ours = [(person.process.pid, "") for person in people] + [(os.getpid(), "chrom")]
        before, began = [cpu_s(*which) for which in ours], time.monotonic()
        looks: list[dict[str, dict[str, Any]]] = []
        while time.monotonic() - began < seconds:
            await asyncio.sleep(1)
            looks.append(dict(figures))
        span = time.monotonic() - began
        used = [(cpu_s(*which) - was) / span for which, was in zip(ours, before, strict=True)]
    await server.stop()

    def mean(name: str, figure: str) -> float:
        values = [look[name][figure] or 0.0 for look in looks if name in look]
        return round(sum(values) / max(1, len(values)), 1)

    return {
        "command_to_own_picture_s": round(sight_s, 2),
        "programs": {
            name: {"cores": round(cores, 3), "fps_sent": mean(name, "fps_sent"), "fps_shown": mean(name, "fps")}
            for name, cores in zip("ab", used, strict=False)
        },
        "browser_cores_for_both": round(used[2], 3),
        "load_average": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures what the call page costs.")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--one-way", action="store_true", help="only b sends")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(Path(folder), options.seconds, one_way=options.one_way)), indent=2))


if __name__ == "__main__":
    main()
