"""The sending end of a call's sound: Opus packets from a microphone or a file, and next to nothing during silence.

Takes a device, a file or nothing. Sound packets (`facewire.codec.sound`) go out through a callback from a thread of this
module, with capture times from the clock that the pictures use. PyAV's libopus encodes.

Measured on 27 voices (145 s of interviews with hardly a pause) with 60 ms frames, kbps of Opus during speech: 11.4 when 12 are
requested, 14.7 for 16, 18.2 for 20, 21.9 for 24; with 40 ms frames the same within 0.1. The header adds 0.3. A muted microphone
or a silent room sends 5 bytes now and then.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import log10
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from facewire.codec import SILENT_DBFS, encode_silence, encode_speech
from facewire.errors import InputError, reason
from facewire.sender.clock import CaptureClock
from facewire.sender.container import (
    Timeline,
    audio_stream,
    decoded,
    is_spliced,
    open_container,
    playing_s,
    start_s,
    video_streams,
)

RATE_HZ = 48000
FRAME_MS = (20, 40, 60)
BITRATES = 6_000, 64_000
LOOKAHEAD_MS = 6.5
"""The delay of libopus: 312 samples, by the encoder's first timestamp."""

SUBFRAME = RATE_HZ // 50
SPEECH_ABOVE_DB = 9.0
"""Sound is speech if it is this much louder than the room."""
QUIETEST_SPEECH_DBFS, LOUDEST_ROOM_DBFS = -60.0, -42.0
"""Nothing quieter counts as speech, and nothing louder as the room."""
ROOM_RISES_DB_PER_S = 3.0
"""How fast the room's level may rise. During speech, the pauses between syllables pull it down again."""
HANGOVER_MS = 240
"""How long to keep sending after the last loud frame: word endings are quiet."""
WHOLE_TIME_EVERY = 16
"""One in this many packets carries its whole capture time: one a second, at 16 bit/s."""
LEVEL_CHANGED_DB, LEVEL_EVERY_MS = 6.0, 2000

STEP_SAMPLES = RATE_HZ // 50
"""Timestamps of a file's sound may be off by this much; beyond, samples are left out or silence is put in."""

DEFAULT_DEVICE = "default"
REOPEN_S = 2.0
STOP_S = 5.0
QUEUED_BLOCKS = 100

Samples = NDArray[np.int16]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SoundOptions:
    """Settings of a `SoundSender`."""

    bitrate: int = 12_000
    """Bits per second requested from Opus for speech; see above for what it spends."""
    frame_ms: int = 60
    """Length of a frame, 20, 40 or 60 ms. Longer ones cost delay and save packets."""
    loop: bool = False
    """Play a file again and again, together with its video."""

    def __post_init__(self) -> None:
        _check_rate(self.bitrate, self.frame_ms)


@dataclass(frozen=True)
class SoundSenderStats:
    """Totals so far."""

    frames: int = 0
    """Frames of sound captured."""
    sent: int = 0
    """Frames among them that were sent as speech."""
    notes: int = 0
    """Silence packets sent."""
    opus_bytes: int = 0
    """Size of the speech sent."""


class SoundSource(Protocol):
    """Captured sound, mono at 48 kHz."""

    def blocks(self, count: int, stop: threading.Event) -> Iterator[tuple[Samples, int]]:
        """Yields blocks of int16 (count,) in real time, each with the capture time of its first sample in ms. Ends with the
        sound, or once `stop` is set.
        """
        ...

    def close(self) -> None: ...


class VoiceActivity:
    """Distinguishes speech from the room's noise, frame by frame."""

    def __init__(self) -> None:
        self.room_dbfs = QUIETEST_SPEECH_DBFS
        """Level of the room's noise."""
        self._left_ms = 0.0

    def speaks(self, samples: Samples) -> bool:
        """Whether to send this frame, int16 (N,) at 48 kHz."""
        levels = [level_dbfs(samples[at : at + SUBFRAME]) for at in range(0, samples.size - SUBFRAME + 1, SUBFRAME)]
        frame_s = samples.size / RATE_HZ
        quietest = max(min(levels), -90.0)
        self.room_dbfs = min(quietest, self.room_dbfs + ROOM_RISES_DB_PER_S * frame_s, LOUDEST_ROOM_DBFS)
        if max(levels) > max(self.room_dbfs + SPEECH_ABOVE_DB, QUIETEST_SPEECH_DBFS):
            self._left_ms = HANGOVER_MS
            return True
        self._left_ms -= 1000 * frame_s
        return self._left_ms > 0


