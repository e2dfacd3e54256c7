"""Raw videos become clips for the trainer: cut as the sender does, split by person, resumable, with reasons for what is dropped."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rich.console import Console

from facewire.errors import InputError
from facewire.sender.face_detector import FaceDetector
from facewire.sender.framing import Framing, frame_video
from facewire.sender.media import VideoFile
from facewire.training.clips import unfinished, write_clip
from facewire.training.data import load_labels, read_clip, read_manifest
from facewire.training.face_labels import ClipLabels, check_mesh_installed, read_labels
from facewire.training.options import People
from facewire.training.prepare import PrepareOptions, find_videos, person_of, prepare, split_people
from facewire.training.segments import Scan, scan
from facewire.video import VideoWriter

Picture = NDArray[np.uint8]
QUIET = Console(quiet=True)
MIN_SIDE = 96
DATA = Path(__file__).parents[3] / "shared" / "data"
needs_mesh = pytest.mark.skipif(importlib.util.find_spec("mediapipe") is None, reason="needs MediaPipe")


def write(path: Path, pictures: Sequence[Picture], fps: float = 25.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, fps, synthesised=False) as writer:
        for picture in pictures:
            writer.write(picture)
    return path


def swaying(portrait: Picture, frames: int = 45) -> list[Picture]:
    """A portrait that turns and shifts slightly."""
    height, width = portrait.shape[:2]
    pictures = []
    for number in range(frames):
        move = cv2.getRotationMatrix2D((225, 130), 4 * np.sin(number / 3), 1.0)
        move[:, 2] += 6 * np.cos(number / 4), 0
        moved = cv2.warpAffine(portrait, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
        pictures.append(np.asarray(moved, np.uint8))
    return pictures


def scanned(path: Path, detector: FaceDetector, min_side: int = MIN_SIDE) -> Scan:
    return scan(path, detector, min_side, lambda: None)


def reasons(found: Scan) -> list[str]:
    return [dropped.reason for dropped in found.dropped]


# --- segments


def test_clips_are_cut_as_the_sender_frames_them(carphone: Path, detector: FaceDetector) -> None:
    found = scanned(carphone, detector)
    (segment,) = found.segments
    with VideoFile(carphone) as video:
        assert segment.framing == frame_video(video, detector).framing
    assert (segment.start, segment.stop) == (0, found.frames)


def test_no_segment_spans_a_cut(astronaut: Picture, detector: FaceDetector, tmp_path: Path) -> None:
    here = swaying(astronaut)
    there = [np.ascontiguousarray(255 - picture[:, ::-1] // 2) for picture in here]  # other brightness, other side
    found = scanned(write(tmp_path / "cut.mp4", [*here, *there]), detector)
    assert found.segments[0].start == 0
    assert 40 <= found.segments[0].stop <= 45
    assert all(segment.start >= 45 for segment in found.segments[1:])


def test_videos_of_several_people_are_left_out(astronaut: Picture, detector: FaceDetector, tmp_path: Path) -> None:
    pair = [np.concatenate([picture, picture[:, ::-1]], 1) for picture in swaying(astronaut)]
    found = scanned(write(tmp_path / "pair.mp4", pair), detector)
    assert not found.segments
    assert reasons(found) == ["several faces"]


def test_small_bystander_is_ignored(astronaut: Picture, detector: FaceDetector, tmp_path: Path) -> None:
    far = cv2.resize(astronaut, (160, 160), interpolation=cv2.INTER_AREA)
    far = cv2.copyMakeBorder(far, 352, 0, 0, 0, cv2.BORDER_REPLICATE)
    crowd = [np.concatenate([picture, far], 1) for picture in swaying(astronaut)]
    assert len(scanned(write(tmp_path / "crowd.mp4", crowd), detector).segments) == 1


def test_dropped_stretches_name_their_reason(astronaut: Picture, detector: FaceDetector, tmp_path: Path) -> None:
    pictures = swaying(astronaut)
    nobody = np.full((256, 256, 3), 90, np.uint8)
    canvas = [np.asarray(cv2.copyMakeBorder(p, 0, 0, 0, 512, cv2.BORDER_REPLICATE), np.uint8) for p in pictures]
    for name, frames, fps, side, reason in (
        ("short", pictures[:20], 25, MIN_SIDE, "too short"),
        ("slides", pictures[:20], 5, MIN_SIDE, "too few frames a second"),
        ("small", pictures, 25, 600, "too little resolution"),
        ("nobody", [nobody] * 45, 25, MIN_SIDE, "no face"),
        ("far", canvas, 25, 500, "small face"),
    ):
        found = scanned(write(tmp_path / f"{name}.mp4", frames, fps), detector, side)
        assert not found.segments, name
        assert set(reasons(found)) == {reason}, name


def test_framed_video_is_used_whole(astronaut: Picture, detector: FaceDetector, tmp_path: Path) -> None:
    crop = np.ascontiguousarray(astronaut[20:250, 110:340])
    found = scanned(write(tmp_path / "crop.mp4", swaying(crop)), detector)
    (segment,) = found.segments
    assert segment.whole_picture
    assert segment.framing == Framing(0, 0, 230)


def test_fast_videos_are_thinned(astronaut: Picture, detector: FaceDetector, tmp_path: Path) -> None:
    found = scanned(write(tmp_path / "fast.mp4", swaying(astronaut, 120), 60), detector)
    assert found.fps == pytest.approx(60, rel=1e-3)
    assert found.step == 2


def test_long_takes_are_cut_into_even_parts(astronaut: Picture, detector: FaceDetector, tmp_path: Path) -> None:
    small = [
        np.asarray(cv2.resize(p, (256, 256), interpolation=cv2.INTER_AREA), np.uint8) for p in swaying(astronaut, 16)
    ]
    found = scanned(write(tmp_path / "long.mp4", small * 12, 12), detector, 64)  # 192 frames, 16 seconds
    assert [(s.start, s.stop) for s in found.segments] == [(0, 96), (96, 192)]


@pytest.mark.parametrize("seed", range(8))
def test_damaged_video_is_used_up_to_the_damage_or_refused(
    seed: int, carphone: Path, detector: FaceDetector, tmp_path: Path
) -> None:
    random = np.random.default_rng(seed)
    content = bytearray(carphone.read_bytes())
    for place in random.integers(0, len(content), 40):
        content[place] = random.integers(256)
    (tmp_path / "damaged.mp4").write_bytes(content[: random.integers(len(content) // 2, len(content))])
    with contextlib.suppress(InputError):
        found = scanned(tmp_path / "damaged.mp4", detector)
        assert all(segment.stop <= found.frames for segment in found.segments)


# --- people


@pytest.mark.parametrize(
    ("source", "people", "person"),
    [
        ("id00012/21Uxsk56VDQ/00001.mp4", "folders", "id00012"),
        ("WDA_BarackObama_000.mp4", "names", "WDA_BarackObama"),
        ("clips/RD_Radio1_012.mp4", "names", "RD_Radio1"),
        ("train/id10001#7w0IBEWc9Qw#000993#001143.mp4", "names", "id10001"),
        ("anna.mp4", "names", "anna"),
        ("a/anna.take.mp4", "files", "a/anna.take"),
    ],
)
def test_path_names_the_person(source: str, people: People, person: str) -> None:
    assert person_of(source, people) == person


@given(st.sets(st.text(min_size=1, max_size=8), min_size=2), st.sets(st.text(min_size=1, max_size=8)))
def test_adding_people_keeps_the_split_of_others(first: set[str], more: set[str]) -> None:
    before = split_people(first, 0.3, {})
    assert set(before.values()) == {"train", "val"}
    after = split_people(first | more, 0.3, before)
    assert {name: after[name] for name in first} == before


def test_validation_share_is_about_the_requested_one() -> None:
    splits = list(split_people((f"person {i}" for i in range(2000)), 0.1, {}).values())
    assert 150 < splits.count("val") < 250


def options(raw: Path, out: Path, **changes: Any) -> PrepareOptions:
    return replace(PrepareOptions(raw, out, min_side=MIN_SIDE, workers=2), **changes)


def test_adding_videos_keeps_those_chosen_before(tmp_path: Path) -> None:
    for name in ("ann/1.mp4", "ann/2.mp4", "ann/3.mp4", "bob/1.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    chosen = find_videos(options(tmp_path, tmp_path / "out", videos_per_person=2))
    assert len(chosen) == 3
    for name in "abcdefgh":
        (tmp_path / "cid").mkdir(exist_ok=True)
        (tmp_path / "cid" / f"{name}.mp4").touch()
    again = find_videos(options(tmp_path, tmp_path / "out", videos_per_person=2))
    assert set(chosen) < set(again)
    assert len(again) == 5


# --- invalid input


def test_unusable_folders_raise_input_error(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"

    def refuses(text: str, **changes: Any) -> None:
        with pytest.raises(InputError, match=text):
            prepare(options(raw, out, **changes), QUIET)

    refuses("no such folder")
    raw.mkdir()
    (raw / "notes.txt").touch()
    refuses("--val 0.0: a share", val=0.0)
    with pytest.raises(InputError, match="neither inside the other"):
        prepare(options(raw, raw / "clips"), QUIET)
    refuses("holds no videos")
    (raw / "a.mp4").touch()
    refuses("the first folder names the person")
    (raw / "a.mp4").rename(raw / "anna_001.mp4")
    refuses("all videos are of one person, 'anna'", people="names")
    out.mkdir()
    (out / "labels.py").touch()
    refuses("holds something other")


def test_missing_mediapipe_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(InputError, match=r"pip install --no-deps mediapipe==0\.10\.21"):
        check_mesh_installed()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 cut short"])
def test_damaged_label_file_raises_input_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match="not a label file"):
        load_labels(tmp_path, tmp_path / "a.npz")


def test_label_file_with_other_contents_raises_input_error(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", landmarks=np.zeros((3, 2)), pose=np.zeros(3), eyes=np.zeros((3, 2)), mouth=np.zeros(3))
    with pytest.raises(InputError, match="wrong shapes"):
        read_labels(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", landmarks=np.array([{}], object))
    with pytest.raises(InputError, match="not a label file"):
        read_labels(tmp_path / "b.npz")
    with pytest.raises(InputError, match="no such label file"):
        read_labels(tmp_path / "c.npz")


def test_labels_survive_saving_within_a_thirtieth_of_a_pixel(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    landmarks = random.uniform(-1, 1, (5, 478, 3)).astype(np.float32)
    eyes, mouth, pose = (random.random(shape).astype(np.float32) for shape in ((5, 2), (5,), (5, 6)))
    ClipLabels(landmarks, pose, eyes, mouth).save(tmp_path / "a.npz")
    labels = load_labels(tmp_path, tmp_path / "a.npz")
    assert np.abs(labels["landmarks"] - landmarks).max() * 128 < 1 / 30
    np.testing.assert_array_equal(labels["eyes"], eyes)
    np.testing.assert_array_equal(labels["mouth"], mouth)


def test_clips_are_h264_in_closed_groups_and_keep_their_frames(nodding: list[Picture], tmp_path: Path) -> None:
    pictures = [np.asarray(p) for p in nodding * 6]
    write_clip(tmp_path / "a.mp4", pictures, 29.97)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert stream.codec_context.name == "h264"
        assert stream.average_rate is not None
        assert abs(float(stream.average_rate) - 29.97) < 0.001
    keys = [number for number, frame in enumerate(frames) if frame.key_frame]
    assert max(np.diff([*keys, len(frames)])) <= 30
    decoded = read_clip(tmp_path / "a.mp4")
    assert len(decoded) == len(pictures)
    assert np.abs(decoded[40].astype(int) - pictures[40]).mean() < 4
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


# --- the whole command


@pytest.fixture(scope="module")
def raw(carphone: Path, astronaut: Picture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, one of them twice, and a file that is not a video."""
    folder = tmp_path_factory.mktemp("raw")
    write(folder / "astronaut" / "portrait.mp4", swaying(astronaut))
    write(folder / "astronaut" / "Ä clips256 take #2.mp4", swaying(astronaut[:, ::-1].copy()))
    (folder / "phone").mkdir()
    shutil.copy(carphone, folder / "phone" / "carphone.mp4")
    (folder / "phone" / os.fsdecode(b"broken \xff.mp4")).write_bytes(b"not a video")  # and its name is not text
    return folder


