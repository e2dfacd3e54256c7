"""A folder of labelled clips of a drawn head with known pose, mouth and eyes, as the trainer expects it."""

import csv
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from facewire.models import face_points as fp
from facewire.models.bundle import DEFAULT_BUNDLE, WEIGHTS_FILE
from facewire.training.motion_space import _rotation
from facewire.video import VideoWriter

LOADER = """
import numpy as np

def load(path):
    return dict(np.load(path))
"""
FRAMES = 24


def template() -> NDArray[np.float32]:
    """Mean frontal mesh (478, 3) of the packaged weights."""
    return safetensors.numpy.load_file(DEFAULT_BUNDLE / WEIGHTS_FILE)["face.template"]


def make_clips(folder: Path, clips: int = 4, seed: int = 0) -> Path:
    """Write clips, labels, manifest and loader; the last clip is validation. Returns the folder."""
    random = np.random.default_rng(seed)
    rows = []
    (folder / "labels").mkdir(parents=True)
    (folder / "clips256").mkdir()
    (folder / "labels.py").write_text(LOADER)
    for clip in range(clips):
        name, split = f"id{clip:04d}_00", "val" if clip == clips - 1 else "train"
        landmarks, pose, openings = motion(random)
        colours = random.integers(60, 200, (3, 3))
        with VideoWriter(folder / "clips256" / f"{name}.mp4", 25.0) as writer:
            for index, points in enumerate(landmarks):
                writer.write(draw(points, colours), index * 40)
        eyes = np.repeat(openings[:, 1:], 2, 1)
        np.savez(folder / "labels" / f"{name}.npz", landmarks=landmarks, pose=pose, mouth=openings[:, 0], eyes=eyes)
        path = f"clips256/{name}.mp4"
        rows.append({"clip": name, "path": path, "identity": name, "split": split, "fps": "25", "frames": str(FRAMES)})
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer_csv = csv.DictWriter(file, rows[0].keys())
        writer_csv.writeheader()
        writer_csv.writerows(rows)
    return folder


def motion(random: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """Landmarks (T, 478, 3), pose (T, 6) and openings (T, 2) of mouth and eyes of one person's clip."""
    face = template() * (1 + random.normal(0, 0.03, 3)).astype(np.float32)
    start, end = random.normal(0, 0.15, (2, 3)), random.normal(0, 0.15, (2, 3))
    frames, poses, openings = [], [], []
    for index in range(FRAMES):
        weight = index / (FRAMES - 1)
        mouth, eyes = 0.08 * random.random(), random.random()
        points = face.copy()
        points[[*fp.INNER_LIPS_LOWER, 17, 152], 1] += mouth
        for upper, lower in zip(fp.UPPER_LIDS, (*fp.LOWER_LIDS,), strict=True):
            middle = (points[upper, 1] + points[lower, 1]) / 2
            points[upper, 1] += (middle - points[upper, 1]) * eyes
        rotation = start[0] * (1 - weight) + end[0] * weight
        shift = 0.3 * (start[1] * (1 - weight) + end[1] * weight)
        turned = points @ _rotation(rotation.astype(np.float32)).T + np.array([shift[0], shift[1], 0])
        frames.append(turned)
        poses.append([*rotation, *shift[:2], 0])
        openings.append([mouth, 0.3 * (1 - eyes)])
    return tuple(np.array(part, np.float32) for part in (frames, poses, openings))


def draw(points: NDArray[np.float32], colours: NDArray[np.int64]) -> NDArray[np.uint8]:
    """A picture (256, 256, 3) of the landmarks."""
    image = np.full((256, 256, 3), 90, np.uint8)
    pixels = ((points[:, :2] + 1) * 128).astype(np.int32)

    def fill(indices: Iterable[int], colour: tuple[int, ...]) -> None:
        cv2.fillConvexPoly(image, cv2.convexHull(pixels[list(indices)]), colour)

    fill(range(468), tuple(int(c) for c in colours[0]))
    fill(fp.OUTER_LIPS, (170, 60, 70))
    fill(fp.INNER_LIPS_LOWER + fp.INNER_LIPS_UPPER, (40, 10, 10))
    for eye, iris in ((slice(0, 7), 468), (slice(7, 14), 473)):
        fill([*list(fp.UPPER_LIDS)[eye], *list(fp.LOWER_LIDS)[eye]], (240, 240, 240))
        cv2.circle(image, tuple(int(v) for v in pixels[iris]), 3, (30, 30, 30), -1)
    return image
