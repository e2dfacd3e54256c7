"""A quick run shared by several tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from facewire.benchmark.bandwidth.config import Config, Ladder
from facewire.benchmark.bandwidth.run import BenchOptions, Result, run_bench

QUICK = Config(
    size=256,
    seconds=0.7,
    every=8,
    faces_every=4,
    jitter_frames=3,
    learned=False,
    vmaf=False,
    presets=("default", "lowest"),
    half_rate_presets=("default",),
    rivals={
        "x264-veryfast": Ladder((20, 30, 40), (1,), (30,), (30,), (30,), (30,)),
        "vp9": Ladder((20, 40), (), (), (), (), ()),
    },
)


def told(_done: int, _total: int) -> None:
    """Ignores progress."""


@pytest.fixture(scope="session")
def quick(carphone: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One good clip and one unusable, measured with bitstreams kept."""
    folder = tmp_path_factory.mktemp("bench")
    broken = folder / "broken.mp4"
    broken.write_bytes(b"no video")
    options = BenchOptions((carphone, broken), folder / "out", QUICK, workers=1, keep_streams=True)
    return run_bench(options, told)
