"""The rival codec of the loopback keeps to its budget."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facewire.benchmark.rivals import x264
from facewire.metrics.quality import psnr


def test_x264_keeps_to_its_budget(nodding: list[NDArray[np.uint8]]) -> None:
    rival = x264(nodding, 25.0, 8000, count_first=True)
    assert rival.fits
    assert 5000 < rival.total_bytes <= 8000
    assert len(rival.pictures) == len(nodding)
    assert psnr(rival.pictures[3], nodding[3]) > 25


def test_x264_reports_a_budget_it_cannot_reach(nodding: list[NDArray[np.uint8]]) -> None:
    rival = x264(nodding, 25.0, 10, count_first=False)
    assert not rival.fits
    assert rival.crf == 51
