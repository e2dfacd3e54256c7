"""The interface of every codec in the bandwidth benchmark, ours and the rivals', and coding at reduced size or frame rate.

A codec turns the pictures of a clip into packets, and packets alone into pictures again. `rivals` and `neural` implement it, `run`
drives it.
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
    """The bytes of one picture, or of one of our source frames."""

    data: bytes
    """Payload."""
    number: int
    """Number of the picture it belongs to, from 0; of a later source frame, the first that can be drawn from it."""
    first: bool = False
    """Whether it is the key frame that starts the stream, or our first source frame."""
    source: bool = False
    """Whether it is one of our source frames after the first."""


@dataclass(frozen=True)
class Wire:
    """Modelled bytes of the IP packets after the first picture, headers included, without our further source frames."""

    forward: int
    back: int
    """Acknowledgements."""


@dataclass(frozen=True)
class Allowance:
    """The most that a call may spend on source frames after the first: charged in full, whatever a clip really takes."""

    payload_kbps: float = 0.0
    wire_kbps: float = 0.0
    """With the headers and acknowledgements of their pieces."""
    start_bytes: int = 0
    """Payload that may be spent at once when a call begins, before any of the rate above is due."""


@dataclass(frozen=True)
class Coded:
    """A coded clip."""

    packets: list[Packet]
    wire: Wire
    allowance: Allowance = Allowance()

    @property
    def first_bytes(self) -> int:
        """Payload of the key frame or of the first source frame."""
        return sum(len(packet.data) for packet in self.packets if packet.first)

    @property
    def payload_bytes(self) -> int:
        """Payload of everything after it but source frames."""
        return sum(len(packet.data) for packet in self.packets if not (packet.first or packet.source))

    @property
    def source_bytes(self) -> list[int]:
        """Payload of each source frame after the first."""
        return [len(packet.data) for packet in self.packets if packet.source]


class Codec(Protocol):
    """One codec at one setting."""

    @property
    def settings(self) -> str:
        """Settings, for people who want to repeat it."""
        ...

    def encode(self, pictures: Sequence[Picture], fps: float) -> Coded:
        """Codes pictures of one size, `fps` per second."""
        ...

    def decode(self, packets: Sequence[Packet], count: int) -> list[Picture]:
        """Decodes all `count` pictures from packets alone; where none was coded, the one before is repeated."""
        ...


def rtp_wire(packets: Sequence[Packet]) -> Wire:
    """The bytes of pictures as RTP over UDP and IPv4. Feedback is not counted, though ours pays for its own."""
    return Wire(sum(rtp_wire_bytes(len(packet.data)) for packet in packets if not packet.first), 0)


@dataclass(frozen=True)
class Reduced:
    """Another codec, given smaller pictures or fewer.

    shrink: 2 codes at half the width and height and scales the result up (area down, bicubic up). skip: 2 codes every second
    picture and shows it twice.
    """

    codec: Codec
    shrink: int = 1
    skip: int = 1

    @property
    def settings(self) -> str:
        """The other codec's settings, and what is reduced."""
        parts = [f"size 1/{self.shrink}"] * (self.shrink > 1) + [f"frame rate 1/{self.skip}"] * (self.skip > 1)
        return ", ".join([self.codec.settings, *parts])

    def encode(self, pictures: Sequence[Picture], fps: float) -> Coded:
        """Codes the reduced pictures."""
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
