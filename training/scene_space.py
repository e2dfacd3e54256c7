"""The basis of the scene code, from how scenes move in the training clips.

From the flow outside the head between pairs of frames comes a `sender.scene_motion.SceneSpace`: its principal components, as smooth
fields over the whole picture, the most important first. It is the same for all sizes of the model.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from facewire.codec.motion import SCENE_SIZE, Motion
from facewire.sender.scene_motion import BASIS_SIZE, CELLS, SceneSpace, scene_flow, view
from facewire.training.batches import PairSampler, Rows
from facewire.training.data import FrameStore

PAIRS = 3000
"""Most pairs that are measured; there are no more than frames."""
CONTROL = 6
"""Side of the grid of control points with which a field is first fitted."""
SMOOTH = 2.0
"""Weight of the differences between neighbouring control points, relative to the flow of a cell."""


def fit_scene_space(store: FrameStore, seed: int = 0) -> SceneSpace:
    """Principal components of the scene's flow over random pairs of frames."""
    control, smooth = _control_points(), SMOOTH * _differences()
    sampler = PairSampler(store, seed, far=0.3)
    fields = []
    for _ in track(range(min(PAIRS, len(store.pictures))), description="measuring scenes", transient=True):
        a, b = sampler.draw(Rows(1))[0]
        views = [view(np.asarray(store.pictures[i]), Motion.from_head(store.motion[i])) for i in (a, b)]
        flow, trust = scene_flow(*views)
        weighted = (control * trust[:, None]).T
        gram = weighted @ control + smooth + 0.01 * np.eye(CONTROL**2)
        points = np.linalg.solve(gram, weighted @ flow.T)
        planes = (control @ points).T.reshape(2, CELLS, CELLS)
        small = [cv2.resize(plane, (BASIS_SIZE, BASIS_SIZE), interpolation=cv2.INTER_AREA) for plane in planes]
        fields.append(np.stack(small).reshape(-1))
    return components(np.asarray(fields, np.float64))


def components(fields: NDArray[np.float64]) -> SceneSpace:
    """Principal components of fields (N, 2·16·16), each with a root mean square of 1.

    The mean is not subtracted, so that the code is zero at rest.
    """
    limit = np.quantile(np.abs(fields).max(1), 0.99)  # so that a cut or a lost track makes no component
    kept = fields[np.abs(fields).max(1) <= limit]
    values, vectors = np.linalg.eigh(kept.T @ kept / len(kept))
    order = np.argsort(values)[::-1][:SCENE_SIZE]
    scale = np.sqrt(fields.shape[1] / 2)
    basis = (vectors[:, order].T * scale).reshape(-1, 2, BASIS_SIZE, BASIS_SIZE)
    spread = np.sqrt(values[order]) / scale
    return SceneSpace(basis.astype(np.float32), spread.astype(np.float32))


def _control_points() -> NDArray[np.float64]:
    """What each control point contributes to each cell, (1024, 36)."""
    unit = np.eye(CONTROL**2).reshape(-1, CONTROL, CONTROL)
    return np.stack([cv2.resize(one, (CELLS, CELLS), interpolation=cv2.INTER_CUBIC).reshape(-1) for one in unit], 1)


def _differences() -> NDArray[np.float64]:
    """The quadratic form of all differences between neighbouring control points, (36, 36)."""
    form = np.zeros((CONTROL**2, CONTROL**2))
    at = np.arange(CONTROL**2).reshape(CONTROL, CONTROL)
    for a, b in [*zip(at[:, :-1].flat, at[:, 1:].flat, strict=True), *zip(at[:-1].flat, at[1:].flat, strict=True)]:
        form[[a, b], [a, b]] += 1
        form[[a, b], [b, a]] -= 1
    return form
