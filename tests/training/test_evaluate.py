"""The scoreboard and the export command, end to end on drawn heads."""

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from facewire.errors import InputError
from facewire.training.evaluate import EvaluateOptions, _openings, evaluate, summarise


def test_scoreboard_of_drawn_heads_has_every_figure(clips: Path, tmp_path: Path) -> None:
    summary = evaluate(EvaluateOptions(clips, every=8, workers=1), tmp_path, Console(quiet=True))
    for name in ("psnr", "psnr_repeat", "psnr_gain", "ssim", "yaw_error", "payload_bytes"):
        assert np.isfinite(summary[name]), name
    assert 0 < summary["payload_bytes"] < 60
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert list(scores["clips"]) == ["id0003_00"]
    assert (tmp_path / "worst.png").is_file()


def test_a_split_without_clips_is_refused(clips: Path) -> None:
    with pytest.raises(InputError, match="no clips of split 'test'"):
        evaluate(EvaluateOptions(clips, split="test"), None, Console(quiet=True))


def test_openings_know_half_a_mouth_from_a_whole_one() -> None:
    true = np.abs(np.sin(np.arange(40) / 3)) * 0.1
    faces = np.stack([true, 0.5 * true + 0.01, np.zeros(40), np.zeros(40)], 1)
    figures = _openings(faces)
    assert figures["mouth_r"] == pytest.approx(1.0)
    assert figures["mouth_slope"] == pytest.approx(0.5)
    assert "eye_r" not in figures, "eyes that do not move have no correlation"


def test_summary_is_mean_of_clips_and_median_of_correlations() -> None:
    base = {"psnr": 20.0, "psnr_repeat": 18.0, "ssim": 0.7, "ssim_repeat": 0.6}
    summary = summarise([base | {"mouth_r": 0.1}, base | {"mouth_r": 0.8}, base | {"psnr": 26.0, "mouth_r": 0.9}])
    assert summary["psnr"] == 22.0
    assert summary["psnr_gain"] == 4.0
    assert summary["mouth_r"] == 0.8
