"""`facewire play` serves one browser, and refuses in one line what it cannot play."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from yarl import URL

from facewire.browser import files
from facewire.browser.files import BUNDLE_FILES, FOLDER, RUNTIME_FILES, runtime_folder
from facewire.browser.server import PlayerServer
from facewire.cli import main
from facewire.codec import write_stream
from facewire.coding import Coding
from facewire.errors import InputError
from facewire.models.bundle import load_bundle
from tests.codec.test_golden import GOLDEN, SOURCE
from tests.conftest import command

from .conftest import recording

NAME = "Zoë & co.fw"
RECORDING = b"FWIR, a recording"
GOLDEN_PACKET = bytes.fromhex((GOLDEN / "default.txt").read_text().splitlines()[1])


@pytest_asyncio.fixture
async def server(runtime: Path) -> AsyncIterator[PlayerServer]:
    made = PlayerServer(RECORDING, NAME, load_bundle())
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


async def test_the_address_lets_in_one_browser(server: PlayerServer, browser: aiohttp.ClientSession) -> None:
    page = URL(server.url).with_query({})
    async with browser.get(page / "recording") as refused:
        assert refused.status == 403
    for _ in range(2):  # once more with the cookie, as a reload does
        async with browser.get(server.url) as response:
            assert (response.status, response.url) == (200, page)
    async with browser.get(page / "recording") as response:
        assert await response.read() == RECORDING
        assert response.headers["Recording-Name"] == "Zo%C3%AB%20%26%20co.fw"
    async with aiohttp.ClientSession() as another:
        for address in (server.url, page.with_query(token="guessed"), page / "recording"):
            async with another.get(address) as refused:
                assert refused.status == 403
                assert "Start `facewire play` again" in await refused.text()


async def test_another_host_is_refused(server: PlayerServer, browser: aiohttp.ClientSession) -> None:
    async with browser.get(server.url, headers={"Host": "example.org"}) as response:
        assert response.status == 421


async def test_everything_is_served_isolated_and_nothing_else_is(
    server: PlayerServer, browser: aiohttp.ClientSession
) -> None:
    page = URL(server.url).with_query({})
    scripts = [path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("[cnp]*/*.js")]
    assert len(scripts) > 12
    names = [*scripts, "player/player.css", "player/icon.svg", *(f"runtime/{name}" for name in RUNTIME_FILES)]
    for name in ["", *names, *(f"bundle/{name}" for name in BUNDLE_FILES)]:
        async with browser.get(page.with_path(f"/{name}")) as response:
            assert response.status == 200, name
            assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            policy = response.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; ")
            assert ("trusted-types facewire-painter" in policy) == (name == "")
    for name in (
        "server.py",
        "codec/../server.py",
        "codec/%2e%2e/server.py",
        "package.json",
        "bundle/README.md",
        "runtime/x",
    ):
        async with browser.get(URL(f"{page}{name}", encoded=True)) as response:
            assert response.status == 404, name


def test_a_missing_runtime_is_named_with_the_command_that_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "FOLDER", tmp_path)
    with pytest.raises(InputError, match=re.escape(f"npm ci --omit=dev --prefix '{tmp_path}'")):
        runtime_folder()
    (tmp_path / "runtime").mkdir()
    for name in RUNTIME_FILES:
        (tmp_path / "runtime" / name).write_bytes(b"")
    assert runtime_folder() == tmp_path / "runtime"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"", "this is not a facewire stream"),
        (b"FWIR\x09", "a stream of format version"),
        (write_stream([SOURCE])[:-1], "the stream is cut off"),
        (write_stream([SOURCE]), "holds a source frame but no motion"),
        (write_stream([SOURCE, GOLDEN_PACKET]), "made with weights 00676f6c64656eff; these are laptop"),
    ],
)
def test_what_cannot_be_played_is_refused_in_one_line(
    content: bytes | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.fw"
    if content is not None:
        path.write_bytes(content)
    assert main(["play", str(path), "--no-browser"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"facewire: {path}: ")
    assert words in error
    assert error.count("\n") == 1


def test_a_folder_is_no_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", str(tmp_path)]) == 2
    assert "cannot be read (Is a directory)" in capsys.readouterr().err


def test_the_command_prints_its_address_and_ends_with_ctrl_c(
    runtime: Path, coding: Coding, head_walk: np.ndarray
) -> None:
    process = subprocess.Popen(
        command("play", "-", "--no-browser"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"BROWSER": "false"},
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(recording(coding, head_walk, load_bundle().hash))
    process.stdin.close()
    giving_up = threading.Timer(60, process.kill)
    giving_up.start()
    said = process.stderr.readline() + process.stderr.readline()
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    code = process.wait()
    giving_up.cancel()
    process.stderr.close()
    assert process.stdout is not None
    process.stdout.close()
    assert re.search(rb"^facewire: standard input plays at http://127\.0\.0\.1:\d+/\?token=\S+\n.*Ctrl-C", said)
    assert (code, rest) == (130, b"")
