"""Files that do not begin with a face, lose it or cut to somebody else: no source frame without a face; the rest is held."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facewire.benchmark.loopback import LoopbackOptions, run
from facewire.codec import read_stream
from facewire.errors import NoFaceError
from facewire.models.runtime import Networks
from facewire.sender import live
from facewire.sender.cuts import CutWatch
from facewire.sender.media import open_video
from facewire.sender.record import Recording, record
from facewire.source_picture import decompress
from tests.conftest import write_clip

Picture = NDArray[np.uint8]
NAVY = np.full((256, 256, 3), (0, 0, 90), np.uint8)


@pytest.fixture(scope="module")
def talking(nodding: list[Picture]) -> list[Picture]:
    """Two seconds of a face, at 10 frames a second."""
    return (nodding + nodding[::-1])[:20]


@pytest.fixture(scope="module")
def other_man(carphone: Path) -> list[Picture]:
    """Two seconds of somebody else, framed like the first."""
    with open_video(carphone) as video:
        pictures = [frame.picture for frame, _ in zip(video, range(20), strict=False)]
    return [cv2.resize(picture[:, 40 : 40 + picture.shape[0]], (256, 256)).astype(np.uint8) for picture in pictures]


def encode(path: Path, networks: Networks, source_frame: int | None = None, sources: int = 1) -> Recording:
    return record(path, path.with_suffix(".fw"), networks, source_frame=source_frame, sources=sources)


def source_pictures(path: Path, networks: Networks) -> list[Picture]:
    stream = read_stream(path.with_suffix(".fw").read_bytes())
    return [decompress(source.picture, networks.bundle.picture_size) for source in stream.sources]


def test_title_card_is_no_source_frame_and_is_held(networks: Networks, talking: list[Picture], tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [NAVY] * 10 + talking, 10)
    done = encode(path, networks)
    assert done.frames == 30
    assert done.held == 10
    assert [source.frame for source in done.sources] == [10]
    assert "10 of 30 frames do not show the face: the picture is held there" in done.remarks
    (picture,) = source_pictures(path, networks)
    assert picture[..., 0].mean() > 60


def test_source_frame_of_a_fade_is_well_lit(networks: Networks, talking: list[Picture], tmp_path: Path) -> None:
    faded = [np.asarray(picture * min(1.0, number / 12), np.uint8) for number, picture in enumerate(talking)]
    path = write_clip(tmp_path / "a.mp4", faded, 10)
    done = encode(path, networks)
    assert 8 <= done.sources[0].frame <= 12
    assert done.held < 6


@pytest.mark.parametrize("number", [0, 9])
def test_chosen_source_frame_without_a_face_is_refused(
    networks: Networks, talking: list[Picture], tmp_path: Path, number: int
) -> None:
    path = write_clip(tmp_path / "a.mp4", [NAVY] * 10 + talking, 10)
    with pytest.raises(NoFaceError, match=f"frame {number} shows no face"):
        encode(path, networks, number)
    with pytest.raises(NoFaceError, match=f"frame {number} shows no face"):
        run(LoopbackOptions(str(path), source_frame=number, rivals=False, landmarks=False), networks=networks)
    assert not path.with_suffix(".fw").exists()
    assert encode(path, networks, 12).sources[0].frame == 12


def test_face_that_appears_late_is_found(networks: Networks, talking: list[Picture], tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [NAVY] * 14 + talking[:3], 1)  # 14 s
    assert encode(path, networks).sources[0].frame == 14
    with pytest.raises(NoFaceError, match=r"no face found in the 14 frames searched, to the end"):
        encode(write_clip(tmp_path / "b.mp4", [NAVY] * 14, 1), networks)


def test_face_that_leaves_is_held_and_said(networks: Networks, talking: list[Picture], tmp_path: Path) -> None:
    wall = np.full_like(NAVY, 127)
    path = write_clip(tmp_path / "a.mp4", talking + [wall] * 10, 10)
    done = encode(path, networks)
    assert done.held == 10
    assert len(done.sources) == 1
    options = LoopbackOptions(str(path), rivals=False, landmarks=False, sources=1, out=tmp_path / "out.mkv")
    report = run(options, networks=networks)
    assert report.held == 10
    assert any("do not show the face" in remark for remark in report.remarks)
    with open_video(tmp_path / "out.mkv") as video:
        shown = [frame.picture[:, 256:] for frame in video]  # beside the camera's
    assert len(shown) == 30
    assert all(np.abs(picture.astype(int) - shown[19]).mean() < 2 for picture in shown[21:])


@pytest.mark.parametrize("sources", [1, 6])
def test_cut_to_somebody_else_brings_their_source_frame(
    networks: Networks, talking: list[Picture], other_man: list[Picture], tmp_path: Path, sources: int
) -> None:
    path = write_clip(tmp_path / "a.mp4", talking[:10] + other_man[:14], 10)
    options = LoopbackOptions(str(path), rivals=False, landmarks=False, sources=sources, out=tmp_path / "out.mkv")
    report = run(options, networks=networks)
    cut = next(source for source in report.sources if source.frame >= 10)
    assert cut.frame <= 20
    assert report.held == cut.frame - 10
    assert any("a new source frame after a cut" in remark for remark in report.remarks)
    assert not any(source.used > 14 for source in report.sources)
    with open_video(tmp_path / "out.mkv") as video:
        shown = [frame.picture.astype(int) for frame in video]
    apart = [float(np.abs(picture[:, :256] - picture[:, 256:]).mean()) for picture in shown]
    assert max(apart[cut.frame :]) < 20  # 60 with the first one's face


def test_file_has_the_source_frames_of_both_sides_of_a_cut(
    networks: Networks, talking: list[Picture], other_man: list[Picture], tmp_path: Path
) -> None:
    done = encode(write_clip(tmp_path / "a.mp4", talking[:10] + other_man[:14], 10), networks)
    first, second = done.sources
    assert first.frame < 10 <= second.frame <= 20
    assert done.held == second.frame - 10
    assert any("a new source frame after a cut" in remark for remark in done.remarks)


def test_clip_without_cuts_has_none(carphone: Path, talking: list[Picture], other_man: list[Picture]) -> None:
    watch = CutWatch()
    with open_video(carphone) as video:
        assert not any(watch.cut(frame.picture) for frame in video)
    flicker = [np.asarray(picture * (0.9 if number % 2 else 1.0), np.uint8) for number, picture in enumerate(talking)]
    watch = CutWatch()
    assert [number for number, picture in enumerate(flicker + other_man) if watch.cut(picture)] == [20]


def test_file_in_a_call_gets_a_new_source_frame_after_a_cut(
    networks: Networks, talking: list[Picture], other_man: list[Picture], tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "a.mp4", talking, 10)
    sources: list[live.SourceMessage] = []
    sent: list[int] = []
    sender = live.LiveSender(
        networks,
        str(path),
        live.LiveSenderOptions(),
        sources.append,
        lambda _packet, capture_ms: sent.append(capture_ms),
        lambda _state: None,
    )
    for number, picture in enumerate(talking + other_man):
        sender.take(picture, 100 * number)
    assert len(sources) == 2
    assert 2000 <= sources[1].capture_ms <= 3100
    assert not [ms for ms in sent if 2000 < ms < sources[1].capture_ms]
