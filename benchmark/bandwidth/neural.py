"""facewire itself as a codec of the bandwidth benchmark: source frame and motion as a call sends them, through real bytes.

Given a weight bundle and a preset, `Facewire` is the `Codec` that `run` compares with the rivals. Its payload is motion with one
frame per packet and no redundancy. Its bytes on the wire are counted as a call packs them: frames bundled, every packet's
frames repeated in the next, and each message acknowledged.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import cv2
import numpy as np

from facewire.benchmark.bandwidth.codec import Coded, Packet, Picture, Wire
from facewire.codec import LateAcknowledgements, Motion, Packing, decode_source, wire_bytes, write_stream
from facewire.models.bundle import load_bundle
from facewire.models.runtime import Networks
from facewire.receiver.decoder import Decoder
from facewire.receiver.receiver import Receiver
from facewire.sender.encoder import Encoder

ROUND_TRIP_MS = 100.0
"""How long after it was sent a frame is acknowledged."""
BUNDLE_WAIT_S = 0.085
"""The first frame of a packet waits at most this long for the others: at 25 fps three are bundled, as in a call."""
REDUNDANCY = 1
"""How many earlier packets' frames each packet of a call repeats."""


@functools.cache
def networks_of(weights: Path | None, backend: str) -> Networks:
    """The networks of this process, on one thread."""
    return Networks(load_bundle(weights), threads=1, backend=backend)


@dataclass(frozen=True)
class Facewire:
    """facewire at one preset."""

    preset: str
    weights: Path | None = None
    """Bundle folder; None for the packaged one."""
    backend: str = "auto"

    @property
    def settings(self) -> str:
        """Weights and preset."""
        bundle = load_bundle(self.weights)
        return f"facewire {bundle.name} {bundle.hash.hex()[:12]}, preset {self.preset}"

    def encode(self, pictures: Sequence[Picture], fps: float) -> Coded:
        """Makes the first picture the source frame and sends the motion of all pictures, its own included."""
        networks = networks_of(self.weights, self.backend)
        squares = [_sized(picture, networks.bundle.picture_size) for picture in pictures]
        encoder = Encoder(networks, frame_rate=fps, sources=1)
        source = encoder.use_source(squares[0])
        motions = [encoder.measure(square) for square in squares]
        packets = [Packet(source.message, 0, first=True)]
        for number, (_, data) in enumerate(_packed(encoder, motions, Packing(self.preset))):
            packets.append(Packet(data, number))
        bundled = Packing(self.preset, 1 + int(BUNDLE_WAIT_S * fps), REDUNDANCY)
        sizes = [wire_bytes(len(data)) for _, data in _packed(encoder, motions, bundled)]
        return Coded(packets, Wire(sum(forward for forward, _ in sizes), sum(back for _, back in sizes)))

    def decode(self, packets: Sequence[Packet], count: int) -> list[Picture]:
        """Draws every picture at the bundle's size; `Shown` scales them up."""
        networks = networks_of(self.weights, self.backend)
        decoder = Decoder(networks)
        decoder.receive_source(packets[0].data)
        receiver = Receiver(decoder, playout_delay_ms=0)
        for packet in packets[1:]:
            receiver.receive(packet.data)
        return [decoder.render(due.motion, due.source) for due in receiver.due(inf)][:count]


@dataclass(frozen=True)
class Shown:
    """facewire shown at a larger size than its own pictures, scaled up (bicubic)."""

    codec: Facewire
    size: int
    """Side of the pictures shown."""

    @property
    def settings(self) -> str:
        """Those of the codec, and the size shown."""
        return f"{self.codec.settings}, shown at {self.size}"

    def encode(self, pictures: Sequence[Picture], fps: float) -> Coded:
        """Encodes with the codec, which scales pictures down."""
        return self.codec.encode(pictures, fps)

    def decode(self, packets: Sequence[Packet], count: int) -> list[Picture]:
        """Decodes with the codec and scales up."""
        return [_sized(picture, self.size) for picture in self.codec.decode(packets, count)]


@dataclass(frozen=True)
class Repeat:
    """Only the source frame, held: the quality without any motion."""

    weights: Path | None = None
    size: int = 256

    @property
    def settings(self) -> str:
        """What this is."""
        return "the source frame of facewire, held"

    def encode(self, pictures: Sequence[Picture], fps: float) -> Coded:
        """Encodes only the source frame."""
        networks = networks_of(self.weights, "auto")
        square = _sized(pictures[0], networks.bundle.picture_size)
        source = Encoder(networks, frame_rate=fps).make_source(square)
        return Coded([Packet(source.message, 0, first=True)], Wire(0, 0))

    def decode(self, packets: Sequence[Packet], count: int) -> list[Picture]:
        """Repeats the source frame."""
        networks = networks_of(self.weights, "auto")
        source = Decoder(networks).read_source(decode_source(packets[0].data))
        return [_sized(source.picture, self.size)] * count


def stream_of(packets: Sequence[Packet]) -> bytes:
    """The packets as the bytes of a `.fw` file, for `facewire decode`."""
    return write_stream([decode_source(packets[0].data), *(packet.data for packet in packets[1:])])


def _packed(encoder: Encoder, motions: Sequence[Motion], packing: Packing) -> list[tuple[int, bytes]]:
    """Packets with the number of their newest frame, each acknowledged after a round trip."""
    fps = encoder.frame_rate
    packets = encoder.coding.motion_encoder(packing, fps)
    late = LateAcknowledgements(packets.acknowledge, ROUND_TRIP_MS * fps / 1000)
    made: list[tuple[int, bytes]] = []
    for number, motion in enumerate(motions):
        late.advance(number)
        packet = packets.encode(motion, round(1000 * number / fps))
        if packet is not None:
            made.append((number, packet))
            late.sent(number)
    if (packet := packets.flush()) is not None:
        made.append((len(motions) - 1, packet))
    return made


def _sized(picture: Picture, side: int) -> Picture:
    if picture.shape[0] == side:
        return picture
    method = cv2.INTER_AREA if side < picture.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (side, side), interpolation=method), np.uint8)
