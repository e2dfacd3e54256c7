"""Motion packets: frames to the bytes of one data-channel message and back, decodable whatever got lost before.

`sender` feeds `MotionEncoder` one `Motion` a frame and passes on what the other side acknowledges; `receiver` feeds
`MotionDecoder` whatever arrives, in any order. A packet holds up to 16 consecutive frames. Its first frame is
predicted from the newest frame that the other side surely has, or from nothing; each further frame from the one before
it in the same packet. So a packet never needs a packet that may be lost. Redundancy is the same thing: a packet that
begins with frames sent before.

A packet is one byte, 3 bits format version, 1 bit "absolute", 4 bits number of frames - 1, and then one range-coded
string: preset, pace, number of the first frame, age of its reference, and for each frame its capture time and its
coefficients: about 3 bytes of header for one frame, 1 byte a frame for three. A packet carries no checksum: a data
channel has DTLS's, and a file (`codec.stream`) has one per record. What is checked is that the bytes are exactly those
an encoder would have written. That finds nearly all bytes too many, half of all flipped bits, and no cut at the end:
a packet without any redundancy has nothing else to find them by.
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
from facewire.errors import DecodeError

PACKET_VERSION = 2
MAX_FRAMES_PER_PACKET = 16
MAX_PACKET_BYTES = 4096
MAX_REFERENCE_DISTANCE = 63
"""Frames from a packet's first frame back to its reference, at most."""

HISTORY_FRAMES = 128
"""Frames the decoder keeps, and how far back it tells what is missing. Half the range of a frame number's low bits."""

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


@dataclass(frozen=True)
class DecodedFrame:
    """One frame as the receiver has it.

    number: counts the sender's frames.
    capture_time_ms: milliseconds on the sender's clock.
    motion: what the sender's `MotionEncoder.reconstruction` gives for that number, bit for bit.
    preset: number, in `Tables.presets`, of the preset it was sent with.
    """

    number: int
    capture_time_ms: int
    motion: Motion
    preset: int


@dataclass(frozen=True)
class Packing:
    """How motion goes into packets; an encoder may change it at any time."""

    preset: str = "default"
    """Quality setting, by the name that the bundle's tables give it: of `PRESETS`, unless the bundle is older."""
    frames_per_packet: int = 1
    """New frames in a packet, 1 to 16: more of them cost delay and save packet overhead."""
    redundancy: int = 0
    """How many earlier packets' frames each packet repeats, 0 to 2: one repairs single losses at once."""


@dataclass(frozen=True)
class _Frame:
    """A frame as both sides remember it."""

    units: list[int]
    time_ms: int
    preset: int


@dataclass
class _Header:
    """What precedes the frames inside the range-coded string."""

    absolute: bool
    preset: int = 0
    pace: int = 1
    number: int = 0
    distance: int = 0


def frames_in(packet: bytes) -> int:
    """How many frames a motion packet holds, 1 to 16, by its first byte; DecodeError if it is none of this version."""
    return _first_byte(packet)[1]


def _first_byte(packet: bytes) -> tuple[bool, int]:
    if not 1 <= len(packet) <= MAX_PACKET_BYTES:
        raise DecodeError(f"a motion packet has 1 to {MAX_PACKET_BYTES} bytes, not {len(packet)}")
    if packet[0] >> 5 != PACKET_VERSION:
        raise DecodeError(f"a motion packet of format version {packet[0] >> 5}; this program reads {PACKET_VERSION}")
    return bool(packet[0] & 16), (packet[0] & 15) + 1


