"""Which encoder the pixel layer uses: `python -m tests.call.pixel_encoders` prints the table in docs/call.md.

Every encoder that this PyAV has codes the pictures of `covered` at several sizes, frame rates and qualities, in real time on one
core. Its ST-LPIPS against the camera is interpolated at rates on the wire, data-channel headers and the key frame included.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
import torch

from facewire.benchmark.bandwidth.rivals import _stay_ordinary, to_yuv
from facewire.codec.wire import wire_bytes
from facewire.metrics.teacher_files import stlpips_file
from facewire.metrics.teachers import StLpips

from .covered import HEIGHT, SITUATIONS, Picture, talking

SECONDS = 4.0
SQUARE = 256
SCORED_EVERY = 9
PACKET_BYTES = 1090
HEAD_BYTES = 9
SIZES, RATES_FPS = (128, 192, 256), (6.25, 12.5, 25.0)
AT_KBPS = (10, 20, 40, 80, 200)


@dataclass(frozen=True)
class Encoder:
    """An encoder of FFmpeg's libraries, and the qualities that it is tried at."""

    name: str
    decoder: str
    options: dict[str, str]
    qualities: tuple[int, ...]
    crf: bool = True


ENCODERS = {
    "x264 veryfast": Encoder(
        "libx264", "h264", {"preset": "veryfast", "tune": "zerolatency"}, (20, 26, 31, 36, 41, 47)
    ),
    "x264 medium": Encoder("libx264", "h264", {"preset": "medium", "tune": "zerolatency"}, (20, 26, 31, 36, 41, 47)),
    "x264 medium, intra refresh 2 s": Encoder(
        "libx264",
        "h264",
        {"preset": "medium", "tune": "zerolatency", "x264-params": "intra-refresh=1:keyint=PERIOD"},
        (26, 31, 36, 41, 47),
    ),
    "VP8 realtime": Encoder(
        "libvpx",
        "vp8",
        {"deadline": "realtime", "cpu-used": "-4", "lag-in-frames": "0"},
        (6, 16, 28, 40, 54),
        crf=False,
    ),
    "VP9 realtime": Encoder(
        "libvpx-vp9",
        "vp9",
        {"deadline": "realtime", "cpu-used": "5", "lag-in-frames": "0", "auto-alt-ref": "0"},
        (10, 24, 38, 50, 62),
        crf=False,
    ),
    "SVT-AV1 preset 8": Encoder(
        "libsvtav1",
        "libdav1d",
        {"preset": "8", "svtav1-params": "pred-struct=1:lp=1:keyint=-1:scd=0"},
        (22, 34, 44, 54, 63),
    ),
}


def squares(name: str) -> list[Picture]:
    """The pictures of a situation as they are cut for the call, 25 a second."""
    left = 40
    shown = [SITUATIONS[name](picture, number / 25) for number, picture in enumerate(talking()[: round(25 * SECONDS)])]
    return [
        np.asarray(cv2.resize(p[:, left : left + HEIGHT], (SQUARE, SQUARE), interpolation=cv2.INTER_AREA))
        for p in shown
    ]


def coded(
    pictures: Sequence[Picture], how: Encoder, size: int, fps: float, quality: int
) -> tuple[float, list[Picture], float]:
    """kbps on the wire, the pictures as they are shown at 25 a second, and milliseconds of encoding each."""
    step = round(25 / fps)
    encoder, decoder = av.CodecContext.create(how.name, "w"), av.CodecContext.create(how.decoder, "r")
    assert isinstance(encoder, av.VideoCodecContext)
    assert isinstance(decoder, av.VideoCodecContext)
    encoder.width = encoder.height = size
    rate = Fraction(fps).limit_denominator(100)
    encoder.pix_fmt, encoder.framerate, encoder.time_base = "yuv420p", rate, 1 / rate
    encoder.thread_count = decoder.thread_count = 1
    options = {key: value.replace("PERIOD", str(round(2 * fps))) for key, value in how.options.items()}
    if how.name == "libx264":
        params = options.get("x264-params", "keyint=infinite")
        options["x264-params"] = params + ":threads=1:sliced-threads=0:bframes=0:scenecut=0"
    else:
        options["g"] = "9999"
    if how.crf:
        options["crf"] = str(quality)
    else:
        options |= {"qmin": str(quality), "qmax": str(quality)}
        encoder.bit_rate = 10_000_000
    encoder.options = options
    wire, spent, shown, last = 0, 0.0, [], pictures[0]
    for number, picture in enumerate(pictures):
        if number % step == 0:
            small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA) if size < SQUARE else picture
            frame = to_yuv(np.ascontiguousarray(small))
            frame.pts, frame.time_base = number // step, 1 / rate
            began = time.thread_time()
            packets = encoder.encode(frame)
            spent += time.thread_time() - began
            if number == 0:
                _stay_ordinary()
            for packet in packets:
                whole, rest = divmod(packet.size, PACKET_BYTES)
                wire += whole * wire_bytes(PACKET_BYTES + HEAD_BYTES)[0] + (
                    wire_bytes(rest + HEAD_BYTES)[0] if rest else 0
                )
                for seen in decoder.decode(packet):
                    rgb = seen.reformat(
                        format="rgb24", src_colorspace="ITU709", src_color_range="MPEG", dst_color_range="JPEG"
                    )
                    last = np.asarray(cv2.resize(rgb.to_ndarray(), (SQUARE, SQUARE), interpolation=cv2.INTER_CUBIC))
        shown.append(last)
    frames = len(pictures) / step
    return 8 * wire / 1000 / (len(pictures) / 25), shown, 1000 * spent / frames


def main() -> None:
    torch.set_num_threads(1)
    file = stlpips_file()
    assert file is not None, "ST-LPIPS: pip install 'facewire[metrics]'"
    judge = StLpips(file).eval()

    def features(picture: Picture) -> list[torch.Tensor]:
        with torch.no_grad():
            return judge.features(torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32) / 255))

    clips = {name: squares(name) for name in SITUATIONS}
    truths = {name: {n: features(clip[n]) for n in range(4, len(clip), SCORED_EVERY)} for name, clip in clips.items()}
    print("| encoder | px | fps | ms a picture |" + "".join(f" {kbps} kbps |" for kbps in AT_KBPS))
    print("|---|---|---|---|" + "---|" * len(AT_KBPS), flush=True)
    for label, how in ENCODERS.items():
        for size in SIZES:
            for fps in RATES_FPS:
                points, costs = [], []
                for quality in how.qualities:
                    kbps, scores = [], []
                    for name, clip in clips.items():
                        wire, shown, cost = coded(clip, how, size, fps, quality)
                        kbps.append(wire)
                        costs.append(cost)
                        with torch.no_grad():
                            scores += [
                                float(judge.between(features(shown[n]), true)) for n, true in truths[name].items()
                            ]
                    points.append((float(np.mean(kbps)), float(np.mean(scores))))
                points.sort()
                rates, values = np.log([p[0] for p in points]), [p[1] for p in points]
                cells = [
                    f"{np.interp(np.log(at), rates, values):.3f}" if rates[0] <= np.log(at) <= rates[-1] + 0.4 else "–"
                    for at in AT_KBPS
                ]
                print(
                    f"| {label} | {size} | {fps:g} | {np.median(costs):.1f} | " + " | ".join(cells) + " |", flush=True
                )


if __name__ == "__main__":
    main()
