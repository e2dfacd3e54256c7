"""Whatever a command is started in: streams that are closed or narrow, an empty environment, sockets forbidden."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from facewire.cli import main
from tests.conftest import QUICK, command

SYSCALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""Of each processor: its number in <linux/audit.h>, and that of socket()."""
needs_seccomp = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in SYSCALLS, reason="the socket guard is made for Linux"
)

GUARDED = """
import ctypes, struct, sys

def forbid_sockets(architecture, socket_number):
    "Has Linux kill this process at socket(AF_INET) and socket(AF_INET6), from whatever library it is called."
    load, jump_if_equal, give = 0x20, 0x15, 0x06
    allowed, kill = 0x7FFF0000, 0x80000000
    program = [
        (load, 0, 0, 4), (jump_if_equal, 0, 6, architecture),
        (load, 0, 0, 0), (jump_if_equal, 0, 4, socket_number),
        (load, 0, 0, 16), (jump_if_equal, 1, 0, 2), (jump_if_equal, 0, 1, 10),
        (give, 0, 0, kill), (give, 0, 0, allowed),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code)
    filter = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # no new privileges
    assert libc.prctl(22, 2, filter, 0, 0) == 0, ctypes.get_errno()  # seccomp filter

forbid_sockets(int(sys.argv[1]), int(sys.argv[2]))
"""
COMMAND = "from facewire.cli import main; sys.exit(main(sys.argv[3:]))"


def guarded(program: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python code in an empty home, with sockets forbidden."""
    for name in ("home", "temporary", "work"):
        (folder / name).mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment |= {"HOME": str(folder / "home"), "TMPDIR": str(folder / "temporary"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    numbers = map(str, SYSCALLS[platform.machine()])
    command = [sys.executable, "-c", GUARDED + program, *numbers, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder / "work")


@needs_seccomp
def test_the_guard_kills(tmp_path: Path) -> None:
    for family in ("AF_INET", "AF_INET6"):
        assert guarded(f"import socket; socket.socket(socket.{family})", tmp_path).returncode < 0
    assert guarded("import socket; socket.socket(socket.AF_UNIX)", tmp_path).returncode == 0


@needs_seccomp
@pytest.mark.parametrize("backend", ["auto", "onnxruntime"])
def test_commands_open_no_socket_and_write_only_their_outputs(backend: str, clip: Path, tmp_path: Path) -> None:
    lines = [
        f"info --backend {backend}",
        "doctor",
        f"encode {clip} -o a.fw --backend {backend}",
        f"decode a.fw -o a.mkv --backend {backend}",
        f"loopback {clip} -o b.mkv --json b.json --no-landmarks --backend {backend}",
    ]
    wait = "; import atexit, time; atexit.register(time.sleep, 2)"  # reports are sent a little later
    for line in lines:
        program = COMMAND.replace("; sys", wait + "; sys", 1) if line.startswith("loopback") else COMMAND
        done = guarded(program, tmp_path, *line.split())
        assert done.returncode == 0, f"{line}: {done.stderr}"
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"work/a.fw", "work/a.mkv", "work/b.mkv", "work/b.json"}


def test_closed_pipe_is_quiet_and_full_disk_is_one_line() -> None:
    leaving = subprocess.Popen(command("info"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert leaving.stdout is not None
    assert leaving.stderr is not None
    leaving.stdout.close()
    with leaving.stderr:
        assert (leaving.stderr.read(), leaving.wait(20)) == ("", 0)
    with open("/dev/full", "w") as full:
        done = subprocess.run(command("info"), stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_closed_or_narrow_output_loses_no_work(clip: Path, tmp_path: Path) -> None:
    named = tmp_path / "Grüße – 你好.mp4"
    named.write_bytes(clip.read_bytes())
    run = [*command("encode", named, "-o", tmp_path / "a.fw")]
    closed = subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *run])
    assert closed.returncode == 0
    assert main(["decode", str(tmp_path / "a.fw"), "-o", str(tmp_path / "a.mkv")]) == 0
    for encoding in ("ascii", "latin-1"):
        environment = os.environ | {"PYTHONIOENCODING": encoding}
        text = subprocess.run(command("loopback", named, *QUICK), capture_output=True, env=environment)
        assert (text.returncode, text.stderr) == (0, b"")
        report = subprocess.run(
            command("encode", named, "-o", tmp_path / "b.fw", "--json"), capture_output=True, env=environment
        )
        assert json.loads(report.stdout.decode(encoding))["frames"] == 12


@pytest.mark.parametrize(
    ("kind", "environment"),
    [
        ("empty", {}),
        ("plain C locale", {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}),
        ("narrow terminal", {"COLUMNS": "20", "TERM": "dumb", "NO_COLOR": "1"}),
        ("home that is not there", {"HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent"}),
    ],
)
def test_command_needs_nothing_of_its_environment(kind: str, environment: dict[str, str]) -> None:
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    done = subprocess.run(command("info"), capture_output=True, env=kept | environment)
    assert (done.returncode, done.stderr) == (0, b""), kind
    assert b"facewire" in done.stdout


def test_folder_that_is_gone_matters_only_for_names_in_it(clip: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    out = tmp_path / "a.fw"
    into = ["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(gone)]
    done = subprocess.run([*into, *command("encode", clip, "-o", out, "--sources", 1)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert out.stat().st_size > 1000
