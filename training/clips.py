"""Turning one raw video into training clips: cut, labelled frame by frame, and encoded.

From a video file and the segments that `training.segments` finds in it, `prepare_video` makes 256-pixel H.264 clips and their
label files in a data folder, and a `Record`. The record's file is written last: it marks a video as done. `training.prepare`
calls this in worker processes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath

import av
import numpy as np
from numpy.typing import NDArray

from facewire.errors import InputError, reason
from facewire.files import write_whole
from facewire.sender.face_detector import FaceDetector
from facewire.sender.media import VideoFile
from facewire.training.face_labels import ClipLabels, MeshTracker, labels_of
from facewire.training.segments import MIN_CLIP_S, Dropped, Scan, Segment, scan

CLIP_PX = 256
MESH_PX = 512
"""Faces are labelled on squares of up to this side, before the clip is scaled down and compressed."""
CRF, PRESET, KEYFRAME_EVERY = 19, "slow", 30
MAX_STEP = 0.15
"""Landmarks that move further than this between neighbouring frames, on average and in face heights, have jumped."""
VERSION = 1
"""Raised if clips and labels of earlier versions must be made again."""

CLIPS, LABELS, RECORDS = "clips256", "labels", "records"

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Clip:
    """A clip as listed in the manifest. path: inside the data folder. Angles: 2nd and 98th percentile, degrees."""

    clip: str
    path: str
    fps: float
    frames: int
    source_path: str
    source_start_s: float
    native_crop_side: int
    whole_picture: bool
    yaw_p2: float
    yaw_p98: float
    pitch_p2: float
    pitch_p98: float
    mouth_std: float
    face_fraction: float
    """Height of the face mesh over the side of the clip."""


@dataclass(frozen=True)
class Record:
    """What became of one video.

    source: its path inside the raw folder. size, modified_ns, settings: if these change, the video must be done again.
    """

    source: str
    size: int
    modified_ns: int
    settings: dict[str, int]
    seconds: float
    clips: tuple[Clip, ...]
    dropped: tuple[Dropped, ...]

    def save(self, out: Path) -> None:
        """Write the record's file."""
        path = record_path(out, self.source)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(asdict(self), indent=1).encode())


