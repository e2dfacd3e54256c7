"""The browser's files without a browser: types, lint, addresses, what is packaged, and who imports whom."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from facewire.browser.files import FOLDER, RUNTIME_FILES, SCRIPTS

SOURCES = sorted(path for folder in ("codec", "networks", "player") for path in (FOLDER / folder).iterdir())
IMPORT = re.compile(r"^import [^;]*?\"([^\"]+)\"|\bimport\(\"([^\"]+)\"\)", re.MULTILINE)


@pytest.mark.parametrize("script", ["types", "lint"])
def test_types_and_lint_pass(script: str, runtime: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm")
    done = subprocess.run([npm, "run", "--silent", script], cwd=FOLDER, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nothing_is_loaded_from_other_hosts(path: Path) -> None:
    for address in re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", path.read_text(encoding="utf-8")):
        assert address.startswith("http://www.w3.org/")


def test_imports_lead_to_files_that_are_served_and_no_part_knows_a_later_one() -> None:
    order = ["codec", "networks", "player"]
    for path in SOURCES:
        for found in IMPORT.findall(path.read_text(encoding="utf-8")):
            name = found[0] or found[1]
            if name == "onnxruntime-web":  # types only: it is loaded from the address that the page names
                continue
            target = (path.parent / name).resolve()
            assert target.is_file(), f"{path.name}: {name}"
            assert SCRIPTS.fullmatch(target.relative_to(FOLDER.resolve()).as_posix())
            assert order.index(target.parent.name) <= order.index(path.parent.name), f"{path.name}: {name}"


def test_all_files_are_packaged() -> None:
    root = FOLDER.resolve().parent
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["facewire.browser"]
    names = [path.relative_to(FOLDER).as_posix() for path in SOURCES]
    for name in [*names, "package.json", "package-lock.json", *(f"runtime/{name}" for name in RUNTIME_FILES)]:
        assert any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns), name
    assert all(name in (root / ".ci/release").read_text(encoding="utf-8") for name in RUNTIME_FILES)


def test_the_version_of_onnxruntime_web_is_pinned_and_named_in_the_notice() -> None:
    version = json.loads((FOLDER / "package.json").read_text("utf-8"))["dependencies"]["onnxruntime-web"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    locked = json.loads((FOLDER / "package-lock.json").read_text("utf-8"))["packages"]["node_modules/onnxruntime-web"]
    assert locked["version"] == version
    assert f"onnxruntime-web {version}" in (FOLDER.resolve().parent / "NOTICE").read_text("utf-8")
