"""From landmark labels to motion space: the template, head poses, canonical keypoints and the linear expression code.

`fit_motion_space` makes a `MotionSpace` from the labels of many clips (`training.data`); its arrays become the fixed buffers of
`models.geometry.FaceModel`. `project` gives the motion of every frame, which supervises the sender and drives the receiver in their
warm starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facewire.models import face_points as fp

Array = NDArray[np.float32]

CANONICAL_SIZE = 40
MOUTH_CODES = 12
EYE_CODES = 8
CODE_UNIT_SIGMAS = 3.0
TINY = 1e-6
LID_WEIGHT = 3.0
"""Weight of vertical lid displacements in the principal components: blinks are small but conspicuous."""


@dataclass(frozen=True)
class MotionSpace:
    """The linear face model, and the effect of mirroring a picture on its codes.

    template: (478, 3) mean frontal face in the head frame, in half picture widths at log-scale 0.
    mean: (P, 3) the same at `face_points.POINTS`. shape_basis: (P, 3, C). expression_basis: (P, 3, E).
    flip_shape: (C, C) and flip_expression: (E, E) map codes to those of the mirrored face.
    """

    template: Array
    mean: Array
    shape_basis: Array
    expression_basis: Array
    flip_shape: Array
    flip_expression: Array

    def arrays(self) -> dict[str, Array]:
        """All arrays by name, to be saved."""
        return {name: np.asarray(value, np.float32) for name, value in vars(self).items()}


def mirror_indices(template: Array) -> NDArray[np.int64]:
    """Index of the mirror image of every mesh point, (478,), found as the nearest neighbour on the template."""
    mirrored = template * np.array([-1, 1, 1], np.float32)
    distance = ((mirrored[:, None] - template[None]) ** 2).sum(-1)
    nearest: NDArray[np.int64] = distance.argmin(1)
    return nearest


def similarity(points: Array, template: Array) -> tuple[Array, Array, Array]:
    """Least-squares similarity X = s R T + t of point sets (Umeyama 1991).

    points: (T, N, 3); template: (N, 3). Returns rotation (T, 3, 3), scale (T,), translation (T, 3).
    """
    tc = template.mean(0)
    pc = points.mean(1, keepdims=True)
    a, b = template - tc, points - pc
    u, d, vt = np.linalg.svd(np.einsum("tni,nj->tij", b, a))
    sign = np.sign(np.linalg.det(u @ vt))
    u[:, :, 2] *= sign[:, None]
    d[:, 2] *= sign
    rotation = u @ vt
    scale = d.sum(1) / (a**2).sum()
    translation = pc[:, 0] - scale[:, None] * np.einsum("tij,j->ti", rotation, tc)
    return rotation.astype(np.float32), scale.astype(np.float32), translation.astype(np.float32)


def angles(rotation: Array) -> Array:
    """Yaw, pitch, roll (T, 3) in radians of R = Rz(roll) Ry(yaw) Rx(pitch)."""
    yaw = np.arcsin(np.clip(-rotation[:, 2, 0], -1, 1))
    pitch = np.arctan2(rotation[:, 2, 1], rotation[:, 2, 2])
    roll = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
    return np.stack([yaw, pitch, roll], 1).astype(np.float32)


def head_frame(landmarks: Array, template: Array) -> tuple[Array, Array]:
    """Pose of every frame and its landmarks with that pose undone.

    landmarks: (T, 478, 3). Returns pose (T, 6): yaw, pitch, roll, x, y, log-scale; and points (T, 478, 3) in the head frame.
    """
    rigid = list(fp.RIGID)
    rotation, scale, translation = similarity(landmarks[:, rigid], template[rigid])
    local = np.einsum("tji,tnj->tni", rotation, landmarks - translation[:, None]) / scale[:, None, None]
    pose = np.concatenate([angles(rotation), translation[:, :2], np.log(scale)[:, None]], 1)
    return pose.astype(np.float32), local.astype(np.float32)


def fit_template(frames: Array, rounds: int = 4) -> Array:
    """Mean frontal face by generalised Procrustes, made left-right symmetric, (478, 3).

    frames: (N, 478, 3) landmarks of many people. The fit starts from the mean of the most symmetric frames, which look
    straight ahead. A log-scale of 0 is the mean size in the pictures; the origin is the mean of the rigid points.
    """
    rigid = list(fp.RIGID)
    width = frames[:, 263] - frames[:, 33]
    tilt = np.abs(width[:, 1] / width[:, 0]) + np.abs((frames[:, 454, 2] - frames[:, 234, 2]) / width[:, 0])
    ahead = frames[np.argsort(tilt)[: max(1, len(frames) // 50)]]
    ahead = ahead - ahead[:, rigid].mean(1, keepdims=True)
    template = (ahead / np.linalg.norm(ahead, axis=(1, 2), keepdims=True)).mean(0)
    partner = mirror_indices(template - np.array([template[:, 0].mean(), 0, 0], np.float32))
    for _ in range(rounds):
        _, local = head_frame(frames, template)
        mean = local.mean(0)
        mirrored = mean[partner] * np.array([-1, 1, 1], np.float32)
        rotation, _, _ = similarity(mirrored[None], mean)
        half = angles(rotation)[0] / 2  # the template's tilt: half of the rotation to its mirror image
        upright = mean @ _rotation(half).T
        template = (upright + upright[partner] * np.array([-1, 1, 1], np.float32)) / 2
        template = template - template[rigid].mean(0)
        pose, _ = head_frame(frames, template)
        template = template * np.exp(pose[:, 5].mean())
    return np.asarray(template, np.float32)


def _rotation(yaw_pitch_roll: Array) -> Array:
    cy, cp, cr = np.cos(yaw_pitch_roll)
    sy, sp, sr = np.sin(yaw_pitch_roll)
    rz = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rx = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    return np.asarray(rz @ ry @ rx, np.float32)


def _principal(rows: Array, count: int) -> Array:
    """First principal directions (count, N) of rows (M, N), filled up with zeros."""
    _, _, vt = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    found = np.zeros((count, rows.shape[1]), np.float32)
    found[: len(vt)] = vt[:count]
    return found


def fit_motion_space(clips: list[Array], portraits: Array, frontal_pitch: float = 0.0) -> MotionSpace:
    """Fit template, shape basis and expression code to the landmarks of labels.

    clips: a (T, 478, 3) array for each clip, of training people only. portraits: (N, 478, 3) single pictures.
    frontal_pitch: radians by which the template is pitched so that its zero agrees with that of the pose labels.
    """
    stride = [clip[:: max(1, len(clip) // 20)] for clip in clips]
    template = fit_template(np.concatenate([*stride, portraits[::2]]))
    template = template @ _rotation(np.array([0, frontal_pitch, 0], np.float32)).T
    partner = mirror_indices(template)
    mirror = np.array([-1, 1, 1], np.float32)

    canonical, moves = [], []
    for clip in clips:
        _, local = head_frame(clip, template)
        neutral = np.median(local, 0)
        canonical.append(neutral)
        moves.append((local - neutral)[:: max(1, len(local) // 120)])
    move = np.concatenate(moves)
    move = np.concatenate([move, move[:, partner] * mirror])

    mouth = sorted(set(fp.DETAILS[:40]) | set(fp.JAW))
    eyes = sorted(set(fp.DETAILS[40:]) | set(fp.IRISES))
    eye_weight = np.ones((len(eyes), 3), np.float32)
    lids = set(fp.UPPER_LIDS + fp.LOWER_LIDS)
    eye_weight[[i for i, point in enumerate(eyes) if point in lids], 1] = LID_WEIGHT
    codes = []
    for part, weight, count in ((mouth, np.float32(1), MOUTH_CODES), (eyes, eye_weight, EYE_CODES)):
        rows = (move[:, part] * weight).reshape(len(move), -1)
        code = rows @ _principal(rows, count).T
        codes.append(code)
    # Order of importance across both blocks: interleaved by variance, which includes the weight of the eyes.
    code = np.concatenate(codes, 1)
    code = code[:, np.argsort(-code.var(0), kind="stable")]
    code = np.clip(code / (CODE_UNIT_SIGMAS * code.std(0) + TINY), -1, 1).astype(np.float32)

    points = list(fp.POINTS)
    half = len(move) // 2
    target = move[:, points].reshape(len(move), -1)
    gram = code.T @ code + 1e-3 * len(code) * np.eye(code.shape[1]) * code.var()
    expression_basis = np.linalg.solve(gram, code.T @ target).T.reshape(len(points), 3, -1).astype(np.float32)
    plain_gram = code.T @ code + TINY * np.eye(code.shape[1])
    flip_expression = np.linalg.solve(plain_gram, code.T @ np.concatenate([code[half:], code[:half]])).T

    basis = expression_basis.reshape(-1, expression_basis.shape[-1])
    _, local = head_frame(portraits, template)
    person = np.stack(canonical)
    mean_person = np.median(np.concatenate([person, local]), 0)
    mean_person = (mean_person + mean_person[partner] * mirror) / 2
    residual = (local - mean_person)[:, points].reshape(len(local), 3 * len(points))
    ridge = basis.T @ basis + 0.02 * np.trace(basis.T @ basis) / basis.shape[1] * np.eye(basis.shape[1])
    neutral_still = residual - np.linalg.solve(ridge, basis.T @ residual.T).T @ basis.T
    shape_rows = np.concatenate([(person - mean_person)[:, points].reshape(len(person), -1), neutral_still])
    flipped = (shape_rows.reshape(-1, len(points), 3)[:, mirror_order(template)] * mirror).reshape(len(shape_rows), -1)
    both = np.concatenate([shape_rows, flipped])
    components = _principal(both, CANONICAL_SIZE)
    sigma = (both @ components.T).std(0) + TINY
    shape_basis = (components.T * sigma).reshape(len(points), 3, -1).astype(np.float32)
    shape_code, shape_flip = both @ components.T / sigma, np.concatenate([flipped, shape_rows]) @ components.T / sigma
    flip_shape = np.linalg.lstsq(shape_code, shape_flip, rcond=None)[0].T
    return MotionSpace(
        template=template,
        mean=mean_person[points].astype(np.float32),
        shape_basis=shape_basis,
        expression_basis=expression_basis,
        flip_shape=flip_shape.astype(np.float32),
        flip_expression=flip_expression.astype(np.float32),
    )


def mirror_order(template: Array) -> NDArray[np.int64]:
    """Position of the mirror image of each of `face_points.POINTS`, (P,); keypoints mirror to keypoints."""
    k = len(fp.KEYPOINTS)
    points = template[list(fp.POINTS)]
    return np.concatenate([mirror_indices(points[:k]), k + mirror_indices(points[k:])])


@dataclass(frozen=True)
class ClipMotion:
    """Label motion of one clip: pose (T, 6), expression (T, E), shape (C,), points (T, P, 3) in picture coordinates."""

    pose: Array
    expression: Array
    shape: Array
    points: Array

    def vectors(self) -> Array:
        """(T, 6 + E) as `codec.motion.Motion.head` lays it out."""
        return np.concatenate([self.pose, self.expression], 1)


def project(space: MotionSpace, landmarks: Array, single: bool = False) -> ClipMotion:
    """Label motion of one clip or, with `single`, of one portrait; landmarks: (T, 478, 3)."""
    points = list(fp.POINTS)
    pose, local = head_frame(landmarks, space.template)
    local = local[:, points]
    b = space.expression_basis.reshape(-1, space.expression_basis.shape[-1])
    s = space.shape_basis.reshape(-1, space.shape_basis.shape[-1])
    neutral = np.median(local, 0)
    shape = np.linalg.solve(s.T @ s + 1e-4 * np.eye(s.shape[1]), s.T @ (neutral - space.mean).reshape(-1))
    if single:
        joint = np.concatenate([s, b], 1)
        ridge = 0.02 * np.trace(b.T @ b) / b.shape[1] * np.eye(joint.shape[1])
        shape = np.linalg.solve(joint.T @ joint + ridge, joint.T @ (neutral - space.mean).reshape(-1))[: s.shape[1]]
        neutral = space.mean + space.shape_basis @ shape
    weight = np.ones((len(points), 3), np.float32)
    lids = set(fp.UPPER_LIDS + fp.LOWER_LIDS)
    weight[[i for i, point in enumerate(points) if point in lids], 1] = LID_WEIGHT
    w = weight.reshape(-1, 1)
    gram = (b * w).T @ (b * w) + 1e-5 * np.eye(b.shape[1])
    expression = np.linalg.solve(gram, (b * w).T @ ((local - neutral).reshape(len(local), -1).T * w)).T
    return ClipMotion(
        pose=pose,
        expression=np.clip(expression, -1.5, 1.5).astype(np.float32),
        shape=np.clip(shape, -4, 4).astype(np.float32),
        points=landmarks[:, points].astype(np.float32),
    )
