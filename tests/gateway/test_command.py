"""`facewire gateway`, `facewire invite` and `facewire call LINK` as people use them."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from facewire.cli import main
from facewire.errors import InputError
from facewire.gateway.command import qr_code
from facewire.signaling.tokens import keep_secret, load_secret
from tests.conftest import command

from .conftest import Browser, link_of

PATIENCE_S = 60.0
LINK = re.compile(r"http://127\.0\.0\.1:\d+/j#[A-Za-z0-9_-]{12}")


class Process:
    """A gateway in a process of its own, with a home of its own."""

    def __init__(self, home: Path, *options: object) -> None:
        self.environment = os.environ | {"XDG_STATE_HOME": str(home)}
        self.process = subprocess.Popen(
            command("gateway", "--port", "0", *options),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        assert self.process.stdout is not None
        self.lines = [self.process.stdout.readline() for _ in range(3)]
        self.url = self.lines[0].split()[4] if self.lines[0] else ""

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Another command of the same person."""
        return subprocess.run(
            command(*arguments), capture_output=True, text=True, env=self.environment, timeout=PATIENCE_S, check=False
        )

    def close(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(tmp_path_factory.mktemp("home"))
    yield process
    process.close()


def test_a_gateway_starts_with_nothing_set_up_and_says_what_to_do(running: Process) -> None:
    first, second, third = running.lines
    assert "(this machine only)" in first
    assert "facewire call ROOM" in second
    assert "facewire invite ROOM" in second
    file = Path(third.split(" is in ")[1].split(",")[0])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_invitation_is_one_link_and_can_be_taken_back(running: Process) -> None:
    made = running.run("invite", "kitchen", "--server", running.url)
    assert made.returncode == 0, made.stderr
    link = made.stdout.strip()
    assert LINK.fullmatch(link)
    assert "this machine only" in made.stderr
    assert f"facewire call '{link}'" in made.stderr
    back = running.run("invite", "--revoke", link)
    assert (back.returncode, back.stdout) == (0, "taken back: the link lets nobody in any more\n")
    again = running.run("invite", "--revoke", link)
    assert again.returncode == 2
    assert "no such invitation" in again.stderr
    call = running.run("call", link, "--out", "none", "--video", "test")
    assert call.returncode == 2
    assert "expired, was revoked" in call.stderr
    assert len(call.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_program_joins_by_a_link(running: Process) -> None:
    link = running.run("invite", "kitchen", "--server", running.url).stdout.strip()
    nobody = running.run("receive", link, "--out", "none", "--wait", "0.5")
    assert "nobody came within 0.5 s" in nobody.stderr
    once_more = running.run("receive", link, "--out", "none", "--wait", "0.5")
    assert "has been used" in once_more.stderr


@pytest.mark.slow
def test_sigterm_ends_it_at_once_where_nobody_is_in_a_call(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.process.send_signal(signal.SIGTERM)
    out, errors = process.process.communicate(timeout=PATIENCE_S)
    assert (process.process.returncode, errors) == (0, "")
    assert "waiting" not in out


def exit_code(arguments: list[str]) -> object:
    try:
        return main(arguments)
    except SystemExit as error:  # of argparse
        return error.code


@pytest.mark.slow
async def test_sigterm_waits_for_a_call_and_a_second_one_does_not(tmp_path: Path) -> None:
    process = Process(tmp_path)
    try:
        link = link_of(process.run("invite", "kitchen", "--server", process.url).stdout)
        async with Browser(process.url) as browser:
            socket = await browser.socket(await browser.guest(link))
            await socket.send_str('{"type": "hello", "version": 1}')
            async with asyncio.timeout(PATIENCE_S):
                while (await socket.receive_json()).get("phase") != "lobby":
                    pass
                await socket.send_json({"type": "join", "name": "Grace"})
                while (await socket.receive_json()).get("phase") != "call":
                    pass
            process.process.send_signal(signal.SIGTERM)
            assert process.process.stdout is not None
            assert "waiting for 1 in calls" in await asyncio.to_thread(process.process.stdout.readline)
            assert await browser.status("/healthz") == 503
            process.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.process.wait, PATIENCE_S) == 0
    finally:
        process.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["invite"], "name of a room"),
        (["invite", "kitchen", "--revoke", "https://a.example/j#x3Fq-8sV1LbA"], "name of a room"),
        (["invite", "--revoke", "kitchen"], "not an invitation link"),
        (["invite", "kitchen", "--minutes", "0"], "at least 1"),
        (["invite", "kitchen", "--minutes", "99999"], "a week"),
        (["invite", "kitchen"], "secret"),
        (["gateway", "--host", "0.0.0.0"], "open server"),
        (["gateway", "--max-calls", "0"], "at least 1"),
        (["call", "https://calls.example.org/j#short"], "incomplete"),
        (["call", "https://calls.example.org/j#x3Fq-8sV1LbA", "--token", "x"], "holds server and token"),
        (["call", "https://calls.example.org/j#x3Fq-8sV1LbA", "--server", "ws://a"], "holds server and token"),
        (["receive", "http://127.0.0.1:9/j#x3Fq-8sV1LbA"], "facewire gateway"),
    ],
)
def test_mistakes_are_explained_in_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FACEWIRE_SECRET", raising=False)
    assert exit_code(arguments) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert "Traceback" not in errors


def test_a_token_on_the_command_line_is_warned_about_and_one_from_the_prompt_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--server", "ws://127.0.0.1:9", "--out", "none"]
    assert main(["receive", "no room", "--token", "abc", *where]) == 2
    assert "list of processes" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO("abc\n"))
    assert main(["receive", "no room", "--token", "-", *where]) == 2
    errors = capsys.readouterr().err
    assert "list of processes" not in errors
    assert "room name" in errors
    monkeypatch.setattr(sys, "stdin", io.StringIO("http://127.0.0.1:9/j#x3Fq-8sV1LbA\n"))
    assert main(["receive", "-", "--out", "none"]) == 2
    assert "http://127.0.0.1:9: the gateway cannot be reached" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["receive", "-", "--out", "none"]) == 2
    assert "nothing was given" in capsys.readouterr().err


def test_the_qr_code_is_read_back() -> None:
    link = "https://calls.example.org/j#x3Fq-8sV1LbA"
    halves = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in qr_code(link).splitlines()]
    assert max(map(len, lines)) <= 40, "it fits a narrow terminal"
    rows = [[halves[letter][half] for letter in line] for line in lines for half in (0, 1)]
    picture = np.kron(np.array(rows, np.uint8) * 255, np.ones((8, 8), np.uint8))
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(
        cv2.copyMakeBorder(picture, 32, 32, 32, 32, cv2.BORDER_CONSTANT, value=255)
    )
    assert text == link


def test_an_own_secret_is_kept_and_others_cannot_read_it(tmp_path: Path) -> None:
    file = tmp_path / "facewire" / "gateway-secret"
    secret = keep_secret(file)
    assert keep_secret(file) == secret == load_secret(file, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        keep_secret(file)
    with pytest.raises(InputError, match="no secret can be kept"):
        keep_secret(Path("/dev/null/facewire/gateway-secret"))
