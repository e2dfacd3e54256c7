"""Which square of a picture the networks see: the one that training clips were cut to.

Takes boxes from `face_detector` and pictures from `media`, and returns a `Framing`, which cuts 256-pixel squares for `encoder`.
A clip's square is fixed, since any motion of it would look like a motion of the head. Only with a live camera does it follow,
slowly, once the face has left a dead zone (`FollowingFraming`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire.errors import NoFaceError
from facewire.sender.face_detector import Face, FaceDetector
from facewire.sender.media import Frame, VideoSource

FACE_SHARE = 0.51
"""Face-mesh height (forehead to chin) over the side of the square in training clips, median of 539."""
MESH_PER_BOX = 1.03
"""Face-mesh height over the height of the detector's box, median of 136 pictures of the data set at 11 sizes, deviation 0.04."""
FACE_CENTRE_Y = 0.455
"""Where the centre of all boxes, hair included, lies in the square, from the top."""
HAIR = 0.15
"""Room for hair above a box, in box heights."""
ROOM_X, ROOM_Y = 1.3, 1.45
"""The square is at least this many times as wide and high as the area that the face covers while it moves."""
LOOKS_PER_S = 5
LOOK_S = 12.0
"""How many seconds of a clip are looked at for where the face goes, from where it first appears."""
TURNED_LOOKS = 5
"""So many faces are also looked at turned: a video may lie on its side or be upside down."""
TURNED = 1.05
"""A face that looks so many times more like an upright one when it is turned is not upright."""

FRAMED_SHARE = (0.40, 0.75)
FRAMED_X, FRAMED_Y = (0.42, 0.60), (0.37, 0.63)
"""A square picture is taken whole if its face lies within these (1st to 99th percentile of the training clips)."""


@dataclass(frozen=True)
class Framing:
    """A square in pixels of the picture: left, top, side. Where it reaches beyond the picture, the edge is repeated."""

    x: int
    y: int
    side: int

    def cut(self, picture: NDArray[np.uint8], size: int = 256) -> NDArray[np.uint8]:
        """Cuts the square from a picture, uint8 RGB (H, W, 3), and scales it to uint8 RGB (size, size, 3)."""
        height, width = picture.shape[:2]
        x0, y0, x1, y1 = self.x, self.y, self.x + self.side, self.y + self.side
        square = picture[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
        over = max(0, -y0), max(0, y1 - height), max(0, -x0), max(0, x1 - width)
        if any(over):
            square = np.asarray(cv2.copyMakeBorder(square, *over, cv2.BORDER_REPLICATE), np.uint8)
        if self.side == size:
            return np.ascontiguousarray(square)
        how = cv2.INTER_AREA if self.side > size else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(square, (size, size), interpolation=how), np.uint8)


@dataclass(frozen=True)
class FramingReport:
    """A framing and what was seen while choosing it."""

    framing: Framing
    looked: int
    """Pictures searched."""
    with_face: int
    """Pictures among them with a face."""
    most_faces: int
    """The most faces in one picture. Of several, the largest is followed."""
    whole_picture: bool
    """The picture was already framed and is taken as it is."""
    first_ms: int = 0
    """When the first of them with a face was shown."""
    brightness: float = 0.0
    """Of the face in most of them, 0 to 255."""

    def remarks(self) -> list[str]:
        """What the user should know about the framing, one line each."""
        lines = []
        if self.most_faces > 1:
            lines.append(f"up to {self.most_faces} faces in one picture: the largest is used")
        if self.with_face < self.looked:
            lines.append(f"only {self.with_face} of the {self.looked} pictures searched show a face")
        return lines


def frame_video(video: VideoSource, detector: FaceDetector) -> FramingReport:
    """Chooses the framing for a video from five pictures per second of the twelve seconds after a face first appears.

    Raises NoFaceError if none does to the end, or if it is upside down or on its side.
    """

    def remedy(degrees: int) -> str:
        degrees = (video.rotate + degrees) % 360
        return f"turn the video with --rotate {degrees}" if degrees else f"leave out --rotate {video.rotate}"

    return _frame(video.looks(LOOKS_PER_S, inf), detector, video.name, remedy)


