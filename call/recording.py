"""Recording a call with the other side's consent: the agreement between the two sides, and the file.

`held_call` makes one `Recording` per call. It takes pictures and sound as they are played and writes an .mp4 that is marked
as synthesised in its metadata and in every picture.
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

from facewire.call.badge import camera_badge, stamp
from facewire.codec.pixels import Layer
from facewire.errors import InputError
from facewire.receiver.sinks import RecordedFile
from facewire.receiver.sound import Samples

MAX_OWN_VOICE = 48_000 // 5
"""Samples of the local voice that may wait for sound from the other side: clock drift is cut at 0.2 s."""

Here = Literal["off", "asking", "on", "refused", "unable"]
There = Literal["off", "asking", "on"]


class Recording:
    """The recordings that either side makes of one call.

    tell: sends a step to the other side (see `messages.Recording`). problem: called from any thread, with the reason, when the
    file cannot be written. `show` and `hear` are called from the playout's threads, everything else in the event loop.
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
        """The face shown is not the other person's own; the next file says so."""
        self._tell, self._problem = tell, problem
        self.here: Here = "off"
        self.there: There = "off"
        self.file: Path | None = None
        """The file being written, or the last one."""
        self._began_s = 0.0
        self._lock = threading.Lock()
        self._sink: RecordedFile | None = None
        self._own_voice = np.zeros(0, np.int16)

    @property
    def seconds(self) -> float:
        """Duration of the running recording; 0 if there is none."""
        return time.monotonic() - self._began_s if self.here == "on" else 0.0

    # --- the agreement

    def record(self, on: bool) -> None:
        """Asks the other side for consent, or stops recording."""
        if on and self.here in ("off", "refused", "unable"):
            self.here = "asking"
            self._tell("ask")
        elif not on and self.here in ("asking", "on"):
            self._end("off")
            self._tell("off")

    def consent(self, allow: bool) -> None:
        """Answers the other side's request; may be called again to withdraw consent."""
        if self.there != "off":
            self._tell("yes" if allow else "no")
            if not allow:
                self.there = "off"

    def step(self, step: str) -> None:
        """Handles a step from the other side."""
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
            case "unable" if self.here == "asking":
                self._end("unable")
            case "on":
                self.there = "on"
            case "off":
                self.there = "off"
            case _:
                pass  # the answer to a request that was withdrawn

    def greeted(self, same: bool) -> None:
        """A new connection, to the same program or another one: earlier messages may be lost, or went to somebody else."""
        self.there = "off"
        if self.here == "on" and not same:
            self._end("off")
        if self.here in ("asking", "on"):
            self._tell("ask" if self.here == "asking" else "on")

    def close(self) -> None:
        """Finishes the file, if one is open."""
        self._end("off")

    # --- the file

    def show(self, picture: NDArray[np.uint8], at_s: float, layer: Layer = "motion") -> None:
        """Records a picture, uint8 RGB (S, S, 3), when it is shown. layer: what it is, which its badge says."""
        with self._lock:
            if self._sink is not None:
                try:
                    self._sink.show_camera(picture, at_s) if layer == "camera" else self._sink.show(
                        stamp(picture), at_s
                    )
                except InputError as error:
                    sink, self._sink = self._sink, None
                    with contextlib.suppress(InputError):  # the same error again
                        sink.close()
                    self._problem(str(error))

    def hear(self, samples: Samples, at_s: float) -> None:
        """Records the other side's sound, int16 (N,) at 48 kHz, when it is played, mixed with the local voice."""
        with self._lock:
            if self._sink is not None:
                own, self._own_voice = self._own_voice[: samples.size], self._own_voice[samples.size :]
                both = samples.astype(np.int32)
                both[: own.size] += own
                self._sink.hear(np.clip(both, -32768, 32767).astype(np.int16), at_s)

    def say(self, samples: Samples) -> None:
        """Takes the local voice, int16 (N,) at 48 kHz, when it is captured."""
        with self._lock:
            if self._sink is not None:
                self._own_voice = np.concatenate([self._own_voice, samples])[-MAX_OWN_VOICE:]

    def failed(self) -> None:
        """Stops because the file could not be written, and tells the other side."""
        self._end("off")
        self._tell("off")

    def _begin(self) -> None:
        now = datetime.now()
        room = re.sub(r"[^\w-]", "_", self._room)[:40]
        path = self._folder / f"facewire-{room}-{now:%Y-%m-%d-%H%M%S}.mp4"
        try:
            sink = RecordedFile(path, portrait=self.portrait, camera_badge=camera_badge)
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
        if self.file is not None and not self.file.exists():  # no picture came, or the disk is full
            self.file = None
