"""Head motion, the one thing a call transmits per frame, and the keypoint transform it stands for.

`Motion` comes out of the sender's networks (`facewire.models`) or the bitstream decoder (`codec.packets`) and goes
into the receiver's networks. Everything here is pure numpy in float32/float64.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

POSE_SIZE = 6
"""Numbers of a coded motion that are head pose: yaw, pitch, roll, x, y, log-scale."""

SCENE_SIZE = 8
"""Numbers of the scene code, between the pose and the expression code."""

FIXED_SIZE = POSE_SIZE + SCENE_SIZE
"""Numbers of a coded motion before the expression code."""


def _at_rest() -> NDArray[np.float32]:
    return np.zeros(SCENE_SIZE, np.float32)


@dataclass(frozen=True)
class Motion:
    """How a head stands and what its face does in one frame.

    rotation: radians, float32 (3,) yaw, pitch, roll. R = Rz(roll) Ry(yaw) Rx(pitch).
    translation: float32 (3,) x right and y down in half picture widths (picture = [-1, 1]²), and the natural log of the
        head's scale (an orthographic shift in depth is invisible, so leaning in is a change of scale).
    expression: float32 (E,) expression code e, importance-ordered; δ = B e. Unit: three standard deviations,
        about [-1, 1].
    scene: float32 (8,) scene code: how far what is not head has moved; what counts is the difference to that of the
        source frame (`sender.scene_motion`). Unit: half picture widths, root mean square over the picture.
    """

    rotation: NDArray[np.float32]
    translation: NDArray[np.float32]
    expression: NDArray[np.float32]
    scene: NDArray[np.float32] = field(default_factory=_at_rest)

    def vector(self) -> NDArray[np.float32]:
        """float32 (14 + E,) as coded: rotation, translation, scene, expression."""
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
        """The inverse of `head`, the scene at rest."""
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
    """The inverse of `rotation_matrix`: a rotation (3, 3) to radians, float32 (3,) yaw, pitch, roll.

    Yaw is in [-π/2, π/2], pitch and roll in [-π, π]. At yaw = ±π/2 (a profile seen from exactly the side) pitch and
    roll are the same turn, and roll is returned as 0.
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
    """Place the canonical keypoints as `motion` says: x = s R (x_c + δ) + t with s = exp(t_z), t = (t_x, t_y, 0).

    canonical, deltas: (K, 3), x right, y down, z away, the picture being [-1, 1]². Returns float32 (K, 3) likewise.

    Follows equations 1 and 2 of face-vid2vid (arXiv 2011.15126), which add δ after the rotation. Here δ lives in the
    head's own frame, before it: an open mouth is then the same δ at every head pose, so δ carries no trace of the
    turn, its code is smaller, and a free view or a transfer to another head needs no correction of δ.
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
    """Free view: the same face seen turned further, R_d ← R_u R_d and t_d ← t_u + t_d.

    yaw, pitch, roll: radians, R_u.
    shift: t_u, in half picture widths right and down, and log-scale.
    """
    matrix = rotation_matrix((yaw, pitch, roll)) @ rotation_matrix(motion.rotation)
    translation = (motion.translation + np.asarray(shift, np.float32)).astype(np.float32)
    return replace(motion, rotation=rotation_angles(matrix), translation=translation)


def relative(portrait: Motion, driver_start: Motion, driver: Motion) -> Motion:
    """Relative transfer: the portrait's own motion, changed as the driver's has changed since `driver_start`.

    R = R_driver R_start⁻¹ R_portrait; translation (log-scale included) and expression add the driver's differences. The
    scene is the portrait's own and stays.
    All three must have expression codes of one length.
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


class Transfer:
    """Moves a portrait as a driver moves: `relative` since a first motion of the driver's.

    portrait: the portrait's own motion. start: the driver's motion that corresponds to it; the first one given if None.
    """

    def __init__(self, portrait: Motion, start: Motion | None = None) -> None:
        self._portrait = portrait
        self.start = start

    def __call__(self, driver: Motion) -> Motion:
        """The portrait's motion when the driver's is that."""
        self.start = self.start or driver
        return relative(self._portrait, self.start, driver)


def interpolate(a: Motion, b: Motion, weight: float) -> Motion:
    """Between two motions, for concealment: `a` at weight 0, `b` at 1; outside [0, 1] it extrapolates.

    The rotation goes along the shortest great arc (slerp), everything else along the straight line.
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
    if cosine > 0:  # hardly any turn: the sine is the angle
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
        raise ValueError(f"{name} must have the shape {shape}, not {array.shape}")
    return array
