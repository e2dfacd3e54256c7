"""Two hosts without a direct path, in network namespaces: the call goes through coturn, over UDP and over TCP.

Needs root, iproute2 and coturn's turnserver; skipped elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MIDDLE = "10.77.0.1"
TURN_SECRET = "another secret of some characters"
FACEWIRE = [sys.executable, "-m", "facewire"]


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def inside(namespace: str, *command: str) -> list[str]:
    return ["ip", "netns", "exec", namespace, *command]


@pytest.fixture
def hosts() -> Iterator[tuple[str, str, str]]:
    """Names of three namespaces: left, middle and right. The outer two can reach the middle, but not each other."""
    if os.geteuid() or not shutil.which("ip") or not shutil.which("turnserver"):
        pytest.skip("needs root, iproute2 and coturn")
    names = tuple(f"fw{os.getpid()}{end}" for end in "lmr")
    made: list[str] = []
    try:
        try:
            for name in names:
                ip("netns", "add", name)
                made.append(name)
                ip("-n", name, "link", "set", "lo", "up")
        except subprocess.CalledProcessError:
            pytest.skip("needs network namespaces")
        left, middle, right = names
        ip("-n", middle, "addr", "add", f"{MIDDLE}/32", "dev", "lo")
        for number, outer in ((1, left), (2, right)):
            near, far = f"m{number}-{os.getpid()}", f"o{number}-{os.getpid()}"
            ip("-n", middle, "link", "add", near, "type", "veth", "peer", "name", far, "netns", outer)
            for namespace, device, host in ((middle, near, 1), (outer, far, 2)):
                ip("-n", namespace, "addr", "add", f"10.77.{number}.{host}/24", "dev", device)
                ip("-n", namespace, "link", "set", device, "up")
            ip("-n", outer, "route", "add", "default", "via", f"10.77.{number}.1")
        yield left, middle, right
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


class Middle:
    """The host in the middle with coturn and a signaling server, and the two programs that call each other through them."""

    def __init__(self, hosts: tuple[str, str, str], folder: Path, transport: str) -> None:
        self.left, self.middle, self.right = hosts
        self.folder = folder
        self.secret = folder / "secret"
        self.secret.write_text("a secret of thirty-two characters")
        (folder / "turn").write_text(TURN_SECRET)
        self.coturn = self.start_coturn()
        self.signaling = subprocess.Popen(
            inside(self.middle, *FACEWIRE, "serve", "--host", MIDDLE, "--port", "8787", "--secret-file", str(self.secret),
                   "--ice", f"turn:{MIDDLE}:3478?transport={transport}", "--turn-secret-file", str(folder / "turn")),
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        self.callers: list[subprocess.Popen[str]] = []

    def start_coturn(self) -> subprocess.Popen[bytes]:
        secret = ["--use-auth-secret", "--static-auth-secret", TURN_SECRET, "--realm", "facewire"]
        return subprocess.Popen(
            inside(self.middle, "turnserver", "-n", "-L", MIDDLE, "-E", MIDDLE, *secret, "--no-tls", "--no-dtls", "--no-cli",
                   "--log-file", str(self.folder / "turn.log"), "--pidfile", str(self.folder / "turn.pid"),
                   "--userdb", str(self.folder / "turndb")),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def call(self, seconds: float) -> None:
        """Both hosts join."""
        assert self.signaling.stdout is not None
        assert "listening" in self.signaling.stdout.readline()
        time.sleep(1)  # coturn does not say when it is ready
        for host in (self.left, self.right):
            token = [*FACEWIRE, "token", "room", "--secret-file", str(self.secret)]
            key = subprocess.run(token, check=True, capture_output=True, text=True).stdout.strip()
            call = ["call", "room", "--server", f"ws://{MIDDLE}:8787", "--token", key, "--video", "test", "--threads", "1",
                    "--out", "none", "--seconds", str(seconds), "--wait", "40",
                    "--json", str(self.folder / f"{host}.json")]  # fmt: skip
            self.callers.append(subprocess.Popen(inside(host, *FACEWIRE, *call), stderr=subprocess.PIPE, text=True))

    def results(self, seconds: float) -> list[dict[str, Any]]:
        """The figures that both programs wrote at the end of the call."""
        for caller in self.callers:
            _, errors = caller.communicate(timeout=seconds)
            assert caller.returncode == 0, errors
            assert "Traceback" not in errors
        return [json.loads((self.folder / f"{host}.json").read_text()) for host in (self.left, self.right)]

    def stop(self) -> None:
        programs: list[subprocess.Popen[Any]] = [*self.callers, self.coturn, self.signaling]
        for program in programs:
            if program.poll() is None:
                program.kill()
            program.communicate(timeout=20)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_call_works_through_coturn(hosts: tuple[str, str, str], transport: str, tmp_path: Path) -> None:
    middle = Middle(hosts, tmp_path, transport)
    try:
        middle.call(6)
        for values in middle.results(90):
            assert values["playout"]["frames"] > 10
    finally:
        middle.stop()


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_call_resumes_after_coturn_restarts(hosts: tuple[str, str, str], transport: str, tmp_path: Path) -> None:
    middle = Middle(hosts, tmp_path, transport)
    try:
        middle.call(45)
        time.sleep(15)
        middle.coturn.kill()
        middle.coturn.wait()
        time.sleep(4)
        middle.coturn = middle.start_coturn()
        for values in middle.results(120):
            states = [line["state"] for line in values["timeline"]]
            assert values["session"]["connections"] >= 2
            away = [at for at, state in enumerate(states) if state in ("stalled", "connecting") and at > 5]
            assert away, "over UDP there is silence; over TCP the system may say at once that the connection is gone"
            assert states[away[-1] :].count("connected") >= 3
            assert values["session"]["longest_silence_s"] < 25
            assert values["session"]["sources_received"] == 2
    finally:
        middle.stop()
