"""The face detector on each backend that can be installed alone."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facewire.errors import WeightsError
from facewire.models import backends
from facewire.models.config import AUTOMATIC
from facewire.sender.face_detector import Face, FaceDetector
from facewire.sender.media import open_video

BOX_TOLERANCE_PX = 0.01


def without(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`facewire` with these arguments, as it runs where the package is not installed."""
    program = (
        f"import sys; sys.modules[{package!r}] = None; from facewire.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=300)


def numbers(face: Face) -> tuple[float, ...]:
    return face.x, face.y, face.width, face.height


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_boxes_are_the_same_on_every_backend(carphone: Path, astronaut: NDArray[np.uint8]) -> None:
    reference, openvino = (
        FaceDetector(backend=backends.OnnxRuntime(1, on_cpu=True)),
        FaceDetector(backend=backends.OpenVino(1)),
    )
    with open_video(str(carphone)) as video:
        pictures = [astronaut, *(frame.picture for number, frame in enumerate(video) if number % 12 == 0)]
    for picture in pictures:
        wanted, faces = reference.detect(picture), openvino.detect(picture)
        assert len(faces) == len(wanted) > 0
        for face, other in zip(faces, wanted, strict=True):
            assert numbers(face) == pytest.approx(numbers(other), abs=BOX_TOLERANCE_PX)
            assert face.score == pytest.approx(other.score, abs=1e-4)


@pytest.mark.parametrize("package", [name for name in AUTOMATIC if importlib.util.find_spec(name)])
def test_one_backend_is_enough_to_encode_and_decode(package: str, clip: Path, tmp_path: Path) -> None:
    for arguments in (
        ["encode", str(clip), "-o", f"{tmp_path}/a.fw"],
        ["decode", f"{tmp_path}/a.fw", "-o", f"{tmp_path}/a.mkv"],
    ):
        done = without(package, *arguments)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.mkv").stat().st_size > 1000


@pytest.mark.parametrize("package", [name for name in AUTOMATIC if importlib.util.find_spec(name)])
def test_info_prints_with_one_backend(package: str) -> None:
    done = without(package, "info")
    assert done.returncode == 0, done.stderr
    (left,) = set(AUTOMATIC) - {package}
    assert f"{left} on " in done.stdout


def test_without_any_backend_the_error_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"facewire\[openvino\].*facewire\[cpu\]"):
        FaceDetector()
