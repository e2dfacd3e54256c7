"""The page's files without a browser: their texts, their addresses and, where node is installed, types and lint."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from facewire.call.page_http import SERVED, WEB_FOLDER


@pytest.mark.parametrize("script", ["types", "lint"])
def test_types_and_lint_pass(script: str) -> None:
    npm = shutil.which("npm")
    folder = Path(WEB_FOLDER).resolve()
    if npm is None or not (folder / "node_modules").is_dir():
        pytest.skip(f"needs node and `npm ci` in {folder}")
    done = subprocess.run([npm, "run", "--silent", script], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_text_of_the_page_is_in_the_text_file() -> None:
    page = (Path(WEB_FOLDER) / "index.html").read_text(encoding="utf-8")
    body = page[page.index("<body") :]
    body = re.sub(r"<!--.*?-->|<noscript>.*?</noscript>", "", body, flags=re.S)
    words = [text.strip() for text in re.findall(r">([^<]*)<", body) if text.strip()]
    assert words == []
    assert not re.search(r"\s(style|on\w+)=", body), (
        "the page's Content-Security-Policy allows no inline style or script"
    )


def test_the_page_loads_nothing_from_other_hosts() -> None:
    for file in Path(WEB_FOLDER).iterdir():
        if file.suffix in (".html", ".css", ".js", ".svg"):
            for address in re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", file.read_text(encoding="utf-8")):
                assert address.startswith("http://www.w3.org/"), f"{file.name} names {address}"


def test_every_file_that_the_page_needs_is_served_and_packaged() -> None:
    folder = Path(WEB_FOLDER)
    needed, waiting = {"index.html"}, ["index.html"]
    while waiting:
        text = (folder / waiting.pop()).read_text(encoding="utf-8")
        for name in re.findall(r"(?:^import .*?|\bfrom )\"\./([^\"]+)\"|(?:href|src)=\"([\w.-]+)\"", text, re.M):
            found = name[0] or name[1]
            if found not in needed:
                needed.add(found)
                waiting.append(found)
    assert {"main.js", "style.css", "icon.svg", "texts.en.js", "texts.de.js"} <= needed
    project = tomllib.loads((folder.resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["facewire.call"]
    for name in needed:
        assert name == "index.html" or SERVED.fullmatch(name), f"{name} is not served"
        assert any(fnmatch.fnmatchcase(f"web/{name}", pattern) for pattern in patterns), f"{name} is not in the package"
