"""Where a call's pictures and sound go: a window, a file, another program, a virtual camera, a speaker, or nowhere.

Comes in: pictures with the time of their showing, and sound that a sink asks for at its own pace. Goes out: what a
person sees and hears. `playout` feeds them; `open_video_sink` and `open_sound_sink` choose one by its name.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facewire.receiver.sound import RATE_HZ, Samples

BLOCK_S = 0.02
"""Sound is asked for in pieces of this length where no sound card sets the pace."""

Pull = Callable[[int, float], Samples]
"""How a sound sink asks: so many samples, to be heard from that time on; int16 (count,) at 48 kHz mono."""


class VideoSink(Protocol):
    """Takes pictures."""

    def show(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        """Shows a picture, uint8 RGB (S, S, 3), at that time or at once. Returns False once no more are wanted: the
        window was closed, the reader has left. Raises InputError if it cannot.
        """
        ...

    def close(self) -> None:
        """Ends it; what is written is whole then. May be called twice."""
        ...


class SoundSink(Protocol):
    """Asks for sound at its own pace, from a thread of its own."""

    def start(self, pull: Pull) -> None: ...

    def stop(self) -> None:
        """Asks no more once this returns. May be called twice."""
        ...


class NoVideo(VideoSink):
    """Pictures are drawn and shown to nobody."""

    def show(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        return True

    def close(self) -> None:
        """Nothing is open."""


class PacedSound(SoundSink):
    """Asks for sound as a sound card would, by a clock, and hands it on.

    play: takes each block and the time from which it is to be heard. clock: seconds.
    """

    def __init__(
        self, play: Callable[[Samples, float], None] | None = None, clock: Callable[[], float] = time.monotonic
    ):
        self._play = play
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, pull: Pull) -> None:
        self._thread = threading.Thread(target=self._run, args=(pull,), name="facewire-sound-out", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, pull: Pull) -> None:
        started, blocks, count = self._clock(), 0, round(BLOCK_S * RATE_HZ)
        while not self._stop.is_set():
            at_s = started + blocks * BLOCK_S
            samples = pull(count, at_s)
            if self._play is not None:
                self._play(samples, at_s)
            blocks += 1
            self._stop.wait(max(0.0, started + blocks * BLOCK_S - self._clock()))
