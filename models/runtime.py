"""The networks at run time, without torch: pictures to motion, and motion to pictures.

`Networks` takes a `Bundle` and uint8 RGB pictures (S, S, 3). It reads a `codec.Motion` from them for the sender, and synthesises
pictures for the receiver. The torch twin is `models.face_codec`; both agree to within rounding (tests/models).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewire.codec.motion import Motion
from facewire.models import backends
from facewire.models.backend_types import Arrays, Run
from facewire.models.bundle import Bundle, load_bundle

Picture = NDArray[np.uint8]
Array = NDArray[np.float32]


LEAN_RENDER_S = 0.022
"""If one thread renders a picture in this time, there is room for 30 a second and for the rest of a call. More threads would finish
sooner, but use more processor time in total."""


@dataclass(frozen=True)
class Appearance:
    """What F made of a source frame, for the render graph. Opaque to everything else, and never changed: a GPU keeps a copy."""

    arrays: dict[str, Array]


@dataclass(frozen=True)
class Drawing:
    """A picture to be synthesised: the head and scene of the source frame, moved from `source` to `driving`.

    canonical: shape code (C,) as received, the same array each time for one source.
    """

    appearance: Appearance
    canonical: Array
    source: Motion
    driving: Motion

    def feeds(self) -> Arrays:
        """The inputs of the render graph, a batch of one."""
        return self.appearance.arrays | {
            "shape": np.asarray(self.canonical, np.float32)[None],
            "source_motion": self.source.head()[None],
            "driving_motion": self.driving.head()[None],
            "scene": np.asarray(self.driving.scene - self.source.scene, np.float32)[None],
        }


class Networks:
    """L, H and Δ (`read`), F (`appearance`), and M and G (`render`) of one bundle. Graphs are loaded when first used.

    threads: CPU threads of each graph; None lets the backend choose. backend: one of `backends.BACKENDS`.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None, backend: str = "auto") -> None:
        self.bundle = bundle
        self.backend = backends.backend(backend, threads)
        self._graphs: dict[str, Run] = {}

    def load(self, *graphs: str) -> None:
        """Load "sender", "appearance" or "render" ahead of use (up to a second); raises WeightsError for broken files."""
        for graph in graphs:
            if graph not in self._graphs:
                self._graphs[graph] = self.backend.load(self.bundle.folder, graph)

    def _run(self, graph: str, batch: Sequence[Arrays]) -> list[Arrays]:
        self.load(graph)
        return self._graphs[graph](batch)

    def read(self, picture: Picture) -> tuple[Motion, Array]:
        """Motion of the head in a framed picture, with the scene at rest, and its canonical shape code (C,)."""
        size = self.bundle.picture_size
        if picture.shape != (size, size, 3) or picture.dtype != np.uint8:
            raise ValueError(f"picture is {picture.dtype} {picture.shape}; the networks take uint8 ({size}, {size}, 3)")
        (out,) = self._run("sender", [{"picture": picture[None]}])
        return Motion.from_head(np.asarray(out["motion"][0], np.float32)), np.asarray(out["shape"][0], np.float32)

    def motion(self, picture: Picture) -> Motion:
        """H and Δ on one framed picture."""
        return self.read(picture)[0]

    def canonical(self, picture: Picture) -> Array:
        """L on one framed picture: shape code (C,)."""
        return self.read(picture)[1]

    def appearance(self, picture: Picture) -> Appearance:
        """F on a source frame, needed once for each source."""
        (out,) = self._run("appearance", [{"picture": np.ascontiguousarray(picture)[None]}])
        return Appearance({name: np.asarray(value, np.float32) for name, value in out.items()})

    def render(self, appearance: Appearance, canonical: Array, source: Motion, driving: Motion) -> Picture:
        """M and G on one `Drawing`, uint8 (S, S, 3)."""
        return self.render_many([Drawing(appearance, canonical, source, driving)])[0]

    def render_many(self, drawings: Sequence[Drawing]) -> list[Picture]:
        """Several pictures of any number of calls, in one run if the backend takes batches."""
        made = self._run("render", [drawing.feeds() for drawing in drawings])
        return [np.asarray(one["frame"][0], np.uint8) for one in made]


def load_networks(weights: Path | None = None, *, threads: int | None = None, backend: str = "auto") -> Networks:
    """The networks of a weight bundle's folder; None is for the weights that ship with facewire.

    threads, backend: see `Networks`. Raises WeightsError for a bundle that is missing, damaged or of another version, and
    InputError for a backend that is not installed.
    """
    return Networks(load_bundle(weights), threads, backend)


def networks_for_drawing(bundle: Bundle, threads: int | None, backend: str = "auto") -> Networks:
    """Networks for the receiving end of a call: with one thread if that is fast enough, else with as many as the backend takes.

    threads: use this number instead. backend: see `Networks`.
    """
    if threads is not None:
        return Networks(bundle, threads, backend)
    lean = Networks(bundle, 1, backend)
    size, shape = bundle.picture_size, np.zeros(bundle.canonical_size, np.float32)
    appearance = lean.appearance(np.zeros((size, size, 3), np.uint8))
    still = Motion.from_head(np.zeros(6 + bundle.expression_size, np.float32))
    seconds = []
    for _ in range(4):  # the first is the slowest
        began = time.thread_time()  # the one thread is this one, and other load must not count
        lean.render(appearance, shape, still, still)
        seconds.append(time.thread_time() - began)
    return lean if min(seconds) <= LEAN_RENDER_S else Networks(bundle, None, backend)
