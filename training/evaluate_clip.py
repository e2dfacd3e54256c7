"""Scoring one clip: its motion is sent as real bytes and moves the same person, another person and free views.

From a bundle's networks, a labelled clip and a clip of another person, `evaluate_clip` makes a `ClipScore` of figures, curves
and strips of pictures for `training.evaluate`, in a worker process. `training.judge` looks at the pictures.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from PIL import Image

from facewire.codec import (
    DEFAULT_SOURCES,
    DecodedFrame,
    LateAcknowledgements,
    Motion,
    Packing,
    Transfer,
    rotation_matrix,
    turn,
)
from facewire.coding import Coding
from facewire.errors import InputError
from facewire.metrics.quality import EYES_MOVE, MOUTH_MOVES, agreement, jitter
from facewire.models.bundle import WEIGHTS_FILE, load_bundle
from facewire.models.runtime import Networks
from facewire.receiver.decoder import Decoder
from facewire.receiver.source import ReceivedSource
from facewire.receiver.steady import Steadier
from facewire.sender.delayed import SOURCE_DELAY_MS, SentFrame, sent_frames
from facewire.sender.encoder import Encoder
from facewire.sender.scene_motion import SceneSpace, SceneTracker
from facewire.sender.source import make_source
from facewire.source_picture import compress, decompress
from facewire.training.data import ClipRow, load_labels, read_clip
from facewire.training.judge import Judge, Look, Picture, degrees, same_person, turn_between
from facewire.training.motion_space import MotionSpace, angles, project

ROUND_TRIP_MS = 100.0
HEAD_MOVES_DEG = 2.0
"""Standard deviation from which the head counts as moving in a clip."""
RUNS, RUN_FRAMES = 2, 12
"""Runs of consecutive frames of a clip, for the jitter."""
VIEWS = tuple(("yaw", angle) for angle in (-40, -30, -20, -10, 10, 20, 30, 40)) + tuple(
    ("pitch", angle) for angle in (-20, -10, 10, 20)
)
"""Free views that are requested: axis and degrees."""
STRIP_PAIRS = 3


@dataclass(frozen=True)
class EvaluateOptions:
    """What to evaluate."""

    data: Path
    """Folder of labelled clips."""
    weights: Path | None = None
    """Bundle folder; None for the packaged weights."""
    split: str = "val"
    """Split of the manifest, which says whose clips."""
    preset: str = "default"
    """Quality setting of the motion code, or "none" to leave the motion uncoded."""
    every: int = 1
    """Score every n-th frame (all are coded)."""
    clips: int | None = None
    """Score only this many clips, the first ones."""
    workers: int = 2
    """Worker processes."""
    sources: int = DEFAULT_SOURCES
    """How many source frames are in use at a time; 1 is the paper's setting."""
    sources_until: float = 1.0
    """Send source frames in this share of each clip only. Below 1, the second half of each clip is scored."""
    source_delay_ms: float = SOURCE_DELAY_MS
    """Until the other side has a source frame; 0 as in a file."""
    curve: bool = False
    """Also measure the rate-distortion curve of the motion code."""


@dataclass(frozen=True)
class View:
    """One free view of one source frame."""

    axis: str
    """"yaw" or "pitch"."""
    asked: int
    """Degrees by which the head is to turn."""
    reached: float | None
    """Degrees about that axis between source frame and picture; None if no face is found."""
    error: float | None
    """Angle between the requested and the measured rotation, degrees."""
    identity: float | None
    """Identity cosine to the source frame."""


@dataclass(frozen=True)
class ClipScore:
    """The scores of one clip."""

    name: str
    person: str
    figures: dict[str, float]
    """By name, without those that could not be measured."""
    openings: NDArray[np.float32]
    """(n, 5): seconds, mouth opening in the camera's and in our picture, and the same of the eyes, where both faces are found."""
    views: list[View]
    features: NDArray[np.float32]
    """(3, n, 320) for the Fréchet distance: camera, ours, source; n = 0 without the teacher."""
    strips: dict[str, bytes] = field(repr=False)
    """WebP pictures by name: same (source, then camera | ours), cross (source, then driver | ours) and view."""


