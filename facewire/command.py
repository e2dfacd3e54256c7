"""`facewire info`, `doctor` and `completion`: about facewire itself, on this machine."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from facewire import __version__
from facewire.arguments import Command, add_json, add_networks, add_weights, installed
from facewire.errors import WeightsError
from facewire.parser import build_parser
from facewire.terminal import write_json

if TYPE_CHECKING:
    from facewire.doctor import Finding

DOCTOR_EXAMPLES = """\
examples:
  facewire doctor                     a line for everything, and below what is missing the command that gets it
  facewire doctor --json              the same for programs

It changes nothing, opens no device and ends with exit code 0 whatever it finds.
"""

FILES = ("CLIP", "VIDEO", "PICTURE", "FILE", "SOUND", "SINK")
"""Words of `arguments.METAVARS` for values that can be the name of a file."""

COMPLETION_EXAMPLES = """\
examples:
  facewire completion bash > ~/.local/share/bash-completion/completions/facewire
  facewire completion zsh > ~/.zfunc/_facewire          with fpath+=~/.zfunc before compinit in ~/.zshrc
  facewire completion tcsh > ~/.facewire.csh            with source ~/.facewire.csh in ~/.tcshrc
"""


def add_info_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    add_networks(parser)


def info(options: argparse.Namespace) -> None:
    from facewire.models.bundle import load_bundle

    bundle = load_bundle(options.weights)
    values: dict[str, Any] = {
        "facewire": __version__,
        "python": sys.version.split()[0],
        **_backend(options.backend),
        "processors": os.cpu_count(),
        "onnxruntime": _version("onnxruntime"),
        "openvino": _version("openvino"),
        "av": _version("av"),
        "opencv": _version("opencv-python"),
        "rich": _version("rich"),
        "weights": bundle.name,
        "weights_hash": bundle.hash.hex(),
        "picture_size": bundle.picture_size,
        "expression_size": bundle.expression_size,
        "training": installed("torch"),
    }
    if not write_json(options.json, values):
        for name, value in values.items():
            print(f"{name:16} {', '.join(value) if isinstance(value, list) else value}")


def _backend(name: str) -> dict[str, str]:
    """What runs the networks; where nothing is installed that could, the command that mends it."""
    from facewire.models.backends import advice, backend

    try:
        chosen = backend(name)
    except WeightsError as error:
        return {"backend": "none", "precision": "none", "chosen": "nothing else is here", "faster with": str(error)}
    return {
        "backend": f"{chosen.name} on {chosen.device}",
        "precision": chosen.precision,
        "chosen": "by --backend" if name != "auto" else chosen.why,
        "faster with": advice(chosen) or "nothing known",
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def add_doctor_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    add_weights(parser)


def doctor(options: argparse.Namespace) -> None:
    from facewire.doctor import examine

    findings = examine(options.commands, options.weights)
    if not write_json(options.json, {"findings": [asdict(finding) for finding in findings]}):
        for finding in findings:
            print(_line(finding))


def _line(finding: Finding) -> str:
    line = f"{finding.state:8} {finding.subject:20} {finding.detail}"
    return f"{line}\n{'':30}-> {finding.remedy}" if finding.remedy else line


def add_completion_arguments(parser: argparse.ArgumentParser) -> None:
    import shtab

    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="whose script is printed")


def completion(options: argparse.Namespace) -> None:
    import shtab

    parser, parsers = build_parser(options.commands)
    for own in parsers.values():
        for action in own._actions:
            if action.metavar == "FOLDER":
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
            elif action.metavar in FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, options.shell))


COMMANDS = (
    Command("info", "version, backends and weights", add_info_arguments, info),
    Command(
        "doctor",
        "what is installed, what is missing, and how to get it",
        add_doctor_arguments,
        doctor,
        DOCTOR_EXAMPLES,
        reads_settings=False,
    ),
    Command(
        "completion",
        "a script that lets a shell complete commands and options",
        add_completion_arguments,
        completion,
        COMPLETION_EXAMPLES,
        reads_settings=False,
    ),
)
