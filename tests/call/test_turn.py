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

import pytest

MIDDLE = "10.77.0.1"
FACEWIRE = [sys.executable, "-m", "facewire"]


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def inside(namespace: str, *command: str) -> list[str]:
    return ["ip", "netns", "exec", namespace, *command]


@pytest.fixture
def hosts() -> Iterator[tuple[str, str, str]]:
    """Names of three namespaces: left, middle, right. The outer ones reach the middle's address and nothing else."""
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
            pytest.skip("no network namespaces here")
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


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_through_coturn(hosts: tuple[str, str, str], transport: str, tmp_path: Path) -> None:
    left, middle, right = hosts
    (tmp_path / "secret").write_text("a secret of thirty-two characters")
    (tmp_path / "turn").write_text("another secret of some characters")
    turn = ["--use-auth-secret", "--static-auth-secret", "another secret of some characters", "--realm", "facewire"]
    running = [
        subprocess.Popen(
            inside(middle, "turnserver", "-n", "-L", MIDDLE, "-E", MIDDLE, *turn, "--no-tls", "--no-dtls", "--no-cli",
                   "--log-file", str(tmp_path / "turn.log"), "--pidfile", str(tmp_path / "turn.pid"),
                   "--userdb", str(tmp_path / "turndb")),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ),
        subprocess.Popen(
            inside(middle, *FACEWIRE, "serve", "--host", MIDDLE, "--port", "8787", "--secret-file", str(tmp_path / "secret"),
                   "--ice", f"turn:{MIDDLE}:3478?transport={transport}", "--turn-secret-file", str(tmp_path / "turn")),
            stdout=subprocess.PIPE,
            text=True,
        ),
    ]  # fmt: skip
    try:
        assert running[1].stdout is not None
        assert "listening" in running[1].stdout.readline()
        time.sleep(1)  # coturn does not say when it is ready
        token = [*FACEWIRE, "token", "room", "--secret-file", str(tmp_path / "secret")]
        callers = []
        for host in (left, right):
            key = subprocess.run(token, check=True, capture_output=True, text=True).stdout.strip()
            call = ["call", "room", "--server", f"ws://{MIDDLE}:8787", "--token", key, "--video", "test", "--threads", "1",
                    "--out", "none", "--seconds", "6", "--wait", "40", "--json", str(tmp_path / f"{host}.json")]  # fmt: skip
            callers.append(subprocess.Popen(inside(host, *FACEWIRE, *call), stderr=subprocess.PIPE, text=True))
        for caller in callers:
            _, errors = caller.communicate(timeout=90)
            assert caller.returncode == 0, errors
    finally:
        for program in running:
            program.terminate()
            program.communicate(timeout=20)
    for host in (left, right):
        values = json.loads((tmp_path / f"{host}.json").read_text())
        assert values["playout"]["frames"] > 10
