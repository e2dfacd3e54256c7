"""Bytes to pictures: source messages and motion packets in, a picture of any motion out.

The core of the receiving end, without a clock: `receiver` shows every frame of a file or a simulated link in order, `playout`
shows a call at its pace. `facewire.codec` turns bytes into motion, `facewire.models` motion into pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facewire.codec import DecodedFrame, Motion, MotionDecoder, SourceFrame, Transfer, decode_source, turn
from facewire.coding import Coding
from facewire.models.runtime import Networks, load_networks
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


class Decoder:
    """One person's video at the receiving end.

    networks: of the sender's weights; None for the weights that ship. view: free view, may be changed at any time. portrait: a
    framed picture, uint8 RGB (S, S, 3), that is moved in place of the sender. coding: the bundle's unless both ends agreed on
    another. Raises WeightsError for weights that cannot be read.

    One thread at a time, but `read_source` and `render`, which take milliseconds, may run beside everything else.
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
        """The sender's nominal frames a second."""
        self.source: ReceivedSource | None = None
        """The sender's newest source frame; None before the first."""
        self._portrait = None if portrait is None else ReceivedSource.portrait(self.networks, portrait)
        self._transfer = None if self._portrait is None else Transfer(self._portrait.motion)
        self._motion: MotionDecoder | None = None
        self._undecodable = 0

    # --- what arrives

    def receive_source(self, message: bytes) -> None:
        """Takes a source message: from now on pictures are drawn from it.

        Raises DecodeError for a damaged one and WeightsError for one of other weights.
        """
        self.use_source(self.read_source(decode_source(message)))

    def read_source(self, frame: SourceFrame) -> ReceivedSource:
        """A decoded source message's picture, checked against the weights; raises as `receive_source`."""
        return ReceivedSource.of(self.networks, frame, self.coding)

    def use_source(self, source: ReceivedSource) -> None:
        """Draws from that source frame from now on."""
        if self._motion is None or source.frame_rate != self.frame_rate:
            self._forget_motion()
            self.frame_rate = source.frame_rate
            self._motion = self.coding.motion_decoder(source.frame_rate)
        self.source = source
        if self._transfer is not None:
            self._transfer.start = self._transfer.start or source.motion

    def decode(self, packet: bytes) -> list[DecodedFrame]:
        """Takes a motion packet, in any order; returns its frames that are new, oldest first.

        Empty before the first source message. Raises DecodeError for bytes that are no packet of ours.
        """
        return [] if self._motion is None else self._motion.decode(packet)

    def restart(self) -> None:
        """The sender is a new one: its frame numbers begin anew and its motion waits for its source message."""
        self._forget_motion()
        if self._transfer is not None:
            self._transfer.start = None

    @property
    def ready(self) -> bool:
        """Whether packets can be decoded: a source message is here."""
        return self._motion is not None

    @property
    def acknowledged(self) -> int | None:
        """Number of the newest frame decoded, the one to acknowledge; None before the first."""
        return None if self._motion is None else self._motion.newest

    @property
    def undecodable(self) -> int:
        """Packets so far whose reference frame was not here."""
        return self._undecodable + (0 if self._motion is None else self._motion.undecodable)

    # --- what is drawn

    @property
    def drawn_source(self) -> ReceivedSource | None:
        """What pictures are drawn from: the sender's source frame, or the portrait; None before a source message came."""
        return self.source if self._portrait is None or self.source is None else self._portrait

    def drawn_motion(self, motion: Motion) -> Motion:
        """How `drawn_source` moves when the sender moves like that, seen from `view`."""
        return self.view.seen(motion if self._transfer is None else self._transfer(motion))

    def render(self, motion: Motion) -> NDArray[np.uint8]:
        """The picture of a sender's motion, uint8 RGB (S, S, 3). A source message must be here: ValueError."""
        source = self.drawn_source
        if source is None:
            raise ValueError("nothing can be drawn before a source message is here")
        return source.render(self.drawn_motion(motion))

    def _forget_motion(self) -> None:
        if self._motion is not None:
            self._undecodable += self._motion.undecodable
        self._motion = None
