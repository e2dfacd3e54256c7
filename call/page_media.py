"""The local WebRTC connection between the call page and its process: the browser's camera and microphone in, synthesised
pictures and the other side's sound out.

Comes in: the page's offer, from `page_call`. On the way in, `PageCamera` and `PageMicrophone` are sources for
`facewire.sender`; on the way out, `PagePicture` and a `PacedSound` take what `facewire.receiver` plays. The other person has
no part in this connection: frames are decoded and coded anew on the way.
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
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from facewire.call.webrtc import LoopbackConnection
from facewire.errors import DecodeError, reason
from facewire.receiver.sinks import VideoSink
from facewire.receiver.sound import RATE_HZ, Samples
from facewire.sender.clock import CaptureClock
from facewire.sender.media import Frame, VideoSource
from facewire.sender.sound import SoundSource, regroup

CAMERA_FPS = 30.0
BROWSER_SOUND_MS = 80.0
"""What sound waits in aiortc's jitter buffer (four packets of 20 ms) and pictures do not: so much older it is when it comes."""
CAMERA_BITRATE = "x-google-start-bitrate=3000;x-google-min-bitrate=1500;x-google-max-bitrate=6000"
"""kbit/s."""
POLL_S = 0.2
QUEUED_SOUND = 50
"""Frames of 20 ms; a stalled machine loses sound, not memory."""
VIDEO_CLOCK = Fraction(1, 90_000)

_log = logging.getLogger(__name__)


class PageCamera(VideoSource):
    """The browser's camera as a video source. `put` takes frames as they come; only the newest waits."""

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
        """The camera is the browser's."""

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
    """The browser's microphone as a source of sound. `put` takes frames as they come. clock: the pictures'."""

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
        """The microphone is the browser's."""

    def _arriving(self, stop: threading.Event) -> Iterator[tuple[Samples, float]]:
        resampler = av.AudioResampler("s16", "mono", RATE_HZ)
        while not stop.is_set():
            with contextlib.suppress(queue.Empty):
                frame, begins_ms = self._frames.get(timeout=POLL_S)
                for resampled in resampler.resample(frame):
                    yield resampled.to_ndarray().reshape(-1).astype(np.int16), begins_ms


class _Outlet(MediaStreamTrack):
    """A track of what is put into it, in any thread; the oldest is dropped where the browser does not keep up."""

    def __init__(self, kind: str, room: int) -> None:
        super().__init__()
        self.kind = kind
        self._home = asyncio.get_running_loop()
        self._queued: asyncio.Queue[av.VideoFrame | av.AudioFrame] = asyncio.Queue(room)

    def put(self, frame: av.VideoFrame | av.AudioFrame) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended before the player's threads
            self._home.call_soon_threadsafe(self._put, frame)

    def _put(self, frame: av.VideoFrame | av.AudioFrame) -> None:
        if self._queued.full():
            self._queued.get_nowait()
        self._queued.put_nowait(frame)

    async def recv(self) -> av.VideoFrame | av.AudioFrame:
        return await self._queued.get()


class LocalLeg:
    """This process's end of the connection; there is one at a time.

    on_camera, on_microphone: take the browser's frames, in the event loop. To be made in the loop.
    """

    def __init__(
        self, on_camera: Callable[[av.VideoFrame], None], on_microphone: Callable[[av.AudioFrame], None]
    ) -> None:
        self._takers: dict[str, Callable[[Any], None]] = {"video": on_camera, "audio": on_microphone}
        self._connection: LoopbackConnection | None = None
        self._picture: _Outlet | None = None
        self._sound: _Outlet | None = None
        self._started_s = time.monotonic()
        self._samples = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, offer: str) -> str:
        """The answer to the page's offer, in place of any connection before; DecodeError if that is no offer of media."""
        await self.close()
        connection = LoopbackConnection(RTCConfiguration([]))
        self._connection = connection
        connection.on("track", self._consume)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            self._picture, self._sound = _Outlet("video", 2), _Outlet("audio", 10)
            connection.addTrack(self._sound)
            connection.addTrack(self._picture)
            await connection.setLocalDescription(await connection.createAnswer())
        except Exception as error:  # aiortc's parser raises whatever it stumbles over
            await self.close()
            raise DecodeError(f"the page's offer cannot be used ({reason(error)})") from error
        return _generous(connection.localDescription.sdp)

    async def close(self) -> None:
        """Ends the connection, if there is one."""
        connection, self._connection = self._connection, None
        tasks, self._tasks = self._tasks, set()  # closing takes its time, and the next connection may begin meanwhile
        self._picture = self._sound = None
        if connection is not None:
            with contextlib.suppress(ConnectionError):
                await asyncio.shield(connection.close())  # aiortc's breaks if it is cancelled half way
        for task in list(tasks):
            task.cancel()

    def show(self, picture: NDArray[np.uint8], at_s: float) -> None:
        """Sends a picture, uint8 RGB (S, S, 3), to the page, if one is there. From any thread."""
        outlet = self._picture
        if outlet is not None:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round((at_s - self._started_s) / VIDEO_CLOCK), VIDEO_CLOCK
            outlet.put(frame)

    def play(self, samples: Samples) -> None:
        """Sends sound, int16 (N,) at 48 kHz mono, to the page. From any thread, in the order of time."""
        self._samples += samples.size
        outlet = self._sound
        if outlet is not None:
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, self._samples, Fraction(1, RATE_HZ)
            outlet.put(frame)

    def _consume(self, track: MediaStreamTrack) -> None:
        async def consume() -> None:
            with contextlib.suppress(MediaStreamError):  # the page ended it
                while True:
                    self._takers[track.kind](await track.recv())

        task = asyncio.ensure_future(consume())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _generous(sdp: str) -> str:
    """The answer, asking Chromium for a fine picture from the first second on: on this machine the bits cost nothing, and the
    source frame is taken from one of the first pictures. Other browsers pass over what they do not know.
    """
    return re.sub(r"(a=rtpmap:(\d+) VP8/90000\r\n)", rf"\1a=fmtp:\2 {CAMERA_BITRATE}\r\n", sdp)


def mono(frame: av.AudioFrame) -> Samples:
    """What the Opus decoder gives, 48 kHz in interleaved channels of 16 bits, as int16 (N,)."""
    channels = frame.layout.nb_channels
    return np.asarray(frame.to_ndarray().reshape(-1, channels).mean(1), np.int16)


class PagePicture(VideoSink):
    """Hands each picture on to whoever takes it: the page, a recording. takers: (picture, time of its showing)."""

    def __init__(self, *takers: Callable[[NDArray[np.uint8], float], None]) -> None:
        self._takers = takers

    def show(self, picture: NDArray[np.uint8], at_s: float) -> bool:
        for take in self._takers:
            take(picture, at_s)
        return True

    def close(self) -> None:
        """The connection to the page outlives the call."""
