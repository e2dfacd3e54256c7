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

from facewire.call.ends import Ends, Uplink
from facewire.call.listener import Listener
from facewire.call.options import SessionOptions
from facewire.call.session import Session
from facewire.call.states import Ending
from facewire.models.bundle import Bundle
from facewire.models.runtime import Networks
from facewire.receiver.playout import Playout, PlayoutOptions
from facewire.receiver.sinks import NoVideo, PacedSound
from facewire.samples import sample_clip
from facewire.sender.live import LiveSender, LiveSenderOptions
from facewire.sender.sound import RATE_HZ, SoundOptions, SoundSender

from .relay import Line, MeetingPoint, Relay

SHOWN_FPS = 8.0
"""Pictures drawn per second in tests: enough to see what is concealed, and little work for busy machines."""

PATIENCE_S = 60.0
"""Busy machines are slow, not wrong."""


class Notices(Listener):
    """Keeps what sessions say."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def notice(self, text: str) -> None:
        self.texts.append(text)


class Call:
    """Two sessions, a and b, and what is between them."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self.relay = Relay()
        self.point = MeetingPoint(self.relay)
        self.listener = Notices()
        self.tasks: list[asyncio.Task[Ending]] = []
        self.a: Session
        self.b: Session

    def session(
        self, line: Line, ends: Ends | None, options: SessionOptions | None = None, bundle: Bundle | None = None
    ) -> Session:
        return Session(line, bundle or self.networks.bundle, ends or Ends(), options, self.listener)

    def start(
        self,
        a: Ends | None = None,
        b: Ends | None = None,
        *,
        a_options: SessionOptions | None = None,
        b_bundle: Bundle | None = None,
    ) -> None:
        """Both sides meet. a, b: what each of them sends and plays; a side without ends only talks."""
        self.a = self.session(self.point.a, a, a_options)
        self.b = self.session(self.point.b, b, bundle=b_bundle)
        self.tasks = [asyncio.create_task(session.run()) for session in (self.a, self.b)]

    async def until(self, condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        """Waits until something is true; fails if that takes too long, or if a session fails meanwhile."""
        async with asyncio.timeout(seconds):
            while not condition():
                for task in self.tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        if self.tasks:
            self.a.end()
            self.b.end()
        await asyncio.gather(*self.tasks)
        self.relay.close()


@pytest_asyncio.fixture
async def call(networks: Networks) -> AsyncIterator[Call]:
    made = Call(networks)
    yield made
    with contextlib.suppress(Exception):
        await made.stop()


def make_ends(
    networks: Networks,
    *,
    video: bool | Path = False,
    sound: Path | None = None,
    loop: bool = True,
    shows: bool = False,
    shown_fps: float | None = SHOWN_FPS,
    sources: int = 1,
) -> Ends:
    """What one side does. video: sends a clip; True for the bundled one. sound: sends that file. loop: both again and again.
    shows: decodes and draws what it gets, shown to nobody. sources: source frames in use at a time.
    """
    uplink = Uplink()
    live = voice = playout = None
    if video:
        path = sample_clip() if video is True else video
        live = LiveSender(
            networks,
            str(path),
            LiveSenderOptions(loop=loop, sources=sources, wait=True),
            uplink.source,
            uplink.motion,
            uplink.camera_state,
            clock=uplink.clock,
        )
    if sound is not None:
        voice = SoundSender(str(sound), SoundOptions(loop=loop), uplink.sound, clock=uplink.clock)
    if shows:
        playout = Playout(networks, NoVideo(), PacedSound(), PlayoutOptions(fps=shown_fps))
    return Ends(live, voice, playout, uplink)


def playout_of(session: Session) -> Playout:
    playout = session.ends.playout
    assert playout is not None
    return playout


def write_voice(path: Path, *, pauses: bool = True) -> Path:
    """Twelve seconds that sound somewhat like a voice: harmonics with syllables, and pauses unless nobody stops talking."""
    t = np.arange(12 * RATE_HZ) / RATE_HZ
    pitch = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.7 * t)) / RATE_HZ
    tone = np.sum([np.sin(h * pitch) / h for h in range(1, 20)], axis=0)
    syllables = np.sin(2 * np.pi * 3 * t)
    loud = np.clip(syllables + 0.9, 0.1, 1)
    if pauses:
        loud = np.where(syllables > -0.4, np.clip(np.sin(2 * np.pi * 0.25 * t) + 0.9, 0, 1), 0.0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((4000 * tone * loud).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voice(tmp_path_factory.mktemp("voice") / "voice.wav")
