"""Options of a call: what to send and show, how to hold the session, and where the page comes in.

`command` reads them from the command line; everything else takes them as they are. Importing this module is cheap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from facewire.sender.picture_choice import PictureMode
from facewire.signaling.events import IceServer
from facewire.signaling.links import Link

FULL_FPS = 25.0
"""Frames per second of a call that was asked for no other number."""


@dataclass(frozen=True)
class SessionOptions:
    """How a session is held."""

    name: str = ""
    """The name shown to the other side."""
    through: str = ""
    """The gateway that holds this session for its guest, by its host's name; the other side is told."""
    max_kbps: float | None = None
    """Bandwidth limit of what this side sends, in kbit/s on the wire, sound included."""
    frugal: bool = False
    """Use no more of a good path than of a poor one: 32 kbit/s at most."""
    relay_only: bool = False
    """Send everything through the TURN server."""
    seconds: float | None = None
    """End the call this long after it first opened."""
    wait_s: float | None = None
    """Give up if the other side has not come after this long."""
    fps: float = FULL_FPS
    """The most frames sent per second."""


@dataclass(frozen=True)
class MediaOptions:
    """What to send and where to show what comes in. None leaves that part out."""

    video: str | None = None
    """A camera's number, a video file, or "test" for a bundled picture that moves."""
    stream: int | None = None
    """Which of a video file's streams, as in `sender.media.InputOptions`."""
    rotate: int = 0
    """Degrees by which to turn the video clockwise, likewise."""
    sound: str | None = None
    """"mic", the name of a microphone, a file with sound, or "silence"."""
    out: str | None = None
    """"window", "virtual", "raw", "none" (decoded and drawn, but shown nowhere), or a video file."""
    speaker: str | None = None
    """A loudspeaker, a .wav file or "none"; None for the default one, or for the sound track of `out`."""
    sources: int | None = None
    """Pictures of the face in use at a time, 1 to 8; None for `codec.DEFAULT_SOURCES`."""
    picture: PictureMode = "auto"
    """Which picture the other side is shown of this one."""
    loop: bool = False
    """Files start again when they end."""
    degrees: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Free view: yaw, pitch and roll added to the other side's head."""
    portrait: Path | None = None
    """A picture whose face is moved in place of the other side's."""


@dataclass(frozen=True)
class GuestOptions:
    """A page whose browser is elsewhere, held by a gateway."""

    server: str
    """The gateway, by its host's name, as guests see it."""
    ice_servers: tuple[IceServer, ...] = ()
    """For both ends of the connection between the browser and the gateway."""
    path: str = ""
    """Where this guest's own pictures are, relative to the page."""


@dataclass(frozen=True)
class PageOptions:
    """A call held in a page of the browser."""

    camera: bool = True
    """Pictures come from the browser's camera; otherwise from `MediaOptions.video`."""
    microphone: bool = True
    """Sound comes from the browser's microphone; otherwise from `MediaOptions.sound`."""
    open_browser: bool = True
    recordings: Path | None = Path()
    """Folder for recordings made in the page; None allows none."""
    guest: GuestOptions | None = None
    """The page belongs to a guest of this server; None where it belongs to the person at this machine."""


@dataclass(frozen=True)
class CallOptions:
    """Everything that `facewire call`, `send` or `receive` was asked for."""

    server: str
    room: str
    token: str | None = None
    invitation: Link | None = None
    """Stands for room and token until the call begins."""
    session: SessionOptions = field(default_factory=SessionOptions)
    media: MediaOptions = field(default_factory=MediaOptions)
    page: PageOptions | None = None
    """None for a call without a page."""
    weights: Path | None = None
    """Folder of the weight bundle; None for the bundled one."""
    backend: str = "auto"
    threads: int | None = None
    """CPU threads of each end's networks; None for one, or as many as it takes."""
