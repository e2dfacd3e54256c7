"""A `.fw` file into a video: the receiver half with a file in place of the channel. Sees nothing but that file.

Comes in: what `facewire.sender.record` wrote. Goes out: a video of one picture for each frame the sender took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path

from facewire.codec import Stream, read_stream
from facewire.errors import DecodeError, InputError, reason
from facewire.models.runtime import Networks
from facewire.receiver.decoder import Decoder, FreeView
from facewire.receiver.receiver import Due, Receiver
from facewire.video import VideoWriter, check_video_path


@dataclass(frozen=True)
class Playing:
    """What was shown. size: side of the picture in pixels."""

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
) -> Playing:
    """Writes the video of a `.fw` file. DecodeError or WeightsError for a file that is not ours or not for us.

    progress: told what is being done and how many frames of it are.
    """
    check_video_path(out, file)
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({reason(error)})") from error
    try:
        stream = read_stream(data)
        decoder = Decoder(networks, view=view)
        decoder.use(decoder.read_source(stream.source))
        receiver = Receiver(decoder, playout_delay_ms=0.0)
        with VideoWriter(out, stream.source.frame_rate) as writer:
            for due in _frames(receiver, stream):
                writer.write(decoder.render(due.motion), due.time_ms)
                if progress is not None:
                    progress("decoding", receiver.shown)
        if not receiver.shown:
            raise DecodeError("holds a source frame and no motion that could be decoded")
    except DecodeError as error:
        raise DecodeError(f"{file}: {error}") from error
    return Playing(receiver.shown, stream.source.frame_rate, networks.bundle.picture_size, len(data))


def _frames(receiver: Receiver, stream: Stream) -> Iterator[Due]:
    for packet in stream.packets:
        receiver.receive(packet)
        for due in receiver.due(inf):
            if due.concealed:  # nothing gets lost in a file; without this a false frame number conceals for ever
                raise DecodeError(f"damaged stream: frame {due.number} is missing")
            yield due
