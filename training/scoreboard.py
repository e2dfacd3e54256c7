"""The scoreboard's rows, gates and summary: what is measured, what must be seen, and how clips are counted together and ordered.

Comes in: the `ClipScore` of every clip and the rate curve. Goes out: a `Scoreboard`, which `training.evaluate` prints and
`training.scoreboard_page` draws.
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
    """1: more is better, -1: less is better, 0: neither."""
    gate: float | None = None
    goal: float | None = None
    unit: str = ""
    note: str = ""
    """What it sees, in a line."""

    def passes(self, value: float, bound: float | None) -> bool | None:
        """Whether a value is as good as a bound; None without one."""
        return None if bound is None else (value - bound) * self.better >= 0


FIGURES: dict[str, tuple[Figure, ...]] = {
    "The same person": (
        Figure("psnr", "PSNR", 2, 1, unit="dB", note="Pixels. Rewards blur, punishes a head one pixel aside."),
        Figure(
            "psnr_gain",
            "PSNR over repeat",
            2,
            1,
            4.0,
            6.0,
            "dB",
            note="The same, less what the still source frame scores.",
        ),
        Figure("ssim", "SSIM", 3, 1, 0.79, 0.84, note="Local structure of luma, 11 x 11 windows."),
        Figure("ms_ssim", "MS-SSIM", 3, 1, note="The same over five octaves."),
        Figure("l1", "L1 (of 255)", 2, -1, note="Mean absolute difference over R, G, B."),
        Figure(
            "st_lpips",
            "ST-LPIPS",
            3,
            -1,
            note="Learned perceptual distance that forgives small shifts; sees blur and texture, hardly motion.",
        ),
        Figure(
            "st_lpips_ratio",
            "ST-LPIPS against repeat",
            2,
            -1,
            0.6,
            0.4,
            "×",
            note="The still source frame is sharp, so this asks for pictures that are right and sharp.",
        ),
        Figure(
            "fd_lite0",
            "Fréchet distance (Lite0)",
            2,
            -1,
            note="Of EfficientNet-Lite0 features over all frames: are they real-looking on the whole. Not the FID.",
        ),
        Figure(
            "akd",
            "AKD: 468 face points",
            2,
            -1,
            2.0,
            1.3,
            "px",
            note="Mean distance of the face mesh found in both pictures, at 256 px.",
        ),
        Figure(
            "face_missing",
            "Face not found",
            3,
            -1,
            note="Share of frames with a face in the camera picture and none in ours.",
        ),
        Figure(
            "identity",
            "Identity cosine",
            3,
            1,
            0.75,
            0.88,
            note="MobileFace embeddings of ours and the camera picture of that moment.",
        ),
        Figure(
            "pose_error",
            "Head pose in the picture, error",
            2,
            -1,
            unit="°",
            note="Mean of yaw, pitch, roll, seen by the face mesh in both pictures.",
        ),
        Figure(
            "mouth_r",
            "Mouth opening, r",
            3,
            1,
            0.90,
            0.96,
            note="Over time, within a clip; median of the clips whose mouth moves.",
        ),
        Figure(
            "mouth_slope",
            "Mouth opening, amplitude",
            2,
            1,
            0.8,
            note="Slope on the camera picture: 1 opens as far, .5 mumbles.",
        ),
        Figure("eye_r", "Eye opening, r", 3, 1, 0.82, 0.92, note="Likewise for the lids: blinks."),
        Figure("eye_slope", "Eye opening, amplitude", 2, 1, 0.6, note="Likewise."),
        Figure(
            "jitter",
            "Temporal jitter",
            2,
            -1,
            1.6,
            1.1,
            "×",
            note="Landmark acceleration over the camera picture's, 2 x 12 consecutive frames a clip.",
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
            "payload_bytes", "Motion payload a frame", 2, -1, unit="B", note="Without packet overhead and repetition."
        ),
        Figure("source_bytes", "Source frame, once", 0, -1, unit="B"),
    ),
    "Another person's face, moved (relative transfer)": (
        Figure("cross_identity", "Identity cosine to the source", 3, 1, note="Whose face is seen after the transfer."),
        Figure(
            "cross_identity_driver",
            "Identity cosine to the driver",
            3,
            note="Should be as low as for two strangers, about .03.",
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
            note="Angle between the change of pose asked and seen.",
        ),
    ),
    "Free view (yaw ±10…40°, pitch ±10, 20°)": (
        Figure(
            "view_yaw_slope",
            "Yaw reached of yaw asked",
            2,
            1,
            note="Angle seen by the face mesh over angle asked, against the source frame.",
        ),
        Figure("view_pitch_slope", "Pitch reached of pitch asked", 2, 1),
        Figure("view_error", "Head pose, error", 2, -1, unit="°", note="Angle between the rotation asked and seen."),
        Figure(
            "view_identity",
            "Identity cosine to the source",
            3,
            1,
            note="Even camera pictures of one person lose some when turned.",
        ),
        Figure("view_missing", "Face not found", 3, -1),
    ),
}
ALL_FIGURES = tuple(figure for group in FIGURES.values() for figure in group)
REPEAT = {
    "cross_identity": 1.0, "cross_mouth_r": 0.0, "cross_mouth_slope": 0.0, "cross_eye_r": 0.0, "cross_eye_slope": 0.0,
    "cross_yaw_r": 0.0, "cross_pitch_r": 0.0, "cross_roll_r": 0.0, "mouth_r": 0.0, "mouth_slope": 0.0, "eye_r": 0.0,
    "eye_slope": 0.0, "jitter": 0.0, "view_yaw_slope": 0.0, "view_pitch_slope": 0.0, "view_identity": 1.0,
    "psnr_gain": 0.0, "st_lpips_ratio": 1.0, "payload_bytes": 0.0,
}  # fmt: skip
"""What "repeat the source frame" scores by definition."""


@dataclass(frozen=True)
class Scoreboard:
    """All that was measured."""

    bundle: str
    """Name and hash of the weights."""
    options: EvaluateOptions
    summary: dict[str, float]
    people: dict[str, float]
    """The same with every person counted once."""
    clips: list[ClipScore]
    """Worst first."""
    curve: dict[str, RatePoint]
    """By setting; empty if it was not asked for."""
    left_out: list[str]
    """What could not be measured, and how to have it."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
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
    """Mean over clips of every figure; correlations and slopes are medians over the clips that move."""
    summary: dict[str, float] = {}
    for name in sorted({name for score in scores for name in score}):
        values = [score[name] for score in scores if name in score]
        summary[name] = float(np.median(values) if name.endswith(("_r", "_slope")) else np.mean(values))
    summary["psnr_gain"] = summary["psnr"] - summary["psnr_repeat"]
    summary["ssim_gain"] = summary["ssim"] - summary["ssim_repeat"]
    if summary.get("st_lpips_repeat"):
        summary["st_lpips_ratio"] = summary["st_lpips"] / summary["st_lpips_repeat"]
    return summary


