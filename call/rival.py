"""What H.264 would need for the pictures that this side sends, measured by encoding a few seconds of them now and then.

`H264Watch` takes the squares that `facewire.sender` cuts from the camera and makes `H264Figures` for the page. The encoder is
x264 with the settings of a video call, in a thread of the lowest priority.
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
"""x264's quality. In the median of 68 clips x264 veryfast has our ST-LPIPS at 32.8 and our AKD at 35.8 (docs/bandwidth.md)."""
BURST_S = 3.0
EVERY_S = 15.0
"""Time between the starts of two bursts. A burst of 75 pictures takes about a fifth of a second."""
MIN_FRAMES = 10
"""On a machine that sends fewer pictures in that time, the burst lasts longer."""
LOWEST_PRIORITY = 19

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class H264Figures:
    """Measurements of one burst."""

    payload_kbps: float
    """Without the first picture: it is a key frame and comes only once in a call."""
    wire_kbps: float
    """The same with packet headers."""
    psnr_db: float
    """Mean PSNR of luma."""
    at_s: float
    """When it was measured, on the monotonic clock."""


class H264Watch:
    """Encodes bursts of the pictures given to `take`, which is called from one thread with increasing times."""

    def __init__(self) -> None:
        self.figures: H264Figures | None = None
        self._burst: list[NDArray[np.uint8]] = []
        self._began_ms: int | None = None
        self._encoding: threading.Thread | None = None

    def take(self, square: NDArray[np.uint8], capture_ms: int) -> None:
        """Takes a picture, uint8 RGB (S, S, 3), that is being sent."""
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
        with contextlib.suppress(AttributeError, OSError):  # on Linux, threads have priorities
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
        try:
            self.figures = encode_burst(burst, fps)
        except av.FFmpegError as error:
            _log.warning("no comparison with H.264: %s", error)


def encode_burst(pictures: Sequence[NDArray[np.uint8]], fps: float) -> H264Figures:
    """Encodes at least two pictures, uint8 RGB (S, S, 3), as H.264."""
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
