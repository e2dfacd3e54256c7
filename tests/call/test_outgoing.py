"""What one side sends: source frames in pieces, the first before everything else, further ones beside motion."""

from __future__ import annotations

from typing import cast

from facewire.call.link import LinkMonitor
from facewire.call.outgoing import Outgoing
from facewire.call.peer import Peer
from facewire.sender.live import SourceMessage


class Path:
    """A peer whose path delivers everything by the next tick."""

    queued = in_flight = 0

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, channel: str, _data: bytes) -> bool:
        self.sent.append(channel)
        return True


def test_further_source_frame_does_not_hold_media_back() -> None:
    outgoing, path = Outgoing(), Path()
    outgoing.connect(cast("Peer", path), LinkMonitor(), 0.0)
    outgoing.source(SourceMessage(b"w" * 5000, b"whole", 0, preview=b"p" * 1500))
    seen = []
    now = 0.0
    while now < 1:
        seen.append((outgoing.source_waits, outgoing.source_follows))
        outgoing.tick(now)
        now += 0.02
    assert list(dict.fromkeys(seen)) == [(True, False), (False, True), (False, False)], (
        "preview, whole frame, media alone"
    )
    before = path.sent.count("source")
    outgoing.extra_source(SourceMessage(b"x" * 5000, b"extra", 1, extra=True))
    while now < 2:
        outgoing.tick(now)
        assert not outgoing.source_waits
        assert not outgoing.source_follows
        now += 0.02
    assert path.sent.count("source") - before == 5, "it was sent all the same"


class Wire:
    """A peer whose path carries so many kbit/s, after a round trip."""

    queued = 0

    def __init__(self, kbps: float, rtt_s: float = 0.05) -> None:
        self._kbps, self._rtt_s = kbps, rtt_s
        self.now = 0.0
        self._free_at = 0.0
        self._until: list[tuple[float, int]] = []
        self.sent_at: list[float] = []

    @property
    def in_flight(self) -> int:
        return sum(size for at, size in self._until if at > self.now)

    @property
    def queue_s(self) -> float:
        return max(0.0, self._free_at - self.now)

    def send(self, channel: str, data: bytes) -> bool:
        self._free_at = max(self._free_at, self.now) + 8 * len(data) / (1000 * self._kbps)
        if channel == "source":
            self._until.append((self._free_at + self._rtt_s, len(data)))
            self.sent_at.append(self.now)
        return True


def further_sources(kbps: float, limit_kbps: float | None = None, count: int = 6) -> tuple[list[float], float]:
    """Seconds that each further source frame of 4.5 kB takes after the first one, and the longest queue meanwhile."""
    outgoing, wire = Outgoing(), Wire(kbps)
    outgoing.connect(cast("Peer", wire), LinkMonitor(), 0.0)
    outgoing.piece_kbps = limit_kbps
    outgoing.extra_kbps = limit_kbps or 15.0
    outgoing.source(SourceMessage(b"w" * 4500, b"whole", 0))

    def run(until: float) -> float:
        longest = 0.0
        while wire.now < until:
            outgoing.tick(wire.now)
            wire.now += 0.005
            longest = max(longest, wire.queue_s)
        return longest

    run(5.0)
    assert outgoing.stats.sources == 1
    took, queue_s = [], 0.0
    for number in range(count):
        outgoing.extra_source(SourceMessage(bytes([number]) * 4500, b"%d" % number, 1 + number, extra=True))
        began, already = wire.now, len(wire.sent_at)
        queue_s = max(queue_s, run(began + 5.0))
        assert len(wire.sent_at) == already + 5
        took.append(max(at for at, _ in wire._until) - began)
    return took, queue_s


def test_further_source_frames_take_what_the_path_has_carried() -> None:
    took, queue_s = further_sources(1000)
    assert max(took) < 0.3
    assert queue_s < 0.05
    took, queue_s = further_sources(100)
    assert max(took) < 1.0
    assert queue_s < 0.25, "media wait behind at most two pieces"


def test_further_source_frames_wait_on_a_thin_path_and_below_a_limit() -> None:
    took, queue_s = further_sources(20)
    assert min(took) > 2.0
    assert queue_s < 0.6, "one piece takes .44 s"
    took, _ = further_sources(1000, limit_kbps=20)
    assert min(took) > 1.5, "--max-kbps holds"
