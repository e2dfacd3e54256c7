"""Networks that several calls draw with at once: pictures wanted in the same moment are drawn in one run.

Comes in: what any number of receivers, each on a thread of its own, want drawn. Goes out: their pictures. For a host that serves
many calls on one GPU; with a backend that takes no batches, threads that each draw for themselves are as good.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from facewire.codec.motion import Motion
from facewire.models.backend_types import MAX_BATCH
from facewire.models.bundle import Bundle
from facewire.models.runtime import Appearance, Array, Drawing, Networks, Picture

OVERLAP = 2
"""Runs at a time on a GPU: one's transfers go on while the other's kernels run."""


@dataclass(eq=False)
class _Job:
    drawing: Drawing
    picture: Picture | None = None
    error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.picture is not None or self.error is not None


class SharedNetworks(Networks):
    """`Networks` whose `render` may be called by many threads. Who comes while nobody draws, draws for all who wait."""

    def __init__(self, bundle: Bundle, threads: int | None = None, backend: str = "torch") -> None:
        super().__init__(bundle, threads, backend)
        self.load("sender", "appearance", "render")
        self._turn = threading.Condition()
        self._waiting: list[_Job] = []
        self._free = OVERLAP if self.backend.device == "CUDA" else 1
        self.runs = 0
        """So far."""

    def render(self, appearance: Appearance, canonical: Array, source: Motion, driving: Motion) -> Picture:
        """M and G on one `Drawing`, uint8 (S, S, 3), with whatever else is wanted now."""
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
