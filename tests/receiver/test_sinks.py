"""Sinks pass on what they are given; one that is not available raises a single clear line."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import types
import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from facewire.errors import InputError
from facewire.receiver.sinks import (
    NoVideo,
    PacedSound,
    RawFrames,
    RecordedFile,
    Speaker,
    VirtualCamera,
    WavFile,
    Window,
    open_sinks,
)
from facewire.receiver.sound import RATE_HZ, Samples
from facewire.sender.media import VideoFile
from facewire.video import PORTRAIT, SYNTHESISED, VideoWriter

GREY = np.full((64, 64, 3), 128, np.uint8)


def ramp(count: int, start: int = 0) -> Samples:
    return (np.arange(start, start + count) % 20_000).astype(np.int16)


def sound_of(path: Path) -> tuple[np.ndarray, float]:
    """Samples of a file's sound track, and when they start, in s."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        resampler = av.AudioResampler("s16", "mono", RATE_HZ)
        parts = [part.to_ndarray().reshape(-1) for frame in frames for part in resampler.resample(frame)]
    start_s = frames[0].time
    assert start_s is not None
    return np.concatenate(parts), start_s


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_file_has_sound_and_pictures_at_their_times(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    tone = (10_000 * np.sin(np.arange(RATE_HZ) * 0.03)).astype(np.int16)
    with VideoWriter(path, 25, sound=True) as writer:
        writer.write_sound(ramp(960), 0)  # before the first picture: left out
        for number in range(25):
            writer.write(GREY, 40 * number)
            if number >= 10:
                writer.write_sound(tone[(number - 10) * 1920 :][:1920], 40 * number)
    samples, begin_s = sound_of(path)
    with VideoFile(path) as video:
        assert [frame.time_ms for frame in video] == [40 * number for number in range(25)]
    silent = round((0.4 - begin_s) * RATE_HZ)
    assert not np.abs(samples[: silent - 2048]).max() > 100
    heard = samples[silent + 4800 : silent + 9600].astype(float)
    assert np.std(heard) == pytest.approx(np.std(tone.astype(float)), rel=0.1)
    assert samples.size == pytest.approx(RATE_HZ, abs=2500)


def test_rounded_times_leave_no_gaps_in_the_sound(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mkv", 25, sound=True) as writer:
        writer.write(GREY, 0)
        for number in range(50):
            writer.write_sound(ramp(960, 960 * number), 20 * number + number % 3 * 4)
    samples, _ = sound_of(tmp_path / "a.mkv")
    assert np.array_equal(samples, ramp(50 * 960))


def test_overlapping_sound_is_cut(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mkv", 25, sound=True) as writer:
        writer.write(GREY, 0)
        writer.write_sound(ramp(4800), 0)
        writer.write_sound(ramp(4800, 2400), 50)
        writer.write_sound(ramp(480), 20)
    samples, _ = sound_of(tmp_path / "a.mkv")
    assert np.array_equal(samples, ramp(7200))


@pytest.mark.parametrize(("portrait", "mark"), [(False, SYNTHESISED), (True, PORTRAIT)])
def test_recorded_file_is_marked(tmp_path: Path, portrait: bool, mark: str) -> None:
    sink = RecordedFile(tmp_path / "a.mkv", portrait=portrait)
    assert sink.show(GREY, 100.0)
    assert sink.show(GREY, 100.2)
    sink.close()
    sink.close()
    with av.open(str(tmp_path / "a.mkv")) as container:
        assert container.metadata["COMMENT"] == mark
    with VideoFile(tmp_path / "a.mkv") as video:
        assert [frame.time_ms for frame in video] == [0, 200]


def test_recorded_sound_is_in_step_with_its_picture(tmp_path: Path) -> None:
    sink = RecordedFile(tmp_path / "a.mkv")
    now = [50.0]
    done = threading.Event()

    def pull(count: int, at_s: float) -> Samples:
        if at_s >= now[0] + 0.5:
            done.set()
        return ramp(count, round((at_s - now[0]) * RATE_HZ))

    sink.sound = PacedSound(sink.hear, clock=iter_clock(now[0]))
    sink.show(GREY, now[0])
    sink.sound.start(pull)
    assert done.wait(30)
    sink.sound.stop()
    sink.show(GREY, now[0] + 0.5)
    sink.close()
    samples, begin_s = sound_of(tmp_path / "a.mkv")
    assert begin_s == 0
    assert np.array_equal(samples[:20_000], ramp(20_000))


def iter_clock(start_s: float) -> types.MethodType:
    """A clock that advances by 20 ms whenever it is read, so that nothing has to wait."""
    steps = iter(np.arange(start_s, start_s + 1000, 0.02))
    return types.MethodType(lambda _self: float(next(steps)), steps)


def test_recording_without_a_picture_leaves_nothing_behind(tmp_path: Path) -> None:
    sink = RecordedFile(tmp_path / "a.mp4")
    sink.close()
    assert list(tmp_path.iterdir()) == []


def test_raw_frames_have_an_exact_rate() -> None:
    stream = io.BytesIO()
    sink = RawFrames(stream, 25)
    for at_s in (10.0, 10.04, 10.08, 10.2, 10.21, 10.24):  # two are missing, one is early
        assert sink.show(GREY, at_s)
    assert len(stream.getvalue()) == 7 * GREY.size
    assert sink.show(GREY, 100.0)  # the reader was away for a minute and a half
    assert len(stream.getvalue()) == 8 * GREY.size
    sink.close()
    assert not stream.closed


def test_raw_frames_end_when_the_reader_leaves() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb", buffering=0) as stream:
        assert not RawFrames(stream, 25).show(GREY, 0)


def test_wav_file_appears_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    sink = WavFile(path)
    enough = threading.Event()
    asked: list[float] = []

    def pull(count: int, at_s: float) -> Samples:
        asked.append(at_s)
        if len(asked) == 6:
            enough.set()
        return ramp(count, 960 * (len(asked) - 1))

    sink.start(pull)
    assert enough.wait(30)
    assert not path.exists()
    sink.stop()
    sink.stop()
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (1, 2, RATE_HZ)
        samples = np.frombuffer(file.readframes(1 << 20), "<i2")
    assert np.array_equal(samples, ramp(960 * len(asked)))
    assert np.diff(asked) == pytest.approx(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a screen")
def test_window_without_a_screen_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match="no screen"):
        Window()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a screen")
def test_unusable_screen_does_not_kill_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":731")
    with pytest.raises(InputError, match="cannot be used"):
        Window()


def test_unresponsive_screen_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")

    def hangs(command: list[str], **options: float) -> None:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", hangs)
    with pytest.raises(InputError, match="did not answer"):
        Window()


def test_missing_packages_and_devices_are_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(InputError, match=r"facewire\[sound\]"):
        Speaker()
    with pytest.raises(InputError, match=r"facewire\[virtual-camera\]"):
        VirtualCamera(256, 25)

    def no_camera(**_: object) -> None:
        raise RuntimeError("no v4l2 loopback device found\nDid you run modprobe?")

    module = types.ModuleType("pyvirtualcam")
    vars(module).update(Camera=no_camera)
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    with pytest.raises(InputError, match="no virtual camera: no v4l2 loopback device found Did you"):
        VirtualCamera(256, 25)


def test_speaker_pulls_sound_for_the_time_it_will_be_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = []

    class OutputStream:
        """PortAudio's side: asks for three blocks that will be heard 50 ms later."""

        def __init__(self, callback: Callable[..., None], blocksize: int, **_: object) -> None:
            self._callback, self._count = callback, blocksize

        def start(self) -> None:
            for _ in range(3):
                block = np.zeros((self._count, 1), np.int16)
                times = types.SimpleNamespace(currentTime=7.0, outputBufferDacTime=7.05)
                self._callback(block, self._count, times, None)
                blocks.append(block)

        def close(self) -> None: ...

    module = types.ModuleType("sounddevice")
    vars(module).update(OutputStream=OutputStream, PortAudioError=OSError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    monkeypatch.setattr("facewire.receiver.sinks.time.monotonic", lambda: 20.0)
    asked: list[tuple[int, float]] = []

    def pull(count: int, at_s: float) -> Samples:
        asked.append((count, at_s))
        return np.full(count, len(asked), np.int16)

    speaker = Speaker()
    speaker.start(pull)
    speaker.stop()
    assert [count for count, _ in asked] == [960] * 3
    assert [at_s for _, at_s in asked] == pytest.approx([20.05] * 3)
    assert [int(block[0, 0]) for block in blocks] == [1, 2, 3]


def test_sinks_are_chosen_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    video, sound = open_sinks("none")
    assert isinstance(video, NoVideo)
    assert isinstance(sound, PacedSound)
    assert caplog.text == ""
    video, sound = open_sinks("raw")
    assert isinstance(video, RawFrames)
    assert isinstance(sound, PacedSound)  # this machine has no loudspeaker
    assert "not be heard" in caplog.text
    assert open_sinks("raw", "none")[1] is None
    video, sound = open_sinks(str(tmp_path / "a.mp4"))
    assert isinstance(video, RecordedFile)
    assert sound is video.sound
    video.close()
    video, sound = open_sinks("none", str(tmp_path / "a.wav"))
    assert isinstance(sound, WavFile)
    sound.stop()
    for out, speaker in (("none", "USB"), (str(tmp_path / "a.gif"), None), (str(tmp_path / "no" / "a.mkv"), None)):
        with pytest.raises(InputError):
            open_sinks(out, speaker)
