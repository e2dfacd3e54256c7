"""Which video of a file, and which way up: chosen on the command line, named in messages, the same for files and calls."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facewire.benchmark.loopback import LoopbackOptions, run
from facewire.call.command import read_options
from facewire.cli import COMMANDS, main
from facewire.errors import InputError, NoFaceError
from facewire.models.runtime import Networks
from facewire.parser import build_parser
from facewire.sender import media
from facewire.sender.face_detector import FaceDetector
from facewire.sender.framing import frame_picture, frame_video
from facewire.sender.live import LiveSender, LiveSenderOptions
from facewire.sender.media import Camera, InputOptions, open_live_video, open_video
from facewire.sender.record import record
from tests.conftest import write_clip
from tests.sender.test_live import Other

Picture = NDArray[np.uint8]
TURNS = [(90, "on its side"), (180, "upside down"), (270, "on its side")]
"""How far a picture is turned clockwise to be upright, and how it lies before."""


@pytest.fixture(scope="module")
def swaying(nodding: list[Picture]) -> list[Picture]:
    """A face beside a wall, 320 x 256: width and height differ."""
    return [np.hstack([picture, np.full((256, 64, 3), 90, np.uint8)]) for picture in nodding[:6]]


@pytest.fixture(scope="module")
def two_streams(swaying: list[Picture], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stripes first, then the face, which is the default."""
    path = tmp_path_factory.mktemp("streams") / "two.mkv"
    stripes = np.repeat(np.where(np.arange(320) % 16 < 8, 255, 0)[None, :, None], 256, 0).repeat(3, 2).astype(np.uint8)
    with av.open(str(path), "w") as container:
        streams = []
        for number in range(2):
            stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "12"})
            stream.width, stream.height, stream.pix_fmt = 320, 256, "yuv420p"
            stream.disposition = av.stream.Disposition.default if number else av.stream.Disposition(0)
            streams.append(stream)
        for number, picture in enumerate(swaying):
            for stream, shown in zip(streams, (stripes, picture), strict=True):
                frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def lying(path: Path, pictures: list[Picture], degrees: int) -> Path:
    """A video that is upright once it has been turned clockwise by so many degrees; nothing in the file says so."""
    return write_clip(path, [np.ascontiguousarray(np.rot90(picture, degrees // 90)) for picture in pictures])


@pytest.mark.parametrize(("degrees", "how"), TURNS)
def test_face_that_is_not_upright_is_refused_with_the_turn_that_helps(
    degrees: int, how: str, swaying: list[Picture], networks: Networks, tmp_path: Path
) -> None:
    path, out = lying(tmp_path / "a.mp4", swaying, degrees), tmp_path / "a.fw"
    words = f"a.mp4: the face is {how}; turn the video with --rotate {degrees}$"
    with pytest.raises(NoFaceError, match=words):
        record(path, out, networks)
    assert not out.exists()
    with pytest.raises(NoFaceError, match=words):  # a call refuses it too, instead of showing nobody
        Other().sender(networks, str(path))
    assert record(path, out, networks, sources=1, input_options=InputOptions(rotate=degrees)).held == 0


@pytest.mark.parametrize("degrees", [degrees for degrees, _ in TURNS])
def test_turned_video_is_that_which_lay_upright(degrees: int, swaying: list[Picture], tmp_path: Path) -> None:
    with open_video(lying(tmp_path / "a.mp4", swaying, degrees), InputOptions(rotate=degrees)) as video:
        pictures = [frame.picture for frame in video]
    with open_video(write_clip(tmp_path / "b.mp4", swaying)) as video:
        upright = [frame.picture for frame in video]
    assert pictures[0].shape == (256, 320, 3)
    assert np.abs(np.stack(pictures).astype(int) - np.stack(upright)).mean() < 4


@pytest.mark.parametrize("degrees", [degrees for degrees, _ in TURNS])
def test_wrong_turn_is_corrected_by_the_whole_angle(degrees: int, swaying: list[Picture], tmp_path: Path) -> None:
    upright, detector = write_clip(tmp_path / "a.mp4", swaying), FaceDetector()
    with (
        open_video(upright, InputOptions(rotate=degrees)) as video,
        pytest.raises(NoFaceError, match=f"leave out --rotate {degrees}"),
    ):
        frame_video(video, detector)
    side = lying(tmp_path / "b.mp4", swaying, 90)
    wrong = (degrees + 90) % 360
    if wrong:
        with (
            open_video(side, InputOptions(rotate=wrong)) as video,
            pytest.raises(NoFaceError, match="turn the video with --rotate 90"),
        ):
            frame_video(video, detector)


@pytest.mark.parametrize(("degrees", "how"), TURNS)
def test_portrait_that_is_not_upright_is_refused(degrees: int, how: str, astronaut: Picture) -> None:
    turned = np.ascontiguousarray(np.rot90(astronaut, degrees // 90))
    with pytest.raises(
        NoFaceError, match=f"me.jpg: the face is {how}; turn the picture clockwise by {degrees} degrees"
    ):
        frame_picture(turned, FaceDetector(), "me.jpg")


@pytest.mark.parametrize("lean", [-30, 30])
def test_head_that_leans_is_upright(lean: int, astronaut: Picture) -> None:
    move = cv2.getRotationMatrix2D((225, 130), lean, 1.0)
    leaning = cv2.warpAffine(astronaut, move, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    assert frame_picture(np.asarray(leaning, np.uint8), FaceDetector()).with_face == 1


def test_still_picture_and_camera_are_turned_too(
    astronaut: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Driver:
        def __init__(self, _index: int) -> None:
            pass

        def isOpened(self) -> bool:
            return True

        def get(self, _property: int) -> float:
            return 30.0

        def release(self) -> None:
            pass

        def read(self) -> tuple[bool, Picture]:
            return True, np.ascontiguousarray(np.rot90(astronaut[:, :300], 1)[..., ::-1])

    monkeypatch.setattr(cv2, "VideoCapture", Driver)
    with Camera(0, InputOptions(rotate=90)) as video:
        assert np.array_equal(next(iter(video)).picture, astronaut[:, :300])
    cv2.imwrite(str(tmp_path / "a.png"), np.rot90(astronaut[:, :300], 1)[..., ::-1])
    with open_live_video(tmp_path / "a.png", InputOptions(rotate=90)) as still:
        assert np.array_equal(next(iter(still)).picture, astronaut[:, :300])
    for single in ("0", str(tmp_path / "a.png")):
        with pytest.raises(InputError, match="has no streams to choose from; --stream is for video files"):
            open_live_video(single, InputOptions(1))


def test_stream_is_chosen_for_files_loopback_and_calls(
    two_streams: Path, networks: Networks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (remark,) = record(two_streams, None, networks, sources=1).remarks
    assert remark == "two.mkv has 2 video streams: number 1 is used, which players show; another with --stream N"
    encode = ["encode", str(two_streams), "-o", str(tmp_path / "a.fw"), "--sources", "1", "--stream", "1", "--json"]
    assert main(encode) == 0
    assert json.loads(capsys.readouterr().out)["remarks"] == []
    loopback = partial(LoopbackOptions, str(two_streams), rivals=False, landmarks=False)
    assert run(loopback(input_options=InputOptions(1)), networks=networks).frames == 6
    for refused in (
        lambda: run(loopback(input_options=InputOptions(0)), networks=networks),
        lambda: Other().sender(networks, str(two_streams), LiveSenderOptions(input=InputOptions(0))),
    ):
        with pytest.raises(NoFaceError):  # the stripes
            refused()
    other = Other()
    chosen: LiveSender = other.sender(networks, str(two_streams), LiveSenderOptions(input=InputOptions(1), loop=True))
    unnamed = other.sender(networks, str(two_streams))
    assert (chosen.remarks, unnamed.remarks) == ((), (remark,))
    for sender in (chosen, unnamed):
        sender.stop()


def test_wrong_stream_is_refused_with_a_list(
    two_streams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["encode", str(two_streams), "-o", str(tmp_path / "a.fw"), "--stream", "2"]) == 2
    there = "no video stream 2, only 0: h264, 320x256; 1: h264, 320x256, which players show\n"
    assert capsys.readouterr().err == f"facewire: {two_streams}: {there}"


@pytest.mark.parametrize("command", ["call", "send"])
def test_a_call_takes_both_options_with_a_video(command: str) -> None:
    _, parsers = build_parser(COMMANDS)

    def read(*words: str) -> argparse.Namespace:
        options = parsers[command].parse_args(["room", *words])
        options.configured = {}
        return options

    given = read_options(read("--video", "a.mkv", "--stream", "0", "--rotate", "270"), command).media
    assert (given.stream, given.rotate) == (0, 270)
    for words in (["--stream", "0"], ["--rotate", "90"]):
        with pytest.raises(InputError, match=f"{words[0]} {words[1]}: goes with --video"):
            read_options(read("--video", "none", "--sound", "silence", *words), command)


def test_only_quarter_turns_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["encode", "a.mp4", "-o", "a.fw", "--rotate", "45"])
    assert "argument --rotate: not a choice: '45'; one of 90, 180, 270" in capsys.readouterr().err
    with pytest.raises(InputError, match="45 degrees: 90, 180 or 270, clockwise"):
        media.InputOptions(rotate=45)
