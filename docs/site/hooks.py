"""Hooks of mkdocs: the documents of the repository become pages, and nothing in the site may come from another host."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = (
    "*.md",
    "LICENSE",
    "NOTICE",
    "docker-compose.yml",
    "docker/*",
    "docs/*.md",
    "docs/bandwidth/*",
    "docs/images/*",
    "examples/*",
    "models/weights/*/README.md",
    "sender/blazeface/README.md",
)
LOADS = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\ssrc=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?![^>]*rel=["']?(?:canonical|alternate))[^>]*?\shref=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|(?:@import|url\()\s*["']?((?:https?:)?//[^"'\s)]+)"""
)
"""What a browser fetches by itself when it shows a page. Links that a reader follows are none of these."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for pattern in DOCUMENTS:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file():
                files.append(File.generated(config, str(path.relative_to(ROOT)), abs_src_path=str(path)))
    icon = ROOT / "call/web/icon.svg"
    files.append(File.generated(config, icon.name, abs_src_path=str(icon)))
    return files


def on_post_build(config: MkDocsConfig) -> None:
    for path in Path(config.site_dir).rglob("*"):
        if path.suffix in (".html", ".css"):
            text = path.read_text("utf-8")
            if found := LOADS.search(text):
                raise PluginError(
                    f"{path} loads {next(filter(None, found.groups()))}: the site must do without other hosts"
                )
            if 'class="mermaid"' in text:
                raise PluginError(f"{path} has a Mermaid drawing, whose script comes from unpkg.com")
