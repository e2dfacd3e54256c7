"""The interface that every codec of the bandwidth benchmark has, ours and the rivals alike, and coding small or at half rate.

Comes in: the pictures of a clip. Goes out: packets, and from packets alone the pictures again. `rivals` and `neural` implement it,
`run` drives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire.codec.wire import rtp_wire_bytes

Picture = NDArray[np.uint8]
"""RGB (H, W, 3)."""


@dataclass(frozen=True)
class Packet:
    """What a codec made of one picture, or our source frame."""

    data: bytes
    """Payload."""
    number: int
    """Of the picture it belongs to, from 0."""
    first: bool = False
    """The key frame that the stream starts with, or our source frame."""


@dataclass(frozen=True)
class Wire:
    """Bytes of IP packets after the first picture, modelled: headers included."""

    forward: int
    back: int
    """Acknowledgements."""


@dataclass(frozen=True)
class Coded:
    """A clip as a codec coded it."""

    packets: list[Packet]
    wire: Wire

    @property
    def first_bytes(self) -> int:
        """Payload of the key or source frame."""
        return sum(len(packet.data) for packet in self.packets if packet.first)

    @property
    def payload_bytes(self) -> int:
        """Payload of everything after it."""
        return sum(len(packet.data) for packet in self.packets if not packet.first)


class Codec(Protocol):
    """One codec at one setting."""

    @property
    def settings(self) -> str:
        """For people who want to repeat it."""
        ...

    def encode(self, pictures: Sequence[Picture], fps: float) -> Coded:
        """Codes pictures of one size, fps of them a second."""
        ...

    def decode(self, packets: Sequence[Packet], count: int) -> list[Picture]:
        """All `count` pictures, from packets alone; where none was coded the one before stands."""
        ...


def rtp_wire(packets: Sequence[Packet]) -> Wire:
    """What pictures cost as RTP over UDP and IPv4. No feedback is counted: ours pays for its own."""
    return Wire(sum(rtp_wire_bytes(len(packet.data)) for packet in packets if not packet.first), 0)


@dataclass(frozen=True)
class Reduced:
    """Another codec given smaller pictures, or fewer.

    codec: the other. shrink: 2 codes at half the width and height and shows the result scaled up (area down, bicubic up). skip: 2
    codes every second picture and shows it twice.
    """

    codec: Codec
    shrink: int = 1
    skip: int = 1

    @property
    def settings(self) -> str:
        """The other's, and what is reduced."""
        parts = [f"size 1/{self.shrink}"] * (self.shrink > 1) + [f"frame rate 1/{self.skip}"] * (self.skip > 1)
        return ", ".join([self.codec.settings, *parts])

    def encode(self, pictures: Sequence[Picture], fps: float) -> Coded:
        """Codes what is left of the pictures."""
        kept = [self._small(picture) for picture in pictures[:: self.skip]]
        coded = self.codec.encode(kept, fps / self.skip)
        return replace(coded, packets=[replace(p, number=p.number * self.skip) for p in coded.packets])

    def decode(self, packets: Sequence[Packet], count: int) -> list[Picture]:
        """All pictures, scaled up and repeated."""
        own = [replace(packet, number=packet.number // self.skip) for packet in packets]
        small = self.codec.decode(own, -(-count // self.skip))
        shown = [self._large(picture) for picture in small]
        return [shown[number // self.skip] for number in range(count)]

    def _small(self, picture: Picture) -> Picture:
        if self.shrink == 1:
            return picture
        size = (picture.shape[1] // self.shrink, picture.shape[0] // self.shrink)
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _large(self, picture: Picture) -> Picture:
        if self.shrink == 1:
            return picture
        size = (picture.shape[1] * self.shrink, picture.shape[0] * self.shrink)
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)
