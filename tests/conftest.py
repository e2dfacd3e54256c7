"""What the tests outside tests/codec, tests/models and tests/training share: inputs, made here or carried by packages."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from facewire.models.bundle import load_bundle
from facewire.models.runtime import Networks
from facewire.samples import sample_clip, sample_portrait
from facewire.sender.face_detector import FaceDetector
from facewire.sender.media import read_picture

Picture = NDArray[np.uint8]

settings.register_profile("no deadline", deadline=None)  # busy machines are slow, not wrong
settings.load_profile("no deadline")
os.environ["XDG_STATE_HOME"] = os.devnull  # nor does what they had the page remember
os.environ["FACEWIRE_CONFIG"] = os.devnull  # the defaults of whoever runs the tests do not count
# A shell's background job ignores Ctrl-C, and what the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

KNOWN_SKIPS = Path(__file__).with_name("known_skips.txt")


def _unknown_skips(config: pytest.Config) -> list[str]:
    """With FACEWIRE_NO_SKIPS=1, as in CI: the tests skipped for a reason that is not in `known_skips.txt`, and the reason."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("FACEWIRE_NO_SKIPS") != "1" or terminal is None or hasattr(config, "workerinput"):
        return []
    lines = KNOWN_SKIPS.read_text(encoding="utf-8").splitlines()
    known = [line for line in lines if line and not line.startswith("#")]
    reasons = [(test.nodeid, test.longrepr[2].removeprefix("Skipped: ")) for test in terminal.stats.get("skipped", [])]
    return [f"{test}: {why}" for test, why in reasons if not any(fnmatch(why, pattern) for pattern in known)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and _unknown_skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for skip in _unknown_skips(config):
        terminalreporter.write_line(f"not in {KNOWN_SKIPS.name}: {skip}", red=True)


QUICK = ["--no-x264", "--no-landmarks"]
"""Options of a loopback whose comparison does not matter."""


def command(*arguments: object) -> list[str]:
    """`facewire` with these arguments, to be run as a program."""
    return [sys.executable, "-m", "facewire.cli", *map(str, arguments)]


def write_clip(
    path: Path, pictures: Sequence[Picture], fps: int = 25, codec: str = "libx264", **stream: object
) -> Path:
    """A video file by a plain encoder, none of ours."""
    with av.open(str(path), "w") as container:
        out = container.add_stream(codec, rate=fps)
        assert isinstance(out, av.VideoStream)
        out.height, out.width = pictures[0].shape[:2]
        out.pix_fmt = "yuv420p"
        out.options = {"preset": "ultrafast"} if codec == "libx264" else {}
        for name, value in stream.items():
            setattr(out, name, value)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(out.encode(frame))
        container.mux(out.encode(None))
    return path


@pytest.fixture(scope="session")
def carphone() -> Path:
    return sample_clip()


@pytest.fixture(scope="session")
def portrait_file() -> Path:
    return sample_portrait()


@pytest.fixture(scope="session")
def astronaut(portrait_file: Path) -> Picture:
    """uint8 RGB (512, 512, 3)."""
    return read_picture(portrait_file)


@pytest.fixture(scope="session")
def nodding(astronaut: Picture) -> list[Picture]:
    """A portrait that sways: 256 x 256, 12 frames."""
    pictures = []
    for number in range(12):
        angle, shift = 4 * np.sin(number / 3), 6 * np.cos(number / 4)
        move = cv2.getRotationMatrix2D((225, 130), angle, 1.0)
        move[:, 2] += shift, 0
        moved = cv2.warpAffine(astronaut, move, (512, 512), borderMode=cv2.BORDER_REPLICATE)
        pictures.append(np.asarray(cv2.resize(moved, (256, 256), interpolation=cv2.INTER_AREA), np.uint8))
    return pictures


@pytest.fixture(scope="session")
def clip(nodding: list[Picture], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "nodding.mp4", nodding)


@pytest.fixture(scope="session")
def talk() -> NDArray[np.int16]:
    """A synthesised voice, nobody's: int16 at 48 kHz, 12 s; words of 0.6 s at 0.5, 2.0, 3.5 s and so on, in a room's quiet
    noise.
    """
    rate, random = 48000, np.random.default_rng(0)
    samples = random.normal(size=12 * rate) * 10.0  # -70 dBFS
    time = np.arange(rate * 6 // 10) / rate
    for start in range(rate // 2, samples.size - rate, rate * 3 // 2):
        buzz = sum(np.sin(2 * np.pi * random.uniform(99, 101) / 100 * 140 * k * time) / k for k in range(1, 20))
        samples[start : start + time.size] += 5000 * buzz * np.hanning(time.size) ** 0.3
    return np.asarray(np.clip(samples, -32768, 32767), np.int16)


@pytest.fixture(scope="session")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="session")
def networks() -> Networks:
    return Networks(load_bundle(), threads=1)
