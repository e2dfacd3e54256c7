"""Motion packets: frames to the bytes of one data-channel message and back, decodable whatever was lost before.

`sender` feeds `MotionEncoder` one `Motion` per frame and passes on the other side's acknowledgements; `receiver` feeds
`MotionDecoder` whatever arrives, in any order. A packet holds up to 16 consecutive frames. The first is predicted from the
newest frame that the other side is known to have, or from nothing; each further frame from the one before it in the packet.
So no packet ever depends on one that may be lost. A redundant packet simply begins with frames that were sent before.

A packet is one byte (3 bits format version, 1 bit "absolute", 4 bits number of frames - 1) and one range-coded string:
preset, pace, number of the first frame, distance to its reference, and for each frame its source frame, capture time and
coefficients.
The header takes about 3 bytes for one frame, or 1 byte per frame for three. There is no checksum: a data channel has that of
DTLS, and a file (`codec.stream`) has one per record. The decoder only checks that the bytes are exactly those an encoder would
have written. That catches nearly all surplus bytes, half of all flipped bits, and no truncation; a packet without redundancy
has nothing else to check.
"""

from __future__ import annotations

from dataclasses import dataclass

from facewire.codec.entropy import (
    ABSOLUTE,
    USUAL_ACTIVITY,
    FrameModel,
    Tables,
    code_integer,
    code_sized,
    lag_class,
)
from facewire.codec.motion import Motion
from facewire.codec.quantiser import Quantiser
from facewire.codec.range_coder import RangeDecoder, RangeEncoder, SymbolCoder
from facewire.codec.source import MAX_SOURCE_NUMBER
from facewire.errors import DecodeError

PACKET_VERSION = 3
MAX_FRAMES_PER_PACKET = 16
MAX_PACKET_BYTES = 4096
MAX_REFERENCE_DISTANCE = 63
"""The largest distance, in frames, from a packet's first frame back to its reference."""

HISTORY_FRAMES = 128
"""How many frames the decoder keeps, and how far back `missing` looks. Half the range of a frame number's low bits."""

MAX_TIME_MS = (1 << 48) - 1
MAX_NUMBER = (1 << 32) - 1

_NUMBER_BITS = 8
_TIME_TABLE = 3 * 16 + 2
_MILLIHERTZ_MS = 1_000_000


def _cumulative(*frequencies: int) -> tuple[int, ...]:
    sums = [0]
    for frequency in frequencies:
        sums.append(sums[-1] + frequency)
    return tuple(sums)


_DISTANCE_TABLE = _cumulative(*[12] * 8, *[4] * 8, *[1] * (MAX_REFERENCE_DISTANCE - 16))
_PACE_TABLE = _cumulative(26, 3, 2, 1)
_SOURCE_CHANGED_TABLE = _cumulative(255, 1)
_SOURCE_BITS = 8


@dataclass(frozen=True)
class DecodedFrame:
    """One frame at the receiver."""

    number: int
    """Counts the sender's frames from 0."""
    capture_time_ms: int
    """On the sender's clock."""
    motion: Motion
    """The same, bit for bit, as the sender's `MotionEncoder.reconstruction` of this frame."""
    preset: int
    """Position in `Tables.presets` of the preset it was sent with."""
    source: int = 0
    """Number of the source frame that it is best drawn from."""


@dataclass(frozen=True)
class Packing:
    """How motion is put into packets. Can be changed at any time during a stream."""

    preset: str = "default"
    """Quality setting: the name of a preset in the bundle's tables, as in `PRESETS`."""
    frames_per_packet: int = 1
    """New frames per packet, 1 to 16. More of them save packet overhead and cost delay."""
    redundancy: int = 0
    """How many earlier packets' frames each packet repeats, 0 to 2; 1 repairs single losses. At most 16 frames fit in all."""


@dataclass(frozen=True)
class _Frame:
    """A frame as both ends remember it."""

    units: list[int]
    time_ms: int
    preset: int
    source: int


@dataclass
class _Header:
    """What precedes the frames in the range-coded string."""

    absolute: bool
    preset: int = 0
    pace: int = 1
    number: int = 0
    distance: int = 0


def frames_in(packet: bytes) -> int:
    """How many frames a motion packet holds, 1 to 16. Raises DecodeError if it is not a packet of this version."""
    return _first_byte(packet)[1]


