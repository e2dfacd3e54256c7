"""The cost of each codec: processor time, its own delay, memory. One clip, one process per codec.

Gives a `Cost` per codec for `report_page`. Times differ from run to run and machine to machine; no figure of quality comes from
here.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facewire.benchmark.bandwidth.clip import Clip, read_clip
from facewire.benchmark.bandwidth.codec import Codec
from facewire.benchmark.bandwidth.neural import BUNDLE_WAIT_S, Facewire
from facewire.benchmark.bandwidth.rivals import RIVALS, Libav
from facewire.benchmark.bandwidth.run import BenchOptions

LOOK_S = 0.01
WARM_UP = 12
"""Pictures coded before the clock starts."""


@dataclass(frozen=True)
class Cost:
    """The cost of one codec, at its middle quality."""

    family: str
    settings: str
    encode_ms: float
    """Processor time per picture."""
    decode_ms: float
    delay_ms: float
    """Time the codec itself waits: for pictures it looks ahead to, or for those that share a packet."""
    cpu_s_per_minute: float
    """One stream sent and one received."""
    memory_mb: float
    """Peak of coding and decoding, above the clip and the decoded pictures; ours includes its networks."""


def measure_costs(options: BenchOptions, path: Path, tell: Callable[[int, int], None]) -> list[Cost]:
    """Measures ours and every rival installed, one after the other."""
    families = [*options.config.ours, *(name for name in options.config.rivals if RIVALS[name].missing() is None)]
    context = multiprocessing.get_context("spawn")
    costs = []
    for number, family in enumerate(families):
        tell(number, len(families))
        with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
            costs.append(pool.submit(_cost, options, path, family).result())
    return costs


def _cost(options: BenchOptions, path: Path, family: str) -> Cost:
    clip = read_clip(path, options.config.size, options.config.seconds)
    codec = _middle(options, family)
    with _Watch() as watch:
        codec.decode(codec.encode(clip.pictures[:WARM_UP], clip.fps).packets, WARM_UP)
        began = time.process_time()
        coded = codec.encode(clip.pictures, clip.fps)
        middle = time.process_time()
        codec.decode(coded.packets, len(clip.pictures))
        ended = time.process_time()
    shown = sum(picture.nbytes for picture in clip.pictures)  # decoded pictures are not the codec's own memory
    encode, decode = (1000 * span / len(clip.pictures) for span in (middle - began, ended - middle))
    return Cost(
        family,
        codec.settings,
        encode,
        decode,
        _delay_ms(codec, clip),
        (encode + decode) * clip.fps * 60 / 1000,
        max(0, watch.grown_bytes - shown) / 1e6,
    )


def _middle(options: BenchOptions, family: str) -> Codec:
    if family in options.config.ours:
        return Facewire("default", options.weights, options.backend, options.config.ours[family])
    qualities = options.config.rivals[family].quality
    return RIVALS[family].at(quality=qualities[len(qualities) // 2])


def _delay_ms(codec: Codec, clip: Clip) -> float:
    ahead = codec.pictures_ahead(clip.pictures, clip.fps) if isinstance(codec, Libav) else int(BUNDLE_WAIT_S * clip.fps)
    return 1000 * ahead / clip.fps


class _Watch:
    """How far this process's memory rises above its start while entered, sampled a hundred times per second."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._start = self._most = _resident_bytes()

    @property
    def grown_bytes(self) -> int:
        return self._most - self._start

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._most = max(self._most, _resident_bytes())
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(LOOK_S):
            self._most = max(self._most, _resident_bytes())


def _resident_bytes() -> int:
    """Memory of this process now; 0 where there is no /proc."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS"))