class SoundSender:
    """One person's voice at the sending end of a call.

    audio: None for silence, "default" or a device's name for a microphone, a file with sound, or a `SoundSource` of your own.
    on_sound: called with a packet and its capture time in ms, from this object's thread; what it raises is logged.
    clock: shared with the pictures.
    Raises InputError if the file or the named device cannot be used. Without a default microphone there is silence, and
    `problem` says so.
    """

    def __init__(
        self,
        audio: str | SoundSource | None,
        options: SoundOptions,
        on_sound: Callable[[bytes, int], None],
        *,
        clock: CaptureClock | None = None,
    ) -> None:
        self._options = options
        self._on_sound = on_sound
        self.problem = ""
        """Why there is no sound, if something went wrong."""
        self._source = self._open(audio, clock or CaptureClock())
        self._encoder = _encoder(options.bitrate, options.frame_ms)
        self._wanted = self._rate = options.bitrate, options.frame_ms
        self._voice = VoiceActivity()
        self._muted = False
        self._noted: tuple[float, int] | None = None
        """Level of the current silence, and when the last packet about it was sent."""
        self._announced_dbfs = 0.0
        self._withheld: tuple[bytes, int] | None = None
        self._since_whole_time = 0
        self._frames = self._sent = self._notes = self._opus_bytes = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_file(self) -> bool:
        """Whether a file plays, from its beginning."""
        return isinstance(self._source, SoundFile)

    def start(self) -> None:
        """Starts to listen. A file starts to play now."""
        if self._thread is None and self._source is not None:
            self._thread = threading.Thread(target=self._run, args=(self._source,), name="facewire-sound", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stops the thread and closes the device. After it returns there are no more callbacks."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_S)
        if self._source is not None:
            self._source.close()

    def mute(self, muted: bool) -> None:
        """Mutes or unmutes. While muted, sound is discarded unheard."""
        self._muted = muted

    def set_rate(self, bps: int, frame_ms: int) -> None:
        """Changes bits per second for speech, 6000 to 64000, and the length of a frame, 20, 40 or 60 ms, from the next frame on.

        Raises InputError for others.
        """
        _check_rate(bps, frame_ms)
        self._wanted = bps, frame_ms

    def stats(self) -> SoundSenderStats:
        return SoundSenderStats(self._frames, self._sent, self._notes, self._opus_bytes)

    def take(self, samples: Samples, capture_ms: int) -> None:
        """Processes a frame, int16 (48 · frame_ms,), and sends what it gives rise to. The thread does this with every frame, whose
        length is `frame_ms`.

        capture_ms: of the first sample.
        """
        self._frames += 1
        rate = self._wanted[0], samples.size * 1000 // RATE_HZ
        if rate != self._rate:
            self._rate, self._encoder = rate, _encoder(*rate)
        if self._muted:
            self._withheld = None
            self._note(SILENT_DBFS, capture_ms)
            return
        speaks = self._voice.speaks(samples)
        opus = self._encode(samples)
        begins_ms = max(0, round(capture_ms - LOOKAHEAD_MS))
        if not speaks:
            self._withheld = opus, begins_ms
            self._note(level_dbfs(samples), capture_ms)
            return
        if self._noted is not None and self._withheld is not None:
            self._send(*self._withheld)  # the beginning of a word is quiet
        self._noted = self._withheld = None
        self._send(opus, begins_ms)

    def _send(self, opus: bytes, begins_ms: int) -> None:
        whole = self._since_whole_time == 0 or self._noted is not None
        self._since_whole_time = 1 if whole else (self._since_whole_time + 1) % WHOLE_TIME_EVERY
        self._sent, self._opus_bytes = self._sent + 1, self._opus_bytes + len(opus)
        self._notify(encode_speech(opus, begins_ms, whole_time=whole), begins_ms)

    def _note(self, level: float, capture_ms: int) -> None:
        """Sends a silence packet when silence begins and when its level has changed."""
        level = max(level, SILENT_DBFS)
        if self._noted is not None:
            known, since_ms = self._noted
            level = known + 0.2 * (level - known) if level > SILENT_DBFS else level  # a single frame is not a change
            if abs(level - self._announced_dbfs) < LEVEL_CHANGED_DB or capture_ms - since_ms < LEVEL_EVERY_MS:
                self._noted = level, since_ms
                return
        self._noted, self._announced_dbfs = (level, capture_ms), level
        self._notes += 1
        self._notify(encode_silence(level, capture_ms), capture_ms)

    def _encode(self, samples: Samples) -> bytes:
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        (packet,) = self._encoder.encode(frame)
        return bytes(packet)

    def _notify(self, packet: bytes, capture_ms: int) -> None:
        try:
            self._on_sound(packet, capture_ms)
        except Exception:  # a faulty listener must not end the call
            _log.exception("a callback of the sound sender failed")

    def _run(self, source: SoundSource) -> None:
        try:
            blocks: list[Samples] = []
            begins_ms = 0
            for samples, capture_ms in source.blocks(SUBFRAME, self._stop):
                begins_ms = begins_ms if blocks else capture_ms
                blocks.append(samples)
                if len(blocks) * SUBFRAME >= RATE_HZ * self._wanted[1] // 1000:
                    self.take(np.concatenate(blocks), begins_ms)
                    blocks = []
        except InputError as error:
            self.problem = str(error)

    def _open(self, audio: str | SoundSource | None, clock: CaptureClock) -> SoundSource | None:
        if audio is None or not isinstance(audio, str):
            return audio
        if Path(audio).suffix or Path(audio).exists():
            return SoundFile(Path(audio), clock, loop=self._options.loop)
        try:
            return Microphone(audio, clock)
        except InputError as error:
            if audio != DEFAULT_DEVICE:
                raise
            self.problem = str(error)
            return None


class SoundFile(SoundSource):
    """A file with sound, in real time. If it has video too, times count from its first picture."""

    def __init__(self, path: Path, clock: CaptureClock, *, loop: bool = False) -> None:
        self._path, self._clock, self._loop = path, clock, loop
        with open_container(path) as container:
            if audio_stream(container) is None:
                raise InputError(f"{path}: holds no sound")
            self._duration_s = playing_s(path, container, _first_video(container)) if loop else None

    def blocks(self, count: int, stop: threading.Event) -> Iterator[tuple[Samples, int]]:
        origin_ms = float(self._clock.now_ms())
        while not stop.is_set():
            at = 0
            for samples in self._pieces(count):
                capture_ms = origin_ms + 1000 * at / RATE_HZ
                at += count
                # A frame is complete once its last sample has been captured.
                while not stop.is_set() and (wait_ms := capture_ms + 1000 * count / RATE_HZ - self._clock.now_ms()) > 0:
                    stop.wait(wait_ms / 1000)
                if stop.is_set():
                    return
                yield samples, round(capture_ms)
            if not self._duration_s:
                return
            origin_ms += 1000 * self._duration_s

    def close(self) -> None:
        """There is nothing to close: the file is open only while it is read."""

    def _pieces(self, count: int) -> Iterator[Samples]:
        """Yields int16 (count,) each, from the first picture on. The last is padded, or left out if the file loops."""
        left = np.zeros(0, np.int16)
        for part in read_sound(self._path):
            left = np.concatenate([left, part])
            while left.size >= count:
                yield left[:count]
                left = left[count:]
        if left.size and not self._loop:
            yield np.pad(left, (0, count - left.size))


def read_sound(path: Path) -> Iterator[Samples]:
    """Yields all sound of a file as int16 (N,) at 48 kHz mono, N at most a second, without a gap from the first picture on.

    Sound before the first picture is left out, and where the file has none for a while there is silence, so that it stays in
    step with the pictures. What is damaged becomes silence too.
    """
    with open_container(path) as container:
        stream = audio_stream(container)
        if stream is None:
            raise InputError(f"{path}: holds no sound")
        timeline = Timeline(start_s(container, _first_video(container)), spliced=is_spliced(container))
        resampler, kind, at = av.AudioResampler("s16", "mono", RATE_HZ), None, 0
        for frame in decoded(container, stream, lambda _why: None):
            assert isinstance(frame, av.AudioFrame)
            if kind not in (None, (frame.format.name, frame.layout.name, frame.sample_rate)):
                yield from _resampled(resampler, None)
                resampler = av.AudioResampler("s16", "mono", RATE_HZ)
            kind = frame.format.name, frame.layout.name, frame.sample_rate
            length_s = frame.samples / frame.sample_rate
            begins = round(timeline.at(frame.time, length_s) * RATE_HZ)
            late = begins - at if abs(begins - at) > STEP_SAMPLES else 0
            for start in range(0, max(0, late), RATE_HZ):
                yield np.zeros(min(RATE_HZ, late - start), np.int16)
            skip = min(max(0, -late), round(length_s * RATE_HZ))
            at += max(0, late) + round(length_s * RATE_HZ) - skip
            for samples in _resampled(resampler, frame):
                yield samples[skip:]
                skip = max(0, skip - samples.size)
        yield from _resampled(resampler, None)


def _resampled(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Iterator[Samples]:
    """The next samples, or with None the last ones."""
    if frame is not None:
        frame.pts = None  # the resampler would fill gaps by itself, in its own way
    with contextlib.suppress(av.error.EOFError):  # nothing was ever put in
        for resampled in resampler.resample(frame):
            yield resampled.to_ndarray().reshape(-1).astype(np.int16)


def _first_video(container: InputContainer) -> av.VideoStream | None:
    return next(iter(video_streams(container)), None)


class Microphone(SoundSource):
    """A microphone through PortAudio. device: its name or a part of it, or "default"."""

    def __init__(self, device: str, clock: CaptureClock) -> None:
        self._device = device
        self._clock = clock
        self._blocks: queue.Queue[tuple[Samples, float]] = queue.Queue(QUEUED_BLOCKS)
        self._stream = self._opened()

    def blocks(self, count: int, stop: threading.Event) -> Iterator[tuple[Samples, int]]:
        self._stream.start()
        return regroup(self._arriving(stop), count)

    def _arriving(self, stop: threading.Event) -> Iterator[tuple[Samples, float]]:
        while not stop.is_set():
            try:
                yield self._blocks.get(timeout=REOPEN_S)
            except queue.Empty:
                self._stream.close()
                with contextlib.suppress(InputError):  # unplugged: try again until it is back
                    self._stream = self._opened()
                    self._stream.start()

    def close(self) -> None:
        self._stream.close()

    def _opened(self) -> Any:
        try:
            import sounddevice
        except ImportError as error:
            raise InputError("no microphone: run pip install 'facewire[sound]'") from error
        except OSError as error:
            raise InputError("no microphone: the system lacks PortAudio (libportaudio2)") from error

        def arrived(block: Samples, frames: int, times: Any, _status: object) -> None:
            waited_ms = 1000 * (times.currentTime - times.inputBufferAdcTime)
            with contextlib.suppress(queue.Full):  # a stalled machine loses sound, not memory
                self._blocks.put_nowait((block[:, 0].copy(), self._clock.now_ms() - waited_ms))

        device = None if self._device == DEFAULT_DEVICE else self._device
        try:
            return sounddevice.InputStream(
                samplerate=RATE_HZ, channels=1, dtype="int16", blocksize=SUBFRAME, device=device, callback=arrived
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            raise InputError(f"microphone {self._device}: cannot be used ({reason(error)})") from error


class SampleClock:
    """Capture times of consecutive blocks. They are counted in samples and corrected slowly by a clock whose readings scatter by
    some ms. So they follow a sound card that runs fast, but not a single reading.
    """

    CORRECTION = 0.02
    GAP_MS = 100.0

    def __init__(self) -> None:
        self._next_ms: float | None = None

    def begins(self, reading_ms: float, count: int) -> float:
        """When a block of that many samples began, in ms, given the clock's reading."""
        if self._next_ms is None or abs(reading_ms - self._next_ms) > self.GAP_MS:
            self._next_ms = reading_ms
        begins_ms = self._next_ms + self.CORRECTION * (reading_ms - self._next_ms)
        self._next_ms = begins_ms + 1000 * count / RATE_HZ
        return begins_ms


def regroup(arriving: Iterable[tuple[Samples, float]], count: int) -> Iterator[tuple[Samples, int]]:
    """Regroups blocks of any length, each with a clock's reading of its start in ms, into int16 (count,) with capture times."""
    left, times = np.zeros(0, np.int16), SampleClock()
    for block, reading_ms in arriving:
        left_ms = times.begins(reading_ms, block.size) - 1000 * left.size / RATE_HZ
        left = np.concatenate([left, block])
        while left.size >= count:
            yield left[:count], max(0, round(left_ms))
            left, left_ms = left[count:], left_ms + 1000 * count / RATE_HZ


def level_dbfs(samples: Samples) -> float:
    """RMS level of int16 samples, -127 to 0; a full-scale square wave has 0."""
    effective = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0
    return max(20 * log10(max(effective, 1e-9) / 32768), float(SILENT_DBFS))


def _encoder(bitrate: int, frame_ms: int) -> av.AudioCodecContext:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = RATE_HZ, "mono", "s16"
    encoder.bit_rate = bitrate
    encoder.options = {"application": "voip", "frame_duration": str(frame_ms), "vbr": "on"}
    encoder.open()
    return encoder


def _check_rate(bps: int, frame_ms: int) -> None:
    if frame_ms not in FRAME_MS:
        raise InputError(f"sound frames of {frame_ms} ms: must be 20, 40 or 60")
    if not BITRATES[0] <= bps <= BITRATES[1]:
        raise InputError(f"{bps} bits per second of sound: must be {BITRATES[0]} to {BITRATES[1]}")