def read_record(path: Path) -> Record:
    """Read a file of `Record.save`; InputError if it is not one."""
    try:
        values = json.loads(path.read_bytes())
        values["clips"] = tuple(Clip(**clip) for clip in values["clips"])
        values["dropped"] = tuple(Dropped(**dropped) for dropped in values["dropped"])
        return Record(**values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a record of facewire prepare; delete it to prepare its video again") from error


def record_path(out: Path, source: str) -> Path:
    """Path of a video's record."""
    return out / RECORDS / f"{_place(source)}.json"


def settings_of(min_side: int) -> dict[str, int]:
    """What clips depend on in addition to their video."""
    return {"version": VERSION, "min_side": min_side}


def unreadable(raw: Path, out: Path, source: str, min_side: int, why: str) -> Record:
    """Write and return the record of a video that cannot be read."""
    record = _record(raw, source, min_side, 0.0, [Dropped(0.0, 0.0, "cannot be read", why)])
    record.save(out)
    return record


def prepare_video(raw: Path, out: Path, source: str, min_side: int, tick: Callable[[], None]) -> Record:
    """Make the clips of one video, their labels and, last, the file of its record.

    source: path of the video inside raw. min_side: smallest side of a square, pixels. tick: called at every frame, may raise
    to stop. Raises InputError if something cannot be written; a video that cannot be read is recorded as such.
    """
    place = _place(source)
    for folder, ending in ((CLIPS, "mp4"), (LABELS, "npz")):
        (out / folder / place).parent.mkdir(parents=True, exist_ok=True)
        for old in (out / folder / place).parent.glob(
            f"{place.name}_[0-9]*.{ending}"
        ):  # of an earlier try with other settings
            old.unlink()
    try:
        found = scan(raw / source, FaceDetector(), min_side, tick)
    except InputError as error:
        return unreadable(raw, out, source, min_side, str(error))
    clips: list[Clip] = []
    dropped = list(found.dropped)
    for segment, pictures, landmarks in _labelled(raw / source, found, tick):
        runs = [run for run in _runs_without_jumps(landmarks) if len(run) * found.step / found.fps >= MIN_CLIP_S]
        if not runs:
            start, end = segment.start / found.fps, segment.stop / found.fps
            dropped.append(Dropped(start, end, "no steady face mesh"))
        for run in runs:
            labels = labels_of(np.stack([points for points in landmarks[run.start : run.stop] if points is not None]))
            path = out / CLIPS / f"{place}_{len(clips):02d}.mp4"
            write_clip(path, pictures[run.start : run.stop], found.fps / found.step)
            labels.save(out / LABELS / f"{place}_{len(clips):02d}.npz")
            clips.append(_clip(path.relative_to(out).as_posix(), source, found, segment, run, labels))
    basis = _record(raw, source, min_side, found.frames / found.fps, dropped)
    record = Record(**(vars(basis) | {"clips": tuple(clips)}))
    record.save(out)
    return record


def _record(raw: Path, source: str, min_side: int, seconds: float, dropped: Sequence[Dropped]) -> Record:
    state = (raw / source).stat()
    return Record(source, state.st_size, state.st_mtime_ns, settings_of(min_side), seconds, (), tuple(dropped))


def _place(source: str) -> PurePosixPath:
    """Path of a video's files inside the folders of clips, labels and records, without a suffix.

    It is made of the video's own path in plain letters and a hash, so that no two videos share one.
    """
    path = PurePosixPath(source)

    def plain(name: str) -> str:
        return re.sub(r"[^A-Za-z0-9_-]", "-", name).replace(CLIPS, "clips")[:80]

    name = f"{plain(path.stem)}_{hashlib.sha256(source.encode(errors='backslashreplace')).hexdigest()[:8]}"
    return PurePosixPath(*(plain(part) for part in path.parent.parts), name)


def _labelled(
    path: Path, found: Scan, tick: Callable[[], None]
) -> Iterator[tuple[Segment, list[Picture], list[NDArray[np.float32] | None]]]:
    """The pictures of each segment's clip, and their landmarks."""
    with VideoFile(path) as video:
        frames = enumerate(video)
        for segment in found.segments:
            pictures: list[Picture] = []
            landmarks: list[NDArray[np.float32] | None] = []
            with MeshTracker() as mesh:
                for number, frame in frames:
                    tick()
                    if number >= segment.start and (number - segment.start) % found.step == 0:
                        side = max(CLIP_PX, min(segment.framing.side, MESH_PX))
                        landmarks.append(mesh.look(segment.framing.cut(frame.picture, side)))
                        pictures.append(segment.framing.cut(frame.picture, CLIP_PX))
                    if number == segment.stop - 1:
                        break
            yield segment, pictures, landmarks


def _runs_without_jumps(landmarks: Sequence[NDArray[np.float32] | None]) -> list[range]:
    """Runs of frames that all have landmarks, without jumps."""
    runs: list[range] = []
    last: NDArray[np.float32] | None = None
    for number, points in enumerate(landmarks):
        if points is not None and last is not None:
            moved = float(np.linalg.norm(points[:, :2] - last[:, :2], axis=1).mean())
            joined = moved <= MAX_STEP * float(np.ptp(last[:, 1]))
        else:
            joined = False
        if points is not None:
            runs = [*runs[:-1], range(runs[-1].start, number + 1)] if joined else [*runs, range(number, number + 1)]
        last = points
    return runs


def _clip(path: str, source: str, found: Scan, segment: Segment, run: range, labels: ClipLabels) -> Clip:
    yaw, pitch = np.degrees(labels.pose[:, :2]).T
    heights = np.ptp(labels.landmarks[:, :, 1], axis=1) / 2
    return Clip(
        clip=Path(path).stem,
        path=path,
        fps=round(found.fps / found.step, 3),
        frames=len(run),
        source_path=source,
        source_start_s=round((segment.start + run.start * found.step) / found.fps, 2),
        native_crop_side=segment.framing.side,
        whole_picture=segment.whole_picture,
        yaw_p2=round(float(np.percentile(yaw, 2)), 1),
        yaw_p98=round(float(np.percentile(yaw, 98)), 1),
        pitch_p2=round(float(np.percentile(pitch, 2)), 1),
        pitch_p98=round(float(np.percentile(pitch, 98)), 1),
        mouth_std=round(float(labels.mouth.std()), 4),
        face_fraction=round(float(np.median(heights)), 3),
    )


def write_clip(path: Path, pictures: Sequence[Picture], fps: float) -> None:
    """Write pictures, uint8 RGB (256, 256, 3), as H.264 in MP4 (BT.709, closed groups of up to 30 frames), whole or not at all."""
    temporary = path.with_name(f".{path.stem}.part.mp4")
    try:
        with av.open(str(temporary), "w", options={"movflags": "faststart"}) as container:
            options = {"crf": str(CRF), "preset": PRESET, "x264-params": "open-gop=0"}
            stream = container.add_stream("libx264", Fraction(fps).limit_denominator(1001), options)
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            context = stream.codec_context
            context.gop_size, context.thread_count = KEYFRAME_EVERY, 1
            context.colorspace = context.color_primaries = context.color_trc = 1
            context.color_range = 1
            for picture in pictures:
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        temporary.replace(path)
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: cannot be written ({reason(error)})") from error
    finally:
        temporary.unlink(missing_ok=True)


def unfinished(out: Path) -> Iterator[Path]:
    """Files that a killed run left half written."""
    for folder in (CLIPS, LABELS, RECORDS):
        yield from (out / folder).rglob(".*.part*")
