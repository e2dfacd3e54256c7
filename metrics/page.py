"""The frame of our self-contained HTML pages: style and script inside, nothing from anywhere else.

Comes in: the sections of a page as HTML. Goes out: its whole text, for `training.scoreboard_page` and `benchmark.bandwidth`. The
style (`page.css`) follows dark and light; the script (`page.js`) sorts tables of the class `clips`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from importlib.resources import files


def whole_page(title: str, sections: Iterable[str], *, style: str = "", script: str = "") -> str:
    """A page. style, script: what it has besides the common ones."""
    common = {kind: files(__package__).joinpath(f"page.{kind}").read_text("utf-8") for kind in ("css", "js")}
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{common['css']}{style}</style></head>"
        f"<body><main>{''.join(sections)}</main><script>{common['js']}{script}</script></body></html>\n"
    )


def section(anchor: str, title: str, lead: str, body: str) -> str:
    """A section with a heading and a line below it."""
    return f'<h2 id="{anchor}">{html.escape(title)}</h2><p class="soft">{html.escape(lead)}</p>{body}'
