"""Batches for the stages: frames drawn from a `FrameStore`, with the motion of their labels, on the training device.

`PairSampler` draws the frames that `Rows` asks for, and `BatchLoader` brings them to the device, where a GPU with enough memory
(about 200 kB a frame) holds the whole store. `training.augment` and the stages work on the resulting `Batch`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facewire.training.data import FrameStore

MIN_CLIP_FRAMES = 8
"""Shorter clips are not drawn from."""


@dataclass(frozen=True)
class Rows:
    """What the frames of a batch are for.

    A batch is a table of frames. Each column is one clip. All frames of a row have the same role: source rows come first, then
    driving rows, then perhaps a row of neighbours. The properties are slices of any tensor with one entry a frame, row by row.
    """

    width: int
    """Clips, one a column."""
    source_rows: int = 1
    """Source frames of each clip."""
    driving_rows: int = 1
    """Driving frames of each clip."""
    neighbour_row: bool = False
    """Whether there is a last row, with the frames next to the first driving ones."""

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.source_rows + self.driving_rows + self.neighbour_row

    @property
    def sources(self) -> slice:
        """The source rows."""
        return slice(0, self.source_rows * self.width)

    @property
    def driving(self) -> slice:
        """The driving rows."""
        return slice(self.source_rows * self.width, (self.source_rows + self.driving_rows) * self.width)

    @property
    def sources_and_driving(self) -> slice:
        """All rows but the neighbours."""
        return slice(0, self.driving.stop)

    @property
    def first_driving(self) -> slice:
        """The first of the driving rows."""
        return self.row(self.source_rows)

    @property
    def neighbours(self) -> slice:
        """The row of neighbours; empty if there is none."""
        return slice(self.driving.stop, self.count * self.width)

    def row(self, index: int) -> slice:
        """The row at a position, counted from the top; of the driving rows alone, the driving row at that position."""
        return slice(index * self.width, (index + 1) * self.width)

    def row_by_row(self, batch: Batch) -> Batch:
        """A batch whose frames lie clip by clip, as they are drawn, put in the order of the rows."""
        order = torch.arange(len(batch), device=batch.pictures.device)
        return batch[order.view(self.width, self.count).T.reshape(-1)]


@dataclass(frozen=True)
class Batch:
    """Frames with the motion of their labels, on the training device."""

    pictures: Tensor
    """(B, 3, S, S) in [0, 1]."""
    motion: Tensor
    """(B, 6 + E) as `codec.motion.Motion.head` lays it out."""
    shape: Tensor
    """(B, C) canonical shape code."""
    points: Tensor
    """(B, P, 3) in picture coordinates."""
    openings: Tensor
    """(B, 3) of the mouth, the image-left eye and the image-right eye."""

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, frames: slice | Tensor) -> Batch:
        return Batch(**{name: value[frames] for name, value in vars(self).items()})

    def replaced(self, frames: Tensor, others: Batch) -> Batch:
        """This batch with other frames at the indices `frames`."""
        fields = {name: value.index_copy(0, frames, getattr(others, name)) for name, value in vars(self).items()}
        return Batch(**fields)


class PairSampler:
    """Draws frame indices: a person, then one of their clips, then frames that differ in pose, mouth and eyes.

    far: share of driving frames that are the farthest of `candidates` frames from the source, the rest being any frame.
    portrait_share: share of columns that are portraits.
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
            if store.starts[clip + 1] - store.starts[clip] >= MIN_CLIP_FRAMES:
                self.clips_of.setdefault(int(store.people[clip]), []).append(clip)
        self.persons = sorted(self.clips_of)
        motion, openings = store.motion, store.openings
        self.features = np.concatenate(
            [motion[:, :2] / 0.15, openings[:, :1] / 0.04, openings[:, 1:].mean(1, keepdims=True) / 0.08], 1
        )

    def reseed(self, seed: int) -> None:
        """Start another random sequence."""
        self.random = np.random.default_rng(seed)

    def draw(self, rows: Rows) -> NDArray[np.int64]:
        """Frame indices (width, rows): one line a clip. Sources after the first are drawn as driving frames are.

        A portrait is one frame, repeated.
        """
        drawn = []
        for _ in range(rows.width):
            if self.portrait_share and self.random.random() < self.portrait_share:
                portrait = self.store.first_portrait + int(self.random.integers(self.store.portraits))
                drawn.append([portrait] * rows.count)
                continue
            clip = self.random.choice(self.clips_of[self.random.choice(self.persons)])
            low, high = self.store.starts[clip], self.store.starts[clip + 1]
            source = int(self.random.integers(low, high))
            line = [source]
            for _ in range(rows.source_rows - 1 + rows.driving_rows):
                options = self.random.integers(low, high, self.candidates)
                if self.random.random() < self.far:
                    distance = np.abs(self.features[options] - self.features[source]).sum(1)
                    line.append(int(options[distance.argmax()]))
                else:
                    line.append(int(options[0]))
            if rows.neighbour_row:
                driving = line[rows.source_rows]
                line.append(driving + 1 if driving + 1 < high else driving - 1)
            drawn.append(line)
        return np.array(drawn)


GPU_SHARE = 0.6
"""Share of a GPU's free memory that a store may take; the rest is for training."""
UPLOAD_FRAMES = 2048


def fits(store: FrameStore, device: torch.device) -> bool:
    """Whether a CUDA device has room for a store's pictures beside the training."""
    return store.pictures.nbytes <= GPU_SHARE * torch.cuda.mem_get_info(device)[0]


class BatchLoader:
    """Moves drawn frames to the device. With `resident` the whole store is kept there (on a GPU with room, see `fits`)."""

    def __init__(self, store: FrameStore, device: torch.device, resident: bool = False) -> None:
        self.store, self.device = store, device
        self.pictures: Tensor | None = None
        if resident:  # piece by piece: main memory need not hold it all
            self.pictures = torch.empty(store.pictures.shape, dtype=torch.uint8, device=device)
            for first in range(0, len(store.pictures), UPLOAD_FRAMES):
                part = np.array(store.pictures[first : first + UPLOAD_FRAMES])
                self.pictures[first : first + len(part)] = torch.from_numpy(part).to(device)
        self.tables = {
            name: torch.from_numpy(np.ascontiguousarray(getattr(store, name))).to(device)
            for name in ("motion", "shape", "points", "openings")
        }

    def load(self, indices: NDArray[np.int64], size: int) -> Batch:
        """The frames at `indices` (B,), at `size` pixels (averaged down from 256)."""
        where = torch.from_numpy(indices).to(self.device)
        held = self.pictures
        raw = held[where] if held is not None else torch.from_numpy(self.store.pictures[indices]).to(self.device)
        pictures = raw.permute(0, 3, 1, 2).float() / 255
        if size < pictures.shape[-1]:
            pictures = torch.nn.functional.avg_pool2d(pictures, pictures.shape[-1] // size)
        return Batch(pictures, **{name: table[where] for name, table in self.tables.items()})
