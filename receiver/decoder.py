"""Bytes to pictures: source messages and motion packets in, a picture of any motion out.

This is the core of the receiving end, without a clock. `play` draws every frame of a file with it, `receiver` every frame of a
simulated link, and `playout` a call in real time. `facewire.codec` turns bytes into motion, `facewire.models` motion into pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facewire.codec import DecodedFrame, Motion, MotionDecoder, SourceFrame, Transfer, decode_source, distance, turn
from facewire.coding import Coding
from facewire.models.runtime import Networks, load_networks
from facewire.receiver.source import ReceivedSource

MAX_SOURCES = 16
"""Source frames kept, whatever a sender sends; no sender of ours uses more than half of them."""


@dataclass(frozen=True)
class FreeView:
    """Where the receiver looks from: the head is turned further by these angles, in radians."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    frontal: bool = False
    """Make the head face the receiver whatever it does, keeping its roll. The angles turn it from there."""

    def seen(self, motion: Motion) -> Motion:
        """The motion as seen from there."""
        if self.frontal:
            upright = np.array([0.0, 0.0, motion.rotation[2]], np.float32)
            motion = replace(motion, rotation=upright)
        if self.yaw == self.pitch == self.roll == 0.0:
            return motion
        return turn(motion, self.yaw, self.pitch, self.roll)


class Decoder:
    """One person's video at the receiving end.

    networks: both ends need the same weights. None loads those that ship with facewire.
    view: may be changed at any time.
    portrait: a framed picture, uint8 RGB (S, S, 3), to be moved in place of the sender's face.
    coding: the weight bundle's, unless both ends have agreed on another.
    Raises WeightsError for weights that cannot be read.

    Not thread-safe, except that `read_source` and `render`, the slow ones, may run at the same time as anything else.
    """

    def __init__(
        self,
        networks: Networks | None = None,
        *,
        view: FreeView | None = None,
        portrait: NDArray[np.uint8] | None = None,
        coding: Coding | None = None,
    ) -> None:
        self.networks = networks or load_networks()
        self.coding = coding or Coding.of(self.networks.bundle)
        self.view = view or FreeView()
        self.frame_rate = 25.0
        """The sender's nominal frames per second."""
        self.source: ReceivedSource | None = None
        """The sender's newest source frame; None before the first."""
        self.sources: dict[int, ReceivedSource] = {}
        """The sender's newest source frames by number, the newest last."""
        self._portrait = None if portrait is None else ReceivedSource.portrait(self.networks, portrait)
        self._transfer = None if self._portrait is None else Transfer(self._portrait.motion)
        self._motion: MotionDecoder | None = None
        self._undecodable = 0

    # --- what arrives

    def receive_source(self, message: bytes) -> None:
        """Takes a source message. From now on pictures are drawn from it.

        Raises DecodeError if it is damaged and WeightsError if it needs other weights.
        """
        self.use_source(self.read_source(decode_source(message)))

    def read_source(self, frame: SourceFrame) -> ReceivedSource:
        """Prepares a decoded source message without using it. Raises the errors of `receive_source`."""
        return ReceivedSource.of(self.networks, frame, self.coding)

    def use_source(self, source: ReceivedSource) -> None:
        """Takes a source frame; of more than `MAX_SOURCES` the oldest is forgotten."""
        if self._motion is None or source.frame_rate != self.frame_rate:
            self._forget_motion()
            self.frame_rate = source.frame_rate
            self._motion = self.coding.motion_decoder(source.frame_rate)
        self.source = source
        self.sources.pop(source.number, None)
        self.sources[source.number] = source
        if len(self.sources) > MAX_SOURCES:
            del self.sources[next(iter(self.sources))]
        if self._transfer is not None:
            self._transfer.start = self._transfer.start or source.motion

    def decode(self, packet: bytes) -> list[DecodedFrame]:
        """Takes a motion packet, in any order. Returns its new frames, oldest first.

        There are none before the first source message. Raises DecodeError for bytes that are not a motion packet.
        """
        return [] if self._motion is None else self._motion.decode(packet)

    def restart(self) -> None:
        """Starts over with a new sender: frame numbers restart, and no packet is decoded before the next source message."""
        self._forget_motion()
        self.sources.clear()
        if self._transfer is not None:
            self._transfer.start = None

    @property
    def ready(self) -> bool:
        """Whether packets can be decoded, because a source message has arrived."""
        return self._motion is not None

    @property
    def acknowledged(self) -> int | None:
        """Number of the newest decoded frame, to be passed to `Encoder.acknowledge`. None before the first."""
        return None if self._motion is None else self._motion.newest

    @property
    def undecodable(self) -> int:
        """How many packets arrived without their reference frame."""
        return self._undecodable + (0 if self._motion is None else self._motion.undecodable)

    # --- what is drawn

    def drawn_source(self, motion: Motion | None = None, number: int | None = None) -> ReceivedSource | None:
        """What a motion is drawn from: the source frame of that number or, while that is not here, the nearest by motion.

        The portrait if there is one; None before a source message came.
        """
        if self.source is None or self._portrait is not None:
            return None if self.source is None else self._portrait
        if number is not None and number in self.sources:
            return self.sources[number]
        if motion is None or not self.sources:
            return self.source
        return min(self.sources.values(), key=lambda source: distance(source.motion, motion))

    def drawn_motion(self, motion: Motion) -> Motion:
        """The motion of `drawn_source` for a motion of the sender, as seen from `view`."""
        return self.view.seen(motion if self._transfer is None else self._transfer(motion))

    def render(self, motion: Motion, number: int | None = None) -> NDArray[np.uint8]:
        """The picture of a sender's motion, uint8 RGB (S, S, 3).

        number: of the source frame that the frame names. A source message must be here: ValueError.
        """
        source = self.drawn_source(motion, number)
        if source is None:
            raise ValueError("nothing can be drawn before the first source message")
        return source.render(self.drawn_motion(motion))

    def _forget_motion(self) -> None:
        if self._motion is not None:
            self._undecodable += self._motion.undecodable
        self._motion = None
