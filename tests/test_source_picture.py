"""The source frame's picture: how finely it is sent."""

from __future__ import annotations

import numpy as np
import pytest

from facewire.samples import sample_portrait
from facewire.sender.media import read_picture
from facewire.source_picture import DIM_QUALITY, QUALITY, compress, decompress, quality_of


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return np.ascontiguousarray(read_picture(sample_portrait())[:256, :256])


def test_dim_picture_keeps_as_much_of_itself_as_a_bright_one(portrait: np.ndarray) -> None:
    dim = (portrait // 3).astype(np.uint8)
    assert quality_of(portrait) == QUALITY
    assert QUALITY < quality_of(dim) <= DIM_QUALITY

    def lost(picture: np.ndarray, quality: int | None) -> float:
        back = decompress(compress(picture, quality), 256).astype(float)
        return float(np.abs(back - picture).mean() / picture.astype(float).std())

    assert lost(dim, QUALITY) > 1.5 * lost(portrait, None), "that is what it is for"
    assert lost(dim, None) < 0.85 * lost(dim, QUALITY)


def test_quality_is_within_bounds() -> None:
    assert quality_of(np.zeros((8, 8, 3), np.uint8)) == DIM_QUALITY
    assert quality_of(np.tile(np.array([0, 255], np.uint8)[:, None, None], (4, 8, 3))) == QUALITY
