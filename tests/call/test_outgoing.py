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
