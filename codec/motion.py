"""Head motion, the one thing a call transmits per frame, and the keypoint transform that it describes.

A `Motion` is made by the sender's networks (`facewire.models`) or by the bitstream decoder (`codec.packets`), and drives the
receiver's networks. Everything here is pure NumPy in float32 and float64.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

POSE_SIZE = 6
"""How many numbers of a coded motion are head pose: yaw, pitch, roll, x, y, log-scale."""

SCENE_SIZE = 8
"""Length of the scene code, which comes between the pose and the expression code."""

FIXED_SIZE = POSE_SIZE + SCENE_SIZE
"""How many numbers of a coded motion come before the expression code."""


def _at_rest() -> NDArray[np.float32]:
    return np.zeros(SCENE_SIZE, np.float32)


@dataclass(frozen=True)
class Motion:
    """The pose of a head and the expression of its face in one frame.

    rotation: radians, float32 (3,) yaw, pitch, roll. R = Rz(roll) Ry(yaw) Rx(pitch).
    translation: float32 (3,) x right and y down in half picture widths (picture = [-1, 1]²), and the natural log of the
        head's scale (a shift in depth is invisible in an orthographic view, so leaning in is a change of scale).
    expression: float32 (E,) expression code e, most important first; δ = B e. Unit: three standard deviations,
        so about [-1, 1].
    scene: float32 (8,) scene code: how far everything but the head has moved. Only its difference from the source frame's
        matters (`sender.scene_motion`). Unit: half picture widths, root mean square over the picture.
    """

    rotation: NDArray[np.float32]
    translation: NDArray[np.float32]
    expression: NDArray[np.float32]
    scene: NDArray[np.float32] = field(default_factory=_at_rest)

    def vector(self) -> NDArray[np.float32]:
        """float32 (14 + E,) in the order it is coded in: rotation, translation, scene, expression."""
        return np.concatenate([self.rotation, self.translation, self.scene, self.expression]).astype(np.float32)

    @classmethod
    def from_vector(cls, values: NDArray[np.float32]) -> Motion:
        """The inverse of `vector`."""
        values = np.asarray(values, np.float32)
        return cls(values[:3].copy(), values[3:6].copy(), values[FIXED_SIZE:].copy(), values[6:FIXED_SIZE].copy())

    def head(self) -> NDArray[np.float32]:
        """float32 (6 + E,) as the networks take it: rotation, translation, expression."""
        return np.concatenate([self.rotation, self.translation, self.expression]).astype(np.float32)

    @classmethod
    def from_head(cls, values: NDArray[np.float32]) -> Motion:
        """The inverse of `head`, with the scene at rest."""
        values = np.asarray(values, np.float32)
        return cls(values[:3].copy(), values[3:6].copy(), values[6:].copy())


def rotation_matrix(rotation: ArrayLike) -> NDArray[np.float64]:
    """R = Rz(roll) Ry(yaw) Rx(pitch) for `rotation`: radians, (3,) yaw, pitch, roll. Returns float64 (3, 3)."""
    yaw, pitch, roll = _numbers(rotation, (3,), "rotation")
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    return np.array(
        [
            [cr * cy, cr * sy * sp - sr * cp, cr * sy * cp + sr * sp],
            [sr * cy, sr * sy * sp + cr * cp, sr * sy * cp - cr * sp],
            [-sy, cy * sp, cy * cp],
        ]
    )


def rotation_angles(matrix: ArrayLike) -> NDArray[np.float32]:
    """The inverse of `rotation_matrix`: the yaw, pitch and roll of a rotation (3, 3), in radians, float32 (3,).

    Yaw is in [-π/2, π/2], pitch and roll in [-π, π]. At yaw = ±π/2 (an exact profile) pitch and roll are the same turn,
    and roll is returned as 0.
    """
    m = _numbers(matrix, (3, 3), "matrix")
    flat = float(np.hypot(m[0, 0], m[1, 0]))
    yaw = np.arctan2(-m[2, 0], flat)
    if flat > 1e-6:
        pitch, roll = np.arctan2(m[2, 1], m[2, 2]), np.arctan2(m[1, 0], m[0, 0])
    else:
        pitch, roll = np.arctan2(-m[1, 2], m[1, 1]), 0.0
    return np.array([yaw, pitch, roll], np.float32)


def transform(canonical: ArrayLike, motion: Motion, deltas: ArrayLike) -> NDArray[np.float32]:
    """Moves the canonical keypoints by `motion`: x = s R (x_c + δ) + t with s = exp(t_z), t = (t_x, t_y, 0).

    canonical, deltas: (K, 3), x right, y down, z away; the picture is [-1, 1]². Returns float32 (K, 3) in the same axes.

    Follows equations 1 and 2 of face-vid2vid (arXiv 2011.15126), which add δ after the rotation. Here δ is added before
    it, in the head's own frame: an open mouth is then the same δ at every head pose. So δ carries no trace of the rotation,
    its code is smaller, and neither a free view nor a transfer to another head has to correct it.
    """
    points = np.asarray(canonical, np.float64) + np.asarray(deltas, np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"keypoints and deltas must be (K, 3), not {np.shape(canonical)} and {np.shape(deltas)}")
    x, y, log_scale = (float(value) for value in motion.translation)
    placed = np.exp(log_scale) * points @ rotation_matrix(motion.rotation).T + np.array([x, y, 0.0])
    return np.asarray(placed, np.float32)


def turn(
    motion: Motion, yaw: float, pitch: float, roll: float, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> Motion:
    """Free view: the same face with the head turned further, R_d ← R_u R_d and t_d ← t_u + t_d.

    yaw, pitch, roll: radians, R_u.
    shift: t_u, in half picture widths right and down, and log-scale.
    """
    matrix = rotation_matrix((yaw, pitch, roll)) @ rotation_matrix(motion.rotation)
    translation = (motion.translation + np.asarray(shift, np.float32)).astype(np.float32)
    return replace(motion, rotation=rotation_angles(matrix), translation=translation)


def relative(portrait: Motion, driver_start: Motion, driver: Motion) -> Motion:
    """Relative transfer: the portrait's own motion plus the driver's change since `driver_start`.

    R = R_driver R_start⁻¹ R_portrait. Translation (log-scale included) and expression add the driver's differences. The
    scene stays the portrait's own. All three must have expression codes of the same length.
    """
    matrix = (
        rotation_matrix(driver.rotation) @ rotation_matrix(driver_start.rotation).T @ rotation_matrix(portrait.rotation)
    )
    return Motion(
        rotation_angles(matrix),
        (portrait.translation + (driver.translation - driver_start.translation)).astype(np.float32),
        (portrait.expression + (driver.expression - driver_start.expression)).astype(np.float32),
        portrait.scene,
    )


def distance(a: Motion, b: Motion) -> float:
    """How far two motions are apart, for the choice of a source frame: 1 is 15 degrees, .15 half picture widths, a scale of
    e^.15, or one unit of the expression code.
    """
    turned = float(np.linalg.norm(_turn_vector(rotation_matrix(a.rotation).T @ rotation_matrix(b.rotation))))
    moved = a.translation - b.translation
    return float(
        turned / np.radians(15)
        + np.linalg.norm(a.expression - b.expression)
        + np.linalg.norm(moved[:2]) / 0.15
        + abs(moved[2]) / 0.15
    )


class Transfer:
    """Makes a portrait follow a driver: `relative` with a fixed start.

    portrait: the portrait's own motion. start: the driver's motion that corresponds to it; by default the first one given.
    """

    def __init__(self, portrait: Motion, start: Motion | None = None) -> None:
        self._portrait = portrait
        self.start = start

    def __call__(self, driver: Motion) -> Motion:
        """The portrait's motion for a motion of the driver."""
        self.start = self.start or driver
        return relative(self._portrait, self.start, driver)


