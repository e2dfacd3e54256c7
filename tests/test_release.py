"""What a release promises: one version, a changelog that agrees with the code, a README for readers outside the repository."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml

import facewire
from facewire.call.messages import PROTOCOL_VERSION
from facewire.call.page_messages import PAGE_VERSION
from facewire.codec.entropy import _MAGIC as TABLES_MAGIC
from facewire.codec.packets import PACKET_VERSION
from facewire.codec.source import SOURCE_VERSION
from facewire.codec.stream import STREAM_VERSION
from facewire.models.bundle import FORMAT
from facewire.signaling.messages import VERSION as SIGNALING_VERSION

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
README = (ROOT / "README.md").read_text("utf-8")
SCHEMAS = files("check_jsonschema") / "builtin_schemas/vendor"
outside = runpy.run_path(str(ROOT / "setup.py"))["outside"]


def test_the_version_is_in_one_place() -> None:
    assert "version" not in PROJECT
    for folder in ("call/web", "browser"):
        assert "version" not in json.loads((ROOT / folder / "package.json").read_text("utf-8"))
    assert re.fullmatch(r"\d+\.\d+\.\d+", facewire.__version__)


def test_the_changelog_has_the_versions_of_the_code() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    rows = re.findall(r"^\| ([^|]+?) +\| ([\d.]+) +\|$", text, re.MULTILINE)
    assert dict(rows) == {
        "package": facewire.__version__,
        "motion packet": str(PACKET_VERSION),
        "source message": str(SOURCE_VERSION),
        "`.fw` file": str(STREAM_VERSION),
        "entropy tables": TABLES_MAGIC.decode().removeprefix("FWT"),
        "weight bundle": str(FORMAT),
        "call protocol": str(PROTOCOL_VERSION),
        "signaling protocol": str(SIGNALING_VERSION),
        "page protocol": str(PAGE_VERSION),
    }
    assert f"## {facewire.__version__}" in text


def test_the_package_index_shows_no_link_into_the_repository() -> None:
    for address in (None, "https://example.org/facewire"):
        shown = outside(README, address)
        assert len(shown) > 0.9 * len(README)
        assert re.findall(r"\]\((?!https?://|#)[^)]*\)", shown) == []
    assert "![A public-domain portrait" not in outside(README, None)
    assert "https://example.org/facewire/raw/HEAD/docs/images/portrait.jpg" in shown
    assert "https://example.org/facewire/blob/HEAD/docs/call.md" in shown


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").iterdir()), ids=lambda path: path.name)
def test_workflows_follow_their_schema(path: Path) -> None:
    schema = json.loads((SCHEMAS / "github-workflows.json").read_text("utf-8"))
    workflow = yaml.safe_load(path.read_text("utf-8"))
    workflow["on"] = workflow.pop(True)  # YAML 1.1 reads `on` as true
    jsonschema.validate(workflow, schema)


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[bf]*.yml")), ids=lambda path: path.name
)
def test_issue_forms_follow_their_schema(path: Path) -> None:
    schema = json.loads((SCHEMAS / "github-issue-forms.json").read_text("utf-8"))
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), schema)
