"""The command line: bad input gives one line and exit code 2, good input gives files and figures."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from facewire.arguments import view_degrees
from facewire.cli import main
from facewire.models.bundle import DEFAULT_BUNDLE
from facewire.sender.media import open_video
from facewire.video import VideoWriter
from tests.conftest import QUICK, command

REPORT_KEYS = {"frames", "fps", "size", "source_bytes", "payload_bytes", "payload_kbps", "wire_kbps", "ms", "quality"}


def write_video(path: Path, pictures: list[np.ndarray]) -> Path:
    with VideoWriter(path, 25) as writer:
        for picture in pictures:
            writer.write(picture)
    return path


def write_sound(path: Path) -> Path:
    import wave

    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * 8000)
    return path


def bad_input(kind: str, folder: Path, clip: Path) -> list[object]:
    """Arguments that a command must reject."""
    text = folder / "text.mp4"
    text.write_text("not a video\n" * 50)
    if kind == "no such file":
        return ["loopback", folder / "nothing.mp4"]
    if kind == "a folder":
        return ["loopback", folder]
    if kind == "not a video":
        return ["loopback", text]
    if kind == "only sound":
        return ["loopback", write_sound(folder / "sound.wav")]
    if kind == "no frames":
        whole = write_video(folder / "whole.mkv", [np.zeros((64, 64, 3), np.uint8)] * 3).read_bytes()
        (folder / "head.mkv").write_bytes(whole[: whole.index(b"\x1f\x43\xb6\x75")])
        return ["loopback", folder / "head.mkv"]
    if kind == "no face":
        return ["loopback", write_video(folder / "grey.mkv", [np.full((120, 160, 3), 127, np.uint8)] * 5)]
    if kind == "no camera":
        return ["loopback", "97"]
    if kind == "portrait is no picture":
        return ["loopback", clip, "--portrait", text]
    if kind == "portrait without a face":
        cv2.imwrite(str(folder / "grey.png"), np.full((200, 200, 3), 127, np.uint8))
        return ["loopback", clip, "--portrait", folder / "grey.png"]
    if kind == "no weights":
        return ["loopback", clip, "--weights", folder]
    if kind == "weights of another version":
        about = json.loads((DEFAULT_BUNDLE / "bundle.json").read_text())
        (folder / "bundle.json").write_text(json.dumps(about | {"format": 99}))
        (folder / "weights.safetensors").write_bytes(b"")
        return ["info", "--weights", folder]
    if kind == "no such source frame":
        return ["encode", clip, "-o", folder / "a.fw", "--source-frame", 99]
    if kind == "unknown video format":
        return ["loopback", clip, "-o", folder / "a.avi"]
    if kind == "no folder for the video":
        return ["loopback", clip, "-o", folder / "nowhere" / "a.mkv"]
    if kind == "not a stream":
        return ["decode", text, "-o", folder / "a.mkv"]
    if kind == "too many frames a packet":
        return ["loopback", clip, "--frames-per-packet", 17]
    if kind == "empty stream":
        (folder / "a.fw").write_bytes(b"")
        return ["decode", folder / "a.fw", "-o", folder / "a.mkv"]
    if kind == "video over its own clip":
        return ["loopback", clip, "-o", clip]
    if kind == "stream over its own clip":
        return ["encode", clip, "-o", clip]
    if kind == "two outputs of one name":
        return ["encode", clip, "-o", folder / "a.mkv", "--crop-video", folder / "a.mkv"]
    if kind == "figures into a folder":
        return ["loopback", clip, "--json", folder]
    if kind == "name too long":
        return ["loopback", "a" * 300]
    if kind == "camera number too high":
        return ["loopback", "12345678901"]
    if kind == "portrait and source frame":
        return ["loopback", clip, "--portrait", folder / "a.png", "--source-frame", 1]
    if kind == "endless playout delay":
        return ["loopback", clip, "--playout-delay-ms", "nan"]
    if kind == "too many coefficients":
        return ["loopback", clip, "--coefficients", 500]
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind",
    [
        "no such file",
        "a folder",
        "not a video",
        "only sound",
        "no frames",
        "no face",
        "no camera",
        "portrait is no picture",
        "portrait without a face",
        "no weights",
        "weights of another version",
        "no such source frame",
        "unknown video format",
        "no folder for the video",
        "not a stream",
        "too many frames a packet",
        "too many coefficients",
        "empty stream",
        "video over its own clip",
        "stream over its own clip",
        "two outputs of one name",
        "figures into a folder",
        "name too long",
        "camera number too high",
        "portrait and source frame",
        "endless playout delay",
    ],
)
def test_bad_input_gives_one_line_and_exit_code_2(
    kind: str, tmp_path: Path, clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = bad_input(kind, tmp_path, clip)
    before = clip.read_bytes()
    capfd.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    assert clip.read_bytes() == before
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("facewire: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "options",
    [
        ["--seed", "-1"],
        ["--max-frames", "9" * 25],
        ["--source-frame", "x"],
        ["--loss", "1.5"],
        ["--preset", "best"],
        [],
    ],
)
def test_invalid_option_gives_one_line_and_exit_code_2(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["loopback", *(["talk.mp4", *options] if options else [])])
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("facewire loopback: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "joint", "--data", "clips", "--out", "run"],
        ["evaluate", "--data", "clips", "--out", "run"],
        ["export", "run", "--data", "clips", "--out", "bundle"],
    ],
)
def test_training_without_torch_names_the_install_command(arguments: list[str]) -> None:
    program = """
