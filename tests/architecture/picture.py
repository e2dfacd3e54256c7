"""Draws the graph of imports and lists the longest modules and classes: `python -m tests.architecture.picture FOLDER`.

Writes imports.svg and longest.md. In the picture every folder of `facewire/` is a box above all that it imports, and lists its
modules in such an order that each stands above those that it imports (the arcs beside it). An arrow between boxes is as thick
as it has imports. An import that points upwards would be part of a cycle: it is drawn in red, and the exit status is 1.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from html import escape
from pathlib import Path

from .layers import Graph, cycle, folder, import_graph

ROOT = Path(__file__).parents[2]
LONGEST = 15
LINE, LETTER, PAD, GAP, ROW_GAP = 15, 6.4, 10, 70, 80
INK, FAINT, RED, BACK = "#24292f", "#8c959f", "#cf222e", "#f6f8fa"


@dataclass
class Box:
    """A folder and its modules in their order, at its place in the picture. x, y: of its top left corner."""

    name: str
    modules: list[str]
    arcs: int
    x: float = 0.0
    y: float = 0.0

    @property
    def width(self) -> float:
        return max(len(text) for text in [self.name, *map(leaf, self.modules)]) * LETTER + self.arcs + 2 * PAD

    @property
    def height(self) -> float:
        return (len(self.modules) + 1) * LINE + PAD / 2

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    def line(self, module: str) -> float:
        """The y of that module's name."""
        return self.y + (self.modules.index(module) + 2) * LINE - 1


def leaf(module: str) -> str:
    """A module's name inside its folder."""
    return module.partition(".")[2] or "__init__"


def in_order(names: Iterable[str], graph: Graph) -> list[str]:
    """Importers before what they import; of each circle one import is left out of account."""
    wanted = sorted(names)
    inside = {name: graph[name] & set(wanted) for name in wanted}
    while circle := cycle(inside):
        inside[circle[0]] = inside[circle[0]] - {circle[1]}
    return list(TopologicalSorter(inside).static_order())[::-1]


def ranks(folders: Graph) -> dict[str, int]:
    """How many steps down the longest way from each folder is."""

    @cache
    def rank(name: str) -> int:
        return 1 + max((rank(other) for other in folders[name]), default=-1)

    return {name: rank(name) for name in folders}


def between_folders(graph: Graph) -> dict[tuple[str, str], list[str]]:
    """Pairs of folders, and the imports from one to the other."""
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for module in sorted(graph):
        for other in sorted(graph[module]):
            if folder(module) != folder(other):
                pairs[folder(module), folder(other)].append(f"{module} → {other}")
    return pairs


def draw(graph: Graph) -> str:
    """The picture as SVG."""
    pairs = between_folders(graph)
    names = sorted({folder(module) for module in graph})
    folders = {name: {b for a, b in pairs if a == name} for name in names}
    upwards = cycle(folders)
    if upwards:
        raise SystemExit(f"folders import each other in a circle: {' → '.join(upwards)}")
    rows: dict[int, list[Box]] = defaultdict(list)
    for name, rank in ranks(folders).items():
        modules = in_order((module for module in graph if folder(module) == name), graph)
        rows[rank].append(Box(name, modules[len(modules) == 1 :], 46 if len(modules) > 1 else 0))
    width = max(sum(box.width + GAP for box in row) for row in rows.values()) + GAP
    y = 60.0
    for rank in sorted(rows, reverse=True):
        free = (width - sum(box.width for box in rows[rank])) / (len(rows[rank]) + 1)
        x = free
        for box in rows[rank]:
            box.x, box.y = x, y
            x += box.width + free
        y += max(box.height for box in rows[rank]) + ROW_GAP
    boxes = {box.name: box for row in rows.values() for box in row}
    arrows = _arrows(boxes, {pair: imports for pair, imports in pairs.items() if pair[1] != "errors"})
    count = sum(map(len, graph.values()))
    title = f"{len(graph)} modules, {count} imports. An arrow in red closes a cycle. All may import errors: not drawn."
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{y - ROW_GAP + GAP:.0f}" '
            f'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="10.5" fill="{INK}">',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="{GAP}" y="30" font-size="13">{escape(title)}</text>',
            *arrows,
            *(_drawn(box, graph) for box in boxes.values()),
            "</svg>",
            "",
        ]
    )