def frame_picture(picture: NDArray[np.uint8], detector: FaceDetector, name: str = "the picture") -> FramingReport:
    """Chooses the framing for a still portrait, uint8 RGB (H, W, 3). Raises NoFaceError if it shows no face that is upright."""
    return _frame(
        [Frame(picture, 0)], detector, name, lambda degrees: f"turn the picture clockwise by {degrees} degrees first"
    )


def _frame(frames: Iterable[Frame], detector: FaceDetector, name: str, remedy: Callable[[int], str]) -> FramingReport:
    """remedy: says what to do with a face that is upright once it has been turned clockwise by so many degrees."""
    boxes: list[Face] = []
    levels: list[float] = []
    looked, most, size, first_ms = 0, 0, (0, 0), 0
    faceless, turned = 0, np.zeros(4)
    for frame in frames:
        if boxes and frame.time_ms > first_ms + 1000 * LOOK_S:
            break
        faces = detector.detect(frame.picture)
        looked, most, size = looked + 1, max(most, len(faces)), (frame.picture.shape[1], frame.picture.shape[0])
        if faces:
            first_ms = first_ms if boxes else frame.time_ms
            boxes.append(_same_face(faces, boxes[-1]) if boxes else faces[0])
            levels.append(brightness(frame.picture, boxes[-1]))
            if len(boxes) <= TURNED_LOOKS:
                turned += detector.quarter_scores(frame.picture, boxes[-1])
        else:
            faceless += 1
            if faceless & (faceless - 1) == 0:  # the 1st, 2nd, 4th and so on: such a face may appear late
                turned += _turned_face(frame.picture, detector)
    quarters = int(turned.argmax())
    if turned[quarters] > TURNED * turned[0]:
        how = "upside down" if quarters == 2 else "on its side"
        raise NoFaceError(f"{name}: the face is {how}; {remedy(90 * quarters)}")
    if not boxes:
        where = "" if looked == 1 else f" in the {looked} frames searched, to the end"
        raise NoFaceError(f"{name}: no face found{where}; one face is needed, seen roughly from the front")
    whole = already_framed(boxes, *size)
    framing = _centre_square(*size) if whole else choose_square(boxes, *size)
    return FramingReport(framing, looked, len(boxes), most, whole, first_ms, float(np.median(levels)))


def _turned_face(picture: NDArray[np.uint8], detector: FaceDetector) -> NDArray[np.float64]:
    """`quarter_scores` of a face that is only found when the picture is turned; zeros if there is none."""
    scores = np.zeros(4)
    for quarters in (2, 1, 3):
        turned = np.ascontiguousarray(np.rot90(picture, -quarters))
        for face in detector.detect(turned)[:1]:
            scores = np.maximum(scores, np.roll(detector.quarter_scores(turned, face), quarters))
    return scores


def brightness(picture: NDArray[np.uint8], face: Face) -> float:
    """Mean brightness of a face in a picture, uint8 RGB (H, W, 3): 0 to 255."""
    x, y = max(0, round(face.x)), max(0, round(face.y))
    box = picture[y : max(y + 1, round(face.y + face.height)), x : max(x + 1, round(face.x + face.width))]
    return float(box.mean()) if box.size else 0.0


