"""The metrics of a gateway, beside those of its signaling server. Names and labels are public and listed in docs/gateway.md."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class Metrics:
    """Registered with the server's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.guests = Gauge("facewire_gateway_guests", "Guests whose page is open", registry=registry)
        self.calls = Gauge("facewire_gateway_calls", "Guests who are in a call, or wait for one", registry=registry)
        self.entered = Counter(
            "facewire_gateway_entered", "Guests who opened the page by an invitation", registry=registry
        )
        self.invitations = Counter(
            "facewire_gateway_invitations", "Invitations, by what was done", ["done"], registry=registry
        )
        self.refused = Counter(
            "facewire_gateway_refused", "Guests who were turned away, by cause", ["cause"], registry=registry
        )
