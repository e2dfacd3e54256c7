"""A whole run in one process: every frame is shown and counted, whatever the clip and the losses."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from rich.console import Console

from facewire.benchmark import loopback
from facewire.benchmark.loopback import Loopback, LoopbackOptions, LoopbackReport, run
from facewire.benchmark.report import print_report, to_json
from facewire.benchmark.rivals import Rival
from facewire.codec import Packing
from facewire.errors import InputError
from facewire.metrics.quality import FaceMesh, Score
from facewire.models.runtime import Networks
from facewire.receiver.play import play
from facewire.sender.media import open_video
from facewire.sender.record import record
from facewire.video import VideoWriter


def strange_clip(kind: str, nodding: list[np.ndarray], folder: Path) -> tuple[Path, list[int]]:
    """A clip, and the times in ms at which its frames are shown."""
    pictures, times, fps = nodding[:3], [0, 40, 80], 25
    if kind == "one frame":
        pictures, times = nodding[:1], [0]
    if kind == "two frames":
        pictures, times = nodding[:2], [0, 40]
    if kind == "odd size":
        pictures = [np.ascontiguousarray(picture[:253, :251]) for picture in pictures]
    if kind == "ten a second":
        times, fps = [0, 100, 200], 10
    if kind == "uneven":
        times = [0, 1, 700_000]
    if kind == "turned":
        pictures = [np.asarray(cv2.rotate(picture, cv2.ROTATE_90_COUNTERCLOCKWISE), np.uint8) for picture in pictures]
    path = folder / ("clip.mp4" if kind == "turned" else "clip.mkv")
    with VideoWriter(path, fps, synthesised=False) as writer:
        for picture, time_ms in zip(pictures, times, strict=True):
            writer.write(picture, time_ms)
    if kind == "turned":
        _turn_back(path)
    return path, times


def _turn_back(path: Path) -> None:
    """Sets the track header's rotation to a quarter turn clockwise."""
    none, one, minus = b"\0\0\0\0", b"\0\1\0\0", b"\xff\xff\0\0"
    plain, turned = one + none * 3 + one + none, none + one + none + minus + none * 2
    data = path.read_bytes()
    track = data.index(b"tkhd")
    path.write_bytes(data[:track] + data[track:].replace(plain, turned, 1))


@pytest.mark.parametrize("kind", ["one frame", "two frames", "odd size", "ten a second", "uneven", "turned"])
def test_unusual_clips_survive_loopback_and_file(
    kind: str, nodding: list[np.ndarray], networks: Networks, tmp_path: Path
) -> None:
    clip, times = strange_clip(kind, nodding, tmp_path)
    near, stream, far = (tmp_path / name for name in ("near.mkv", "a.fw", "far.mkv"))
    report = run(
        LoopbackOptions(str(clip), out=near, side_by_side=False, rivals=False, landmarks=False), networks=networks
    )
    assert report.frames == len(report.payload_bytes) == len(times)
    assert record(clip, stream, networks).frames == len(times)
    assert play(stream, far, networks).frames == len(times)
    for path in (near, far):
        with open_video(path) as video:
            assert [frame.time_ms for frame in video] == times


@pytest.mark.parametrize(("frames_per_packet", "redundancy"), [(3, 1), (5, 2), (16, 0)])
def test_bundled_packets_with_losses_show_every_frame(
    carphone: Path, networks: Networks, frames_per_packet: int, redundancy: int
) -> None:
    packing = Packing(frames_per_packet=frames_per_packet, redundancy=redundancy)
    loop = Loopback(
        LoopbackOptions(
            str(carphone), packing, loss=0.2, seed=2, max_frames=20, rivals=False, landmarks=False, sources=1
        ),
        networks,
    )
    assert [shown.due.number for shown in loop] == list(range(20))
    assert loop.report.packets == -(-20 // frames_per_packet)
    assert len(loop.report.payload_bytes) == 20


@pytest.mark.slow
def test_whole_clip_with_a_fifth_of_bundles_lost(carphone: Path) -> None:
    packing = Packing(frames_per_packet=3, redundancy=1)
    loop = Loopback(LoopbackOptions(str(carphone), packing, loss=0.2, rivals=False, landmarks=False))
    numbers = [shown.due.number for shown in loop]
    assert numbers == list(range(loop.report.frames))
    assert loop.report.packets_lost > 0
    assert loop.report.concealed < loop.report.frames / 5


def test_camera_stops_after_max_frames(carphone: Path, networks: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = cv2.VideoCapture

    class Playing:
        """A camera that plays a clip, 10 frames a second."""

        def __init__(self, _number: int) -> None:
            self._file = capture(str(carphone))

        def read(self) -> tuple[bool, np.ndarray]:
            time.sleep(0.1)
            return self._file.read()

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

    monkeypatch.setattr(cv2, "VideoCapture", Playing)
    with pytest.raises(InputError, match="--max-frames"):
        run(LoopbackOptions("0"), networks=networks)
    loop = Loopback(LoopbackOptions("0", max_frames=7, landmarks=False), networks)
    assert [shown.due.number for shown in loop] == list(range(7))
    loop.score_rivals()
    assert loop.report.x264 == {}


def test_long_clip_is_not_kept_for_x264(carphone: Path, networks: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "MAX_RIVAL_FRAMES", 4)
    report = run(LoopbackOptions(str(carphone), max_frames=7, landmarks=False), networks=networks)
    assert report.quality.keys() == {"ours", "repeat"}
    assert report.quality["ours"] is not None
    assert report.quality["ours"].frames == 7
    assert any("more than 4 frames" in remark for remark in report.remarks)


def test_mediapipe_without_face_mesh_gives_a_remark(
    carphone: Path, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", ModuleType("mediapipe"))
    with pytest.raises(InputError, match="face mesh"):
        FaceMesh()
    monkeypatch.setattr(FaceMesh, "installed", staticmethod(lambda: True))
    report = run(LoopbackOptions(str(carphone), max_frames=2, rivals=False), networks=networks)
    assert report.frames == 2
    assert any("landmarks are left out" in remark for remark in report.remarks)


def test_report_marks_rates_that_x264_cannot_reach(capsys: pytest.CaptureFixture[str]) -> None:
    score = Score(2, 30.0, 0.9, 2.5, 0.25, 0.5, 0.1, 0.5, 0.1)
    report = LoopbackReport(
        frames=2,
        seconds=2.0,
        fps=1.0,
        source_bytes=750,
        payload_bytes=[125, 125],
        quality={"ours": score, "repeat": score, "x264": score, "x264_total": score},
        x264={
            "x264": Rival(51.0, 500, [1000], [], fits=False),
            "x264_total": Rival(30.0, 500, [500], [], fits=True),
        },
    )
    print_report(report, Console(width=100))
    text = capsys.readouterr().out
    (marked,) = [line for line in text.splitlines() if "x264, motion" in line and "│" in line]
    assert "4.00 *" in marked
    assert "25%" in marked
    assert "CRF 51" in text
    assert "1000 bit/s" in text
    assert to_json(report)["total_kbps"] == 4.0
