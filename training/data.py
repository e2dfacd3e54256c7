"""Training data: the clips of a folder, decoded once, with the motion of their labels.

The input is a folder with `manifest.csv`, `labels/`, clips and perhaps portraits; the output is a `FrameStore`, from which
`training.batches` draws. Decoded pictures are kept in one memory-mapped file in the cache folder, which several runs can share.
"""

from __future__ import annotations

import csv
import importlib.util
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from facewire.errors import InputError
from facewire.training.face_labels import read_labels
from facewire.training.motion_space import ClipMotion, MotionSpace, fit_motion_space, project

FRAMES_ABOVE_FPS = 20.0
"""Faster clips are thinned to every second frame for training, since neighbours are nearly equal."""


@dataclass(frozen=True)
class ClipRow:
    """One clip of the manifest."""

    name: str
    path: Path
    labels: Path
    identity: str
    split: str
    fps: float
    frames: int


def read_manifest(data: Path, split: str) -> list[ClipRow]:
    """All clips of a split ("train" or "val"); InputError if the folder has no manifest."""
    manifest = data / "manifest.csv"
    if not manifest.is_file():
        raise InputError(f"{data} has no manifest.csv: give a folder of labelled clips with --data")
    with manifest.open(newline="") as file:
        return [
            ClipRow(
                name=row["clip"],
                path=data / row["path"],
                labels=data / row["path"].replace("clips256", "labels").replace(".mp4", ".npz"),
                identity=row["identity"],
                split=row["split"],
                fps=float(row["fps"]),
                frames=int(row["frames"]),
            )
            for row in csv.DictReader(file)
            if row["split"] == split and (data / row["path"]).is_file()
        ]


def load_labels(data: Path, path: Path) -> dict[str, NDArray[np.float32]]:
    """Labels of one clip: landmarks (T, 478, 3), eyes (T, 2), mouth (T,), as `face_labels.ClipLabels` describes them.

    Files of `facewire prepare` are read directly. A data folder may have its own loader (`labels.py`), which is then run.
    """
    loader = data / "labels.py"
    if not loader.is_file():
        return dict(vars(read_labels(path)))
    labels: dict[str, NDArray[np.float32]] = _label_loader(loader).load(path)
    return labels


