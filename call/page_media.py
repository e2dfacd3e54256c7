"""The WebRTC connection between the page and the process behind it: the browser's camera and microphone in, synthesised
pictures and the other side's sound out. It is local, but for guests of a gateway.

`page_devices` passes on the page's offer. `PageCamera` and `PageMicrophone` are sources for `facewire.sender`; `PagePicture`
and a `PacedSound` take what `facewire.receiver` plays. The other person is not part of this connection: frames are decoded
and encoded again on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from types import TracebackType
from typing import Any

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from facewire.call.webrtc import GuestConnection, LocalConnection
from facewire.codec.pixels import Layer
from facewire.errors import DecodeError, reason
from facewire.receiver.sinks import VideoSink
from facewire.receiver.sound import RATE_HZ, Samples
from facewire.sender.clock import CaptureClock
from facewire.sender.media import Frame, VideoSource
from facewire.sender.sound import SoundSource, regroup
from facewire.signaling.events import IceServer

CAMERA_FPS = 30.0
BROWSER_SOUND_MS = 80.0
"""How much older sound is than pictures when it arrives: it waits in aiortc's jitter buffer, four packets of 20 ms."""
CAMERA_BITRATE = "x-google-start-bitrate=3000;x-google-min-bitrate=1500;x-google-max-bitrate=6000"
"""kbit/s. Within one machine bits cost nothing."""
GUEST_BITRATE = "x-google-start-bitrate=800;x-google-max-bitrate=1500"
"""The same for browsers elsewhere, whose path has to be learnt."""
POLL_S = 0.2
QUEUED_SOUND = 50
"""Frames of 20 ms. A machine that stalls loses sound rather than memory."""
VIDEO_CLOCK = Fraction(1, 90_000)

_log = logging.getLogger(__name__)


class PageCamera(VideoSource):
    """The browser's camera as a video source. `put` takes frames as they arrive; only the newest is kept."""

    live = True
    duration_s = None
    name = "the page's camera"
    fps = CAMERA_FPS

    def __init__(self) -> None:
        self.remarks: list[str] = []
        self._arrived = threading.Condition()
        self._newest: av.VideoFrame | None = None
        self._stopped = False

    def put(self, frame: av.VideoFrame) -> None:
        with self._arrived:
            self._newest = frame
            self._arrived.notify()

    def stop(self) -> None:
        with self._arrived:
            self._stopped = True
            self._arrived.notify()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: the camera belongs to the browser."""

    def __iter__(self) -> Iterator[Frame]:
        started = time.monotonic()
        while True:
            with self._arrived:
                self._arrived.wait_for(lambda: self._newest is not None or self._stopped)
                frame, self._newest = self._newest, None
                if self._stopped or frame is None:
                    return
            picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            yield Frame(picture, round(1000 * (time.monotonic() - started)))

    def looks(self, per_second: float, seconds: float) -> Iterator[Frame]:
        return iter(())


class PageMicrophone(SoundSource):
    """The browser's microphone as a sound source. `put` takes frames as they arrive. clock: shared with the pictures."""

    def __init__(self, clock: CaptureClock) -> None:
        self._clock = clock
        self._frames: queue.Queue[tuple[av.AudioFrame, float]] = queue.Queue(QUEUED_SOUND)

    def put(self, frame: av.AudioFrame) -> None:
        length_ms = 1000 * frame.samples / frame.sample_rate
        with contextlib.suppress(queue.Full):
            self._frames.put_nowait((frame, self._clock.now_ms() - length_ms - BROWSER_SOUND_MS))

    def blocks(self, count: int, stop: threading.Event) -> Iterator[tuple[Samples, int]]:
        return regroup(self._arriving(stop), count)

    def close(self) -> None:
        """Nothing to close: the microphone belongs to the browser."""

    def _arriving(self, stop: threading.Event) -> Iterator[tuple[Samples, float]]:
        resampler = av.AudioResampler("s16", "mono", RATE_HZ)
        while not stop.is_set():
            with contextlib.suppress(queue.Empty):
                frame, begins_ms = self._frames.get(timeout=POLL_S)
                for resampled in resampler.resample(frame):
                    yield resampled.to_ndarray().reshape(-1).astype(np.int16), begins_ms


class _Outlet(MediaStreamTrack):
    """A track fed by `put`, from any thread. The oldest frame is dropped if the browser does not keep up."""

    def __init__(self, kind: str, room: int) -> None:
        super().__init__()
        self.kind = kind
        self._home = asyncio.get_running_loop()
        self._queued: asyncio.Queue[av.VideoFrame | av.AudioFrame] = asyncio.Queue(room)

    def put(self, frame: av.VideoFrame | av.AudioFrame) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended before the playout's threads
            self._home.call_soon_threadsafe(self._put, frame)

    def _put(self, frame: av.VideoFrame | av.AudioFrame) -> None:
        if self._queued.full():
            self._queued.get_nowait()
        self._queued.put_nowait(frame)

    async def recv(self) -> av.VideoFrame | av.AudioFrame:
        return await self._queued.get()