def interpolate(a: Motion, b: Motion, weight: float) -> Motion:
    """A motion between two: `a` at weight 0, `b` at 1. Weights outside [0, 1] extrapolate.

    Rotation follows the shortest arc (slerp), everything else a straight line.
    """
    start = rotation_matrix(a.rotation)
    rotation = start @ _turn_by(_turn_vector(start.T @ rotation_matrix(b.rotation)) * weight)
    weight32 = np.float32(weight)
    return Motion(
        rotation_angles(rotation),
        a.translation + weight32 * (b.translation - a.translation),
        a.expression + weight32 * (b.expression - a.expression),
        a.scene + weight32 * (b.scene - a.scene),
    )


def _turn_vector(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Axis times angle, (3,), of a rotation (3, 3)."""
    axis = np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]])
    sine, cosine = np.linalg.norm(axis) / 2, (np.trace(matrix) - 1) / 2
    if sine > 1e-6:
        return np.asarray(axis * (np.arctan2(sine, cosine) / (2 * sine)), np.float64)
    if cosine > 0:  # a tiny turn: the sine is the angle
        return axis / 2
    symmetric = (matrix + np.eye(3)) / 2  # half a turn: R = 2 a aᵀ − 1
    column = symmetric[:, int(np.argmax(np.diag(symmetric)))]
    return np.asarray(np.pi * column / np.linalg.norm(column), np.float64)


def _turn_by(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation (3, 3) about `vector` by its length (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross, np.float64)


def _numbers(values: ArrayLike, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, not {array.shape}")
    return array
