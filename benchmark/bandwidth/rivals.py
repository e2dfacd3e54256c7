"""The rivals: x264, x265, VP8, VP9 and SVT-AV1 through FFmpeg's libraries, each at its best for a video call.

A rival's name and an operating point give a `Codec`. Every doubt is decided for the rival: a single key frame, no limit on a
frame's size, no losses, one thread so that nothing is lost to slices, the slowest preset that keeps up.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeVar

import av
import numpy as np
from av.video.reformatter import Interpolation

from facewire.benchmark.bandwidth.codec import Coded, Packet, Picture, rtp_wire
from facewire.errors import FacewireError

T = TypeVar("T")

os.environ.setdefault("SVT_LOG", "1")  # else SVT-AV1 prints its version at every start

ANY_RATE = 10_000_000
"""Bits per second: an upper bound that is never reached, for encoders that want a rate beside a quantiser."""
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
"""Colour conversion with exact rounding: 50 dB there and back on a face. FFmpeg's default loses 5 dB and a level of brightness."""
PATIENCE_S, PATIENCE_PER_PICTURE_S = 20.0, 1.0
"""An encoder that takes longer is taken to hang."""
ATTEMPTS = 3
NEVER = 9999
"""Pictures between key frames."""


@dataclass(frozen=True)
class Rival:
    """A codec to compare with."""

    label: str
    encoder: str
    """FFmpeg's name for it."""
    decoder: str
    options: tuple[tuple[str, str], ...]
    quantiser: Literal["crf", "q"]
    """How quality is set: by CRF, or by a fixed quantiser (qmin = qmax)."""
    delay_note: str = ""

    def at(self, *, quality: float | None = None, kbps: float | None = None) -> Libav:
        """The codec at a quality (CRF or quantiser) or at a target rate."""
        if (quality is None) == (kbps is None):
            raise ValueError("either a quality or a rate")
        options, bit_rate = dict(self.options), 0
        if kbps is not None:
            bit_rate = round(1000 * kbps)
            if self.encoder == "libsvtav1":
                options["svtav1-params"] += ":rc=2"  # constant rate, its only mode with low delay
        elif self.quantiser == "crf":
            options["crf"] = f"{quality:g}"
        else:
            options |= {"qmin": f"{quality:g}", "qmax": f"{quality:g}"}
            bit_rate = ANY_RATE
        return Libav(self.label, self.encoder, self.decoder, tuple(options.items()), bit_rate)

    def missing(self) -> str | None:
        """Why this PyAV cannot run it; None if it can."""
        for kind, name, mode in (("encoder", self.encoder, "w"), ("decoder", self.decoder, "r")):
            try:
                av.codec.Codec(name, mode)  # type: ignore[arg-type]
            except (av.codec.codec.UnknownCodecError, ValueError):
                return f"this PyAV has no {kind} {name}"
        return None


X264 = "keyint=infinite:threads=1:sliced-threads=0"
X265 = "keyint=-1:pools=none:frame-threads=1:log-level=none:info=0"
LIVE = (("tune", "zerolatency"),)


def _x264(preset: str) -> Rival:
    options = (("preset", preset), *LIVE, ("x264-params", f"{X264}:bframes=0"))
    return Rival(f"x264 {preset}", "libx264", "h264", options, "crf")


RIVALS: dict[str, Rival] = {
    "x264-ultrafast": _x264("ultrafast"),
    "x264-veryfast": _x264("veryfast"),
    "x264-medium": _x264("medium"),
    "x264-veryslow": _x264("veryslow"),
    "x264-offline": Rival(
        "x264 offline", "libx264", "h264", (("preset", "veryslow"), ("x264-params", X264)), "crf", "B frames, lookahead"
    ),
    "x265": Rival(
        "x265 slow",
        "libx265",
        "hevc",
        (("preset", "slow"), *LIVE, ("x265-params", f"{X265}:bframes=0")),
        "crf",
    ),
    "vp8": Rival(
        "VP8",
        "libvpx",
        "vp8",
        (("deadline", "realtime"), ("cpu-used", "-2"), ("lag-in-frames", "0"), ("g", str(NEVER))),
        "q",
    ),
    "vp9": Rival(
        "VP9",
        "libvpx-vp9",
        "vp9",
        (
            ("deadline", "good"),
            ("cpu-used", "1"),
            ("lag-in-frames", "0"),
            ("auto-alt-ref", "0"),
            ("g", str(NEVER)),
        ),
        "q",
    ),
    "svt-av1": Rival(
        "SVT-AV1",
        "libsvtav1",
        "libdav1d",
        (("preset", "3"), ("svtav1-params", "pred-struct=1:lp=1:keyint=-1:scd=0")),
        "crf",
    ),
}
"""By the names that configurations use. Each has the best preset that keeps up with 30 pictures per second of 256 pixels on one
core (docs/bandwidth.md); x264 is there four times, to show what its presets are worth.
"""