class BrowserLeg:
    """This process's end of the connection; there is one at a time. Make it in the event loop.

    on_camera, on_microphone: called in the event loop with the browser's frames.
    """

    def __init__(
        self, on_camera: Callable[[av.VideoFrame], None], on_microphone: Callable[[av.AudioFrame], None]
    ) -> None:
        self._takers: dict[str, Callable[[Any], None]] = {"video": on_camera, "audio": on_microphone}
        self._connection: LocalConnection | GuestConnection | None = None
        self._picture: _Outlet | None = None
        self._sound: _Outlet | None = None
        self._started_s = time.monotonic()
        self._samples = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, offer: str, guest: GuestConnection | None = None) -> str:
        """Answers the page's offer and replaces any earlier connection; DecodeError for an invalid offer.

        guest: a new connection to a browser elsewhere, from `guest_connection`; None for one on this machine.
        """
        await self.close()
        connection = guest or LocalConnection(RTCConfiguration([]))
        self._connection = connection
        connection.on("track", self._consume)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            self._picture, self._sound = _Outlet("video", 2), _Outlet("audio", 10)
            connection.addTrack(self._sound)
            connection.addTrack(self._picture)
            await connection.setLocalDescription(await connection.createAnswer())
        except Exception as error:  # aiortc's parser raises anything
            await self.close()
            raise DecodeError(f"the page's offer cannot be used ({reason(error)})") from error
        sdp: str = connection.localDescription.sdp
        return _generous(sdp, CAMERA_BITRATE if guest is None else GUEST_BITRATE)

    async def close(self) -> None:
        """Closes the connection, if there is one."""
        connection, self._connection = self._connection, None
        tasks, self._tasks = self._tasks, set()  # closing takes a while, and the next connection may begin meanwhile
        self._picture = self._sound = None
        if connection is not None:
            with contextlib.suppress(ConnectionError):
                await asyncio.shield(connection.close())  # aiortc breaks if this is cancelled half-way
        for task in list(tasks):
            task.cancel()

    def show(self, picture: NDArray[np.uint8], at_s: float) -> None:
        """Sends a picture, uint8 RGB (S, S, 3), to the page if it is connected. Call it from any thread."""
        outlet = self._picture
        if outlet is not None:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round((at_s - self._started_s) / VIDEO_CLOCK), VIDEO_CLOCK
            outlet.put(frame)

    def play(self, samples: Samples) -> None:
        """Sends sound, int16 (N,) at 48 kHz mono, to the page. Call it from any one thread, in order."""
        self._samples += samples.size
        outlet = self._sound
        if outlet is not None:
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, self._samples, Fraction(1, RATE_HZ)
            outlet.put(frame)

    def _consume(self, track: MediaStreamTrack) -> None:
        async def consume() -> None:
            with contextlib.suppress(MediaStreamError):  # the page closed it
                while True:
                    self._takers[track.kind](await track.recv())

        task = asyncio.ensure_future(consume())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def guest_connection(ice_servers: tuple[IceServer, ...], address: str) -> GuestConnection:
    """A new connection to a guest's browser. ice_servers: to gather candidates from. address: of the browser, an IP address."""
    servers = [RTCIceServer(list(one.urls), one.username, one.credential) for one in ice_servers]
    return GuestConnection(RTCConfiguration(servers), address)


def _generous(sdp: str, bitrate: str) -> str:
    """Asks Chromium for high picture quality from the first second on, since the source frame is taken from one of the first
    pictures. Other browsers ignore it.
    """
    return re.sub(r"(a=rtpmap:(\d+) VP8/90000\r\n)", rf"\1a=fmtp:\2 {bitrate}\r\n", sdp)


def mono(frame: av.AudioFrame) -> Samples:
    """The output of the Opus decoder, 48 kHz in interleaved 16-bit channels, as int16 (N,)."""
    channels = frame.layout.nb_channels
    return np.asarray(frame.to_ndarray().reshape(-1, channels).mean(1), np.int16)


class PagePicture(VideoSink):
    """Hands every picture to `takers`, with the time when it is shown and what it is."""

    def __init__(self, *takers: Callable[[NDArray[np.uint8], float, Layer], None]) -> None:
        self._takers = takers

    def show(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        return self._show(picture, at_s, "motion")

    def show_camera(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        return self._show(picture, at_s, "camera")

    def _show(self, picture: NDArray[np.uint8], at_s: float, layer: Layer) -> bool:
        for take in self._takers:
            take(picture, at_s, layer)
        return True

    def close(self) -> None:
        """Nothing to close: the connection to the page outlives the call."""
