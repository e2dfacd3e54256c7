"""facewire itself as a codec of the bandwidth benchmark: source frames and motion as a call sends them, through real bytes.

Given a weight bundle, a preset and a number of source frames, `Facewire` is the `Codec` that `run` compares with the rivals. Its
payload is motion with one frame per packet and no redundancy. Its bytes on the wire are counted as a call packs them: frames
bundled, every packet's frames repeated in the next, and each message acknowledged. Source frames after the first are charged at
the most that a call may spend on them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facewire.benchmark.bandwidth.codec import Allowance, Coded, Packet, Picture, Wire
from facewire.codec import (
    DEFAULT_SOURCES,
    DecodedFrame,
    LateAcknowledgements,
    Packing,
    decode_source,
    wire_bytes,
    write_stream,
)
from facewire.codec.wire import source_wire_bytes
from facewire.models.bundle import load_bundle
from facewire.models.runtime import Networks
from facewire.receiver.decoder import Decoder
from facewire.receiver.steady import Steadier
from facewire.sender.delayed import SentFrame, sent_frames
from facewire.sender.encoder import SOURCE_BYTES_PER_MINUTE, Encoder

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
    sources: int = DEFAULT_SOURCES
    """How many source frames are in use at a time, 1 to 8."""

    @property
    def settings(self) -> str:
        """Weights, preset and source frames."""
        bundle = load_bundle(self.weights)
        sources = "one source frame" if self.sources == 1 else f"{self.sources} source frames"
        return f"facewire {bundle.name} {bundle.hash.hex()[:12]}, preset {self.preset}, {sources}"

    def encode(self, pictures: Sequence[Picture], fps: float) -> Coded:
        """Makes the first picture a source frame, later ones where they are worth it, and sends the motion of all pictures."""
        networks = networks_of(self.weights, self.backend)
        squares = [_sized(picture, networks.bundle.picture_size) for picture in pictures]
        encoder = Encoder(networks, frame_rate=fps, sources=self.sources)
        frames = list(sent_frames(encoder, squares))
        messages = [frame.new_source.message for frame in frames if frame.new_source is not None]
        packets = [Packet(messages[0], 0, first=True)]
        for frame, (number, data) in zip(frames, _packed(encoder, frames, Packing(self.preset)), strict=True):
            packets.append(
                Packet(data, number)
            )  # a frame is drawn once the next packet is there: so what arrived is in time
            packets += [Packet(source.message, number, source=True) for source in frame.arrived]
        bundled = Packing(self.preset, 1 + int(BUNDLE_WAIT_S * fps), REDUNDANCY)
        sizes = [wire_bytes(len(data)) for _, data in _packed(encoder, frames, bundled)]
        wire = Wire(sum(forward for forward, _ in sizes), sum(back for _, back in sizes))
        return Coded(packets, wire, allowance(messages) if self.sources > 1 else Allowance())

    def decode(self, packets: Sequence[Packet], count: int) -> list[Picture]:
        """Draws every picture at the bundle's size; `Shown` scales them up."""
        decoder = Decoder(networks_of(self.weights, self.backend))
        decoder.receive_source(packets[0].data)

        def frames() -> Iterator[DecodedFrame]:
            for packet in packets[1:]:
                if packet.source:
                    decoder.receive_source(packet.data)
                else:
                    yield from decoder.decode(packet.data)

        shown = [decoder.render(frame.motion, frame.source) for frame in Steadier(decoder.coding).frames(frames())]
        return shown[:count]


def allowance(messages: Sequence[bytes]) -> Allowance:
    """What a call may spend on source frames after the first, if they are as large as those."""
    forward, back = (
        sum(sizes) for sizes in zip(*(source_wire_bytes(len(message)) for message in messages), strict=True)
    )
    kbps = SOURCE_BYTES_PER_MINUTE * 8 / 60 / 1000
    on_wire = (forward + back) / sum(len(message) for message in messages)
    return Allowance(kbps, kbps * on_wire, SOURCE_BYTES_PER_MINUTE)


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
    return write_stream(
        decode_source(packet.data) if packet.first or packet.source else packet.data for packet in packets
    )


def _packed(encoder: Encoder, frames: Sequence[SentFrame], packing: Packing) -> list[tuple[int, bytes]]:
    """Packets with the number of their newest frame, each acknowledged after a round trip."""
    fps = encoder.frame_rate
    packets = encoder.coding.motion_encoder(packing, fps)
    late = LateAcknowledgements(packets.acknowledge, ROUND_TRIP_MS * fps / 1000)
    made: list[tuple[int, bytes]] = []
    for number, frame in enumerate(frames):
        late.advance(number)
        packet = packets.encode(frame.motion, frame.capture_time_ms, frame.source_number)
        if packet is not None:
            made.append((number, packet))
            late.sent(number)
    if (packet := packets.flush()) is not None:
        made.append((len(frames) - 1, packet))
    return made


def _sized(picture: Picture, side: int) -> Picture:
    if picture.shape[0] == side:
        return picture
    method = cv2.INTER_AREA if side < picture.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (side, side), interpolation=method), np.uint8)