class _PacketModel:
    """What encoder and decoder do alike: the order and the likelihood of everything in a packet."""

    def __init__(self, tables: Tables, frame_rate: float) -> None:
        if not 0.1 <= frame_rate <= 1000:
            raise ValueError(f"the frame rate must be between 0.1 and 1000 a second, not {frame_rate}")
        self.frames = FrameModel(tables)
        self.millihertz = round(frame_rate * 1000)
        self._preset_table = tuple(range(len(tables.presets) + 1))

    def expected_ms(self, frames: int, pace: int) -> int:
        """Time that `frames` frames take when only every `pace`-th one of the nominal rate is sent."""
        return (frames * pace * _MILLIHERTZ_MS + self.millihertz // 2) // self.millihertz

    def code_header(self, coder: SymbolCoder, header: _Header) -> _Header:
        preset = coder.code(self._preset_table, header.preset)
        if header.absolute:
            return _Header(True, preset, 1, code_sized(coder, header.number), 0)
        pace = coder.code(_PACE_TABLE, header.pace - 1) + 1
        number = coder.bits(_NUMBER_BITS, header.number & (1 << _NUMBER_BITS) - 1)
        distance = coder.code(_DISTANCE_TABLE, header.distance - 1) + 1
        return _Header(False, preset, pace, number, distance)

    def code_frames(
        self, coder: SymbolCoder, header: _Header, reference: _Frame | None, frames: list[_Frame], count: int
    ) -> list[_Frame]:
        """Code the packet's `count` frames; `frames` is empty when decoding."""
        result: list[_Frame] = []
        activity = USUAL_ACTIVITY
        nothing = [0] * self.frames.size
        before, distance = reference, header.distance
        for position in range(count):
            given = frames[position] if frames else _Frame(nothing, 0, 0)
            if before is None:
                time_ms, age_class, from_units = code_sized(coder, given.time_ms), ABSOLUTE, nothing
            else:
                expected = before.time_ms + self.expected_ms(distance, header.pace)
                time_ms = expected + code_integer(coder, _TIME_TABLE, given.time_ms - expected)
                age_class, from_units = lag_class(time_ms - before.time_ms), before.units
            if not 0 <= time_ms <= MAX_TIME_MS:
                raise DecodeError(f"damaged packet: a capture time of {time_ms} ms")
            units, activity = self.frames.code_frame(coder, header.preset, age_class, from_units, given.units, activity)
            before, distance = _Frame(units, time_ms, header.preset), 1
            result.append(before)
        return result


class MotionEncoder:
    """Turns motion into packets.

    tables, quantiser: of the weight bundle, the same at both ends.
    packing: how to pack at first; ValueError for one that does not exist.
    frame_rate: nominal frames a second, 0.1 to 1000, as in the source message.
    first_number: number of the first frame, for continuing where another encoder ended.
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
        """How motion is packed. A new preset takes effect with the next packet; ValueError for what does not exist."""
        return self._packing

    @packing.setter
    def packing(self, packing: Packing) -> None:
        if not 0 <= packing.redundancy <= 2:
            raise ValueError(f"redundancy is 0 to 2, not {packing.redundancy}")
        together = packing.frames_per_packet * (1 + packing.redundancy)
        if not 1 <= together <= MAX_FRAMES_PER_PACKET:
            raise ValueError(
                f"{packing.frames_per_packet} frames a packet with redundancy {packing.redundancy} are "
                f"{together} frames; 1 to {MAX_FRAMES_PER_PACKET} fit"
            )
        self._preset = self._tables.preset_number(packing.preset)
        self._packing = packing

    @property
    def next_number(self) -> int:
        """The number that the next frame will get."""
        return self._next

    def encode(self, motion: Motion, capture_time_ms: int) -> bytes | None:
        """Take the next frame; returns a packet once enough frames are gathered, else None.

        capture_time_ms: 0 to 2^48 - 1, on the sender's clock. ValueError for NaN, infinity or a wrong expression size.
        """
        if not 0 <= capture_time_ms <= MAX_TIME_MS:
            raise ValueError(f"a capture time is 0 to 2^48 - 1 ms, not {capture_time_ms}")
        if self._next > MAX_NUMBER:
            raise ValueError(f"frame numbers end at {MAX_NUMBER}; start a new stream")
        before = self._history.get(self._next - 1)
        preset = self._preset
        if before is not None and self._packet_start < self._next:
            preset = before.preset  # a packet has one preset: a new one waits for the next packet
        units = self._quantiser.quantise(
            motion.vector(), self._tables.presets[preset], before.units if before is not None else None
        )
        self._history[self._next] = _Frame(units.tolist(), int(capture_time_ms), preset)
        self._next += 1
        self._forget()
        return self.flush() if self._next - self._packet_start >= self._packing.frames_per_packet else None

    def flush(self) -> bytes | None:
        """A packet of the frames gathered so far, however few; None if there are none."""
        if self._packet_start == self._next:
            return None
        packet = self._packet()
        self._packet_start = self._next
        return packet

    def acknowledge(self, frame_number: int) -> None:
        """The other side has decoded this frame. A number never sent, or older than the last one, changes nothing."""
        known = frame_number in self._history and frame_number < self._packet_start
        if known and (self._acknowledged is None or frame_number > self._acknowledged):
            self._acknowledged = frame_number

    def forget_acknowledged(self) -> None:
        """The other side starts anew and has nothing: the next packets need no frame but their own."""
        self._acknowledged = None

    def reconstruction(self, frame_number: int) -> Motion:
        """What the decoder makes of a frame of the last 128; ValueError for another."""
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
        """Number of the oldest frame to repeat: of the same preset, not acknowledged, and all between repeated too."""
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
    """Turns packets, in whatever order they come, into frames.

    tables, quantiser, frame_rate: as the encoder's.

    A new encoder that does not go on with the numbers of the one before needs a new decoder. What is decoded is right as
    long as only frames that this decoder gave out are acknowledged to the encoder.
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
        """Packets so far whose reference was not here."""

    @property
    def newest(self) -> int | None:
        """Number of the newest frame decoded, the one to acknowledge; None before the first."""
        return None if self._first is None else self._newest

    def decode(self, packet: bytes) -> list[DecodedFrame]:
        """The frames of a packet that were not known yet, oldest first.

        Empty for a repeated packet, one older than the last 128 frames, and one whose reference is not here: that one
        counts in `undecodable`, and its frames in `missing`. Raises DecodeError for anything else that cannot be
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
            raise DecodeError(f"damaged packet: a frame number beyond {MAX_NUMBER}")
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
        """Frame numbers not had, up to the newest heard of: of the last 128, from the first frame ever decoded on."""
        if self._first is None:
            return []
        start = max(self._first, self._newest - HISTORY_FRAMES + 1)
        return [number for number in range(start, self._heard + 1) if number not in self._history]

    def _unwrapped(self, low_bits: int) -> int | None:
        """The frame number nearest to the newest with these low bits."""
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
                fresh.append(DecodedFrame(at, frame.time_ms, self._quantiser.motion(frame.units), frame.preset))
        for old in [old for old in self._history if old < oldest]:
            del self._history[old]
        return fresh
