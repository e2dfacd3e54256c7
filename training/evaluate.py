"""The scoreboard: a weight bundle judged on people it never saw, through real bytes, beside "repeat the source frame".

Comes in: a bundle and a folder of labelled clips. Goes out: figures per clip and their means, a table, `scores.json` and a strip of
the worst clips. One source frame a clip, the first; motion coded at a preset with acknowledgements 100 ms late. Metrics are
`facewire.benchmark.quality`'s.
"""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from facewire.benchmark.quality import FaceMesh, psnr, ssim
from facewire.codec import Motion, MotionDecoder
from facewire.coding import Coding
from facewire.errors import InputError
from facewire.models.bundle import WEIGHTS_FILE, load_bundle
from facewire.models.runtime import Appearance, Networks
from facewire.sender.sender import Sender, SenderOptions
from facewire.source_picture import decompress
from facewire.training.data import ClipRow, load_labels, read_clip, read_manifest
from facewire.training.motion_space import MotionSpace, project

ROUND_TRIP_MS = 100.0
MOUTH_MOVES, EYES_MOVE = 0.015, 0.02
"""Spread of opening from which a clip counts as moving mouth or eyes: face heights; lid distance over eye width."""


@dataclass(frozen=True)
class EvaluateOptions:
    """What to evaluate."""

    data: Path
    """Folder of labelled clips."""
    weights: Path | None = None
    """Bundle folder; None for the packaged one."""
    split: str = "val"
    """Which people."""
    preset: str = "default"
    """Quality setting of the motion code, or "none" to leave the motion uncoded."""
    every: int = 1
    """Score every n-th frame (all are coded)."""
    clips: int | None = None
    """Only the first clips."""
    workers: int = 2
    """Processes."""


