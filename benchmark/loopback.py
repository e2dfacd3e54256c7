"""Runs a clip through the sending and the receiving half in one process, with nothing but bytes between them.

Takes a clip or camera and `LoopbackOptions`, and returns a `LoopbackReport` and, if wanted, a video. The halves meet only in
`channel`, which loses and delays packets by the clip's own time. `metrics.quality` scores the result, `rivals` shows what x264
makes of the same bytes, and `report` prints the outcome.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewire.benchmark.channel import Channel
from facewire.benchmark.rivals import Rival, x264
from facewire.codec import DEFAULT_SOURCES, Motion, Packing, wire_bytes
from facewire.coding import Coding
from facewire.errors import InputError, NoFaceError
from facewire.metrics.quality import Face, FaceMesh, Score, Scorer
from facewire.models.bundle import load_bundle
from facewire.models.runtime import Networks
from facewire.receiver.decoder import Decoder, FreeView
from facewire.receiver.receiver import Due, Receiver
from facewire.sender.bank import UsedSource, UsedSources
from facewire.sender.clip import Beginning, BeginningFinder, ClipFrame, FollowedClip
from facewire.sender.encoder import Encoder
from facewire.sender.face_detector import FaceDetector
from facewire.sender.framing import frame_picture
from facewire.sender.media import AS_IT_IS, InputOptions, VideoSource, is_camera, open_video, read_picture
from facewire.sender.source import SentSource
from facewire.video import VideoWriter, check_video_path

STAGES = ("framing", "motion", "encode", "decode", "render")
MAX_RIVAL_FRAMES = 2000
"""Longer clips are not compared with x264, since all their pictures, 0.2 MB each, would have to be kept."""
MAX_PLAYOUT_DELAY_MS = 60_000


@dataclass(frozen=True)
class LoopbackOptions:
    """Settings of a loopback."""

    clip: str
    """Path of a video, or a camera's number."""
    packing: Packing = Packing(redundancy=1)
    """How motion is packed."""
    source_frame: int | None = None
    """Number of the frame that becomes the first source frame; None for the first good one."""
    sources: int = DEFAULT_SOURCES
    """How many source frames are in use at a time."""
    step_scale: float = 1.0
    """Factor by which to scale the quantiser's steps."""
    coefficients: int | None = None
    """How many expression coefficients are sent; None for all that the preset sends."""
    loss: float | str = 0.0
    """Share of packets to lose, or a repeated pattern such as "1101" (0 is lost)."""
    rtt_ms: float = 100.0
    """Round trip of the channel."""
    playout_delay_ms: float = 100.0
    """From a frame's capture to its display."""
    seed: int = 0
    """Seed of random losses."""
    view: FreeView = field(default_factory=FreeView)
    """Where the receiver looks from."""
    portrait: Path | None = None
    """A picture of somebody else, to be moved by the clip's motion."""
    out: Path | None = None
    """Video to write."""
    side_by_side: bool = True
    """Show the camera's picture beside the synthesised one in that video."""
    max_frames: int | None = None
    """Stop after that many frames."""
    weights: Path | None = None
    """Folder of a weight bundle; None for the one that ships with facewire."""
    rivals: bool = True
    """Score x264 too."""
    landmarks: bool = True
    """Score face landmarks if MediaPipe is installed. Takes half a second and 6 ms per picture."""
    threads: int | None = None
    """CPU threads of the networks."""
    backend: str = "auto"
    """What runs the networks."""
    input_options: InputOptions = AS_IT_IS
    """How the clip is read."""


@dataclass
class LoopbackReport:
    """Results of a loopback. Sizes are in bytes; 1 kbps is 1000 bit/s."""

    frames: int = 0
    seconds: float = 0.0
    fps: float = 0.0
    size: int = 0
    """Side of the synthesised picture in pixels."""
    weights: str = ""
    source_bytes: int = 0
    """All source messages."""
    sources: list[UsedSource] = field(default_factory=list)
    """Each of them."""
    payload_bytes: list[float] = field(default_factory=list)
    """Motion payload of each frame, an equal share of its packet."""
    packets: int = 0
    packets_lost: int = 0
    wire_forward_bytes: int = 0
    """Motion packets with all headers of a WebRTC data channel, without the source message."""
    wire_back_bytes: int = 0
    """The acknowledgements that a data channel sends back."""
    concealed: int = 0
    """Frames shown that did not arrive in time."""
    longest_concealed_run: int = 0
    held: int = 0
    """Frames in which the camera does not show the face: the picture before is held."""
    ms: dict[str, float] = field(default_factory=dict)
    """Mean milliseconds per frame of each of the `STAGES`."""
    quality: dict[str, Score | None] = field(default_factory=dict)
    """Scores of ours, repeat (always the source frame), x264 (same bytes after the first frame) and x264_total (same bytes, source
    and key frame included).
    """
    x264: dict[str, Rival] = field(default_factory=dict)
    """The two runs of x264."""
    remarks: list[str] = field(default_factory=list)

    def kbps(self, size: float) -> float:
        """The rate of that many bytes over the duration of the clip."""
        return 8 * size / (1000 * self.seconds) if self.seconds else 0.0


