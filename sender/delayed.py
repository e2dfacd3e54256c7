"""A clip as a call sends it, without a call: every source frame after the first is under way for a while.

Framed pictures go in; motion comes out, with what the other side has by the time it shows each frame. Nothing here looks ahead.
`training.evaluate_clip` and `benchmark.bandwidth.neural` pack it, unpack it and draw it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from facewire.codec import Motion
from facewire.sender.encoder import Encoder
from facewire.sender.source import SentSource

SOURCE_DELAY_MS = 300.0
"""From the picture that becomes a source frame until the other side has it: 4 kB at 110 kbit/s."""
PLAYOUT_MS = 200.0
"""From a picture until the other side shows its frame, in a call. Source frames that have arrived by then can be used."""


@dataclass(frozen=True)
class SentFrame:
    """What is sent for one picture, and what has arrived when it is shown."""

    capture_time_ms: int
    motion: Motion
    source_number: int
    """Of the source frame that it names, which may be under way."""
    new_source: SentSource | None
    """The source frame that this picture became. The first one is at the other side from the beginning."""
    arrived: list[SentSource]
    """Later ones that the other side has when it shows this frame and did not have for the one before."""


def sent_frames(
    encoder: Encoder,
    squares: Iterable[NDArray[np.uint8]],
    *,
    source_delay_ms: float = SOURCE_DELAY_MS,
    until_ms: float = inf,
) -> Iterator[SentFrame]:
    """What an encoder without a source frame sends for squares, uint8 RGB (S, S, 3), taken at its frame rate.

    A frame may be packed with `encoder.pack` before the next one is asked for. source_delay_ms: until the other side has a source
    frame. until_ms: pictures from then on become no source frames.
    """
    sent: list[tuple[float, SentSource]] = []
    """When each source frame after the first arrives."""
    there = 0
    for number, square in enumerate(squares):
        now_ms = round(1000 * number / encoder.frame_rate)
        encoder.bank.delivered({source.hash for at_ms, source in sent if at_ms <= now_ms})
        ready = encoder.prepare(square, now_ms, arrived=False, admit=now_ms < until_ms)
        if number and ready.new_source is not None:
            sent.append((now_ms + source_delay_ms, ready.new_source))
        before = there
        while there < len(sent) and sent[there][0] <= now_ms + PLAYOUT_MS:
            there += 1
        arrived = [source for _, source in sent[before:there]]
        yield SentFrame(now_ms, ready.motion, encoder.source_number, ready.new_source, arrived)
