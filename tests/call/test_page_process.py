"""`facewire call` with its page, as a person starts it: output, access, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from facewire.call.command import _meeting_place, _warning
from facewire.call.options import CallOptions
from facewire.errors import InputError

from .test_processes import started

NOWHERE = ("--server", "ws://127.0.0.1:9")


def address(program: subprocess.Popen[str]) -> str:
    assert program.stderr is not None
    found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", program.stderr.readline())
    assert found is not None
    return found[0]


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_address_is_printed_and_ctrl_c_ends_the_process() -> None:
    with started("call", "kitchen", "--no-browser", *NOWHERE) as program:
        url = address(program)
        assert status(url.partition("?")[0]) == 403
        assert status(url + "x") == 403
        assert status(url.replace("127.0.0.1", "localhost")) == 421
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=60)
    assert program.returncode == 0
    assert "Traceback" not in errors


def test_browser_is_opened_at_the_address(tmp_path: Path) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {told}\n')
    browser.chmod(0o755)
    with started("call", "kitchen", *NOWHERE, BROWSER=f"{browser} %s") as program:
        url = address(program)
        opened = subprocess.run(["cat", str(told)], capture_output=True, text=True, timeout=60, check=True)
        assert opened.stdout.strip() == url


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["kitchen", "--speaker", "none"], "--speaker"),
        (["kitchen", "--no-browser", "--out", "none"], "--no-browser"),
        (["kitchen", "--recordings", "/dev/null"], "not a folder"),
        (["kitchen", "--recordings", "/dev/null/here"], "cannot be made"),
        (["kitchen", "--weights", "no/such/weights"], "not a weight bundle"),
        (["kitchen", "--max-kbps", "1"], "max-kbps"),
        (["kitchen", "--fps", "60"], "--fps"),
        (["kitchen", "--video", "no-such-file.mp4"], "no such file"),
        (["kitchen", "--portrait", "no-such-picture.png"], "no such file"),
        (["kit chen"], "room"),
        (["wss://calls.example.org"], "ends in #"),
        (["wss://calls.example.org#kitchen", "--server", "wss://other.example.org"], "--server"),
    ],
)
def test_invalid_options_are_reported_in_one_line_before_any_page(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from facewire.cli import main

    assert main(["call", *arguments]) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert len(errors.strip().splitlines()) == 1


def test_a_token_for_another_machine_without_tls_is_warned_about() -> None:
    def warned(server: str, token: str | None) -> bool:
        return "not encrypted" in _warning(CallOptions(server, "kitchen", token))

    assert warned("ws://calls.example.org", "token")
    assert not warned("wss://calls.example.org", "token")
    assert not warned("ws://127.0.0.1:8787", "token")
    assert not warned("ws://calls.example.org", None)


def test_a_folder_for_recordings_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "recordings" / "here"
    with started("call", "kitchen", *NOWHERE, "--recordings", str(folder)) as program:
        address(program)
        assert folder.is_dir()


def test_invitation_link_names_server_and_room() -> None:
    assert _meeting_place(None, "wss://calls.example.org/ws#kitchen") == ("wss://calls.example.org/ws", "kitchen")
    assert _meeting_place("ws://here", "kitchen") == ("ws://here", "kitchen")
    with pytest.raises(InputError):
        _meeting_place(None, "wss://calls.example.org#")
