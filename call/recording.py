"""Recording a call, with the other side's consent: the agreement between the two, and the file.

Comes in: the wish of the person here, what the other side says about it (`messages.Recording`), and pictures and sound as they
are played. Goes out: steps for the other side, and an .mp4 marked as synthesised in its metadata and in each picture.
`page_call` holds one for each call.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facewire.call.badge import stamp
from facewire.errors import InputError
from facewire.receiver.sinks import RecordedFile
from facewire.receiver.sound import Samples

MAX_OWN_VOICE = 48_000 // 5
"""Samples of the voice here that wait for sound from there: what the two clocks drift apart is cut at 0.2 s."""

Here = Literal["off", "asking", "on", "refused"]
There = Literal["off", "asking", "on"]


class Recording:
    """One call's recordings, of both sides.

    tell: sends a step to the other side. problem: told, from any thread, why a file could not be written. `show` and `hear` are
    called by the player's threads, the rest in the event loop.
    """

    def __init__(
        self,
        folder: Path,
        room: str,
        tell: Callable[[str], None],
        problem: Callable[[str], None],
    ) -> None:
        self._folder, self._room = folder, room
        self.portrait = False
        """The face shown is not the other person's: the next file says so."""
        self._tell, self._problem = tell, problem
        self.here: Here = "off"
        self.there: There = "off"
        self.file: Path | None = None
        """Written last, or being written."""
        self._began_s = 0.0
        self._lock = threading.Lock()
        self._sink: RecordedFile | None = None
        self._own_voice = np.zeros(0, np.int16)

    @property
    def seconds(self) -> float:
        """Since recording began; 0 while it does not run."""
        return time.monotonic() - self._began_s if self.here == "on" else 0.0

    # --- the agreement

    def record(self, on: bool) -> None:
        """The person here wants to record, or to end it."""
        if on and self.here in ("off", "refused"):
            self.here = "asking"
            self._tell("ask")
        elif not on and self.here in ("asking", "on"):
            self._end("off")
            self._tell("off")

    def consent(self, allow: bool) -> None:
        """The person here agrees to the other side's wish, or does not, or no longer."""
        if self.there != "off":
            self._tell("yes" if allow else "no")
            if not allow:
                self.there = "off"

    def step(self, step: str) -> None:
        """The other side said something about recordings."""
        match step:
            case "ask":
                self.there = "asking"
            case "yes" if self.here == "asking":
                self._begin()
            case "no" if self.here in ("asking", "on"):
                was_on = self.here == "on"
                self._end("refused")
                if was_on:
                    self._tell("off")
            case "on":
                self.there = "on"
            case "off":
                self.there = "off"
            case _:
                pass  # an answer to a question that is no longer asked

    def greeted(self, same: bool) -> None:
        """A new connection, to the same program or another one: what was said before may have been lost or was to somebody else."""
        self.there = "off"
        if self.here == "on" and not same:
            self._end("off")
        if self.here in ("asking", "on"):
            self._tell("ask" if self.here == "asking" else "on")

    def close(self) -> None:
        """Ends the file, if one is open."""
        self._end("off")

    # --- the file

    def show(self, picture: NDArray[np.uint8], at_s: float) -> None:
        """Takes a picture, uint8 RGB (S, S, 3), as it is shown."""
        with self._lock:
            if self._sink is not None:
                try:
                    self._sink.show(stamp(picture), at_s)
                except InputError as error:
                    sink, self._sink = self._sink, None
                    with contextlib.suppress(InputError):  # the same once more
                        sink.close()
                    self._problem(str(error))

    def hear(self, samples: Samples, at_s: float) -> None:
        """Takes the other side's sound, int16 (N,) at 48 kHz, as it is played; what was said here goes with it."""
        with self._lock:
            if self._sink is not None:
                own, self._own_voice = self._own_voice[: samples.size], self._own_voice[samples.size :]
                both = samples.astype(np.int32)
                both[: own.size] += own
                self._sink.hear(np.clip(both, -32768, 32767).astype(np.int16), at_s)

    def say(self, samples: Samples) -> None:
        """Takes what is said here, int16 (N,) at 48 kHz, as it comes."""
        with self._lock:
            if self._sink is not None:
                self._own_voice = np.concatenate([self._own_voice, samples])[-MAX_OWN_VOICE:]

    def failed(self) -> None:
        """The file could not be written: it is over, and the other side is told."""
        self._end("off")
        self._tell("off")

    def _begin(self) -> None:
        now = datetime.now()
        room = re.sub(r"[^\w-]", "_", self._room)[:40]
        path = self._folder / f"facewire-{room}-{now:%Y-%m-%d-%H%M%S}.mp4"
        try:
            sink = RecordedFile(path, portrait=self.portrait)
        except InputError as error:
            self.here = "off"
            self._tell("off")
            self._problem(str(error))
            return
        with self._lock:
            self._sink, self._own_voice = sink, np.zeros(0, np.int16)
        self.here, self.file, self._began_s = "on", path, time.monotonic()
        self._tell("on")

    def _end(self, here: Here) -> None:
        self.here = here
        with self._lock:
            sink, self._sink = self._sink, None
        if sink is not None:
            try:
                sink.close()
            except InputError as error:
                self._problem(str(error))
        if self.file is not None and not self.file.exists():  # not a single picture came, or the disk is full
            self.file = None
