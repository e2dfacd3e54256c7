"""Whole calls in which the face cannot be synthesised: the camera's own picture takes over, and gives back."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from rich.console import Console

from facewire.call import conversation
from facewire.call.ends import Ends, Uplink
from facewire.call.messages import Hello
from facewire.call.stats import CallStats
from facewire.models.runtime import Networks
from facewire.receiver.playout import Playout, PlayoutOptions
from facewire.receiver.sinks import PacedSound, VideoSink
from facewire.sender.live import LiveSender, LiveSenderOptions
from facewire.sender.media import Frame, VideoSource
from facewire.sender.picture_choice import PictureMode

from .conftest import SHOWN_FPS, Call, make_ends, playout_of
from .covered import Picture, empty_chair, talking


class Stage(VideoSource):
    """A camera in front of the talking head of the bundled clip; `act` puts something in its way."""

    name, fps, live, duration_s = "stage", 12.5, True, None
    remarks: list[str] = []  # noqa: RUF012

    def __init__(self) -> None:
        self.act: Callable[[Picture], Picture] = lambda picture: picture
        self._over = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        number = 0
        while not self._over.wait(0.08):
            yield Frame(self.act(talking()[number % 60]), 80 * number)
            number += 1

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def stop(self) -> None:
        self._over.set()

    def looks(self, per_second: float, seconds: float) -> Iterator[Frame]:
        return iter(())


class Screen(VideoSink):
    """Keeps the last picture, and how many of each kind there were."""

    def __init__(self) -> None:
        self.picture = np.zeros((256, 256, 3), np.uint8)
        self.synthesised = self.camera = 0

    def show(self, picture: np.ndarray, at_s: float) -> bool:
        self.picture, self.synthesised = picture, self.synthesised + 1
        return True

    def show_camera(self, picture: np.ndarray, at_s: float) -> bool:
        self.picture, self.camera = picture, self.camera + 1
        return True

    def close(self) -> None: ...


def stage_ends(networks: Networks, stage: Stage, picture: PictureMode = "auto") -> Ends:
    uplink = Uplink()
    live = LiveSender(
        networks,
        stage,
        LiveSenderOptions(picture=picture),
        uplink.source,
        uplink.motion,
        uplink.camera_state,
        on_pixels=uplink.pixels,
        on_layer=uplink.layer,
        clock=uplink.clock,
    )
    return Ends(live, None, None, uplink)


def screen_ends(networks: Networks, screen: Screen) -> Ends:
    return Ends(None, None, Playout(networks, screen, PacedSound(), PlayoutOptions(fps=SHOWN_FPS)), Uplink())


@pytest.mark.slow
async def test_an_empty_chair_is_shown_by_the_camera_and_motion_comes_back(call: Call, networks: Networks) -> None:
    stage, screen = Stage(), Screen()
    call.start(a=stage_ends(networks, stage), b=screen_ends(networks, screen))
    live, playout = call.a.ends.live, playout_of(call.b)
    assert live is not None
    await call.until(lambda: playout.stats().frames > 10)
    assert playout.stats().layer == "motion"
    stage.act = lambda picture: empty_chair(picture, 1.0)
    await call.until(lambda: playout.stats().camera_shown > 5)
    assert live.stats().why == "no-face"
    assert live.state == "sending"
    room = empty_chair(talking()[0], 1.0)
    assert abs(float(screen.picture.mean()) - float(room.mean())) < 25
    stage.act = lambda picture: picture
    await call.until(lambda: playout.stats().layer == "motion")
    drawn = screen.synthesised
    await call.until(lambda: screen.synthesised > drawn + 5)
    assert live.stats().switches == 2
    assert screen.camera == playout.stats().camera_shown
    assert call.b.stats.refused.total() == 0


async def test_a_side_that_cannot_draw_it_gets_motion_alone(
    call: Call, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(**values: object) -> Hello:
        return Hello(**(values | {"draws": ""}))  # type: ignore[arg-type]

    monkeypatch.setattr(conversation, "Hello", without)
    call.start(a=stage_ends(networks, Stage(), "camera"), b=make_ends(networks, shows=True))
    live, playout = call.a.ends.live, playout_of(call.b)
    assert live is not None
    await call.until(lambda: playout.stats().frames > 5)
    await call.until(lambda: live.shown.why == "other-side")
    assert live.stats().pixels.pictures == 0
    assert playout.stats().camera_shown == 0


async def test_the_camera_is_shown_on_request_and_counted(call: Call, networks: Networks) -> None:
    call.start(a=stage_ends(networks, Stage()), b=make_ends(networks, shows=True))
    playout = playout_of(call.b)
    await call.until(lambda: playout.stats().frames > 5)
    call.a.show("camera")
    await call.until(lambda: playout.stats().camera_shown > 3)
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(CallStats(call.a).table())
    assert "the camera's picture, as you asked" in console.export_text()
    values = CallStats(call.a).values()
    assert values["sent"]["wire_bytes_by_kind"]["pixels"] > 500
    assert (values["sender"]["layer"], values["sender"]["why"]) == ("camera", "asked")
    assert CallStats(call.b).values()["playout"]["layer"] == "camera"
    frames = playout.stats().frames
    await call.until(lambda: playout.stats().frames > frames + 5)  # motion runs on
    call.a.show("motion")
    await call.until(lambda: playout.stats().layer == "motion")