@dataclass(frozen=True)
class Stream:
    """One stream as it is received."""

    motions: list[Motion]
    sources: list[ReceivedSource]
    """The one that each frame is drawn from."""
    first: ReceivedSource
    """The first source frame."""
    payload_bytes: float
    """Mean of the frames."""
    source_bytes: float
    """Of all source frames."""
    count: int = 1
    """How many were sent."""

    def picture(self, index: int) -> Picture:
        """A frame as the other side sees it, uint8 RGB (S, S, 3)."""
        return self.sources[index].render(self.motions[index])


@functools.cache
def judge_of(weights: Path | None) -> Judge:
    """The judge of this process."""
    cv2.setNumThreads(1)
    return Judge(motion_space_of(weights).template)


def motion_space_of(weights: Path | None) -> MotionSpace:
    """The motion space that a bundle was trained in, read from its tensors."""
    tensors = safetensors.numpy.load_file(load_bundle(weights).folder / WEIGHTS_FILE)
    names = ("template", "mean", "shape_basis", "expression_basis")
    nothing = np.zeros((0, 0), np.float32)
    return MotionSpace(**{name: tensors[f"face.{name}"] for name in names}, flip_shape=nothing, flip_expression=nothing)


def read_motions(networks: Networks, frames: NDArray[np.uint8]) -> list[Motion]:
    """The motion of every frame of a clip. The scene is measured against the first frame as decoded by the receiver."""
    bundle = networks.bundle
    source = decompress(compress(frames[0]), bundle.picture_size)
    tracker = SceneTracker(SceneSpace.of(bundle), source, networks.motion(source))
    return [tracker.follow(frame, networks.motion(frame)) for frame in frames]


def transmit(
    networks: Networks,
    source: Picture,
    motions: Sequence[Motion],
    fps: float,
    preset: str,
    *,
    transfer: bool = False,
    coding: Coding | None = None,
) -> Stream:
    """Send a source frame and motion as real bytes, without loss, acknowledged 100 ms late.

    preset: "none" leaves the motion uncoded. transfer: the motions are another person's; their changes since the first one
    are applied to the source. coding: used instead of the bundle's.
    """
    bundle = networks.bundle
    coding = coding or Coding.of(bundle)
    sent = make_source(networks, coding, source, fps)
    first = ReceivedSource.of(networks, sent.frame, coding)
    if transfer:
        motions = [Transfer(sent.motion, motions[0])(motion) for motion in motions]
    decoded, payload_bytes = list(motions), 0.0
    if preset != "none":
        encoder = coding.motion_encoder(Packing(preset), fps)
        decoder = coding.motion_decoder(sent.frame.frame_rate)
        frames, payload_bytes = _coded(motions, encoder.encode, encoder.acknowledge, decoder.decode, fps)
        decoded = [frame.motion for frame in Steadier(coding).frames(frames)]
    return Stream(decoded, [first] * len(decoded), first, payload_bytes, float(len(sent.frame.picture)))


def _coded(
    motions: Iterable[Motion],
    encode: Callable[[Motion, int], bytes | None],
    acknowledge: Callable[[int], None],
    decode: Callable[[bytes], list[DecodedFrame]],
    fps: float,
) -> tuple[list[DecodedFrame], float]:
    """Motions as they come out of packets of one frame each, acknowledged late, and the mean bytes of a packet."""
    late = LateAcknowledgements(acknowledge, int(ROUND_TRIP_MS * fps / 1000))
    decoded: list[DecodedFrame] = []
    sizes: list[int] = []
    for number, motion in enumerate(motions):
        packet = encode(motion, round(1000 * number / fps))
        assert packet is not None
        sizes.append(len(packet))
        decoded += decode(packet)
        late.sent(number)
        late.advance(number)
    return decoded, float(np.mean(sizes))


