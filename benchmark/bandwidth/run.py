"""A run of the bandwidth benchmark: every clip through every codec at every operating point, judged, and saved as it goes.

Writes one file per clip and codec into the run's folder and makes a `Result` of them for `report`. An interrupted run goes on where
it stopped; a file is used again only if nothing that its figures depend on has changed.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import multiprocessing
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from math import isfinite
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import av

from facewire.benchmark.bandwidth.clip import Clip, file_hash, read_clip
from facewire.benchmark.bandwidth.codec import Codec, Coded, Packet
from facewire.benchmark.bandwidth.config import REPEAT, Config
from facewire.benchmark.bandwidth.neural import Repeat, stream_of
from facewire.benchmark.bandwidth.referee import Referee, missing
from facewire.benchmark.bandwidth.rivals import RIVALS, Rival
from facewire.errors import FacewireError, InputError, reason
from facewire.files import write_whole
from facewire.models.bundle import load_bundle
from facewire.workers import interrupts_for_this_process, worker_pool

VERSION = 1
"""Version of the files with points; older ones are measured again."""
CALL_S = 600.0
"""Length of the call over which the first picture, and what we may spend on source frames at once, are spread."""
POLL_S = 0.3
SUFFIXES = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".y4m")
"""Suffixes of the files in a folder that count as clips."""


@dataclass(frozen=True)
class BenchOptions:
    """What to run, and where."""

    clips: tuple[Path, ...]
    out: Path
    config: Config = field(default_factory=Config)
    workers: int = 2
    weights: Path | None = None
    backend: str = "auto"
    keep_streams: bool = False
    """Write every bitstream into `streams/`."""


@dataclass(frozen=True)
class Point:
    """One clip through one codec at one operating point. Rates, in kbit/s, count what follows the first picture; ours the most
    that a call may spend on further source frames, all the time.
    """

    family: str
    name: str
    settings: str
    first_bytes: int
    """Bytes of the key frame, or of our first source frame."""
    payload_kbps: float
    wire_kbps: float
    """With headers; ours also with the acknowledgements that come back."""
    encode_ms: float
    """CPU time per picture in this run; not repeatable."""
    decode_ms: float
    figures: dict[str, float]
    moments: list[tuple[int, float]] = field(repr=False)
    """Number of each scored picture and its ST-LPIPS (PSNR where that is not installed)."""
    source_bytes: list[int] = field(default_factory=list)
    """Bytes of each of our source frames after the first that was really sent in the clip."""
    start_bytes: int = 0
    """What we may spend on such source frames at once when a call begins."""

    def call_kbps(self, kbps: float) -> float:
        """A rate with the first picture, and what we may spend at once, spread over `CALL_S`."""
        return kbps + 8 * (self.first_bytes + self.start_bytes) / (1000 * CALL_S)


@dataclass(frozen=True)
class ClipResult:
    """The results of one clip."""

    name: str
    path: str
    sha256: str
    frames: int
    fps: float
    remarks: list[str]
    points: list[Point]

    def of(self, family: str) -> list[Point]:
        """The points of one codec."""
        return [point for point in self.points if point.family == family]


@dataclass(frozen=True)
class Result:
    """A whole run."""

    options: BenchOptions
    bundle: str
    clips: list[ClipResult]
    refused: list[str]
    """One line per clip that could not be used."""
    left_out: list[str]
    """Codecs and figures that are not installed."""


def clip_files(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The clips that paths name: files, and the videos in folders, each once."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
            if not inside:
                raise InputError(f"{path}: holds no videos ({', '.join(SUFFIXES)})")
            found += inside
        else:
            found.append(path)
    return tuple(dict.fromkeys(found))


def run_bench(options: BenchOptions, tell: Callable[[int, int], None]) -> Result:
    """Measures what is not measured yet. tell: called with the number done and the total, in codecs times clips.

    Raises InputError if nothing can be measured, if a file cannot be written or if a process dies.
    """
    bundle = load_bundle(options.weights)
    left_out = missing(options.config)
    families = [*options.config.ours, REPEAT]
    for name in options.config.rivals:
        why = RIVALS[name].missing()
        if why is None:
            families.append(name)
        else:
            left_out.append(f"{RIVALS[name].label}: left out, {why}")
    try:
        (options.out / "points").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{options.out}: cannot be written ({reason(error)})") from error
    jobs = _measure(options, families, left_out, tell)
    clips = [job for job in jobs if isinstance(job, ClipResult)]
    refused = [job for job in jobs if isinstance(job, str)]
    if not clips:
        raise InputError(f"no clip could be used: {'; '.join(refused)}")
    return Result(options, f"{bundle.name} {bundle.hash.hex()[:12]}", clips, refused, left_out)


def _measure(
    options: BenchOptions, families: list[str], left_out: list[str], tell: Callable[[int, int], None]
) -> list[ClipResult | str]:
    total = len(options.clips) * len(families)
    if options.workers == 1:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            tell(done, total)

        return [_bench_clip(options, path, families, left_out, advance) for path in options.clips]
    return _measure_in_processes(options, families, left_out, lambda done: tell(done, total))


def _measure_in_processes(
    options: BenchOptions, families: list[str], left_out: list[str], tell: Callable[[int], None]
) -> list[ClipResult | str]:
    done = multiprocessing.get_context("spawn").Value("i", 0)
    with worker_pool(options.workers, "of the benchmark", _start, (done,)) as pool:
        with interrupts_for_this_process():
            jobs = [pool.submit(_bench_clip, options, path, families, left_out, _advance) for path in options.clips]
        waiting: set[concurrent.futures.Future[ClipResult | str]] = set(jobs)
        while waiting:
            _, waiting = concurrent.futures.wait(waiting, POLL_S, concurrent.futures.FIRST_EXCEPTION)
            for job in jobs:
                if job.done():
                    job.result()
            tell(done.value)
        return [job.result() for job in jobs]


_done: Synchronized[int] | None = None
"""In a worker: keeps the counter that it shares with the parent."""


def _start(done: Synchronized[int]) -> None:
    global _done
    _done = done


def _advance(count: int) -> None:
    if _done is not None:
        with _done.get_lock():
            _done.value += count


def _bench_clip(
    options: BenchOptions, path: Path, families: list[str], left_out: list[str], advance: Callable[[int], None]
) -> ClipResult | str:
    """Runs all codecs on one clip; returns a line for a clip that cannot be used. advance: called with the codecs done."""
    try:
        clip = read_clip(path, options.config.size, options.config.seconds)
        digest = file_hash(path)
    except InputError as error:
        advance(len(families))
        return " ".join(str(error).split())
    folder = options.out / "points" / f"{path.stem}-{digest[:8]}"
    folder.mkdir(exist_ok=True)
    referee: Referee | None = None
    points: list[Point] = []
    for family in families:
        file, fingerprint = folder / f"{family}.json", _fingerprint(options, family, digest, left_out)
        known, measured = _read_points(file, fingerprint), []
        for name, codec in options.config.points(family, options.weights, options.backend):
            found = next((p for p in known if (p.name, p.settings) == (name, codec.settings)), None)
            if found is None:
                referee = referee or _referee(options, clip)
                try:
                    found = _measure_point(options, clip, referee, family, name, codec)
                except FacewireError as error:
                    clip.remarks.append(f"{path.name}, {name}: left out, {error}")
                    continue
            measured.append(found)
        if measured != known:
            values = {"fingerprint": fingerprint, "points": [asdict(point) for point in measured]}
            write_whole(file, json.dumps(values).encode())
        points += measured
        advance(1)
    return ClipResult(path.stem, str(path), digest, len(clip.pictures), clip.fps, clip.remarks, points)


def _referee(options: BenchOptions, clip: Clip) -> Referee:
    held = Repeat(options.weights, options.config.size)
    source = held.decode(held.encode(clip.pictures[:1], clip.fps).packets, 1)[0]
    return Referee(clip, options.config, source)


def _fingerprint(options: BenchOptions, family: str, digest: str, left_out: list[str]) -> str:
    """Changes with everything but its setting that a codec's figures depend on."""
    config = options.config.to_json()
    for name in ("rivals", "sources", "presets", "half_rate_presets"):
        del config[name]  # each point's settings say them
    parts = [VERSION, digest, config, load_bundle(options.weights).hash.hex(), left_out, options.keep_streams]
    parts += [av.__version__, options.backend if family in options.config.ours else ""]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read_points(file: Path, fingerprint: str) -> list[Point]:
    """Points measured before, if they would be the same now."""
    try:
        values = json.loads(file.read_text())
        if values["fingerprint"] != fingerprint:
            return []
        return [Point(**{**point, "moments": [tuple(m) for m in point["moments"]]}) for point in values["points"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # missing, cut off or of another version: measured again


def _measure_point(options: BenchOptions, clip: Clip, referee: Referee, family: str, name: str, codec: Codec) -> Point:
    count = len(clip.pictures)
    began = time.process_time()
    coded = codec.encode(clip.pictures, clip.fps)
    middle = time.process_time()
    pictures = codec.decode(coded.packets, count)
    ended = time.process_time()
    figures, moments = referee.judge(pictures)
    if options.keep_streams and family != REPEAT:
        rival = RIVALS.get(family)
        _keep(options.out / "streams" / clip.name, f"{family}-{name}".replace(" ", "-"), rival, coded, clip)
    return Point(
        family=family,
        name=name,
        settings=codec.settings,
        first_bytes=coded.first_bytes,
        payload_kbps=clip.kbps(coded.payload_bytes) + coded.allowance.payload_kbps,
        wire_kbps=clip.kbps(coded.wire.forward + coded.wire.back) + coded.allowance.wire_kbps,
        encode_ms=1000 * (middle - began) / count,
        decode_ms=1000 * (ended - middle) / count,
        figures={key: value for key, value in figures.items() if isfinite(value)},
        moments=moments,
        source_bytes=coded.source_bytes,
        start_bytes=coded.allowance.start_bytes,
    )


def _keep(folder: Path, name: str, rival: Rival | None, coded: Coded, clip: Clip) -> None:
    """Writes a bitstream as other programs read it: .fw for `facewire decode`, Annex B for H.264 and H.265, IVF for the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    if rival is None:
        write_whole(folder / f"{name}.fw", stream_of(coded.packets))
    elif rival.decoder in ("h264", "hevc"):
        write_whole(folder / f"{name}.{rival.decoder}", b"".join(packet.data for packet in coded.packets))
    else:
        write_whole(folder / f"{name}.ivf", ivf(coded.packets, rival.decoder, clip))


def ivf(packets: Sequence[Packet], decoder: str, clip: Clip) -> bytes:
    """Packets of VP8, VP9 or AV1 in IVF, the container that their tools read. The stream itself says its size."""
    fourcc = {"vp8": b"VP80", "vp9": b"VP90", "libdav1d": b"AV01"}[decoder]
    rate = Fraction(clip.fps).limit_denominator(1001)
    height, width = clip.pictures[0].shape[:2]
    head = struct.pack(
        "<4sHH4sHHIIII", b"DKIF", 0, 32, fourcc, width, height, rate.numerator, rate.denominator, len(packets), 0
    )
    return head + b"".join(struct.pack("<IQ", len(p.data), p.number) + p.data for p in packets)