@dataclass(frozen=True)
class Shown:
    """One frame at the end of the loop: the camera's square and our picture, both uint8 RGB (S, S, 3), and where it came from."""

    camera: NDArray[np.uint8]
    picture: NDArray[np.uint8]
    due: Due


class Stopwatch:
    """Measures the seconds that each run of each stage takes."""

    def __init__(self, stages: Sequence[str]) -> None:
        self.seconds: dict[str, list[float]] = {stage: [] for stage in stages}

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage].append(time.perf_counter() - start)

    def means_ms(self, frames: int) -> dict[str, float]:
        """Mean milliseconds per frame of each stage."""
        return {stage: round(1000 * sum(seconds) / max(1, frames), 3) for stage, seconds in self.seconds.items()}


class Loopback:
    """One run. Iterate over it for frames as they are shown. Then `report` is complete, except for the rivals, which
    `score_rivals` adds.

    networks: loaded already; None loads those that the options name.
    """

    def __init__(self, options: LoopbackOptions, networks: Networks | None = None) -> None:
        if not 0 <= options.playout_delay_ms <= MAX_PLAYOUT_DELAY_MS:
            raise InputError(f"playout delay {options.playout_delay_ms} ms: must be 0 to {MAX_PLAYOUT_DELAY_MS}")
        if options.portrait is not None and options.source_frame is not None:
            raise InputError(
                "--source-frame picks a frame of the clip; with --portrait that picture is the source frame"
            )
        self._options = options
        self.report = LoopbackReport()
        self._watch = Stopwatch(STAGES)
        self.networks = networks or Networks(load_bundle(options.weights), options.threads, options.backend)
        bundle = self.networks.bundle
        self.report.size, self.report.weights = bundle.picture_size, f"{bundle.name} {bundle.hash.hex()}"
        self._coding = Coding.of(bundle).altered(options.step_scale, options.coefficients)
        self._detector = FaceDetector()
        self._channel = Channel(options.loss, options.rtt_ms, options.seed)
        self._compare = options.portrait is None and options.view == FreeView()
        self._keep = options.rivals and self._compare
        self._squares: dict[int, NDArray[np.uint8]] = {}
        """The camera's squares, uint8 RGB (S, S, 3), by frame number, until they are shown or, with `_keep`, coded by x264."""
        self._mesh: FaceMesh | None = None
        self._truth: list[Face | None] = []
        self.decoder: Decoder | None = None
        self.used_sources = UsedSources()

    def __iter__(self) -> Iterator[Shown]:
        options, report = self._options, self.report
        portrait = None if options.portrait is None else self._portrait_square(options.portrait)
        beginning = self._look_through()
        if options.landmarks and self._compare and FaceMesh.installed():
            try:
                self._mesh = FaceMesh()
            except InputError as error:
                report.remarks.append(f"landmarks are left out: {error}")
        ours, repeat = Scorer(self._mesh), Scorer(self._mesh)
        run = 0
        with self._open() as video:
            report.fps = video.fps
            self._keep = self._keep and not video.live
            clip = FollowedClip(video, self.networks, self._detector, beginning, video.name)
            for shown in self._loop(clip, beginning, portrait):
                run = run + 1 if shown.due.concealed else 0
                report.longest_concealed_run = max(report.longest_concealed_run, run)
                if self._compare:
                    truth = self._mesh.look(shown.camera) if self._mesh is not None else None
                    if self._keep:
                        self._truth.append(truth)
                    ours.add(shown.picture, shown.camera, truth)
                    repeat.add(self._first_picture, shown.camera, truth)
                yield shown
            report.held = clip.held
            report.remarks += [*clip.remarks(), *video.remarks]
        report.quality = {"ours": ours.score(), "repeat": repeat.score()}
        report.ms = self._watch.means_ms(report.frames)
        report.packets, report.packets_lost = self._channel.sent, self._channel.lost

    def score_rivals(self) -> None:
        """Encodes the same pictures with x264, once in the bytes of our motion and once in all our bytes, source frame included.

        Does nothing if the pictures were not kept: without `rivals`, with a portrait or a free view, or for a camera.
        """
        if not self._keep:
            return
        pictures = [self._squares[number] for number in sorted(self._squares)]
        if len(pictures) < 2:
            return
        motion = round(sum(self.report.payload_bytes))
        budgets = {"x264": (motion, False), "x264_total": (motion + self.report.source_bytes, True)}
        for name, (budget, count_first) in budgets.items():
            rival = x264(pictures, self.report.fps, budget, count_first=count_first)
            scorer = Scorer(self._mesh)
            for picture, square, truth in zip(rival.pictures, pictures, self._truth, strict=True):
                scorer.add(picture, square, truth)
            self.report.x264[name], self.report.quality[name] = rival, scorer.score()
            if not rival.fits:
                spent = rival.total_bytes if count_first else sum(rival.payload_bytes)
                self.report.remarks.append(
                    f"{name} cannot go that low: it takes {spent} bytes at its coarsest (CRF 51), and ours are {budget}"
                )

    def _loop(
        self, clip: FollowedClip, beginning: Beginning | None, portrait: NDArray[np.uint8] | None
    ) -> Iterator[Shown]:
        """beginning: None for a camera, whose first frame is the first source frame. portrait: takes the place of all of them."""
        options, report, channel, watch = self._options, self.report, self._channel, self._watch
        encoder = Encoder(
            self.networks, frame_rate=report.fps, packing=options.packing, sources=options.sources, coding=self._coding
        )
        decoder = self.decoder = Decoder(self.networks, view=options.view, coding=self._coding)
        if portrait is not None:
            self._use_source(encoder.appear_as(portrait), 0)
        elif beginning is not None:
            self._use_source(encoder.use_source(beginning.square), beginning.number)
        motion: Motion | None = None
        receiver: Receiver | None = None
        now_ms, number, first_unsent = 0.0, 0, 0
        for number, frame in enumerate(self._cut(clip), start=1):
            now_ms = float(frame.time_ms)
            self._squares[number - 1] = frame.square
            for acknowledged in channel.acknowledgements(now_ms):
                encoder.acknowledge(acknowledged)
            if frame.new_source and portrait is None:
                if (packet := encoder.flush()) is not None:
                    self._send(packet, now_ms, number - 1 - first_unsent)
                    first_unsent = number - 1
                self._use_source(encoder.use_source(frame.square, frame.time_ms), number - 1)
            receiver = receiver or Receiver(decoder, playout_delay_ms=options.playout_delay_ms)
            if number > MAX_RIVAL_FRAMES and self._keep:
                self._forget_pictures(receiver.shown)
            if frame.face:
                with watch("motion"):
                    prepared = encoder.prepare(frame.square, frame.time_ms)
                if prepared.new_source is not None:
                    self._use_source(prepared.new_source, number - 1)
                motion = prepared.motion
            elif motion is None:
                assert encoder.source is not None
                motion = encoder.source.motion
            self.used_sources.used(encoder.source_number)
            with watch("encode"):
                packet = encoder.pack(motion, frame.time_ms)
            if packet is not None:
                self._send(packet, now_ms, number - first_unsent)
                first_unsent = number
            self._deliver(receiver, now_ms)
            yield from self._show(receiver.due(now_ms))
        if receiver is None:
            raise NoFaceError(f"{options.clip}: it ended before a face was seen")
        report.frames = number
        report.sources = self.used_sources.list()
        report.source_bytes = sum(source.bytes for source in report.sources)
        report.seconds = (now_ms + 1000 / report.fps) / 1000
        if (packet := encoder.flush()) is not None:
            self._send(packet, now_ms, number - first_unsent)
        self._deliver(receiver, now_ms + options.rtt_ms)
        yield from self._show(receiver.drain(number))
        report.concealed = receiver.concealed

    def _use_source(self, source: SentSource, frame: int) -> None:
        """Delivers a source frame, of that frame of the clip; the first is what "repeat" shows."""
        assert self.decoder is not None
        if not self.decoder.ready:
            self._first_picture = source.picture
        self.used_sources.sent(source, frame)
        self.decoder.receive_source(source.message)

    def _send(self, packet: bytes, now_ms: float, new_frames: int) -> None:
        self._channel.send(packet, now_ms)
        forward, back = wire_bytes(len(packet))
        self.report.wire_forward_bytes += forward
        self.report.wire_back_bytes += back
        self.report.payload_bytes += [len(packet) / new_frames] * new_frames

    def _deliver(self, receiver: Receiver, now_ms: float) -> None:
        for arrival_ms, packet in self._channel.packets(now_ms):
            with self._watch("decode"):
                receiver.receive(packet)
            if receiver.decoder.acknowledged is not None:
                self._channel.acknowledge(receiver.decoder.acknowledged, arrival_ms)

    def _show(self, frames: Iterator[Due]) -> Iterator[Shown]:
        assert self.decoder is not None
        for due in frames:
            with self._watch("render"):
                picture = self.decoder.render(due.motion, due.source)
            camera = self._squares[due.number] if self._keep else self._squares.pop(due.number)
            yield Shown(camera, picture, due)

    def _forget_pictures(self, shown: int) -> None:
        """Abandons the comparison with x264 and drops the pictures already shown."""
        self._keep = False
        self._truth.clear()
        for number in range(shown):
            del self._squares[number]
        self.report.remarks.append(
            f"no comparison with x264: the clip has more than {MAX_RIVAL_FRAMES} frames; "
            f"--max-frames {MAX_RIVAL_FRAMES} compares its beginning"
        )

    def _cut(self, clip: FollowedClip) -> Iterator[ClipFrame]:
        """The frames to encode, timed."""
        frames = islice(iter(clip), self._options.max_frames)
        while True:
            with self._watch("framing"):
                frame = next(frames, None)
            if frame is None:
                return
            yield frame

    def _open(self) -> VideoSource:
        return open_video(self._options.clip, self._options.input_options)

    def _look_through(self) -> Beginning | None:
        """Where a file begins; None for a camera, which cannot be looked through."""
        options = self._options
        if is_camera(options.clip):
            if options.max_frames is None:
                raise InputError(f"camera {options.clip}: has no end; set the number of frames with --max-frames")
            if options.source_frame is not None:
                raise InputError("--source-frame picks a frame of a file; a camera starts with its first good one")
            return None
        finder = BeginningFinder(self.networks, self._detector)
        with self._open() as video:
            report = finder.framing(video)
        self.report.remarks += report.remarks()
        with self._open() as video:
            if options.source_frame is not None:
                return finder.chosen(video, report, options.source_frame)
            return finder.first_good(video, report)

    def _portrait_square(self, path: Path) -> NDArray[np.uint8]:
        picture = read_picture(path)
        framed = frame_picture(picture, self._detector, path.name)
        self.report.remarks += [f"{path.name}: {remark}" for remark in framed.remarks()]
        return framed.framing.cut(picture, self.report.size)


