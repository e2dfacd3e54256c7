"""`facewire bench --speed`: the cost of each stage of sender and receiver on this machine, on every installed backend.

A clip gives milliseconds per stage, median and 95th percentile, and ratios to ONNX Runtime. On a machine that does other things
too, only the ratios mean anything: the backends take turns picture by picture, so all suffer alike. Cold starts and memory are
measured in separate processes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from facewire.benchmark.loopback import Stopwatch
from facewire.codec import Packing
from facewire.errors import FacewireError, InputError
from facewire.models.bundle import load_bundle
from facewire.models.config import AUTOMATIC
from facewire.models.runtime import Networks
from facewire.receiver.decoder import Decoder
from facewire.sender.encoder import Encoder
from facewire.sender.face_detector import FaceDetector
from facewire.sender.framing import Framing, frame_video
from facewire.sender.media import open_video
from facewire.sender.policy import LookDuty

if TYPE_CHECKING:
    from facewire.benchmark.batches import BatchReport

SENDER = ("framing", "motion", "scene", "encode")
RECEIVER = ("decode", "render")
ENDS = {"sender": SENDER, "receiver": RECEIVER}
REFERENCE = "onnxruntime"
CALL_FPS = (25, 30)
"""Pictures per second for which the share of the processors is reported."""
WARM_UP = 5
LOOK_EVERY = 4
COLD = """
import sys, time
began = time.perf_counter()
from pathlib import Path
import numpy as np
from facewire.models.bundle import load_bundle
from facewire.models.runtime import Networks
folder, threads, backend, side = sys.argv[1:]
networks = Networks(load_bundle(Path(folder)), int(threads) or None, backend)
picture = np.full((int(side), int(side), 3), 127, np.uint8)
motion, shape = networks.read(picture)
sender_s = time.perf_counter() - began
networks.render(networks.appearance(picture), shape, motion, motion)
picture_s = time.perf_counter() - began
import json, resource
status = Path("/proc/self/status")  # getrusage would count what the parent had when it forked
if status.exists():
    memory = 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
else:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"first_motion_s": sender_s, "first_picture_s": picture_s, "memory_bytes": memory}))
"""


@dataclass(frozen=True)
class Times:
    """Milliseconds per frame."""

    median: float
    p95: float

    @classmethod
    def of(cls, seconds: list[float]) -> Times:
        """From measurements in seconds."""
        return cls(float(np.median(seconds)) * 1e3, float(np.quantile(seconds, 0.95)) * 1e3)


@dataclass(frozen=True)
class BackendSpeed:
    """The cost of one backend.

    stages: per frame; "sender" and "receiver" are their sums, frame by frame. processor_ms: per frame of "sender" and "receiver",
    all threads together, mean. source_ms: F, once per source frame. look_ms: the sender draws what the other side sees and
    compares, as it does with several source frames for at most a tenth of a processor.
    first_motion_s, first_picture_s: from the start of a fresh process, imports included. memory_bytes: its peak.
    """

    device: str
    stages: dict[str, Times]
    processor_ms: dict[str, float]
    source_ms: float
    look_ms: float
    first_motion_s: float
    first_picture_s: float
    memory_bytes: int


@dataclass(frozen=True)
class SpeedReport:
    """Everything measured in one run."""

    clip: str
    frames: int
    fps: float
    processors: int
    threads: int | None
    detector_ms: float
    """The face detector on one picture, median; a call runs it five times per second."""
    load: float | None
    """Load average of the last minute when the run began; None where the system does not say."""
    weights: str
    backends: dict[str, BackendSpeed] = field(default_factory=dict)
    batches: BatchReport | None = None
    """Many pictures at once; with torch only."""

    def ratio(self, name: str, stage: str) -> float | None:
        """Median of a stage divided by ONNX Runtime's; None without ONNX Runtime."""
        reference = self.backends.get(REFERENCE)
        if reference is None:
            return None
        return self.backends[name].stages[stage].median / max(reference.stages[stage].median, 1e-9)

    def share(self, name: str, fps: float, *, looks: bool = False) -> float:
        """The share of all processors that one person's sender and receiver take at that many pictures per second each way.

        looks: with several source frames.
        """
        share = sum(self.backends[name].processor_ms.values()) * fps / 1000 + (LookDuty.SHARE if looks else 0.0)
        return share / self.processors

    def to_json(self) -> dict[str, object]:
        """Plain values, with the ratios."""
        values = asdict(self)
        for name, backend in values["backends"].items():
            backend["ratio"] = {stage: self.ratio(name, stage) for stage in backend["stages"]}
            backend["share_of_processors"] = {str(fps): self.share(name, fps) for fps in CALL_FPS}
            backend["share_with_looks"] = {str(fps): self.share(name, fps, looks=True) for fps in CALL_FPS}
        if self.batches is not None:
            for batch in values["batches"]["batches"]:
                batch["floor_ms"] = self.batches.floor.ms(batch["at_once"])
        return values

    def print(self, console: Console) -> None:
        """The table for the terminal."""
        load = "" if self.load is None else f", load {self.load:.1f} as it began"
        threads = f"threads: {self.threads}" if self.threads else "threads: the backend's choice"
        title = f"facewire bench --speed: ms per frame, median (95th percentile); {self.processors} processors, {threads}{load}"
        table = Table(title=title, title_justify="left")
        table.add_column("")
        for name, backend in self.backends.items():
            table.add_column(f"{name}, {backend.device}", justify="right")
        for stage in (*SENDER, "sender", *RECEIVER, "receiver"):
            cells = []
            for name, backend in self.backends.items():
                times, ratio = backend.stages[stage], self.ratio(name, stage)
                shown = "" if ratio is None or name == REFERENCE else f"  x {ratio:.2f}"
                cells.append(f"{times.median:.2f} ({times.p95:.2f}){shown}")
            whole = stage in ("sender", "receiver")
            table.add_row(stage, *cells, style="bold" if whole else None, end_section=whole)
        table.add_row("face detector, 5 per second", *([f"{self.detector_ms:.1f}"] * len(self.backends)))
        found = self.backends.values()
        for end in ENDS:
            row = (f"{backend.processor_ms[end]:.2f}" for backend in self.backends.values())
            table.add_row(f"processor time, {end}", *row)
        for fps in CALL_FPS:
            row = (f"{self.share(name, fps):.0%}; {self.share(name, fps, looks=True):.0%}" for name in self.backends)
            table.add_row(f"of {self.processors} processors, both at {fps} per second; several source frames", *row)
        table.add_row("F, once per source frame", *(f"{backend.source_ms:.1f}" for backend in found))
        table.add_row("a look at what the other side sees", *(f"{backend.look_ms:.1f}" for backend in found))
        table.add_row("first motion after start, s", *(f"{backend.first_motion_s:.2f}" for backend in found))
        table.add_row("first picture after start, s", *(f"{backend.first_picture_s:.2f}" for backend in found))
        table.add_row("memory of that process, MB", *(f"{backend.memory_bytes / 1e6:.0f}" for backend in found))
        console.print(table)
        if self.batches is not None:
            console.print(self.batches.table())
        console.print(
            f"{self.frames} frames of {self.clip}, weights {self.weights}. Backends take turns frame by frame: on a busy machine "
            "trust only the ratios (x).",
            style="dim",
            markup=False,
        )


def measure_speed(
    clip: Path,
    weights: Path | None = None,
    backend: str = "auto",
    threads: int | None = None,
    frames: int = 100,
    progress: Callable[[str, int], None] | None = None,
) -> SpeedReport:
    """Times sender and receiver on a clip. backend: that one alone ("torch" also times many pictures at once), or, for "auto", all
    that `auto` chooses from.

    Raises InputError for a clip or a backend that cannot be used.
    """
    tell = progress or (lambda _what, _frames: None)
    cv2.setNumThreads(-1 if threads is None else threads)  # optical flow
    names = [backend] if backend != "auto" else [n for n in AUTOMATIC if importlib.util.find_spec(n) is not None]
    bundle = load_bundle(weights)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    runs = {}
    with open_video(str(clip)) as video:
        detector = FaceDetector()
        framed = frame_video(video, detector)
    with open_video(str(clip)) as video:
        pictures = [frame.picture for frame in islice(video, frames)]
        fps = video.fps
    if len(pictures) <= WARM_UP:
        raise InputError(f"{clip}: has {len(pictures)} frames; more than {WARM_UP} are needed")
    for name in names:
        runs[name] = _Run(Networks(bundle, threads, name), framed.framing, pictures[0], fps)
    for number, picture in enumerate(pictures, start=1):
        order = list(runs.values())
        for run in order[number % len(order) :] + order[: number % len(order)]:
            run.frame(picture)
        tell("frames", number)
    looks = 1e3 * float(np.median([_seconds_of(detector.detect, picture) for picture in pictures[:20]]))
    batches = None
    if "torch" in names:
        from facewire.benchmark.batches import measure_batches

        batches = measure_batches(bundle, threads, tell)
    report = SpeedReport(
        clip=clip.name,
        frames=len(pictures),
        fps=fps,
        processors=os.cpu_count() or 1,
        threads=threads,
        detector_ms=looks,
        load=load,
        weights=f"{bundle.name} {bundle.hash.hex()}",
        batches=batches,
    )
    for name, run in runs.items():
        tell(f"start of {name}", 0)
        motion_s, picture_s, memory = _cold(bundle.folder, threads, name, bundle.picture_size)
        report.backends[name] = BackendSpeed(
            run.device, run.times(), run.processor_ms(), 1e3 * run.source_s, run.look_ms(), motion_s, picture_s, memory
        )
    return report


