"""A live sender sends the camera's own picture where motion cannot show what is there, and only if the other side can draw it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facewire.codec.pixels import decode_pixels
from facewire.models.runtime import Networks
from facewire.sender.framing import Framing
from facewire.sender.live import LiveSender, LiveSenderOptions, widest
from facewire.sender.picture_choice import ALONE_MS, Choice, PictureMode

from .cameras import Camera

WALL = np.full((256, 256, 3), 127, np.uint8)


class Made:
    """A sender, and what it sends."""

    def __init__(self, networks: Networks, picture: PictureMode = "auto") -> None:
        self.pixels: list[list[bytes]] = []
        self.layers: list[tuple[Choice, int]] = []
        self.motion, self.now_ms = 0, 0
        self.sender = LiveSender(
            networks,
            Camera(),
            LiveSenderOptions(picture=picture),
            lambda source: None,
            self._packet,
            lambda state: None,
            on_pixels=self.pixels.append,
            on_layer=lambda shown, from_ms: self.layers.append((shown, from_ms)),
        )
        self.sender.set_pixels(20, other_draws=True)

    def _packet(self, packet: bytes, capture_ms: int) -> None:
        self.motion += 1

    def see(self, picture: np.ndarray, seconds: float) -> None:
        for _ in range(round(25 * seconds)):
            self.sender.take(picture, self.now_ms)
            self.now_ms += 40


def test_the_camera_is_shown_while_nobody_is_there(networks: Networks, nodding: list[np.ndarray]) -> None:
    made = Made(networks)
    made.see(nodding[0], 1)
    assert not made.pixels
    assert not made.layers
    left_ms = made.now_ms
    made.see(WALL, 2)
    (shown, from_ms) = made.layers[0]
    assert shown == Choice("camera", "no-face")
    assert from_ms - left_ms <= 300
    first = decode_pixels(made.pixels[0][0])
    assert (first.reference, first.capture_ms) == (0, from_ms)
    assert all(decode_pixels(packets[0]).reference == 1 for packets in made.pixels[1:])
    assert made.sender.state == "sending"
    sent, packets = made.motion, len(made.pixels)
    made.see(nodding[0], ALONE_MS / 1000 + 0.4)
    assert made.layers[1][0] == Choice()
    assert made.motion > sent, "motion is there before it is shown"
    after = len(made.pixels)
    made.see(nodding[0], 1)
    assert packets < after == len(made.pixels)
    assert made.sender.stats().switches == 2
    assert made.sender.stats().pixels.pictures == len(made.pixels)


def test_two_people_are_shown_by_the_camera(networks: Networks, nodding: list[np.ndarray]) -> None:
    made = Made(networks)
    alone = np.full((256, 512, 3), 127, np.uint8)
    alone[:, :256] = nodding[0]
    both = alone.copy()
    both[48:208, 300:460] = cv2.resize(nodding[0], (160, 160))
    made.see(alone, 1)
    made.see(both, 1)
    assert made.layers[0][0] == Choice("camera", "two-faces")


@pytest.mark.parametrize(
    ("kbps", "draws", "why"), [(None, True, "path"), (5.0, True, "path"), (20.0, False, "other-side")]
)
def test_motion_goes_on_where_video_cannot(
    networks: Networks, nodding: list[np.ndarray], kbps: float | None, draws: bool, why: str
) -> None:
    made = Made(networks)
    made.sender.set_pixels(kbps, other_draws=draws)
    made.see(nodding[0], 1)
    made.see(WALL, 1)
    assert made.pixels == []
    assert [(shown.layer, shown.why) for shown, _ in made.layers] == [("motion", why)]
    assert made.sender.state == "no-face"


def test_it_can_be_held_either_way(networks: Networks, nodding: list[np.ndarray]) -> None:
    made = Made(networks, "motion")
    made.see(nodding[0], 0.4)
    made.see(WALL, 1)
    assert made.pixels == []
    made.sender.show("camera")
    made.see(nodding[0], 0.4)
    assert made.sender.shown == Choice("camera", "asked")
    assert made.pixels
    made.sender.show("auto")
    made.see(nodding[0], 0.2)
    assert made.sender.shown == Choice()


def test_somebody_who_appears_as_a_portrait_is_not_shown_unasked(networks: Networks, nodding: list[np.ndarray]) -> None:
    made = Made(networks)
    made.see(nodding[0], 0.4)
    made.sender.appear_as(np.ascontiguousarray(nodding[0][:, ::-1]))
    made.see(nodding[0], 0.4)
    made.see(WALL, 2)
    assert made.pixels == []


def test_a_camera_that_is_off_shows_nothing(networks: Networks, nodding: list[np.ndarray]) -> None:
    made = Made(networks, "camera")
    made.sender.pause(True)
    made.see(nodding[0], 1)
    assert made.pixels == []


def test_a_loss_brings_a_key_picture(networks: Networks) -> None:
    made = Made(networks, "camera")
    made.see(WALL, 2)
    heard = decode_pixels(made.pixels[-1][0]).number
    made.sender._clock.now_ms = lambda: made.now_ms  # type: ignore[method-assign]
    made.sender.pixels_lost(heard)
    before = len(made.pixels)
    made.see(WALL, 1)
    assert decode_pixels(made.pixels[before][0]).reference == 0


@pytest.mark.parametrize(
    ("framing", "wide"),
    [
        (None, Framing(80, 0, 480)),
        (Framing(0, 100, 200), Framing(0, 0, 480)),
        (Framing(500, 100, 100), Framing(160, 0, 480)),
        (Framing(300, 200, 100), Framing(110, 0, 480)),
    ],
)
def test_the_widest_square_is_around_the_face(framing: Framing | None, wide: Framing) -> None:
    assert widest(np.zeros((480, 640, 3), np.uint8), framing) == wide
