"""Pictures to look at: the camera's, ours, and the strongest rival's, side by side in one small video.

Makes `Player`s for `report_page` and single clips for `pairs`. Streams are coded again from the settings: they are the same, byte
for byte.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from facewire.benchmark.bandwidth.clip import Clip, read_clip
from facewire.benchmark.bandwidth.codec import Codec, Picture
from facewire.benchmark.bandwidth.referee import FIGURES
from facewire.benchmark.bandwidth.rivals import to_yuv
from facewire.benchmark.bandwidth.run import BenchOptions, ClipResult, Point, Result
from facewire.benchmark.bandwidth.summary import Comparison, anchor_of, label

CRF = "18"
"""CRF of the videos to look at."""


@dataclass(frozen=True)
class Player:
    """One clip, its columns in step."""

    clip: str
    columns: list[tuple[str, str]]
    """What each column shows, and its rate."""
    video: bytes = field(repr=False)
    """mp4."""
    fps: float
    worst: int
    """Number of the picture in which ours is worst."""


def make_players(result: Result, rival: Comparison, count: int, tell: Callable[[int, int], None]) -> list[Player]:
    """Players for clips spread from the one on which we save least to the one on which we save most. rival: the one shown."""
    order = sorted(rival.clips, key=lambda equal: (equal.bound == ">", equal.ratio))
    places = np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int))
    players = []
    for number, place in enumerate(places):
        tell(number, len(places))
        clip = next(clip for clip in result.clips if clip.name == order[place].clip)
        players.append(_player(result.options, clip, rival.family))
    return players


def _player(options: BenchOptions, found: ClipResult, family: str) -> Player:
    clip = read_clip(Path(found.path), options.config.size, options.config.seconds)
    ours = anchor_of(found)
    columns = [("camera", ""), ("facewire", _rates(ours))]
    shown = [clip.pictures, shown_at(options, clip, ours)]
    for title, point in (
        ("same quality", at_quality(found, family, ours)),
        ("same wire rate", at_wire(found, family, ours)),
    ):
        columns.append((f"{label(family)}, {title}", _rates(point)))
        shown.append(shown_at(options, clip, point))
    _, better = _compared_by(ours)
    worst = min(ours.moments, key=lambda moment: better * moment[1])[0]
    frames = [np.hstack(pictures) for pictures in zip(*shown, strict=True)]
    return Player(found.name, columns, mp4(frames, clip.fps), clip.fps, worst)


def _rates(point: Point) -> str:
    return f"{point.payload_kbps:.1f} kbps, {point.wire_kbps:.1f} on the wire"


def _compared_by(ours: Point) -> tuple[str, int]:
    """The figure by which points are chosen, and whether more is better: ST-LPIPS, or PSNR where that is not measured."""
    figure = "st_lpips" if "st_lpips" in ours.figures else "psnr"
    return figure, FIGURES[figure].better


def at_quality(clip: ClipResult, family: str, ours: Point) -> Point:
    """A rival's cheapest point that is as good as ours by ST-LPIPS (PSNR where that is not measured), or its best."""
    figure, better = _compared_by(ours)
    points = sorted(clip.of(family), key=lambda point: point.payload_kbps)
    good = [point for point in points if better * point.figures[figure] >= better * ours.figures[figure]]
    return good[0] if good else max(points, key=lambda point: better * point.figures[figure])


def at_wire(clip: ClipResult, family: str, ours: Point) -> Point:
    """A rival's best point by ST-LPIPS (or PSNR) that takes no more than ours on the wire, or its cheapest."""
    figure, better = _compared_by(ours)
    cheap = [point for point in clip.of(family) if point.wire_kbps <= ours.wire_kbps]
    if not cheap:
        return min(clip.of(family), key=lambda point: point.wire_kbps)
    return max(cheap, key=lambda point: better * point.figures[figure])


def shown_at(options: BenchOptions, clip: Clip, point: Point) -> list[Picture]:
    """The pictures of a codec at a point, coded again."""
    codec = codec_of(options, point)
    return codec.decode(codec.encode(clip.pictures, clip.fps).packets, len(clip.pictures))


def codec_of(options: BenchOptions, point: Point) -> Codec:
    """The codec of a point."""
    points = options.config.points(point.family, options.weights, options.backend)
    return next(codec for name, codec in points if name == point.name)


def mp4(pictures: Sequence[Picture], fps: float) -> bytes:
    """A small video that browsers show: H.264, every fifth picture a key frame so that it can be stepped."""
    rate = Fraction(fps).limit_denominator(1001)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": CRF, "preset": "veryfast", "g": "5"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.codec_context.colorspace, stream.codec_context.color_range = "yuv420p", 1, 1
        for picture in pictures:
            container.mux(stream.encode(to_yuv(picture)))
        container.mux(stream.encode(None))
    return file.getvalue()
