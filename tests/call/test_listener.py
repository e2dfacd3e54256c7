"""What a session and its ends tell each other, and what a listener hears."""

from __future__ import annotations

import asyncio

import pytest

from facewire.call.ends import Ends, Uplink, UplinkTarget
from facewire.call.listener import Listener
from facewire.call.session import Session
from facewire.models.runtime import Networks
from facewire.sender.live import SenderState, SourceMessage
from facewire.sender.picture_choice import Choice

from .conftest import Call, make_ends


class Target(UplinkTarget):
    """Records what it is given."""

    def __init__(self) -> None:
        self.taken: list[object] = []

    def take_source(self, source: SourceMessage) -> None:
        self.taken.append(source)

    def take_motion(self, packet: bytes) -> None:
        self.taken.append(packet)

    def take_sound(self, packet: bytes) -> None:
        self.taken.append(packet)

    def take_camera_state(self, state: SenderState) -> None:
        self.taken.append(state)

    def take_pixels(self, packets: list[bytes]) -> None:
        self.taken.append(packets)

    def take_layer(self, shown: Choice, from_ms: int) -> None:
        self.taken.append(shown)

    def playout_ended(self, reason: str) -> None:
        self.taken.append(reason)


class Steps(Listener):
    """Records greetings and what the other side says about recordings."""

    def __init__(self) -> None:
        self.greetings: list[bool] = []
        self.steps: list[str] = []

    def greeted(self, same: bool) -> None:
        self.greetings.append(same)

    def recording(self, step: str) -> None:
        self.steps.append(step)


async def test_uplink_delivers_from_any_thread_once_attached() -> None:
    uplink, target = Uplink(), Target()
    uplink.motion(b"in the lobby", 0)
    uplink.attach(target)
    await asyncio.to_thread(uplink.motion, b"motion", 1)
    await asyncio.to_thread(uplink.sound, b"sound", 2)
    uplink.camera_state("sending")
    uplink.playout_ended("closed")
    await asyncio.sleep(0.01)
    assert target.taken == [b"motion", b"sound", "sending", "closed"]


async def test_ends_belong_to_one_session() -> None:
    uplink = Uplink()
    uplink.attach(Target())
    with pytest.raises(RuntimeError, match="another session"):
        uplink.attach(Target())


async def test_recording_is_refused_unless_a_listener_allows_it(call: Call, networks: Networks) -> None:
    asking = Steps()
    call.a = Session(call.point.a, networks.bundle, Ends(), listener=asking)
    call.b = call.session(call.point.b, make_ends(networks, shows=True))
    call.tasks = [asyncio.create_task(session.run()) for session in (call.a, call.b)]
    await call.until(lambda: call.a.state == call.b.state == "connected")
    call.a.tell_recording("ask")
    await call.until(lambda: asking.steps)
    assert asking.steps == ["unable"]
    assert asking.greetings == [False]
    assert any("asked to record" in text for text in call.listener.texts)