@dataclass(frozen=True)
class Libav:
    """An encoder of FFmpeg's libraries at one setting, and the decoder for it."""

    label: str
    encoder: str
    decoder: str
    options: tuple[tuple[str, str], ...]
    bit_rate: int = 0
    """Bits per second; 0 where quality is set."""

    @property
    def settings(self) -> str:
        """As options of FFmpeg."""
        rate = [f"b={self.bit_rate}"] if self.bit_rate else []
        return " ".join([self.encoder, *(f"{name}={value}" for name, value in self.options), *rate])

    def encode(self, pictures: Sequence[Picture], fps: float) -> Coded:
        """Codes pictures as 4:2:0, BT.709, limited range, with one key frame at the start. FacewireError if the encoder hangs."""
        limit_s = PATIENCE_S + PATIENCE_PER_PICTURE_S * len(pictures)
        for _ in range(ATTEMPTS):
            made = within(limit_s, lambda: [packet for packets in self._fed(pictures, fps) for packet in packets])
            if made is not None:
                break
        else:
            raise FacewireError(f"{self.label}: the encoder hung {ATTEMPTS} times ({self.settings})")
        packets = [
            Packet(without_advertisement(bytes(packet)), _number(packet), first=place == 0)
            for place, packet in enumerate(made)
        ]
        return Coded(packets, rtp_wire(packets))

    def pictures_ahead(self, pictures: Sequence[Picture], fps: float) -> int:
        """How many later pictures the encoder needs before it gives out the first."""
        return next((number for number, packets in enumerate([*self._fed(pictures, fps)]) if packets), len(pictures))

    def _fed(self, pictures: Sequence[Picture], fps: float) -> Iterator[list[av.Packet[Any]]]:
        """The packets that come out as each picture goes in, and at the end."""
        context, rate = self._context(pictures[0], fps), Fraction(fps).limit_denominator(1001)
        for number, picture in enumerate(pictures):
            frame = to_yuv(picture)
            frame.pts, frame.time_base = number, 1 / rate
            made = context.encode(frame)
            if number == 0:
                _stay_ordinary()
            yield made
        yield context.encode(None)

    def decode(self, packets: Sequence[Packet], count: int) -> list[Picture]:
        """All pictures; for one that the encoder dropped, the one before again."""
        context = av.CodecContext.create(self.decoder, "r")
        assert isinstance(context, av.VideoCodecContext)
        context.thread_count = 1
        found: dict[int, Picture] = {}
        for packet in [*packets, None]:
            for frame in context.decode(_av_packet(packet)):
                found[frame.pts or 0] = _to_rgb(frame)
        pictures: list[Picture] = []
        for number in range(count):
            pictures.append(found[number] if number in found else pictures[-1])
        return pictures

    def _context(self, picture: Picture, fps: float) -> av.VideoCodecContext:
        rate = Fraction(fps).limit_denominator(1001)
        context = av.CodecContext.create(self.encoder, "w")
        assert isinstance(context, av.VideoCodecContext)
        context.height, context.width = picture.shape[:2]
        context.pix_fmt, context.framerate, context.time_base = "yuv420p", rate, 1 / rate
        context.colorspace, context.color_range = 1, 1
        context.thread_count = 1
        if self.bit_rate:
            context.bit_rate = self.bit_rate
        context.options = dict(self.options)
        return context


def within(limit_s: float, work: Callable[[], T]) -> T | None:
    """What `work` returns, or None if it takes too long: once in some hundred starts SVT-AV1 deadlocks."""
    outcome: list[T | BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    if not outcome:
        return None
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _stay_ordinary() -> None:
    """Undoes what SVT-AV1 does as root: it makes the whole process real-time, and the machine stands still for everything else."""
    if not hasattr(os, "sched_setscheduler"):
        return
    tasks = Path("/proc/self/task")
    for thread in tasks.iterdir() if tasks.is_dir() else ():
        with contextlib.suppress(OSError):  # one that has just ended
            if os.sched_getscheduler(int(thread.name)) != os.SCHED_OTHER:
                os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))


def _number(packet: av.Packet[Any]) -> int:
    return int(packet.pts or 0)


def _av_packet(packet: Packet | None) -> av.Packet[Any] | None:
    if packet is None:
        return None
    made = av.Packet(len(packet.data))  # decoders may read beyond the end: only a packet made so has zeros there
    made.update(packet.data)
    made.pts = made.dts = packet.number
    return made


def to_yuv(picture: Picture) -> av.VideoFrame:
    """The picture as every rival gets it: 4:2:0, BT.709, limited range."""
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", interpolation=EXACT)


def _to_rgb(frame: av.VideoFrame) -> Picture:
    # The colours must be stated: a VP8 stream has no place for them.
    made = frame.reformat(
        format="rgb24",
        src_colorspace="ITU709",
        src_color_range="MPEG",
        dst_color_range="JPEG",
        interpolation=EXACT,
    )
    return np.asarray(made.to_ndarray(), np.uint8)


def without_advertisement(data: bytes) -> bytes:
    """Drops the SEI unit with x264's name and options, which no call would send."""
    if b"x264" not in data:
        return data
    starts = [i for i in range(len(data) - 3) if data[i : i + 3] == b"\0\0\1"]
    kept, begin = b"", 0
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        if data[start + 3] & 0x1F == 6 and b"x264" in data[start:end]:
            kept, begin = kept + data[begin:start], end
    return kept + data[begin:]
