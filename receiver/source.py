"""The source frame at the receiver: checked against the weights, and moved by the motion that follows it.

Takes a decoded source message (`facewire.codec`) and draws pictures through F, M and G of `facewire.models`, for `decoder` and
`playout`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facewire.codec import Motion, SourceFrame
from facewire.coding import Coding
from facewire.errors import DecodeError, WeightsError
from facewire.models.runtime import Appearance, Networks
from facewire.source_picture import decompress


class ReceivedSource:
    """A face to be moved: its picture, the motion in it, and what F makes of it.

    picture: uint8 RGB (S, S, 3). motion: the picture's own. canonical: shape code (C,). frame_rate: the sender's nominal one.
    capture_time_ms: of the picture, on the sender's clock.
    """

    def __init__(
        self,
        networks: Networks,
        picture: NDArray[np.uint8],
        motion: Motion,
        canonical: NDArray[np.float32],
        frame_rate: float = 25.0,
        capture_time_ms: int = 0,
        number: int = 0,
    ) -> None:
        self._networks = networks
        self.picture, self.motion = picture, motion
        self.frame_rate, self.capture_time_ms, self.number = frame_rate, capture_time_ms, number
        self._canonical = canonical
        self._appearance: Appearance | None = None

    @classmethod
    def of(cls, networks: Networks, source: SourceFrame, coding: Coding) -> ReceivedSource:
        """Reads a decoded source message. Raises WeightsError if it needs other weights, and DecodeError if it cannot be
        used.
        """
        bundle = networks.bundle
        if source.bundle_hash != bundle.hash:
            ours = f"{bundle.name} {bundle.hash.hex()}"
            raise WeightsError(f"the stream was made with weights {source.bundle_hash.hex()}; these are {ours}")
        sizes = source.canonical.size, source.motion_units.size
        if sizes != (bundle.canonical_size, coding.quantiser.steps.size):
            raise DecodeError(
                f"a source frame with {sizes[0]} canonical and {sizes[1]} motion values does not fit these weights"
            )
        canonical = (source.canonical * np.float32(bundle.canonical_step)).astype(np.float32)
        picture = decompress(source.picture, bundle.picture_size, source.picture_format)
        motion = coding.quantiser.motion(source.motion_units)
        return cls(networks, picture, motion, canonical, source.frame_rate, source.capture_time_ms, source.number)

    @classmethod
    def portrait(cls, networks: Networks, square: NDArray[np.uint8]) -> ReceivedSource:
        """Measures a framed picture, uint8 RGB (S, S, 3), that somebody else's motion will move."""
        motion, canonical = networks.read(square)
        return cls(networks, square, motion, canonical)

    def render(self, motion: Motion) -> NDArray[np.uint8]:
        """Draws the face with that motion, uint8 RGB (S, S, 3). The first call takes longer, since F reads the picture."""
        if self._appearance is None:
            self._appearance = self._networks.appearance(self.picture)
        return self._networks.render(self._appearance, self._canonical, self.motion, motion)