def _label_loader(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("facewire_clip_labels", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_clip(path: Path) -> NDArray[np.uint8]:
    """All frames of a clip, uint8 RGB (T, H, W, 3)."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        more, frame = capture.read()
        if not more:
            break
        frames.append(frame[..., ::-1])
    capture.release()
    if not frames:
        raise InputError(f"{path}: no frame could be decoded")
    return np.stack(frames)


def read_portraits(data: Path) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
    """Portraits (N x (256, 256, 3) uint8 RGB) and landmarks (N, 478, 3); empty where the folder has none."""
    index = data / "stills" / "stills.csv"
    if not index.is_file():
        return [], np.zeros((0, 478, 3), np.float32)
    pictures: dict[str, NDArray[np.uint8]] = {}
    for archive in sorted((data / "stills").glob("stills*.tar")):
        with tarfile.open(archive) as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is not None:
                    decoded = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
                    pictures[Path(member.name).name] = np.asarray(decoded, np.uint8)[..., ::-1]
    with index.open(newline="") as file_rows:
        names = [Path(row["still"]).name for row in csv.DictReader(file_rows)]
    landmarks = np.load(data / "stills" / "stills_labels.npz")["landmarks"].astype(np.float32)
    return [pictures[name] for name in names], landmarks


@dataclass(frozen=True)
class FrameStore:
    """Decoded frames with the motion of their labels: the N frames of all clips one after another, then the portraits.

    pictures: uint8 (N, 256, 256, 3) RGB. motion: (N, 6 + E). shape: (N, C). points: (N, P, 3) in picture coordinates.
    openings: (N, 3) mouth, image-left eye, image-right eye. starts: (clips + 1,) first frame of each clip. people: (clips,).
    portraits: number of single pictures at the end, each of which is a clip.
    """

    pictures: NDArray[np.uint8]
    motion: NDArray[np.float32]
    shape: NDArray[np.float32]
    points: NDArray[np.float32]
    openings: NDArray[np.float32]
    starts: NDArray[np.int64]
    people: NDArray[np.int64]
    portraits: int
    space: MotionSpace

    @property
    def first_portrait(self) -> int:
        """Index of the first frame that is a portrait; the number of frames if there is none."""
        return int(self.starts[len(self.people) - self.portraits])


def open_store(data: Path, cache: Path, split: str, space: MotionSpace | None = None) -> FrameStore:
    """Open the cached store of a split, after building it if necessary (minutes; several GB of disk).

    space: the motion space to project labels to; fitted to this split when None.
    """
    rows = read_manifest(data, split)
    if not rows:
        raise InputError(
            f"{data} has no clips of split {split!r}: the column split of the manifest must name train and val clips"
        )
    cache.mkdir(parents=True, exist_ok=True)
    meta = cache / f"{split}.npz"
    if not meta.is_file():
        _build(data, cache, split, space)
    with np.load(meta) as z:
        if list(z["names"]) != [row.name for row in rows]:
            raise InputError(f"{meta} was made from other clips than those of {data}: delete {cache} to rebuild it")
        fields = {name: z[name] for name in ("motion", "shape", "points", "openings", "starts", "people")}
        stored = MotionSpace(**{name[6:]: z[name] for name in z.files if name.startswith("space_")})
        portraits = int(z["portraits"])
    pictures = np.load(cache / f"{split}_pictures.npy", mmap_mode="r")
    return FrameStore(pictures=pictures, portraits=portraits, space=stored, **fields)


def _build(data: Path, cache: Path, split: str, space: MotionSpace | None) -> None:
    rows = read_manifest(data, split)
    labels = [load_labels(data, row.labels) for row in rows]
    portraits, portrait_landmarks = (
        read_portraits(data) if split == "train" else ([], np.zeros((0, 478, 3), np.float32))
    )
    if space is None:
        space = fit_motion_space([label["landmarks"] for label in labels], portrait_landmarks)
    steps = [2 if split == "train" and row.fps > FRAMES_ABOVE_FPS else 1 for row in rows]
    counts = [len(label["landmarks"][::step]) for label, step in zip(labels, steps, strict=True)] + [1] * len(portraits)
    starts = np.concatenate([[0], np.cumsum(counts)])
    partial = cache / f"{split}_pictures.partial.npy"
    pictures = np.lib.format.open_memmap(partial, "w+", np.uint8, (int(starts[-1]), 256, 256, 3))
    motions: list[ClipMotion] = []
    openings = []
    for row, label, step, start in track(
        list(zip(rows, labels, steps, starts, strict=False)), description=f"decoding {split} clips"
    ):
        frames = read_clip(row.path)[: len(label["landmarks"])]
        if len(frames) < len(label["landmarks"]):
            raise InputError(f"{row.path}: {len(frames)} frames, but labels for {len(label['landmarks'])}")
        frames = frames[::step]
        motion = project(space, label["landmarks"])
        motions.append(ClipMotion(motion.pose[::step], motion.expression[::step], motion.shape, motion.points[::step]))
        pictures[start : start + len(frames)] = frames
        openings.append(np.concatenate([label["mouth"][:, None], label["eyes"]], 1)[::step])
    for index, (picture, landmarks) in enumerate(zip(portraits, portrait_landmarks, strict=True)):
        motions.append(project(space, landmarks[None], single=True))
        pictures[starts[len(rows) + index]] = picture
        openings.append(np.zeros((1, 3), np.float32))
    pictures.flush()
    spaces: dict[str, Any] = {f"space_{name}": value for name, value in space.arrays().items()}
    names = {name: i for i, name in enumerate(sorted({row.identity for row in rows}))}
    people = [names[row.identity] for row in rows] + [len(names) + i for i in range(len(portraits))]
    partial.replace(cache / f"{split}_pictures.npy")
    np.savez(  # last, since its presence marks the cache as complete
        cache / f"{split}.npz",
        motion=np.concatenate([m.vectors() for m in motions]),
        shape=np.concatenate([np.repeat(m.shape[None], len(m.pose), 0) for m in motions]),
        points=np.concatenate([m.points for m in motions]),
        openings=np.concatenate(openings).astype(np.float32),
        starts=starts,
        people=np.array(people),
        portraits=len(portraits),
        names=np.array([row.name for row in rows]),
        **spaces,
    )


def clip_ranges(store: FrameStore) -> Iterator[tuple[int, int]]:
    """First and past-the-last frame of every clip that is not a portrait."""
    for clip in range(len(store.people) - store.portraits):
        yield int(store.starts[clip]), int(store.starts[clip + 1])
