"""Which folder may import which: the layers of docs/structure.md as a table, and the imports that break them.

The graph is read from the source by grimp; imports inside functions and under `TYPE_CHECKING` count like any other.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp

PACKAGE = "facewire"
ANYTHING = "*"
MAY_IMPORT = {
    # lowest first
    "errors": "",
    "workers": "errors",
    "files": "errors",
    "samples": "errors",
    "source_picture": "errors",
    "video": "errors files",
    "one_browser": "errors",
    "signaling": "errors",
    "codec": "errors",
    "models": "errors codec.motion",
    "arguments": "errors files codec models.config",
    "terminal": "files",
    "coding": "errors codec models.bundle",
    "sender": "errors files video source_picture coding codec models.backend_types models.backends "
    "models.bundle models.face_points models.runtime",
    "receiver": "errors files video source_picture coding codec models.runtime",
    "call": "errors files samples source_picture one_browser facewire sender receiver signaling codec models.bundle models.runtime",
    "browser": "errors one_browser codec models.bundle",
    "gateway": "errors call signaling models.bundle models.runtime models.shared",
    "metrics": "errors files models",
    "benchmark": "errors terminal files workers samples video coding codec models sender receiver metrics",
    "training": "errors files workers source_picture coding codec models sender receiver metrics",
    "parser": "facewire arguments",
    "settings": "errors arguments parser",
    # highest
    "command": "facewire errors arguments terminal parser doctor models",
    "doctor": ANYTHING,
    "cli": ANYTHING,
    "__main__": "cli",
    "facewire": "errors codec models.runtime sender.encoder receiver.decoder",
}
"""A folder or module of `facewire/`, and what of `facewire` its modules may import besides their own neighbours: folders, or
single modules of a folder. `facewire` is `facewire/__init__.py`. What nothing names here (benchmark, training, cli) is
imported by the command line alone."""

COMMANDS_MAY_IMPORT = "arguments terminal"
"""What a folder's `command` module, which only `cli` imports, may import besides."""

EXCUSED: dict[tuple[str, str], str] = {}
"""Imports that still break a rule, and when and why that is going to end. Importer and imported, without `facewire.`."""

CYCLES_EXCUSED: dict[tuple[str, str], str] = {}
"""Imports that still close a cycle, as in EXCUSED."""

Graph = dict[str, set[str]]
"""Every module of the package and the modules of the package that it imports, all without the leading `facewire.`."""


def _short(module: str) -> str:
    return module.removeprefix(f"{PACKAGE}.")


def import_graph() -> Graph:
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    return {
        _short(module): {_short(found) for found in graph.find_modules_directly_imported_by(module)}
        for module in sorted(graph.modules)
    }


def folder(module: str) -> str:
    return module.partition(".")[0]


def may_import(importer: str, imported: str) -> bool:
    """Whether the tables allow it."""
    if imported.endswith(".command"):
        return importer == "cli"
    if folder(importer) == folder(imported):
        return True
    allowed = MAY_IMPORT.get(folder(importer), "").split()
    if importer.endswith(".command"):
        allowed += COMMANDS_MAY_IMPORT.split()
    return ANYTHING in allowed or any(imported == name or imported.startswith(f"{name}.") for name in allowed)


def broken(graph: Graph) -> set[tuple[str, str]]:
    """The imports that the table does not allow."""
    return {(a, b) for a, imported in graph.items() for b in imported if not may_import(a, b)}


def cycle(graph: Graph) -> list[str]:
    """Modules that import each other in a circle, first and last the same; empty if there are none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found[::-1]
    return []
