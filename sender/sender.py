"""Pictures to bytes: one source message, then a motion packet whenever enough frames are gathered.

Comes in: squares cut by `framing`. Goes out: bytes for the channel. Behind it stand `facewire.models` (picture to
motion) and `facewire.codec` (motion to bytes). Acknowledgements from the other side come back in through
`acknowledge`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facewire.codec import Motion, MotionEncoder, SourceFrame, relative
from facewire.coding import Coding
from facewire.errors import InputError
from facewire.models.runtime import Networks
from facewire.sender.scene_motion import SceneSpace, SceneTracker
from facewire.source_picture import WEBP_QUALITY, compress, decompress


@dataclass(frozen=True)
class SenderOptions:
    """How motion is sent."""

    preset: str = "default"
    """Quality setting: high, default, low or lowest."""
    frames_per_packet: int = 1
    """New frames in a packet: more cost delay and save packet overhead."""
    redundancy: int = 1
    """How many packets' frames each packet repeats: repairs single losses at once."""


class Sender:
    """One stream's sending end, from its source frame on.

    networks: of the weights that the other side has. square: the source frame, uint8 RGB (S, S, 3). frame_rate:
    nominal frames a second. portrait: the source frame shows somebody else; the driver's changes of motion since the
    first square given to `measure` are applied to the portrait's own motion. coding: the bundle's unless both ends
    agreed on another.
    """

    def __init__(
        self,
        networks: Networks,
        square: NDArray[np.uint8],
        frame_rate: float,
        options: SenderOptions | None = None,
        *,
        portrait: bool = False,
        capture_time_ms: int = 0,
        coding: Coding | None = None,
    ) -> None:
        options = options or SenderOptions()
        coding = coding or Coding.of(networks.bundle)
        self._networks = networks
        self.source, self._source_motion = make_source(networks, coding, square, frame_rate, capture_time_ms)
        self._portrait = portrait
        self._tracker = make_tracker(networks, self.source, self._source_motion)
        self._driver_start: Motion | None = None
        try:
            self._encoder = MotionEncoder(
                coding.tables,
                coding.quantiser,
                options.preset,
                frame_rate=self.source.frame_rate,
                frames_per_packet=options.frames_per_packet,
                redundancy=options.redundancy,
            )
        except ValueError as error:
            raise InputError(str(error)) from error

    def measure(self, square: NDArray[np.uint8]) -> Motion:
        """The motion to send for a square, uint8 RGB (S, S, 3)."""
        motion = self._networks.motion(square)
        if not self._portrait:
            return self.with_scene(square, motion)
        if self._driver_start is None:
            self._driver_start = motion
        return relative(self._source_motion, self._driver_start, motion)

    def with_scene(self, square: NDArray[np.uint8], motion: Motion) -> Motion:
        """A square's motion with how far its scene has moved since the source frame."""
        return self._tracker.follow(square, motion)

    def pack(self, motion: Motion, capture_time_ms: int) -> bytes | None:
        """Takes the next frame's motion; returns a packet when one is full."""
        return self._encoder.encode(motion, capture_time_ms)

    def send(self, square: NDArray[np.uint8], capture_time_ms: int) -> bytes | None:
        """`measure` and `pack`."""
        return self.pack(self.measure(square), capture_time_ms)

    def flush(self) -> bytes | None:
        """A packet of the frames gathered so far; None if there are none."""
        return self._encoder.flush()

    def acknowledge(self, number: int) -> None:
        """The other side has that frame; what follows is predicted from it."""
        self._encoder.acknowledge(number)

    def acknowledge_all(self) -> None:
        """Nothing sent so far can get lost, as in a file."""
        self._encoder.acknowledge(self._encoder.next_number - 1)


def make_source(
    networks: Networks,
    coding: Coding,
    square: NDArray[np.uint8],
    frame_rate: float,
    capture_time_ms: int = 0,
    scene: NDArray[np.float32] | None = None,
    quality: int = WEBP_QUALITY,
) -> tuple[SourceFrame, Motion]:
    """The source frame of a square, uint8 RGB (S, S, 3), and its motion as the receiver will read it.

    Canonical code and motion are measured on the picture after compression: the one that the receiver has. scene: (8,) the
    square's scene code against the source frame before; zero without one. quality: of the picture, 0 to 100.
    """
    bundle = networks.bundle
    webp = compress(square, quality)
    picture = decompress(webp, bundle.picture_size)
    motion, shape = networks.read(picture)
    if scene is not None:
        motion = replace(motion, scene=scene)
    canonical = np.clip(np.rint(shape / bundle.canonical_step), -32768, 32767).astype(np.int16)
    units = coding.quantiser.quantise(motion.vector(), coding.tables.presets[0])
    source = SourceFrame(
        bundle_hash=bundle.hash,
        side=bundle.picture_size,
        frame_rate=min(max(frame_rate, 0.1), 1000.0),
        picture_format="webp",
        picture=webp,
        canonical=canonical,
        motion_units=units,
        capture_time_ms=capture_time_ms,
    )
    return source, coding.quantiser.motion(units)


def make_tracker(networks: Networks, source: SourceFrame, motion: Motion) -> SceneTracker:
    """What measures the scene against a source frame, on the picture that the receiver has."""
    bundle = networks.bundle
    picture = decompress(source.picture, bundle.picture_size)
    return SceneTracker(SceneSpace.of(bundle), picture, motion)
