"""Outputs: never over an input, whole or not there at all, through pipes, with names of any length; what is left out is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from facewire.arguments import WRITTEN
from facewire.cli import COMMANDS, main
from facewire.errors import InputError
from facewire.files import check_output, write_whole
from facewire.parser import build_parser
from facewire.sender.media import open_video
from facewire.video import VideoWriter
from tests.conftest import QUICK, command


def test_full_disk_gives_one_line_and_leaves_no_file(clip: Path, tmp_path: Path) -> None:
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); "
    run = limited + "from facewire.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["loopback", str(clip), "-o", str(tmp_path / "a.mkv"), *QUICK]
    done = subprocess.run([sys.executable, "-c", run, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "cannot be written" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "number", "code"),
    [
        ("loopback", signal.SIGINT, 130),
        ("decode", signal.SIGINT, 130),
        ("loopback", signal.SIGTERM, 143),
        ("decode", signal.SIGHUP, 129),
        ("encode", signal.SIGTERM, 143),
    ],
)
def test_signal_that_ends_is_quiet_and_leaves_no_partial_file(
    name: str,
    number: signal.Signals,
    code: int,
    carphone: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    arguments = command("loopback", carphone, "-o", tmp_path / "a.mkv", *QUICK)
    if name == "decode":
        stream = tmp_path_factory.mktemp("stream") / "a.fw"
        assert main(["encode", str(carphone), "-o", str(stream)]) == 0
        arguments = command("decode", stream, "-o", tmp_path / "a.mkv")
    if name == "encode":
        arguments = command("encode", carphone, "-o", tmp_path / "a.fw", "--crop-video", tmp_path / "a.mkv")
    environment = os.environ | {"PYTHONFAULTHANDLER": "1"}  # once in hundreds of runs a library crashed at exit
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob(".*.part*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (code, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["the same name", "another spelling", "a symbolic link", "a hard link"])
@pytest.mark.parametrize(
    "line",
    [
        "call room --video INPUT --out OUTPUT",
        "call room --video test --sound INPUT --out OUTPUT",
        "call room --video test --out none --speaker OUTPUT --sound INPUT",
        "call room --video test --out OUTPUT --portrait INPUT",
        "receive room --token-file INPUT --json OUTPUT",
        "send room --video INPUT --json OUTPUT",
        "encode INPUT -o OUTPUT",
        "encode INPUT -o a.fw --crop-video OUTPUT",
        "decode INPUT -o OUTPUT",
        "loopback test.mp4 --portrait INPUT -o OUTPUT",
        "bench --config INPUT --speed --json OUTPUT",
    ],
)
def test_what_is_named_as_input_is_never_overwritten(
    how: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "mine.mp4"
    given.write_bytes(b"precious")
    output = {"another spelling": tmp_path / ".." / tmp_path.name / "mine.mp4", "the same name": given}.get(how)
    if output is None:
        output = tmp_path / "link.mp4"
        output.symlink_to(given) if how == "a symbolic link" else output.hardlink_to(given)
    words = {"INPUT": str(given), "OUTPUT": str(output)}
    assert main([words.get(word, word) for word in line.split()]) == 2
    assert "would replace" in capsys.readouterr().err
    assert given.read_bytes() == b"precious"


def test_two_outputs_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "a.mkv")
    assert main(["call", "room", "--video", "test", "--out", out, "--json", out]) == 2
    assert "is written there too" in capsys.readouterr().err


def test_every_file_is_read_or_written() -> None:
    """A new option that names a file belongs to one or the other, so that what is read is protected."""
    read = {
        "answers",
        "config",
        "file",
        "secret_file",
        "start",
        "tls_cert",
        "tls_key",
        "token_file",
        "turn_secret_file",
    }
    _, parsers = build_parser(COMMANDS)
    named = {
        action.dest for parser in parsers.values() for action in parser._actions if action.metavar in ("FILE", "SINK")
    }
    assert named - set(WRITTEN) <= read


def test_long_names_are_written_or_refused_before_the_work(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["encode", str(clip), "-o", str(tmp_path / ("a" * 252 + ".fw"))]) == 0
    assert main(["loopback", str(clip), "-o", str(tmp_path / ("a" * 251 + ".mkv")), *QUICK]) == 0
    capsys.readouterr()
    assert main(["encode", "no such clip", "-o", str(tmp_path / ("ä" * 200 + ".fw"))]) == 2
    assert "the name is too long, 403 bytes; at most 255" in capsys.readouterr().err


def test_stream_goes_through_pipes(clip: Path, tmp_path: Path) -> None:
    encoded = subprocess.run(command("encode", clip, "-o", "-"), capture_output=True, check=True)
    assert b"12 frames" in encoded.stderr
    assert main(["encode", str(clip), "-o", str(tmp_path / "a.fw")]) == 0
    assert encoded.stdout == (tmp_path / "a.fw").read_bytes()
    decoded = subprocess.run(
        command("decode", "-", "-o", tmp_path / "a.mkv"), input=encoded.stdout, capture_output=True
    )
    assert (decoded.returncode, decoded.stderr) == (0, b"")
    with open_video(tmp_path / "a.mkv") as video:
        assert len(list(video)) == 12
    for arguments, words in (
        (["decode", "a.fw", "-o", "-"], "a video's name ends in .mkv"),
        (["encode", "-", "-o", "a.fw"], "standard input cannot be used here"),
        (["encode", str(clip), "-o", "-", "--json"], "cannot both go to standard output"),
    ):
        done = subprocess.run(
            command(*arguments), capture_output=True, text=True, cwd=tmp_path, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 2
        assert words in done.stderr
    assert not (tmp_path / "-").exists()


def test_sound_that_is_left_out_is_said(talk: np.ndarray, clip: Path, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mkv", 25, sound=True) as writer, open_video(clip) as video:
        for frame in video:
            writer.write(frame.picture, frame.time_ms)
        writer.write_sound(talk[:24_000], 0)
    arguments = command("encode", tmp_path / "a.mkv", "-o", tmp_path / "a.fw")
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert "note: the sound of a.mkv is left out: a .fw file holds pictures only" in done.stdout
    figures = json.loads(subprocess.run([*arguments, "--json"], capture_output=True, text=True, check=True).stdout)
    assert figures["remarks"][0] == "the sound of a.mkv is left out: a .fw file holds pictures only"


def test_pipe_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="no ordinary file"):
        check_output(pipe)
    with pytest.raises(InputError, match="no ordinary file"):
        write_whole(pipe, b"x")
    assert pipe.is_fifo()


def test_file_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["figures.json"]
