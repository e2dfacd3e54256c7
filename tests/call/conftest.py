"""Calls for the tests: two sessions in one event loop, real media, real sockets, and a relay between them."""

from __future__ import annotations

import asyncio
import contextlib
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from facewire.call.session import Ending, Session, SessionOptions
from facewire.models.runtime import Networks
from facewire.receiver.playout import Playout, PlayoutOptions
from facewire.receiver.sinks import NoVideo, PacedSound
from facewire.samples import sample_clip
from facewire.sender.live import LiveSender, LiveSenderOptions
from facewire.sender.sound import RATE_HZ, SoundOptions, SoundSender

from .relay import MeetingPoint, Relay

SHOWN_FPS = 8.0
"""Pictures drawn a second in tests: enough to see what is concealed, and little work for busy machines."""


class Call:
    """Two sessions, a and b, and what is between them."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self.relay = Relay()
        self.point = MeetingPoint(self.relay)
        self.options = SessionOptions()
        self.a = Session(self.point.a, networks.bundle, self.options)
        self.b = Session(self.point.b, networks.bundle, self.options)
        self.notices: list[str] = []
        for session in (self.a, self.b):
            session.notice = self.notices.append
        self.tasks: list[asyncio.Task[Ending]] = []

    def again(self, session: Session, line: object, options: SessionOptions) -> Session:
        """A session in the place of another, as after a new start of its program."""
        fresh = Session(line, session.bundle, options)  # type: ignore[arg-type]
        fresh.notice = self.notices.append
        return fresh

    def start(self) -> None:
        self.tasks = [asyncio.create_task(session.run()) for session in (self.a, self.b)]

    async def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        """Waits for something to become true; fails if it does not, or if a session ends by an error meanwhile."""
        async with asyncio.timeout(seconds):
            while not condition():
                for task in self.tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        for session in (self.a, self.b):
            session.end()
        await asyncio.gather(*self.tasks)
        self.relay.close()


@pytest_asyncio.fixture
async def call(networks: Networks) -> AsyncIterator[Call]:
    made = Call(networks)
    yield made
    with contextlib.suppress(Exception):
        await made.stop()


def with_video(session: Session, networks: Networks, video: Path | None = None) -> None:
    """Gives the session a clip to send, again and again."""
    session.ends.live = LiveSender(
        networks,
        str(video or sample_clip()),
        LiveSenderOptions(loop=True),
        session.source_ready,
        session.motion_ready,
        session.camera_state,
        clock=session.ends.clock,
    )


def with_sound(session: Session, sound: Path) -> None:
    session.ends.sound = SoundSender(str(sound), SoundOptions(loop=True), session.sound_ready, clock=session.ends.clock)


def with_playout(session: Session, networks: Networks, fps: float | None = SHOWN_FPS) -> Playout:
    """Lets the session show and play what it gets, to nobody."""
    playout = session.ends.playout = Playout(networks, NoVideo(), PacedSound(), PlayoutOptions(fps=fps))
    return playout


def write_voice(path: Path, *, pauses: bool = True) -> Path:
    """Twelve seconds that sound somewhat like a voice: harmonics with syllables, and pauses unless nobody stops talking."""
    t = np.arange(12 * RATE_HZ) / RATE_HZ
    pitch = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.7 * t)) / RATE_HZ
    tone = np.sum([np.sin(h * pitch) / h for h in range(1, 20)], axis=0)
    loud = np.clip(np.sin(2 * np.pi * 3 * t) + 0.9, 0.1, 1)
    if pauses:
        loud = (np.sin(2 * np.pi * 3 * t) > -0.4) * np.clip(np.sin(2 * np.pi * 0.25 * t) + 0.9, 0, 1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((4000 * tone * loud).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voice(tmp_path_factory.mktemp("voice") / "voice.wav")
