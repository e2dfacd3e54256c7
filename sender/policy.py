"""The rules of a live sender, pure and without a clock of their own: which pictures are taken, whether the face is there,
and when the source frame is no longer good enough.

Comes in: capture times, what the face detector saw, motion and squares. Goes out: decisions, to `live`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import radians

import cv2
import numpy as np
import safetensors
from numpy.typing import NDArray

from facewire.codec import Motion, rotation_matrix
from facewire.errors import WeightsError, reason
from facewire.models import face_points
from facewire.models.bundle import WEIGHTS_FILE, Bundle
from facewire.sender.face_detector import Face
from facewire.sender.framing import Framing

LOOK_EVERY_MS = 200
"""The detector, 6 to 12 ms a picture, looks five times a second."""
DOUBTFUL_LOOK_EVERY_MS = 80
"""And more often once it saw no face."""
LOST_AFTER_MS = 500
"""So long without a face until the sender says so; motion is held from the first look that saw none."""

WELL_TURNED = radians(25)
"""A source frame shows a head turned no further than this: what is hidden in it must be invented later."""
OPEN_EYES = 0.65
"""And eyes open at least so far, of what is usual for that person: on 8 validation clips, open eyes are between 0.75 and
1.4, eyes in a blink below 0.5.
"""
PATIENCE_MS = 1000
"""So long a better moment for the source frame is waited for."""

SIDE_PX = 32
CHANGED = 0.12
"""Mean absolute difference of what is beside the face, of the full range, light and dark evened out. On 34 validation
clips the median is 0.018 within a clip (its largest is below 0.109 in nine of ten) and 0.125 between rooms.
"""
FAR_TURN = radians(40)
_LINEAR_FACE = ("mean", "shape_basis", "expression_basis")
CHANGED_FOR_MS, TURNED_FOR_MS = 1500, 4000
"""So long a change or a turn must last."""
REFRESH_EVERY_MS = 30_000
"""At most one source frame in that time is sent unasked: 8 kB are three seconds of a 20 kbps link."""


class FrameGate:
    """Picks from the pictures that a camera gives those that make a steady rate.

    fps: pictures a second wanted; may be changed at any time. A camera that is slower than that has all its pictures
    taken.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._due: float | None = None

    def takes(self, time_ms: float) -> bool:
        """Whether the picture captured then is to be used. Times do not go back."""
        period = 1000 / self.fps
        if self._due is not None and time_ms < self._due - period / 4:
            return False
        due = time_ms if self._due is None else self._due
        self._due = max(due + period, time_ms + period / 2)  # what was missed is not caught up with
        return True


class FaceWatch:
    """Whether there is a face: told what each look saw, it says when to look again and what to believe."""

    def __init__(self) -> None:
        self.present = False
        """The last look saw a face in its place."""
        self._last_seen_ms: float | None = None
        self._first_ms: float | None = None
        self._next_look_ms: float | None = None

    def wants_look(self, time_ms: float) -> bool:
        return self._next_look_ms is None or time_ms >= self._next_look_ms

    def looked(self, time_ms: float, seen: bool) -> None:
        """What a look at the picture of that time saw."""
        self._first_ms = time_ms if self._first_ms is None else self._first_ms
        self.present = seen
        if seen:
            self._last_seen_ms = time_ms
        self._next_look_ms = time_ms + (LOOK_EVERY_MS if seen else DOUBTFUL_LOOK_EVERY_MS)

    def lost(self, time_ms: float) -> bool:
        """Whether no face has been there for so long that a person should be told."""
        since = self._last_seen_ms if self._last_seen_ms is not None else self._first_ms
        return not self.present and since is not None and time_ms - since >= LOST_AFTER_MS


def in_square(faces: Sequence[Face], framing: Framing) -> bool:
    """Whether the centre of one of the faces lies in the square, and it is neither a speck nor larger than that."""
    for face in faces:
        x = (face.x + face.width / 2 - framing.x) / framing.side
        y = (face.y + face.height / 2 - framing.y) / framing.side
        if 0.1 < x < 0.9 and 0.1 < y < 0.9 and 0.2 < face.height / framing.side < 1.0:
            return True
    return False


