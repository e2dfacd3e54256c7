"""The scoreboard's rows, gates and summary: what is measured, what must be reached, and how clips are averaged and ordered.

From the `ClipScore` of every clip and the rate curve comes a `Scoreboard`, which `training.evaluate` prints and
`training.scoreboard_page` shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facewire.training.evaluate_clip import ClipScore, EvaluateOptions, means
from facewire.training.judge import frechet
from facewire.training.rate_curve import RatePoint


@dataclass(frozen=True)
class Figure:
    """One row of the scoreboard."""

    key: str
    label: str
    digits: int
    better: int = 0
    """1 if more is better, -1 if less is better, 0 for neither."""
    gate: float | None = None
    goal: float | None = None
    unit: str = ""
    note: str = ""
    """One line on what it measures."""

    def passes(self, value: float, bound: float | None) -> bool | None:
        """Whether a value is at least as good as a bound; None without one."""
        return None if bound is None else (value - bound) * self.better >= 0


FIGURES: dict[str, tuple[Figure, ...]] = {
    "The same person": (
        Figure("psnr", "PSNR", 2, 1, unit="dB", note="Pixels. Rewards blur, punishes a head that is off by one pixel."),
        Figure(
            "psnr_gain",
            "PSNR over repeat",
            2,
            1,
            6.5,
            8.5,
            "dB",
            note="The same, minus the score of the still source frame.",
        ),
        Figure("ssim", "SSIM", 3, 1, 0.79, 0.84, note="Local structure of luma in 11 x 11 windows."),
        Figure("ms_ssim", "MS-SSIM", 3, 1, note="The same over five octaves."),
        Figure("l1", "L1 (of 255)", 2, -1, note="Mean absolute difference over R, G, B."),
        Figure(
            "st_lpips",
            "ST-LPIPS",
            3,
            -1,
            note="Learned perceptual distance that forgives small shifts. Sees blur and texture, but hardly motion.",
        ),
        Figure(
            "st_lpips_ratio",
            "ST-LPIPS against repeat",
            2,
            -1,
            0.42,
            0.33,
            "×",
            note="The still source frame is sharp, so a picture must be both right and sharp to do better.",
        ),
        Figure(
            "st_lpips_worst",
            "The same, worst tenth of the clips",
            2,
            -1,
            0.6,
            0.45,
            "×",
            note="Mean over those clips, most of which hardly move: there the still source frame is hard to beat.",
        ),
        Figure(
            "fd_lite0",
            "Fréchet distance (Lite0)",
            2,
            -1,
            note="Of EfficientNet-Lite0 features over all frames: whether they look real overall. Not the FID.",
        ),
        Figure(
            "akd",
            "AKD: 468 face points",
            2,
            -1,
            2.0,
            1.3,
            "px",
            note="Mean distance between the face meshes of both pictures, at 256 px.",
        ),
        Figure(
            "face_missing",
            "Face not found",
            3,
            -1,
            note="Share of frames with a face in the camera picture but none in ours.",
        ),
        Figure(
            "identity",
            "Identity cosine",
            3,
            1,
            0.87,
            0.91,
            note="MobileFace embeddings of our picture and the camera picture at that moment.",
        ),
        Figure(
            "pose_error",
            "Head pose in the picture, error",
            2,
            -1,
            unit="°",
            note="Mean of yaw, pitch and roll, by the face mesh in both pictures.",
        ),
        Figure(
            "mouth_r",
            "Mouth opening, r",
            3,
            1,
            0.90,
            0.96,
            note="Over time within a clip; median of the clips whose mouth moves.",
        ),
        Figure(
            "mouth_slope",
            "Mouth opening, amplitude",
            2,
            1,
            0.8,
            note="Slope on the camera picture: 1 opens as far, .5 mumbles.",
        ),
        Figure("eye_r", "Eye opening, r", 3, 1, 0.82, 0.92, note="The same for the lids: blinks."),
        Figure("eye_slope", "Eye opening, amplitude", 2, 1, 0.6, note="Likewise."),
        Figure(
            "jitter",
            "Temporal jitter",
            2,
            -1,
            1.25,
            1.1,
            "×",
            note="Landmark acceleration relative to the camera picture, in 2 x 12 consecutive frames of a clip.",
        ),
    ),
    "Motion read and sent": (
        Figure(
            "yaw_error",
            "Yaw error against labels",
            2,
            -1,
            unit="°",
            note="What the networks read and the wire carried, against the labels.",
        ),
        Figure("pitch_error", "Pitch error against labels", 2, -1, unit="°"),
        Figure("roll_error", "Roll error against labels", 2, -1, unit="°"),
        Figure(
            "payload_bytes", "Motion payload a frame", 2, -1, unit="B", note="Without packet overhead and redundancy."
        ),
        Figure("sources", "Source frames a clip", 2),
        Figure("source_bytes", "Source frames of a clip", 0, -1, unit="B"),
        Figure(
            "source_kilobytes_per_minute",
            "Source frames a minute, at this pace",
            0,
            -1,
            unit="kB",
            note="Clips are short and a minute's budget may be spent at once, so that a call stays far below it.",
        ),
    ),
    "Another person's face, moved (relative transfer)": (
        Figure("cross_identity", "Identity cosine to the source", 3, 1, note="Whose face is seen after the transfer."),
        Figure(
            "cross_identity_driver",
            "Identity cosine to the driver",
            3,
            note="Should be as low as between strangers, about .03.",
        ),
        Figure(
            "cross_mouth_r",
            "Mouth opening follows, r",
            3,
            1,
            note="Against the driver; relative transfer keeps the source's own resting face.",
        ),
        Figure("cross_mouth_slope", "Mouth opening, amplitude", 2, 1),
        Figure("cross_eye_r", "Eye opening follows, r", 3, 1),
        Figure("cross_eye_slope", "Eye opening, amplitude", 2, 1),
        Figure("cross_yaw_r", "Yaw follows, r", 3, 1, note="Of clips whose driver turns by more than 2° (spread)."),
        Figure("cross_pitch_r", "Pitch follows, r", 3, 1),
        Figure("cross_roll_r", "Roll follows, r", 3, 1),
        Figure(
            "cross_pose_error",
            "Change of head pose, error",
            2,
            -1,
            unit="°",
            note="Angle between the requested and the measured change of pose.",
        ),
    ),
    "Free view (yaw ±10…40°, pitch ±10, 20°)": (
        Figure(
            "view_yaw_slope",
            "Yaw reached / requested",
            2,
            1,
            note="Angle by the face mesh over the requested one, relative to the source frame.",
        ),
        Figure("view_pitch_slope", "Pitch reached / requested", 2, 1),
        Figure(
            "view_error",
            "Head pose, error",
            2,
            -1,
            unit="°",
            note="Angle between the requested and the measured rotation.",
        ),
        Figure(
            "view_identity",
            "Identity cosine to the source",
            3,
            1,
            note="Even in camera pictures of one person it drops when the head turns.",
        ),
        Figure("view_missing", "Face not found", 3, -1),
    ),
}
ALL_FIGURES = tuple(figure for group in FIGURES.values() for figure in group)
REPEAT = {
    "cross_identity": 1.0, "cross_mouth_r": 0.0, "cross_mouth_slope": 0.0, "cross_eye_r": 0.0, "cross_eye_slope": 0.0,
    "cross_yaw_r": 0.0, "cross_pitch_r": 0.0, "cross_roll_r": 0.0, "mouth_r": 0.0, "mouth_slope": 0.0, "eye_r": 0.0,
    "eye_slope": 0.0, "jitter": 0.0, "view_yaw_slope": 0.0, "view_pitch_slope": 0.0, "view_identity": 1.0,
    "psnr_gain": 0.0, "st_lpips_ratio": 1.0, "st_lpips_worst": 1.0, "payload_bytes": 0.0,
}  # fmt: skip
"""Scores that repeating the source frame has by definition."""


@dataclass(frozen=True)
class Scoreboard:
    """Everything that was measured."""

    bundle: str
    """Name and hash of the weights."""
    options: EvaluateOptions
    summary: dict[str, float]
    people: dict[str, float]
    """The same, with every person counted once."""
    clips: list[ClipScore]
    """Worst first."""
    curve: dict[str, RatePoint]
    """By setting; empty if not requested."""
    left_out: list[str]
    """Lines on what could not be measured, and how to get it."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        gates = {
            figure.key: {"gate": figure.passes(value, figure.gate), "goal": figure.passes(value, figure.goal)}
            for figure in ALL_FIGURES
            if figure.gate is not None and (value := self.summary.get(figure.key)) is not None
        }
        return {
            "bundle": self.bundle,
            "options": {k: str(v) if isinstance(v, Path) else v for k, v in vars(self.options).items()},
            "summary": self.summary,
            "summary_people": self.people,
            "gates": gates,
            "clips": {clip.name: clip.figures for clip in self.clips},
            "views": {clip.name: [asdict(view) for view in clip.views] for clip in self.clips},
            "rate_curve": {name: asdict(point) for name, point in self.curve.items()},
            "left_out": self.left_out,
        }


