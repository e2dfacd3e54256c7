"""Turns sound packets back into sound: in order, in step with the pictures, and without clicks where one is missing.

Takes sound packets (`facewire.codec.sound`) with their whole capture times, in any order, and gives `playout` blocks of samples
for the moment whose picture it shows. PyAV's libopus decodes but offers no concealment, so lost sound is replaced by the last
pitch period, repeated and fading.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from facewire.codec import SILENT_DBFS, SoundPacket

RATE_HZ = 48000
MAX_WAITING = 64
"""How many packets that are not yet due are kept: over a second, even of the shortest."""
ROUNDING_MS = 8.0
"""Capture times are rounded to 4 ms. A packet this close to the end of the previous one follows it without a gap."""
TOLERANCE_MS = 10.0
"""Sound this close to its time is played unchanged."""
MAX_STRETCH = 0.03
"""By how much speech is sped up or slowed down to get back in step: half a semitone."""
STRETCH_PER_MS = 0.0005
JUMP_MS = 100.0
"""Speech further from its time is cut or delayed at once."""
GIVEN_UP_MS = 1000.0
"""After so long without a packet the other side is assumed to be silent."""

FADE_OUT_S = 0.12
"""Lost speech fades to silence in this time, since longer repetition sounds robotic."""
CROSS_FADE = RATE_HZ // 200
_HISTORY = RATE_HZ * 6 // 100
_LAGS = RATE_HZ // 400, RATE_HZ // 60
"""Pitch periods of 2.5 to 16.7 ms."""

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class SoundStats:
    """Totals so far, and the current offset."""

    played_ms: float
    """Speech played."""
    concealed_ms: float
    """Sound filled in for missing packets."""
    late: int
    """Packets that arrived after they were due."""
    offset_ms: float
    """How far the sound is ahead of its time (negative: behind)."""


class SoundTrack:
    """One sender's sound. Not thread-safe."""

    def __init__(self) -> None:
        self._decoder = _decoder()
        self._waiting: dict[int, SoundPacket] = {}
        self._done: deque[int] = deque(maxlen=2 * MAX_WAITING)
        """Starts of the last packets that were played or too late, so that a copy does not count as late again."""
        self._edge_ms: float | None = None
        """Capture time at which the decoded samples end."""
        self._ready: NDArray[np.float32] = np.zeros(0, np.float32)
        self._filler = _Filler()
        self._filling = True
        self._silent = True
        self._heard_of_ms = -np.inf
        self._played_ms = self._concealed_ms = 0.0
        self._late = 0
        self._offset_ms = 0.0

    def add(self, packet: SoundPacket, capture_ms: int) -> bool:
        """Takes a packet with its whole capture time. Returns False for a copy of an earlier one."""
        if capture_ms in self._waiting or capture_ms in self._done:
            return False
        if (
            self._edge_ms is not None
            and capture_ms + max(packet.duration_ms, GIVEN_UP_MS * packet.silence) <= self._edge_ms
        ):
            self._late += 1
            self._done.append(capture_ms)
            return True
        self._waiting[capture_ms] = packet
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[max(self._waiting)]
        return True

    def block(self, count: int, due_ms: float) -> Samples:
        """The next samples, int16 (count,), to be heard from the moment when capture time due_ms is due."""
        position_ms = due_ms if self._edge_ms is None else self._edge_ms - _ms(self._ready.size)
        ahead_ms = 0.0 if self._filling and not self._ready.size else position_ms - due_ms
        if abs(ahead_ms) > JUMP_MS:
            self._jump(due_ms)
            ahead_ms = 0.0
        self._offset_ms = ahead_ms
        stretch = 0.0
        if abs(ahead_ms) > TOLERANCE_MS:
            stretch = min(max(ahead_ms * STRETCH_PER_MS, -MAX_STRETCH), MAX_STRETCH)
        wanted = max(1, round(count * (1 - stretch)))
        while self._ready.size < wanted:
            done_ms = _ms(self._ready.size)
            self._ready = np.concatenate([self._ready, self._next(wanted - self._ready.size, due_ms + done_ms)])
        taken, self._ready = self._ready[:wanted], self._ready[wanted:]
        if wanted != count:
            taken = np.interp(np.linspace(0, wanted - 1, count), np.arange(wanted), taken).astype(np.float32)
        return np.clip(np.rint(taken), -32768, 32767).astype(np.int16)

    @property
    def speaking(self) -> bool:
        """Whether speech is playing, rather than silence or filler."""
        return not self._filling

    def stats(self) -> SoundStats:
        return SoundStats(self._played_ms, self._concealed_ms, self._late, self._offset_ms)

    def _next(self, wanted: int, due_ms: float) -> NDArray[np.float32]:
        """The next stretch of sound: a whole packet, or at most `wanted` samples of filler."""
        edge_ms = self._edge_ms if self._edge_ms is not None and not self._filling else due_ms
        start = self._first(edge_ms)
        if start is not None and start <= edge_ms + ROUNDING_MS:
            packet = self._waiting.pop(start)
            self._heard_of_ms = edge_ms
            if not packet.silence:
                return self._speech(packet, start, edge_ms)
            self._silent = True
            self._filler.level_dbfs = packet.level_dbfs
        gap = wanted if start is None else min(wanted, max(1, _samples(start - edge_ms)))
        if not self._filling:
            self._filling = True
            self._filler.start()
        if edge_ms - self._heard_of_ms > GIVEN_UP_MS:
            self._silent = True
        if not self._silent:
            self._concealed_ms += _ms(gap)
        self._edge_ms = edge_ms + _ms(gap)
        return self._filler.take(gap)

    def _first(self, edge_ms: float) -> int | None:
        """Start of the first packet that has not ended yet."""
        for start in sorted(self._waiting):
            packet = self._waiting[start]
            if packet.silence or start + packet.duration_ms > edge_ms + ROUNDING_MS / 2:
                return start
            del self._waiting[start]
            self._done.append(start)
            self._late += 1
        return None

    def _speech(self, packet: SoundPacket, start: int, edge_ms: float) -> NDArray[np.float32]:
        samples = self._decoded(packet)
        self._done.append(start)
        self._played_ms += packet.duration_ms
        self._edge_ms = start + packet.duration_ms
        if start < edge_ms - ROUNDING_MS:
            samples = samples[_samples(edge_ms - start) :]  # arrived too late for its beginning
        if self._filling:
            samples = self._filler.fade_into(samples)
        self._filling = self._silent = False
        self._filler.remember(samples)
        return samples

    def _decoded(self, packet: SoundPacket) -> NDArray[np.float32]:
        """Decodes to float32 samples in the range of int16; silence if the packet is damaged."""
        wanted = _samples(packet.duration_ms)
        try:
            frames = self._decoder.decode(av.Packet(packet.opus))
        except av.FFmpegError:
            self._decoder = _decoder()
            return np.zeros(wanted, np.float32)
        parts = [frame.to_ndarray().astype(np.float32).reshape(-1) for frame in frames]
        samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        return np.pad(samples, (0, max(0, wanted - samples.size)))[:wanted]

    def _jump(self, due_ms: float) -> None:
        """Drops what has been decoded and continues in step with the pictures."""
        self._ready = self._ready[:0]
        if not self._filling:
            self._filling = True
            self._filler.start()
        self._edge_ms = due_ms


