"""What moves besides the head (shoulders, the picture behind, the camera), measured against the source frame.

Takes the source frame, then squares with the head's motion, and returns the scene code of `codec.Motion`: how far the scene has
moved along each field of a basis. No network is needed for it: dense optical flow outside the head is projected on the basis by
weighted least squares. With the code, the receiver's motion field M (`models.receiver_networks`) moves whatever no keypoint
moves. face-vid2vid has nothing like it: its background stands still and its shoulders follow the head.

On 34 validation clips seven tenths of the squared error of synthesised pictures lay outside the head; docs/training.md says how
much the scene code removes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire.codec.motion import Motion
from facewire.models.bundle import Bundle

FLOW_PX = 128
"""Side of the pictures on which flow is measured."""
CELLS = 32
"""Side of the grid over which flow and confidence are averaged before the fit."""
BASIS_SIZE = 16
"""Side of the basis fields in the bundle."""
HEAD_CENTRE, HEAD_RADII = (0.0, 0.08), (0.62, 0.75)
"""An ellipse around head and hair in the head's frame (eyes at 0, chin at 0.8, in half picture widths at scale 1)."""
AGREEMENT_PX = 1.0
"""Where forward and backward flow disagree by this much, confidence falls by a factor of e^-0.5."""
TEXTURED = 2000.0
"""Squared gradient (grey levels) that earns full confidence; on a bare wall, flow is a guess."""
BARE_TRUST = 0.05
NOISE = 0.04
"""Standard error of a cell's mean flow, in half picture widths, times the square root of the number of cells that err alike."""
OUTLIER = 0.03
"""Residual, in half picture widths, that halves a cell's weight in the second fit."""

Picture = NDArray[np.uint8]
Array = NDArray[np.float32]


@dataclass(frozen=True)
class SceneSpace:
    """The fields that a scene code of C numbers combines.

    basis: float32 (C, 2, 16, 16): where to sample the source, x and y in half picture widths, for one unit of each number.
    spread: float32 (C,), standard deviation of each number over the pairs in training.
    """

    basis: Array
    spread: Array

    @classmethod
    def of(cls, bundle: Bundle) -> SceneSpace:
        """The one of a weight bundle."""
        return cls(bundle.scene_basis, bundle.scene_spread)


@dataclass(frozen=True)
class View:
    """What flow is measured on. grey: uint8 (128, 128). head: float32 (128, 128), 1 where the head is, else 0."""

    grey: Picture
    head: Array


class SceneTracker:
    """Measures scene codes against one source frame.

    source: the picture as the receiver has it, uint8 RGB (S, S, 3). motion: its own.

    Codes start from the source frame's own. So they continue smoothly when a source frame replaces another, and whichever of
    the two the receiver has, the difference from its code is right.
    """

    def __init__(self, space: SceneSpace, source: Picture, motion: Motion) -> None:
        self._source = view(source, motion)
        self._origin = motion.scene
        fields = [[cv2.resize(plane, (CELLS, CELLS)) for plane in field] for field in space.basis]
        self._basis = np.asarray(fields, np.float64).reshape(len(space.basis), -1)
        self._prior = np.diag(NOISE**2 / np.asarray(space.spread, np.float64) ** 2)

    def measure(self, square: Picture, motion: Motion) -> Array:
        """The scene code, float32 (C,), of a square, uint8 RGB (S, S, 3), with that head motion."""
        flow, trust = scene_flow(self._source, view(square, motion))
        code = self._fit(flow, trust)
        rest = np.square(flow - (code @ self._basis).reshape(2, -1)).sum(0)
        return self._origin + self._fit(flow, trust / (1 + rest / OUTLIER**2)).astype(np.float32)

    def follow(self, square: Picture, motion: Motion) -> Motion:
        """Returns a square's motion with its scene code filled in."""
        return replace(motion, scene=self.measure(square, motion))

    def _fit(self, flow: NDArray[np.floating], trust: NDArray[np.floating]) -> NDArray[np.float64]:
        """Coefficients (C,) that fit flow (2, N) best under weights (N,), shrunk towards zero where confidence is low."""
        weighted = self._basis * np.tile(trust, 2)
        return np.asarray(
            np.linalg.solve(weighted @ self._basis.T + self._prior, weighted @ flow.reshape(-1)), np.float64
        )


def view(square: Picture, motion: Motion) -> View:
    """Prepares a square, uint8 RGB (S, S, 3), with that head motion."""
    small = cv2.resize(square, (FLOW_PX, FLOW_PX), interpolation=cv2.INTER_AREA)
    return View(np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8), _head(motion))


def _head(motion: Motion) -> Array:
    """float32 (128, 128), 1 where head and hair are."""
    x, y, log_scale = (float(value) for value in motion.translation)
    roll, scale = float(motion.rotation[2]), float(np.exp(log_scale))
    cx, cy = HEAD_CENTRE[0] * scale, HEAD_CENTRE[1] * scale
    centre = (x + cx * np.cos(roll) - cy * np.sin(roll), y + cx * np.sin(roll) + cy * np.cos(roll))
    to_px = FLOW_PX / 2
    box = (
        ((centre[0] + 1) * to_px - 0.5, (centre[1] + 1) * to_px - 0.5),
        (2 * HEAD_RADII[0] * scale * to_px, 2 * HEAD_RADII[1] * scale * to_px),
        float(np.degrees(roll)),
    )
    mask = np.zeros((FLOW_PX, FLOW_PX), np.float32)
    if np.isfinite(box[0]).all() and np.isfinite(box[1]).all() and max(map(abs, box[0])) < 1e4 and box[1][1] < 1e4:
        cv2.ellipse(mask, box, 1.0, -1)
    return mask


def scene_flow(source: View, driving: View) -> tuple[Array, Array]:
    """Flow from driving to source in half picture widths, float32 (2, 32·32), and the confidence in each cell, (32·32,)."""
    there = _search(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(driving.grey, source.grey, _field())
    back = _search(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(source.grey, driving.grey, _field())
    x, y = _X + there[..., 0], _Y + there[..., 1]
    missed = there + cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    hidden = cv2.remap(source.head, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=1)
    grey = driving.grey.astype(np.float32)
    slope = cv2.Sobel(grey, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(grey, cv2.CV_32F, 0, 1) ** 2
    trust = np.exp((missed[..., 0] ** 2 + missed[..., 1] ** 2) * np.float32(-0.5 / AGREEMENT_PX**2))
    trust *= BARE_TRUST + np.minimum(cv2.GaussianBlur(slope, (0, 0), 2) * np.float32(1 / TEXTURED), 1)
    trust *= (1 - driving.head) * (1 - hidden)
    cells = cv2.resize(trust, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    flow = cv2.resize(there * trust[..., None], (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    flow = flow * (2 / FLOW_PX) / np.maximum(cells, 1e-6)[..., None]
    return np.asarray(flow.transpose(2, 0, 1).reshape(2, -1), np.float32), np.asarray(cells.reshape(-1), np.float32)


def _search(preset: int) -> cv2.DISOpticalFlow:
    """DIS flow without variational refinement, which takes a third of the time and gains nothing on the validation clips."""
    search = cv2.DISOpticalFlow.create(preset)
    search.setVariationalRefinementIterations(0)
    return search


def _field() -> Array:
    return np.zeros((FLOW_PX, FLOW_PX, 2), np.float32)


_X, _Y = np.meshgrid(np.arange(FLOW_PX, dtype=np.float32), np.arange(FLOW_PX, dtype=np.float32))
