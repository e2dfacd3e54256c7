"""`facewire serve` and `facewire token`: one line for each error, and a graceful end."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from facewire.cli import main
from facewire.signaling import Joined, Refused, ServerGone, SignalingClient
from tests.signaling.conftest import StartProcess, free_port, next_event, until


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FACEWIRE_SECRET", "FACEWIRE_TURN_SECRET"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text("s" * 40)
    return file


async def test_a_token_from_the_command_admits_to_the_served_room(
    serve_process: StartProcess, secret: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = serve_process("--port", 0, "--secret-file", secret)
    assert main(["token", "kitchen", "--secret-file", str(secret)]) == 0
    token = capsys.readouterr().out.strip()
    async with SignalingClient(process.url, "kitchen", token) as client:
        assert isinstance(await next_event(client), Joined)
    async with SignalingClient(process.url, "cellar", token) as client:
        assert isinstance(await next_event(client), Refused)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_stop_the_server_gracefully(serve_process: StartProcess, number: signal.Signals) -> None:
    process = serve_process("--open", "--port", 0)
    async with SignalingClient(process.url, "room") as client:
        await until(client, Joined)
        process.process.send_signal(number)
        await until(client, ServerGone)
        assert process.wait() == (0, "")


def test_health_check_answers(serve_process: StartProcess) -> None:
    process = serve_process("--open", "--port", 0)
    with urllib.request.urlopen(
        process.url.replace("ws://", "http://").replace("/ws", "/healthz"), timeout=10
    ) as answer:
        assert json.load(answer) == {"status": "ok"}


def test_the_secret_is_never_printed_or_served(serve_process: StartProcess, secret: Path) -> None:
    process = serve_process("--port", 0, "--secret-file", secret)
    for path in ("/healthz", "/metrics", "/other"):
        url = process.url.replace("ws://", "http://").replace("/ws", path)
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
        assert b"ssss" not in text
    process.process.send_signal(signal.SIGTERM)
    assert "ssss" not in process.wait()[1]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["serve"], "serve needs --secret-file"),
        (["serve", "--open", "--host", "0.0.0.0"], "open server is for loopback only"),
        (["serve", "--open", "--behind-proxy"], "open server is for loopback only"),
        (["serve", "--open", "--secret-file", "SECRET"], "exclude each other"),
        (["serve", "--secret-file", "/nothing/there"], "cannot be read"),
        (["serve", "--secret-file", "SECRET", "--host", "no such host"], "cannot listen"),
        (["serve", "--secret-file", "SECRET", "--host", "a..b"], "cannot listen"),
        (["serve", "--secret-file", "SECRET", "--tls-cert", "/nothing", "--tls-key", "/nothing"], "not usable"),
        (["serve", "--open", "--ice", "turn:x"], "needs the secret"),
        (["serve", "--open", "--redis", "redis://127.0.0.1:1"], "Redis cannot be reached"),
        (["serve", "--open", "--redis", "nonsense"], "not the address of a Redis"),
        (["token", "kitchen"], "token needs the server's secret"),
        (["token", "a room", "--secret-file", "SECRET"], "a room name"),
    ],
)
def test_invalid_options_print_one_line(
    arguments: list[str], why: str, secret: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(secret) if argument == "SECRET" else argument for argument in arguments]) == 2
    output = capsys.readouterr()
    assert why in output.err
    assert output.err.count("\n") == 1
    assert output.out == ""


@pytest.mark.parametrize(
    "arguments", [["serve", "--port", "65536"], ["serve", "--port", "x"], ["token", "kitchen", "--minutes", "0"]]
)
def test_numbers_out_of_range_print_one_line(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "facewire.cli", *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_prints_one_line(serve_process: StartProcess, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    serve_process("--open", "--port", port)
    assert main(["serve", "--open", "--port", str(port)]) == 2
    errors = capsys.readouterr().err
    assert f"127.0.0.1:{port}: cannot listen" in errors
    assert "choose one with --port" in errors


def test_a_server_for_others_without_tls_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x" * 40)
    process = subprocess.Popen(
        [sys.executable, "-m", "facewire", "serve", "--host", "0.0.0.0", "--port", "0", "--secret-file", str(secret)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "without TLS others on the way can read the tokens" in process.stderr.readline()
    process.terminate()
    process.communicate(timeout=60)
