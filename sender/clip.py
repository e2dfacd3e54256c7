"""A video on its way to an encoder: the square, the source frames, and where there is no face to measure.

`record` and the loopback read a `FollowedClip`. The rules are those of calls (`policy`); but a file can be looked through before,
so its first source frame is the first good moment, not the first picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facewire.errors import InputError, NoFaceError
from facewire.models.runtime import Networks
from facewire.sender.cuts import CutWatch
from facewire.sender.face_detector import Face, FaceDetector
from facewire.sender.face_tracker import FaceTracker
from facewire.sender.framing import LOOK_S, Framing, FramingReport, brightness, frame_video
from facewire.sender.media import Frame, VideoSource
from facewire.sender.policy import PATIENCE_MS, SourceMoment, in_square

WELL_LIT = 0.75
"""In a source frame of a file the face is at least this bright, as a share of its usual brightness there."""
SETTLE_MS = 200
"""How long a shot must last before it gets a source frame, if the shot before was as short."""
CAMERA_PATIENCE_MS = 30_000
"""How long a camera may show no face at first."""


@dataclass(frozen=True)
class Beginning:
    """How a file begins. square: the first source frame's, uint8 RGB (S, S, 3), from frame `number`.

    shot_ms: when the shot began that it is from; what is before shows somebody else, or nobody.
    """

    report: FramingReport
    square: NDArray[np.uint8]
    number: int
    shot_ms: int = 0


@dataclass(frozen=True)
class ClipFrame:
    """A frame to encode. square: uint8 RGB (S, S, 3)."""

    square: NDArray[np.uint8]
    time_ms: int
    """Since the first one."""
    face: bool
    """Whether it shows the face; otherwise the last motion is held."""
    new_source: bool
    """The square becomes the only source frame."""


class BeginningFinder:
    """Finds how files begin. detector, networks: used on the thread that calls."""

    def __init__(self, networks: Networks, detector: FaceDetector) -> None:
        self._networks, self._detector = networks, detector
        self._moment = SourceMoment(networks.bundle)

    def framing(self, video: VideoSource) -> FramingReport:
        """The square for a video, of which this reads the beginning; NoFaceError if no face appears to the end."""
        return frame_video(video, self._detector)

    def first_good(self, video: VideoSource, report: FramingReport) -> Beginning:
        """The first frame of the same video, opened again, that makes a good source frame: a face in the square, lit as usual,
        facing the camera, eyes open. If none does within 12 s of the first face, the one with the eyes furthest open.
        """
        best: tuple[float, Beginning] | None = None
        cuts, shot_ms = CutWatch(), 0
        for number, frame in enumerate(video):
            if cuts.cut(frame.picture):
                shot_ms = frame.time_ms
                if best is not None:  # what follows may be somebody else
                    break
            if frame.time_ms > report.first_ms + 1000 * LOOK_S:
                break
            face = self._face(frame, report.framing)
            if face is None or brightness(frame.picture, face) < WELL_LIT * report.brightness:
                continue
            square = report.framing.cut(frame.picture, self._networks.bundle.picture_size)
            motion, shape = self._networks.read(square)
            eyes = self._moment.eyes(motion, shape)
            if best is None or eyes > best[0]:
                best = eyes, Beginning(report, square, number, shot_ms)
            if self._moment.is_good(motion, shape):
                return Beginning(report, square, number, shot_ms)
        if best is None:
            raise NoFaceError(f"{video.name}: no face stays where it was found")
        return best[1]

    def chosen(self, video: VideoSource, report: FramingReport, number: int) -> Beginning:
        """The frame of that number, if it shows a face: NoFaceError; InputError if there is no such frame."""
        for at, frame in enumerate(video):
            if at == number:
                if self._face(frame, report.framing) is None:
                    raise NoFaceError(
                        f"{video.name}: frame {number} shows no face; without --source-frame the first good one is taken"
                    )
                return Beginning(report, report.framing.cut(frame.picture, self._networks.bundle.picture_size), number)
        raise InputError(f"{video.name}: there is no frame {number}")

    def _face(self, frame: Frame, framing: Framing) -> Face | None:
        """The face in the square."""
        faces = [face for face in self._detector.detect(frame.picture) if in_square([face], framing)]
        return faces[0] if faces else None


class FollowedClip:
    """The frames of a video. Iterate over it once; then `held`, `cuts` and `remarks` say what happened.

    frames: from the beginning. beginning: of a file; None for a camera, whose frames begin with its first source frame and
    which raises NoFaceError if no face appears for 30 s. name: for messages.
    """

    def __init__(
        self,
        frames: Iterable[Frame],
        networks: Networks,
        detector: FaceDetector,
        beginning: Beginning | None,
        name: str,
    ) -> None:
        self._frames, self._networks, self._detector, self._name = frames, networks, detector, name
        self._beginning = beginning
        self._tracker = self._new_tracker(-np.inf)
        self._moment = SourceMoment(networks.bundle)
        self._cuts = None if beginning is None else CutWatch()
        self._wanted_ms: float | None = None
        """Since when a source frame has been wanted."""
        self.frames = 0
        self.held = 0
        """Frames without the face."""
        self.cuts: list[int] = []
        """Numbers of the frames after cuts that became source frames."""

    def __iter__(self) -> Iterator[ClipFrame]:
        last_cut_ms = shot_ms = -np.inf
        waits, origin_ms = self._beginning is None, 0
        for frame in self._frames:
            if self._cuts is not None and self._cuts.cut(frame.picture):
                self._tracker = self._new_tracker(frame.time_ms)
                last_cut_ms, shot_ms = shot_ms, frame.time_ms
                if frame.time_ms > self._starts_ms:
                    self._wanted_ms = frame.time_ms
            framing = self._tracker.locate(frame.picture, frame.time_ms)
            present = framing is not None and self._tracker.present
            if waits:
                if not present and frame.time_ms > CAMERA_PATIENCE_MS:
                    raise NoFaceError(
                        f"{self._name}: no face for {CAMERA_PATIENCE_MS // 1000} s; one is needed, seen roughly from the front"
                    )
                if present and self._wanted_ms is None:
                    self._wanted_ms = frame.time_ms
            square = self._square(framing, frame)
            settled = shot_ms - last_cut_ms > SETTLE_MS or frame.time_ms - shot_ms >= SETTLE_MS
            new = present and settled and self._wanted_ms is not None and self._is_moment(square, frame.time_ms)
            if new:
                origin_ms = frame.time_ms if waits else origin_ms
                self._wanted_ms, waits = None, False
            if waits:
                continue
            face = present and self._wanted_ms is None and frame.time_ms >= self._starts_ms
            if new and self._cuts is not None:
                self.cuts.append(self.frames)
            self.frames += 1
            self.held += not face
            yield ClipFrame(square, frame.time_ms - origin_ms, face, new)

    def remarks(self) -> list[str]:
        """What the user should know, one line each."""
        lines = []
        if self.held:
            lines.append(f"{self.held} of {self.frames} frames do not show the face: the picture is held there")
        if self.cuts:
            where = ", ".join(map(str, self.cuts[:5])) + (", …" if len(self.cuts) > 5 else "")
            after = f"{len(self.cuts)} cuts" if len(self.cuts) > 1 else "a cut"
            lines.append(f"a new source frame after {after}, at frame {where}")
        return lines

    def _new_tracker(self, time_ms: float) -> FaceTracker:
        """For a shot that begins then: the square that was found fits the one of the first source frame."""
        known = self._beginning is not None and time_ms <= self._starts_ms
        return FaceTracker(self._detector, self._beginning.report.framing if known and self._beginning else None)

    @property
    def _starts_ms(self) -> float:
        """From when the first source frame is right."""
        return -np.inf if self._beginning is None else self._beginning.shot_ms

    def _square(self, framing: Framing | None, frame: Frame) -> NDArray[np.uint8]:
        if framing is None:
            if self._beginning is None:
                height, width = frame.picture.shape[:2]
                framing = Framing(0, 0, min(height, width))
            else:
                framing = self._beginning.report.framing
        return framing.cut(frame.picture, self._networks.bundle.picture_size)

    def _is_moment(self, square: NDArray[np.uint8], time_ms: float) -> bool:
        """Whether this is a good moment for the source frame, or none came for a second."""
        assert self._wanted_ms is not None
        return time_ms - self._wanted_ms >= PATIENCE_MS or self._moment.is_good(*self._networks.read(square))