def by_person(clips: Iterable[ClipScore]) -> dict[str, float]:
    """`summarise` with every person counted once, by the mean of their clips: some people have many clips."""
    people: dict[str, list[dict[str, float]]] = {}
    for clip in clips:
        people.setdefault(clip.person, []).append(clip.figures)
    return summarise([means(scores) for scores in people.values()])


def frechet_distances(clips: Iterable[ClipScore]) -> dict[str, float]:
    """Over the frames of all clips; nothing if they are fewer than the features have dimensions."""
    features = [clip.features for clip in clips if clip.features.size]
    if not features:
        return {}
    camera, ours, source = np.concatenate(features, 1)
    if len(camera) <= camera.shape[1]:
        return {}
    return {"fd_lite0": frechet(camera, ours), "fd_lite0_repeat": frechet(camera, source)}


def worst_first(clips: list[ClipScore]) -> list[ClipScore]:
    """By their mean rank in what the gates ask of a picture: PSNR, SSIM, ST-LPIPS, face points, identity, jitter."""
    total = np.zeros(len(clips))
    for key, better in (("psnr", 1), ("ssim", 1), ("st_lpips", -1), ("akd", -1), ("identity", 1), ("jitter", -1)):
        values = np.array([clip.figures.get(key, np.nan) * better for clip in clips])
        known = np.isfinite(values)
        if known.any():  # a clip where it could not be measured ranks in the middle
            ranks = np.where(known, np.argsort(np.argsort(values)), len(clips) / 2)
            total += ranks
    return [clips[i] for i in np.argsort(total, kind="stable")]


def repeated(summary: dict[str, float], figure: Figure) -> float | None:
    """What "repeat the source frame" scores; None where the figure says nothing of it."""
    return summary.get(f"{figure.key}_repeat", REPEAT.get(figure.key))
