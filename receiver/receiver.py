"""Every frame of the sender, in order and at its playout time, for simulated links.

Takes motion packets in any order; `due` returns the frames to show by a given time, with motion filled in for missing ones.
`decoder` decodes and draws. `playout` does the same for a call, in real time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from facewire.codec import DecodedFrame, Motion
from facewire.receiver.concealment import MotionTimeline
from facewire.receiver.decoder import Decoder
from facewire.receiver.steady import Steadier


@dataclass(frozen=True)
class Due:
    """A frame to be shown now."""

    number: int
    """Counts the sender's frames from 0."""
    time_ms: int
    """Capture time on the sender's clock; estimated for a concealed frame."""
    motion: Motion
    concealed: bool
    """The frame did not arrive in time; its motion is interpolated between its neighbours or extrapolated from the last."""
    source: int | None = None
    """Number of the source frame to draw from."""


class Receiver:
    """One sender's video at the receiving end.

    decoder: must have a source frame. playout_delay_ms: from a frame's capture to its display, which leaves time for late
    packets and for the neighbours of lost ones. The caller maps its own clock onto the sender's.
    """

    def __init__(self, decoder: Decoder, *, playout_delay_ms: float = 100.0) -> None:
        source = decoder.source
        if source is None:
            raise ValueError("the decoder has no source frame yet")
        self.decoder = decoder
        self._frame_rate = decoder.frame_rate
        self._delay_ms = playout_delay_ms
        self._waiting: dict[int, DecodedFrame] = {}
        self._timeline = MotionTimeline(source.motion, Steadier(decoder.coding))
        self._next = 0
        self._last = Due(-1, source.capture_time_ms, source.motion, concealed=False)
        self.shown = 0
        self.concealed = 0
        self.late = 0
        """Frames that arrived too late to be shown."""

    def receive(self, packet: bytes) -> list[DecodedFrame]:
        """Takes a motion packet and returns its new frames. Raises DecodeError if it is not a motion packet."""
        frames = self.decoder.decode(packet)
        for frame in frames:
            if frame.number >= self._next:
                self._waiting[frame.number] = frame
                self._timeline.add(frame)
            else:
                self.late += 1
        return frames

    def due(self, now_ms: float) -> Iterator[Due]:
        """Yields the frames to show by now, every number once and in order. Missing ones are concealed.

        now_ms: on the sender's clock; infinity for all frames up to the newest.
        """
        while self._waiting:
            own = self._waiting.get(self._next)
            time_ms = own.capture_time_ms if own is not None else self._estimated_ms()
            if time_ms + self._delay_ms > now_ms:
                return
            yield self._show(time_ms)
        # nothing newer has arrived: the last picture stays on the screen

    def drain(self, frames: int | None = None) -> Iterator[Due]:
        """Yields what is left at the end of a stream. frames: how many the sender took in total, if known."""
        end = max(self._waiting, default=self._next - 1) + 1 if frames is None else frames
        while self._next < end:
            own = self._waiting.get(self._next)
            yield self._show(own.capture_time_ms if own is not None else self._estimated_ms())

    def _show(self, time_ms: int) -> Due:
        own = self._waiting.pop(self._next, None)
        seen = self._timeline.at(time_ms)
        source = seen.source if own is None else own.source
        frame = Due(self._next, time_ms, seen.motion, concealed=own is None, source=source)
        self._next, self._last = self._next + 1, frame
        self.shown += 1
        self.concealed += frame.concealed
        return frame

    def _estimated_ms(self) -> int:
        """Capture time of the next frame, which is missing."""
        later = min(self._waiting, default=None)
        if later is None:
            return self._last.time_ms + round(1000 / self._frame_rate)
        span = self._waiting[later].capture_time_ms - self._last.time_ms
        return self._last.time_ms + round(span / (later - self._last.number))
