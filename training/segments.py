"""Finding where a raw video shows one face, and the square to which a training clip is cut there.

`scan` looks through a video file and returns its `Segment`s for `training.clips`, and what was left out and why. Squares are
chosen by `facewire.sender.framing`, so that networks are trained on what a sender shows them. The clips of the packaged
weights were chosen with the constants below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewire.sender.cuts import ALIKE, Thumb, cut_limit
from facewire.sender.face_detector import Face, FaceDetector
from facewire.sender.framing import LOOKS_PER_S, MESH_PER_BOX, Framing, already_framed, choose_square
from facewire.sender.media import VideoFile

MIN_CLIP_S, MAX_CLIP_S = 1.5, 15.0
MIN_FPS, MAX_FPS = 10.0, 30.5
"""Slower videos are left out; faster ones are thinned by an integer factor."""
MIN_SHARE, MAX_SHARE = 0.38, 0.78
"""Face-mesh height over the side of the square."""
MAX_EXTENT = 0.94
"""Largest share of the square's width that the face may cover as it moves."""
HALVED_S = 4.0
"""A longer segment whose head moves too far for one square is halved and tried again."""
BYSTANDER = 0.5
"""Faces below this share of the largest one's height are ignored."""
CROWD = 0.2
"""A video with several faces in more than this share of its looks is left out, since it is unclear who is seen in the rest."""
JUMP, GROWTH = 0.55, 1.4
"""A face that moves by this many times its size, or grows by this factor, between two looks is another one."""
SAME_RATE = 0.01
"""The file's frame rate is used if it is this close to the one by its frames' timestamps."""


@dataclass(frozen=True)
class Segment:
    """Frames start to stop - 1 of a video, and the square to cut from them."""

    start: int
    stop: int
    framing: Framing
    whole_picture: bool
    """Whether the video is framed already and used as it is."""


@dataclass(frozen=True)
class Dropped:
    """A stretch of a video that is not used."""

    start_s: float
    end_s: float
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Scan:
    """What a video holds."""

    fps: float
    """Frames a second, by the timestamps of the frames."""
    frames: int
    segments: tuple[Segment, ...]
    dropped: tuple[Dropped, ...]

    @property
    def step(self) -> int:
        """Every step-th frame is used, for at most 30 a second."""
        return max(1, math.ceil(self.fps / MAX_FPS))


@dataclass(frozen=True)
class _Look:
    frame: int
    faces: list[Face]
    histogram: NDArray[np.float32]


@dataclass(frozen=True)
class _Film:
    """Scenes and faces of a video. change, alike: of each frame against the one before; 0 and 1 for the first."""

    looks: list[_Look]
    change: NDArray[np.float32]
    alike: NDArray[np.float32]
    fps: float
    width: int
    height: int

    @property
    def frames(self) -> int:
        return len(self.change)

    def seconds(self, frame: int) -> float:
        return frame / self.fps


def scan(path: Path, detector: FaceDetector, min_side: int, tick: Callable[[], None]) -> Scan:
    """Look through a video. min_side: smallest side of the square, pixels. tick: called at every frame, may raise to stop.

    Raises InputError if the video cannot be read.
    """
    film = _watch(path, detector, tick)

    def nothing(reason: str, detail: str = "") -> Scan:
        return Scan(film.fps, film.frames, (), (Dropped(0.0, film.seconds(film.frames), reason, detail),))

    if film.seconds(film.frames) < MIN_CLIP_S:
        return nothing("too short")
    if film.fps < MIN_FPS:
        return nothing("too few frames a second", f"{film.fps:.1f}")
    if min(film.width, film.height) < min_side:
        return nothing("too little resolution", f"{film.width}x{film.height}")
    verdicts = [_verdict(look.faces, film.height, min_side) for look in film.looks]
    with_face = [v for v in verdicts if v != "no face"]
    if not with_face:
        return nothing("no face")
    if sum(v == "several faces" for v in with_face) > CROWD * len(with_face):
        return nothing("several faces")
    segments: list[Segment] = []
    dropped = list(_left_out(film, verdicts))
    for run in _runs(film, verdicts):
        seconds = film.seconds(run[1]) - film.seconds(run[0])
        if seconds < MIN_CLIP_S:
            dropped.append(Dropped(film.seconds(run[0]), film.seconds(run[1]), "too short"))
            continue
        edges = np.linspace(run[0], run[1], math.ceil(seconds / MAX_CLIP_S) + 1).astype(int).tolist()
        for start, stop in pairwise(edges):
            for found in _framed(film, start, stop, min_side):
                (segments if isinstance(found, Segment) else dropped).append(found)  # type: ignore[arg-type]
    return Scan(film.fps, film.frames, tuple(segments), tuple(sorted(dropped, key=lambda d: d.start_s)))


