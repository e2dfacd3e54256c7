"""Calls between programs: the command as a person runs it, and recovery when one is killed."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import pytest

from facewire.video import PORTRAIT

from .programs import PATIENCE_S, measure

Program = subprocess.Popen[str]


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[Program]:
    program = subprocess.Popen(
        [sys.executable, "-m", "facewire", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    try:
        yield program
    finally:
        if program.poll() is None:
            program.kill()
        program.communicate()


@contextmanager
def server(port: int = 0) -> Iterator[tuple[Program, str]]:
    with started("serve", "--open", "--port", str(port)) as program:
        assert program.stdout is not None
        words = program.stdout.readline().split()
        yield program, next(word for word in words if word.startswith("ws://"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signal_before_the_server_answers_ends_a_call_quietly(number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE_S)
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        with started("receive", "room", "--server", url, "--out", "none", "--speaker", "none") as program:
            connection, _ = silent.accept()
            with connection:
                program.send_signal(number)
                out, err = program.communicate(timeout=PATIENCE_S)
    assert (program.returncode, out, err) == (130, "", "")


def caller(url: str, carphone: Path, voice: Path, out: Path, seconds: float, *more: str) -> tuple[str, ...]:
    return (
        "call",
        "room",
        *(("--server", url) if url else ()),
        "--video",
        str(carphone),
        "--sound",
        str(voice),
        "--loop",
        "--threads",
        "1",
        "--out",
        str(out),
        "--seconds",
        str(seconds),
        "--json",
        str(out.with_suffix(".json")),
        *more,
    )


def counted(url: str, metric: str) -> float:
    """What that counter of the server says."""
    address = url.replace("ws://", "http://").removesuffix("/ws") + "/metrics"
    with urllib.request.urlopen(address, timeout=10) as response:
        found = re.search(re.escape(f"facewire_signaling_{metric} ") + r"([0-9.]+)", response.read().decode())
    return float(found[1]) if found else 0.0


def wait_until_counted(url: str, metric: str, number: int) -> None:
    deadline = time.monotonic() + 60
    while counted(url, metric) < number:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def wait_for_answer(url: str) -> None:
    """Waits until the server has passed on an offer and an answer: the two programs are connecting."""
    wait_until_counted(url, 'signals_total{outcome="relayed"}', 2)


def result(program: Program, out: Path, seconds: float) -> dict[str, Any]:
    _, errors = program.communicate(timeout=seconds)
    assert program.returncode == 0, errors
    values: dict[str, Any] = json.loads(out.with_suffix(".json").read_text())
    return values


def test_a_call_between_two_programs(carphone: Path, voice: Path, tmp_path: Path) -> None:
    a, b = tmp_path / "a.mkv", tmp_path / "none"
    with server() as (_, url), started(*caller(url, carphone, voice, a, 60, "--name", "Ada")) as one:
        wait_until_counted(url, "joins_total", 1)  # so that Bob, whose seconds count from his start, need not wait
        with started("send", "room", "--server", url, "--video", str(carphone), "--sound", str(voice), "--threads", "1",
                     "--seconds", "7", "--name", "Bob", "--json", str(b.with_suffix(".json"))) as other:  # fmt: skip
            others, values = result(other, b, 90), result(one, a, 60)
    assert values["peer"] == "Bob"
    assert others["peer"] == "Ada"
    assert values["playout"]["frames"] > 10
    assert values["playout"]["sound_played_ms"] > 1000
    assert values["session"]["connections"] == 1
    assert values["session"]["refused"] == {}
    assert others["outgoing"]["sources"] == 1
    with av.open(str(a)) as recorded:
        kinds = {stream.type for stream in recorded.streams}
        assert kinds == {"video", "audio"}
        assert sum(1 for _ in recorded.decode(video=0)) > 2, "a busy machine draws few in 7 s"


@pytest.mark.slow
@pytest.mark.parametrize(("sound", "limit_kbps"), [(True, 32.0), (False, 12.0)])
async def test_traffic_between_two_programs_is_counted_on_the_wire(
    voice: Path, tmp_path: Path, sound: bool, limit_kbps: float
) -> None:
    sides = await measure(tmp_path, 15, voice=voice if sound else None)
    for side in sides.values():
        assert 2 < side.kbps < limit_kbps
        assert side.own_bytes_off == 0
        assert side.frames >= 0.8 * side.sent, "nothing is lost on this path but what came before the source frame"
        assert side.pictures >= 25 * 15
        assert side.concealed <= 0.1 * side.shown


def test_unreachable_server_is_reported_in_one_line(tmp_path: Path) -> None:
    with started("call", "room", "--server", "ws://127.0.0.1:9", "--video", "none", "--out", "none") as program:
        _, errors = program.communicate(timeout=60)
    assert program.returncode == 2
    assert "cannot be reached" in errors
    assert len(errors.strip().splitlines()) == 1


def test_waiting_ends_when_nobody_comes(tmp_path: Path) -> None:
    with server() as (_, url), started("receive", "room", "--server", url, "--out", "none", "--wait", "1") as program:
        _, errors = program.communicate(timeout=60)
    assert program.returncode == 2
    assert "nobody came" in errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-kbps", "1"], "max-kbps"),
        (["--seconds", "0"], "seconds"),
        (["--video", "no-such-file.mp4"], "no such file"),
        (["--server", "http://x"], "signaling server"),
        (["--threads", "0"], "threads"),
        (["--video", "none", "--sound", "none"], "nothing to send or show"),
        (["--yaw", "400"], "--yaw"),
        (["--portrait", "no-such-picture.png"], "no-such-picture.png"),
    ],
)
def test_invalid_options_are_reported_in_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from facewire.cli import main

    base = ["call", "room", "--out", "none", "--video", "test", "--sound", "silence", "--server", "ws://127.0.0.1:9"]
    assert main([*base, *arguments]) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert len(errors.strip().splitlines()) == 1


def test_missing_backend_is_reported_before_the_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from facewire.cli import main

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else find(name))
    base = ["call", "room", "--out", "none", "--video", "test", "--sound", "silence", "--server", "ws://127.0.0.1:9"]
    assert main([*base, "--backend", "openvino"]) == 2
    assert "pip install 'facewire[openvino]'" in capsys.readouterr().err


@pytest.mark.slow
def test_portrait_and_free_view_replace_what_is_received(carphone: Path, portrait_file: Path, tmp_path: Path) -> None:
    recording = tmp_path / "a.mkv"
    with (
        server() as (_, url),
        started("receive", "room", "--server", url, "--out", str(recording), "--portrait", str(portrait_file),
                "--yaw", "10", "--seconds", "5", "--threads", "1", "--json", str(tmp_path / "a.json")) as one,
        started("send", "room", "--server", url, "--video", str(carphone), "--sound", "none", "--threads", "1"),
    ):  # fmt: skip
        result(one, recording, 60)
    with av.open(str(recording)) as recorded:
        assert recorded.metadata["COMMENT"] == PORTRAIT
        assert sum(1 for _ in recorded.decode(video=0)) > 1


def test_ctrl_c_ends_the_call_on_both_sides(tmp_path: Path) -> None:
    alike = ("--threads", "1", "--out", "none")
    with (
        server() as (meeting, url),
        started("call", "room", "--server", url, "--video", "test", "--sound", "silence", *alike) as one,
        started("receive", "room", "--server", url, *alike) as other,
    ):
        wait_for_answer(url)
        time.sleep(2)
        one.send_signal(signal.SIGINT)
        for program in (one, other):
            _, errors = program.communicate(timeout=60)
            assert program.returncode == 0, errors
            assert "Traceback" not in errors
        assert "the other side ended the call" in errors
        meeting.send_signal(signal.SIGINT)
        _, errors = meeting.communicate(timeout=60)
        assert meeting.returncode == 0
        assert errors == ""


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["who came first", "who came second"])
def test_killed_program_is_seen_again_after_restart(carphone: Path, voice: Path, tmp_path: Path, killed: str) -> None:
    a, b = tmp_path / "a.mkv", tmp_path / "b.mkv"
    stays, goes = caller("", carphone, voice, a, 30), caller("", carphone, voice, b, 60)
    with server() as (_, url), contextlib.ExitStack() as stack:
        order = (stays, goes) if killed == "who came second" else (goes, stays)
        programs = {}
        for arguments in order:
            programs[arguments] = stack.enter_context(started(*arguments, FACEWIRE_SERVER=url))
            time.sleep(3)
        wait_for_answer(url)
        time.sleep(5)  # until both have seen each other
        programs[goes].send_signal(signal.SIGKILL)
        programs[goes].wait()
        stack.enter_context(started(*goes, FACEWIRE_SERVER=url))
        values = result(programs[stays], a, 90)
    states = [line["state"] for line in values["timeline"]]
    assert "stalled" in states
    assert values["session"]["connections"] >= 2
    assert values["session"]["sources_received"] >= 3
    assert states[-1] in ("connected", "ended")


@pytest.mark.slow
def test_call_survives_a_killed_server(carphone: Path, voice: Path, tmp_path: Path) -> None:
    a, b = tmp_path / "a.mkv", tmp_path / "b.mkv"
    with server() as (program, url):
        port = int(url.rsplit(":", 1)[1].split("/")[0])
        with started(*caller(url, carphone, voice, a, 15)) as one, started(*caller(url, carphone, voice, b, 20)):
            wait_for_answer(url)
            time.sleep(4)
            program.send_signal(signal.SIGKILL)
            program.wait()
            time.sleep(3)
            with server(port):
                values = result(one, a, 60)
    assert values["session"]["connections"] == 1
    assert all(line["state"] in ("connected", "waiting", "connecting", "ended") for line in values["timeline"])
