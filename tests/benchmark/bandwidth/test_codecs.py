"""Every codec behind the one interface: pictures survive, bits are counted, x264 matches the ffmpeg command."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import subprocess
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from facewire.benchmark.bandwidth.clip import Clip, read_clip
from facewire.benchmark.bandwidth.codec import Allowance, Packet, Reduced, rtp_wire
from facewire.benchmark.bandwidth.neural import Facewire, Repeat, Shown, allowance, stream_of
from facewire.benchmark.bandwidth.rivals import RIVALS, to_yuv, within, without_advertisement
from facewire.benchmark.bandwidth.run import ivf
from facewire.codec import decode_source, read_stream, wire_bytes
from facewire.codec.wire import RTP_OVERHEAD_BYTES
from facewire.metrics.quality import psnr
from facewire.models.runtime import Networks
from facewire.receiver.play import play
from facewire.sender.delayed import PLAYOUT_MS, SOURCE_DELAY_MS
from facewire.sender.encoder import SOURCE_BYTES_PER_MINUTE
from facewire.sender.media import open_video

SECONDS = 0.7
FINE, COARSE = 20, 48


@pytest.fixture(scope="module")
def clip(carphone: Path) -> Clip:
    return read_clip(carphone, 128, SECONDS)


def mean_psnr(pictures: list[np.ndarray], clip: Clip) -> float:
    return float(np.mean([psnr(a, b) for a, b in zip(pictures, clip.pictures, strict=True)]))


@pytest.mark.parametrize("name", RIVALS)
def test_rival_returns_every_picture_with_its_colours(name: str, clip: Clip) -> None:
    if (why := RIVALS[name].missing()) is not None:
        pytest.skip(why)
    fine, coarse = (RIVALS[name].at(quality=quality) for quality in (FINE, COARSE))
    coded, rough = (codec.encode(clip.pictures, clip.fps) for codec in (fine, coarse))
    pictures = fine.decode(coded.packets, len(clip.pictures))
    assert mean_psnr(pictures, clip) > 33
    assert mean_psnr(pictures, clip) > mean_psnr(coarse.decode(rough.packets, len(clip.pictures)), clip) + 2
    assert coded.payload_bytes > rough.payload_bytes
    bias = np.mean([np.mean(a.astype(float) - b, (0, 1)) for a, b in zip(pictures, clip.pictures, strict=True)], 0)
    assert np.abs(bias).max() < 2  # of 255, each of R, G, B: the decoder knows the encoder's colours
    assert [packet.first for packet in coded.packets] == [True] + [False] * (len(coded.packets) - 1)
    assert coded.first_bytes > max(len(p.data) for p in coded.packets[1:])


@pytest.mark.parametrize("name", RIVALS)
def test_lower_target_gives_lower_rate_and_coding_is_repeatable(name: str, clip: Clip) -> None:
    if (why := RIVALS[name].missing()) is not None:
        pytest.skip(why)
    low, high = (RIVALS[name].at(kbps=kbps).encode(clip.pictures, clip.fps) for kbps in (2, 200))
    assert low.first_bytes + low.payload_bytes < high.first_bytes + high.payload_bytes
    again = RIVALS[name].at(kbps=2).encode(clip.pictures, clip.fps)
    assert [packet.data for packet in again.packets] == [packet.data for packet in low.packets]


@pytest.mark.parametrize("name", [name for name, rival in RIVALS.items() if rival.quantiser == "q"])
@pytest.mark.parametrize("quality", [FINE, COARSE])
def test_fixed_quantiser_is_not_moved_by_the_rate_control(name: str, quality: int, clip: Clip) -> None:
    if (why := RIVALS[name].missing()) is not None:
        pytest.skip(why)
    codec = RIVALS[name].at(quality=quality)
    starved = dataclasses.replace(codec, bit_rate=20_000)
    loose, tight = (one.encode(clip.pictures[:8], clip.fps).packets for one in (codec, starved))
    assert [packet.data for packet in loose] == [packet.data for packet in tight]


def test_encoder_does_not_make_the_process_real_time(clip: Clip) -> None:
    if (why := RIVALS["svt-av1"].missing()) is not None:
        pytest.skip(why)
    RIVALS["svt-av1"].at(quality=COARSE).encode(clip.pictures[:3], clip.fps)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_hanging_encoder_is_abandoned_and_errors_propagate() -> None:
    forever = threading.Event()
    assert within(0.05, lambda: forever.wait() or 1) is None
    assert within(60, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 // 0)
    forever.set()


def test_half_size_and_half_rate_show_every_picture_at_full_size(clip: Clip) -> None:
    full = RIVALS["x264-veryfast"].at(quality=FINE)
    reduced = Reduced(full, shrink=2, skip=2)
    coded = reduced.encode(clip.pictures, clip.fps)
    pictures = reduced.decode(coded.packets, len(clip.pictures))
    assert [picture.shape for picture in pictures] == [clip.pictures[0].shape] * len(clip.pictures)
    assert len(coded.packets) == -(-len(clip.pictures) // 2)
    assert [packet.number for packet in coded.packets] == list(range(0, len(clip.pictures), 2))
    np.testing.assert_array_equal(pictures[0], pictures[1])  # shown twice
    assert (pictures[1] != pictures[2]).any()
    assert coded.payload_bytes < full.encode(clip.pictures, clip.fps).payload_bytes / 2
    assert "size 1/2, frame rate 1/2" in reduced.settings


def test_our_packets_are_a_valid_stream(carphone: Path) -> None:
    clip = read_clip(carphone, 256, SECONDS)
    codec = Shown(Facewire("default", sources=1), 256)
    coded = codec.encode(clip.pictures, clip.fps)
    assert len(coded.packets) == 1 + len(clip.pictures)
    stream = read_stream(stream_of(coded.packets))
    assert stream.frames == len(clip.pictures)
    pictures = codec.decode(coded.packets, len(clip.pictures))
    held = Repeat().decode(Repeat().encode(clip.pictures, clip.fps).packets, len(clip.pictures))
    assert mean_psnr(pictures, clip) > mean_psnr(held, clip)
    assert coded.payload_bytes < 20 * len(clip.pictures)
    half = Reduced(codec, skip=2)
    assert half.encode(clip.pictures, clip.fps).payload_bytes < coded.payload_bytes
    assert len(half.decode(half.encode(clip.pictures, clip.fps).packets, len(clip.pictures))) == len(clip.pictures)


def test_several_source_frames_go_as_in_a_call(carphone: Path, tmp_path: Path, networks: Networks) -> None:
    clip = read_clip(carphone, 256, 1.5)
    half = len(clip.pictures) // 2
    pictures = [*clip.pictures[:half], *(np.ascontiguousarray(255 - picture) for picture in clip.pictures[half:])]
    several, one = Facewire("default", sources=6), Facewire("default", sources=1)
    coded, alone = (codec.encode(pictures, clip.fps) for codec in (several, one))
    assert alone.source_bytes == []
    assert alone.allowance == Allowance()
    assert coded.source_bytes
    assert coded.payload_bytes < 1.5 * alone.payload_bytes, "source frames are counted apart"
    for place, packet in enumerate(coded.packets):
        if packet.source:
            taken_ms = decode_source(packet.data).capture_time_ms
            there_ms = taken_ms + SOURCE_DELAY_MS - PLAYOUT_MS
            assert round(1000 * packet.number / clip.fps) >= there_ms > round(1000 * (packet.number - 1) / clip.fps)
            assert packet.number == max(p.number for p in coded.packets[:place]), "after the motion of the frame shown"
    shown, held = (codec.decode(made.packets, len(pictures)) for codec, made in ((several, coded), (one, alone)))
    negative_ms = round(1000 * half / clip.fps)
    sources = [packet for packet in coded.packets if packet.source]
    used = next(p.number for p in sources if decode_source(p.data).capture_time_ms >= negative_ms)
    for number in range(half, len(pictures)):
        ours, theirs = (psnr(made[number], pictures[number]) for made in (shown, held))
        assert (ours > theirs + 3) == (number >= used), number
    file = tmp_path / "clip.fw"
    file.write_bytes(stream_of(coded.packets))
    assert play(file, tmp_path / "clip.mkv", networks).frames == len(pictures)
    with open_video(tmp_path / "clip.mkv") as video:
        played = [frame.picture for frame in video]
    assert min(psnr(a, b) for a, b in zip(played, shown, strict=True)) > 30, "the file shows what is judged"


def test_source_frames_are_charged_at_the_most_that_a_call_may_spend() -> None:
    found = allowance([bytes(4000), bytes(5000)])
    assert found.payload_kbps == pytest.approx(SOURCE_BYTES_PER_MINUTE * 8 / 60_000)
    assert found.start_bytes == SOURCE_BYTES_PER_MINUTE
    pieces = 4 + 5  # of at most 1088 bytes and a head of 12
    forward = 9000 + pieces * (12 + wire_bytes(0)[0])
    assert found.wire_kbps / found.payload_kbps == pytest.approx(
        (forward + pieces * wire_bytes(0)[1]) / 9000, rel=0.002
    )


def test_wire_bytes_include_headers_and_our_acknowledgements(clip: Clip) -> None:
    packets = [Packet(b"k" * 5000, 0, first=True), Packet(b"a" * 100, 1), Packet(b"b" * 1201, 2)]
    assert rtp_wire(packets).forward == 100 + 1201 + 3 * RTP_OVERHEAD_BYTES  # the larger one takes two packets
    assert rtp_wire(packets).back == 0
    coded = Facewire("default").encode(clip.pictures, clip.fps)
    messages = -(-len(clip.pictures) // 3)  # three frames each at 25 to 30 per second
    assert coded.wire.back == messages * wire_bytes(0)[1]
    assert coded.wire.forward >= messages * wire_bytes(1)[0]


def test_x264_matches_the_ffmpeg_command(carphone: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        pytest.skip("imageio-ffmpeg carries the command line")
    from imageio_ffmpeg import get_ffmpeg_exe

    clip = read_clip(carphone, 256, 2.0)
    raw, out = tmp_path / "clip.yuv", tmp_path / "clip.h264"
    raw.write_bytes(b"".join(to_yuv(picture).to_ndarray().tobytes() for picture in clip.pictures))
    codec = RIVALS["x264-veryfast"].at(quality=32)
    options = [f"-{name}={value}".split("=", 1) for name, value in codec.options]
    command = [get_ffmpeg_exe(), "-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "256x256"]
    command += ["-r", f"{clip.fps}", "-i", str(raw), "-c:v", "libx264", *(part for pair in options for part in pair)]
    subprocess.run([*command, str(out)], check=True)  # if told the colours, it would convert the pictures first
    coded = codec.encode(clip.pictures, clip.fps)
    with av.open(str(out)) as container:
        data = [without_advertisement(bytes(packet)) for packet in container.demux(video=0) if packet.size]
    theirs = [Packet(part, number, first=number == 0) for number, part in enumerate(data)]
    sizes = [sum(len(packet.data) for packet in packets) for packets in (coded.packets, theirs)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)
    own, other = (codec.decode(packets, len(clip.pictures)) for packets in (coded.packets, theirs))
    assert mean_psnr(own, clip) == pytest.approx(mean_psnr(other, clip), rel=0.02)


def test_kept_streams_open_in_other_programs(clip: Clip, tmp_path: Path) -> None:
    for name, suffix in (("vp9", "ivf"), ("svt-av1", "ivf"), ("x264-veryfast", "h264")):
        if RIVALS[name].missing() is not None:
            continue
        coded = RIVALS[name].at(quality=40).encode(clip.pictures, clip.fps)
        path = tmp_path / f"{name}.{suffix}"
        path.write_bytes(
            ivf(coded.packets, RIVALS[name].decoder, clip)
            if suffix == "ivf"
            else b"".join(packet.data for packet in coded.packets)
        )
        with open_video(path) as video:
            assert sum(1 for _ in video) == len(clip.pictures)
