"""From labels to motion space: poses are recovered, mirroring is its own inverse, augmentation changes labels accordingly."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from facewire.models import face_points as fp
from facewire.training.augment import Augmenter, apply_similarity
from facewire.training.batches import Batch
from facewire.training.data import FrameStore, open_store
from facewire.training.motion_space import angles, head_frame, similarity


@pytest.fixture(scope="module")
def store(clips: Path, cache: Path) -> FrameStore:
    return open_store(clips, cache, "train")


def batch_of(store: FrameStore, count: int) -> Batch:
    pictures = torch.from_numpy(np.array(store.pictures[:count])).permute(0, 3, 1, 2).float() / 255
    tables = {n: torch.from_numpy(getattr(store, n)[:count]) for n in ("motion", "shape", "points", "openings")}
    return Batch(pictures, **tables)


def test_similarity_is_recovered() -> None:
    random = np.random.default_rng(0)
    template = random.normal(size=(33, 3)).astype(np.float32)
    axis, _ = np.linalg.qr(random.normal(size=(3, 3)))
    axis *= np.sign(np.linalg.det(axis))
    points = 1.3 * template @ axis.T + np.array([0.1, -0.2, 0.3])
    rotation, scale, translation = similarity(points[None].astype(np.float32), template)
    np.testing.assert_allclose(rotation[0], axis, atol=1e-4)
    np.testing.assert_allclose(scale[0], 1.3, atol=1e-4)
    np.testing.assert_allclose(translation[0], [0.1, -0.2, 0.3], atol=1e-4)


def test_poses_of_drawn_heads_are_recovered(clips: Path, store: FrameStore) -> None:
    first = np.load(clips / "labels" / "id0000_00.npz")
    change = np.degrees(store.motion[5, :3] - store.motion[0, :3])
    step = 2 if len(first["pose"]) > len(store.motion) / 2 else 1
    truth = np.degrees(first["pose"][::2][5, :3] - first["pose"][0, :3])
    assert step in (1, 2)
    np.testing.assert_allclose(change, truth, atol=2.0)


def test_template_is_upright_and_symmetric(store: FrameStore) -> None:
    template = store.space.template
    pose, _ = head_frame(template[None], template)
    assert np.abs(pose).max() < 1e-4
    assert abs(template[33, 0] + template[263, 0]) < 0.01
    assert angles(np.eye(3, dtype=np.float32)[None]).max() == 0


def test_mirroring_an_expression_twice_restores_it(store: FrameStore) -> None:
    space = store.space
    codes = store.motion[:, 6:]
    twice = codes @ (space.flip_expression @ space.flip_expression).T
    moved = np.einsum("pij,tj->tpi", space.expression_basis, twice - codes)
    assert np.abs(moved).max() < 2e-3


def test_similarity_moves_picture_and_labels_alike(store: FrameStore) -> None:
    batch = batch_of(store, 4)
    change = torch.tensor([[0.2, 0.1, -0.05, 0.1]]).expand(4, -1)
    moved = apply_similarity(batch, change)
    pose, _ = head_frame(_whole(store, moved.points.numpy()), store.space.template)
    torch.testing.assert_close(moved.motion[:, 2] - batch.motion[:, 2], torch.full((4,), 0.2))
    torch.testing.assert_close(moved.motion[:, 5] - batch.motion[:, 5], torch.full((4,), 0.1))
    assert pose.shape == (4, 6)
    back = apply_similarity(moved, torch.tensor([[-0.2, 0.0, 0.0, -0.1]]).expand(4, -1))
    centre = back.motion[:, 3:5] - batch.motion[:, 3:5]
    assert (centre - centre[:1]).abs().max() < 1e-4


def _whole(store: FrameStore, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whole meshes with points (B, P, 3), and the others from the template."""
    whole = np.repeat(store.space.template[None], len(points), 0).astype(np.float32)
    whole[:, list(fp.POINTS)] = points
    return whole


def test_mirroring_a_batch_twice_restores_it(store: FrameStore) -> None:
    batch = batch_of(store, 2)
    augment = Augmenter(store.space, torch.device("cpu"), seed=0)
    for _ in range(20):
        once = augment.mirror(batch)
        if torch.equal(once.pictures[0], batch.pictures[0].flip(-1)):
            break
    torch.testing.assert_close(once.motion[0, 0], -batch.motion[0, 0])
    torch.testing.assert_close(once.points[0, 0, 0], -batch.points[0, 1, 0])
