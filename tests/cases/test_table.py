"""The table of README.md beside this names tests that exist, each kind once, and every test of this folder."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROW = re.compile(
    r"\| (?P<kind>[^|]+) \| (?P<right>[^|]+) \| `(?P<file>[\w/]+\.py)::(?P<test>\w+)(?:\[(?P<case>[^`]+)\])?` \|"
)


def rows() -> Iterator[re.Match[str]]:
    for line in Path(__file__).with_name("README.md").read_text(encoding="utf-8").splitlines():
        if "`" in line and line.startswith("|"):
            row = ROW.fullmatch(line)
            assert row is not None, line
            yield row


@cache
def module(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> set[str]:
    found = [node for node in module(path).body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return {node.name for node in found if node.name.startswith("test_")}


def test_every_test_of_the_table_exists() -> None:
    for row in rows():
        path = TESTS / row["file"]
        assert path.is_file(), row[0]
        assert row["test"] in functions(path), row[0]
        if row["case"] is not None:
            texts = {node.value for node in ast.walk(module(path)) if isinstance(node, ast.Constant)}
            assert row["case"] in texts, row[0]


def test_every_kind_has_a_test_of_its_own() -> None:
    named = [(row["file"], row["test"], row["case"]) for row in rows()]
    assert len(named) == len(set(named))
    whole = {(file, test) for file, test, case in named if case is None}
    assert not [(file, test) for file, test, case in named if case is not None and (file, test) in whole]
    assert len(named) >= 121  # as many were tried at first


def test_every_test_of_this_folder_is_in_the_table() -> None:
    named = {(row["file"], row["test"]) for row in rows()}
    here = Path(__file__).parent
    files = [path for path in here.glob("test_*.py") if path != Path(__file__)]
    assert {(f"cases/{path.name}", test) for path in files for test in functions(path)} <= named
