"""The networks of a gateway: one set for all of its calls."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from facewire.call.ends import EndNetworks
from facewire.models.bundle import load_bundle
from facewire.models.runtime import Networks
from facewire.models.shared import SharedNetworks


class GatewayNetworks(EndNetworks):
    """Networks for any number of calls.

    On a CPU every call runs them for itself, with one thread; with the backend `torch`, for GPUs, pictures that are wanted at the
    same time are drawn together.
    """

    @cached_property
    def drawing(self) -> Networks:
        if self._backend == "torch":
            return SharedNetworks(self.bundle, None, self._backend)
        return Networks(self.bundle, self._threads, self._backend)


def load(weights: Path | None, backend: str) -> GatewayNetworks:
    """Loads everything, so that the first guest need not wait. Takes a second or two. WeightsError or InputError if that fails."""
    networks = GatewayNetworks(load_bundle(weights), 1, backend)
    networks.sending.load("sender")
    networks.drawing.load("appearance", "render")
    return networks
