"""Bytes to pictures: decodes packets, fills in for lost ones and asks the networks for every frame the sender took.

Comes in: the source message and motion packets from the channel, in any order. Goes out: pictures at their playout
time, to `facewire.video` or a window. Behind it stand `facewire.codec` (bytes to motion) and `facewire.models` (motion
to picture).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facewire.codec import DecodedFrame, Motion, MotionDecoder, SourceFrame, turn
from facewire.coding import Coding
from facewire.models.runtime import Networks
from facewire.receiver.concealment import MotionTimeline
from facewire.receiver.source import ReceivedSource


@dataclass(frozen=True)
class FreeView:
    """From where the receiver looks: the head turned further by these angles, radians."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    frontal: bool = False
    """The head faces the receiver whatever it does, its own lean to the side kept; the angles turn it away from there."""

    def seen(self, motion: Motion) -> Motion:
        """The motion as it looks from there."""
        if self.frontal:
            upright = np.array([0.0, 0.0, motion.rotation[2]], np.float32)
            motion = replace(motion, rotation=upright)
        if self.yaw == self.pitch == self.roll == 0.0:
            return motion
        return turn(motion, self.yaw, self.pitch, self.roll)


@dataclass(frozen=True)
class Due:
    """A frame whose time has come.

    number: the sender's count. time_ms: on the sender's clock; estimated for a concealed frame. concealed: the frame's
    own motion did not arrive in time; this one lies between its neighbours or carries on from the last.
    """

    number: int
    time_ms: int
    motion: Motion
    concealed: bool


class Receiver:
    """One sender's video at the receiving end.

    networks: with the sender's weights. source: the source message, decoded. playout_delay_ms: how long after its
    capture (on this side's clock, which the caller maps onto the sender's) a frame is shown: time for late packets and
    for the neighbours of lost ones. view: free view. coding: the bundle's unless both ends agreed on another. Raises
    DecodeError or WeightsError if the source cannot be used.
    """

    def __init__(
        self,
        networks: Networks,
        source: SourceFrame,
        *,
        playout_delay_ms: float = 100.0,
        view: FreeView | None = None,
        coding: Coding | None = None,
    ) -> None:
        coding = coding or Coding.of(networks.bundle)
        self._source = ReceivedSource.of(networks, source, coding)
        self._frame_rate = source.frame_rate
        self._decoder = MotionDecoder(coding.tables, coding.quantiser, frame_rate=source.frame_rate)
        self._delay_ms = playout_delay_ms
        self.view = view or FreeView()
        self._waiting: dict[int, DecodedFrame] = {}
        self._timeline = MotionTimeline(self._source.motion)
        self._next = 0
        self._last = Due(-1, source.capture_time_ms, self._source.motion, concealed=False)
        self.shown = 0
        self.concealed = 0
        self.late = 0
        """Frames that arrived after something else was shown in their place."""

    @property
    def source_picture(self) -> NDArray[np.uint8]:
        """uint8 RGB (S, S, 3)."""
        return self._source.picture

    @property
    def source_motion(self) -> Motion:
        """The motion that the source frame itself shows."""
        return self._source.motion

    @property
    def newest(self) -> int | None:
        """Number of the newest frame decoded: what to acknowledge."""
        return self._decoder.newest

    def receive(self, packet: bytes) -> list[DecodedFrame]:
        """Takes a motion packet. Returns the frames that were new. Raises DecodeError if it is none of ours."""
        frames = self._decoder.decode(packet)
        for frame in frames:
            if frame.number >= self._next:
                self._waiting[frame.number] = frame
                self._timeline.add(frame)
            else:
                self.late += 1
        return frames

    def due(self, now_ms: float) -> Iterator[Due]:
        """Frames to be shown by now, every number once and in order; those that are missing are concealed.

        now_ms: milliseconds on the sender's clock; infinity for all up to the newest.
        """
        while self._waiting:
            own = self._waiting.get(self._next)
            time_ms = own.capture_time_ms if own is not None else self._estimated_ms()
            if time_ms + self._delay_ms > now_ms:
                return
            yield self._show(time_ms)
        # nothing newer is known: the last picture stays on the screen

    def drain(self, frames: int | None = None) -> Iterator[Due]:
        """All that is left, at the end of a stream; that number of frames in all if the sender's count is known."""
        end = max(self._waiting, default=self._next - 1) + 1 if frames is None else frames
        while self._next < end:
            own = self._waiting.get(self._next)
            yield self._show(own.capture_time_ms if own is not None else self._estimated_ms())

    def render(self, motion: Motion) -> NDArray[np.uint8]:
        """The picture of a motion, uint8 RGB (S, S, 3), seen from the receiver's `view`."""
        return self._source.render(self.view.seen(motion))

    def _show(self, time_ms: int) -> Due:
        own = self._waiting.pop(self._next, None)
        motion = own.motion if own is not None else self._timeline.at(time_ms).motion
        frame = Due(self._next, time_ms, motion, concealed=own is None)
        self._next, self._last = self._next + 1, frame
        self.shown += 1
        self.concealed += frame.concealed
        return frame

    def _estimated_ms(self) -> int:
        """When the next frame, which is not here, was taken."""
        later = min(self._waiting, default=None)
        if later is None:
            return self._last.time_ms + round(1000 / self._frame_rate)
        span = self._waiting[later].capture_time_ms - self._last.time_ms
        return self._last.time_ms + round(span / (later - self._last.number))
