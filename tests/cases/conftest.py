"""Small inputs of every kind, made from the sample clip by FFmpeg's own command, and what that command shows of them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from facewire.sender.media import Frame, InputOptions, VideoFile
from facewire.sender.sound import read_sound

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-pix_fmt", "yuv420p")
RATE = 8000
Make = Callable[..., Path]


def ffmpeg(*arguments: object) -> bytes:
    command = [FFMPEG, "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory, carphone: Path) -> Path:
    """24 pictures, 160 x 120, square pixels."""
    path = tmp_path_factory.mktemp("kinds") / "plain.mp4"
    ffmpeg("-i", carphone, "-frames:v", 24, "-vf", "scale=160:120,setsar=1", *X264, "-an", path)
    return path


@pytest.fixture
def make(plain: Path, tmp_path: Path) -> Make:
    """Makes a file from the plain clip with the options of an ffmpeg command."""

    def made(name: str, *options: object) -> Path:
        ffmpeg("-i", plain, *options, f"file:{tmp_path / name}")
        return tmp_path / name

    return made


def frames(path: Path, stream: int | None = None) -> list[Frame]:
    with VideoFile(path, InputOptions(stream)) as video:
        return list(video)


def shown(path: Path, *filters: str) -> NDArray[np.uint8]:
    """The pictures that ffmpeg shows, uint8 RGB (N, H, W, 3)."""
    height, width, _ = frames(path)[0].picture.shape
    chain = ",".join([*filters, f"scale={width}:{height}"])
    raw = ffmpeg(
        "-i", f"file:{path}", "-vf", chain, "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"
    )
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def levels_apart(path: Path, pictures: NDArray[np.uint8]) -> float:
    own = np.stack([frame.picture for frame in frames(path)])
    assert own.shape == pictures.shape
    return float(np.abs(own.astype(int) - pictures).mean())


def tones(path: Path, *times: float, seconds: float = 1.6) -> Path:
    """A WAV of that length in which a tone of 0.15 s begins at each time."""
    wave = np.zeros(round(seconds * RATE))
    for begins in times:
        n = np.arange(round(0.15 * RATE))
        wave[round(begins * RATE) :][: n.size] = np.sin(2 * np.pi * 1500 * n / RATE) / 2
    pcm = path.with_suffix(".raw")
    pcm.write_bytes((wave * 32767).astype("<i2").tobytes())
    ffmpeg("-f", "s16le", "-ar", RATE, "-ac", 1, "-i", pcm, path)
    return path


def heard(path: Path) -> list[float]:
    """When tones begin, in seconds."""
    sound = np.concatenate(list(read_sound(path))).astype(float)
    blocks = np.abs(sound[: sound.size // 480 * 480].reshape(-1, 480)).mean(1) > 1000
    return [float(at) / 100 for at in np.flatnonzero(np.diff(np.r_[0, blocks.astype(int)]) == 1)]