def _watch(path: Path, detector: FaceDetector, tick: Callable[[], None]) -> _Film:
    looks: list[_Look] = []
    changes, likeness = [0.0], [1.0]
    before: Thumb | None = None
    next_ms, last_ms, shape = 0.0, 0, (0, 0)
    with VideoFile(path) as video:
        for number, frame in enumerate(video):
            tick()
            shape, last_ms = frame.picture.shape[:2], frame.time_ms
            thumb = Thumb.of(frame.picture)
            if before is not None:
                changes.append(thumb.change(before))
                likeness.append(thumb.likeness(before))
            before = thumb
            if frame.time_ms >= next_ms:
                next_ms = frame.time_ms + 1000 / LOOKS_PER_S - 1
                looks.append(_Look(number, detector.detect(frame.picture), thumb.histogram))
        fps = 1000 * number / last_ms if last_ms else video.fps
        if abs(fps / video.fps - 1) < SAME_RATE:  # timestamps are whole milliseconds
            fps = video.fps
    return _Film(looks, np.array(changes, np.float32), np.array(likeness, np.float32), fps, shape[1], shape[0])


def _verdict(faces: Sequence[Face], height: int, min_side: int) -> str | None:
    """Why a look cannot be used, or None. faces: largest first."""
    if not faces:
        return "no face"
    if sum(face.height > max(BYSTANDER * faces[0].height, 0.06 * height) for face in faces) > 1:
        return "several faces"
    if faces[0].height * MESH_PER_BOX < MIN_SHARE * min_side:
        return "small face"
    return None


def _left_out(film: _Film, verdicts: Sequence[str | None]) -> Iterator[Dropped]:
    ends = [look.frame for look in film.looks[1:]] + [film.frames]
    for why, group in groupby(range(len(verdicts)), key=lambda i: verdicts[i]):
        looks = list(group)
        if why is not None:
            yield Dropped(film.seconds(film.looks[looks[0]].frame), film.seconds(ends[looks[-1]]), why)


def _runs(film: _Film, verdicts: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """First and past-the-last frame of every run of usable looks at one face in one scene.

    A run reaches from its first to its last look. The frames between a usable and an unusable look are left out.
    """
    cut = (film.change > cut_limit(float(np.median(film.change)))) | (film.alike < ALIKE)
    run: list[_Look] = []
    for look, verdict in zip(film.looks, verdicts, strict=True):
        if run and (verdict is not None or _breaks(run[-1], look, cut)):
            yield run[0].frame, run[-1].frame + 1
            run = []
        if verdict is None:
            run.append(look)
    if run:
        last = film.frames if not cut[run[-1].frame + 1 :].any() else run[-1].frame + 1
        yield run[0].frame, last


def _breaks(a: _Look, b: _Look, cut: NDArray[np.bool_]) -> bool:
    """Whether two usable looks show different scenes or faces."""
    if cut[a.frame + 1 : b.frame + 1].any() or float(np.minimum(a.histogram, b.histogram).sum()) < ALIKE:
        return True
    p, q = a.faces[0], b.faces[0]
    size = max(p.height, q.height)
    moved = math.hypot(p.x + p.width / 2 - q.x - q.width / 2, p.y + p.height / 2 - q.y - q.height / 2)
    return moved > JUMP * size or size > GROWTH * min(p.height, q.height)


def _framed(film: _Film, start: int, stop: int, min_side: int) -> Iterator[Segment | Dropped]:
    """The segment with its square, halved if the head moves too far for one."""
    boxes = [look.faces[0] for look in film.looks if start <= look.frame < stop]
    if already_framed(boxes, film.width, film.height):
        side = min(film.width, film.height)
        yield Segment(start, stop, Framing((film.width - side) // 2, (film.height - side) // 2, side), True)
        return
    framing = choose_square(boxes, film.width, film.height)
    share = float(np.median([box.height for box in boxes])) * MESH_PER_BOX / framing.side
    extent = max(box.x + box.width for box in boxes) - min(box.x for box in boxes)
    seconds = film.seconds(stop - start)
    why = None
    if framing.side < min_side:
        why = "too little resolution"
    elif share < MIN_SHARE:
        why = "moves too far"
    elif share > MAX_SHARE or extent > MAX_EXTENT * framing.side:
        why = "face too close"
    if why is None:
        yield Segment(start, stop, framing, False)
    elif why == "moves too far" and seconds > HALVED_S:
        middle = (start + stop) // 2
        yield from _framed(film, start, middle, min_side)
        yield from _framed(film, middle, stop, min_side)
    else:
        yield Dropped(film.seconds(start), film.seconds(stop), why, f"square of {framing.side}, face {share:.2f} of it")
