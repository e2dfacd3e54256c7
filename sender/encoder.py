"""Pictures to bytes: a source message, then a motion packet whenever enough frames are gathered.

Takes camera pictures, or squares that are already framed. `facewire.models` reads motion from them and `facewire.codec` packs
it; the other side's acknowledgements are passed in through `acknowledge`. There are no threads and no clock here: `live` adds
both for a call, and `record` encodes a file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facewire.codec import DEFAULT_SOURCES, MAX_SOURCES, Motion, Packing, Transfer
from facewire.coding import Coding
from facewire.errors import InputError, NoFaceError
from facewire.models.runtime import Networks, load_networks
from facewire.sender.bank import EVERY_MS, ByteBudget, Drawn, SourceBank, worth
from facewire.sender.face_tracker import FaceTracker
from facewire.sender.source import SentSource, make_source

SOURCE_BYTES_PER_MINUTE = 17_000
"""15 % of a call at 15 kbps."""


@dataclass(frozen=True)
class Encoded:
    """What `Encoder.encode` returns for one picture."""

    new_source: SentSource | None
    """The source frame that this picture became, if it did. Deliver its `message` reliably, the first before any packet."""
    packet: bytes | None
    """A motion packet, which may get lost on the way; None while frames are gathered for one."""
    drawn: Drawn | None = None
    """How the other side sees this picture; None where that was not looked at."""

    @property
    def source(self) -> bytes | None:
        """The source message, if this picture became a source frame."""
        return None if self.new_source is None else self.new_source.message


@dataclass(frozen=True)
class Prepared:
    """What the networks made of one picture."""

    new_source: SentSource | None
    """As in `Encoded`."""
    motion: Motion
    """To be packed."""
    drawn: Drawn | None = None
    """As in `Encoded`."""


class Encoder:
    """One person's video at the sending end.

    networks: both ends need the same weights. None loads those that ship with facewire.
    frame_rate: nominal pictures per second.
    packing: by default a packet per frame that repeats the frame before.
    sources: how many source frames are in use at a time, 1 to 8. With more than one, the encoder draws what the other side sees
    for every picture, which takes up to three times as long as `Decoder.render`.
    source_bytes_per_minute: may be spent on source frames after the first.
    coding: the weight bundle's, unless both ends have agreed on another.
    Raises InputError for impossible settings and WeightsError for weights that cannot be read.

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
        sources: int = DEFAULT_SOURCES,
        source_bytes_per_minute: float = SOURCE_BYTES_PER_MINUTE,
        coding: Coding | None = None,
    ) -> None:
        if not 1 <= sources <= MAX_SOURCES:
            raise InputError(f"{sources} source frames: from 1 to {MAX_SOURCES}")
        self.networks = networks or load_networks()
        self.coding = coding or Coding.of(self.networks.bundle)
        self.frame_rate = frame_rate
        self.bank = SourceBank(self.networks, sources)
        self.budget = ByteBudget(source_bytes_per_minute)
        self._packets = self.coding.motion_encoder(packing or Packing(redundancy=1), frame_rate)
        self._source_ms = -EVERY_MS
        self._loaded = False
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
        """Encodes the next picture, already framed, uint8 RGB (S, S, 3).

        A new source frame counts as delivered when this returns. `live`, whose channel takes longer, calls the steps itself.
        """
        ready = self.prepare(square, capture_time_ms)
        return Encoded(ready.new_source, self.pack(ready.motion, capture_time_ms), ready.drawn)

    def prepare(
        self, square: NDArray[np.uint8], capture_time_ms: int, *, arrived: bool = True, admit: bool = True
    ) -> Prepared:
        """All of `encode_square` but `pack`: what the networks do.

        arrived: a new source frame counts as delivered when this returns; otherwise `bank.delivered` says when it is.
        admit: the picture may become one more source frame.
        """
        new = None
        if self.source is None:
            new = self.use_source(square, capture_time_ms)
        motion = self.networks.motion(square)
        if self.bank.size == 1 or self.is_portrait:
            return Prepared(new, self.transferred(self.with_scene(square, motion)))
        drawn = self.bank.look(square, motion, capture_time_ms)
        if admit and self.wants_source(drawn, capture_time_ms):
            new = self.admit(square, drawn.motion, capture_time_ms, arrived=arrived)
            drawn = self.bank.look(square, motion, capture_time_ms)
        return Prepared(new, drawn.motion, drawn)

    # --- source frames

    def use_source(
        self,
        square: NDArray[np.uint8],
        capture_time_ms: int = 0,
        scene: NDArray[np.float32] | None = None,
    ) -> SentSource:
        """Makes a framed picture of the sender, uint8 RGB (S, S, 3), the only source frame from now on.

        scene: its code (8,) relative to the previous source frame, so that scene codes continue smoothly.
        """
        self._transfer = None
        return self._start(self.make_source(square, capture_time_ms, scene), follows_scene=True)

    def appear_as(
        self, portrait: NDArray[np.uint8], capture_time_ms: int = 0, start: Motion | None = None
    ) -> SentSource:
        """Makes a framed picture of somebody else the source frame; from now on it moves as the sender does.

        start: the sender's motion that corresponds to the portrait's own; by default the next one measured.
        """
        source = self._start(self.make_source(portrait, capture_time_ms), follows_scene=False)
        self._transfer = Transfer(source.motion, start)
        return source

    def _start(self, source: SentSource, *, follows_scene: bool) -> SentSource:
        self.bank.clear()
        self.bank.add(source, arrived=True, follows_scene=follows_scene)
        self._source_ms = source.frame.capture_time_ms
        return source

    @property
    def draws(self) -> bool:
        """Whether it draws what the other side sees now: with several source frames, of the person, the graphs loaded."""
        return self.bank.size > 1 and not self.is_portrait and self.source is not None and self._loaded

    def load_drawing(self) -> None:
        """Loads the receiver's graphs, which takes up to a second; until then nothing is drawn."""
        self.networks.load("appearance", "render")
        self._loaded = True

    def wants_source(self, drawn: Drawn, time_ms: float) -> bool:
        """Whether the picture just looked at is drawn so badly that it is worth being a source frame itself."""
        if self.bank.size == 1 or time_ms - self._source_ms < EVERY_MS or any(not e.arrived for e in self.bank.entries):
            return False
        return worth(drawn, self.budget, time_ms)

    def admit(self, square: NDArray[np.uint8], motion: Motion, capture_time_ms: int, *, arrived: bool) -> SentSource:
        """Makes a square one more source frame. motion: of it, with its scene code. arrived: the other side has it already."""
        source = self.make_source(square, capture_time_ms, motion.scene)
        self.budget.spend(len(source.message))
        self.bank.add(source, arrived=arrived)
        self._source_ms = capture_time_ms
        return source

    @property
    def source_number(self) -> int:
        """Number of the source frame in use; 0 before the first."""
        return 0 if self.source is None else self.source.frame.number

    @property
    def source(self) -> SentSource | None:
        """The source frame in use; None before the first."""
        return None if self.bank.current is None else self.bank.current.source

    @property
    def is_portrait(self) -> bool:
        """Whether the source frame shows somebody else."""
        return self._transfer is not None

    def make_source(
        self,
        square: NDArray[np.uint8],
        capture_time_ms: int = 0,
        scene: NDArray[np.float32] | None = None,
        quality: int | None = None,
        number: int | None = None,
    ) -> SentSource:
        """Makes a source frame without using it; see `source.make_source`."""
        if number is None:
            number = self.bank.next_number()
        return make_source(self.networks, self.coding, square, self.frame_rate, capture_time_ms, scene, quality, number)

    # --- motion

    def measure(self, square: NDArray[np.uint8]) -> Motion:
        """Measures the motion to send for a square, uint8 RGB (S, S, 3)."""
        return self.transferred(self.with_scene(square, self.networks.motion(square)))

    def with_scene(self, square: NDArray[np.uint8], motion: Motion) -> Motion:
        """Adds to a square's motion how far its scene has moved since the source frame. A portrait's scene stays at rest."""
        return self.bank.follow(square, motion)

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
        return self._packets.encode(motion, capture_time_ms, self.source_number)

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
