"""Decodes a `.fw` file into a video: the receiving half with a file in place of the channel.

Reads nothing but the file that `facewire.sender.record` wrote, and writes a video with one picture per frame of the sender.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from facewire.codec import DecodedFrame, SourceFrame, Stream, read_stream
from facewire.codec.stream import STREAM_MAGIC
from facewire.errors import DecodeError, InputError, reason
from facewire.models.runtime import Networks
from facewire.receiver.decoder import Decoder, FreeView
from facewire.receiver.steady import Steadier
from facewire.video import VideoWriter, check_video_path

STANDARD_INPUT = Path("-")


@dataclass(frozen=True)
class Playback:
    """What was decoded. size: side of the pictures in pixels."""

    frames: int
    fps: float
    size: int
    file_bytes: int


def play(
    file: Path,
    out: Path,
    networks: Networks,
    *,
    view: FreeView | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> Playback:
    """Writes the video of a `.fw` file.

    file: "-" is standard input. progress: called with the current step and its frames so far.
    Raises DecodeError for a file that is damaged or something else, and WeightsError for one that needs other weights.
    """
    check_video_path(out, file)
    try:
        stream, size = _read(file)
        decoder = Decoder(networks, view=view)
        first = stream.sources[0]
        decoder.use_source(decoder.read_source(first))
        shown = 0
        with VideoWriter(out, first.frame_rate) as writer:
            for shown, frame in enumerate(Steadier(decoder.coding).frames(_frames(decoder, stream)), start=1):
                writer.write(decoder.render(frame.motion, frame.source), frame.capture_time_ms)
                if progress is not None:
                    progress("decoding", shown)
        if not shown:
            raise DecodeError("holds a source frame but no motion that can be decoded")
    except DecodeError as error:
        raise DecodeError(f"{file}: {error}") from error
    return Playback(shown, first.frame_rate, networks.bundle.picture_size, size)


def _read(file: Path) -> tuple[Stream, int]:
    """The stream and its size in bytes. Of a file that is something else, only the beginning is read."""
    try:
        if file == STANDARD_INPUT or file.is_fifo():
            opened = sys.stdin.buffer if file == STANDARD_INPUT else file.open("rb")
            with contextlib.nullcontext(opened) if file == STANDARD_INPUT else opened:
                data = opened.read(len(STREAM_MAGIC))
                data += opened.read() if data == STREAM_MAGIC else b""
            return read_stream(data), len(data)
        with file.open("rb") as opened:
            if not opened.seek(0, os.SEEK_END):
                return read_stream(b""), 0
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                return read_stream(mapped), len(mapped)
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({reason(error)})") from error


def _frames(decoder: Decoder, stream: Stream) -> Iterator[DecodedFrame]:
    """Every frame in order. Nothing gets lost in a file, so a gap in the numbers means damage."""
    number = 0
    for record in stream.records[1:]:
        if isinstance(record, SourceFrame):
            decoder.use_source(decoder.read_source(record))
            continue
        for frame in decoder.decode(record):
            if frame.number != number:
                raise DecodeError(f"damaged stream: frame {number} is missing")
            yield frame
            number += 1
        if decoder.undecodable:
            raise DecodeError("damaged stream: a packet needs frames that are missing")
