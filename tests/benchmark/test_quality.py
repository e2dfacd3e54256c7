"""The scores are what the literature means by them."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from facewire.benchmark.quality import MAX_PSNR_DB, Scorer, psnr, ssim
from facewire.benchmark.rivals import x264


def test_psnr_and_ssim_agree_with_scikit_image(nodding: list[np.ndarray]) -> None:
    import cv2

    a, b = nodding[0], nodding[5]
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b), abs=1e-4)
    grey = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (a, b)]
    expected = structural_similarity(
        *grey, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert ssim(a, b) == pytest.approx(expected, abs=1e-6)


def test_same_picture_is_perfect(nodding: list[np.ndarray]) -> None:
    scorer = Scorer()
    assert scorer.score() is None
    scorer.add(nodding[0], nodding[0])
    score = scorer.score()
    assert score is not None
    assert (score.psnr_db, score.ssim) == (MAX_PSNR_DB, pytest.approx(1.0))
    assert score.landmark_px is None


def test_x264_keeps_to_its_budget(nodding: list[np.ndarray]) -> None:
    rival = x264(nodding, 25.0, 8000, count_first=True)
    assert rival.fits
    assert 5000 < rival.total_bytes <= 8000
    assert len(rival.pictures) == len(nodding)
    assert psnr(rival.pictures[3], nodding[3]) > 25


def test_x264_says_when_it_cannot_go_as_low(nodding: list[np.ndarray]) -> None:
    rival = x264(nodding, 25.0, 10, count_first=False)
    assert not rival.fits
    assert rival.crf == 51