import importlib.util, sys
sys.modules["torch"] = None  # importing it fails
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else find(name, *rest)
from facewire.cli import main
sys.exit(main(sys.argv[1:]))
"""
    name = arguments[0]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"facewire: {name} needs torch: pip install 'facewire[train]'\n"
    done = subprocess.run([sys.executable, "-c", program, name, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"usage: facewire {name} ")


def test_help_shows_examples() -> None:
    out = subprocess.run(command("--help"), capture_output=True, text=True, check=True).stdout
    assert "facewire loopback talk.mp4" in out


def test_info_names_version_and_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["weights"] == "laptop"
    assert len(bytes.fromhex(values["weights_hash"])) == 8
    assert values["backend"] in ("openvino on CPU", "onnxruntime on CPU", "onnxruntime on CUDA")


def test_encode_and_decode_match_loopback(clip: Path, tmp_path: Path) -> None:
    stream, crops, far, near = (tmp_path / name for name in ("a.fw", "crops.mkv", "far.mkv", "near.mkv"))
    encoded = subprocess.run(
        command("encode", clip, "-o", stream, "--crop-video", crops, "--json"), capture_output=True, text=True
    )
    assert (encoded.returncode, encoded.stderr) == (0, "")
    values = json.loads(encoded.stdout)
    assert values["frames"] == len(values["payload_bytes"]) == 12
    assert values["file_bytes"] == stream.stat().st_size < 20_000
    moved = tmp_path / "elsewhere" / "b.fw"
    moved.parent.mkdir()
    stream.rename(moved)
    decoded = subprocess.run(command("decode", moved, "-o", far), capture_output=True, text=True)
    assert (decoded.returncode, decoded.stderr) == (0, "")
    assert main(["loopback", str(clip), "-o", str(near), "--json", str(tmp_path / "a.json"), *QUICK]) == 0
    with open_video(far) as a, open_video(near) as b, open_video(crops) as c:
        there, here, camera = list(a), list(b), list(c)
    assert len(there) == len(here) == len(camera) == 12
    for x, y in zip(there, here, strict=True):
        assert np.array_equal(x.picture, y.picture)
        assert x.time_ms == y.time_ms


def test_loopback_reports_everything(carphone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "a.json"
    arguments = ["loopback", str(carphone), "--max-frames", "16", "--loss", "0.2", "--seed", "3", "--no-landmarks"]
    assert main([*arguments, "--json", str(report), "-o", str(tmp_path / "a.mp4")]) == 0
    values = json.loads(report.read_text())
    assert values.keys() >= REPORT_KEYS
    assert values["frames"] == len(values["payload_bytes"]) == 16
    assert values["packets_lost"] > 0
    assert values["ms"].keys() == {"framing", "motion", "encode", "decode", "render"}
    assert values["quality"].keys() == {"ours", "repeat", "x264", "x264_total"}
    assert values["quality"]["ours"]["psnr_db"] > 10
    assert values["wire_kbps"] > values["payload_kbps"] > 0
    with open_video(tmp_path / "a.mp4") as video:
        frames = list(video)
    assert len(frames) == 16
    assert frames[0].picture.shape == (256, 512, 3)
    assert "facewire" in capsys.readouterr().out


def test_portrait_and_free_view_are_not_scored(
    clip: Path, portrait_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["loopback", str(clip), "--portrait", str(portrait_file), "--yaw", "10", "--max-frames", "3"]
    assert main([*arguments, "--json", "-"]) == 0
    values = json.loads(capsys.readouterr().out)  # nothing but JSON on standard output
    assert values["frames"] == 3
    assert values["quality"] == {"ours": None, "repeat": None}


def test_4k_clip_works(astronaut: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    large = cv2.copyMakeBorder(
        cv2.resize(astronaut, (1400, 1400), interpolation=cv2.INTER_CUBIC), 300, 460, 900, 1540, cv2.BORDER_REPLICATE
    )
    assert large.shape == (2160, 3840, 3)
    with VideoWriter(tmp_path / "large.mp4", 25, synthesised=False) as writer:
        for _ in range(2):
            writer.write(np.asarray(large, np.uint8))
    assert main(["loopback", str(tmp_path / "large.mp4"), "--json", "-", *QUICK]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 2


def test_an_angle_at_which_the_face_smears_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    options = argparse.Namespace(yaw=90.0, pitch=10.0, roll=0.0)
    assert view_degrees(options) == (90.0, 10.0, 0.0)
    assert capsys.readouterr().err == "facewire: --yaw 90: the face smears beyond about 30 degrees\n"


@pytest.mark.parametrize("caused", [True, False], ids=["by Ctrl-C", "by itself"])
def test_import_that_ctrl_c_breaks_is_no_fault(monkeypatch: pytest.MonkeyPatch, caused: bool) -> None:
    """As `import onnxruntime` fails when it is interrupted half way."""

    def broken(*_arguments: object) -> None:
        raise ImportError("initialization failed") from (KeyboardInterrupt() if caused else None)

    monkeypatch.setattr("facewire.cli._run", broken)
    if caused:
        assert main(["info"]) == 130
    else:
        with pytest.raises(ImportError, match="initialization failed"):
            main(["info"])