def transmit_with_bank(networks: Networks, frames: NDArray[np.uint8], fps: float, options: EvaluateOptions) -> Stream:
    """A clip with up to `options.sources` source frames through real bytes, as a call would send it.

    `sender.delayed` says when a new source frame is there; nothing is lost, frames are acknowledged 100 ms late. There are no
    source frames after `options.sources_until` of the clip.
    """
    encoder = Encoder(networks, frame_rate=fps, packing=Packing(options.preset), sources=options.sources)
    decoder = Decoder(networks)
    until_ms = 1000 * options.sources_until * len(frames) / fps
    sent: list[SentFrame] = []

    def motions() -> Iterator[Motion]:
        for frame in sent_frames(encoder, frames, source_delay_ms=options.source_delay_ms, until_ms=until_ms):
            if not sent and frame.new_source is not None:
                decoder.receive_source(frame.new_source.message)
            sent.append(frame)
            yield frame.motion

    decoded, payload_bytes = _coded(motions(), encoder.pack, encoder.acknowledge, decoder.decode, fps)
    first = decoder.source
    assert first is not None
    sizes = [len(frame.new_source.frame.picture) for frame in sent if frame.new_source is not None]
    stream = Stream([], [], first, payload_bytes, float(sum(sizes)), len(sizes))
    for frame, shown_with in zip(Steadier(decoder.coding).frames(decoded), sent, strict=True):
        for source in shown_with.arrived:
            decoder.receive_source(source.message)
        stream.motions.append(frame.motion)
        stream.sources.append(decoder.drawn_source(frame.motion, frame.source) or first)
    return stream


def evaluate_clip(options: EvaluateOptions, row: ClipRow, other: ClipRow | None) -> ClipScore:
    """Score one clip. other: a clip of another person, whose first frame is moved by this clip's motion."""
    judge = judge_of(options.weights)
    networks = Networks(load_bundle(options.weights), threads=1)
    labels = load_labels(options.data, row.labels)
    frames = read_clip(row.path)[: len(labels["landmarks"])]
    if len(frames) < 2:
        raise InputError(f"{row.path}: has only one labelled frame; at least two are needed")
    motions = read_motions(networks, frames)
    if options.sources == 1 or options.preset == "none":
        stream = transmit(networks, frames[0], motions, row.fps, options.preset)
    else:
        stream = transmit_with_bank(networks, frames, row.fps, options)
    source = judge.look(stream.first.picture)
    begin = 1 if options.sources_until == 1 else len(frames) // 2
    chosen = list(range(begin, len(frames), options.every))
    pairs = _pairs(judge, stream, source, [(frames[index], index) for index in chosen])
    views, turned = _free_views(judge, stream, source)
    worst = sorted(pairs, key=lambda pair: -pair.figures.get("st_lpips", -pair.figures["psnr"]))
    figures = _pose_read(options, labels, stream) | same_figures(pairs) | view_figures(views)
    figures |= {
        "payload_bytes": stream.payload_bytes,
        "source_bytes": stream.source_bytes,
        "sources": float(stream.count),
        "source_kilobytes_per_minute": stream.source_bytes / 1000 * 60 * row.fps / len(frames),
    }
    if (shaking := _jitter(judge, stream, frames)) is not None:
        figures["jitter"] = shaking
    strips = {"same": _strip(stream.first.picture, [(p.true, p.ours) for p in worst]), "view": _encoded(turned)}
    if other is not None:
        crossed = transmit(networks, read_clip(other.path)[0], motions, row.fps, options.preset, transfer=True)
        moved = [judge.face(crossed.picture(index)) for index in chosen]
        driver = [pair.true for pair in pairs]
        figures |= cross_figures(judge.face(crossed.first.picture), moved, judge.face(frames[0]), driver)
        strips["cross"] = _strip(crossed.first.picture, list(zip(driver, moved, strict=True)))
    openings_seen = [
        (index / row.fps, *_openings(pair.true, pair.ours))
        for index, pair in zip(chosen, pairs, strict=True)
        if pair.true.face is not None and pair.ours.face is not None
    ]
    return ClipScore(
        name=row.name,
        person=row.identity,
        figures=figures,
        openings=np.array(openings_seen, np.float32).reshape(-1, 5),
        views=views,
        features=_features(pairs, source),
        strips=strips,
    )


