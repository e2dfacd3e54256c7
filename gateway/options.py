"""Options of a gateway, and which of them fit together. `command` reads them from the command line."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from facewire.errors import InputError
from facewire.signaling.limits import Limits, is_loopback
from facewire.signaling.server import ServerOptions

HTTP_TIMEOUT_S = 60.0
"""For one file of the page on a slow phone."""
DRAIN_S = 600.0


@dataclass(frozen=True)
class GatewayOptions:
    """Options of a gateway."""

    inviting_secret: bytes
    """Signs permissions to invite; the secret of the server where it has one."""
    server: ServerOptions = field(default_factory=lambda: ServerOptions(limits=Limits(http_timeout_s=HTTP_TIMEOUT_S)))
    public_url: str | None = None
    """Where guests find it, such as `https://calls.example.org`. None on loopback: the address that it listens on."""
    max_calls: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Guests at a time. Each takes half a processor or more."""
    drain_s: float = DRAIN_S
    """How long calls may go on after SIGTERM."""
    weights: Path | None = None
    """Folder of the weight bundle; None for the bundled one."""
    backend: str = "auto"

    def check(self) -> None:
        """Raises InputError for options with which no guest could come, or that are not safe."""
        self.server.check()
        tls = self.server.tls_key is not None
        here = is_loopback(self.server.host) and not self.server.behind_proxy
        if self.public_url is None:
            if not here:
                raise InputError(
                    "guests need an address: give --public-url, such as https://calls.example.org, with a certificate for it"
                )
            return
        parts = urlsplit(self.public_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise InputError(
                f"--public-url {self.public_url}: an address without a path, such as https://calls.example.org"
            )
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise InputError(
                f"--public-url {self.public_url}: browsers give camera and microphone to https:// pages only; put a proxy with TLS "
                "in front, or give --tls-cert and --tls-key"
            )
        if parts.scheme == "https" and not tls and not self.server.behind_proxy:
            raise InputError(
                f"--public-url {self.public_url}: nothing here speaks https; give --tls-cert and --tls-key, or put a proxy with "
                "TLS in front and say --behind-proxy"
            )
