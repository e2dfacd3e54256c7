"""Defaults for options, from a TOML file of the user's: one section a command, and `[all]` for those that several commands have.

Read by `cli` before the command line is parsed, so that a command's option, its environment variable, this file and the built-in
default count in that order. docs/configuration.md describes the file.
"""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from facewire.arguments import Command, did_you_mean
from facewire.errors import InputError, reason
from facewire.parser import Parser, build_parser

VARIABLE = "FACEWIRE_CONFIG"
EVERY_COMMAND = "all"
NOT_IN_FILE = ("help", "version", "verbose", "quiet")


@dataclass(frozen=True)
class Settings:
    """What the file says. path: where it is or would be."""

    path: Path
    sections: Mapping[str, Mapping[str, Any]]
    """Options by their long names, by command."""

    def apply(self, command: Command, parser: Parser, commands: Sequence[Command]) -> dict[str, Any]:
        """Makes the file's values the defaults of a command's parser; returns them by the attribute that holds them.

        commands: all commands. InputError for a section or key that does not exist and for a value that cannot be.
        """
        names = [one.name for one in commands]
        for section in self.sections:
            if section not in (*names, EVERY_COMMAND):
                raise self._error(f"no command [{section}]{did_you_mean(section, (*names, EVERY_COMMAND))}")
        actions = _options(parser)
        values = dict(self._shared(actions, commands))
        for key, value in self.sections.get(command.name, {}).items():
            if (name := key.replace("_", "-")) not in actions:
                raise self._error(f"[{command.name}] has no option {key}{did_you_mean(name, actions)}")
            values[name] = value
        given = {}
        for name, value in values.items():
            if os.environ.get(command.environment.get(name, "")):
                continue
            action = actions[name]
            given[action.dest] = self._convert(f"{name} = {value!r}", action, value)
            action.required = False
        parser.set_defaults(**given)
        return given

    def _shared(self, actions: Mapping[str, argparse.Action], commands: Sequence[Command]) -> dict[str, Any]:
        """What `[all]` says about this command."""
        shared = {key.replace("_", "-"): value for key, value in self.sections.get(EVERY_COMMAND, {}).items()}
        if not shared.keys() <= actions.keys():
            _, parsers = build_parser(commands)
            known = {name for parser in parsers.values() for name in _options(parser)}
            for name in shared:
                if name not in known:
                    raise self._error(f"[{EVERY_COMMAND}] has no option {name}{did_you_mean(name, known)}")
        return {name: value for name, value in shared.items() if name in actions}

    def _convert(self, what: str, action: argparse.Action, value: Any) -> Any:
        """A value of the file as the command line would have given it. what: for errors."""
        if isinstance(action, argparse._StoreTrueAction):
            if not isinstance(value, bool):
                raise self._error(f"{what}: true or false")
            return value
        if isinstance(action, argparse._AppendAction) or action.nargs in ("*", "+"):
            if not isinstance(value, list):
                raise self._error(f"{what}: a list is needed")
            return [self._convert_one(what, action, one) for one in value]
        return self._convert_one(what, action, value)

    def _convert_one(self, what: str, action: argparse.Action, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._error(f"{what}: a text or a number is needed")
        text = str(value)
        if action.type is Path:
            return Path(text).expanduser()
        try:
            converted = action.type(text) if callable(action.type) else text
        except argparse.ArgumentTypeError as error:
            raise self._error(f"{what}: {error}") from None
        except (TypeError, ValueError):
            raise self._error(f"{what}: not a value of this option") from None
        if action.choices is not None and converted not in action.choices:
            choices = [str(choice) for choice in action.choices]
            raise self._error(f"{what}: {did_you_mean(text, choices)[2:] or 'one of ' + ', '.join(choices)}")
        return converted

    def _error(self, text: str) -> InputError:
        return InputError(f"{self.path}: {text}")


def settings_path() -> Path:
    """The file: $FACEWIRE_CONFIG, or config.toml where this system keeps a user's configuration."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else platformdirs.user_config_path("facewire") / "config.toml"


def read_settings() -> Settings:
    """The user's file, empty where there is none; InputError for one that is not TOML or, if named by the variable, not there."""
    path = settings_path()
    try:
        text = path.read_text(encoding="utf-8")
        sections = tomllib.loads(text)
    except FileNotFoundError as error:
        if os.environ.get(VARIABLE):
            raise InputError(f"{path}: no such file (named by {VARIABLE})") from error
        return Settings(path, {})
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML ({reason(error)})") from error
    for name, section in sections.items():
        if not isinstance(section, dict):
            raise InputError(f"{path}: {name} stands outside a section such as [call] or [{EVERY_COMMAND}]")
    return Settings(path, sections)


def _options(parser: Parser) -> dict[str, argparse.Action]:
    """The options that a file may set, by long name."""
    return {
        name.removeprefix("--"): action
        for action in parser._actions
        for name in action.option_strings
        if name.startswith("--") and action.dest not in NOT_IN_FILE
    }
