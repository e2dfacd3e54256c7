"""A call between two processes on this machine, without camera or screen: python examples/headless_call.py [SECONDS]

Starts a signaling server and two `facewire call`s. Each sends a moving portrait and silence, records what it receives, and
prints what it cost.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = sys.argv[1] if len(sys.argv) > 1 else "8"
FACEWIRE = [sys.executable, "-m", "facewire"]


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="facewire-"))
    server = subprocess.Popen([*FACEWIRE, "serve", "--open", "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = next(word for word in server.stdout.readline().split() if word.startswith("ws://"))
        people = {}
        for name in ("ada", "bob"):
            sends = ["--video", "test", "--sound", "silence", "--name", name]
            results = ["--out", str(folder / f"seen-by-{name}.mkv"), "--json", str(folder / f"{name}.json")]
            people[name] = subprocess.Popen(
                [
                    *FACEWIRE,
                    "call",
                    "kitchen",
                    "--server",
                    url,
                    "--seconds",
                    SECONDS,
                    "--threads",
                    "1",
                    *sends,
                    *results,
                ]
            )
        for person in people.values():
            person.wait()
    finally:
        server.terminate()
        server.wait()
    for name in people:
        figures = json.loads((folder / f"{name}.json").read_text())
        print(
            f"{name} saw {figures['peer']}: {figures['playout']['shown']} pictures, "
            f"{figures['received']['wire_kbps']} kbps received, {figures['sent']['wire_kbps']} kbps sent"
        )
    print(f"recorded in {folder}")


if __name__ == "__main__":
    main()
