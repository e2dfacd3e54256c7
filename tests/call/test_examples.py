"""The examples run as they stand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("headless_call.py", "bob saw ada"),
        ("embed_receiver.py", "pictures in all"),
        ("own_signaling.py", "Bob saw Ada"),
    ],
)
def test_example_runs_as_it_stands(name: str, words: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), "4"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
    assert "Traceback" not in done.stderr


def test_every_example_is_tested() -> None:
    here = Path(__file__)
    tests = here.read_text(encoding="utf-8") + (here.parents[1] / "test_readme.py").read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES.glob("*.py") if f'{path.name}"' not in tests] == []
