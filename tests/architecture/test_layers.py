"""The layers hold, and modules do not import each other in circles."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from .layers import (
    ANYTHING,
    CYCLES_EXCUSED,
    EXCUSED,
    MAY_IMPORT,
    Graph,
    broken,
    cycle,
    folder,
    import_graph,
    may_import,
)
from .picture import draw, longest, source_file


@pytest.fixture(scope="module")
def graph() -> Graph:
    return import_graph()


def test_every_folder_imports_only_what_its_layer_may(graph: Graph) -> None:
    wrong = [
        f"{a} imports {b}; {folder(a)} may import: {MAY_IMPORT[folder(a)]}" for a, b in broken(graph) - set(EXCUSED)
    ]
    assert sorted(wrong) == []


def test_modules_do_not_import_each_other_in_circles(graph: Graph) -> None:
    without = {a: {b for b in imported if (a, b) not in CYCLES_EXCUSED} for a, imported in graph.items()}
    assert " → ".join(cycle(without)) == ""


def test_every_folder_has_its_layer(graph: Graph) -> None:
    assert {folder(module) for module in graph} == set(MAY_IMPORT)


def test_the_table_allows_only_what_is_used(graph: Graph) -> None:
    used = {(folder(a), b) for a, imported in graph.items() for b in imported if folder(a) != folder(b)}
    unused = [
        f"{name} does not import {allowed}"
        for name, words in MAY_IMPORT.items()
        for allowed in words.replace(ANYTHING, "").split()
        if not any(a == name and (b == allowed or b.startswith(f"{allowed}.")) for a, b in used)
    ]
    assert unused == []


def test_an_excuse_ends_with_the_import_it_excuses(graph: Graph) -> None:
    assert set(EXCUSED) <= broken(graph)
    assert {(a, b) for a, b in CYCLES_EXCUSED if b not in graph[a]} == set()


def test_rules_are_about_whole_names() -> None:
    assert may_import("models.graphs", "codec.motion")
    assert not may_import("models.graphs", "codec.motion_of_others")
    assert not may_import("models.graphs", "codec")
    assert not may_import("sender.live", "receiver.receiver")
    assert may_import("sender.command", "arguments")
    assert not may_import("sender.live", "arguments")
    assert not may_import("sender.live", "sender.command")
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) in (list("abca"), list("bcab"), list("cabc"))


def test_the_picture_shows_every_folder_and_module(graph: Graph) -> None:
    texts = {element.text for element in ElementTree.fromstring(draw(graph)).iter("{http://www.w3.org/2000/svg}text")}
    assert set(MAY_IMPORT) <= texts
    assert {module.partition(".")[2] for module in graph if "." in module} <= texts


def test_the_longest_modules_are_listed_with_their_lines(graph: Graph) -> None:
    lengths = {module: len(source_file(module).read_text(encoding="utf-8").splitlines()) for module in graph}
    module = max(lengths, key=lambda name: lengths[name])
    assert longest(graph).splitlines()[2] == f"| `{module}` | {lengths[module]} |"
    assert source_file("codec") == Path(__file__).parents[2] / "facewire" / "codec" / "__init__.py"
