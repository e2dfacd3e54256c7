"""How many pictures per second a host of many calls gets out of its device, in batches and call by call, beside the floor.

The networks run in torch, on an NVIDIA GPU where there is one. `benchmark.speed` gets milliseconds and pictures per second for each
batch size, memory, and the time that arithmetic or memory traffic alone would take on this device.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from facewire.models.bundle import Bundle
from facewire.models.graphs import RenderGraph
from facewire.models.runtime import Drawing
from facewire.models.shared import SharedNetworks
from facewire.models.torch_backend import Torch

AT_ONCE = {"CUDA": (1, 8, 32, 64), "CPU": (1, 4)}
SECONDS, LEAST_RUNS = 1.0, 6
"""The least runs and time of every measurement."""
MATRIX = {"CUDA": 8192, "CPU": 1536}
"""Side of the matrices whose product measures the device's arithmetic."""
COPY_BYTES = {"CUDA": 1 << 30, "CPU": 1 << 27}


@dataclass(frozen=True)
class BatchSpeed:
    """Figures for one number of pictures at once.

    ms, pictures_per_s: of runs with that many, one after the other; medians. call_ms, call_pictures_per_s: of as many calls, each
    wanting its next picture as soon as it has the last; per picture, and of all calls together.
    """

    at_once: int
    ms: float
    pictures_per_s: float
    call_ms: float
    call_pictures_per_s: float


@dataclass(frozen=True)
class Floor:
    """What M and G need from the device and what it offers: no program can be faster without computing less.

    flop: of one picture, as torch counts them (convolutions and products). weight_bytes: read once per run. picture_bytes: read and
    written per picture. flop_per_s: of a large product in G's precision; bytes_per_s: of a copy, reading and writing; both
    measured here.
    """

    flop: float
    weight_bytes: float
    picture_bytes: float
    flop_per_s: float
    bytes_per_s: float

    def ms(self, at_once: int) -> float:
        """Least milliseconds of a run with that many pictures."""
        arithmetic = at_once * self.flop / self.flop_per_s
        memory = (self.weight_bytes + at_once * self.picture_bytes) / self.bytes_per_s
        return 1e3 * max(arithmetic, memory)


@dataclass(frozen=True)
class BatchReport:
    """Figures of one device. memory_bytes: peak of the GPU's memory; None on a CPU."""

    device: str
    precision: str
    batches: list[BatchSpeed]
    floor: Floor
    memory_bytes: int | None

    def table(self) -> Table:
        """For the terminal."""
        floor = self.floor
        title = (
            f"M and G in batches on {self.device}, {self.precision}; the floor is {floor.flop / 1e9:.2f} GFLOP and "
            f"{floor.picture_bytes / 1e6:.1f} MB per picture, {floor.weight_bytes / 1e6:.1f} MB per run, at "
            f"{floor.flop_per_s / 1e12:.2f} TFLOP/s and {floor.bytes_per_s / 1e9:.0f} GB/s"
        )
        if self.memory_bytes is not None:
            title += f"; {self.memory_bytes / 1e6:.0f} MB of GPU memory at most"
        table = Table(title=title, title_justify="left")
        for heading in (
            "at once",
            "ms per run",
            "floor, ms",
            "pictures per second",
            "as calls: ms per picture",
            "pictures per second",
        ):
            table.add_column(heading, justify="right")
        for batch in self.batches:
            figures = (
                batch.ms,
                floor.ms(batch.at_once),
                batch.pictures_per_s,
                batch.call_ms,
                batch.call_pictures_per_s,
            )
            table.add_row(
                str(batch.at_once), *(f"{figure:.3g}" if figure < 100 else f"{figure:.0f}" for figure in figures)
            )
        return table