def summarise(scores: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each figure over clips; for correlations and slopes the median over clips that move."""
    summary: dict[str, float] = {}
    for name in sorted({name for score in scores for name in score}):
        values = [score[name] for score in scores if name in score]
        summary[name] = float(np.median(values) if name.endswith(("_r", "_slope")) else np.mean(values))
    summary["psnr_gain"] = summary["psnr"] - summary["psnr_repeat"]
    summary["ssim_gain"] = summary["ssim"] - summary["ssim_repeat"]
    if summary.get("st_lpips_repeat"):
        summary["st_lpips_ratio"] = summary["st_lpips"] / summary["st_lpips_repeat"]
        ratios = sorted(s["st_lpips"] / s["st_lpips_repeat"] for s in scores if s.get("st_lpips_repeat"))
        summary["st_lpips_worst"] = float(np.mean(ratios[-max(1, round(len(ratios) / 10)) :]))
    return summary


def by_person(clips: Iterable[ClipScore]) -> dict[str, float]:
    """`summarise` over the means of each person, since some people have many clips."""
    people: dict[str, list[dict[str, float]]] = {}
    for clip in clips:
        people.setdefault(clip.person, []).append(clip.figures)
    return summarise([means(scores) for scores in people.values()])


def frechet_distances(clips: Iterable[ClipScore]) -> dict[str, float]:
    """Over the frames of all clips; empty if there are fewer than the features have dimensions."""
    features = [clip.features for clip in clips if clip.features.size]
    if not features:
        return {}
    camera, ours, source = np.concatenate(features, 1)
    if len(camera) <= camera.shape[1]:
        return {}
    return {"fd_lite0": frechet(camera, ours), "fd_lite0_repeat": frechet(camera, source)}


def worst_first(clips: list[ClipScore]) -> list[ClipScore]:
    """Clips by their mean rank in PSNR, SSIM, ST-LPIPS, face points, identity and jitter."""
    total = np.zeros(len(clips))
    for key, better in (("psnr", 1), ("ssim", 1), ("st_lpips", -1), ("akd", -1), ("identity", 1), ("jitter", -1)):
        values = np.array([clip.figures.get(key, np.nan) * better for clip in clips])
        known = np.isfinite(values)
        if known.any():  # a clip without the figure ranks in the middle
            ranks = np.where(known, np.argsort(np.argsort(values)), len(clips) / 2)
            total += ranks
    return [clips[i] for i in np.argsort(total, kind="stable")]


def repeated(summary: dict[str, float], figure: Figure) -> float | None:
    """The score of the repeated source frame; None if the figure has none."""
    return summary.get(f"{figure.key}_repeat", REPEAT.get(figure.key))