def evaluate_clip(
    options: EvaluateOptions, row: ClipRow, space: MotionSpace
) -> tuple[dict[str, float], NDArray[np.uint8]]:
    """Figures of one clip, and a strip of true and synthesised frames where the landmark distance is worst."""
    cv2.setNumThreads(1)
    networks = Networks(load_bundle(options.weights), threads=1)
    mesh = FaceMesh() if FaceMesh.installed() else None
    labels = load_labels(options.data, row.labels)
    frames = read_clip(row.path)[: len(labels["landmarks"])]
    coded = _coded_motion(networks, frames, row.fps, options.preset)
    label = project(space, labels["landmarks"])
    pose = np.stack([m.vector()[:6] for m in coded.motions])
    figures: dict[str, float] = dict(
        zip(
            ("yaw_error", "pitch_error", "roll_error"),
            np.degrees(np.abs(pose - label.pose).mean(0)[:3]).tolist(),
            strict=True,
        )
    )
    figures["payload_bytes"] = coded.payload_bytes
    figures["source_bytes"] = coded.source_bytes
    chosen = range(1, len(frames), options.every)
    rows, faces, shown = [], [], []
    first = mesh.look(coded.source_picture) if mesh else None
    for index in chosen:
        ours = networks.render(coded.appearance, coded.canonical, coded.source_motion, coded.motions[index])
        true = frames[index]
        score = [psnr(ours, true), psnr(coded.source_picture, true), ssim(ours, true), ssim(coded.source_picture, true)]
        distance = repeat = np.nan
        truth = mesh.look(true) if mesh else None
        if mesh and truth is not None:
            found = mesh.look(ours)
            if found is not None:
                distance = float(np.linalg.norm(found.points - truth.points, axis=1).mean())
                faces.append((truth.mouth, found.mouth, truth.eyes, found.eyes))
            if first is not None:
                repeat = float(np.linalg.norm(first.points - truth.points, axis=1).mean())
        rows.append([*score, distance, repeat])
        shown.append((distance if np.isfinite(distance) else -score[0], true, ours))
    names = ("psnr", "psnr_repeat", "ssim", "ssim_repeat", "akd", "akd_repeat")
    table = np.array(rows)
    figures |= {n: float(np.nanmean(table[:, i])) for i, n in enumerate(names) if np.isfinite(table[:, i]).any()}
    figures |= _openings(np.array(faces).reshape(-1, 4))
    worst = sorted(shown, key=lambda item: -item[0])[:: max(1, len(shown) // 3)][:3]
    cells = [coded.source_picture, *(np.concatenate([true, ours], 1) for _, true, ours in worst)]
    return figures, np.concatenate(cells, 1)


@dataclass(frozen=True)
class _Coded:
    motions: list[Motion]
    source_motion: Motion
    source_picture: NDArray[np.uint8]
    appearance: Appearance
    canonical: NDArray[np.float32]
    payload_bytes: float
    source_bytes: float


def _coded_motion(networks: Networks, frames: NDArray[np.uint8], fps: float, preset: str) -> _Coded:
    """The motion of every frame as the other side decodes it, nothing lost."""
    bundle = networks.bundle
    coding = Coding.of(bundle)
    sender = Sender(networks, frames[0], fps, SenderOptions("default" if preset == "none" else preset, redundancy=0))
    picture = decompress(sender.source.picture, bundle.picture_size)
    motions: list[Motion] = []
    sizes: list[int] = []
    decoder = MotionDecoder(coding.tables, coding.quantiser, frame_rate=sender.source.frame_rate)
    late: deque[int] = deque()
    for number, frame in enumerate(frames):
        motion = sender.measure(frame)
        if preset == "none":
            motions.append(motion)
            continue
        packet = sender.pack(motion, round(1000 * number / fps))
        assert packet is not None
        sizes.append(len(packet))
        motions.extend(decoded.motion for decoded in decoder.decode(packet))
        late.append(number)
        if len(late) > ROUND_TRIP_MS * fps / 1000:
            sender.acknowledge(late.popleft())
    canonical = (sender.source.canonical * np.float32(bundle.canonical_step)).astype(np.float32)
    return _Coded(
        motions=motions,
        source_motion=coding.quantiser.motion(sender.source.motion_units),
        source_picture=picture,
        appearance=networks.appearance(picture),
        canonical=canonical,
        payload_bytes=float(np.mean(sizes)) if sizes else 0.0,
        source_bytes=float(len(sender.source.picture)),
    )


def _openings(faces: NDArray[np.float64]) -> dict[str, float]:
    """Correlation and slope of mouth and eye opening against the camera's, where they move."""
    figures: dict[str, float] = {}
    for name, column, least in (("mouth", 0, MOUTH_MOVES), ("eye", 2, EYES_MOVE)):
        if len(faces) < 5 or faces[:, column].std() < least:
            continue
        true, ours = faces[:, column] - faces[:, column].mean(), faces[:, column + 1] - faces[:, column + 1].mean()
        figures[f"{name}_r"] = float((true * ours).sum() / (np.sqrt((true**2).sum() * (ours**2).sum()) + 1e-12))
        figures[f"{name}_slope"] = float((true * ours).sum() / (true**2).sum())
    return figures


def evaluate(options: EvaluateOptions, out: Path | None, console: Console) -> dict[str, float]:
    """Judge a bundle; writes scores.json and strips into `out`. Returns the summary."""
    rows = read_manifest(options.data, options.split)[: options.clips]
    if not rows:
        raise InputError(f"{options.data} has no clips of split {options.split!r}")
    space = motion_space_of(options.weights)
    scores: dict[str, dict[str, float]] = {}
    strips: dict[str, NDArray[np.uint8]] = {}
    context = multiprocessing.get_context("spawn")
    with (
        Progress(console=console, transient=True) as progress,
        concurrent.futures.ProcessPoolExecutor(options.workers, context) as pool,
    ):
        task = progress.add_task("evaluating clips", total=len(rows))
        jobs = {pool.submit(evaluate_clip, options, row, space): row.name for row in rows}
        for job in concurrent.futures.as_completed(jobs):
            scores[jobs[job]], strips[jobs[job]] = job.result()
            progress.advance(task)
    summary = summarise(list(scores.values()))
    console.print(_table(summary, options, len(rows)))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "scores.json").write_text(json.dumps({"summary": summary, "clips": scores}, indent=1))
        worst = sorted(scores, key=lambda name: -scores[name].get("akd", -scores[name]["psnr"]))[:10]
        width = min(strips[name].shape[1] for name in worst)
        strip = np.concatenate([strips[name][:, :width] for name in worst], 0)
        cv2.imwrite(str(out / "worst.png"), strip[..., ::-1])
    return summary


def motion_space_of(weights: Path | None) -> MotionSpace:
    """The motion space that a bundle was trained in, from its own tensors."""
    tensors = safetensors.numpy.load_file(load_bundle(weights).folder / WEIGHTS_FILE)
    names = ("template", "mean", "shape_basis", "expression_basis")
    nothing = np.zeros((0, 0), np.float32)
    return MotionSpace(**{name: tensors[f"face.{name}"] for name in names}, flip_shape=nothing, flip_expression=nothing)


def summarise(scores: list[dict[str, float]]) -> dict[str, float]:
    """Mean over clips of every figure; correlations and slopes are medians over the clips that move."""
    summary: dict[str, float] = {}
    for name in sorted({name for score in scores for name in score}):
        values = [score[name] for score in scores if name in score]
        summary[name] = float(np.median(values) if name.endswith(("_r", "_slope")) else np.mean(values))
    summary["psnr_gain"] = summary["psnr"] - summary["psnr_repeat"]
    summary["ssim_gain"] = summary["ssim"] - summary["ssim_repeat"]
    return summary


def _table(summary: dict[str, float], options: EvaluateOptions, clips: int) -> Table:
    table = Table(title=f"{clips} {options.split} clips, preset {options.preset}, every {options.every}. frame scored")
    table.add_column("figure")
    table.add_column("ours", justify="right")
    table.add_column("repeat the source", justify="right")
    for name, digits in (("psnr", 2), ("ssim", 3), ("akd", 2)):
        if name in summary:
            table.add_row(name, f"{summary[name]:.{digits}f}", f"{summary[name + '_repeat']:.{digits}f}")
    for name in (
        "mouth_r",
        "mouth_slope",
        "eye_r",
        "eye_slope",
        "yaw_error",
        "pitch_error",
        "roll_error",
        "payload_bytes",
    ):
        if name in summary:
            table.add_row(name, f"{summary[name]:.2f}", "")
    return table
