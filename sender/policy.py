"""The rules of a live sender: which pictures to use, whether the face is there, and when to replace the source frame.

Takes capture times, the face detector's results, motion and squares, and returns decisions to `face_tracker` and `live`. All of
it is pure and has no clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
"""The detector takes 6 to 12 ms for a picture and runs five times a second."""
DOUBTFUL_LOOK_EVERY_MS = 80
"""It runs more often once it has found no face, or another one."""
LOST_AFTER_MS = 500
"""How long without a face until the sender says so. Motion stops with the first look that finds none."""

WELL_TURNED = radians(25)
"""In a source frame the head is turned no further than this, since what it hides has to be invented later."""
OPEN_EYES = 0.65
"""In a source frame the eyes are open at least this far, relative to what is usual for the person. On 8 validation clips, open
eyes are between 0.75 and 1.4, and blinking ones below 0.5.
"""
PATIENCE_MS = 1000
"""How long to wait for a better moment for the source frame."""

SIDE_PX = 32
CHANGED = 0.12
"""Mean absolute difference of what is beside the face, as a share of the full range, with brightness equalised. On 34 validation
clips the median is 0.018 within a clip (the clip's largest is below 0.109 in nine of ten) and 0.125 between rooms.
"""
FAR_TURN = radians(40)
_LINEAR_FACE = ("mean", "shape_basis", "expression_basis")
CHANGED_FOR_MS, TURNED_FOR_MS = 1500, 4000
"""How long a change or a turn must last."""
REFRESH_EVERY_MS = 30_000
"""At most one unrequested source frame is sent in this time: its 8 kB fill a 20 kbps link for three seconds."""


class FrameGate:
    """Picks a camera's pictures so that they come at a steady rate.

    fps: the most pictures per second; may be changed at any time. All pictures of a slower camera are used.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._due: float | None = None

    def takes(self, time_ms: float) -> bool:
        """Whether to use the picture captured at that time. Times must not decrease."""
        period = 1000 / self.fps
        if self._due is not None and time_ms < self._due - period / 4:
            return False
        due = time_ms if self._due is None else self._due
        self._due = max(due + period, time_ms + period / 2)  # do not catch up on what was missed
        return True


class FaceWatch:
    """Decides from the results of the face detector whether there is a face, and when to look again."""

    def __init__(self) -> None:
        self.present = False
        """The last look found a face in its place."""
        self._last_seen_ms: float | None = None
        self._first_ms: float | None = None
        self._next_look_ms: float | None = None

    def wants_look(self, time_ms: float) -> bool:
        """Whether to look for the face in the picture of that time."""
        return self._next_look_ms is None or time_ms >= self._next_look_ms

    def looked(self, time_ms: float, seen: bool, *, doubtful: bool = False) -> None:
        """Records whether a look at the picture of that time found the face. doubtful: look again soon all the same."""
        self._first_ms = time_ms if self._first_ms is None else self._first_ms
        self.present = seen
        if seen:
            self._last_seen_ms = time_ms
        self._next_look_ms = time_ms + (LOOK_EVERY_MS if seen and not doubtful else DOUBTFUL_LOOK_EVERY_MS)

    def lost(self, time_ms: float) -> bool:
        """Whether the face has been missing for so long that the user should be told."""
        since = self._last_seen_ms if self._last_seen_ms is not None else self._first_ms
        return not self.present and since is not None and time_ms - since >= LOST_AFTER_MS


def in_square(faces: Sequence[Face], framing: Framing) -> bool:
    """Whether one of the faces has its centre in the square and is neither tiny nor larger than the square."""
    for face in faces:
        x = (face.x + face.width / 2 - framing.x) / framing.side
        y = (face.y + face.height / 2 - framing.y) / framing.side
        if 0.1 < x < 0.9 and 0.1 < y < 0.9 and 0.2 < face.height / framing.side < 1.0:
            return True
    return False


class SourceMoment:
    """Recognises good moments for a source frame: the head faces the camera and the eyes are open.

    bundle: its linear face model tells how far the lids are apart. Raises WeightsError if it has none.
    """

    def __init__(self, bundle: Bundle) -> None:
        upper = [face_points.POINTS.index(point) for point in face_points.UPPER_LIDS]
        lower = [face_points.POINTS.index(point) for point in face_points.LOWER_LIDS]

        def opening(points: NDArray[np.float32]) -> NDArray[np.float32]:
            """How far the lower lids are below the upper ones, in points (P, 3, ...)."""
            return np.asarray(points[lower, 1].mean(0) - points[upper, 1].mean(0), np.float32)

        try:
            with safetensors.safe_open(bundle.folder / WEIGHTS_FILE, framework="np") as file:
                parts = [opening(file.get_tensor(f"face.{name}")) for name in _LINEAR_FACE]
        except (OSError, KeyError, safetensors.SafetensorError) as error:
            raise WeightsError(f"{bundle.folder}: incomplete weight bundle ({reason(error)})") from None
        self._mean, self._shape, self._expression = parts

    def eyes(self, motion: Motion, shape: NDArray[np.float32]) -> float:
        """How far the eyes are open; 1 is usual for a face with that shape code (C,)."""
        usual = float(self._mean + self._shape @ shape)
        return (usual + float(self._expression @ motion.expression)) / max(usual, 1e-3)

    def is_good(self, motion: Motion, shape: NDArray[np.float32]) -> bool:
        """Whether a picture with that motion and shape code makes a good source frame."""
        return bool(np.abs(motion.rotation).max() <= WELL_TURNED) and self.eyes(motion, shape) >= OPEN_EYES


class LookDuty:
    """How often there is time to draw what the other side sees: for at most a tenth of a processor.

    Asked with `due` at every picture; entered as a context around each look, which it times.
    """

    SHARE = 0.1
    MOST_S = 0.1
    """Credit that is saved up, at most."""

    def __init__(self, seconds: Callable[[], float] = time.perf_counter) -> None:
        self._seconds = seconds
        self._credit_s = 0.0
        self._cost_s = 0.0
        self._at_ms: float | None = None
        self._began_s = 0.0

    def due(self, time_ms: float) -> bool:
        """Whether there is time for a look at the picture captured then. Times do not go back."""
        if self._at_ms is not None:
            gained = self.SHARE * max(0.0, time_ms - self._at_ms) / 1000
            self._credit_s = min(self._credit_s + gained, max(self.MOST_S, self._cost_s))
        self._at_ms = time_ms
        return self._credit_s >= self._cost_s

    def __enter__(self) -> None:
        self._began_s = self._seconds()

    def __exit__(self, *_: object) -> None:
        took_s = self._seconds() - self._began_s
        self._credit_s -= took_s
        self._cost_s += 0.2 * (took_s - self._cost_s)


class SceneWatch:
    """Decides when the source frame no longer fits what the camera sees.

    There are two reasons, if they last: what is beside the face looks different (another room, another light, somebody in the
    foreground), or the head is turned far away from its pose in the source frame. turns: the second
    counts too; with several source frames a further one is sent for it instead.
    """

    def __init__(self, *, turns: bool = True) -> None:
        self._turns = turns
        self._reference: NDArray[np.float32] | None = None
        self._rotation: NDArray[np.float64] = np.eye(3)
        self._sourced_ms = 0.0
        self._changed_since: float | None = None
        self._turned_since: float | None = None

    def new_source(self, square: NDArray[np.uint8], motion: Motion, time_ms: float) -> None:
        """Records a new source frame: its square, uint8 RGB (S, S, 3), and its motion."""
        self._reference, self._rotation = _beside_face(square), rotation_matrix(motion.rotation)
        self._sourced_ms, self._changed_since, self._turned_since = time_ms, None, None

    def changed(self, square: NDArray[np.uint8], motion: Motion, time_ms: float) -> bool:
        """Whether to make a new source frame. square, motion: of the picture captured at time_ms."""
        if self._reference is None:
            return True
        different = difference(self._reference, _beside_face(square)) > CHANGED
        turned = self._turns and _angle(self._rotation, rotation_matrix(motion.rotation)) > FAR_TURN
        self._changed_since = _since(self._changed_since, different, time_ms)
        self._turned_since = _since(self._turned_since, turned, time_ms)
        if time_ms - self._sourced_ms < REFRESH_EVERY_MS:
            return False
        return (self._changed_since is not None and time_ms - self._changed_since >= CHANGED_FOR_MS) or (
            self._turned_since is not None and time_ms - self._turned_since >= TURNED_FOR_MS
        )


def difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Mean absolute difference of two rows of pixels, 0 to 1, after equalising their brightness."""
    return float(np.abs((a - a.mean()) - (b - b.mean())).mean())


def _beside_face(square: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Brightness of what is beside the head, float32 (N,), 0 to 1: the left and right fifth of the square's upper two
    thirds. Below them are the shoulders, which move.
    """
    grey = cv2.cvtColor(cv2.resize(square, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    upper, edge = grey[: SIDE_PX * 2 // 3], SIDE_PX // 5
    beside = np.concatenate([upper[:, :edge].ravel(), upper[:, -edge:].ravel()])
    return beside.astype(np.float32) / np.float32(255)


def _angle(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Angle between two rotations (3, 3) in radians."""
    return float(np.arccos(np.clip((np.trace(a.T @ b) - 1) / 2, -1, 1)))


def _since(since: float | None, holds: bool, time_ms: float) -> float | None:
    if not holds:
        return None
    return time_ms if since is None else since