@dataclass(frozen=True)
class Pair:
    """One frame: the camera's picture and ours, and the figures of ours and of the source frame against the camera's."""

    true: Look
    ours: Look
    figures: dict[str, float]
    repeat: dict[str, float]


def _pairs(judge: Judge, stream: Stream, source: Look, frames: list[tuple[Picture, int]]) -> list[Pair]:
    pairs = []
    for picture, index in frames:
        true, ours = judge.look(picture), judge.look(stream.picture(index))
        figures, repeat = judge.compare(ours, true), judge.compare(source, true)
        # the taps of a picture take 10 MB
        pairs.append(Pair(replace(true, taps=None), replace(ours, taps=None), figures, repeat))
    return pairs


def same_figures(pairs: Sequence[Pair]) -> dict[str, float]:
    """Figures of the same person: means over frames, those of repeating the source frame, openings, and missing faces."""
    figures = means([pair.figures for pair in pairs])
    figures |= {f"{name}_repeat": value for name, value in means([pair.repeat for pair in pairs]).items()}
    seen = [(p.true, p.ours) for p in pairs if p.true.face is not None and p.ours.face is not None]
    if with_face := sum(pair.true.face is not None for pair in pairs):
        figures["face_missing"] = 1 - len(seen) / with_face
    return figures | openings(seen)


def means(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each figure over the rows that have it."""
    names = {name for row in rows for name in row}
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in sorted(names)}


def openings(seen: Sequence[tuple[Look, Look]], prefix: str = "") -> dict[str, float]:
    """Correlation and slope of mouth and eye opening on the camera's, if those move. seen: (camera's, ours)."""
    faces = np.array([_openings(true, ours) for true, ours in seen]).reshape(-1, 4)
    return {
        f"{prefix}{name}": value
        for part, column, least in (("mouth", 0, MOUTH_MOVES), ("eye", 2, EYES_MOVE))
        for name, value in _moving(part, faces[:, column], faces[:, column + 1], least).items()
    }


def _moving(part: str, true: NDArray[np.floating], ours: NDArray[np.floating], least: float) -> dict[str, float]:
    if len(true) < 5 or true.std() < least:
        return {}
    r, slope = agreement(true, ours)
    return {f"{part}_r": r, f"{part}_slope": slope}


def _openings(true: Look, ours: Look) -> tuple[float, float, float, float]:
    assert true.face is not None
    assert ours.face is not None
    return true.face.mouth, ours.face.mouth, true.face.eyes, ours.face.eyes


def cross_figures(source: Look, moved: list[Look], driver_start: Look, driver: list[Look]) -> dict[str, float]:
    """Figures of another person's picture moved by a driver: identity, and how well it follows."""
    figures = means(
        [
            {name: value for name, value in pair if value is not None}
            for ours, true in zip(moved, driver, strict=True)
            for pair in [
                (("cross_identity", same_person(ours, source)), ("cross_identity_driver", same_person(ours, true)))
            ]
        ]
    )
    seen = [(b, a) for a, b in zip(moved, driver, strict=True) if a.face is not None and b.face is not None]
    figures |= openings(seen, "cross_")
    if len(seen) < 5 or source.rotation is None or driver_start.rotation is None:
        return figures
    true_pose, pose = (np.stack([degrees(pair[side]) for pair in seen]) for side in (0, 1))
    for axis, name in enumerate(("yaw", "pitch", "roll")):
        figures |= {
            f"cross_{key}": value
            for key, value in _moving(name, true_pose[:, axis], pose[:, axis], HEAD_MOVES_DEG).items()
        }
    turns = []
    for true, ours in seen:
        assert true.rotation is not None
        assert ours.rotation is not None
        change = true.rotation @ driver_start.rotation.T
        turns.append((turn_between(ours.rotation @ source.rotation.T, change), turn_between(change, np.eye(3))))
    figures["cross_pose_error"], figures["cross_pose_error_repeat"] = np.mean(turns, 0).tolist()
    return figures