def _arrows(boxes: dict[str, Box], pairs: dict[tuple[str, str], list[str]]) -> list[str]:
    """One line for each pair of folders. The ends are spread along a box's edge, in the order of where they lead."""
    drawn = []
    for (a, b), imports in pairs.items():
        upper, lower = boxes[a], boxes[b]
        down = sorted((boxes[other].middle, other) for name, other in pairs if name == a)
        up = sorted((boxes[other].middle, other) for other, name in pairs if name == b)
        x0 = upper.x + upper.width * (1 + down.index((lower.middle, b))) / (1 + len(down))
        x1 = lower.x + lower.width * (1 + up.index((upper.middle, a))) / (1 + len(up))
        y0, y1 = upper.y + upper.height, lower.y
        bend = (y1 - y0) / 2
        drawn.append(
            f'<path d="M{x0:.0f},{y0:.0f} C{x0:.0f},{y0 + bend:.0f} {x1:.0f},{y1 - bend:.0f} {x1:.0f},{y1:.0f}" fill="none" '
            f'stroke="{FAINT}" stroke-opacity="0.6" stroke-width="{len(imports) ** 0.5:.1f}">'
            f"<title>{escape(chr(10).join(imports))}</title></path>"
        )
    return drawn


def _drawn(box: Box, graph: Graph) -> str:
    parts = [
        f'<rect x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}" rx="4" fill="{BACK}" '
        f'stroke="{FAINT}"/>',
        f'<text x="{box.x + PAD:.0f}" y="{box.y + LINE:.0f}" font-weight="bold">{box.name}</text>',
    ]
    right = box.x + box.width - box.arcs
    for module in box.modules:
        y0 = box.line(module)
        parts.append(f'<text x="{box.x + PAD:.0f}" y="{y0:.0f}">{leaf(module)}</text>')
        for other in sorted(graph[module] & set(box.modules)):
            y1 = box.line(other)
            bulge = right + min(10 + abs(y1 - y0) / 3, 1.3 * box.arcs)
            colour = FAINT if y1 > y0 else RED
            parts.append(
                f'<path d="M{right:.0f},{y0 - 4:.0f} C{bulge:.0f},{y0 - 4:.0f} {bulge:.0f},{y1 - 4:.0f} {right:.0f},{y1 - 4:.0f}" '
                f'fill="none" stroke="{colour}" stroke-opacity="0.7"><title>{module} → {other}</title></path>'
            )
    return "\n".join(parts)


def source_file(module: str) -> Path:
    """Where a module is written."""
    path = ROOT / "facewire" / ("" if module == "facewire" else module.replace(".", "/"))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def longest(graph: Graph) -> str:
    """The longest modules and classes as tables in Markdown. Lines count docstrings and comments too."""
    modules: list[tuple[int, str]] = []
    classes: list[tuple[int, int, str]] = []
    for module in graph:
        source = source_file(module).read_text(encoding="utf-8")
        modules.append((source.count("\n"), f"`{module}`"))
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                methods = sum(isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) for item in node.body)
                classes.append(((node.end_lineno or node.lineno) - node.lineno + 1, methods, f"`{module}.{node.name}`"))
    modules.sort(reverse=True)
    classes.sort(reverse=True)
    return "\n".join(
        [
            "| module | lines |\n|---|--:|",
            *(f"| {name} | {lines} |" for lines, name in modules[:LONGEST]),
            "\n| class | lines | methods |\n|---|--:|--:|",
            *(f"| {name} | {lines} | {methods} |" for lines, methods, name in classes[:LONGEST]),
            "",
        ]
    )


def main(out: Path) -> None:
    graph = import_graph()
    out.mkdir(parents=True, exist_ok=True)
    (out / "imports.svg").write_text(draw(graph), encoding="utf-8")
    (out / "longest.md").write_text(longest(graph), encoding="utf-8")
    print(f"{out / 'imports.svg'} and {out / 'longest.md'}")
    if circle := cycle(graph):
        raise SystemExit(f"modules import each other in a circle: {' → '.join(circle)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
