"""Where the faces are in a picture: MediaPipe's BlazeFace, converted to ONNX and shipped beside this module.

Takes a picture of any size from `media` and returns boxes in its pixels, largest first, for `framing`. It is the detector that
framed the training clips, so its boxes need no calibration. Two networks share the work: the full-range one finds faces from a
twelfth of the picture up, the short-range one those that nearly fill it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire.models.backend_types import Backend, Run
from facewire.models.backends import cpu_backend

FOLDER = Path(__file__).parent / "blazeface"
MIN_OVERLAP = 0.3
"""Boxes with a larger intersection over union are the same face."""
SUSPECT_SCORE, FACE_SCORE = 0.5, 0.7
"""A box with at least the first score is checked in a close-up; with at least the second there, it is a face."""
CLOSE_UP = 2.2
"""Side of the close-up, in box sides."""
MIN_FACE_PX = 24
"""Smaller boxes are dropped: they are too small to animate, and most are mistakes."""


@dataclass(frozen=True)
class Face:
    """A face's box in pixels of the picture: left, top, width, height. BlazeFace's boxes reach from the chin to the brows and
    leave out the hair.
    """

    x: float
    y: float
    width: float
    height: float
    score: float

    @property
    def area(self) -> float:
        return self.width * self.height


@dataclass(frozen=True)
class _Range:
    """One BlazeFace network: its graph, the side of its square input in pixels, and strides and repeats of its anchors."""

    graph: str
    size: int
    anchors: tuple[tuple[int, int], ...]

    def anchor_centres(self) -> NDArray[np.float32]:
        """float32 (N, 2) x, y in input pixels, in the order of the network's outputs."""
        parts = []
        for stride, repeats in self.anchors:
            cells = (np.arange(self.size // stride) + 0.5) * stride
            grid = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)
            parts.append(np.repeat(grid, repeats, axis=0))
        return np.concatenate(parts).astype(np.float32)


_FULL = _Range("blazeface_full_range", 192, ((4, 1),))
_SHORT = _Range("blazeface_short_range", 128, ((8, 2), (16, 6)))


class FaceDetector:
    """Finds faces in RGB pictures on the CPU, in about 6 ms for a picture with one face."""

    def __init__(self, threads: int = 1, backend: Backend | None = None) -> None:
        """backend: runs the networks; by default `models.backends.cpu_backend` with that many threads. Raises WeightsError if
        none is installed.
        """
        runner = backend if backend is not None else cpu_backend(threads)
        self._networks = [(kind, runner.load(FOLDER, kind.graph), kind.anchor_centres()) for kind in (_FULL, _SHORT)]

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Finds the faces in a picture, uint8 RGB (H, W, 3), largest first.

        Every face is checked in a close-up. That halves the error of small boxes and drops what only looked like a face from
        afar.
        """
        confirmed = [self._closer(picture, face) for face in self._first_look(picture)]
        return _merge([face for face in confirmed if face is not None])

    def quarter_scores(self, picture: NDArray[np.uint8], face: Face) -> NDArray[np.float64]:
        """How much that face looks like an upright one: as it is, and with the picture turned clockwise by 90, 180 and 270 degrees.

        picture: uint8 RGB (H, W, 3), in which the face was found. float64 (4,), 0 to 2, the largest for the right way up; faces on
        their side are found too, with lower scores.
        """
        close, _, _ = _close_up(picture, face)
        turned = [np.ascontiguousarray(np.rot90(close, -quarters)) for quarters in range(4)]
        return np.array([sum(float(_run(view, *network)[1].max()) for network in self._networks) for view in turned])

    def _closer(self, picture: NDArray[np.uint8], face: Face) -> Face | None:
        close, left, top = _close_up(picture, face)
        for network in self._networks:
            for seen in self._look(close, FACE_SCORE, *network):
                again = replace(seen, x=seen.x + left, y=seen.y + top, score=max(seen.score, face.score))
                if _overlap(again, face) > MIN_OVERLAP:
                    return again
        return None

    def _first_look(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces found in the whole picture or, if there are none and it is oblong, in squares cut from it."""
        height, width = picture.shape[:2]
        for kind, run, anchors in self._networks:
            if faces := self._look(picture, SUSPECT_SCORE, kind, run, anchors):
                return faces
        side = min(height, width)
        if max(height, width) < 1.2 * side:
            return []
        kind, run, anchors = self._networks[0]
        found: list[Face] = []
        for x, y in {(0, 0), ((width - side) // 2, (height - side) // 2), (width - side, height - side)}:
            tile = np.ascontiguousarray(picture[y : y + side, x : x + side])
            found += [
                Face(f.x + x, f.y + y, f.width, f.height, f.score)
                for f in self._look(tile, SUSPECT_SCORE, kind, run, anchors)
            ]
        return _merge(found)

    @staticmethod
    def _look(
        picture: NDArray[np.uint8], min_score: float, kind: _Range, run: Run, anchors: NDArray[np.float32]
    ) -> list[Face]:
        boxes, scores = _run(picture, kind, run, anchors)
        faces = [Face(*map(float, (*boxes[i], scores[i]))) for i in np.flatnonzero(scores > min_score)]
        return _merge([face for face in faces if min(face.width, face.height) >= MIN_FACE_PX])


def _run(
    picture: NDArray[np.uint8], kind: _Range, run: Run, anchors: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a network makes of a picture: left, top, width and height in its pixels (N, 4), and scores from 0 to 1 (N,)."""
    height, width = picture.shape[:2]
    scale = kind.size / max(height, width)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    left, top = (kind.size - w) // 2, (kind.size - h) // 2
    canvas = np.zeros((1, kind.size, kind.size, 3), np.float32)
    canvas[0, top : top + h, left : left + w] = cv2.resize(picture, (w, h), interpolation=how) / 127.5 - 1.0
    (out,) = run([{"image": canvas}])
    centres, sides = out["boxes"][0, :, :2] + anchors, out["boxes"][0, :, 2:4]
    corners = (centres - sides / 2 - (left, top)) * (width / w, height / h)
    scores = 1.0 / (1.0 + np.exp(-np.clip(out["scores"][0, :, 0], -80, 80)))
    return np.hstack([corners, sides * (width / w, height / h)]), np.asarray(scores, np.float64)


def _close_up(picture: NDArray[np.uint8], face: Face) -> tuple[NDArray[np.uint8], int, int]:
    """The part of a picture around a face, and where its left and top are."""
    height, width = picture.shape[:2]
    side = CLOSE_UP * max(face.width, face.height)
    x0, y0 = face.x + face.width / 2 - side / 2, face.y + face.height / 2 - side / 2
    left, top = max(0, int(x0)), max(0, int(y0))
    return picture[top : min(height, int(y0 + side)), left : min(width, int(x0 + side))], left, top


def _merge(faces: list[Face]) -> list[Face]:
    """One face for every group of overlapping boxes, their mean weighted by score; largest first."""
    rest, merged = sorted(faces, key=lambda face: -face.score), []
    while rest:
        group = [face for face in rest if _overlap(rest[0], face) > MIN_OVERLAP]
        rest = [face for face in rest if face not in group]
        rows = np.array([(f.x, f.y, f.width, f.height, f.score) for f in group])
        mean = np.average(rows, axis=0, weights=rows[:, 4])
        x, y, width, height = map(float, mean[:4])
        merged.append(Face(x, y, width, height, float(rows[:, 4].max())))
    return sorted(merged, key=lambda face: -face.area)


def _overlap(a: Face, b: Face) -> float:
    w = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    h = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    shared = max(0.0, w) * max(0.0, h)
    return shared / (a.area + b.area - shared)
