"""Networks shared by several calls: pictures that are wanted at the same time are rendered in one run.

Any number of receivers, each on its own thread, ask for pictures and get them. This is for a host that serves many calls with
one GPU; with a backend that takes no batches, threads that each render for themselves are as good.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from facewire.codec.motion import Motion
from facewire.models.backend_types import MAX_BATCH
from facewire.models.bundle import Bundle
from facewire.models.runtime import Appearance, Array, Drawing, Networks, Picture

OVERLAP = 2
"""Concurrent runs on a GPU, so that the transfers of one overlap with the kernels of the other."""


@dataclass(eq=False)
class _Job:
    drawing: Drawing
    picture: Picture | None = None
    error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.picture is not None or self.error is not None


class SharedNetworks(Networks):
    """`Networks` whose `render` may be called by many threads. The first idle thread renders the whole batch."""

    def __init__(self, bundle: Bundle, threads: int | None = None, backend: str = "torch") -> None:
        super().__init__(bundle, threads, backend)
        self.load("sender", "appearance", "render")
        self._turn = threading.Condition()
        self._waiting: list[_Job] = []
        self._free = OVERLAP if self.backend.device == "CUDA" else 1
        self.runs = 0
        """Runs so far."""

    def render(self, appearance: Appearance, canonical: Array, source: Motion, driving: Motion) -> Picture:
        """M and G on one `Drawing`, uint8 (S, S, 3), together with all that are waiting."""
        mine = _Job(Drawing(appearance, canonical, source, driving))
        with self._turn:
            self._waiting.append(mine)
        while True:
            with self._turn:
                self._turn.wait_for(lambda: mine.done or (self._free > 0 and mine in self._waiting))
                if mine.error is not None:
                    raise mine.error
                if mine.picture is not None:
                    return mine.picture
                jobs, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                self._free -= 1
            self._draw(jobs)

    def _draw(self, jobs: list[_Job]) -> None:
        pictures: list[Picture] = []
        error: BaseException | None = None
        try:
            pictures = self.render_many([job.drawing for job in jobs])
        except BaseException as problem:
            error = problem
        with self._turn:
            self._free += 1
            self.runs += 1
            for number, job in enumerate(jobs):
                if error is None:
                    job.picture = pictures[number]
                else:
                    job.error = error
            self._turn.notify_all()