def view_figures(views: list[View]) -> dict[str, float]:
    """Figures of free views: slope of the measured on the requested angle, error, identity, and the share of missing faces."""
    figures = {"view_missing": float(np.mean([view.reached is None for view in views]))}
    for axis in ("yaw", "pitch"):
        pairs = np.array([(v.asked, v.reached) for v in views if v.axis == axis and v.reached is not None])
        if len(pairs):
            figures[f"view_{axis}_slope"] = float(pairs.prod(1).sum() / (pairs[:, 0] ** 2).sum())
    for name in ("error", "identity"):
        values = [getattr(view, name) for view in views if getattr(view, name) is not None]
        if values:
            figures[f"view_{name}"] = float(np.mean(values))
    return figures


def _free_views(judge: Judge, stream: Stream, source: Look) -> tuple[list[View], list[Picture]]:
    """All views of the source frame, and the pictures of a strip."""
    views, pictures = [], {0: stream.first.picture}
    for axis, asked in VIEWS:
        angle = np.radians(asked)
        wanted = (angle, 0.0, 0.0) if axis == "yaw" else (0.0, angle, 0.0)
        seen = judge.face(stream.first.render(turn(stream.first.motion, *wanted)))
        if axis == "yaw":
            pictures[asked] = seen.picture
        if seen.rotation is None or source.rotation is None:
            views.append(View(axis, asked, None, None, None))
            continue
        change = seen.rotation @ source.rotation.T
        reached = float(np.degrees(angles(change[None])[0][0 if axis == "yaw" else 1]))
        error = turn_between(change, rotation_matrix(wanted))
        views.append(View(axis, asked, reached, error, same_person(seen, source)))
    return views, [pictures[angle] for angle in (-40, -30, -20, 0, 20, 30, 40)]


def _jitter(judge: Judge, stream: Stream, frames: NDArray[np.uint8]) -> float | None:
    """`metrics.quality.jitter` over runs of consecutive frames spread over the clip."""
    length = min(RUN_FRAMES, len(frames) - 1)
    starts = np.unique(np.linspace(1, len(frames) - length, RUNS).astype(int))
    true: list[NDArray[np.float32]] = []
    ours: list[NDArray[np.float32]] = []
    gap = np.full((1, 468, 2), np.nan, np.float32)
    for start in starts:
        for index in range(start, start + length):
            pictures = frames[index], stream.picture(index)
            for points, picture in zip((true, ours), pictures, strict=True):
                face = judge.face(picture).face
                points.append(face.points[None] if face else gap)
        true.append(gap)  # no acceleration across runs
        ours.append(gap)
    return jitter(np.concatenate(true), np.concatenate(ours))


def _pose_read(options: EvaluateOptions, labels: dict[str, NDArray[np.float32]], stream: Stream) -> dict[str, float]:
    """Error in degrees of the received head pose against the labels."""
    label = project(motion_space_of(options.weights), labels["landmarks"])
    pose = np.stack([motion.vector()[:3] for motion in stream.motions])
    errors = np.degrees(np.abs(pose - label.pose[:, :3]).mean(0))
    return dict(zip(("yaw_error", "pitch_error", "roll_error"), errors.tolist(), strict=True))


def _features(pairs: Sequence[Pair], source: Look) -> NDArray[np.float32]:
    rows = [(pair.true.features, pair.ours.features, source.features) for pair in pairs]
    kept = [row for row in rows if all(part is not None for part in row)]
    return np.array(kept, np.float32).transpose(1, 0, 2) if kept else np.zeros((3, 0, 0), np.float32)


def _strip(source: Picture, pairs: Sequence[tuple[Look, Look]]) -> bytes:
    """The source and three pairs, evenly spaced from the first one on."""
    shown = [pairs[len(pairs) * index // STRIP_PAIRS] for index in range(STRIP_PAIRS)]
    return _encoded([source, *(look.picture for pair in shown for look in pair)])


def _encoded(pictures: Sequence[Picture]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.concatenate(pictures, 1)).save(file, "WEBP", quality=90, method=4)
    return file.getvalue()
