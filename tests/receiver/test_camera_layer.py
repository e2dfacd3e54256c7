"""The playout shows the camera's picture from its capture time on, and motion again from the time that the sender names."""

from __future__ import annotations

import numpy as np
import pytest

from facewire.codec.pixels import cut_picture
from facewire.errors import DecodeError
from facewire.models.runtime import Networks
from facewire.receiver.playout import MAX_CAMERA_PICTURES, Playout
from facewire.receiver.sinks import VideoSink
from facewire.sender.pixels import PixelEncoder

RED, BLUE = (np.full((256, 256, 3), colour, np.uint8) for colour in ((200, 30, 30), (30, 30, 200)))


class Screen(VideoSink):
    """Keeps the last picture and what it is."""

    def __init__(self) -> None:
        self.picture: np.ndarray | None = None
        self.kinds: list[str] = []

    def show(self, picture: np.ndarray, at_s: float) -> bool:
        self.picture = picture
        self.kinds.append("motion")
        return True

    def show_camera(self, picture: np.ndarray, at_s: float) -> bool:
        self.picture = picture
        self.kinds.append("camera")
        return True

    def close(self) -> None: ...


class Side:
    """A playout on a simulated clock, and a sender's encoder."""

    def __init__(self, networks: Networks) -> None:
        self.now_s, self.screen = 0.0, Screen()
        self.playout = Playout(networks, self.screen, None, clock=lambda: self.now_s)
        self.encoder = PixelEncoder(150)

    def send(self, picture: np.ndarray, capture_ms: int, *, at_once: bool = False) -> None:
        for packet in self.encoder.encode(picture, capture_ms, at_once=at_once):
            self.playout.pixels(packet, self.now_s)

    def show(self, now_s: float) -> str:
        """What is on the screen then."""
        self.now_s = now_s
        self.playout.show(now_s)
        return self.screen.kinds[-1] if self.screen.kinds else ""


def is_red(picture: np.ndarray | None) -> bool:
    assert picture is not None
    return float(picture[..., 0].mean()) > float(picture[..., 2].mean())


def start_clock(side: Side) -> None:
    """Sound sets it: what was captured at t is due at t + .12 s."""
    side.playout._clock.packet_arrived("sound", 0.0, 0.0)


@pytest.fixture
def side(networks: Networks) -> Side:
    return Side(networks)


def test_before_anything_else_came_the_newest_camera_picture_is_shown(side: Side) -> None:
    assert side.show(0.0) == ""
    side.send(RED, 100)
    assert side.show(0.1) == "camera"
    assert is_red(side.screen.picture)
    side.send(BLUE, 300)
    assert side.show(0.2) == "camera"
    assert not is_red(side.screen.picture)
    assert side.playout.stats().camera_shown == 2
    assert side.playout.stats().layer == "camera"


def test_camera_pictures_are_shown_when_they_are_due(side: Side) -> None:
    start_clock(side)
    side.send(RED, 100)
    side.send(BLUE, 400)
    assert side.show(0.1) == ""  # captured at .1 s, due at .22 s
    assert side.show(0.3) == "camera"
    assert is_red(side.screen.picture)
    side.show(0.6)
    assert not is_red(side.screen.picture)


def test_what_has_no_lips_is_shown_at_once(side: Side) -> None:
    start_clock(side)
    side.send(RED, 100, at_once=True)
    assert side.show(0.1) == "camera"
    side.send(BLUE, 300)
    side.show(0.31)
    assert is_red(side.screen.picture)
    side.show(0.5)
    assert not is_red(side.screen.picture)


def test_motion_is_shown_again_from_the_time_that_the_sender_names(side: Side) -> None:
    start_clock(side)
    side.send(RED, 0)
    side.playout.layer("motion", 400)
    assert side.show(0.3) == "camera"
    shown = len(side.screen.kinds)
    side.show(0.6)
    assert len(side.screen.kinds) == shown, "no motion came, so nothing is shown"
    side.send(BLUE, 300)  # late, and over
    side.show(0.7)
    assert len(side.screen.kinds) == shown
    side.send(BLUE, 600)
    side.playout.layer("camera", 600)
    assert side.show(0.8) == "camera"
    assert not is_red(side.screen.picture)


def test_a_new_sender_starts_with_nothing(side: Side) -> None:
    side.send(RED, 0)
    assert side.show(0.1) == "camera"
    side.playout.restart()
    side.show(0.2)
    assert side.screen.kinds == ["camera"]
    assert side.playout.pixel_report(1.0) is None


def test_what_cannot_be_decoded_is_counted_and_reported(side: Side) -> None:
    for number in range(3):
        for packet in cut_picture(b"nonsense" * 9, number, number and 1, 40 * number):
            side.playout.pixels(packet, 0.0)
    side.show(0.1)
    report = side.playout.pixel_report(1.0)
    assert report is not None
    assert report.heard == 2
    assert side.playout.stats().camera_lost >= 1
    assert side.screen.kinds == []
    with pytest.raises(DecodeError):
        side.playout.pixels(b"\x00" * 40, 0.0)


def test_camera_pictures_do_not_pile_up(side: Side) -> None:
    start_clock(side)
    for number in range(60):
        side.send(RED if number % 2 else BLUE, 10_000 + 40 * number)
        side.show(0.01 * number)
    assert len(side.playout._camera) <= MAX_CAMERA_PICTURES
