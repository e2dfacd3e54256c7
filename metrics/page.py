"""The frame of the self-contained HTML pages, with style and script inside and nothing loaded from elsewhere.

The sections of a page become its whole text, for `training.scoreboard_page` and `benchmark.bandwidth`. The style (`page.css`)
follows dark and light mode; the script (`page.js`) sorts tables of the class `clips`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from importlib.resources import files


def whole_page(title: str, sections: Iterable[str], *, style: str = "", script: str = "") -> str:
    """A page. style, script: added to the common ones."""
    common = {kind: files(__package__).joinpath(f"page.{kind}").read_text("utf-8") for kind in ("css", "js")}
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{common['css']}{style}</style></head>"
        f"<body><main>{''.join(sections)}</main><script>{common['js']}{script}</script></body></html>\n"
    )


def section(anchor: str, title: str, lead: str, body: str) -> str:
    """A section with a heading and a lead below it."""
    return f'<h2 id="{anchor}">{html.escape(title)}</h2><p class="soft">{html.escape(lead)}</p>{body}'
