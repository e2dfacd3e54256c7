"""Measuring pictures for the scoreboard, with the figures of `metrics.quality` and the frozen teachers.

`Judge` turns a uint8 picture into a `Look`, and two of those into figures by name, for `training.evaluate_clip`. A teacher
whose file is missing is left out, and so are its figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facewire.metrics import teacher_files
from facewire.metrics.quality import Face, FaceMesh, l1, ms_ssim, psnr, ssim
from facewire.metrics.teachers import FIVE, Identity, Lite0Features, StLpips, align
from facewire.training.motion_space import angles, similarity

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """What is found in one picture. A field is None if there is no face or no teacher for it, or if it was not requested."""

    picture: Picture
    face: Face | None
    rotation: NDArray[np.float32] | None
    """(3, 3) rotation of the head, by the face mesh against the template."""
    who: Tensor | None
    """(256,) identity, a unit vector."""
    taps: list[Tensor] | None
    """Taps of ST-LPIPS."""
    features: NDArray[np.float32] | None
    """(320,) features for the Fréchet distance."""


class Judge:
    """Looks at pictures, with one thread. template: (478, 3) mean frontal mesh against which head poses are measured."""

    def __init__(self, template: NDArray[np.float32]) -> None:
        torch.set_num_threads(1)
        self._template = template
        self._mesh = FaceMesh() if FaceMesh.installed() else None
        identity, stlpips, lite0 = (
            teacher_files.identity_file(),
            teacher_files.stlpips_file(),
            teacher_files.lite0_file(),
        )
        self._identity = Identity(identity) if identity else None
        self._stlpips = StLpips(stlpips) if stlpips else None
        self._lite0 = Lite0Features(lite0) if lite0 else None

    @torch.inference_mode()
    def face(self, picture: Picture) -> Look:
        """The face only: mesh, pose and identity."""
        face = self._mesh.look(picture) if self._mesh else None
        if face is None:
            return Look(picture, None, None, None, None, None)
        rotation = similarity(face.landmarks[None], self._template)[0][0]
        who = None
        if self._identity is not None:
            five = torch.tensor(np.stack([face.landmarks[list(group), :2].mean(0) for group in FIVE]))[None]
            who = self._identity(align(_tensor(picture), five))[0]
        return Look(picture, face, rotation, who, None, None)

    @torch.inference_mode()
    def look(self, picture: Picture, *, features: bool = True) -> Look:
        """The face, and the teachers' features of the whole picture."""
        face = self.face(picture)
        x = _tensor(picture)
        taps = self._stlpips.features(x.contiguous(memory_format=torch.channels_last)) if self._stlpips else None
        lite0 = self._lite0(x)[0].numpy() if self._lite0 and features else None
        return Look(picture, face.face, face.rotation, face.who, taps, lite0)

    @torch.inference_mode()
    def compare(self, ours: Look, true: Look) -> dict[str, float]:
        """All figures of a picture against the camera's that can be measured."""
        a, b = ours.picture, true.picture
        figures = {"l1": l1(a, b), "psnr": psnr(a, b), "ssim": ssim(a, b), "ms_ssim": ms_ssim(a, b)}
        if self._stlpips is not None and ours.taps is not None and true.taps is not None:
            figures["st_lpips"] = float(self._stlpips.between(ours.taps, true.taps))
        if ours.face is not None and true.face is not None:
            figures["akd"] = float(np.linalg.norm(ours.face.points - true.face.points, axis=1).mean())
            figures["pose_error"] = float(np.abs(degrees(ours) - degrees(true)).mean())
        if (cosine := same_person(ours, true)) is not None:
            figures["identity"] = cosine
        return figures


def same_person(a: Look, b: Look) -> float | None:
    """Cosine between the identities of two faces; None if one has none."""
    return None if a.who is None or b.who is None else float(a.who @ b.who)


def degrees(look: Look) -> NDArray[np.float32]:
    """Yaw, pitch and roll of a face that was found, in degrees."""
    assert look.rotation is not None
    return np.asarray(np.degrees(angles(look.rotation[None])[0]), np.float32)


def turn_between(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Angle between two rotations (3, 3), degrees."""
    return float(np.degrees(np.arccos(np.clip((np.trace(a @ b.T) - 1) / 2, -1, 1))))


def frechet(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Fréchet distance of two sets of features (N, F), taken as Gaussians: |μa − μb|² + tr(Ca + Cb − 2 (Ca Cb)^½)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    ca, cb = np.cov(a.T), np.cov(b.T)
    values, vectors = np.linalg.eigh(ca)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cb @ root), 0)).sum()  # (Ca Cb)^½ has the same trace
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca) + np.trace(cb) - 2 * cross)


def _tensor(picture: Picture) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255
