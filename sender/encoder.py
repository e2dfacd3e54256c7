"""Pictures to bytes: a source message, then a motion packet whenever enough frames are gathered.

Takes camera pictures, or squares that are already framed. `facewire.models` reads motion from them and `facewire.codec` packs
it; the other side's acknowledgements are passed in through `acknowledge`. There are no threads and no clock here: `live` adds
both for a call, and `record` encodes a file.
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
    """What `Encoder.encode` returns for one picture."""

    source: bytes | None
    """A source message, if this picture became a source frame. Deliver it reliably: nothing can be drawn without it."""
    packet: bytes | None
    """A motion packet, which may get lost on the way. None until enough frames are gathered."""


class Encoder:
    """One person's video at the sending end.

    networks: both ends need the same weights. None loads those that ship with facewire.
    frame_rate: nominal pictures per second.
    packing: by default a packet per frame that repeats the frame before.
    coding: the weight bundle's, unless both ends have agreed on another.
    Raises InputError for an impossible packing and WeightsError for weights that cannot be read.

    Pass camera pictures to `encode`. A program that frames pictures itself calls `use_source` or `appear_as` once and then
    `encode_square`, or `measure` and `pack`.

    Not thread-safe. But `pack`, `flush`, `acknowledge`, `packing` and `start_over` only touch the packets, so a lock around these
    is enough where other threads call them, and it is never held while a network runs.
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
        """The source frame in use; None before the first."""
        self._packets = self.coding.motion_encoder(packing or Packing(redundancy=1), frame_rate)
        self._tracker: SceneTracker | None = None
        self._transfer: Transfer | None = None
        self._face: FaceTracker | None = None

    # --- pictures

    def encode(self, picture: NDArray[np.uint8], capture_time_ms: int) -> Encoded:
        """Frames and encodes the next camera picture, uint8 RGB (H, W, 3).

        capture_time_ms: must not decrease. The first picture with a face becomes the source frame; until there is one, this
        raises NoFaceError.
        """
        self._face = self._face or FaceTracker()
        framing = self._face.locate(picture, capture_time_ms)
        if framing is None:
            raise NoFaceError("no face in the picture: one face is needed, seen roughly from the front")
        return self.encode_square(framing.cut(picture, self.networks.bundle.picture_size), capture_time_ms)

    def encode_square(self, square: NDArray[np.uint8], capture_time_ms: int) -> Encoded:
        """Encodes the next picture, already framed, uint8 RGB (S, S, 3)."""
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
        """Makes a framed picture of the sender, uint8 RGB (S, S, 3), the source frame from now on.

        scene: its code (8,) relative to the previous source frame, so that scene codes continue smoothly.
        """
        self.source = self.make_source(square, capture_time_ms, scene)
        self._tracker = self.source.tracker(self.networks)
        self._transfer = None
        return self.source

    def appear_as(
        self, portrait: NDArray[np.uint8], capture_time_ms: int = 0, start: Motion | None = None
    ) -> SentSource:
        """Makes a framed picture of somebody else the source frame; from now on it moves as the sender does.

        start: the sender's motion that corresponds to the portrait's own; by default the next one measured.
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
        """Makes a source frame without using it; see `source.make_source`."""
        return make_source(self.networks, self.coding, square, self.frame_rate, capture_time_ms, scene, quality)

    # --- motion

    def measure(self, square: NDArray[np.uint8]) -> Motion:
        """Measures the motion to send for a square, uint8 RGB (S, S, 3)."""
        return self.transferred(self.with_scene(square, self.networks.motion(square)))

    def with_scene(self, square: NDArray[np.uint8], motion: Motion) -> Motion:
        """Adds to a square's motion how far its scene has moved since the source frame. A portrait's scene stays at rest."""
        return motion if self._tracker is None else self._tracker.follow(square, motion)

    def transferred(self, motion: Motion) -> Motion:
        """The motion to send for the sender's own: the portrait's, if they appear as one."""
        return motion if self._transfer is None else self._transfer(motion)

    # --- packets

    @property
    def packing(self) -> Packing:
        """How motion is packed. Raises InputError for an impossible packing."""
        return self._packets.packing

    @packing.setter
    def packing(self, packing: Packing) -> None:
        try:
            self._packets.packing = packing
        except ValueError as error:
            raise InputError(str(error)) from error

    def pack(self, motion: Motion, capture_time_ms: int) -> bytes | None:
        """Adds the next frame's motion. Returns a packet once it is full, otherwise None."""
        return self._packets.encode(motion, capture_time_ms)

    def flush(self) -> bytes | None:
        """Returns a packet of the frames gathered so far, None if there are none."""
        return self._packets.flush()

    def acknowledge(self, number: int) -> None:
        """Records that the other side has decoded that frame (`Decoder.acknowledged`); later ones are predicted from it."""
        self._packets.acknowledge(number)

    def acknowledge_all(self) -> None:
        """Records that the other side has every frame sent so far, as it has those in a file."""
        self._packets.acknowledge(self._packets.next_number - 1)

    def start_over(self) -> None:
        """Starts over with a new receiver: the next packets depend on no earlier ones. It also needs the source message."""
        self._packets.forget_acknowledged()
