"""What the page costs: `python -m tests.call.page_cost [--seconds N]`.

Two people in two browsers on this machine, camera and voice both ways. Prints how long it takes from the command to one's own
picture, and the CPU time of a person's program and browser, in all and for each picture shown and sent: on a machine that is too
slow for two people pictures are left out, and the cost of one is still the same.
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

from facewire.benchmark.demo import bundled_clip
from facewire.signaling.server import ServerOptions, SignalingServer

from .browsers import Browsers, Person, write_camera

SETTLING_S = 12.0
CAMERA_FPS = 25


def cpu_s(root: int) -> float:
    """CPU time of a process and all below it, seconds."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            used[int(entry.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def below(process: int) -> bool:
        while process in parents:
            if process == root:
                return True
            process = parents[process]
        return False

    return sum(seconds for process, seconds in used.items() if below(process))


async def first_sight(browsers: Browsers, name: str) -> tuple[Person, float]:
    """A person, and the seconds from the command to their own picture on the page."""
    began = time.monotonic()
    person = await browsers.person(name)
    await person.page.wait_for_function("() => document.getElementById('preview-video').currentTime > 0")
    return person, time.monotonic() - began


async def measure(folder: Path, seconds: float) -> dict[str, Any]:
    server = SignalingServer(ServerOptions(port=0))
    await server.start()
    figures: dict[str, dict[str, Any]] = {}

    def listen(person: Person) -> None:
        def heard(text: str | bytes) -> None:
            if '"figures"' in str(text):
                figures[person.name] = json.loads(text)

        person.page.on("websocket", lambda socket: socket.on("framereceived", heard))

    async with Browsers(folder, bundled_clip(), server.url) as browsers:
        write_camera(folder / "camera.y4m", bundled_clip(), CAMERA_FPS)
        people, sights = zip(*[await first_sight(browsers, name) for name in "ab"], strict=True)
        for person in people:
            listen(person)
            await person.page.reload()
            await person.join()
        await asyncio.gather(*(person.sees() for person in people))
        await asyncio.sleep(SETTLING_S)
        browser = browsers.browser_process()
        roots = [person.process.pid for person in people] + [browser]
        before, began = [cpu_s(root) for root in roots], time.monotonic()
        shown = sent = looks = 0.0
        while time.monotonic() - began < seconds:
            await asyncio.sleep(1)
            looks += 1
            shown += sum(values["fps"] or 0.0 for values in figures.values()) / 2
            sent += sum(values["fps_sent"] or 0.0 for values in figures.values()) / 2
        span = time.monotonic() - began
        used = [(cpu_s(root) - was) / span for root, was in zip(roots, before, strict=True)]
    await server.stop()
    return {
        "command_to_own_picture_s": [round(sight, 2) for sight in sights],
        "program_cores": round((used[0] + used[1]) / 2, 3),
        "browser_cores_each": round(used[2] / 2, 3),
        "fps_shown": round(shown / looks, 1),
        "fps_sent": round(sent / looks, 1),
        "program_ms_each_shown": round(1000 * (used[0] + used[1]) / 2 / max(shown / looks, 0.1), 1),
        "load_average": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures what the call page costs.")
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(Path(folder), options.seconds)), indent=2))


if __name__ == "__main__":
    main()
