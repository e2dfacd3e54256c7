"""The scoreboard, end to end on drawn heads, and the definitions of its figures."""

from __future__ import annotations

import io
import itertools
import json
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console
from skimage import data

from facewire.codec import rotation_matrix
from facewire.errors import InputError
from facewire.metrics import teacher_files
from facewire.metrics.charts import Line, bar_chart, line_chart
from facewire.metrics.quality import Face, FaceMesh
from facewire.training.data import ClipRow, read_manifest
from facewire.training.evaluate import evaluate, partner, tables
from facewire.training.evaluate_clip import (
    ClipScore,
    EvaluateOptions,
    View,
    cross_figures,
    evaluate_clip,
    judge_of,
    motion_space_of,
    openings,
    view_figures,
)
from facewire.training.judge import Judge, Look, frechet, turn_between
from facewire.training.rate_curve import SETTINGS, average, rate_clip
from facewire.training.scoreboard import ALL_FIGURES, Scoreboard, by_person, frechet_distances, summarise, worst_first
from facewire.training.scoreboard_page import page

VOID = {"meta", "img", "br", "path", "circle", "rect", "polygon"}


class Page(HTMLParser):
    """Fails on mismatched tags; collects what the page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.rows = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.links += [value for name in ("src", "href") if (value := values.get(name))]
        self.anchors.add(values.get("id") or "")
        self.rows += tag == "tr"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, self.getpos()


def read_page(text: str) -> Page:
    parsed = Page()
    parsed.feed(text)
    assert parsed.open == []
    return parsed


@pytest.mark.slow
def test_scoreboard_of_drawn_heads_has_every_figure(clips: Path, tmp_path: Path) -> None:
    summary = evaluate(EvaluateOptions(clips, every=8, workers=1), tmp_path, Console(quiet=True))
    for name in ("psnr", "psnr_repeat", "psnr_gain", "ssim", "ms_ssim", "l1", "yaw_error", "payload_bytes"):
        assert np.isfinite(summary[name]), name
    assert 0 < summary["payload_bytes"] < 60
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert list(scores["clips"]) == ["id0003_00"]
    assert scores["gates"]["ssim"]["gate"] == (summary["ssim"] >= 0.79)
    assert (tmp_path / "worst" / "01_id0003_00_same.webp").is_file()
    read = read_page((tmp_path / "scoreboard.html").read_text())
    assert all(link.startswith(("#", "data:image/webp")) for link in read.links), "nothing is loaded from elsewhere"
    assert {link[1:] for link in read.links if link.startswith("#")} <= read.anchors


def test_split_without_clips_raises_input_error(clips: Path) -> None:
    with pytest.raises(InputError, match="no clips of split 'test'"):
        evaluate(EvaluateOptions(clips, split="test"), None, Console(quiet=True))


@pytest.mark.slow
def test_clip_is_scored_with_transfer_and_without_teachers(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two drawn heads; there are figures of faces only if MediaPipe recognises them as such."""
    for name in ("identity_file", "stlpips_file", "lite0_file"):
        monkeypatch.setattr(teacher_files, name, lambda: None)
    judge_of.cache_clear()
    assert len(teacher_files.missing()) == 3
    rows = read_manifest(clips, "train")
    score = evaluate_clip(EvaluateOptions(clips, every=8), rows[0], partner(rows, 0))
    assert {"psnr", "psnr_repeat", "ms_ssim", "payload_bytes"} <= set(score.figures)
    assert not {"st_lpips", "identity", "cross_identity"} & set(score.figures)
    assert frechet_distances([score]) == {}
    assert set(score.strips) == {"same", "view", "cross"}
    for strip in score.strips.values():
        picture = cv2.imdecode(np.frombuffer(strip, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (256, 7 * 256, 3)
    judge_of.cache_clear()


@pytest.mark.slow
def test_quality_falls_with_the_rate(clips: Path) -> None:
    row = read_manifest(clips, "val")[0]
    curve = average([rate_clip(EvaluateOptions(clips), row)])
    assert list(curve) == list(SETTINGS)
    sizes = [curve[f"preset {name}"].payload_bytes for name in ("high", "default", "low", "lowest")]
    assert all(a is not None and b is not None and a > b for a, b in itertools.pairwise(sizes))
    assert curve["uncoded"].payload_bytes is None
    assert curve["preset high"].psnr > curve["steps × 8"].psnr


def test_partner_is_another_person() -> None:
    rows = [ClipRow(f"clip{i}", Path(), Path(), person, "val", 25.0, 10) for i, person in enumerate("aaabbc")]
    for index, row in enumerate(rows):
        other = partner(rows, index)
        assert other is not None
        assert other.identity != row.identity
    assert partner(rows[:3], 0) is None


# --- figures of pictures


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(motion_space_of(None).template)


@pytest.fixture(scope="module")
def portrait() -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(data.astronaut()[:288, 80:368], (256, 256), interpolation=cv2.INTER_AREA), np.uint8)


def test_identical_picture_scores_perfectly_and_blur_does_not(judge: Judge, portrait: NDArray[np.uint8]) -> None:
    look = judge.look(portrait)
    figures = judge.compare(look, look)
    perfect = {"l1": 0, "psnr": 100, "ssim": 1, "ms_ssim": 1, "st_lpips": 0, "akd": 0, "pose_error": 0, "identity": 1}
    assert figures == {name: pytest.approx(perfect[name], abs=1e-5) for name in figures}
    blurred = judge.compare(judge.look(np.asarray(cv2.GaussianBlur(portrait, (0, 0), 2), np.uint8)), look)
    better = {figure.key: figure.better for figure in ALL_FIGURES}
    for name, value in blurred.items():
        assert (figures[name] - value) * better[name] >= 0, name


def test_rotated_picture_is_measured_as_roll(judge: Judge, portrait: NDArray[np.uint8]) -> None:
    if not FaceMesh.installed():
        pytest.skip("MediaPipe is not installed")
    turned = cv2.warpAffine(portrait, cv2.getRotationMatrix2D((128, 128), -12, 1), (256, 256))
    a, b = judge.face(portrait).rotation, judge.face(np.asarray(turned, np.uint8)).rotation
    assert a is not None
    assert b is not None
    assert turn_between(b @ a.T, rotation_matrix((0, 0, np.radians(12)))) < 2


def test_frechet_distance_of_gaussians() -> None:
    random = np.random.default_rng(0)
    a = random.normal(0, 1, (4000, 3))
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet(a, a + np.array([3, 0, 4])) == pytest.approx(25, abs=1e-6)
    assert frechet(a, a * 2) == pytest.approx(np.trace(np.cov(a.T)), rel=0.01)  # Σ (2σ − σ)², and the means hardly move


# --- figures of clips


def seen(mouth: float, eyes: float = 0.3, angles: tuple[float, float, float] = (0, 0, 0)) -> Look:
    """A face that was found, without a picture. angles: yaw, pitch, roll in degrees."""
    face = Face(np.zeros((468, 2), np.float32), eyes, mouth, np.zeros((478, 3), np.float32))
    rotation = rotation_matrix(np.radians(angles)).astype(np.float32)
    return Look(np.zeros((1, 1, 3), np.uint8), face, rotation, None, None, None)


def test_half_amplitude_mouth_has_slope_half() -> None:
    true = np.abs(np.sin(np.arange(40) / 3)) * 0.1
    figures = openings([(seen(m), seen(0.5 * m + 0.01)) for m in true])
    assert figures["mouth_r"] == pytest.approx(1.0)
    assert figures["mouth_slope"] == pytest.approx(0.5)
    assert "eye_r" not in figures, "eyes that do not move have no correlation"


def test_transfer_is_scored_relative_to_the_source_pose() -> None:
    """The source looks sideways, the driver turns, and the picture adds half of the driver's turn."""
    turns = 8 * np.sin(np.arange(20) / 3)
    driver = [seen(0.02, angles=(t, 0, 0)) for t in turns]
    source = seen(0.02, angles=(15, 5, 0))
    exact = cross_figures(source, [turned(source, t) for t in turns], seen(0.02), driver)
    assert exact["cross_pose_error"] == pytest.approx(0, abs=0.05)
    assert exact["cross_pose_error_repeat"] == pytest.approx(np.abs(turns).mean(), abs=0.05)
    assert exact["cross_yaw_r"] > 0.99
    assert "cross_pitch_r" not in exact, "the driver does not nod"
    half = cross_figures(source, [turned(source, t / 2) for t in turns], seen(0.02), driver)
    assert half["cross_yaw_slope"] == pytest.approx(0.5 * exact["cross_yaw_slope"], rel=0.05)
    assert half["cross_pose_error"] == pytest.approx(np.abs(turns / 2).mean(), abs=0.05)


def turned(look: Look, yaw: float) -> Look:
    assert look.rotation is not None
    rotation = rotation_matrix((np.radians(yaw), 0, 0)) @ look.rotation
    return Look(look.picture, look.face, rotation.astype(np.float32), None, None, None)


def test_free_view_reaching_half_has_slope_half() -> None:
    views = [View("yaw", a, a / 2, abs(a) / 2, 0.9) for a in (-40, -20, 20, 40)] + [View("pitch", 10, None, None, None)]
    figures = view_figures(views)
    assert figures["view_yaw_slope"] == pytest.approx(0.5)
    assert figures["view_error"] == pytest.approx(15)
    assert figures["view_missing"] == pytest.approx(0.2)
    assert "view_pitch_slope" not in figures


# --- the scoreboard


BASE = {"psnr": 20.0, "psnr_repeat": 18.0, "ssim": 0.7, "ssim_repeat": 0.6, "st_lpips": 0.1, "st_lpips_repeat": 0.2}


def clip(name: str, person: str = "a", **figures: float) -> ClipScore:
    return ClipScore(
        name=name,
        person=person,
        figures=BASE | figures,
        openings=np.array([(t / 5, 0.1, 0.05, 0.3, 0.3) for t in range(6)], np.float32),
        views=[View("yaw", 10, 8.0, 2.0, 0.9), View("yaw", 20, None, None, None), View("pitch", 10, 9.0, 1.0, None)],
        features=np.zeros((3, 0, 320), np.float32),
        strips={"same": b"no picture"},
    )


def test_summary_has_means_and_medians_of_correlations() -> None:
    summary = summarise([BASE | {"mouth_r": 0.1}, BASE | {"mouth_r": 0.8}, BASE | {"psnr": 26.0, "mouth_r": 0.9}])
    assert summary["psnr"] == 22.0
    assert summary["psnr_gain"] == 4.0
    assert summary["mouth_r"] == 0.8
    assert summary["st_lpips_ratio"] == pytest.approx(0.5)


def test_worst_tenth_is_of_clips_whatever_their_size() -> None:
    easy, hard = BASE | {"st_lpips": 0.05}, BASE | {"st_lpips": 0.03, "st_lpips_repeat": 0.03}
    assert summarise([easy] * 18 + [hard] * 2)["st_lpips_worst"] == pytest.approx(1.0)
    assert summarise([easy] * 4)["st_lpips_worst"] == pytest.approx(0.25)


def test_person_with_many_clips_counts_once() -> None:
    clips = [clip("1", "a", ssim=0.9), clip("2", "a", ssim=0.9), clip("3", "a", ssim=0.9), clip("4", "b", ssim=0.5)]
    assert summarise([c.figures for c in clips])["ssim"] == pytest.approx(0.8)
    assert by_person(clips)["ssim"] == pytest.approx(0.7)


def test_gates_and_goals() -> None:
    figures = {figure.key: figure for figure in ALL_FIGURES}
    assert figures["psnr_gain"].passes(6.6, figures["psnr_gain"].gate)
    assert not figures["psnr_gain"].passes(6.6, figures["psnr_gain"].goal)
    assert figures["jitter"].passes(1.24, figures["jitter"].gate)
    assert not figures["jitter"].passes(1.24, figures["jitter"].goal)
    assert figures["psnr"].passes(20, figures["psnr"].gate) is None


def test_worst_clip_comes_first() -> None:
    clips = [clip("fair"), clip("good", psnr=30, ssim=0.9, st_lpips=0.05), clip("bad", psnr=10, ssim=0.2, akd=9.0)]
    assert [score.name for score in worst_first(clips)] == ["bad", "fair", "good"]


def test_frechet_distance_needs_enough_frames() -> None:
    assert frechet_distances([clip("a"), clip("b")]) == {}


def test_page_and_table_show_gates_and_missing_figures() -> None:
    clips = [clip("one <script>"), clip("two", "b", jitter=3.0)]
    summary = summarise([c.figures for c in clips])
    board = Scoreboard("laptop 0123", EvaluateOptions(Path("clips")), summary, by_person(clips), clips, {}, ["no mesh"])
    text = page(board)
    parsed = read_page(text)
    assert parsed.rows > 2
    assert "one <script>" not in text
    assert "no mesh" in text
    assert "1 of 5 gates met, 0 of 5 goals" in text
    console = Console(width=140, file=io.StringIO(), record=True)
    for table in tables(board):
        console.print(table)
    assert "≤ 0.6 ✓" in console.export_text()


def test_charts_handle_gaps_and_escape_names() -> None:
    line = Line([(0, 1.0), (1, float("nan")), (2, 3.0)], "ours", "a & b", ["<0>", "gap", "2"])
    chart = line_chart("A < B", [line], "x", "y")
    read_page(chart)
    assert "NaN" not in chart
    assert "nan" not in chart.replace("tran", "")
    assert chart.count("<circle") == 2
    assert line_chart("empty", [], "x", "y") == ""
    bars = bar_chart("bars", [("a", 1.0, 2.0), ("b", -1.0, None)], [("gate", 1.5)])
    read_page(bars)
    assert bars.count('class="bar"') == 2
