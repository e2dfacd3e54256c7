"""Batches have the rows that were requested."""

from pathlib import Path

import numpy as np
import pytest
import torch

from facewire.training.batches import BatchLoader, PairSampler, Rows
from facewire.training.data import open_store


@pytest.mark.parametrize(
    "rows", [Rows(3), Rows(3, driving_rows=2, neighbour_row=True), Rows(2, 2, 2, neighbour_row=True)]
)
def test_rows_divide_a_batch_by_role(rows: Rows, clips: Path, cache: Path) -> None:
    store = open_store(clips, cache, "train")
    drawn = PairSampler(store, seed=0).draw(rows)
    assert drawn.shape == (rows.width, rows.count)
    frames = np.arange(drawn.size)
    parts = [frames[rows.sources], frames[rows.driving], frames[rows.neighbours]]
    assert [len(part) for part in parts] == [
        rows.width * rows.source_rows, rows.width * rows.driving_rows, rows.width * rows.neighbour_row
    ]  # fmt: skip
    assert np.concatenate(parts).tolist() == frames.tolist()
    batch = rows.row_by_row(BatchLoader(store, torch.device("cpu")).load(drawn.reshape(-1), 128))
    motion = torch.from_numpy(store.motion)
    assert torch.equal(batch[rows.sources].motion, motion[drawn[:, : rows.source_rows].T.reshape(-1)])
    assert torch.equal(batch[rows.first_driving].motion, motion[drawn[:, rows.source_rows]])
    if rows.neighbour_row:
        assert (abs(drawn[:, -1] - drawn[:, rows.source_rows]) == 1).all()
        assert torch.equal(batch[rows.neighbours].motion, motion[drawn[:, -1]])