def film(loop: Loopback, out: Path | None, each: Callable[[int, Shown], None], *, side_by_side: bool = True) -> None:
    """Runs a loopback and, if `out` is given, writes its video.

    each: called with the number (from 1) of every frame shown, and the frame. side_by_side: put the camera's picture to the left
    of ours.
    """
    with contextlib.ExitStack() as stack:
        writer: VideoWriter | None = None
        for number, shown in enumerate(loop, start=1):
            if out is not None:
                writer = writer or stack.enter_context(VideoWriter(out, loop.report.fps))
                picture = np.hstack([shown.camera, shown.picture]) if side_by_side else shown.picture
                writer.write(picture, shown.due.time_ms)
            each(number, shown)


def run(
    options: LoopbackOptions,
    progress: Callable[[str, int], None] | None = None,
    networks: Networks | None = None,
) -> LoopbackReport:
    """Runs a loopback, writes its video and scores x264.

    progress: called with the current step and its frames so far. networks: see `Loopback`.
    """
    tell = progress or (lambda _what, _frames: None)
    if options.out is not None:
        check_video_path(options.out, Path(options.clip), *([options.portrait] if options.portrait else []))
    tell("looking for the face", 0)
    loop = Loopback(options, networks)
    film(loop, options.out, lambda number, _: tell("loopback", number), side_by_side=options.side_by_side)
    if options.rivals:
        tell("x264 at the same bytes", loop.report.frames)
        loop.score_rivals()
    return loop.report
