"""Media files as a player shows them: which stream, in what order and at what time, which way up, in which colours.

`media` takes pictures from here and `sound` takes sound, so that both begin and jump together. FFmpeg's libraries do the work,
through PyAV; whatever cannot be used raises an InputError that says why in one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.filter import Graph
from av.filter.context import FilterContext
from av.sidedata.sidedata import SideData
from av.stream import Disposition
from numpy.typing import NDArray

from facewire.errors import InputError, reason

MIN_SIDE_PX = 32
JUMP_BACK_S, JUMP_AHEAD_S = 0.5, 10.0
"""Timestamps that go back this far begin anew, and so do those that go ahead this far in a format that is spliced and broadcast."""
SPLICED_FORMAT = 0x0200
"""FFmpeg's AVFMT_TS_DISCONT."""
HDR_CURVES = (16, 18)
"""Transfer characteristics of ITU-T H.273: PQ and HLG."""
WIDE_PRIMARIES = (9, 11, 12)
"""BT.2020, DCI-P3 and Display P3."""
TO_SDR = "out_primaries=bt709:out_transfer=bt709:out_color_matrix=bt709:out_range=tv:intent=relative_colorimetric"
"""Everything up to reference white keeps its brightness, faces included; what is brighter becomes white. The perceptual intent
darkens a file that does not state how bright it gets to two thirds."""


def open_container(path: Path) -> InputContainer:
    """Opens a media file. InputError if it is not there or not a media file."""
    check_file(path)
    try:
        # With the scheme, a colon or a % in the name stays part of the name.
        return av.open(f"file:{path}", metadata_errors="replace")
    except PermissionError as error:
        raise InputError(f"{path}: permission denied") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as video or sound ({reason(error)})") from error


def check_file(path: Path) -> None:
    """InputError unless there is an ordinary file of that name."""
    try:
        if str(path) == "-":
            raise InputError("-: standard input cannot be used here, since media are read more than once; name a file")
        if not path.exists():
            raise InputError(f"{path}: no such file")
        if path.is_fifo() or path.is_char_device():
            raise InputError(f"{path}: a pipe or device; a file is needed, since it is read more than once")
        if not path.is_file():
            raise InputError(f"{path}: not a file")
    except OSError as error:  # such as a folder on its path that may not be read
        raise InputError(f"{path}: cannot be read ({reason(error)})") from error


def video_streams(container: InputContainer) -> list[av.VideoStream]:
    """The streams that hold video, as opposed to the cover of a song; the one that players show is first."""
    streams = [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and not stream.disposition & Disposition.attached_pic
    ]
    return sorted(streams, key=lambda stream: not stream.disposition & Disposition.default)


def audio_stream(container: InputContainer) -> av.AudioStream | None:
    """The sound that players play; None if there is none."""
    streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
    return min(streams, key=lambda stream: not stream.disposition & Disposition.default, default=None)


def start_s(container: InputContainer, stream: av.VideoStream | None) -> float:
    """When the first picture is shown, by the file's own clock; without pictures, when the file begins."""
    if stream is not None and stream.start_time is not None and stream.time_base is not None:
        return float(stream.start_time * stream.time_base)
    return (container.start_time or 0) / av.time_base


def playing_s(path: Path, container: InputContainer, stream: av.VideoStream | None) -> float | None:
    """Seconds from the first picture to the end; None for a file without timestamps.

    A file that does not say, such as one that a browser recorded, is read through without decoding.
    """
    if container.duration:
        return float(((container.start_time or 0) + container.duration) / av.time_base - start_s(container, stream))
    ends = [0.0]
    with open_container(path) as again:
        for packet in again.demux():
            if packet.pts is not None and packet.time_base is not None:
                ends.append(float((packet.pts + (packet.duration or 0)) * packet.time_base))
    length_s = max(ends) - start_s(container, stream)
    return length_s if length_s > 0 else None


