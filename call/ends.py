"""The ends of a call: what sends (camera, microphone, file) and what plays, opened as a person asked for.

`open_ends` takes `MediaOptions` and returns `Ends` for a session; whatever cannot be used is an InputError before anybody
is called. What the ends make reaches the session through an `Uplink`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import radians
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facewire.call.badge import camera_badge
from facewire.call.options import FULL_FPS, MediaOptions
from facewire.codec import DEFAULT_SOURCES
from facewire.errors import FacewireError, InputError
from facewire.models.bundle import Bundle
from facewire.models.runtime import Networks, networks_for_drawing
from facewire.receiver.decoder import FreeView
from facewire.receiver.playout import Playout, PlayoutOptions
from facewire.receiver.sinks import SoundSink, VideoSink, open_sinks
from facewire.sender.clock import CaptureClock
from facewire.sender.face_detector import FaceDetector
from facewire.sender.framing import frame_picture
from facewire.sender.live import LiveSender, LiveSenderOptions, SenderState, SourceMessage
from facewire.sender.media import InputOptions, VideoSource, read_picture
from facewire.sender.picture_choice import Choice
from facewire.sender.sound import SoundOptions, SoundSender, SoundSource


class UplinkTarget(Protocol):
    """Takes what the ends make. All is called in the event loop."""

    def take_source(self, source: SourceMessage) -> None: ...

    def take_motion(self, packet: bytes) -> None: ...

    def take_sound(self, packet: bytes) -> None: ...

    def take_camera_state(self, state: SenderState) -> None: ...

    def take_pixels(self, packets: list[bytes]) -> None: ...

    def take_layer(self, shown: Choice, from_ms: int) -> None: ...

    def playout_ended(self, reason: str) -> None:
        """Nothing more can be shown: the window was closed ("closed"), or the file cannot be written."""
        ...


class Uplink:
    """The way from the ends' threads into the event loop of a call.

    Its methods are the callbacks of `LiveSender`, `SoundSender` and `Playout`, and its clock is the one of `LiveSender` and
    `SoundSender`. A session attaches itself when it starts. Before that, as in the page's lobby, everything is dropped.
    """

    def __init__(self) -> None:
        self.clock = CaptureClock()
        self._attached: tuple[asyncio.AbstractEventLoop, UplinkTarget] | None = None

    def attach(self, target: UplinkTarget) -> None:
        """From now on everything goes to that target, in the running loop. Only once: ends belong to one call."""
        if self._attached is not None:
            raise RuntimeError("these ends belong to another session already")
        self._attached = asyncio.get_running_loop(), target

    def source(self, source: SourceMessage) -> None:
        self._deliver(lambda target: target.take_source(source))

    def motion(self, packet: bytes, capture_ms: int) -> None:
        self._deliver(lambda target: target.take_motion(packet))

    def sound(self, packet: bytes, capture_ms: int) -> None:
        self._deliver(lambda target: target.take_sound(packet))

    def pixels(self, packets: list[bytes]) -> None:
        self._deliver(lambda target: target.take_pixels(packets))

    def layer(self, shown: Choice, from_ms: int) -> None:
        self._deliver(lambda target: target.take_layer(shown, from_ms))

    def camera_state(self, state: SenderState) -> None:
        self._deliver(lambda target: target.take_camera_state(state))

    def playout_ended(self, reason: str) -> None:
        self._deliver(lambda target: target.playout_ended(reason))

    def _deliver(self, deliver: Callable[[UplinkTarget], None]) -> None:
        if self._attached is not None:
            loop, target = self._attached
            with contextlib.suppress(RuntimeError):  # the loop has ended before the ends' threads
                loop.call_soon_threadsafe(deliver, target)


@dataclass(frozen=True)
class Ends:
    """What sends and what plays; None for what this side does not do."""

    live: LiveSender | None = None
    sound: SoundSender | None = None
    playout: Playout | None = None
    uplink: Uplink = field(default_factory=Uplink)
    """The one whose methods are the callbacks of the others."""

    def start(self) -> None:
        """Starts everything. Of files only the first picture is taken until `begin_files`."""
        for part in (self.playout, self.live):
            if part is not None:
                part.start()
        if self.sound is not None and not self.sound.is_file:
            self.sound.start()

    def begin_files(self) -> None:
        """Files play from now on, pictures and sound together."""
        if self.live is not None:
            self.live.begin()
        if self.sound is not None and self.sound.is_file:
            self.sound.start()

    async def stop(self, on_error: Callable[[str], None]) -> None:
        """Stop all parts, even if one fails, such as with a full disk at the very end: on_error is told in words."""
        for part in (self.live, self.sound, self.playout):
            if part is not None:
                try:
                    await asyncio.to_thread(part.stop)
                except FacewireError as error:
                    on_error(str(error))


class EndNetworks:
    """The networks of both ends, made when first used. Sender and receiver have their own and do not wait for each other."""

    def __init__(self, bundle: Bundle, threads: int | None = None, backend: str = "auto") -> None:
        self.bundle = bundle
        self._threads, self._backend = threads, backend

    @cached_property
    def sending(self) -> Networks:
        """One thread unless more are asked for: these networks are small, and a second thread mostly waits."""
        return Networks(self.bundle, self._threads or 1, self._backend)

    @cached_property
    def drawing(self) -> Networks:
        return networks_for_drawing(self.bundle, self._threads, self._backend)


@dataclass(frozen=True)
class PageMedia:
    """The page in the browser as source and sink, in the place of devices."""

    picture: VideoSink
    sound: SoundSink | None
    camera: VideoSource | None = None
    """None where the page's camera is not to be used."""
    microphone: SoundSource | None = None
    on_square: Callable[[NDArray[np.uint8], int], None] | None = None
    """Told each picture that is sent, as `LiveSender` does."""


