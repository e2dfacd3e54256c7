"""The speed report covers every stage of every backend and rejects clips it cannot time."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from facewire.benchmark import batches
from facewire.benchmark.speed import RECEIVER, SENDER, SpeedReport, measure_speed
from facewire.cli import main
from facewire.errors import InputError
from facewire.models.bundle import load_bundle


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
    printed = io.StringIO()
    report.print(Console(file=printed, width=120))
    assert "first picture after start" in printed.getvalue()
    assert json.loads(json.dumps(report.to_json()))["backends"]["onnxruntime"]["ratio"]["receiver"] == 1


def test_batches_are_timed_beside_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SECONDS", 0.05)
    monkeypatch.setattr(batches, "LEAST_RUNS", 2)
    monkeypatch.setattr(batches, "MATRIX", {"CPU": 128, "CUDA": 1024})
    monkeypatch.setattr(batches, "AT_ONCE", {"CPU": (1, 3), "CUDA": (1, 3)})
    measured = batches.measure_batches(load_bundle(), 1, lambda _what, _frames: None)
    assert [batch.at_once for batch in measured.batches] == [1, 3]
    for batch in measured.batches:
        assert batch.pictures_per_s == pytest.approx(1000 * batch.at_once / batch.ms, rel=0.9)
        assert batch.call_ms > 0
        assert batch.call_pictures_per_s > 0
    floor = measured.floor
    assert 1e9 < floor.flop < 1e10
    assert floor.picture_bytes > 256 * 256 * 3
    report = SpeedReport("clip", 9, 25.0, 2, 1, 6.0, None, "laptop", batches=measured)
    values = json.loads(json.dumps(report.to_json()))
    assert values["batches"]["batches"][1]["floor_ms"] == pytest.approx(floor.ms(3))
    printed = io.StringIO()
    report.print(Console(file=printed, width=200))
    assert "pictures per second" in printed.getvalue()


def test_floor_is_the_longer_of_arithmetic_and_memory() -> None:
    arithmetic = batches.Floor(flop=1e9, weight_bytes=1e3, picture_bytes=1e3, flop_per_s=1e12, bytes_per_s=1e12)
    assert arithmetic.ms(4) == pytest.approx(4.0)
    memory = batches.Floor(flop=1e3, weight_bytes=2e9, picture_bytes=1e9, flop_per_s=1e12, bytes_per_s=1e12)
    assert memory.ms(4) == pytest.approx(6.0)


def test_clip_too_short_to_time_raises_input_error(clip: Path) -> None:
    with pytest.raises(InputError, match="more than 5"):
        measure_speed(clip, backend="onnxruntime", frames=3)


def test_bench_without_out_or_speed_gives_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench"]) == 2
    assert "--speed" in capsys.readouterr().err
