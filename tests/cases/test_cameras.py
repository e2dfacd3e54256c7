"""A camera that fails, hangs, freezes or shows nothing at first: noticed within seconds, opened again, and only once before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Literal

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facewire.benchmark.loopback import LoopbackOptions, run
from facewire.errors import InputError, NoFaceError
from facewire.models.runtime import Networks
from facewire.sender import camera, clip, live
from facewire.sender.face_detector import FaceDetector
from facewire.sender.media import Camera, Frame
from tests.sender.test_live import Other

Fault = Literal["none", "unplugged", "nothing", "raises", "empty", "hangs", "black", "frozen", "still"]
GOOD_PICTURES = 15


class Driver:
    """Takes the place of `cv2.VideoCapture`: a camera of 50 pictures a second that misbehaves after some."""

    pictures: list[NDArray[np.uint8]]
    fault: Fault
    opened = 0
    released: threading.Event

    def __init__(self, _index: int) -> None:
        type(self).opened += 1
        self._number = 0
        self._first = type(self).opened == 1

    def isOpened(self) -> bool:
        return True

    def get(self, _property: int) -> float:
        return 50.0

    def release(self) -> None:
        pass

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        time.sleep(0.02)
        self._number += 1
        picture = self.pictures[self._number % len(self.pictures)][..., ::-1]
        broken = self._first and self._number > GOOD_PICTURES
        match self.fault:
            case "unplugged" if broken:
                return False, None
            case "nothing" if broken:
                return True, None
            case "raises" if broken:
                raise cv2.error("driver failed")
            case "empty" if broken:
                return True, np.zeros((0, 0, 3), np.uint8)
            case "hangs" if broken:
                self.released.wait(60)
                return False, None
            case "black" if self._number < 60:
                return True, np.zeros_like(picture)
            case "frozen" if broken:
                return True, self.pictures[3][..., ::-1]
            case "still":
                return True, self.pictures[3][..., ::-1]
        return True, picture


@pytest.fixture
def driver(
    nodding: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Fault], type[Driver]]]:
    Driver.released = threading.Event()

    def made(fault: Fault) -> type[Driver]:
        Driver.pictures, Driver.fault, Driver.opened = nodding, fault, 0
        monkeypatch.setattr(cv2, "VideoCapture", Driver)
        monkeypatch.setattr(camera, "SILENT_S", 0.4)
        monkeypatch.setattr(camera, "CLOSE_S", 0.1)
        monkeypatch.setattr(live, "REOPEN_CAMERA_S", 0.02)
        return Driver

    yield made
    Driver.released.set()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("unplugged", "was unplugged"),
        ("nothing", "delivers empty pictures"),
        ("raises", "failed (driver failed)"),
        ("empty", "delivers empty pictures"),
        ("hangs", "does not answer any more"),
    ],
)
def test_camera_that_fails_is_told_and_opened_again(
    networks: Networks, driver: Callable[[Fault], type[Driver]], fault: Fault, said: str
) -> None:
    made, other = driver(fault), Other()
    sender = other.sender(networks, 0)
    assert made.opened == 1
    sender.start()
    other.wait_for("camera-lost")
    assert sender.problem == f"camera 0 {said}"
    other.wait_for("sending", 2)
    sender.stop()
    assert made.opened == 2
    assert other.states[:3] == ["sending", "camera-lost", "sending"]


@pytest.mark.parametrize("fault", ["frozen", "still"])
def test_frozen_camera_is_opened_again_and_a_still_one_once(
    driver: Callable[[Fault], type[Driver]], fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = driver(fault)
    monkeypatch.setattr(camera.FreezeWatch, "FROZEN_S", 0.5)
    with Camera(0) as video:
        pictures = [frame.picture for frame, _ in zip(video, range(120), strict=False)]
    assert made.opened == 2
    assert np.array_equal(pictures[-1], pictures[-2]) == (fault == "still")


def test_loopback_waits_for_the_first_face_and_opens_the_camera_once(driver: Callable[[Fault], type[Driver]]) -> None:
    made = driver("black")
    report = run(LoopbackOptions("0", max_frames=10, rivals=False, landmarks=False))
    assert report.frames == 10
    assert report.held == 0
    assert made.opened == 1


def test_frames_of_a_camera_begin_with_the_first_face(networks: Networks, nodding: list[NDArray[np.uint8]]) -> None:
    pictures = [np.zeros_like(nodding[0])] * 30 + nodding
    frames = [Frame(picture, 40 * number) for number, picture in enumerate(pictures)]
    followed = list(clip.FollowedClip(frames, networks, FaceDetector(), None, "camera 0"))
    assert followed[0].new_source
    assert followed[0].time_ms == 0
    assert [frame.time_ms for frame in followed[:3]] == [0, 40, 80]
    assert all(frame.face for frame in followed)


def test_loopback_does_not_wait_for_ever(
    driver: Callable[[Fault], type[Driver]], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver("black")
    monkeypatch.setattr(clip, "CAMERA_PATIENCE_MS", 300)
    with pytest.raises(NoFaceError, match="camera 0: no face for"):
        run(LoopbackOptions("0", max_frames=10, rivals=False, landmarks=False))


def test_camera_that_never_delivers_is_refused(
    driver: Callable[[Fault], type[Driver]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = driver("hangs")
    monkeypatch.setattr(made, "read", lambda self: self.released.wait(60) or (False, None))
    with (
        Camera(0) as video,
        pytest.raises(InputError, match=r"camera 0: delivers no pictures \(does not answer any more\)"),
    ):
        next(iter(video))
