"""A simulated link in one process: packets may get lost, and acknowledgements come back a round trip later.

`loopback` puts the sender's packets in at one end and gives the receiver what comes out at the other. Time is the clip's
own, so a run is repeatable and nothing waits.
"""

from __future__ import annotations

from collections import deque
from itertools import cycle
from typing import TypeVar

import numpy as np

from facewire.errors import InputError

T = TypeVar("T")


class Channel:
    """Both directions of a lossy link.

    loss: share of packets lost at random, 0 to 1, each way, or a pattern such as "1101" repeated for the packets
    forward (1 arrives, 0 is lost; all acknowledgements then arrive). rtt_ms: there and back. seed: of the random
    losses.
    """

    def __init__(self, loss: float | str = 0.0, rtt_ms: float = 0.0, seed: int = 0) -> None:
        if isinstance(loss, str) and (not loss or set(loss) - {"0", "1"}):
            raise InputError(
                f"loss {loss!r}: a share from 0 to 1 or a pattern of 1 (arrives) and 0 (lost) such as 1101"
            )
        if not isinstance(loss, str) and not 0 <= loss <= 1:
            raise InputError(f"loss {loss}: a share from 0 to 1")
        if not 0 <= rtt_ms <= 60_000:
            raise InputError(f"round trip {rtt_ms} ms: from 0 to 60000")
        self._pattern = cycle(loss) if isinstance(loss, str) else None
        self._loss = 0.0 if isinstance(loss, str) else loss
        self._random = np.random.default_rng(seed)
        self._one_way_ms = rtt_ms / 2
        self._forward: deque[tuple[float, bytes]] = deque()
        self._back: deque[tuple[float, int]] = deque()
        self.sent = 0
        self.lost = 0

    def send(self, packet: bytes, now_ms: float) -> bool:
        """Sends a packet at now_ms of the clip's time; returns whether it will arrive."""
        self.sent += 1
        arrives = next(self._pattern) == "1" if self._pattern else self._random.random() >= self._loss
        if arrives:
            self._forward.append((now_ms + self._one_way_ms, packet))
        else:
            self.lost += 1
        return arrives

    def packets(self, now_ms: float) -> list[tuple[float, bytes]]:
        """Packets that have arrived by now, each with the time of its arrival."""
        return _until(self._forward, now_ms)

    def acknowledge(self, number: int, now_ms: float) -> None:
        """Sends back the number of a frame that the receiver has."""
        if self._pattern or self._random.random() >= self._loss:
            self._back.append((now_ms + self._one_way_ms, number))

    def acknowledgements(self, now_ms: float) -> list[int]:
        """Frame numbers whose acknowledgements have reached the sender by now."""
        return [number for _, number in _until(self._back, now_ms)]


def _until(queue: deque[tuple[float, T]], now_ms: float) -> list[tuple[float, T]]:
    arrived = []
    while queue and queue[0][0] <= now_ms:
        arrived.append(queue.popleft())
    return arrived
