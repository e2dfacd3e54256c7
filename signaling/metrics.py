"""The server's metrics for Prometheus. Names and labels are public and listed in docs/signaling.md."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.connections = Gauge("facewire_signaling_connections", "Open WebSocket connections", registry=self.registry)
        self.rooms = Gauge("facewire_signaling_rooms", "Rooms with a client on this server", registry=self.registry)
        self.joins = Counter("facewire_signaling_joins", "Seats taken", registry=self.registry)
        self.signals = Counter(
            "facewire_signaling_signals",
            "Messages between clients, by outcome",
            ["outcome"],
            registry=self.registry,
        )
        self.signal_bytes = Counter(
            "facewire_signaling_signal_bytes", "Bytes of relayed messages", registry=self.registry
        )
        self.refused = Counter(
            "facewire_signaling_refused",
            "Connections refused or closed by the server, by cause",
            ["cause"],
            registry=self.registry,
        )

    def text(self) -> bytes:
        return generate_latest(self.registry)
