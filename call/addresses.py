"""Which addresses of this machine a WebRTC connection uses: changes to what aioice gathers.

`peer` (the other person) wants every address, and the loopback one on a machine that has no other, which aioice leaves out.
`page_media` (this machine's browser) wants the loopback address alone, so that nothing outside can reach it.
"""

from __future__ import annotations

from contextvars import ContextVar

import aioice.ice

LOOPBACK = "127.0.0.1"
loopback_only: ContextVar[bool] = ContextVar("loopback_only", default=False)
"""Set where a connection is made that stays on this machine."""

_host_addresses = aioice.ice.get_host_addresses


def _addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    if loopback_only.get():
        return [LOOPBACK]
    found: list[str] = _host_addresses(use_ipv4, use_ipv6)
    return found if found or not use_ipv4 else [LOOPBACK]


def install() -> None:
    """Puts this in the place of aioice's own list, for all connections of this process."""
    aioice.ice.get_host_addresses = _addresses
