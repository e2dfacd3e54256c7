"""The camera's picture as ordinary video: small, within a rate, and repaired when the other side says that it lost a picture.

Takes squares from `live` and returns packets of `facewire.codec.pixels`. The encoder is x264 in its mode for video calls: of what
PyAV brings it codes these sizes best in the time that a call has (docs/call.md). There is no clock here.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from facewire.codec.pixels import BODY_BYTES, HEAD, MAX_PACKETS, NUMBERS, cut_picture, later, pixel_wire_bytes
from facewire.sender.policy import FrameGate

LEAST_KBPS = 8.0
"""Of the wire. Below this there is no picture worth having."""
HEAD_WIRE_BYTES = pixel_wire_bytes([bytes(HEAD.size)])
"""Of a packet, on the wire, besides the coded bytes."""
BUFFER_S, LEAST_BUFFER_BYTES = 0.6, 1080
"""So much of the rate may be saved up for one picture, such as a key picture, but at least a packet: with less, nothing would be
recognised in the first picture."""
REPEAT_KEY_MS = 250.0
"""A key picture is given so long to arrive before another one is sent for the same loss."""
KEEP_RUNG = 0.8
"""A size and frame rate are kept down to this share of the rate that they are meant for."""


@dataclass(frozen=True)
class Rung:
    """How pictures are coded from a rate on. kbps: on the wire. side: pixels. fps: the most pictures a second. crf: the best
    quality that is worth its bytes."""

    kbps: float
    side: int
    fps: float
    crf: int


RUNGS = (
    Rung(LEAST_KBPS, 128, 4.0, 28),
    Rung(12, 192, 5.0, 28),
    Rung(18, 256, 5.0, 28),
    Rung(30, 256, 6.25, 27),
    Rung(60, 256, 12.5, 27),
    Rung(140, 256, 25.0, 26),
)


@dataclass
class PixelStats:
    """Totals so far."""

    pictures: int = 0
    keys: int = 0
    """Key pictures among them, the first of each time that the camera is shown included."""
    packets: int = 0
    wire_bytes: int = 0
    """Of the packets, headers included."""


class PixelEncoder:
    """One person's camera as ordinary video. Not thread-safe.

    kbps: rate on the wire, `LEAST_KBPS` or more; may be changed at any time.
    """

    def __init__(self, kbps: float = LEAST_KBPS) -> None:
        self.kbps = kbps
        self.stats = PixelStats()
        self._encoder: av.VideoCodecContext | None = None
        self._rung = RUNGS[0]
        self._coded_kbps = 0.0
        """The rate that the encoder was opened for."""
        self._gate = FrameGate(RUNGS[0].fps)
        self._number = -1
        self._key_number = -1
        """Of the last key picture."""
        self._key_ms = 0.0
        self._key_wanted = True
        self._frames = 0
        """That the encoder has been given since it was opened."""
        self._free_ms = 0.0
        """When what was sent so far is through at the rate."""

    @property
    def side(self) -> int:
        """Of the pictures that are coded now, in pixels."""
        return self._rung.side

    def start_over(self) -> None:
        """The other side has nothing: the next picture is a key picture."""
        self._key_wanted = True

    def lost(self, heard: int, time_ms: float) -> None:
        """The other side cannot draw any further for want of a picture. heard: number of the newest one that it has heard of."""
        if self._number < 0 or later(heard, self._number) > 0:
            return  # it speaks of pictures that there never were
        if later(heard, self._key_number) >= 0 and time_ms - self._key_ms >= REPEAT_KEY_MS:
            self._key_wanted = True

    def encode(self, square: NDArray[np.uint8], capture_ms: int, *, at_once: bool = False) -> list[bytes]:
        """The packets of a square, uint8 RGB (S, S, 3); none if it is not its turn. Times do not decrease. at_once: it is shown
        when it arrives, not in step with the sound.
        """
        self._choose_rung()
        waits = self._free_ms > capture_ms
        if waits or not self._gate.takes(capture_ms):
            return []
        data, key = self._code(square)
        if not 0 < len(data) <= MAX_PACKETS * BODY_BYTES:
            self._encoder = None  # never with these rates; what follows could not be decoded
            return []
        self._number = (self._number + 1) % NUMBERS
        if key:
            self._key_number, self._key_ms, self._key_wanted = self._number, float(capture_ms), False
        packets = cut_picture(data, self._number, 0 if key else 1, capture_ms, at_once=at_once)
        size = pixel_wire_bytes(packets)
        self._free_ms = max(self._free_ms, float(capture_ms)) + 8 * size / self.kbps
        self.stats.pictures += 1
        self.stats.keys += key
        self.stats.packets += len(packets)
        self.stats.wire_bytes += size
        return packets

    def _choose_rung(self) -> None:
        """Opens another encoder, which begins with a key picture, if the rate has become a different one."""
        rung = next(rung for rung in reversed(RUNGS) if self.kbps >= rung.kbps or rung is RUNGS[0])
        if rung.kbps < self._rung.kbps and self.kbps >= KEEP_RUNG * self._rung.kbps and self._encoder is not None:
            rung = self._rung
        near = 0.6 * self._coded_kbps <= self.kbps <= 1.6 * self._coded_kbps
        if self._encoder is None or rung != self._rung or not near:
            self._encoder, self._frames, self._key_wanted = _open(rung, self.kbps), 0, True
            self._rung, self._coded_kbps, self._gate.fps = rung, self.kbps, rung.fps

    def _code(self, square: NDArray[np.uint8]) -> tuple[bytes, bool]:
        assert self._encoder is not None
        side = self._rung.side
        if square.shape[0] != side:
            how = cv2.INTER_AREA if square.shape[0] > side else cv2.INTER_CUBIC
            square = np.asarray(cv2.resize(square, (side, side), interpolation=how), np.uint8)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(square), format="rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        )
        frame.pts, frame.time_base = self._frames, self._encoder.time_base
        self._frames += 1
        frame.pict_type = PictureType.I if self._key_wanted else PictureType.NONE
        made: list[av.Packet[Any]] = self._encoder.encode(frame)
        return b"".join(bytes(packet) for packet in made), any(packet.is_keyframe for packet in made)


def _open(rung: Rung, kbps: float) -> av.VideoCodecContext:
    """An encoder for a rate on the wire."""
    payload_kbps = max(kbps - 8 * HEAD_WIRE_BYTES * rung.fps / 1000, kbps / 3)
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width = context.height = rung.side
    rate = Fraction(rung.fps).limit_denominator(100)
    context.pix_fmt, context.framerate, context.time_base = "yuv420p", rate, 1 / rate
    context.colorspace, context.color_range, context.thread_count = 1, 1, 1
    context.options = {
        "preset": "medium",
        "tune": "zerolatency",
        "crf": str(rung.crf),
        "maxrate": str(round(1000 * payload_kbps)),
        "bufsize": str(round(max(1000 * payload_kbps * BUFFER_S, 8 * LEAST_BUFFER_BYTES))),
        "forced-idr": "1",
        "x264-params": "keyint=infinite:scenecut=0:bframes=0:ref=1:threads=1:sliced-threads=0:repeat-headers=1:info=0",
    }
    return context