class SourceMoment:
    """Says which moments are good for a source frame: head towards the camera, eyes open.

    bundle: its linear face model says how far the lids are apart; raises WeightsError if it has none.
    """

    def __init__(self, bundle: Bundle) -> None:
        upper = [face_points.POINTS.index(point) for point in face_points.UPPER_LIDS]
        lower = [face_points.POINTS.index(point) for point in face_points.LOWER_LIDS]

        def opening(points: NDArray[np.float32]) -> NDArray[np.float32]:
            """Height of the lower lids' points below the upper lids', of float (P, 3, ...)."""
            return np.asarray(points[lower, 1].mean(0) - points[upper, 1].mean(0), np.float32)

        try:
            with safetensors.safe_open(bundle.folder / WEIGHTS_FILE, framework="np") as file:
                parts = [opening(file.get_tensor(f"face.{name}")) for name in _LINEAR_FACE]
        except (OSError, KeyError, safetensors.SafetensorError) as error:
            raise WeightsError(f"{bundle.folder}: incomplete weight bundle ({reason(error)})") from None
        self._mean, self._shape, self._expression = parts

    def eyes(self, motion: Motion, shape: NDArray[np.float32]) -> float:
        """How far the eyes are open, 1 being usual for a face of that shape code (C,)."""
        usual = float(self._mean + self._shape @ shape)
        return (usual + float(self._expression @ motion.expression)) / max(usual, 1e-3)

    def good(self, motion: Motion, shape: NDArray[np.float32]) -> bool:
        """Whether a picture with that motion and shape code is worth sending."""
        return bool(np.abs(motion.rotation).max() <= WELL_TURNED) and self.eyes(motion, shape) >= OPEN_EYES


class SceneWatch:
    """Says when the source frame no longer fits what the camera sees.

    Told of a new source frame with `sourced`, then of every picture with `changed`. Two reasons count, each if it
    lasts: what is beside the face looks different (another room, another light, a person who moved into the
    foreground), and a head turned far from how the source frame shows it.
    """

    def __init__(self) -> None:
        self._reference: NDArray[np.float32] | None = None
        self._rotation: NDArray[np.float64] = np.eye(3)
        self._sourced_ms = 0.0
        self._changed_since: float | None = None
        self._turned_since: float | None = None

    def sourced(self, square: NDArray[np.uint8], motion: Motion, time_ms: float) -> None:
        """A new source frame was made: its square, uint8 RGB (S, S, 3), and its motion."""
        self._reference, self._rotation = _beside_face(square), rotation_matrix(motion.rotation)
        self._sourced_ms, self._changed_since, self._turned_since = time_ms, None, None

    def changed(self, square: NDArray[np.uint8], motion: Motion, time_ms: float) -> bool:
        """Whether a new source frame should be made. square, motion: of the picture captured at time_ms."""
        if self._reference is None:
            return True
        different = difference(self._reference, _beside_face(square)) > CHANGED
        turned = _angle(self._rotation, rotation_matrix(motion.rotation)) > FAR_TURN
        self._changed_since = _since(self._changed_since, different, time_ms)
        self._turned_since = _since(self._turned_since, turned, time_ms)
        if time_ms - self._sourced_ms < REFRESH_EVERY_MS:
            return False
        return (self._changed_since is not None and time_ms - self._changed_since >= CHANGED_FOR_MS) or (
            self._turned_since is not None and time_ms - self._turned_since >= TURNED_FOR_MS
        )


def difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Mean absolute difference of two rows of pixels, 0 to 1, after evening out their brightness."""
    return float(np.abs((a - a.mean()) - (b - b.mean())).mean())


def _beside_face(square: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The brightness of what is beside and above the head, float32 (N,), 0 to 1: the left and right fifth of the
    square's upper two thirds; below them are shoulders, which move.
    """
    grey = cv2.cvtColor(cv2.resize(square, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    upper, edge = grey[: SIDE_PX * 2 // 3], SIDE_PX // 5
    beside = np.concatenate([upper[:, :edge].ravel(), upper[:, -edge:].ravel()])
    return beside.astype(np.float32) / np.float32(255)


def _angle(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Radians between two rotations (3, 3)."""
    return float(np.arccos(np.clip((np.trace(a.T @ b) - 1) / 2, -1, 1)))


def _since(since: float | None, holds: bool, time_ms: float) -> float | None:
    if not holds:
        return None
    return time_ms if since is None else since
