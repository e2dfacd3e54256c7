"""What a person asked to send and to show, opened: camera or file, microphone or file, portrait.

Comes in: `CallOptions` of `command`. Goes out: senders and pictures for a session, with or without a page. Whatever cannot be
used is an InputError before anybody is called.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facewire.errors import InputError
from facewire.models.runtime import Networks
from facewire.sender.clock import CaptureClock
from facewire.sender.face_detector import FaceDetector
from facewire.sender.framing import frame_picture
from facewire.sender.live import LiveSender, LiveSenderOptions, RateSettings, SenderState, SourceMessage
from facewire.sender.media import VideoSource, read_picture
from facewire.sender.sound import SoundOptions, SoundSender, SoundSource

if TYPE_CHECKING:
    from facewire.call.command import CallOptions


def open_video(
    options: CallOptions,
    networks: Networks,
    clock: CaptureClock,
    on_source: Callable[[SourceMessage], None],
    on_motion: Callable[[bytes, int], None],
    on_state: Callable[[SenderState], None],
    *,
    page: VideoSource | None = None,
    on_square: Callable[[NDArray[np.uint8], int], None] | None = None,
) -> LiveSender | None:
    """What sends pictures; None if nothing is to. page: the browser's camera, where that is asked for."""
    video: str | VideoSource | None = page if options.page_camera else options.video
    if video is None:
        return None
    if video == "test":
        from facewire.samples import sample_portrait

        video = str(sample_portrait())
    settings = LiveSenderOptions(RateSettings(fps=options.fps), loop=options.loop)
    return LiveSender(networks, video, settings, on_source, on_motion, on_state, clock=clock, on_square=on_square)


def open_sound(
    options: CallOptions,
    clock: CaptureClock,
    on_sound: Callable[[bytes, int], None],
    *,
    page: SoundSource | None = None,
) -> SoundSender | None:
    """What sends sound; None if nothing is to. page: the browser's microphone, where that is asked for."""
    if options.sound is None and not options.page_microphone:
        return None
    audio = {"silence": None, "mic": "default"}.get(options.sound or "", options.sound)
    settings = SoundOptions(loop=options.loop)
    source = page if options.page_microphone else audio
    try:
        return SoundSender(source, settings, on_sound, clock=clock)
    except InputError:
        if options.sound != options.video:
            raise
    return SoundSender(None, settings, on_sound, clock=clock)  # a video file without sound


def open_portrait(path: Path, size: int, out: str | None) -> NDArray[np.uint8]:
    """The face of a picture, framed: uint8 RGB (size, size, 3). out: where pictures go."""
    if out is not None and Path(out).resolve() == path.resolve():
        raise InputError(f"{path}: is the portrait, and would be overwritten")
    picture = read_picture(path)
    return frame_picture(picture, FaceDetector(), path.name).framing.cut(picture, size)