def _seconds_of(look: Callable[[NDArray[np.uint8]], object], picture: NDArray[np.uint8]) -> float:
    began = time.perf_counter()
    look(picture)
    return time.perf_counter() - began


class _Run:
    """One backend, both ends."""

    def __init__(self, networks: Networks, framing: Framing, picture: NDArray[np.uint8], fps: float) -> None:
        self.device = networks.backend.device
        self._networks, self._framing = networks, framing
        square = framing.cut(picture, networks.bundle.picture_size)
        self._encoder = Encoder(networks, frame_rate=fps, packing=Packing())
        self._decoder = Decoder(networks)
        self._decoder.receive_source(self._encoder.use_source(square).message)
        networks.appearance(square)
        began = time.perf_counter()
        networks.appearance(square)
        self.source_s = time.perf_counter() - began
        self._watch = Stopwatch((*SENDER, *RECEIVER))
        self._processor_s: dict[str, list[float]] = {end: [] for end in ENDS}
        self._looks: list[float] = []
        self._number = 0

    def frame(self, picture: NDArray[np.uint8]) -> None:
        """One frame, from the camera's picture to ours."""
        began = time.process_time()
        with self._watch("framing"):
            square = self._framing.cut(picture, self._networks.bundle.picture_size)
        with self._watch("motion"):
            motion = self._networks.motion(square)
        with self._watch("scene"):
            self._encoder.bank.choose(motion, 40 * self._number)
            motion = self._encoder.with_scene(square, motion)
        with self._watch("encode"):
            packet = self._encoder.pack(motion, 40 * self._number)
        assert packet is not None
        sent = time.process_time()
        with self._watch("decode"):
            (decoded,) = self._decoder.decode(packet)
        with self._watch("render"):
            self._decoder.render(decoded.motion)
        self._processor_s["sender"].append(sent - began)
        self._processor_s["receiver"].append(time.process_time() - sent)
        self._encoder.acknowledge(self._number)
        if self._number % LOOK_EVERY == 0:
            began = time.perf_counter()
            self._encoder.bank.glance(square, motion)
            self._looks.append(time.perf_counter() - began)
        self._number += 1

    def look_ms(self) -> float:
        """Median of the looks, without the first."""
        return 1e3 * float(np.median(self._looks[1:] or self._looks))

    def processor_ms(self) -> dict[str, float]:
        """Of each end, without the warm-up frames."""
        return {end: 1e3 * float(np.mean(seconds[WARM_UP:])) for end, seconds in self._processor_s.items()}

    def times(self) -> dict[str, Times]:
        """Of every stage and both ends, without the warm-up frames."""
        warm = {stage: seconds[WARM_UP:] for stage, seconds in self._watch.seconds.items()}
        sums = {end: [sum(row) for row in zip(*(warm[s] for s in stages), strict=True)] for end, stages in ENDS.items()}
        return {stage: Times.of(seconds) for stage, seconds in (warm | sums).items()}


def _cold(folder: Path, threads: int | None, backend: str, side: int) -> tuple[float, float, int]:
    """Seconds from the start of a fresh process to its first motion and first picture, and its peak memory in bytes."""
    arguments = [str(folder), str(threads or 0), backend, str(side)]
    done = subprocess.run([sys.executable, "-c", COLD, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FacewireError(f"{backend} does not start: {done.stderr.strip().splitlines()[-1:]}")
    values = json.loads(done.stdout)
    return values["first_motion_s"], values["first_picture_s"], values["memory_bytes"]
