"""How close synthesised pictures are to the camera's: L1, PSNR, (MS-)SSIM and, with MediaPipe installed, face landmarks.

There are functions for single figures of two pictures or of landmarks, and a `Scorer` for the `Score` of many pairs. PSNR and
SSIM reward blur and punish a head that is off by one pixel, which is why landmark distance, mouth and eye opening and jitter
are measured too.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire.errors import InputError, reason

MAX_PSNR_DB = 100.0
"""PSNR of two identical pictures."""

EYES = ((159, 145, 33, 133), (386, 374, 362, 263))
"""Upper lid, lower lid, outer and inner corner in the face mesh, image-left eye first."""
INNER_LIPS, FACE_ENDS = (13, 14), (10, 152)
MESH_POINTS = 468
MOUTH_MOVES, EYES_MOVE = 0.015, 0.02
"""Standard deviation from which mouth or eyes count as moving in a clip: in face heights, and in lid distance over eye width."""
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the five octaves, finest first."""


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB over R, G and B of two pictures, uint8 RGB (H, W, 3)."""
    error = float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2))
    return MAX_PSNR_DB if error == 0 else min(MAX_PSNR_DB, 10.0 * float(np.log10(255.0**2 / error)))


def l1(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean absolute difference over R, G and B, 0 to 255, of two pictures, uint8 RGB (H, W, 3)."""
    return float(cv2.absdiff(a, b).mean())


def ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Structural similarity of the lumas (BT.601) of two pictures, uint8 RGB (H, W, 3).

    As published (Wang et al. 2004): Gaussian window 11x11, σ 1.5, K1 0.01, K2 0.03, mean over windows inside the
    picture.
    """
    return _similarity(_luma(a), _luma(b))[0]


def ms_ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Multi-scale structural similarity of the lumas of two pictures, uint8 RGB (H, W, 3), at least 176 pixels a side.

    As published (Wang et al. 2003): contrast and structure at five octaves, luminance at the coarsest, windows as in `ssim`.
    """
    x, y = _luma(a), _luma(b)
    product = 1.0
    for weight in MS_SSIM_WEIGHTS[:-1]:
        product *= max(_similarity(x, y)[1], 0.0) ** weight
        x, y = _halved(x), _halved(y)
    return float(product * max(_similarity(x, y)[0], 0.0) ** MS_SSIM_WEIGHTS[-1])


def _luma(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float64)


