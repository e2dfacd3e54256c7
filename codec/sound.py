"""Sound packets: an Opus packet or a notice of silence, with its capture time, in as few bytes as possible.

`sender.sound` writes them and `receiver.sound` reads them; both leave Opus itself to libopus. Each packet stands on its own, so
it may get lost, arrive late or arrive twice.

Layout: 2 bytes, big endian: 2 bits kind, 14 bits capture time in steps of 4 ms, modulo 2^14 (65.5 s). The kinds:
0 speech: a mono Opus packet follows.
1 speech with its whole time: 2 more bytes, bits 16 to 31 of the capture time, precede the Opus packet. One is sent every second
  for a receiver that joined late or heard nothing for a minute.
2 silence: the same 2 bytes, then the noise level in -dBFS, 127 for none.
3 is rejected.
"""

from __future__ import annotations

from dataclasses import dataclass

from facewire.errors import DecodeError

TIME_STEP_MS = 4
MAX_OPUS_BYTES = 1275
"""The longest frame of RFC 6716; at the bitrates of a call, packets have about 100 bytes."""
MAX_OPUS_MS = 120
SILENT_DBFS = -127
"""The level that means no sound at all."""

_SHORT_SPAN_MS = TIME_STEP_MS << 14
_TIME_SPAN_MS = 1 << 32
_SPEECH, _TIMED_SPEECH, _SILENCE = 0, 1, 2
_FRAMES_MS = ((10, 20, 40, 60), (10, 20), (2.5, 5, 10, 20))
"""Frame lengths of Opus's configurations: SILK, hybrid, CELT."""


@dataclass(frozen=True)
class SoundPacket:
    """A decoded sound packet."""

    capture_ms: int
    """When its first sample was captured, in steps of 4 ms, modulo `span_ms`."""
    span_ms: int
    opus: bytes = b""
    """The coded frame; empty for silence."""
    duration_ms: float = 0.0
    """Length of the frame; 0 for silence."""
    level_dbfs: int = SILENT_DBFS
    """Noise level during silence, -127 to 0."""

    @property
    def silence(self) -> bool:
        return not self.opus

    def near(self, anchor_ms: float) -> int:
        """The whole capture time: of all times that end in these bits, the one nearest to `anchor_ms`."""
        half = self.span_ms // 2
        return round(anchor_ms) + (self.capture_ms - round(anchor_ms) + half) % self.span_ms - half

    @property
    def whole_time(self) -> bool:
        """Whether the time needs no anchor, except that it wraps after 49 days."""
        return self.span_ms == _TIME_SPAN_MS


def encode_speech(opus: bytes, capture_ms: int, *, whole_time: bool) -> bytes:
    """Makes a packet of one Opus packet. capture_ms: 0 or more. whole_time: send 32 bits of it instead of 16."""
    if not 1 <= len(opus) <= MAX_OPUS_BYTES:
        raise ValueError(f"an Opus packet must have 1 to {MAX_OPUS_BYTES} bytes, not {len(opus)}")
    return _head(_TIMED_SPEECH if whole_time else _SPEECH, capture_ms) + opus


def encode_silence(level_dbfs: float, capture_ms: int) -> bytes:
    """Makes a packet that announces silence from here on, with noise of that level, -127 (none) to 0 dBFS."""
    level = min(max(round(-level_dbfs), 0), -SILENT_DBFS)
    return _head(_SILENCE, capture_ms) + bytes([level])


def decode_sound(packet: bytes) -> SoundPacket:
    """The inverse of `encode_speech` and `encode_silence`. Raises DecodeError for anything else."""
    if len(packet) < 3:
        raise DecodeError(f"a sound packet of {len(packet)} bytes; the shortest has 3")
    head = int.from_bytes(packet[:2], "big")
    kind, low_ms = head >> 14, (head & 0x3FFF) * TIME_STEP_MS
    if kind == _SPEECH:
        return _speech(packet[2:], low_ms, _SHORT_SPAN_MS)
    if len(packet) < 5:
        raise DecodeError(f"a sound packet of kind {kind} cut off after {len(packet)} bytes")
    time_ms = int.from_bytes(packet[2:4], "big") << 16 | low_ms
    if kind == _TIMED_SPEECH:
        return _speech(packet[4:], time_ms, _TIME_SPAN_MS)
    if kind != _SILENCE:
        raise DecodeError(f"a sound packet of unknown kind {kind}")
    if len(packet) != 5 or packet[4] > -SILENT_DBFS:
        raise DecodeError("a damaged silence packet")
    return SoundPacket(time_ms, _TIME_SPAN_MS, level_dbfs=-packet[4])


def opus_duration_ms(opus: bytes) -> float:
    """Length of a mono Opus packet, read from its first bytes (RFC 6716, 3.1). Raises DecodeError for any other."""
    if not 1 <= len(opus) <= MAX_OPUS_BYTES:
        raise DecodeError(f"an Opus packet of {len(opus)} bytes; it must have 1 to {MAX_OPUS_BYTES}")
    configuration, stereo, code = opus[0] >> 3, opus[0] & 4, opus[0] & 3
    if stereo:
        raise DecodeError("stereo sound; calls are mono")
    if code == 3 and len(opus) < 2:
        raise DecodeError("a truncated Opus packet: it does not say how many frames it has")
    frames = opus[1] & 63 if code == 3 else (1, 2, 2)[code]
    lengths = _FRAMES_MS[0 if configuration < 12 else 1 if configuration < 16 else 2]
    duration_ms = frames * lengths[configuration % len(lengths)]
    if not 0 < duration_ms <= MAX_OPUS_MS:
        raise DecodeError(f"an Opus packet of {duration_ms} ms; it must have more than 0 and at most {MAX_OPUS_MS}")
    return duration_ms


def _head(kind: int, capture_ms: int) -> bytes:
    if capture_ms < 0:
        raise ValueError(f"a capture time must be 0 or more, not {capture_ms}")
    time_ms = capture_ms % _TIME_SPAN_MS
    short = (kind << 14 | (time_ms % _SHORT_SPAN_MS) // TIME_STEP_MS).to_bytes(2, "big")
    return short if kind == _SPEECH else short + (time_ms >> 16).to_bytes(2, "big")


def _speech(opus: bytes, time_ms: int, span_ms: int) -> SoundPacket:
    return SoundPacket(time_ms, span_ms, opus, opus_duration_ms(opus))