def _first_byte(packet: bytes) -> tuple[bool, int]:
    if not 1 <= len(packet) <= MAX_PACKET_BYTES:
        raise DecodeError(f"a motion packet has 1 to {MAX_PACKET_BYTES} bytes, not {len(packet)}")
    if packet[0] >> 5 != PACKET_VERSION:
        raise DecodeError(f"a motion packet of format version {packet[0] >> 5}; this program reads {PACKET_VERSION}")
    return bool(packet[0] & 16), (packet[0] & 15) + 1


class _PacketModel:
    """What encoder and decoder share: the order and the probability of everything in a packet."""

    def __init__(self, tables: Tables, frame_rate: float) -> None:
        if not 0.1 <= frame_rate <= 1000:
            raise ValueError(f"the frame rate must be 0.1 to 1000 frames per second, not {frame_rate}")
        self.frames = FrameModel(tables)
        self.millihertz = round(frame_rate * 1000)
        self._preset_table = tuple(range(len(tables.presets) + 1))

    def expected_ms(self, frames: int, pace: int) -> int:
        """How long `frames` frames take when only every `pace`-th frame of the nominal rate is sent."""
        return (frames * pace * _MILLIHERTZ_MS + self.millihertz // 2) // self.millihertz

    def code_header(self, coder: SymbolCoder, header: _Header) -> _Header:
        preset = coder.code(self._preset_table, header.preset)
        if header.absolute:
            return _Header(True, preset, 1, code_sized(coder, header.number), 0)
        pace = coder.code(_PACE_TABLE, header.pace - 1) + 1
        number = coder.bits(_NUMBER_BITS, header.number & (1 << _NUMBER_BITS) - 1)
        distance = coder.code(_DISTANCE_TABLE, header.distance - 1) + 1
        return _Header(False, preset, pace, number, distance)

    @staticmethod
    def code_source(coder: SymbolCoder, before: _Frame | None, source: int) -> int:
        """The number of a frame's source frame: nearly free while it is that of the frame before."""
        if before is not None and not coder.code(_SOURCE_CHANGED_TABLE, int(source != before.source)):
            return before.source
        number = coder.bits(_SOURCE_BITS, source)
        if before is not None and number == before.source:
            raise DecodeError("damaged packet: a change to the same source frame")
        return number

    def code_frames(
        self, coder: SymbolCoder, header: _Header, reference: _Frame | None, frames: list[_Frame], count: int
    ) -> list[_Frame]:
        """Codes the packet's `count` frames; `frames` is empty when decoding."""
        result: list[_Frame] = []
        activity = USUAL_ACTIVITY
        nothing = [0] * self.frames.size
        before, distance = reference, header.distance
        for position in range(count):
            given = frames[position] if frames else _Frame(nothing, 0, 0, 0)
            source = self.code_source(coder, before, given.source)
            if before is None:
                time_ms, age_class, from_units = code_sized(coder, given.time_ms), ABSOLUTE, nothing
            else:
                expected = before.time_ms + self.expected_ms(distance, header.pace)
                time_ms = expected + code_integer(coder, _TIME_TABLE, given.time_ms - expected)
                age_class, from_units = lag_class(time_ms - before.time_ms), before.units
            if not 0 <= time_ms <= MAX_TIME_MS:
                raise DecodeError(f"damaged packet: a capture time of {time_ms} ms")
            units, activity = self.frames.code_frame(coder, header.preset, age_class, from_units, given.units, activity)
            before, distance = _Frame(units, time_ms, header.preset, source), 1
            result.append(before)
        return result


class MotionEncoder:
    """Turns motion into packets.

    tables, quantiser: of the weight bundle; both ends need the same ones.
    packing: how to pack at first. Raises ValueError for impossible settings.
    frame_rate: nominal frames per second, 0.1 to 1000, as in the source message.
    first_number: number of the first frame, to continue where another encoder stopped.
    """

    def __init__(
        self,
        tables: Tables,
        quantiser: Quantiser,
        packing: Packing | None = None,
        *,
        frame_rate: float = 25.0,
        first_number: int = 0,
    ) -> None:
        if tables.expression_size != quantiser.expression_size:
            raise ValueError(
                f"tables for {tables.expression_size} expression coefficients, steps for {quantiser.expression_size}"
            )
        if not 0 <= first_number <= MAX_NUMBER:
            raise ValueError(f"frame numbers go from 0 to {MAX_NUMBER}, not {first_number}")
        self._model = _PacketModel(tables, frame_rate)
        self._tables = tables
        self._quantiser = quantiser
        self._history: dict[int, _Frame] = {}
        self._next = first_number
        self._packet_start = first_number
        self._acknowledged: int | None = None
        self.packing = packing or Packing()

    @property
    def packing(self) -> Packing:
        """How motion is packed. A new preset takes effect with the next packet. Raises ValueError for impossible settings."""
        return self._packing

    @packing.setter
    def packing(self, packing: Packing) -> None:
        if not 0 <= packing.redundancy <= 2:
            raise ValueError(f"redundancy is 0 to 2, not {packing.redundancy}")
        together = packing.frames_per_packet * (1 + packing.redundancy)
        if not 1 <= together <= MAX_FRAMES_PER_PACKET:
            raise ValueError(
                f"{packing.frames_per_packet} frames per packet with redundancy {packing.redundancy} make "
                f"{together} frames; 1 to {MAX_FRAMES_PER_PACKET} fit"
            )
        self._preset = self._tables.preset_number(packing.preset)
        self._packing = packing

    @property
    def next_number(self) -> int:
        """The number of the next frame."""
        return self._next

    def encode(self, motion: Motion, capture_time_ms: int, source: int = 0) -> bytes | None:
        """Adds the next frame. Returns a packet once it is full, otherwise None.

        capture_time_ms: on the sender's clock, 0 to 2^48 - 1. source: number of the frame's source frame, 0 to 255. Raises
        ValueError for values outside these bounds, and for a motion with NaN, infinity or an expression code of the wrong size.
        """
        if not 0 <= source <= MAX_SOURCE_NUMBER:
            raise ValueError(f"source frames are numbered 0 to {MAX_SOURCE_NUMBER}, not {source}")
        if not 0 <= capture_time_ms <= MAX_TIME_MS:
            raise ValueError(f"a capture time is 0 to 2^48 - 1 ms, not {capture_time_ms}")
        if self._next > MAX_NUMBER:
            raise ValueError(f"frame numbers end at {MAX_NUMBER}; start a new stream")
        before = self._history.get(self._next - 1)
        preset = self._preset
        if before is not None and self._packet_start < self._next:
            preset = before.preset  # a packet has a single preset, so a new one waits for the next packet
        units = self._quantiser.quantise(
            motion.vector(), self._tables.presets[preset], before.units if before is not None else None
        )
        self._history[self._next] = _Frame(units.tolist(), int(capture_time_ms), preset, source)
        self._next += 1
        self._forget()
        return self.flush() if self._next - self._packet_start >= self._packing.frames_per_packet else None

    def flush(self) -> bytes | None:
        """Returns a packet of the frames gathered so far, None if there are none."""
        if self._packet_start == self._next:
            return None
        packet = self._packet()
        self._packet_start = self._next
        return packet

    def acknowledge(self, frame_number: int) -> None:
        """Records that the other side has decoded this frame. Ignores numbers never sent and older than the last one."""
        known = frame_number in self._history and frame_number < self._packet_start
        if known and (self._acknowledged is None or frame_number > self._acknowledged):
            self._acknowledged = frame_number

    def forget_acknowledged(self) -> None:
        """Records that the other side has nothing any more: the next packets depend on no earlier frame."""
        self._acknowledged = None

    def reconstruction(self, frame_number: int) -> Motion:
        """A frame as the decoder will see it. Raises ValueError unless it is one of the last 128."""
        if frame_number not in self._history:
            raise ValueError(f"frame {frame_number} is not among the last {HISTORY_FRAMES} frames")
        return self._quantiser.motion(self._history[frame_number].units)

    def _packet(self) -> bytes:
        preset = self._history[self._packet_start].preset
        start = self._first_repeated(preset)
        frames = [self._history[number] for number in range(start, self._next)]
        reference = self._reference(start)
        header = _Header(reference is None, preset, number=start)
        if reference is not None and self._acknowledged is not None:
            header.distance = start - self._acknowledged
            elapsed = frames[0].time_ms - reference.time_ms
            header.pace = min(range(1, 5), key=lambda p: abs(elapsed - self._model.expected_ms(header.distance, p)))
        coder = RangeEncoder()
        self._model.code_header(coder, header)
        self._model.code_frames(coder, header, reference, frames, len(frames))
        first = PACKET_VERSION << 5 | header.absolute << 4 | len(frames) - 1
        return bytes([first]) + coder.finish()

    def _first_repeated(self, preset: int) -> int:
        """Number of the oldest frame to repeat, so that it and all after it have the same preset and are unacknowledged."""
        start = self._packet_start
        oldest = start - self._packing.redundancy * self._packing.frames_per_packet
        if self._acknowledged is not None:
            oldest = max(oldest, self._acknowledged + 1)
        while start > oldest and start - 1 in self._history and self._history[start - 1].preset == preset:
            start -= 1
        return start

    def _reference(self, start: int) -> _Frame | None:
        if self._acknowledged is None or start - self._acknowledged > MAX_REFERENCE_DISTANCE:
            return None
        return self._history[self._acknowledged]

    def _forget(self) -> None:
        self._history.pop(self._next - 1 - HISTORY_FRAMES, None)


class MotionDecoder:
    """Turns packets back into frames, in whatever order they arrive.

    tables, quantiser, frame_rate: the encoder's.

    A new encoder needs a new decoder, unless it continues the numbers of the previous one. Frames are decoded correctly as long
    as only frames that this decoder has returned are acknowledged to the encoder.
    """

    def __init__(self, tables: Tables, quantiser: Quantiser, *, frame_rate: float = 25.0) -> None:
        if tables.expression_size != quantiser.expression_size:
            raise ValueError(
                f"tables for {tables.expression_size} expression coefficients, steps for {quantiser.expression_size}"
            )
        self._model = _PacketModel(tables, frame_rate)
        self._quantiser = quantiser
        self._history: dict[int, _Frame] = {}
        self._first: int | None = None
        self._newest = -1
        self._heard = -1
        self.undecodable = 0
        """How many packets arrived without their reference."""

    @property
    def newest(self) -> int | None:
        """Number of the newest decoded frame, to be acknowledged. None before the first."""
        return None if self._first is None else self._newest

    def decode(self, packet: bytes) -> list[DecodedFrame]:
        """Returns the frames of a packet that are new, oldest first.

        There are none in a repeated packet, in one older than the last 128 frames, and in one whose reference has not arrived;
        the last kind counts in `undecodable` and its frames in `missing`. Raises DecodeError for anything else that cannot be
        decoded.
        """
        absolute, count = _first_byte(packet)
        coder = RangeDecoder(packet[1:])
        header = self._model.code_header(coder, _Header(absolute))
        number = header.number if absolute else self._unwrapped(header.number)
        if number is None or number < 0:
            self.undecodable += 1
            return []
        if number + count - 1 > MAX_NUMBER:
            raise DecodeError(f"damaged packet: a frame number above {MAX_NUMBER}")
        reference = None
        if not absolute:
            reference = self._history.get(number - header.distance)
            if reference is None:
                self._note_unreferenced(number, count)
                return []
        frames = self._model.code_frames(coder, header, reference, [], count)
        coder.finish()
        return self._keep(number, frames)

    def missing(self) -> list[int]:
        """Which of the last 128 frames have not arrived, from the first decoded frame up to the newest one heard of."""
        if self._first is None:
            return []
        start = max(self._first, self._newest - HISTORY_FRAMES + 1)
        return [number for number in range(start, self._heard + 1) if number not in self._history]

    def _unwrapped(self, low_bits: int) -> int | None:
        """The frame number with these low bits that is nearest to the newest."""
        if self._first is None:
            return None
        span = 1 << _NUMBER_BITS
        return self._newest + (low_bits - self._newest + span // 2) % span - span // 2

    def _note_unreferenced(self, number: int, count: int) -> None:
        self.undecodable += 1
        self._heard = max(self._heard, number + count - 1)

    def _keep(self, number: int, frames: list[_Frame]) -> list[DecodedFrame]:
        for position, frame in enumerate(frames):
            if self._history.get(number + position, frame) != frame:
                raise DecodeError(f"frame {number + position} came twice with different contents")
        last = number + len(frames) - 1
        self._first = number if self._first is None else min(self._first, number)
        self._newest = max(self._newest, last)
        self._heard = max(self._heard, last)
        oldest = self._newest - HISTORY_FRAMES + 1
        fresh = []
        for at, frame in enumerate(frames, number):
            if at not in self._history and at >= oldest:
                self._history[at] = frame
                motion = self._quantiser.motion(frame.units)
                fresh.append(DecodedFrame(at, frame.time_ms, motion, frame.preset, frame.source))
        for old in [old for old in self._history if old < oldest]:
            del self._history[old]
        return fresh
