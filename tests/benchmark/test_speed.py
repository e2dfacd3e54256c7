"""The speed report has every stage of every backend, and says what it cannot do."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from facewire.benchmark.speed import RECEIVER, SENDER, measure_speed
from facewire.cli import main
from facewire.errors import InputError


def test_every_stage_is_timed(clip: Path) -> None:
    report = measure_speed(clip, backend="onnxruntime", threads=1, frames=9)
    (speed,) = report.backends.values()
    assert set(speed.stages) == {*SENDER, "sender", *RECEIVER, "receiver"}
    assert all(0 < times.median <= times.p95 for times in speed.stages.values())
    parts = sum(speed.stages[stage].median for stage in SENDER)
    assert 0.4 * parts < speed.stages["sender"].median < 2.5 * parts
    assert 0 < speed.first_motion_s < speed.first_picture_s
    assert speed.memory_bytes > 50e6
    assert set(speed.processor_ms) == {"sender", "receiver"}
    assert report.share("onnxruntime", 30) == pytest.approx(1.2 * report.share("onnxruntime", 25))
    busy = report.share("onnxruntime", 25) * report.processors * 40
    assert busy == pytest.approx(sum(speed.processor_ms.values()))
    assert busy > 0
    assert report.ratio("onnxruntime", "render") == 1
    console = Console(file=io.StringIO(), width=120)
    report.print(console)
    assert "first picture after start" in console.file.getvalue()  # type: ignore[attr-defined]
    assert json.loads(json.dumps(report.to_json()))["backends"]["onnxruntime"]["ratio"]["receiver"] == 1


def test_a_clip_too_short_to_time_is_refused(clip: Path) -> None:
    with pytest.raises(InputError, match="more than 5"):
        measure_speed(clip, backend="onnxruntime", frames=3)


def test_bench_needs_to_know_what_to_measure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench"]) == 2
    assert "--speed" in capsys.readouterr().err
