"""Training data: clips decoded once to uint8, with label motion, sampled in pairs on the training device.

Comes in: a folder laid out as `manifest.csv` + `labels/` + clips (+ portraits). Goes out: `FrameStore`, and batches that
`training.augment` and the stages work on. Decoded pictures live in one memory-mapped file in the cache folder, so that several
trainings share them; a GPU with room for them, about 200 kB a frame, gets them whole.
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
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from facewire.errors import InputError
from facewire.training.face_labels import read_labels
from facewire.training.motion_space import ClipMotion, MotionSpace, fit_motion_space, project

FRAMES_ABOVE_FPS = 20.0
"""Clips faster than this are thinned to every second frame for training: neighbours are nearly equal."""


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
        raise InputError(f"{data} holds no manifest.csv: give the folder of labelled clips with --data")
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

    Files of `facewire prepare` are read as they are; where the data folder brings a loader of its own (`labels.py`), that is run.
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
    """Decoded frames with label motion. N frames of all clips one after another, then N_p portraits.

    pictures: uint8 (N, 256, 256, 3) RGB. motion: (N, 6 + E). shape: (N, C). points: (N, P, 3) in picture coordinates.
    openings: (N, 3) mouth, image-left eye, image-right eye. starts: (clips + 1,) first frame of each clip. people: (clips,).
    portraits: number of single pictures at the end, each a clip of its own.
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


def open_store(data: Path, cache: Path, split: str, space: MotionSpace | None = None) -> FrameStore:
    """Open the cached store of a split, building it first if it is not there (minutes; several GB of disk).

    space: the motion space to project labels to; fitted to this split when None.
    """
    rows = read_manifest(data, split)
    if not rows:
        raise InputError(
            f"{data} has no clips of split {split!r}: the manifest's column split must name train and val clips"
        )
    cache.mkdir(parents=True, exist_ok=True)
    meta = cache / f"{split}.npz"
    if not meta.is_file():
        _build(data, cache, split, space)
    with np.load(meta) as z:
        if list(z["names"]) != [row.name for row in rows]:
            raise InputError(f"{meta} was made from other clips than {data} holds: delete {cache} to build it anew")
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
    np.savez(  # last: its presence says that the cache is whole
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


@dataclass(frozen=True)
class Batch:
    """Frames with their label motion, on the training device. pictures: float (B, 3, S, S) in [0, 1]."""

    pictures: Tensor
    motion: Tensor
    shape: Tensor
    points: Tensor
    openings: Tensor


class PairSampler:
    """Draws frame indices: person uniform, then clip, then frames that are far apart in pose, mouth and eyes.

    far: share of draws that take the farthest of `candidates` frames from the source. portrait_share: share of portraits.
    """

    def __init__(
        self, store: FrameStore, seed: int, far: float = 0.6, candidates: int = 6, portrait_share: float = 0.0
    ) -> None:
        self.store = store
        self.random = np.random.default_rng(seed)
        self.far, self.candidates = far, candidates
        self.portrait_share = portrait_share if store.portraits else 0.0
        clips = len(store.people) - store.portraits
        self.clips_of: dict[int, list[int]] = {}
        for clip in range(clips):
            if store.starts[clip + 1] - store.starts[clip] >= 8:
                self.clips_of.setdefault(int(store.people[clip]), []).append(clip)
        self.persons = sorted(self.clips_of)
        motion, openings = store.motion, store.openings
        self.features = np.concatenate(
            [motion[:, :2] / 0.15, openings[:, :1] / 0.04, openings[:, 1:].mean(1, keepdims=True) / 0.08], 1
        )

    def reseed(self, seed: int) -> None:
        """Start another random sequence."""
        self.random = np.random.default_rng(seed)

    def draw(self, sources: int, drivings: int, neighbour: bool = False) -> NDArray[np.int64]:
        """Frame indices (sources, 1 + drivings): a source frame and its driving frames from the same clip.

        neighbour: one more column, the frame beside the first driving frame.
        """
        columns = 1 + drivings + neighbour
        rows = []
        for _ in range(sources):
            if self.portrait_share and self.random.random() < self.portrait_share:
                first = self.store.starts[len(self.store.people) - self.store.portraits]
                rows.append([int(first + self.random.integers(self.store.portraits))] * columns)
                continue
            clip = self.random.choice(self.clips_of[self.random.choice(self.persons)])
            low, high = self.store.starts[clip], self.store.starts[clip + 1]
            source = int(self.random.integers(low, high))
            row = [source]
            for _ in range(drivings):
                options = self.random.integers(low, high, self.candidates)
                if self.random.random() < self.far:
                    distance = np.abs(self.features[options] - self.features[source]).sum(1)
                    row.append(int(options[distance.argmax()]))
                else:
                    row.append(int(options[0]))
            if neighbour:
                row.append(row[1] + 1 if row[1] + 1 < high else row[1] - 1)
            rows.append(row)
        return np.array(rows)


GPU_SHARE = 0.6
"""Share of a GPU's free memory that a store may take; the rest is for training."""
UPLOAD_FRAMES = 2048


def fits(store: FrameStore, device: torch.device) -> bool:
    """Whether a CUDA device has room for a store's pictures beside the training."""
    return store.pictures.nbytes <= GPU_SHARE * torch.cuda.mem_get_info(device)[0]


class BatchLoader:
    """Moves drawn frames to the device; the whole store lives there when `resident` (a GPU with room, see `fits`)."""

    def __init__(self, store: FrameStore, device: torch.device, resident: bool = False) -> None:
        self.store, self.device = store, device
        self.pictures: Tensor | None = None
        if resident:  # in slices: main memory need not hold it all
            self.pictures = torch.empty(store.pictures.shape, dtype=torch.uint8, device=device)
            for first in range(0, len(store.pictures), UPLOAD_FRAMES):
                part = np.array(store.pictures[first : first + UPLOAD_FRAMES])
                self.pictures[first : first + len(part)] = torch.from_numpy(part).to(device)
        self.tables = {
            name: torch.from_numpy(np.ascontiguousarray(getattr(store, name))).to(device)
            for name in ("motion", "shape", "points", "openings")
        }

    def load(self, indices: NDArray[np.int64], size: int) -> Batch:
        """Batch of frames at `size` pixels (area-averaged from 256)."""
        where = torch.from_numpy(indices).to(self.device)
        held = self.pictures
        raw = held[where] if held is not None else torch.from_numpy(self.store.pictures[indices]).to(self.device)
        pictures = raw.permute(0, 3, 1, 2).float() / 255
        if size < pictures.shape[-1]:
            pictures = torch.nn.functional.avg_pool2d(pictures, pictures.shape[-1] // size)
        return Batch(pictures, **{name: table[where] for name, table in self.tables.items()})


def clip_ranges(store: FrameStore) -> Iterator[tuple[int, int]]:
    """First and past-the-last frame of every clip that is not a portrait."""
    for clip in range(len(store.people) - store.portraits):
        yield int(store.starts[clip]), int(store.starts[clip + 1])
