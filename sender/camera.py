"""A camera's pictures as they arrive, read on a thread of its own, since a driver may fail, hang or freeze.

`media.Camera` gives them to the sender; OpenCV reads the camera.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire.errors import InputError, reason

OPEN_S = 15.0
"""How long a camera may take to open."""
SILENT_S = 4.0
"""How long it may deliver nothing before it counts as failed."""
CLOSE_S = 1.0
"""How long to wait for a driver to let go of it."""


@dataclass(frozen=True)
class Shot:
    """A picture, uint8 RGB (H, W, 3), and when it arrived, in s of `time.monotonic`."""

    picture: NDArray[np.uint8]
    at_s: float


class CameraFeed:
    """The newest picture of a camera. index: its number. InputError if it cannot be opened."""

    def __init__(self, index: int) -> None:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self._index = index
        self.fps = 0.0
        """What the driver claims."""
        self.failure = ""
        """Why there are no more pictures."""
        self._changed = threading.Condition()
        self._newest: Shot | None = None
        self._open = self._stopped = False
        self._thread = threading.Thread(target=self._run, name="facewire-camera", daemon=True)
        self._thread.start()
        if not self._wait_for(lambda: self._open or bool(self.failure), OPEN_S):
            self.close()
            raise InputError(f"camera {index}: does not answer")
        if self.failure:
            raise InputError(f"camera {index}: {self.failure}")

    def next(self) -> Shot | None:
        """Waits for a picture that was not given before. None once there are no more: `failure` says why, or is empty after
        `close`.
        """
        if not self._wait_for(lambda: self._newest is not None or bool(self.failure) or self._stopped, SILENT_S):
            self.failure = self.failure or "does not answer any more"
        with self._changed:
            shot, self._newest = self._newest, None
            return None if self._stopped else shot

    def stop(self) -> None:
        """Ends a `next` that waits, from any thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Lets the camera go. A driver that hangs keeps it, and its thread, until it returns."""
        self.stop()
        if self._thread is not threading.current_thread():
            self._thread.join(CLOSE_S)

    def _wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def _run(self) -> None:
        """Opens, reads and releases the camera: all on this thread, since drivers do not like others to interfere."""
        try:
            capture = cv2.VideoCapture(self._index)
            try:
                if not capture.isOpened():
                    self._fail("not found, or in use by another program")
                    return
                with self._changed:
                    self.fps, self._open = float(capture.get(cv2.CAP_PROP_FPS) or 0), True
                    self._changed.notify_all()
                while not self._stopped:
                    there, picture = capture.read()
                    if not there:
                        self._fail("was unplugged")
                        return
                    if picture is None or picture.ndim != 3 or not picture.size:
                        self._fail("delivers empty pictures")
                        return
                    self._offer(np.ascontiguousarray(picture[..., 2::-1], np.uint8))
            finally:
                capture.release()
        except Exception as error:  # drivers raise what they like
            self._fail(f"failed ({reason(error)})")

    def _offer(self, picture: NDArray[np.uint8]) -> None:
        with self._changed:
            self._newest = Shot(picture, time.monotonic())
            self._changed.notify_all()

    def _fail(self, why: str) -> None:
        with self._changed:
            self.failure = self.failure or why
            self._changed.notify_all()


class FreezeWatch:
    """Notices that a camera repeats one picture, which only a stuck driver does: sensors are never without noise.

    A picture that is still the same after the camera was opened again is meant, as from a program that poses as a camera.
    """

    FROZEN_S = 8.0

    def __init__(self) -> None:
        self._last: NDArray[np.uint8] | None = None
        self._since_s = 0.0
        self._meant: NDArray[np.uint8] | None = None

    def frozen(self, shot: Shot) -> bool:
        """Whether to open the camera again, since nothing has changed for long. Said once of each picture."""
        seen = shot.picture[::16, ::16]
        if self._last is None or not np.array_equal(seen, self._last):
            self._last, self._since_s = seen.copy(), shot.at_s
            return False
        if shot.at_s - self._since_s < self.FROZEN_S or (self._meant is not None and np.array_equal(seen, self._meant)):
            return False
        self._meant = self._last
        return True
