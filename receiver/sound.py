"""Sound packets back to sound: in order, without clicks where one is missing, in step with the pictures.

Comes in: sound packets (`facewire.codec.sound`) with their full capture times, in any order. Goes out: blocks of samples for a
moment that `playout` names, the same moment whose picture it shows. Opus is decoded by PyAV's libopus, which has no
concealment of its own to offer: lost sound is filled by repeating the last pitch period, fading.
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
"""Packets kept that are not yet due: over a second of the shortest."""
ROUNDING_MS = 8.0
"""Capture times are rounded to 4 ms; packets nearer than this to the end of the one before follow it without a gap."""
TOLERANCE_MS = 10.0
"""Sound this near to its time is played as it is."""
MAX_STRETCH = 0.03
"""Share by which speech is played faster or slower to get back in step: half a semitone."""
STRETCH_PER_MS = 0.0005
JUMP_MS = 100.0
"""Speech further from its time is cut or held back at once."""
GIVEN_UP_MS = 1000.0
"""After so long without a packet the other side is taken to be silent."""

FADE_OUT_S = 0.12
"""Lost speech fades to silence in that time: longer repetition sounds like a machine."""
CROSS_FADE = RATE_HZ // 200
_HISTORY = RATE_HZ * 6 // 100
_LAGS = RATE_HZ // 400, RATE_HZ // 60
"""Pitch periods of 2.5 to 16.7 ms."""

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class SoundStats:
    """Totals so far. played_ms: speech. concealed_ms: filled in where packets are missing. late: packets that came
    after their time. offset_ms: by how much the sound now heard is ahead of its time (negative: behind).
    """

    played_ms: float
    concealed_ms: float
    late: int
    offset_ms: float


class SoundTrack:
    """One sender's sound. Not thread-safe."""

    def __init__(self) -> None:
        self._decoder = _decoder()
        self._waiting: dict[int, SoundPacket] = {}
        self._over: deque[int] = deque(maxlen=2 * MAX_WAITING)
        """Starts of the last packets played or too late, so that a copy is not taken for another late one."""
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
        """Takes a packet whose full capture time is that; returns False for a copy of one that was here before."""
        if capture_ms in self._waiting or capture_ms in self._over:
            return False
        if (
            self._edge_ms is not None
            and capture_ms + max(packet.duration_ms, GIVEN_UP_MS * packet.silence) <= self._edge_ms
        ):
            self._late += 1
            self._over.append(capture_ms)
            return True
        self._waiting[capture_ms] = packet
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[max(self._waiting)]
        return True

    def block(self, count: int, due_ms: float) -> Samples:
        """The next samples, int16 (count,), to be heard from the moment on at which due_ms is due."""
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
        """Whether speech is heard now, not silence and not filling."""
        return not self._filling

    def stats(self) -> SoundStats:
        return SoundStats(self._played_ms, self._concealed_ms, self._late, self._offset_ms)

    def _next(self, wanted: int, due_ms: float) -> NDArray[np.float32]:
        """The next stretch of sound: the whole of a packet, or at most `wanted` samples of filling."""
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
        """Start of the first packet that is not over yet."""
        for start in sorted(self._waiting):
            packet = self._waiting[start]
            if packet.silence or start + packet.duration_ms > edge_ms + ROUNDING_MS / 2:
                return start
            del self._waiting[start]
            self._over.append(start)
            self._late += 1
        return None

    def _speech(self, packet: SoundPacket, start: int, edge_ms: float) -> NDArray[np.float32]:
        samples = self._decoded(packet)
        self._over.append(start)
        self._played_ms += packet.duration_ms
        self._edge_ms = start + packet.duration_ms
        if start < edge_ms - ROUNDING_MS:
            samples = samples[_samples(edge_ms - start) :]  # came too late for its beginning
        if self._filling:
            samples = self._filler.into(samples)
        self._filling = self._silent = False
        self._filler.remember(samples)
        return samples

    def _decoded(self, packet: SoundPacket) -> NDArray[np.float32]:
        """Its samples, float32 of int16's range; silence if it is damaged."""
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
        """Gives up what is decoded and goes on where the pictures are."""
        self._ready = self._ready[:0]
        if not self._filling:
            self._filling = True
            self._filler.start()
        self._edge_ms = due_ms


class _Filler:
    """Sound for where there is none: what was last heard, repeated and fading, above a quiet noise."""

    def __init__(self) -> None:
        self.level_dbfs = SILENT_DBFS
        self._history = np.zeros(_HISTORY, np.float32)
        self._period = np.zeros(1, np.float32)
        self._at = 0
        self._gone = RATE_HZ
        """Samples since the loss began."""
        self._random = np.random.default_rng(0)

    def remember(self, samples: NDArray[np.float32]) -> None:
        self._history = np.concatenate([self._history, samples])[-_HISTORY:]

    def start(self) -> None:
        """A gap begins after what was remembered."""
        lag = self._pitch_lag()
        period, before = self._history[-lag:].copy(), self._history[-2 * lag : -lag]
        overlap = lag // 4
        up = np.linspace(0, 1, overlap, dtype=np.float32)
        # Its end goes over into what came before its beginning, so that it can follow itself without a step.
        period[-overlap:] = (1 - up) * period[-overlap:] + up * before[-overlap:]
        self._period, self._at, self._gone = period, 0, 0

    def take(self, count: int) -> NDArray[np.float32]:
        """float32 (count,) of int16's range."""
        at = (self._at + np.arange(count)) % self._period.size
        gain = np.clip(1 - (self._gone + np.arange(count)) / (FADE_OUT_S * RATE_HZ), 0, 1)
        self._at, self._gone = (self._at + count) % self._period.size, self._gone + count
        return (self._period[at] * gain.astype(np.float32) + self._comfort(count)).astype(np.float32)

    def into(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The samples with their beginning faded in over this sound's end."""
        count = min(CROSS_FADE, samples.size)
        up = np.linspace(0, 1, count, dtype=np.float32)
        faded = samples.copy()
        faded[:count] = up * samples[:count] + (1 - up) * self.take(count)
        return faded

    def _comfort(self, count: int) -> NDArray[np.float32]:
        if self.level_dbfs <= SILENT_DBFS:
            return np.zeros(count, np.float32)
        white = self._random.normal(size=count + 8).astype(np.float32)
        soft = np.convolve(white, np.full(8, 8**-0.5, np.float32), "valid")[:count]  # a room's noise has little treble
        return np.asarray(soft * np.float32(32768 * 10 ** (self.level_dbfs / 20)), np.float32)

    def _pitch_lag(self) -> int:
        """The period at which the last sound repeats itself best, in samples."""
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
