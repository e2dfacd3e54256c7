"""Labels of a clip: MediaPipe's face mesh of every frame, and the head pose and openings computed from it.

Framed pictures come from `training.clips`; `ClipLabels` and their file are read by `training.data`. The face mesh is needed
to prepare clips, but not to read them.
"""

from __future__ import annotations

import importlib.util
import zipfile
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from facewire.errors import InputError, reason
from facewire.files import write_whole
from facewire.metrics.quality import EYES, FACE_ENDS, INNER_LIPS
from facewire.models.bundle import DEFAULT_BUNDLE, WEIGHTS_FILE
from facewire.training.motion_space import head_frame

POINTS = 478
INSTALL = "pip install --no-deps mediapipe==0.10.21 'protobuf>=6.33,<7' absl-py attrs flatbuffers"
"""The last MediaPipe that includes its models. Its own requirements would install another protobuf and a second OpenCV."""


@dataclass(frozen=True)
class ClipLabels:
    """Labels of T frames.

    landmarks: float32 (T, 478, 3), x right and y down in [-1, 1] over the picture, z away from the camera on the same scale.
    pose: float32 (T, 6) yaw, pitch, roll in radians, x, y, log-scale, against the template of the packaged weights.
    eyes: float32 (T, 2) lid distance over eye width, image-left eye first. mouth: float32 (T,) inner-lip distance over face height.
    """

    landmarks: NDArray[np.float32]
    pose: NDArray[np.float32]
    eyes: NDArray[np.float32]
    mouth: NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all. Landmarks are rounded to float16: by at most 0.03 pixels of 256."""
        file = BytesIO()
        np.savez_compressed(
            file, landmarks=self.landmarks.astype(np.float16), pose=self.pose, eyes=self.eyes, mouth=self.mouth
        )
        write_whole(path, file.getvalue())


def read_labels(path: Path) -> ClipLabels:
    """Read a file of `ClipLabels.save`; InputError if it is not one."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as z:
            labels = ClipLabels(**{name: z[name].astype(np.float32) for name in ("landmarks", "pose", "eyes", "mouth")})
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such label file") from error
    except (OSError, EOFError, KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a label file of facewire prepare ({reason(error)})") from error
    frames = len(labels.landmarks)
    if (
        labels.landmarks.shape != (frames, POINTS, 3)
        or labels.eyes.shape != (frames, 2)
        or labels.mouth.shape != (frames,)
    ):
        raise InputError(
            f"{path}: labels have wrong shapes, landmarks {labels.landmarks.shape}; prepare the clip again"
        )
    return labels


def labels_of(landmarks: NDArray[np.float32]) -> ClipLabels:
    """Pose and openings of landmarks (T, 478, 3)."""

    def distance(a: int, b: int) -> NDArray[np.float32]:
        return np.asarray(np.linalg.norm(landmarks[:, a, :2] - landmarks[:, b, :2], axis=1), np.float32)

    eyes = [distance(up, low) / (distance(outer, inner) + 1e-6) for up, low, outer, inner in EYES]
    mouth = distance(*INNER_LIPS) / (distance(*FACE_ENDS) + 1e-6)
    pose, _ = head_frame(landmarks, _template())
    return ClipLabels(landmarks, pose, np.stack(eyes, 1), mouth)


@cache
def _template() -> NDArray[np.float32]:
    tensors = safetensors.numpy.load_file(DEFAULT_BUNDLE / WEIGHTS_FILE)
    return np.asarray(tensors["face.template"], np.float32)


def check_mesh_installed() -> None:
    """Raise InputError with the command that installs MediaPipe, if it is missing."""
    if importlib.util.find_spec("mediapipe") is None:
        raise InputError(f"prepare needs MediaPipe's face mesh: {INSTALL}")


class MeshTracker(AbstractContextManager["MeshTracker"]):
    """MediaPipe's face mesh, tracking one face through the frames of a clip."""

    def __init__(self) -> None:
        try:
            import mediapipe

            self._net: Any = mediapipe.solutions.face_mesh.FaceMesh(
                static_image_mode=False,
                max_num_faces=1,
                refine_landmarks=True,
                min_detection_confidence=0.5,
                min_tracking_confidence=0.6,
            )
        except (ImportError, AttributeError, RuntimeError) as error:
            raise InputError(f"MediaPipe's face mesh cannot be loaded ({reason(error)}): {INSTALL}") from error

    def look(self, picture: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Landmarks (478, 3) in [-1, 1] of the next frame, uint8 RGB (S, S, 3); None if no face is found."""
        found = self._net.process(picture).multi_face_landmarks
        if not found:
            return None
        points = np.array([(p.x, p.y, p.z) for p in found[0].landmark], np.float32)
        return points * 2 - np.array([1, 1, 0], np.float32)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._net.close()
