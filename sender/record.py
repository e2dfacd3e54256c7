"""Encodes a clip into a `.fw` file: the sending half with a file in place of the channel.

`facewire.receiver.play` turns that file, and nothing else, back into a video. Nothing gets lost on the way, so every packet is
predicted from the one before it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from facewire.codec import DEFAULT_SOURCES, Packing, SourceFrame, frames_in, write_stream
from facewire.errors import InputError
from facewire.files import check_output, write_whole
from facewire.models.runtime import Networks
from facewire.sender.bank import UsedSource, UsedSources, likeness
from facewire.sender.encoder import Encoder
from facewire.sender.face_detector import FaceDetector
from facewire.sender.framing import frame_video
from facewire.sender.media import VideoFile
from facewire.video import VideoWriter, check_video_path

FRAMES_PER_PACKET = 16


@dataclass
class Recording:
    """What was written. Sizes are in bytes."""

    frames: int = 0
    fps: float = 0.0
    seconds: float = 0.0
    size: int = 0
    """Side of the picture in pixels."""
    source_bytes: int = 0
    """All source messages."""
    sources: list[UsedSource] = field(default_factory=list)
    """Each of them."""
    likeness: float | None = None
    """Mean of `bank.likeness` over the frames; None with one source frame, where nothing is drawn."""
    payload_bytes: list[float] = field(default_factory=list)
    """Motion payload of each frame, an equal share of its packet."""
    file_bytes: int = 0
    remarks: list[str] = field(default_factory=list)


def record(
    clip: Path,
    out: Path,
    networks: Networks,
    *,
    preset: str = "default",
    source_frame: int = 0,
    max_frames: int | None = None,
    sources: int = DEFAULT_SOURCES,
    crop_video: Path | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> Recording:
    """Encodes a clip into a `.fw` file.

    source_frame: number of the frame that becomes the source frame. sources: how many
    source frames are in use at a time, 1 to 8. max_frames: stop after that many. crop_video: also write
    the framed pictures, which the networks see, as a video. progress: called with the current step and its frames so far.
    """
    check_output(out, clip)
    if crop_video is not None:
        check_video_path(crop_video, clip, out)
    errors: list[float] = []
    result = Recording(size=networks.bundle.picture_size)
    with VideoFile(clip) as video:
        framed = frame_video(video, FaceDetector())
    result.remarks += framed.remarks()
    with VideoFile(clip) as video:
        first = next(islice(video, source_frame, None), None)
        if first is None:
            raise InputError(f"{clip}: there is no frame {source_frame}")
    square_of_source = framed.framing.cut(first.picture, result.size)
    records: list[SourceFrame | bytes] = []
    with VideoFile(clip) as video, ExitStack() as stack:
        result.fps = video.fps
        encoder = Encoder(networks, frame_rate=video.fps, packing=Packing(preset, FRAMES_PER_PACKET), sources=sources)
        source = encoder.use_source(square_of_source)
        use = UsedSources()
        use.sent(source, source_frame)
        records.append(source.frame)
        crops = stack.enter_context(VideoWriter(crop_video, video.fps, synthesised=False)) if crop_video else None
        time_ms = 0
        for frame in islice(video, max_frames):
            square, time_ms = framed.framing.cut(frame.picture, result.size), frame.time_ms
            if crops is not None:
                crops.write(square, time_ms)
            encoded = encoder.encode_square(square, time_ms)
            if encoded.new_source is not None:
                use.sent(encoded.new_source, result.frames)
                records.append(encoded.new_source.frame)
            use.used(encoder.source_number)
            if encoded.drawn is not None:
                errors.append(encoded.drawn.error)
            if encoded.packet is not None:
                records.append(encoded.packet)
                encoder.acknowledge_all()
            result.frames += 1
            if progress is not None:
                progress("encoding", result.frames)
        if (packet := encoder.flush()) is not None:
            records.append(packet)
        result.remarks += video.remarks
        result.seconds = (time_ms + 1000 / video.fps) / 1000
    data = write_stream(records)
    write_whole(out, data)
    packets = [record for record in records if isinstance(record, bytes)]
    result.sources = use.list()
    result.source_bytes = sum(source.bytes for source in result.sources)
    result.likeness = likeness(float(np.mean(errors))) if errors else None
    result.payload_bytes = [len(packet) / frames_in(packet) for packet in packets for _ in range(frames_in(packet))]
    result.file_bytes = len(data)
    return result
