"""The command line explains itself: fast help, one word for one thing, near matches, quiet and verbose."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from facewire.arguments import METAVARS, Command, Need
from facewire.cli import COMMANDS, main
from facewire.errors import InputError
from facewire.parser import build_parser
from facewire.terminal import logging_to_stderr

HEAVY = ("numpy", "aiohttp", "asyncio", "rich", "cv2", "av", "torch", "aiortc", "onnxruntime", "openvino")
NAMES = [command.name for command in COMMANDS]


def imported_by(*arguments: str) -> set[str]:
    """The heavy modules that a run of the command leaves imported."""
    program = f"""
import sys
from facewire.cli import main
try:
    main({list(arguments)!r})
except SystemExit as stop:
    assert stop.code == 0, stop.code
print(*(set({HEAVY!r}) & sys.modules.keys()), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_imports_nothing_heavy() -> None:
    assert imported_by("--help") == set()


@pytest.mark.parametrize("name", NAMES)
def test_help_of_a_command_imports_no_more_than_the_choices_it_lists(name: str) -> None:
    assert imported_by(name, "--help") <= {"numpy"}


def test_every_value_has_a_word_of_the_table() -> None:
    _, parsers = build_parser(COMMANDS)
    for name, parser in parsers.items():
        for action in parser._actions:
            takes_value = action.nargs != 0 and not isinstance(action, argparse._HelpAction)
            if takes_value and action.choices is None:
                assert action.metavar in METAVARS, f"{name} {action.dest}"


def test_every_option_is_explained() -> None:
    _, parsers = build_parser(COMMANDS)
    for name, parser in parsers.items():
        for action in parser._actions:
            assert action.help, f"{name} {action.dest}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lopback"], "no command 'lopback'; did you mean loopback?"),
        (["xyzzy"], "no command 'xyzzy'; one of call, "),
        (["loopback", "talk.mp4", "--portrat", "me.jpg"], "unknown argument --portrat; did you mean --portrait?"),
        (["loopback", "talk.mp4", "--xyzzy"], "unknown argument --xyzzy; see facewire loopback --help"),
        (["loopback", "talk.mp4", "--preset", "lwest"], "not a choice: 'lwest'; did you mean lowest?"),
        (["loopback", "talk.mp4", "--backend", "tpu"], "one of auto, openvino, onnxruntime, torch"),
        ([], "required: COMMAND"),
    ],
)
def test_wrong_words_get_the_nearest_right_one(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_needs_are_checked_for_the_options_that_have_them() -> None:
    command = Command(
        "serve",
        "a command",
        lambda parser: None,
        print,
        needs=(Need("server", ("json",)), Need("server", ("no_such_module",), lambda options: bool(options.redis))),
    )
    command.check_needs(argparse.Namespace(redis=None))
    with pytest.raises(InputError, match=r"serve needs no_such_module: pip install 'facewire\[server\]'"):
        command.check_needs(argparse.Namespace(redis="redis://127.0.0.1"))


@pytest.mark.parametrize(
    ("verbose", "quiet", "expected"),
    [
        (0, False, "facewire: warning\nfacewire: error\n"),
        (0, True, "facewire: error\n"),
        (1, False, "facewire.test: info\nfacewire.test: warning\nfacewire.test: error\n"),
    ],
)
def test_logs_go_to_standard_error_as_loud_as_wanted(
    verbose: int, quiet: bool, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("facewire.test")
    with logging_to_stderr(verbose=verbose, quiet=quiet):
        log.debug("debug")
        log.info("info")
        log.warning("warning")
        log.error("error")
    assert capsys.readouterr().err == expected
    assert logging.getLogger("facewire").handlers == []


def test_quiet_leaves_the_notes_out(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["loopback", str(clip), "--max-frames", "2", "--no-x264", "--portrait", str(clip)]
    assert main(["encode", str(clip), "-o", str(tmp_path / "a.fw"), "--max-frames", "2", "-q"]) == 0
    captured = capsys.readouterr()
    assert "note:" not in captured.out
    assert captured.err == ""
    assert main([*arguments, "-q"]) == 2
    assert capsys.readouterr().err.startswith("facewire: ")  # errors are said all the same


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_is_a_script_that_knows_commands_options_and_choices(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in (*NAMES, "max-kbps", "lowest", "openvino"):
        assert word in script
    if (program := shutil.which(shell)) is not None:
        file = tmp_path / "script"
        file.write_text(script)
        subprocess.run([program, "-n", str(file)], check=True)


def test_bash_completes_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    assert main(["completion", "bash"]) == 0
    script = (
        capsys.readouterr().out
        + '\nCOMP_WORDS=(facewire call --relay); COMP_CWORD=2\n_shtab_facewire\necho "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["--relay-only"]


WITHOUT = """
import importlib.util, sys
hidden = set(sys.argv[1].split(","))
for name in hidden:
    sys.modules[name] = None  # importing it fails
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name.split(".")[0] in hidden else find(name, *rest)
from facewire.cli import main
sys.exit(main(sys.argv[2:]))
"""


def run_without(packages: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, packages, *arguments], capture_output=True, text=True, timeout=120
    )


def test_info_prints_without_any_backend() -> None:
    done = run_without("onnxruntime,openvino,torch", "info", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    values = json.loads(done.stdout)
    assert values["backend"] == "none"
    assert "pip install 'facewire[openvino]'" in values["faster with"]


def test_doctor_names_what_is_missing_and_the_command_that_mends_it() -> None:
    hidden = "onnxruntime,openvino,mediapipe,sounddevice,stlpips_pytorch"
    done = run_without(hidden, "doctor", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)["findings"]}
    for subject, remedy in (
        ("backend", "pip install 'facewire[openvino]'"),
        ("sound", "pip install 'facewire[sound]'"),
        ("face mesh", "mediapipe==0.10.21"),
        ("figures", "pip install 'facewire[metrics]'"),
    ):
        assert findings[subject]["state"] == "missing"
        assert remedy in findings[subject]["remedy"]
    assert findings["figures"]["detail"] == "ST-LPIPS is not measured by evaluate and bench"
    assert findings["weights"]["state"] == "ok"


@pytest.mark.parametrize("hidden", ["numpy", "cv2,av,rich,sounddevice", "aiohttp,aiortc,uvloop"])
def test_doctor_never_fails(hidden: str) -> None:
    done = run_without(hidden, "doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert "python" in done.stdout


def test_doctor_reports_a_broken_configuration_and_broken_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[serve]\nprot = 80")
    monkeypatch.setenv("FACEWIRE_CONFIG", str(file))
    assert main(["doctor", "--json", "--weights", str(tmp_path)]) == 0
    findings = {finding["subject"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert f"{file}: [serve] has no option prot; did you mean port?" in findings["configuration"]["detail"]
    assert findings["weights"]["state"] == "unknown"
