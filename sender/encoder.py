"""Pictures to bytes: a source message, then a motion packet whenever enough frames are gathered.

Takes camera pictures, or squares that are framed already. `facewire.models` reads motion from them and `facewire.codec`
packs it; acknowledgements from the other side come in through `acknowledge`. No threads and no clock: `live` adds both for
a call, `record` encodes a file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facewire.codec import Motion, Packing, Transfer
from facewire.coding import Coding
from facewire.errors import InputError, NoFaceError
from facewire.models.runtime import Networks, load_networks
from facewire.sender.face_tracker import FaceTracker
from facewire.sender.scene_motion import SceneTracker
from facewire.sender.source import SentSource, make_source
from facewire.source_picture import WEBP_QUALITY


@dataclass(frozen=True)
class Encoded:
    """What one picture became."""

    source: bytes | None
    """A source message, if this picture became a source frame. Deliver it reliably: without it no packet can be drawn."""
    packet: bytes | None
    """A motion packet, which may get lost on the way; None while frames are gathered for one."""


class Encoder:
    """One person's video at the sending end.

    networks: of the weights that both ends have; None for the weights that ship.
    frame_rate: nominal pictures a second. packing: preset, frames a packet and redundancy. coding: the bundle's unless both
    ends agreed on another. Raises InputError for a packing that does not exist and WeightsError for weights that cannot be read.

    Give it camera pictures with `encode`. A program that frames pictures itself calls `use_source` or `appear_as` once, then
    `encode_square`, or `measure` and `pack`. One thread at a time; `pack`, `flush`, `acknowledge`, `packing` and `start_over`
    touch only the packets and never run a network.
    """

    def __init__(
        self,
        networks: Networks | None = None,
        *,
        frame_rate: float = 25.0,
        packing: Packing | None = None,
        coding: Coding | None = None,
    ) -> None:
        self.networks = networks or load_networks()
        self.coding = coding or Coding.of(self.networks.bundle)
        self.frame_rate = frame_rate
        self.source: SentSource | None = None
        """The source frame in use."""
        self._packets = self.coding.motion_encoder(packing or Packing(redundancy=1), frame_rate)
        self._tracker: SceneTracker | None = None
        self._transfer: Transfer | None = None
        self._face: FaceTracker | None = None

    # --- pictures

    def encode(self, picture: NDArray[np.uint8], capture_time_ms: int) -> Encoded:
        """Frames and encodes the next camera picture, uint8 RGB (H, W, 3).

        capture_time_ms: never going back. The first picture becomes the source frame. Raises NoFaceError while no face
        has been seen.
        """
        self._face = self._face or FaceTracker()
        framing = self._face.locate(picture, capture_time_ms)
        if framing is None:
            raise NoFaceError("no face in the picture; one face, seen from about the front, is needed")
        return self.encode_square(framing.cut(picture, self.networks.bundle.picture_size), capture_time_ms)

    def encode_square(self, square: NDArray[np.uint8], capture_time_ms: int) -> Encoded:
        """Encodes the next picture, framed already, uint8 RGB (S, S, 3)."""
        message = None
        if self.source is None:
            message = self.use_source(square, capture_time_ms).message
        return Encoded(message, self.pack(self.measure(square), capture_time_ms))

    # --- source frames

    def use_source(
        self,
        square: NDArray[np.uint8],
        capture_time_ms: int = 0,
        scene: NDArray[np.float32] | None = None,
    ) -> SentSource:
        """Makes a square of the person, uint8 RGB (S, S, 3), the source frame from now on.

        scene: its code (8,) against the source frame before, so that scene codes continue evenly.
        """
        self.source = self.make_source(square, capture_time_ms, scene)
        self._tracker = self.source.tracker(self.networks)
        self._transfer = None
        return self.source

    def appear_as(
        self, portrait: NDArray[np.uint8], capture_time_ms: int = 0, start: Motion | None = None
    ) -> SentSource:
        """Makes a framed picture of somebody else the source frame; it moves as the person moves from now on.

        start: the person's motion that corresponds to the portrait's own; by default the next one measured.
        """
        self.source = self.make_source(portrait, capture_time_ms)
        self._tracker = None
        self._transfer = Transfer(self.source.motion, start)
        return self.source

    @property
    def is_portrait(self) -> bool:
        """Whether the source frame shows somebody else."""
        return self._transfer is not None

    def make_source(
        self,
        square: NDArray[np.uint8],
        capture_time_ms: int = 0,
        scene: NDArray[np.float32] | None = None,
        quality: int = WEBP_QUALITY,
    ) -> SentSource:
        """A source frame of a square, not yet in use; see `source.make_source`."""
        return make_source(self.networks, self.coding, square, self.frame_rate, capture_time_ms, scene, quality)

    # --- motion

    def measure(self, square: NDArray[np.uint8]) -> Motion:
        """The motion to send for a square, uint8 RGB (S, S, 3)."""
        return self.transferred(self.with_scene(square, self.networks.motion(square)))

    def with_scene(self, square: NDArray[np.uint8], motion: Motion) -> Motion:
        """A square's motion with how far its scene has moved since the source frame. A portrait has no scene."""
        return motion if self._tracker is None else self._tracker.follow(square, motion)

    def transferred(self, motion: Motion) -> Motion:
        """The person's motion as it is sent: the portrait's while they appear as one."""
        return motion if self._transfer is None else self._transfer(motion)

    # --- packets

    @property
    def packing(self) -> Packing:
        """How motion is packed; InputError for a packing that does not exist."""
        return self._packets.packing

    @packing.setter
    def packing(self, packing: Packing) -> None:
        try:
            self._packets.packing = packing
        except ValueError as error:
            raise InputError(str(error)) from error

    def pack(self, motion: Motion, capture_time_ms: int) -> bytes | None:
        """Takes the next frame's motion; returns a packet when one is full."""
        return self._packets.encode(motion, capture_time_ms)

    def flush(self) -> bytes | None:
        """A packet of the frames gathered so far; None if there are none."""
        return self._packets.flush()

    def acknowledge(self, number: int) -> None:
        """The other side has that frame; later frames are predicted from it."""
        self._packets.acknowledge(number)

    def acknowledge_all(self) -> None:
        """Nothing sent so far can get lost, as in a file."""
        self._packets.acknowledge(self._packets.next_number - 1)

    def start_over(self) -> None:
        """The other side has nothing yet: the next packets need no earlier ones. It needs the source message again."""
        self._packets.forget_acknowledged()
