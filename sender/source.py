"""A source frame at the sender: compressed, and read back as the receiver will see it.

Canonical code and motion are measured on the compressed picture, so both ends agree on them. `encoder` makes source frames
here and measures the scene against the one in use.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facewire.codec import Motion, SourceFrame, encode_source, source_hash
from facewire.coding import Coding
from facewire.models.runtime import Networks
from facewire.sender.scene_motion import SceneSpace, SceneTracker
from facewire.source_picture import PICTURE_FORMAT, compress, decompress


@dataclass(frozen=True, eq=False)
class SentSource:
    """A source frame and what its sender knows about it."""

    frame: SourceFrame
    """What is transmitted."""
    picture: NDArray[np.uint8]
    """The decompressed picture, uint8 RGB (S, S, 3): what the receiver has."""
    motion: Motion
    """The picture's own motion, as the receiver decodes it."""
    canonical: NDArray[np.float32]
    """Shape code (C,), as the receiver decodes it."""

    @cached_property
    def message(self) -> bytes:
        """The encoded source message."""
        return encode_source(self.frame)

    @cached_property
    def hash(self) -> bytes:
        """Identifies the source message."""
        return source_hash(self.message)

    def tracker(self, networks: Networks) -> SceneTracker:
        """A tracker that measures the scene of later squares against this source frame."""
        return SceneTracker(SceneSpace.of(networks.bundle), self.picture, self.motion)


def make_source(
    networks: Networks,
    coding: Coding,
    square: NDArray[np.uint8],
    frame_rate: float,
    capture_time_ms: int = 0,
    scene: NDArray[np.float32] | None = None,
    quality: int | None = None,
    number: int = 0,
) -> SentSource:
    """Makes a source frame of a square, uint8 RGB (S, S, 3).

    scene: the square's scene code (8,) relative to the previous source frame; 0 if None. quality: of the picture, 0 to 100.
    number: by which frames name it.
    """
    bundle = networks.bundle
    data = compress(square, quality)
    picture = decompress(data, bundle.picture_size)
    motion, shape = networks.read(picture)
    if scene is not None:
        motion = replace(motion, scene=scene)
    canonical = np.clip(np.rint(shape / bundle.canonical_step), -32768, 32767).astype(np.int16)
    units = coding.quantiser.quantise(motion.vector(), coding.tables.presets[0])
    frame = SourceFrame(
        bundle_hash=bundle.hash,
        side=bundle.picture_size,
        frame_rate=min(max(frame_rate, 0.1), 1000.0),
        picture_format=PICTURE_FORMAT,
        picture=data,
        canonical=canonical,
        motion_units=units,
        capture_time_ms=capture_time_ms,
        number=number,
    )
    read_back = (canonical * np.float32(bundle.canonical_step)).astype(np.float32)
    return SentSource(frame, picture, coding.quantiser.motion(units), read_back)
