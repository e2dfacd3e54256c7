"""The codec of the browser, run in node and asked line by line."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facewire.browser.files import runtime_folder
from facewire.codec import Motion, Packing, Quantiser, SourceFrame, Tables, write_stream
from facewire.coding import Coding
from facewire.errors import InputError
from facewire.models.bundle import load_bundle
from tests.codec.conftest import head_walk, quantiser, tables

__all__ = ["head_walk", "quantiser", "tables"]  # the fixtures that the golden files were made with

PATIENCE_S = 60


class Node:
    """A program that answers questions; tests/browser/codec.mjs says which."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, ask: str, **values: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"ask": ask, **values}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def error(self, ask: str, **values: Any) -> str | None:
        """The message of the DecodeError, None if there is none."""
        answer = self(ask, **values)
        return answer["error"] if isinstance(answer, dict) and "error" in answer else None


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    program = shutil.which("node")
    if program is None:
        pytest.skip("needs node")
    process = subprocess.Popen(
        [program, str(Path(__file__).with_name("codec.mjs"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    yield Node(process)
    assert process.stdin is not None
    process.stdin.close()
    try:
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="session")
def runtime() -> Path:
    """The folder with onnxruntime-web."""
    try:
        return runtime_folder()
    except InputError:
        pytest.skip("needs onnxruntime-web: `npm ci` in browser/")


@pytest.fixture(scope="session")
def coding() -> Coding:
    """Of the weights that ship."""
    return Coding.of(load_bundle())


def shared(tables: Tables, quantiser: Quantiser) -> dict[str, str]:
    """What a question about packets takes of both ends' settings."""
    return {"tables": tables.to_bytes().hex(), "steps": quantiser.steps.astype("<f4").tobytes().hex()}


def gaps_ms(number: int) -> int:
    """How much later than at 25 frames a second a frame was taken: gaps around the longest that motion is steadied across."""
    return 79 * (number > 50) + 80 * (number > 70) + 81 * (number > 90)


def recording(coding: Coding, head_walk: np.ndarray, bundle_hash: bytes) -> bytes:
    """A file with a source frame after every forty frames; the third replaces the first."""
    encoder = coding.motion_encoder(Packing("default", 7, 0), 25)
    records: list[SourceFrame | bytes] = []
    for number, row in enumerate(head_walk):
        source = number // 40
        if number % 40 == 0:
            units = coding.quantiser.quantise(row, coding.tables.presets[0])
            canonical = np.zeros(40, np.int16)
            records.append(
                SourceFrame(bundle_hash, 256, 25.0, "avif", b"picture", canonical, units, 40 * number, source % 2)
            )
        packet = encoder.encode(Motion.from_vector(row), 40 * number + gaps_ms(number), source % 2)
        packet = encoder.flush() if packet is None and number % 40 == 39 else packet
        if packet is not None:
            records.append(packet)
            encoder.acknowledge(number)
    rest = encoder.flush()
    return write_stream(records if rest is None else [*records, rest])
