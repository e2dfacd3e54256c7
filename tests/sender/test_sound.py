"""Speech takes few bytes and silence hardly any, and capture times come from the shared clock."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from facewire.codec import SoundPacket, decode_sound
from facewire.errors import InputError
from facewire.sender.clock import CaptureClock
from facewire.sender.sound import (
    RATE_HZ,
    Microphone,
    SampleClock,
    SoundFile,
    SoundOptions,
    SoundSender,
    VoiceActivity,
    level_dbfs,
)
from facewire.video import VideoWriter

FRAME = RATE_HZ * 60 // 1000


class Heard:
    """Keeps what was sent."""

    def __init__(self) -> None:
        self.packets: list[tuple[SoundPacket, int, int]] = []

    def __call__(self, packet: bytes, capture_ms: int) -> None:
        self.packets.append((decode_sound(packet), capture_ms, len(packet)))

    @property
    def speech(self) -> list[tuple[SoundPacket, int, int]]:
        return [entry for entry in self.packets if not entry[0].silence]

    @property
    def silence(self) -> list[tuple[SoundPacket, int, int]]:
        return [entry for entry in self.packets if entry[0].silence]


def send(samples: np.ndarray, options: SoundOptions | None = None, frame: int = FRAME) -> tuple[SoundSender, Heard]:
    heard = Heard()
    sender = SoundSender(None, options or SoundOptions(), heard)
    for at in range(0, samples.size - frame + 1, frame):
        sender.take(samples[at : at + frame], 1000 * at // RATE_HZ)
    return sender, heard


def write_sound(path: Path, samples: np.ndarray, codec: str = "pcm_s16le", rate: int = 48000) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("frame_ms", [20, 40, 60])
@pytest.mark.parametrize("bitrate", [12_000, 24_000])
def test_words_are_sent_and_pauses_are_not(talk: np.ndarray, frame_ms: int, bitrate: int) -> None:
    _, heard = send(talk, SoundOptions(bitrate, frame_ms), RATE_HZ * frame_ms // 1000)
    assert {packet.duration_ms for packet, _, _ in heard.speech} == {frame_ms}
    in_words = [at for at in range(500, 10_500, 20) if 0 <= (at - 500) % 1500 < 600]
    sent = {ms for _, start, _ in heard.speech for ms in range(start, start + frame_ms)}
    assert set(in_words) <= sent | set(range(500, 520))
    assert len(heard.speech) * frame_ms < 0.75 * 12_000
    kbps = sum(size for _, _, size in heard.packets) * 8 / 12_000
    assert kbps < 0.8 * bitrate / 1000


def test_silent_room_costs_almost_nothing_and_reports_its_level() -> None:
    room = np.random.default_rng(0).normal(size=20 * RATE_HZ) * 32768 * 10 ** (-55 / 20)
    _, heard = send(room.astype(np.int16))
    assert not heard.speech
    assert sum(size for _, _, size in heard.packets) <= 20
    assert heard.silence[0][0].level_dbfs == pytest.approx(-55, abs=2)


def test_louder_room_is_reported_again() -> None:
    random = np.random.default_rng(0)
    room = np.concatenate([random.normal(size=8 * RATE_HZ) * 32768 * 10 ** (level / 20) for level in (-80, -62)])
    _, heard = send(room.astype(np.int16))
    assert not heard.speech
    assert [round(packet.level_dbfs / 10) for packet, _, _ in heard.silence][0::1][-1] in (-7, -6)
    assert len(heard.silence) <= 4


def test_muting_sends_one_silence_packet_and_no_sound(talk: np.ndarray) -> None:
    heard = Heard()
    sender = SoundSender(None, SoundOptions(), heard)
    for number in range(120):
        sender.mute(40 <= number < 100)
        sender.take(talk[number * FRAME % 400_000 :][:FRAME], 60 * number)
    muted = [packet for packet, capture_ms, _ in heard.packets if 40 * 60 <= capture_ms < 100 * 60 - 10]
    assert [(packet.silence, packet.level_dbfs) for packet in muted] == [(True, -127)]
    assert any(capture_ms >= 100 * 60 - 10 for _, capture_ms, _ in heard.speech)


def test_whole_time_is_sent_with_every_word_and_every_second() -> None:
    time = np.arange(6 * RATE_HZ) / RATE_HZ
    _, heard = send((8000 * np.sin(2 * np.pi * 200 * time)).astype(np.int16))
    whole = [capture_ms for packet, capture_ms, _ in heard.speech if packet.whole_time]
    assert whole[0] == heard.speech[0][1]
    assert max(np.diff(whole)) <= 1000


def test_capture_time_matches_the_sound() -> None:
    time = np.arange(4 * RATE_HZ) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(150 + 60 * np.sin(2 * np.pi * 1.3 * time)) / RATE_HZ  # a pitch that never repeats
    talk = (4000 * np.sum([np.sin(k * phase) / k for k in range(1, 20)], axis=0)).astype(np.int16)
    _, heard = send(talk)
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = RATE_HZ, "mono"
    track = np.zeros(talk.size + RATE_HZ)
    for packet, capture_ms, _ in heard.speech:
        (frame,) = decoder.decode(av.Packet(packet.opus))
        at = capture_ms * RATE_HZ // 1000
        track[at : at + FRAME] = frame.to_ndarray().reshape(-1)
    word = slice(2 * RATE_HZ, 2 * RATE_HZ + RATE_HZ // 2)
    shifts = range(-20 * 48, 20 * 48, 12)
    best = max(
        shifts, key=lambda shift: float(track[word.start + shift : word.stop + shift] @ talk[word].astype(float))
    )
    assert abs(best) < 4 * 48  # its times are rounded to 4 ms


def test_bitrate_changes_while_sending(talk: np.ndarray) -> None:
    time = np.arange(3 * RATE_HZ) / RATE_HZ
    voice = np.sum([8000 / k * np.sin(2 * np.pi * 130 * k * time) for k in range(1, 30)], axis=0).astype(np.int16)
    heard = Heard()
    sender = SoundSender(None, SoundOptions(24_000), heard)
    for number in range(48):
        if number == 24:
            sender.set_rate(8_000, 60)
        sender.take(voice[number * FRAME : (number + 1) * FRAME], 60 * number)
    sizes = [size for _, _, size in heard.speech]
    assert sum(sizes[26:]) < 0.6 * sum(sizes[2:24])
    with pytest.raises(InputError, match="bits per second"):
        sender.set_rate(1_000_000, 60)
    with pytest.raises(InputError, match="40 or 60"):
        sender.set_rate(8_000, 30)
    with pytest.raises(InputError, match="40 or 60"):
        SoundOptions(frame_ms=50)


def test_frames_become_shorter_while_sending(talk: np.ndarray) -> None:
    heard = Heard()

    class Voice:
        def blocks(self, count: int, _stop: threading.Event) -> Iterator[tuple[np.ndarray, int]]:
            for at in range(0, 4 * RATE_HZ, count):
                if at == 2 * RATE_HZ:
                    sender.set_rate(24_000, 20)
                yield talk[at : at + count], at * 1000 // RATE_HZ

        def close(self) -> None: ...

    sender = SoundSender(Voice(), SoundOptions(), heard)
    sender._run(Voice())
    lengths = [(start, packet.duration_ms) for packet, start, _ in heard.speech]
    assert {length for start, length in lengths if start < 1900} == {60}
    assert {length for start, length in lengths if start > 2100} == {20}
    late = [start for start, _ in lengths if start > 2100]
    assert set(np.diff(late)) >= {20}, "no gap in speech"
    assert min(np.diff(late)) == 20


def test_steady_loud_sound_counts_as_speech() -> None:
    voice = VoiceActivity()
    time = np.arange(RATE_HZ * 60) / RATE_HZ
    tone = (6000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
    assert all(voice.speaks(tone[at : at + FRAME]) for at in range(0, tone.size - FRAME, FRAME))


def test_level_of_full_scale_and_of_silence() -> None:
    assert level_dbfs(np.full(100, -32768, np.int16)) == pytest.approx(0)
    assert level_dbfs(np.zeros(100, np.int16)) == -127


def test_file_plays_in_real_time_on_the_shared_clock(tmp_path: Path, talk: np.ndarray) -> None:
    path = write_sound(tmp_path / "a.wav", talk[: RATE_HZ // 2 + 100])
    clock = CaptureClock()
    source = SoundFile(path, clock)
    begun = clock.now_ms()
    pieces = []
    for samples, capture_ms in source.blocks(FRAME, threading.Event()):
        assert clock.now_ms() >= capture_ms + 60  # not before its last sample
        pieces.append((samples, capture_ms - begun))
    assert len(pieces) == 9  # the last one is padded
    assert np.diff([capture_ms for _, capture_ms in pieces]).tolist() == [60] * 8
    assert np.array_equal(np.concatenate([samples for samples, _ in pieces])[: RATE_HZ // 2], talk[: RATE_HZ // 2])


def test_sound_of_a_video_starts_with_its_first_picture(tmp_path: Path, talk: np.ndarray) -> None:
    with VideoWriter(tmp_path / "a.mkv", 25, synthesised=False, sound=True) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8), 200)
        writer.write(np.zeros((64, 64, 3), np.uint8), 240)
        writer.write_sound(talk[: RATE_HZ // 4], 320)
    first = next(iter(SoundFile(tmp_path / "a.mkv", CaptureClock())._pieces(RATE_HZ // 4)))
    gap = RATE_HZ * 120 // 1000
    assert not first[: gap - 50].any()
    assert np.array_equal(first[gap : gap + 1000], talk[:1000])


@pytest.mark.parametrize("content", [None, b"", b"no sound at all" * 50])
def test_file_without_sound_is_rejected(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.wav"):
        SoundSender(str(path), SoundOptions(), Heard())


def test_silent_video_is_rejected(clip: Path) -> None:
    with pytest.raises(InputError, match="holds no sound"):
        SoundSender(str(clip), SoundOptions(), Heard())


def test_without_sound_devices_default_is_silence_and_a_name_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    sender = SoundSender("default", SoundOptions(), Heard())
    assert "facewire[sound]" in sender.problem
    sender.start()
    sender.stop()
    with pytest.raises(InputError, match="no microphone"):
        SoundSender("USB headset", SoundOptions(), Heard())


def test_microphone_frames_carry_their_capture_times(monkeypatch: pytest.MonkeyPatch) -> None:
    class InputStream:
        """PortAudio's side: calls back with 20 ms at a time."""

        def __init__(self, callback: Callable[..., None], **_: object) -> None:
            self._callback = callback

        def start(self) -> None:
            for number in range(9):
                times = types.SimpleNamespace(
                    currentTime=100.0 + 0.02 * number, inputBufferAdcTime=99.97 + 0.02 * number
                )
                self._callback(np.full((960, 1), number, np.int16), 960, times, None)

        def close(self) -> None: ...

    module = types.ModuleType("sounddevice")
    vars(module).update(InputStream=InputStream, PortAudioError=OSError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    seconds = iter([0.0, *np.arange(1.0, 1.2, 0.02)])
    microphone = Microphone("default", CaptureClock(lambda: next(seconds)))
    stop = threading.Event()
    frames = []
    for samples, capture_ms in microphone.blocks(FRAME, stop):
        frames.append((samples.reshape(3, 960)[:, 0].tolist(), capture_ms))
        if len(frames) == 3:
            stop.set()
            break
    assert [values for values, _ in frames] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert [capture_ms for _, capture_ms in frames] == pytest.approx([970, 1030, 1090], abs=2)


def test_sample_clock_smooths_readings_and_follows_a_fast_sound_card() -> None:
    times, random = SampleClock(), np.random.default_rng(0)
    begins = [times.begins(1000 + 20 * 0.9997 * n + random.uniform(0, 8), 960) for n in range(6000)]
    truth = 1000 + 20 * 0.9997 * np.arange(6000)
    assert np.abs(np.array(begins) - truth)[200:].max() < 8
    assert np.abs(np.diff(begins) - 20).max() < 0.3
    assert times.begins(500_000, 960) == 500_000