def measure_batches(bundle: Bundle, threads: int | None, tell: Callable[[str, int], None]) -> BatchReport:
    """Measures M and G in torch. tell: called with what is being measured."""
    networks = SharedNetworks(bundle, threads)
    device = networks.backend.device
    size = bundle.picture_size
    picture = np.random.default_rng(0).integers(0, 255, (size, size, 3), np.uint8)
    motion, shape = networks.read(picture)
    # Every call has a source frame of its own.
    drawings = [Drawing(networks.appearance(picture), shape, motion, motion) for _ in range(max(AT_ONCE[device]))]
    batches = []
    for count in AT_ONCE[device]:
        tell(f"{count} pictures at once", 0)
        batches.append(_batch(networks, drawings[:count]))
    tell("floor", 0)
    memory = torch.cuda.max_memory_allocated() if device == "CUDA" else None
    name = torch.cuda.get_device_name() if device == "CUDA" else f"CPU, {torch.get_num_threads()} threads"
    return BatchReport(name, networks.backend.precision, batches, _floor(bundle, networks, drawings[0]), memory)


def _batch(networks: SharedNetworks, drawings: list[Drawing]) -> BatchSpeed:
    networks.render_many(drawings)
    seconds = _repeated(lambda: networks.render_many(drawings))
    waits = _calls(networks, drawings)
    together = sum(len(of_call) for of_call in waits) / max(map(sum, waits))
    of_all = [wait for of_call in waits for wait in of_call]
    return BatchSpeed(
        len(drawings),
        1e3 * float(np.median(seconds)),
        len(drawings) * len(seconds) / sum(seconds),
        1e3 * float(np.median(of_all)),
        together,
    )


def _calls(networks: SharedNetworks, drawings: list[Drawing]) -> list[list[float]]:
    """Seconds for each picture of each call, with all calls at work at once."""
    waits: list[list[float]] = [[] for _ in drawings]
    start = threading.Barrier(len(drawings))

    def call(number: int) -> None:
        one = drawings[number]
        start.wait()
        waits[number] = _repeated(lambda: networks.render(one.appearance, one.canonical, one.source, one.driving))

    threads = [threading.Thread(target=call, args=(number,), daemon=True) for number in range(len(drawings))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


def _repeated(work: Callable[[], object]) -> list[float]:
    """Seconds of every run of work, for `SECONDS` and at least `LEAST_RUNS`."""
    taken: list[float] = []
    while sum(taken) < SECONDS or len(taken) < LEAST_RUNS:
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return taken


def _floor(bundle: Bundle, networks: SharedNetworks, drawing: Drawing) -> Floor:
    assert isinstance(networks.backend, Torch)
    graph = networks.backend.module(bundle.folder, "render")
    assert isinstance(graph, RenderGraph)
    feeds = drawing.feeds()
    place = next(graph.parameters()).device
    given = [torch.from_numpy(feeds[name]).to(place) for name in graph.inputs]
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        (frame,) = graph(*given)
    used = (graph.receiver.motion_field, graph.receiver.fine_flow, graph.receiver.generator)
    weights = sum(value.nbytes for module in used for value in module.parameters())
    kind, device = torch.bfloat16 if networks.backend.half else torch.float32, networks.backend.device
    side = MATRIX[device]
    a, b = (torch.ones(side, side, dtype=kind, device=place) for _ in range(2))
    source = torch.ones(COPY_BYTES[device], dtype=torch.uint8, device=place)
    goal = torch.empty_like(source)
    return Floor(
        flop=float(counter.get_total_flops()),
        weight_bytes=float(weights),
        picture_bytes=float(sum(value.nbytes for value in given) + frame.nbytes),
        flop_per_s=2 * side**3 / _best(lambda: torch.mm(a, b), place),
        bytes_per_s=2 * source.nbytes / _best(lambda: goal.copy_(source), place),
    )


def _best(work: Callable[[], object], place: torch.device) -> float:
    """Seconds of the fastest run."""

    def run() -> None:
        work()
        if place.type == "cuda":
            torch.cuda.synchronize()

    return min(_repeated(run))