def open_ends(
    options: MediaOptions,
    networks: EndNetworks,
    fps: float = FULL_FPS,
    *,
    page: PageMedia | None = None,
    uplink: Uplink | None = None,
) -> Ends:
    """Open cameras, files and windows. fps: the most frames sent per second, and the rate of files and virtual cameras.

    This takes a second or more: files are looked through for a face, and networks are loaded. InputError or NoFaceError for
    media that cannot be used, WeightsError for networks.
    """
    uplink = uplink or Uplink()
    live = _open_video(options, networks, fps, uplink, page)
    sound = _open_sound(options, uplink, page)
    return Ends(live, sound, _open_playout(options, networks, fps, uplink, page), uplink)


def _open_video(
    options: MediaOptions, networks: EndNetworks, fps: float, uplink: Uplink, page: PageMedia | None
) -> LiveSender | None:
    video = page.camera if page is not None and page.camera is not None else options.video
    if video is None:
        return None
    if video == "test":
        from facewire.samples import sample_portrait

        video = str(sample_portrait())
    return LiveSender(
        networks.sending,
        video,
        LiveSenderOptions(
            fps=fps,
            input=InputOptions(options.stream, options.rotate),
            loop=options.loop,
            sources=options.sources or DEFAULT_SOURCES,
            wait=True,
            picture=options.picture,
        ),
        uplink.source,
        uplink.motion,
        uplink.camera_state,
        clock=uplink.clock,
        on_pixels=uplink.pixels,
        on_layer=uplink.layer,
        on_square=page.on_square if page is not None else None,
    )


def _open_sound(options: MediaOptions, uplink: Uplink, page: PageMedia | None) -> SoundSender | None:
    settings = SoundOptions(loop=options.loop)
    if page is not None and page.microphone is not None:
        return SoundSender(page.microphone, settings, uplink.sound, clock=uplink.clock)
    if options.sound is None:
        return None
    source = {"silence": None, "mic": "default"}.get(options.sound, options.sound)
    try:
        return SoundSender(source, settings, uplink.sound, clock=uplink.clock)
    except InputError:
        if options.sound != options.video:
            raise
    return SoundSender(None, settings, uplink.sound, clock=uplink.clock)  # a video file without sound


def _open_playout(
    options: MediaOptions, networks: EndNetworks, fps: float, uplink: Uplink, page: PageMedia | None
) -> Playout | None:
    size = networks.bundle.picture_size
    if page is not None:
        portrait = _open_portrait(options, size)
        picture, sound = page.picture, page.sound
    elif options.out is not None:
        portrait = _open_portrait(options, size)
        picture, sound = open_sinks(
            options.out, options.speaker, fps, size=size, portrait=portrait is not None, camera_badge=camera_badge
        )
    else:
        return None
    return Playout(
        networks.drawing,
        picture,
        sound,
        PlayoutOptions(view=free_view(options), portrait=portrait),
        on_end=uplink.playout_ended,
    )


def free_view(options: MediaOptions) -> FreeView:
    """The angle from which the other side is seen at first."""
    yaw, pitch, roll = (radians(angle) for angle in options.degrees)
    return FreeView(yaw, pitch, roll)


def _open_portrait(options: MediaOptions, size: int) -> NDArray[np.uint8] | None:
    """The face of the portrait, framed: uint8 RGB (size, size, 3); None if there is no portrait."""
    path, out = options.portrait, options.out
    if path is None:
        return None
    if out is not None and Path(out).resolve() == path.resolve():
        raise InputError(f"{path}: is the portrait, and would be overwritten")
    picture = read_picture(path)
    return frame_picture(picture, FaceDetector(), path.name).framing.cut(picture, size)
