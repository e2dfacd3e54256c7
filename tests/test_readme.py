"""What the README and the examples show works as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


def _run(*arguments: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_has_a_snippet() -> None:
    assert SNIPPETS


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_readme_snippets_run(snippet: str, tmp_path: Path) -> None:
    assert _run("-c", snippet, folder=tmp_path).strip()


def test_a_clip_goes_through_the_codec(carphone: Path, tmp_path: Path) -> None:
    out = _run(str(ROOT / "examples/encode_decode.py"), str(carphone), str(tmp_path / "out.mkv"), folder=tmp_path)
    assert "120 frames" in out
    assert (tmp_path / "out.mkv").stat().st_size > 100_000


def test_numpy_pictures_survive_a_lossy_link(tmp_path: Path) -> None:
    out = _run(str(ROOT / "examples/numpy_loop.py"), "40", folder=tmp_path)
    drawn = int(re.search(r"(\d+) of 40 frames drawn", out)[1])  # type: ignore[index]
    assert drawn > 35
