"""Rate and distortion of the motion code: the same clips, sent with many settings of the coder.

For `training.evaluate`, `rate_clip` gives the payload and the figures of the pictures at each setting, and `average` their
means over clips. The settings are the presets, and the default preset with fewer coefficients or with coarser or finer steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facewire.codec import PRESETS
from facewire.coding import Coding
from facewire.metrics.quality import agreement
from facewire.models.bundle import load_bundle
from facewire.models.runtime import Networks
from facewire.training.data import ClipRow, read_clip
from facewire.training.evaluate_clip import EvaluateOptions, judge_of, means, read_motions, transmit

COEFFICIENTS = (0, 2, 4, 8, 12)
STEP_SCALES = (0.5, 2.0, 4.0, 8.0)
FRAMES = 4
"""Frames scored in a clip, evenly spread; there are too many settings for more."""


@dataclass(frozen=True)
class Setting:
    """preset: a name, or "none" for uncoded motion. step_scale, coefficients: as in `Coding.altered`."""

    preset: str
    step_scale: float = 1.0
    coefficients: int | None = None


SETTINGS = (
    {"uncoded": Setting("none")}
    | {f"preset {preset.name}": Setting(preset.name) for preset in PRESETS}
    | {f"{n} coefficients": Setting("default", coefficients=n) for n in COEFFICIENTS}
    | {f"steps × {scale:g}": Setting("default", scale) for scale in STEP_SCALES}
)
"""By name. Names of one kind make one line of the curve, and "preset default" belongs to all lines."""


@dataclass(frozen=True)
class RatePoint:
    """Cost and figures of one setting; None for what could not be measured."""

    payload_bytes: float | None
    """Bytes a frame; None for uncoded motion."""
    psnr: float
    ssim: float
    akd: float | None
    st_lpips: float | None
    mouth_r: float | None
    """Correlation of the mouth opening over all clips together, each without its mean; None for a single clip."""
    mouths: tuple[tuple[float, float], ...] = ()
    """Mouth openings of a single clip without their means, as (camera's, ours); empty in an average."""


def rate_clip(options: EvaluateOptions, row: ClipRow) -> dict[str, RatePoint]:
    """Score one clip at every setting."""
    judge = judge_of(options.weights)
    networks = Networks(load_bundle(options.weights), threads=1)
    frames = read_clip(row.path)
    motions = read_motions(networks, frames)
    chosen = np.unique(np.linspace(1, len(frames) - 1, FRAMES).astype(int))
    true = [judge.look(frames[index], features=False) for index in chosen]
    points = {}
    for name, setting in SETTINGS.items():
        coding = Coding.of(networks.bundle).altered(setting.step_scale, setting.coefficients)
        stream = transmit(networks, frames[0], motions, row.fps, setting.preset, coding=coding)
        pictures = [stream.picture(index) for index in chosen]
        ours = [judge.look(picture, features=False) for picture in pictures]
        figures = means([judge.compare(a, b) for a, b in zip(ours, true, strict=True)])
        faces = [(b.face.mouth, a.face.mouth) for a, b in zip(ours, true, strict=True) if a.face and b.face]
        centred = np.array(faces).reshape(-1, 2)
        centred = centred - centred.mean(0) if len(centred) else centred
        points[name] = RatePoint(
            payload_bytes=None if setting.preset == "none" else stream.payload_bytes,
            psnr=figures["psnr"],
            ssim=figures["ssim"],
            akd=figures.get("akd"),
            st_lpips=figures.get("st_lpips"),
            mouth_r=None,
            mouths=tuple((float(a), float(b)) for a, b in centred),
        )
    return points


def average(clips: list[dict[str, RatePoint]]) -> dict[str, RatePoint]:
    """Means over clips of every setting."""

    def mean(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None

    averaged = {}
    for name in clips[0] if clips else ():
        points = [clip[name] for clip in clips]
        mouths = np.array([pair for point in points for pair in point.mouths]).reshape(-1, 2)
        averaged[name] = RatePoint(
            payload_bytes=mean([point.payload_bytes for point in points]),
            psnr=float(np.mean([point.psnr for point in points])),
            ssim=float(np.mean([point.ssim for point in points])),
            akd=mean([point.akd for point in points]),
            st_lpips=mean([point.st_lpips for point in points]),
            mouth_r=agreement(mouths[:, 0], mouths[:, 1])[0] if len(mouths) and mouths[:, 0].std() > 0 else None,
        )
    return averaged