def decoded(
    container: InputContainer, stream: av.VideoStream | av.AudioStream, damaged: Callable[[str], None]
) -> Iterator[av.VideoFrame | av.AudioFrame]:
    """Yields what can be decoded of a stream. damaged: told why, for everything that cannot; what follows is decoded again."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError) as error:
            damaged(reason(error))
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except (av.FFmpegError, OSError) as error:
            damaged(reason(error))
            continue
        yield from frames  # type: ignore[misc]


class Timeline:
    """Seconds since a beginning, from timestamps that may start anywhere, be missing, jump back or be spliced.

    start: timestamp of the beginning; by default the first one. spliced: a format such as MPEG-TS, where a leap is a splice.
    """

    def __init__(self, start: float | None = None, *, spliced: bool = False) -> None:
        self._start = start
        self._spliced = spliced
        self._expected = 0.0

    def at(self, stamp: float | None, length: float) -> float:
        """When something begins that has this timestamp, None for none, and lasts so long, all in seconds."""
        if stamp is None:
            begins = self._expected
        else:
            self._start = stamp if self._start is None else self._start
            begins = stamp - self._start
            leap = begins - self._expected
            if (leap < -JUMP_BACK_S and self._expected > 0) or (self._spliced and leap > JUMP_AHEAD_S):
                begins = self._expected
                self._start = stamp - begins
        self._expected = max(self._expected, begins + length) if begins >= 0 else self._expected
        return begins


def is_spliced(container: InputContainer) -> bool:
    """Whether the format is made for joining and for tuning in, so that leaps in its timestamps mean nothing."""
    return bool(container.format.flags & SPLICED_FORMAT)


class Filters:
    """FFmpeg's filters that a stream needs: interlaced fields become frames, and HDR becomes what an ordinary screen shows.

    A stream that needs neither is passed on untouched.
    """

    def __init__(self, stream: av.VideoStream) -> None:
        self._stream = stream
        self._interlaced = False
        self._built_for: tuple[object, ...] = ()
        self._graph: Graph | None = None

    def frames(self, decoded: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """The same frames, filtered."""
        for frame in decoded:
            self._interlaced = self._interlaced or frame.interlaced_frame
            kind = (frame.width, frame.height, frame.format.name, self._interlaced, self._wide)
            if kind != self._built_for:
                yield from self._rest()
                self._graph, self._built_for = self._build(frame), kind
            if self._graph is None:
                yield frame
            else:
                self._graph.vpush(frame)
                yield from self._ready(self._graph)
        yield from self._rest()

    @property
    def _wide(self) -> bool:
        codec = self._stream.codec_context
        return codec.color_trc in HDR_CURVES or codec.color_primaries in WIDE_PRIMARIES

    def _build(self, frame: av.VideoFrame) -> Graph | None:
        steps = [("bwdif", "mode=send_frame:deint=interlaced")] if self._interlaced else []
        steps += [("scale", TO_SDR), ("format", "yuv444p")] if self._wide else []
        if not steps:
            return None
        graph = Graph()
        last: FilterContext = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        for name, options in [*steps, ("buffersink", "")]:
            step = graph.add(name, options or None)
            last.link_to(step)
            last = step
        graph.configure()
        return graph

    def _rest(self) -> Iterator[av.VideoFrame]:
        graph, self._graph = self._graph, None
        if graph is not None:
            graph.vpush(None)
            yield from self._ready(graph)

    @staticmethod
    def _ready(graph: Graph) -> Iterator[av.VideoFrame]:
        while True:
            try:
                yield graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return


class Upright:
    """Makes uint8 RGB pictures of one size out of frames: as the display matrix wants them, with square pixels, and fitted into
    the size of the first where a file changes its size on the way.

    path: for messages.
    """

    def __init__(self, path: Path, stream: av.VideoStream) -> None:
        self._path = path
        self._stream = stream
        self._first: tuple[int, int] | None = None
        self._size: tuple[int, int] | None = None

    def picture(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """uint8 RGB (H, W, 3)."""
        width, height = self._square_pixels(frame)
        matrix = _display_matrix(frame)
        transposed = abs(matrix[0, 1]) > abs(matrix[0, 0])
        upright = (height, width) if transposed else (width, height)
        if self._size is None:
            self._size, self._first = upright, (frame.width, frame.height)
        shrink = min(self._size[0] / upright[0], self._size[1] / upright[1])
        if upright != self._size:
            width, height = max(1, round(width * shrink)), max(1, round(height * shrink))
        picture = np.asarray(frame.to_ndarray(format="rgb24", width=width, height=height), np.uint8)
        if transposed:
            picture = picture.transpose(1, 0, 2)
        across, down = (matrix[1, 0], matrix[0, 1]) if transposed else (matrix[0, 0], matrix[1, 1])
        picture = picture[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]
        return _centred(np.ascontiguousarray(picture), *self._size)

    def _square_pixels(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height of a frame, as stored, once its pixels are square."""
        width, height = frame.width, frame.height
        aspect = self._stream.sample_aspect_ratio
        if self._first not in (None, (width, height)):
            aspect = self._stream.codec_context.sample_aspect_ratio
        if aspect and 0.2 < aspect < 5 and abs(aspect - 1) > 0.01:
            width = max(2, round(width * float(aspect)))
        if min(width, height) < MIN_SIDE_PX:
            raise InputError(
                f"{self._path}: {width}x{height} is too small; at least {MIN_SIDE_PX} pixels a side are needed"
            )
        return width, height


def _display_matrix(frame: av.VideoFrame) -> NDArray[np.int32]:
    """How x and y of a stored picture become x and y of the shown one: the 2 x 2 part of FFmpeg's display matrix, any scale."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(data, SideData):
        return np.eye(2, dtype=np.int32)
    return np.frombuffer(bytes(data), "<i4").reshape(3, 3)[:2, :2]


def _centred(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """A picture in the middle of a black one of that size, if it is smaller."""
    x, y = width - picture.shape[1], height - picture.shape[0]
    if not x and not y:
        return picture
    bars = y // 2, y - y // 2, x // 2, x - x // 2
    return np.asarray(cv2.copyMakeBorder(picture, *bars, cv2.BORDER_CONSTANT), np.uint8)
