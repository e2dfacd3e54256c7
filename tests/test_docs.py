"""The documents are about the tree as it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import facewire

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def test_the_reading_order_names_every_module() -> None:
    text = (ROOT / "docs/structure.md").read_text("utf-8")
    order = text[text.index("## Inside a folder") : text.index("## Where to change what")]
    for folder, cell in re.findall(r"^\| `([\w/]+)/` \| (.*) \|$", order, re.MULTILINE):
        named = {name for name in re.findall(r"`(\w+)`", cell)}
        modules = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__", "__main__"}
        assert named == modules, folder


def test_the_table_of_changes_names_files_that_exist() -> None:
    text = (ROOT / "docs/structure.md").read_text("utf-8")
    paths = re.findall(r"`((?:\w+/)+\w+(?:\.\w+)+)`", text[text.index("## Where to change what") :])
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_links_lead_somewhere() -> None:
    broken = []
    for document in [*DOCUMENTS, *ROOT.glob("*/README.md"), *ROOT.glob("models/weights/*/*.md")]:
        for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", document.read_text("utf-8")):
            target = (document.parent / link).resolve() if link else document
            if not target.exists() or (anchor and anchor not in _anchors(target)):
                broken.append(f"{document.relative_to(ROOT)}: {link}#{anchor}")
    assert broken == []


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_api_pages_name_what_exists() -> None:
    """So that a renamed module fails here, and not only when the site is built."""
    pages = "".join(page.read_text("utf-8") for page in (ROOT / "docs/site/pages/api").iterdir())
    names = re.findall(r"^::: facewire\.(\S+)", pages, re.MULTILINE)
    modules = [name for name in names if name not in facewire.__all__]
    assert {name for name in names if name in facewire.__all__} == set(facewire.__all__) - {"__version__"}
    assert [name for name in modules if not (ROOT / f"{name.replace('.', '/')}.py").is_file()] == []


def test_pages_of_the_site_link_to_nothing_that_the_site_lacks() -> None:
    """So that such a link fails here, and not only when the site is built."""
    hooks = ast.parse((ROOT / "docs/site/hooks.py").read_text("utf-8"))
    patterns = next(
        ast.literal_eval(node.value)
        for node in hooks.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTS"
    )
    pages = {path.resolve() for pattern in patterns for path in ROOT.glob(pattern)}
    missing = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in sorted(pages)
        if page.suffix == ".md"
        for link in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if (page.parent / link).resolve() not in pages
    ]
    assert missing == []


def test_every_document_is_in_the_navigation_of_the_site() -> None:
    navigation = (ROOT / "docs/site/mkdocs.yml").read_text("utf-8")
    documents = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
    assert [name for name in documents if f": {name}\n" not in navigation] == []