class _Filler:
    """Fills gaps with the last sound, repeated and fading, over quiet noise."""

    def __init__(self) -> None:
        self.level_dbfs = SILENT_DBFS
        self._history = np.zeros(_HISTORY, np.float32)
        self._period = np.zeros(1, np.float32)
        self._at = 0
        self._gone = RATE_HZ
        """Samples since the gap began."""
        self._random = np.random.default_rng(0)

    def remember(self, samples: NDArray[np.float32]) -> None:
        self._history = np.concatenate([self._history, samples])[-_HISTORY:]

    def start(self) -> None:
        """Starts a gap after the sound remembered."""
        lag = self._pitch_lag()
        period, before = self._history[-lag:].copy(), self._history[-2 * lag : -lag]
        overlap = lag // 4
        up = np.linspace(0, 1, overlap, dtype=np.float32)
        # Fade its end into what preceded its beginning, so that it repeats without a step.
        period[-overlap:] = (1 - up) * period[-overlap:] + up * before[-overlap:]
        self._period, self._at, self._gone = period, 0, 0

    def take(self, count: int) -> NDArray[np.float32]:
        """The next filler, float32 (count,) in the range of int16."""
        at = (self._at + np.arange(count)) % self._period.size
        gain = np.clip(1 - (self._gone + np.arange(count)) / (FADE_OUT_S * RATE_HZ), 0, 1)
        self._at, self._gone = (self._at + count) % self._period.size, self._gone + count
        return (self._period[at] * gain.astype(np.float32) + self._comfort(count)).astype(np.float32)

    def fade_into(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cross-fades from the filler into the samples."""
        count = min(CROSS_FADE, samples.size)
        up = np.linspace(0, 1, count, dtype=np.float32)
        faded = samples.copy()
        faded[:count] = up * samples[:count] + (1 - up) * self.take(count)
        return faded

    def _comfort(self, count: int) -> NDArray[np.float32]:
        if self.level_dbfs <= SILENT_DBFS:
            return np.zeros(count, np.float32)
        white = self._random.normal(size=count + 8).astype(np.float32)
        soft = np.convolve(white, np.full(8, 8**-0.5, np.float32), "valid")[
            :count
        ]  # the noise of a room has little treble
        return np.asarray(soft * np.float32(32768 * 10 ** (self.level_dbfs / 20)), np.float32)

    def _pitch_lag(self) -> int:
        """The period at which the last sound best repeats itself, in samples."""
        step = 6  # 8 kHz is enough to find it
        history = self._history[::step] - self._history.mean()
        length = history.size // 2
        end = history[-length:]
        lags = range(_LAGS[0] // step, _LAGS[1] // step + 1)
        scores = []
        for lag in lags:
            other = history[-length - lag : -lag]
            scores.append(float(end @ other) / (float(np.sqrt((other @ other) * (end @ end))) + 1.0))
        return step * lags[int(np.argmax(scores))]


def _decoder() -> av.AudioCodecContext:
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = RATE_HZ, "mono"
    decoder.open()
    return decoder


def _ms(samples: int) -> float:
    return 1000 * samples / RATE_HZ


def _samples(ms: float) -> int:
    return round(ms * RATE_HZ / 1000)
