"""Faces are found, and squares are cut as in the training clips."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.errors import NoFaceError
from facewire.sender.face_detector import Face, FaceDetector
from facewire.sender.framing import (
    FACE_SHARE,
    MESH_PER_BOX,
    FollowingFraming,
    Framing,
    already_framed,
    choose_square,
    frame_picture,
    frame_video,
)
from facewire.sender.media import VideoFile

DATA = Path(__file__).parents[3] / "shared" / "data"


def on_canvas(picture: np.ndarray, side: int, width: int, height: int, x: int, y: int) -> np.ndarray:
    """The picture at that size, somewhere in a larger, blurred one."""
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.copyMakeBorder(small, y, height - y - side, x, width - x - side, cv2.BORDER_REPLICATE)


@pytest.mark.parametrize(
    ("side", "width", "height", "x", "y"),
    [(144, 176, 144, 20, 0), (200, 640, 480, 400, 100), (300, 1920, 1080, 1500, 500), (900, 3840, 2160, 200, 1100)],
)
def test_face_is_found_at_any_size(
    detector: FaceDetector, astronaut: np.ndarray, side: int, width: int, height: int, x: int, y: int
) -> None:
    (whole,) = detector.detect(astronaut)
    (face,) = detector.detect(on_canvas(astronaut, side, width, height, x, y))
    scale = side / 512
    assert face.height == pytest.approx(whole.height * scale, rel=0.15)
    assert face.x + face.width / 2 == pytest.approx(x + scale * (whole.x + whole.width / 2), abs=0.15 * face.height)


def test_no_face_in_noise_or_nothing(detector: FaceDetector) -> None:
    random = np.random.default_rng(0)
    for height, width in ((144, 176), (256, 256), (480, 640)):
        assert detector.detect(random.integers(0, 256, (height, width, 3), dtype=np.uint8)) == []
        assert detector.detect(np.full((height, width, 3), 127, np.uint8)) == []


def test_picture_without_a_face_raises(detector: FaceDetector) -> None:
    with pytest.raises(NoFaceError, match=r"^wall.png: no face found"):
        frame_picture(np.full((200, 300, 3), 127, np.uint8), detector, "wall.png")


def test_largest_of_several_faces_is_used(detector: FaceDetector, astronaut: np.ndarray) -> None:
    both = np.hstack([astronaut, on_canvas(astronaut, 300, 512, 512, 100, 100)])
    report = frame_picture(both, detector)
    assert report.most_faces == 2
    assert report.framing.x + report.framing.side < 512
    assert "2 faces" in report.remarks()[0]


def test_framed_clip_is_used_whole(detector: FaceDetector, astronaut: np.ndarray) -> None:
    first = frame_picture(astronaut, detector).framing
    again = frame_picture(first.cut(astronaut), detector)
    assert again.whole_picture
    assert again.framing == Framing(0, 0, 256)


def test_face_has_its_share_of_the_square(detector: FaceDetector, carphone: Path) -> None:
    with VideoFile(carphone) as video:
        report = frame_video(video, detector)
        picture = next(iter(VideoFile(carphone))).picture
    (face,) = detector.detect(report.framing.cut(picture))
    assert 0.4 < face.height * MESH_PER_BOX / 256 < 0.65


boxes = st.builds(
    Face,
    x=st.floats(-50, 1900),
    y=st.floats(-50, 1000),
    width=st.floats(24, 900),
    height=st.floats(24, 900),
    score=st.just(0.9),
)


@given(st.lists(boxes, min_size=1, max_size=5), st.integers(64, 2000), st.integers(64, 1100))
def test_square_lies_inside_the_picture(faces: list[Face], width: int, height: int) -> None:
    square = choose_square(faces, width, height)
    assert 0 <= square.x <= width - square.side
    assert 0 <= square.y <= height - square.side
    assert square.side >= 2


@given(st.integers(-40, 90), st.integers(-40, 90), st.integers(8, 130))
def test_cut_always_fills_the_square(x: int, y: int, side: int) -> None:
    picture = np.arange(100 * 100 * 3, dtype=np.uint32).astype(np.uint8).reshape(100, 100, 3)
    if x + side <= 0 or y + side <= 0:
        return
    assert Framing(x, y, side).cut(picture, 64).shape == (64, 64, 3)


def test_still_face_has_the_usual_share_of_the_square() -> None:
    square = choose_square([Face(900, 400, 200, 200, 0.9)], 1920, 1080)
    assert 200 * MESH_PER_BOX / square.side == pytest.approx(FACE_SHARE, abs=0.01)
    assert not already_framed([Face(900, 400, 200, 200, 0.9)], 1920, 1080)


def test_square_stays_still_in_the_dead_zone_and_otherwise_reaches_the_face() -> None:
    start = Face(900, 400, 200, 200, 0.9)
    following = FollowingFraming(choose_square([start], 1920, 1080), 1920, 1080)
    first = following.framing
    assert following.update([Face(915, 400, 200, 200, 0.9)]) == first
    assert following.update([]) == first
    far = Face(1300, 400, 200, 200, 0.9)
    step = following.update([far])
    assert 0 < step.x - first.x < 60
    for _ in range(80):
        following.update([far])
    assert abs(following.framing.x - choose_square([far], 1920, 1080).x) < 0.03 * first.side


def test_square_keeps_to_its_face_when_a_larger_one_appears() -> None:
    mine, bystander = Face(900, 400, 200, 200, 0.9), Face(200, 300, 240, 240, 0.9)
    following = FollowingFraming(choose_square([mine], 1920, 1080), 1920, 1080)
    first = following.update([mine])
    assert following.update([bystander, mine]) == first


@pytest.mark.skipif(not (DATA / "clips256" / "val").is_dir(), reason="needs ../shared/data")
@pytest.mark.slow
def test_training_clips_are_already_framed(detector: FaceDetector) -> None:
    sys.path.insert(0, str(DATA))
    whole = []
    for path in sorted((DATA / "clips256" / "val").glob("*.mp4"))[::3]:
        with VideoFile(path) as video:
            whole.append(frame_video(video, detector).whole_picture)
    assert np.mean(whole) > 0.9