@pytest.fixture(scope="module")
def data(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "data"
    prepare(options(raw, out), QUIET)
    return out


@needs_mesh
def test_videos_become_labelled_clips(data: Path) -> None:
    rows = read_manifest(data, "train") + read_manifest(data, "val")
    assert sorted(row.identity for row in rows) == ["astronaut", "astronaut", "phone"]
    assert len({row.split for row in rows if row.identity == "astronaut"}) == 1
    assert {row.split for row in rows} == {"train", "val"}
    for row in rows:
        pictures, labels = read_clip(row.path), load_labels(data, row.labels)
        assert pictures.shape == (row.frames, 256, 256, 3)
        assert labels["landmarks"].shape == (row.frames, 478, 3)
        height = np.ptp(labels["landmarks"][..., 1], axis=1) / 2
        assert 0.4 < np.median(height) < 0.65, "the face takes about half of the side"
        nose = (labels["landmarks"][:, 4, :2] + 1) * 128
        assert np.all((nose > 60) & (nose < 200)), "landmarks lie on the face"
    phone = next(row for row in rows if row.identity == "phone")
    assert load_labels(data, phone.labels)["mouth"].std() > 0.03, "the man on the phone shouts"
    with (data / "dropped.csv").open() as file:
        (dropped,) = csv.DictReader(file)
    assert dropped["source_path"] == r"phone/broken \udcff.mp4"
    assert dropped["reason"] == "cannot be read"


@needs_mesh
def test_finished_videos_are_not_prepared_again(raw: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    shutil.copytree(data, out)
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4")}
    lost = next(out.rglob("portrait*.json"))
    lost.unlink()
    (out / "clips256" / "phone" / ".half.part.mp4").touch()
    prepare(options(raw, out, workers=1), QUIET)
    again = {path for path in out.rglob("*.mp4") if path.stat().st_mtime_ns != stamps.get(path)}
    assert {path.name.split("_")[0] for path in again} == {"portrait"}
    assert not list(unfinished(out))
    assert (out / "manifest.csv").read_text() == (data / "manifest.csv").read_text()


@needs_mesh
def test_videos_without_a_usable_face_raise_input_error(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / "raw" / name / "grey.mp4", [np.full((128, 128, 3), 90, np.uint8)] * 40)
    with pytest.raises(InputError, match=r"no clips in 2 videos \(no face 2\)"):
        prepare(options(tmp_path / "raw", tmp_path / "out", workers=1), QUIET)


@needs_mesh
@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_labels_agree_with_the_data_set(tmp_path: Path) -> None:
    """Enlarged clips of the data set, in folders as VoxCeleb's, are used whole and get the data set's labels."""
    for name in ("id0063_00", "id0152_00"):
        path = DATA / "clips512" / "val" / f"{name}.mp4"
        folder = tmp_path / "raw" / path.stem / "video"
        folder.mkdir(parents=True)
        shutil.copy(path, folder / "00001.mp4")
    prepare(options(tmp_path / "raw", tmp_path / "out", min_side=200), QUIET)
    theirs = {row.name: row for row in read_manifest(DATA, "val") + read_manifest(DATA, "train")}
    with (tmp_path / "out" / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    for row in rows:
        assert row["whole_picture"] == "True"
        labels = read_labels(tmp_path / "out" / row["path"].replace("clips256", "labels").replace(".mp4", ".npz"))
        reference = load_labels(DATA, theirs[row["identity"]].labels)["landmarks"][: len(labels.mouth)]
        distance = np.linalg.norm(labels.landmarks[: len(reference), :, :2] - reference[..., :2], axis=-1) * 128
        assert distance.mean() < 1.0


def facewire(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "facewire", *map(str, arguments)]


@needs_mesh
@pytest.mark.slow
def test_prepared_clips_can_be_trained_and_evaluated_on(data: Path, tmp_path: Path) -> None:
    train = facewire("train", "sender", "--data", data, "--cache", tmp_path / "cache", "--out", tmp_path / "run")
    subprocess.run([*train, "--steps", "3", "--batch", "2", "--device", "cpu"], check=True, capture_output=True)
    assert (tmp_path / "run" / "weights.safetensors").is_file()
    evaluate = facewire("evaluate", "--data", data, "--every", "20", "--workers", "1", "--out", tmp_path / "scores")
    subprocess.run(evaluate, check=True, capture_output=True)
    clips = len(read_manifest(data, "val"))
    assert len(json.loads((tmp_path / "scores" / "scores.json").read_text())["clips"]) == clips


def until(condition: Callable[[], object], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + 120
    while not condition() and time.monotonic() < deadline:
        assert process is None or process.poll() is None, "it ended before it was stopped"
        time.sleep(0.02)


@needs_mesh
@pytest.mark.slow
@pytest.mark.parametrize("signals", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_stopped_run_leaves_no_partial_files_and_resumes(
    signals: signal.Signals, raw: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    command = facewire("prepare", raw, "--out", out, "--min-side", MIN_SIDE, "--workers", 1)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    until(lambda: list(out.rglob("*.mp4")), process)
    process.send_signal(signals)
    _, errors = process.communicate(timeout=60)  # ends only once the workers, which hold the pipe too, have ended
    assert process.returncode == (130 if signals is signal.SIGINT else -signals)
    assert b"Traceback" not in errors
    for clip in out.rglob("[!.]*.mp4"):
        assert len(read_clip(clip)) >= 37, "a clip with its final name is complete"
    for labels in out.rglob("[!.]*.npz"):
        read_labels(labels)
    subprocess.run(command, check=True, capture_output=True)
    assert not list(unfinished(out))
    assert (out / "manifest.csv").read_text() == (data / "manifest.csv").read_text()
    assert {p.relative_to(out) for p in out.rglob("*.*")} == {p.relative_to(data) for p in data.rglob("*.*")}


@needs_mesh
@pytest.mark.slow
def test_killed_worker_loses_no_videos(raw: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    killed: list[int] = []

    def kill_the_first_worker() -> None:
        until(lambda: list(out.rglob("*.part*")))
        for worker in multiprocessing.active_children()[:1]:
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            killed.append(worker.pid)

    thread = threading.Thread(target=kill_the_first_worker)
    thread.start()
    prepare(options(raw, out), QUIET)
    thread.join()
    assert killed
    assert (out / "manifest.csv").read_text() == (data / "manifest.csv").read_text()