def _halved(luma: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.resize(luma, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float64)


def _similarity(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """SSIM of two lumas (H, W), and its factor for contrast and structure alone."""

    def window(image: Any) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(image, (11, 11), 1.5)[5:-5, 5:-5], np.float64)

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = window(x), window(y)
    var_x, var_y = window(x * x) - mean_x**2, window(y * y) - mean_y**2
    cov = window(x * y) - mean_x * mean_y
    structure = (2 * cov + c2) / (var_x + var_y + c2)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float((luminance * structure).mean()), float(structure.mean())


def agreement(true: NDArray[np.floating], ours: NDArray[np.floating]) -> tuple[float, float]:
    """Correlation r and slope of `ours` on `true`, both (T,), without their means. Half the amplitude is a slope of 0.5.

    r is 0 if `ours` does not move; `true` must.
    """
    a, b = true - true.mean(), ours - ours.mean()
    power = float((a * a).sum())
    return float((a * b).sum() / (np.sqrt(power * (b * b).sum()) + 1e-12)), float((a * b).sum() / power)


def jitter(true: NDArray[np.floating], ours: NDArray[np.floating]) -> float | None:
    """Mean landmark acceleration of `ours` over that of `true`: 1 is as steady as the camera's picture, 0 is a still.

    true, ours: landmarks (T, N, 2) of consecutive frames, NaN where no face is seen. The acceleration |p[t+1] − 2 p[t] + p[t−1]| is
    averaged over points and over the frames where both are known; None if there are none.
    """
    accelerations = [np.linalg.norm(p[2:] - 2 * p[1:-1] + p[:-2], axis=2).mean(1) for p in (true, ours)]
    known = np.isfinite(accelerations[0]) & np.isfinite(accelerations[1])
    if not known.any() or (before := float(accelerations[0][known].mean())) == 0:
        return None
    return float(accelerations[1][known].mean()) / before


@dataclass(frozen=True)
class Face:
    """What the face mesh finds in a picture.

    points: float32 (468, 2) in pixels of a 256-pixel picture. eyes, mouth: openings as in the labels. landmarks: float32 (478, 3),
    irises included, in [-1, 1] over the picture, z away on the same scale.
    """

    points: NDArray[np.float32]
    eyes: float
    mouth: float
    landmarks: NDArray[np.float32]


class FaceMesh:
    """MediaPipe's face mesh, which treats each picture by itself.

    `FaceMesh.installed()` says whether MediaPipe is there. Raises InputError if it has no face mesh or cannot be loaded.
    """

    def __init__(self) -> None:
        try:
            with _silence():
                import mediapipe

                self._net = mediapipe.solutions.face_mesh.FaceMesh(
                    static_image_mode=True, max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.3
                )
                self._net.process(np.zeros((256, 256, 3), np.uint8))
        except (ImportError, AttributeError, RuntimeError) as error:
            raise InputError(f"the installed MediaPipe has no working face mesh ({reason(error)})") from error
        self._warned = False  # the native part warns once more at its first face

    @staticmethod
    def installed() -> bool:
        return importlib.util.find_spec("mediapipe") is not None

    def look(self, picture: NDArray[np.uint8]) -> Face | None:
        """The face in a picture, uint8 RGB (S, S, 3); None if none is found."""
        with contextlib.nullcontext() if self._warned else _silence():
            found = self._net.process(picture).multi_face_landmarks
        if not found:
            return None
        self._warned = True
        landmarks = np.array([(p.x * 2 - 1, p.y * 2 - 1, p.z * 2) for p in found[0].landmark], np.float32)
        points = (landmarks[:MESH_POINTS, :2] + 1) * 128

        def distance(a: int, b: int) -> float:
            return float(np.linalg.norm(points[a] - points[b]))

        eyes = [distance(up, low) / (distance(outer, inner) + 1e-6) for up, low, outer, inner in EYES]
        mouth = distance(*INNER_LIPS) / (distance(*FACE_ENDS) + 1e-6)
        return Face(points, float(np.mean(eyes)), mouth, landmarks)


@dataclass(frozen=True)
class Score:
    """Means over a clip; None for what could not be measured."""

    frames: int
    psnr_db: float
    """Mean PSNR of the frames over R, G and B, in dB."""
    ssim: float
    """Mean SSIM of luma."""
    landmark_px: float | None
    """Mean distance of the 468 face-mesh points (AKD), in pixels at 256; None without MediaPipe."""
    landmark_missing: float | None
    """Share of pictures in which the mesh is found in the camera's picture but not in ours."""
    mouth_r: float | None
    """Correlation over time of mouth opening with the camera's."""
    mouth_error: float | None
    """Mean absolute error of mouth opening, in face heights."""
    eyes_r: float | None
    """Correlation over time of the eyes' opening with the camera's."""
    eyes_error: float | None
    """Mean absolute error of the eyes' opening, in eye widths."""

    def to_json(self) -> dict[str, float | int | None]:
        """Plain values, rounded to significant digits."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


class Scorer:
    """Collects pairs of a synthesised and a true picture and computes their `Score`. mesh: for landmarks; None leaves them out."""

    def __init__(self, mesh: FaceMesh | None = None) -> None:
        self._mesh = mesh
        self._psnr: list[float] = []
        self._ssim: list[float] = []
        self._truths = 0
        self._landmarks: list[tuple[float, float, float, float, float]] = []
        """Of each pair with both faces: distance, mouth opening of both, eye opening of both."""

    def add(self, picture: NDArray[np.uint8], true_picture: NDArray[np.uint8], truth: Face | None = None) -> None:
        """Score a picture, uint8 RGB (S, S, 3), against the camera's of the same size.

        truth: the face mesh of the camera's, if it shows a face.
        """
        self._psnr.append(psnr(picture, true_picture))
        self._ssim.append(ssim(picture, true_picture))
        if self._mesh is not None and truth is not None:
            self._truths += 1
            if (ours := self._mesh.look(picture)) is not None:
                distance = float(np.linalg.norm(truth.points - ours.points, axis=1).mean())
                self._landmarks.append((distance, truth.mouth, ours.mouth, truth.eyes, ours.eyes))

    def score(self) -> Score | None:
        """The score of all pairs so far; None if there are none."""
        if not self._psnr:
            return None
        both = np.array(self._landmarks).reshape(-1, 5)
        distances, mouths, eyes = both[:, 0], both[:, 1:3], both[:, 3:5]
        return Score(
            frames=len(self._psnr),
            psnr_db=float(np.mean(self._psnr)),
            ssim=float(np.mean(self._ssim)),
            landmark_px=float(distances.mean()) if len(both) else None,
            landmark_missing=1 - len(both) / self._truths if self._truths else None,
            mouth_r=_correlation(mouths),
            mouth_error=float(np.abs(mouths[:, 0] - mouths[:, 1]).mean()) if len(both) else None,
            eyes_r=_correlation(eyes),
            eyes_error=float(np.abs(eyes[:, 0] - eyes[:, 1]).mean()) if len(both) else None,
        )


def _correlation(pairs: NDArray[np.float64]) -> float | None:
    """Correlation of two columns; None if one of them does not move or there are too few rows."""
    if len(pairs) < 3 or (pairs.std(axis=0) < 1e-9).any():
        return None
    a, b = (pairs - pairs.mean(axis=0)).T
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Silence MediaPipe while it loads; its native part bypasses sys.stderr."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with open(nowhere, "w", closefd=False) as sink, contextlib.redirect_stderr(sink), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