def choose_square(boxes: Sequence[Face], width: int, height: int) -> Framing:
    """Chooses the square for boxes seen over time in pictures of that size, by the rule that cut the training clips.

    boxes: in pixels of the picture. The square stays inside the picture.
    """
    x0, x1, y0, y1, face = _extent(boxes)
    wanted = max(face / FACE_SHARE, (x1 - x0) * ROOM_X, (y1 - y0) * ROOM_Y)
    side = max(2, int(min(wanted, min(width, height))) // 2 * 2)
    x = (x0 + x1) / 2 - side / 2
    y = (y0 + y1) / 2 - FACE_CENTRE_Y * side
    return Framing(_inside(x, side, width), _inside(y, side, height), side)


def already_framed(boxes: Sequence[Face], width: int, height: int) -> bool:
    """Whether pictures of that size are square and have the face where training clips have it."""
    if max(width, height) > 1.03 * min(width, height):
        return False
    share = np.median([f.height for f in boxes]) * MESH_PER_BOX / height
    x = np.median([f.x + f.width / 2 for f in boxes]) / width
    y = np.median([f.y + f.height / 2 for f in boxes]) / height
    inside = [
        low <= v <= high for v, (low, high) in zip((share, x, y), (FRAMED_SHARE, FRAMED_X, FRAMED_Y), strict=True)
    ]
    return all(inside)


class FollowingFraming:
    """The square for a live camera: stays still until the face leaves a dead zone, then follows slowly.

    first: where to begin. width, height: of the pictures, pixels.
    """

    DEAD_ZONE = 0.10
    """How far the square may be off the face's centre, in sides."""
    DEAD_SCALE = 0.25
    """How much the face may grow or shrink, as the logarithm of a factor."""
    PACE = 0.08
    """Share of the way to the ideal square that one update covers."""

    def __init__(self, first: Framing, width: int, height: int) -> None:
        self._x, self._y, self._side = float(first.x), float(first.y), float(first.side)
        self._size = width, height
        self._moving = False
        self._face: Face | None = None

    @property
    def framing(self) -> Framing:
        """The square to cut now."""
        return Framing(round(self._x), round(self._y), round(self._side))

    def update(self, faces: Sequence[Face]) -> Framing:
        """Takes the faces just found, largest first, and returns the square for the next pictures."""
        if not faces:
            return self.framing
        self._face = _same_face(faces, self._face) if self._face is not None else faces[0]
        wanted = choose_square([self._face], *self._size)
        drift = max(
            abs(wanted.x + wanted.side / 2 - self._x - self._side / 2),
            abs(wanted.y + wanted.side / 2 - self._y - self._side / 2),
        )
        scale = abs(np.log(wanted.side / self._side))
        if drift > self.DEAD_ZONE * self._side or scale > self.DEAD_SCALE:
            self._moving = True
        elif drift < 0.02 * self._side and scale < 0.05:
            self._moving = False
        if self._moving:
            self._side += self.PACE * (wanted.side - self._side)
            self._x += self.PACE * (wanted.x - self._x)
            self._y += self.PACE * (wanted.y - self._y)
        return self.framing


def _same_face(faces: Sequence[Face], last: Face) -> Face:
    """The face followed so far, if it is still there and not much smaller than the largest; otherwise the largest."""

    def distance(face: Face) -> float:
        return float(np.hypot(face.x + face.width / 2 - last.x - last.width / 2, face.y - last.y))

    nearest = min(faces, key=distance)
    return nearest if distance(nearest) < last.width and nearest.area > 0.5 * faces[0].area else faces[0]


def _extent(boxes: Sequence[Face]) -> tuple[float, float, float, float, float]:
    """Left, right, top (with hair) and bottom of the area that the boxes cover, without outliers, and the face-mesh height."""
    rows = np.array([(f.x, f.y, f.width, f.height) for f in boxes], float)
    x, y, w, h = rows.T
    return (
        float(np.percentile(x, 2)),
        float(np.percentile(x + w, 98)),
        float(np.percentile(y - HAIR * h, 2)),
        float(np.percentile(y + h, 98)),
        float(np.median(h)) * MESH_PER_BOX,
    )


def _inside(start: float, side: int, size: int) -> int:
    return round(min(max(start, 0), size - side))


def _centre_square(width: int, height: int) -> Framing:
    side = min(width, height)
    return Framing((width - side) // 2, (height - side) // 2, side)
