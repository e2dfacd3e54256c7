"""Invitation links, such as `https://calls.example.org/j#x3Fq-8sV1LbA`.

The code stands in the fragment, which browsers do not send: it is in no log of a server or proxy on the way. What programs ask the
gateway behind a link is in `inviting`.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from facewire.errors import InputError
from facewire.signaling.invitations import CODE

PAGE = "/j"
"""Where guests' page is."""


@dataclass(frozen=True)
class Link:
    """An invitation link."""

    gateway: str
    """Address of the gateway, such as `https://calls.example.org`."""
    code: str

    def __str__(self) -> str:
        return f"{self.gateway}{PAGE}#{self.code}"


def read_link(text: str) -> Link | None:
    """The link in a text; None for what is no invitation link, such as the name of a room. InputError for a damaged one."""
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.path.rstrip("/").endswith(PAGE):
        return None
    if CODE.fullmatch(parts.fragment) is None:
        raise InputError("this invitation link is incomplete: after # it has 12 letters, digits, - or _")
    return Link(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix(PAGE)}", parts.fragment)
