"""What H.264 would take for the pictures that this side sends: really encoded, a few seconds of them now and then.

Comes in: the squares that `facewire.sender` cuts from the camera. Goes out: `H264Figures` for the page. The encoder is x264 with a
video call's settings, in a thread that gives way to everything else.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from facewire.codec.wire import rtp_wire_bytes

CRF = 34
"""x264's quality: at 32.8 x264 veryfast has our ST-LPIPS, at 35.8 our AKD, in the median of 68 clips (docs/bandwidth.md)."""
BURST_S = 3.0
EVERY_S = 15.0
"""From the beginning of one burst to that of the next: 75 pictures, about a fifth of a second's work."""
MIN_FRAMES = 10
"""A machine that takes fewer in a burst gets a longer one."""
LOWEST_PRIORITY = 19

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class H264Figures:
    """One burst."""

    payload_kbps: float
    """Of the pictures after the first; the first is a key frame and comes once in a call."""
    wire_kbps: float
    """With packet headers."""
    psnr_db: float
    """Mean over luma."""
    at_s: float
    """When it was measured, on the monotonic clock."""


class H264Watch:
    """Encodes bursts of what it is shown. `take` is called from one thread with growing times, in ms."""

    def __init__(self) -> None:
        self.figures: H264Figures | None = None
        self._burst: list[NDArray[np.uint8]] = []
        self._began_ms: int | None = None
        self._encoding: threading.Thread | None = None

    def take(self, square: NDArray[np.uint8], capture_ms: int) -> None:
        """Looks at a picture, uint8 RGB (S, S, 3), that is just being sent."""
        elapsed_ms = capture_ms - self._began_ms if self._began_ms is not None else 1000 * EVERY_S
        if elapsed_ms >= 1000 * EVERY_S and not self._burst:
            if self._encoding is None or not self._encoding.is_alive():
                self._burst, self._began_ms = [square], capture_ms
        elif self._burst and (elapsed_ms < 1000 * BURST_S or len(self._burst) < MIN_FRAMES):
            self._burst.append(square)
        elif self._burst:
            burst, self._burst = self._burst, []
            fps = 1000 * len(burst) / elapsed_ms
            self._encoding = threading.Thread(target=self._encode, args=(burst, fps), name="facewire-h264", daemon=True)
            self._encoding.start()

    def _encode(self, burst: Sequence[NDArray[np.uint8]], fps: float) -> None:
        with contextlib.suppress(AttributeError, OSError):  # Linux has priorities for threads
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
        try:
            self.figures = encode_burst(burst, fps)
        except av.FFmpegError as error:
            _log.warning("no comparison with H.264: %s", error)


def encode_burst(pictures: Sequence[NDArray[np.uint8]], fps: float) -> H264Figures:
    """What pictures, uint8 RGB (S, S, 3), cost as H.264. Needs two at least."""
    rate = Fraction(fps).limit_denominator(1001)
    encoder = av.CodecContext.create("libx264", "w")
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(encoder, av.VideoCodecContext)
    assert isinstance(decoder, av.VideoCodecContext)
    encoder.height, encoder.width = pictures[0].shape[:2]
    encoder.pix_fmt, encoder.framerate, encoder.time_base = "yuv420p", rate, 1 / rate
    encoder.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "crf": str(CRF),
        "x264-params": "keyint=infinite:threads=1:sliced-threads=0",
    }
    decoder.thread_count = 1
    sizes: list[int] = []
    errors: list[float] = []
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, 1 / rate
        packets = encoder.encode(frame)
        sizes.append(sum(packet.size for packet in packets))
        decoded = [shown for packet in packets for shown in decoder.decode(packet)]
        if decoded:
            errors.append(float(np.square(_luma(frame) - _luma(decoded[-1])).mean()))
    seconds = (len(pictures) - 1) / fps
    payload = 8 * sum(sizes[1:]) / 1000 / seconds
    wire = 8 * sum(rtp_wire_bytes(size) for size in sizes[1:]) / 1000 / seconds
    psnr = 10 * np.log10(255**2 / max(float(np.mean(errors)), 1e-3)) if errors else 0.0
    return H264Figures(payload, wire, float(psnr), time.monotonic())


def _luma(frame: av.VideoFrame) -> NDArray[np.float32]:
    return frame.to_ndarray()[: frame.height].astype(np.float32)
