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
from facewire.files import check_output, write_whole
from facewire.models.runtime import Networks
from facewire.sender.bank import UsedSource, UsedSources, likeness
from facewire.sender.clip import BeginningFinder, FollowedClip
from facewire.sender.encoder import Encoder
from facewire.sender.face_detector import FaceDetector
from facewire.sender.media import AS_IT_IS, InputOptions, VideoFile
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
    data: bytes = field(default=b"", repr=False)
    """The file."""
    held: int = 0
    """Frames that do not show the face: the picture before is held."""
    remarks: list[str] = field(default_factory=list)


def record(
    clip: Path,
    out: Path | None,
    networks: Networks,
    *,
    preset: str = "default",
    source_frame: int | None = None,
    max_frames: int | None = None,
    sources: int = DEFAULT_SOURCES,
    input_options: InputOptions = AS_IT_IS,
    crop_video: Path | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> Recording:
    """Encodes a clip into a `.fw` file; with None for its name, into bytes alone.

    source_frame: number of the frame that becomes the first source frame; None for the first good one. sources: how many
    source frames are in use at a time, 1 to 8. max_frames: stop after that many. input_options: how the clip is read.
    crop_video: also write the framed pictures, which the networks see, as a video. progress: called with the current step and its
    frames so far.
    """
    if out is not None:
        check_output(out, clip)
    if crop_video is not None:
        check_video_path(crop_video, clip, *([out] if out is not None else []))
    errors: list[float] = []
    result = Recording(size=networks.bundle.picture_size)
    detector = FaceDetector()
    finder = BeginningFinder(networks, detector)
    with VideoFile(clip, input_options) as video:
        report = finder.framing(video)
    with VideoFile(clip, input_options) as video:
        number = source_frame
        beginning = finder.first_good(video, report) if number is None else finder.chosen(video, report, number)
    records: list[SourceFrame | bytes] = []
    with VideoFile(clip, input_options) as video, ExitStack() as stack:
        result.fps = video.fps
        encoder = Encoder(networks, frame_rate=video.fps, packing=Packing(preset, FRAMES_PER_PACKET), sources=sources)
        source = encoder.use_source(beginning.square)
        motion = source.motion
        use = UsedSources()
        use.sent(source, beginning.number)
        records.append(source.frame)
        crops = stack.enter_context(VideoWriter(crop_video, video.fps, synthesised=False)) if crop_video else None
        time_ms = 0
        followed = FollowedClip(islice(video, max_frames), networks, detector, beginning, video.name)
        for frame in followed:
            time_ms = frame.time_ms
            if crops is not None:
                crops.write(frame.square, time_ms)
            new_source = None
            if frame.new_source:
                records += [packet] if (packet := encoder.flush()) is not None else []
                encoder.acknowledge_all()
                new_source = encoder.use_source(frame.square, time_ms)
            if frame.face:
                prepared = encoder.prepare(frame.square, time_ms)
                motion, new_source = prepared.motion, prepared.new_source or new_source
                if prepared.drawn is not None:
                    errors.append(prepared.drawn.error)
            if new_source is not None:
                use.sent(new_source, result.frames)
                records.append(new_source.frame)
            use.used(encoder.source_number)
            if (packet := encoder.pack(motion, time_ms)) is not None:
                records.append(packet)
                encoder.acknowledge_all()
            result.frames += 1
            if progress is not None:
                progress("encoding", result.frames)
        if (packet := encoder.flush()) is not None:
            records.append(packet)
        result.held = followed.held
        if video.has_sound:
            result.remarks.append(f"the sound of {video.name} is left out: a .fw file holds pictures only")
        result.remarks += [*report.remarks(), *followed.remarks(), *video.remarks]
        result.seconds = (time_ms + 1000 / video.fps) / 1000
    result.data = write_stream(records)
    if out is not None:
        write_whole(out, result.data)
    packets = [record for record in records if isinstance(record, bytes)]
    result.sources = use.list()
    result.source_bytes = sum(source.bytes for source in result.sources)
    result.likeness = likeness(float(np.mean(errors))) if errors else None
    result.payload_bytes = [len(packet) / frames_in(packet) for packet in packets for _ in range(frames_in(packet))]
    result.file_bytes = len(result.data)
    return result
