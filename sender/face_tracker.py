"""Which square to cut from a stream of pictures: looks for the face now and then, and follows it.

Takes pictures with their capture times and returns a `Framing` for each, to `encoder` and `live`. `face_detector` looks,
`policy` says when, and `framing` chooses the square.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facewire.sender.face_detector import FaceDetector
from facewire.sender.framing import FollowingFraming, Framing, choose_square
from facewire.sender.policy import FaceWatch, in_square

SECOND_FACE = 0.3
"""A second face counts from this share of the largest one's area on."""


class FaceTracker:
    """Follows one face through pictures given in the order of their capture times.

    detector: shared with others on the same thread; a new one if None. fixed: a square known to fit, as from
    `framing.frame_video`; abandoned once the face has left it for good.
    """

    def __init__(self, detector: FaceDetector | None = None, fixed: Framing | None = None) -> None:
        self._detector = detector or FaceDetector()
        self._fixed = fixed
        self._watch = FaceWatch()
        self._following: FollowingFraming | None = None
        self._size: tuple[int, int] | None = None
        self.faces = 0
        """How many there were at the last look; much smaller ones than the largest do not count."""

    @property
    def present(self) -> bool:
        """Whether the last look found the face in its place."""
        return self._watch.present

    def lost(self, time_ms: float) -> bool:
        """Whether no face has been seen for so long that the user should be told."""
        return self._watch.lost(time_ms)

    def locate(self, picture: NDArray[np.uint8], time_ms: float) -> Framing | None:
        """The square to cut from a picture, uint8 RGB (H, W, 3); None before a face has been seen."""
        height, width = picture.shape[:2]
        if self._size != (width, height):
            self._following, self._size = None, (width, height)  # another camera, or the same one in another mode
        if self._watch.wants_look(time_ms):
            self._look(picture, time_ms)
        if self._fixed is not None:
            return self._fixed
        return self._following.framing if self._following is not None else None

    def _look(self, picture: NDArray[np.uint8], time_ms: float) -> None:
        faces = self._detector.detect(picture)
        if self._fixed is not None and faces and not in_square(faces, self._fixed):
            faces = []
            if self._watch.lost(time_ms):
                self._fixed = None
        if self._fixed is None and faces:
            height, width = picture.shape[:2]
            if self._following is None:
                self._following = FollowingFraming(choose_square(faces[:1], width, height), width, height)
            self._following.update(faces)
        before, self.faces = self.faces, sum(face.area >= SECOND_FACE * faces[0].area for face in faces)
        self._watch.looked(time_ms, bool(faces), doubtful=self.faces > 1 and self.faces != before)
