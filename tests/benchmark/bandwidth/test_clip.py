"""Any clip becomes evenly timed pictures of one size, or an error of one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.benchmark.bandwidth.clip import read_clip, steady
from facewire.benchmark.bandwidth.run import clip_files
from facewire.errors import InputError
from facewire.sender.media import Frame, open_video
from facewire.video import VideoWriter

PIXEL = np.zeros((1, 1, 3), np.uint8)


def test_evenly_timed_clip_keeps_its_frames(carphone: Path) -> None:
    clip = read_clip(carphone, 64, 1.0)
    with open_video(carphone) as video:
        assert clip.fps == pytest.approx(video.fps)
    assert len(clip.pictures) == round(clip.fps)
    assert all(picture.shape == (64, 64, 3) for picture in clip.pictures)
    assert clip.kbps(1000) == pytest.approx(8 * clip.fps / (len(clip.pictures) - 1))


@given(st.lists(st.integers(1, 400), min_size=1, max_size=40), st.sampled_from([10.0, 25.0, 30.0]))
def test_uneven_times_become_even_and_no_picture_is_shown_early(steps: list[int], fps: float) -> None:
    times = np.cumsum([0, *steps]).tolist()
    frames = [Frame(PIXEL, time) for time in times]
    made = list(steady(frames, fps, 10_000))
    for number, frame in enumerate(made):
        at = 1000 * number / fps
        assert frame.time_ms <= at + 500 / fps  # to the nearest half step
        newest = max(time for time in times if time <= max(frame.time_ms, at - 500 / fps))
        assert frame.time_ms == newest
    assert made[-1].time_ms == times[-1]


def test_high_frame_rates_are_thinned(tmp_path: Path, nodding: list[np.ndarray]) -> None:
    path = tmp_path / "fast.mkv"
    with VideoWriter(path, 60, synthesised=False) as writer:
        for number in range(60):
            writer.write(nodding[number % len(nodding)], round(number * 1000 / 60))
    clip = read_clip(path, 64, 10.0)
    assert clip.fps == pytest.approx(30)
    assert 29 <= len(clip.pictures) <= 31


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("empty.mp4", b"", "empty.mp4"),
        ("noise.mp4", bytes(range(256)) * 64, "cannot be read as video or sound"),
        (None, None, "no such file"),
    ],
)
def test_unusable_files_raise_input_error(tmp_path: Path, name: str | None, data: bytes | None, said: str) -> None:
    path = tmp_path / (name or "missing.mp4")
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=said):
        read_clip(path, 64, 1.0)


def test_clip_too_short_raises_input_error(tmp_path: Path, nodding: list[np.ndarray]) -> None:
    path = tmp_path / "short.mkv"
    with VideoWriter(path, 25, synthesised=False) as writer:
        for number, picture in enumerate(nodding[:3]):
            writer.write(picture, 40 * number)
    with pytest.raises(InputError, match="3 frames"):
        read_clip(path, 64, 1.0)


def test_videos_in_folders_are_listed_once(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.MKV", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert clip_files([tmp_path, tmp_path / "b.mp4"]) == (tmp_path / "a.MKV", tmp_path / "b.mp4")
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no videos"):
        clip_files([tmp_path / "none"])
