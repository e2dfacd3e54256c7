"""Scores agree with their published definitions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from facewire.metrics.quality import MAX_PSNR_DB, Scorer, agreement, jitter, l1, ms_ssim, psnr, ssim


def test_psnr_and_ssim_agree_with_scikit_image(nodding: list[NDArray[np.uint8]]) -> None:
    import cv2

    a, b = nodding[0], nodding[5]
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b), abs=1e-4)
    grey = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (a, b)]
    expected = structural_similarity(
        *grey, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert ssim(a, b) == pytest.approx(expected, abs=1e-6)


def test_identical_pictures_score_perfectly(nodding: list[NDArray[np.uint8]]) -> None:
    scorer = Scorer()
    assert scorer.score() is None
    scorer.add(nodding[0], nodding[0])
    score = scorer.score()
    assert score is not None
    assert score.psnr_db == MAX_PSNR_DB
    assert score.ssim == pytest.approx(1.0)
    assert score.landmark_px is None


def test_ms_ssim_agrees_with_pytorch_msssim(nodding: list[NDArray[np.uint8]]) -> None:
    published = pytest.importorskip("pytorch_msssim")
    import cv2
    import torch

    a, b = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(np.float32) for p in (nodding[0], nodding[5]))
    expected = published.ms_ssim(torch.from_numpy(a)[None, None], torch.from_numpy(b)[None, None], data_range=255)
    assert ms_ssim(nodding[0], nodding[5]) == pytest.approx(expected.item(), abs=2e-4)
    assert ms_ssim(nodding[0], nodding[0]) == pytest.approx(1.0)


def test_l1_is_the_mean_difference_in_levels(nodding: list[NDArray[np.uint8]]) -> None:
    darker = (nodding[0] // 2).astype(np.uint8)
    expected = np.abs(nodding[0].astype(int) - darker.astype(int)).mean()
    assert l1(nodding[0], darker) == pytest.approx(expected)
    assert l1(darker, nodding[0]) == pytest.approx(expected)


def test_half_the_amplitude_has_slope_half() -> None:
    true = np.abs(np.sin(np.arange(40) / 3))
    assert agreement(true, 0.5 * true + 0.01) == pytest.approx((1.0, 0.5))
    assert agreement(true, -true) == pytest.approx((-1.0, -1.0))
    assert agreement(true, np.full(40, 0.3)) == (0.0, 0.0)


def test_jitter_is_one_for_the_original_and_grows_with_noise() -> None:
    random = np.random.default_rng(1)
    steps = np.arange(30)[:, None, None]
    true = np.sin(steps / 3) * 5 + random.normal(0, 0.2, (30, 468, 2)) + 100
    assert jitter(true, true) == pytest.approx(1.0)
    assert jitter(true, true + 7 + steps) == pytest.approx(1.0), "a shift and a constant drift are not jitter"
    noisy = [jitter(true, true + random.normal(0, sigma, true.shape)) for sigma in (0.2, 0.5)]
    assert noisy[0] is not None
    assert noisy[1] is not None
    assert 1.2 < noisy[0] < noisy[1]
    still = np.repeat(true[:1], 30, 0)
    assert jitter(true, still) == 0
    assert jitter(still, true) is None


def test_jitter_counts_only_frames_with_both_faces() -> None:
    true = np.random.default_rng(1).normal(100, 1, (9, 468, 2))
    ours = true.copy()
    ours[4] = np.nan
    assert jitter(true, ours) == pytest.approx(1.0)
    assert jitter(true, np.full_like(true, np.nan)) is None
