"""The page's files without a browser: words and addresses in them; types and a linter where node and what `npm ci` installs are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from facewire.call.page_server import WEB_FOLDER


@pytest.mark.parametrize("script", ["types", "lint"])
def test_types_and_linter_find_nothing(script: str) -> None:
    npm = shutil.which("npm")
    folder = Path(WEB_FOLDER).resolve()
    if npm is None or not (folder / "node_modules").is_dir():
        pytest.skip(f"needs node and `npm ci` in {folder}")
    done = subprocess.run([npm, "run", "--silent", script], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_word_of_the_page_is_in_the_texts() -> None:
    page = (Path(WEB_FOLDER) / "index.html").read_text(encoding="utf-8")
    body = page[page.index("<body") :]
    body = re.sub(r"<!--.*?-->|<noscript>.*?</noscript>", "", body, flags=re.S)
    words = [text.strip() for text in re.findall(r">([^<]*)<", body) if text.strip()]
    assert words == []
    assert not re.search(r"\s(style|on\w+)=", body), "the page's rules allow no inline style or script"


def test_nothing_comes_from_elsewhere() -> None:
    for file in Path(WEB_FOLDER).iterdir():
        if file.suffix in (".html", ".css", ".js", ".svg"):
            for address in re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", file.read_text(encoding="utf-8")):
                assert address.startswith("http://www.w3.org/"), f"{file.name} names {address}"
