"""Defaults from the user's file: below the command line and the environment, above what is built in, and checked."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from facewire.arguments import Command, add_json, count
from facewire.cli import COMMANDS, main
from facewire.errors import InputError
from facewire.parser import build_parser
from facewire.settings import VARIABLE, read_settings, settings_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("room")
    parser.add_argument("--name", default="nobody")
    parser.add_argument("--server", default=None)
    parser.add_argument("--max-kbps", type=float, default=None)
    parser.add_argument("--frames", type=count, default=5)
    parser.add_argument("--loop", action="store_true")
    parser.add_argument("--ice", action="append", default=[])
    parser.add_argument("--preset", choices=("high", "low"), default="high")
    parser.add_argument("--out", type=Path, required=True)
    add_json(parser)


TALK = Command("talk", "a command", add_arguments, print, environment={"server": "TEST_SERVER"})
SING = Command("sing", "another", lambda parser: None, print)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    monkeypatch.setenv(VARIABLE, str(path))
    monkeypatch.delenv("TEST_SERVER", raising=False)
    return path


def parse(*arguments: str) -> dict[str, Any]:
    """The options of `talk` with the file's defaults."""
    commands = (TALK, SING)
    parser, parsers = build_parser(commands, "talk")
    read_settings().apply(TALK, parsers["talk"], commands)
    return vars(parser.parse_args(["talk", "kitchen", *arguments]))


def test_values_of_the_file_become_what_the_command_line_would_give(file: Path) -> None:
    file.write_text("""
[talk]
name = "Ada"
max_kbps = 40
frames = 7
loop = true
ice = ["stun:a", "stun:b"]
out = "~/talk.mkv"
""")
    options = parse()
    assert (options["name"], options["max_kbps"], options["frames"], options["loop"]) == ("Ada", 40.0, 7, True)
    assert options["ice"] == ["stun:a", "stun:b"]
    assert options["out"] == Path.home() / "talk.mkv"  # and --out is not required any more
    assert options["preset"] == "high"


def test_command_line_beats_environment_beats_file_beats_default(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[talk]\nserver = "ws://file"\nout = "a"\nice = ["stun:a"]')
    assert parse()["server"] == "ws://file"
    monkeypatch.setenv("TEST_SERVER", "ws://environment")
    assert parse()["server"] is None  # the command itself reads the variable
    assert parse("--server", "ws://line")["server"] == "ws://line"
    assert parse("--ice", "stun:b")["ice"] == ["stun:a", "stun:b"]


def test_section_all_is_for_every_command_that_has_the_option(file: Path) -> None:
    file.write_text('[all]\nname = "Ada"\nout = "a"\n[talk]\nname = "Grace"')
    assert parse()["name"] == "Grace"
    commands = (TALK, SING)
    _, parsers = build_parser(commands, "sing")
    assert read_settings().apply(SING, parsers["sing"], commands) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[talk]\nnam = "Ada"', "[talk] has no option nam; did you mean name?"),
        ('[tlak]\nname = "Ada"', "no command [tlak]; did you mean talk?"),
        ('[all]\nnaem = "Ada"', "[all] has no option naem; did you mean name?"),
        ('[talk]\nroom = "kitchen"', "[talk] has no option room"),
        ("[talk]\nverbose = true", "[talk] has no option verbose"),
        ('name = "Ada"', "name stands outside a section"),
        ("[talk]\nframes = 0", "frames = 0: at least 1"),
        ('[talk]\nmax-kbps = "much"', "max-kbps = 'much': not a value of this option"),
        ("[talk]\nloop = 1", "loop = 1: true or false"),
        ("[talk]\nname = true", "a text or a number is needed"),
        ('[talk]\nice = "stun:a"', "a list is needed"),
        ('[talk]\npreset = "hgih"', "preset = 'hgih': did you mean high?"),
        ("[talk", "not TOML"),
    ],
)
def test_mistakes_name_file_key_and_near_match(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    with pytest.raises(InputError) as error:
        parse("--out", "a")
    assert str(error.value).startswith(f"{file}: ")
    assert words in str(error.value)


def test_a_named_file_must_exist_and_the_usual_one_need_not(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=VARIABLE):
        read_settings()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(platformdirs, "user_config_path", lambda _name: tmp_path / "nowhere")
    assert settings_path() == tmp_path / "nowhere" / "config.toml"
    assert read_settings().sections == {}


def test_a_mistake_in_the_file_is_one_line_and_help_still_works(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("[call]\nmax-kpbs = 40")
    assert main(["call", "kitchen"]) == 2
    assert capsys.readouterr().err == f"facewire: {file}: [call] has no option max-kpbs; did you mean max-kbps?\n"
    with pytest.raises(SystemExit) as stop:
        main(["call", "--help"])
    assert stop.value.code == 0


def test_an_invitation_link_overrides_the_server_of_the_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('[call]\nserver = "ws://127.0.0.1:9"\ntoken = "of the file"')
    assert main(["call", "ws://127.0.0.1:9#a room", "--out", "none", "--video", "none"]) == 2
    assert "a room" in capsys.readouterr().err  # the room's name is wrong; the server was no mistake


def test_every_command_takes_defaults_for_its_own_options(file: Path) -> None:
    file.write_text('[all]\nbackend = "onnxruntime"')
    for command in COMMANDS:
        _, parsers = build_parser(COMMANDS, command.name)
        given = read_settings().apply(command, parsers[command.name], COMMANDS)
        assert given in ({}, {"backend": "onnxruntime"})
