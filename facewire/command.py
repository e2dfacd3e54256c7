"""`facewire info`: what is in use on this machine."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from facewire import __version__
from facewire.arguments import Command, add_json, add_networks, installed
from facewire.errors import WeightsError
from facewire.terminal import write_json


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


COMMANDS = (Command("info", "version, backends and weights", add_info_arguments, info),)
