"""A whole run: plausible, repeatable figures that survive an interruption, in files that other programs can read."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from facewire.benchmark.bandwidth.clip import read_clip
from facewire.benchmark.bandwidth.config import Ladder
from facewire.benchmark.bandwidth.curves import rate_at
from facewire.benchmark.bandwidth.neural import Repeat
from facewire.benchmark.bandwidth.referee import FIGURES, Referee
from facewire.benchmark.bandwidth.report import schema, tables_of, to_json, write_report
from facewire.benchmark.bandwidth.rivals import RIVALS
from facewire.benchmark.bandwidth.run import BenchOptions, Point, Result, run_bench
from facewire.benchmark.bandwidth.summary import anchor_of, curve_of, summarise
from facewire.cli import main
from facewire.errors import InputError
from facewire.models.runtime import Networks
from facewire.receiver.play import play

from .conftest import QUICK, told

BARE = replace(
    QUICK, seconds=0.5, presets=("default",), half_rate_presets=(), rivals={"vp9": Ladder((20,), (), (), (), (), ())}
)
"""The smallest possible run."""


def without_times(point: Point) -> Point:
    return replace(point, encode_ms=0.0, decode_ms=0.0)


def test_broken_clip_is_named_and_the_others_are_measured(quick: Result) -> None:
    assert [clip.name for clip in quick.clips] == ["carphone_pristine"]
    (line,) = quick.refused
    assert "broken.mp4: cannot be read as video or sound" in line
    names = [(point.family, point.name) for point in quick.clips[0].points]
    assert ("facewire", "default half-rate") in names
    assert ("facewire-one-source", "default half-rate") in names
    assert ("x264-veryfast", "crf30 half-size half-rate") in names
    assert ("repeat", "held") in names
    assert len(set(names)) == len(names) == 2 * 3 + 1 + 8 + 2


def test_figures_rank_better_pictures_higher(quick: Result) -> None:
    points = {point.name: point for point in quick.clips[0].of("x264-veryfast")}
    fine, coarse = points["crf20"], points["crf40"]
    compared = set(fine.figures) & set(coarse.figures) - {"face_missing", "jitter", "eye_slope", "mouth_slope"}
    assert {"psnr", "ssim", "ms_ssim"} <= compared
    for name in compared:
        assert FIGURES[name].better * (fine.figures[name] - coarse.figures[name]) > 0, name
    assert fine.payload_kbps > coarse.payload_kbps > points["1kbps"].payload_kbps


def test_the_wire_costs_more_than_the_payload_and_half_rate_saves_headers(quick: Result) -> None:
    points = {point.name: point for point in quick.clips[0].of("x264-veryfast")}
    assert all(point.wire_kbps > point.payload_kbps for point in points.values())
    full, half = points["crf30"], points["crf30 half-rate"]
    assert half.wire_kbps - half.payload_kbps < 0.6 * (full.wire_kbps - full.payload_kbps)


def test_codec_equals_itself_at_its_own_rate(quick: Result) -> None:
    (clip,) = quick.clips
    for point in clip.of("x264-veryfast"):
        found = rate_at(curve_of(clip, "x264-veryfast", "psnr", "payload"), point.figures["psnr"], 1)
        assert found is not None
        assert found.kbps <= point.payload_kbps * (1 + 1e-9)  # less only where another setting is better and cheaper


@pytest.mark.slow
def test_the_same_inputs_give_the_same_figures(quick: Result, tmp_path: Path) -> None:
    again = run_bench(replace(quick.options, out=tmp_path / "again", workers=2), told)  # in separate processes
    assert [without_times(p) for p in again.clips[0].points] == [without_times(p) for p in quick.clips[0].points]
    one, two = (to_json(result, summarise(result)) for result in (quick, again))
    assert one["comparisons"] == two["comparisons"]


def test_run_resumes_where_it_stopped(quick: Result, tmp_path: Path) -> None:
    options = replace(quick.options, out=tmp_path / "out")
    smaller = BARE
    first = run_bench(replace(options, config=smaller), told)
    asked: list[tuple[int, int]] = []
    wider = replace(BARE, rivals={"vp9": Ladder((20, 40), (), (), (), (), ())})
    second = run_bench(replace(options, config=wider), lambda done, total: asked.append((done, total)))
    kept = {(p.family, p.name): p for p in first.clips[0].points}
    for point in second.clips[0].points:  # times differ from measurement to measurement: these were not measured again
        if (point.family, point.name) in kept:
            assert point == kept[(point.family, point.name)]
    assert {p.name for p in second.clips[0].of("vp9")} == {"q20", "q40"}
    assert asked[-1] == (8, 8)  # two files by ours, ours with one source frame, held and one rival
    file = next((tmp_path / "out" / "points").rglob("vp9.json"))
    file.write_text(file.read_text()[:100])  # cut off, as by a full disk
    third = run_bench(replace(options, config=wider), told)
    assert [without_times(p) for p in third.clips[0].points] == [without_times(p) for p in second.clips[0].points]


def test_changed_sampling_is_measured_again(quick: Result, tmp_path: Path) -> None:
    config = replace(BARE, rivals={})
    options = replace(quick.options, out=tmp_path / "out", config=config, clips=quick.options.clips[:1])
    run_bench(options, told)
    file = next((tmp_path / "out" / "points").rglob("repeat.json"))
    before = json.loads(file.read_text())["fingerprint"]
    run_bench(replace(options, config=replace(config, every=4)), told)
    assert json.loads(file.read_text())["fingerprint"] != before


def test_ours_with_one_source_frame_stands_beside_ours(quick: Result) -> None:
    (clip,) = quick.clips
    several, one = (anchor_of(clip, family) for family in ("facewire", "facewire-one-source"))
    assert ", 6 source frames" in several.settings
    assert ", one source frame" in one.settings
    summary = summarise(quick)
    for ours in (several, one):
        compared = summary.comparison("vp9", "psnr", "payload", ours.family)
        assert compared is not None
        assert [equal.ours for equal in compared.clips] == [ours.payload_kbps]
    assert summary.comparison("vp9", "psnr", "payload") == summary.comparison("vp9", "psnr", "payload", "facewire")
    assert [one.source_bytes, one.start_bytes] == [[], 0]
    assert one.call_kbps(1.0) == pytest.approx(1.0 + 8 * one.first_bytes / 600_000)
    assert several.call_kbps(1.0) == pytest.approx(1.0 + 8 * (several.first_bytes + 17_000) / 600_000)
    for rival in clip.of("vp9"):
        assert [rival.source_bytes, rival.start_bytes] == [[], 0]


def test_another_number_of_source_frames_measures_only_ours_again(quick: Result, tmp_path: Path) -> None:
    options = replace(quick.options, out=tmp_path / "out", clips=quick.options.clips[:1], config=BARE)
    before = {point.family: point for point in run_bench(options, told).clips[0].points}
    after = run_bench(replace(options, config=replace(BARE, sources=1)), told)
    points = {point.family: point for point in after.clips[0].points}
    assert list(points) == ["facewire", "repeat", "vp9"]
    assert points["vp9"] == before["vp9"]  # with its times: it was not measured again
    assert points["repeat"] == before["repeat"]
    assert points["facewire"].settings == before["facewire-one-source"].settings
    assert points["facewire"].figures == before["facewire-one-source"].figures
    assert {c.ours for c in summarise(after).comparisons} == {"facewire"}


def test_no_usable_clip_raises_input_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"")
    with pytest.raises(InputError, match=r"no clip could be used: .*broken\.mp4"):
        run_bench(BenchOptions((broken,), tmp_path / "out", QUICK, workers=1), told)


def test_kept_streams_are_complete_and_ours_decodes(quick: Result, tmp_path: Path, networks: Networks) -> None:
    folder = quick.options.out / "streams" / "carphone_pristine"
    assert {file.suffix for file in folder.iterdir()} == {".fw", ".h264", ".ivf"}
    assert len(list(folder.iterdir())) == 2 * 3 + 8 + 2
    done = play(folder / "facewire-default.fw", tmp_path / "shown.mkv", networks)
    assert done.frames == quick.clips[0].frames


def test_report_follows_its_schema_and_shows_no_pictures_unless_asked(quick: Result) -> None:
    summary = summarise(quick)
    write_report(quick, summary, [], [], [])
    out = quick.options.out
    values = json.loads((out / "report.json").read_text())
    jsonschema.validate(values, json.loads(schema()))
    assert (out / "report.schema.json").read_text() == schema()
    assert "path" not in values["clips"][0]
    page = (out / "report.html").read_text()
    columns = (
        "payload, times ours",
        "payload, times one source frame",
        "17,000 bytes a minute, 2.27 kbit/s of payload",
    )
    for text in ("Where we lose", "x264 veryfast", "carphone_pristine", "broken.mp4", *columns):
        assert text in page
    assert "data:video" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    rows = list(csv.DictReader((out / "points.csv").read_text().splitlines()))
    assert len(rows) == len(quick.clips[0].points)
    assert {row["codec"] for row in rows} == {"facewire", "facewire-one-source", "repeat", "x264-veryfast", "vp9"}
    equal = list(csv.DictReader((out / "equal.csv").read_text().splitlines()))
    assert {row["ours"] for row in equal} == {"facewire", "facewire-one-source"}


def test_terminal_shows_a_table_for_each_of_ours(quick: Result) -> None:
    tables = tables_of(quick, summarise(quick))
    assert [str(table.title).partition(" beside ")[2].rpartition(", 1 clip")[0] for table in tables] == [
        "facewire",
        "facewire, one source frame",
    ]
    assert [table.row_count for table in tables] == [2, 2]  # rivals


def test_schema_rejects_wrong_values(quick: Result) -> None:
    values = to_json(quick, summarise(quick))
    values["clips"][0]["points"][0]["payload_kbps"] = -1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, json.loads(schema()))


def test_picture_against_itself_scores_best(carphone: Path) -> None:
    clip = read_clip(carphone, 256, 0.7)
    source = Repeat().decode(Repeat().encode(clip.pictures, clip.fps).packets, 1)[0]
    figures, moments = Referee(clip, replace(QUICK, learned=True), source).judge(clip.pictures)
    assert figures["psnr"] == 100
    assert figures["ssim"] == pytest.approx(1)
    assert figures["ms_ssim"] == pytest.approx(1)
    for name, value in (("akd", 0.0), ("st_lpips", 0.0), ("face_missing", 0.0), ("jitter", 1.0)):
        if name in figures:
            assert figures[name] == pytest.approx(value, abs=1e-6)
    assert [number for number, _ in moments] == list(range(1, len(clip.pictures), QUICK.every))


def test_missing_codec_is_left_out_with_a_note(quick: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RIVALS, "vp9", replace(RIVALS["vp9"], encoder="libvpx-vp10"))
    result = run_bench(replace(quick.options, out=tmp_path / "out", config=BARE), told)
    assert any("VP9: left out, this PyAV has no encoder libvpx-vp10" in line for line in result.left_out)
    assert not result.clips[0].of("vp9")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--out FOLDER"),
        (["--small", "--config", "x.toml"], "not both"),
        (["--speed", "a.mp4", "b.mp4"], "one clip"),
        (["--config", "missing.toml", "--show-config"], "missing.toml"),
        (["--answers", "missing.csv"], "missing.csv"),
        (["missing.mp4", "--out", "{out}", "--no-costs", "--no-sockets"], "no such file"),
    ],
)
def test_invalid_options_give_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *(argument.format(out=tmp_path / "out") for argument in arguments)]) == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert said in err[-1]
    assert not any("Traceback" in line for line in err)


def test_show_config_prints_toml(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--show-config", "--small"]) == 0
    assert "[rivals.x265]" in capsys.readouterr().out


def test_sound_only_file_is_not_a_clip(tmp_path: Path) -> None:
    import av

    path = tmp_path / "voice.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="holds only sound"):
        read_clip(path, 64, 1.0)
