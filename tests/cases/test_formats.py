"""Ordinary files of every make: containers and codecs, ways to store a picture, frame rates, portraits, sound files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facewire.errors import InputError
from facewire.sender.media import VideoFile, read_picture
from facewire.sender.sound import RATE_HZ, read_sound
from tests.cases.conftest import X264, Make, ffmpeg, frames, heard, levels_apart, shown, tones
from tests.conftest import write_clip

VIDEOS: dict[str, tuple[str, tuple[object, ...]]] = {
    "WebM with VP8": ("a.webm", ("-c:v", "libvpx", "-deadline", "realtime", "-b:v", "2M")),
    "WebM with VP9": ("a.webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", 8, "-b:v", "2M")),
    "WebM with transparency": (
        "a.webm",
        ("-c:v", "libvpx", "-deadline", "realtime", "-pix_fmt", "yuva420p", "-auto-alt-ref", 0, "-b:v", "2M"),
    ),
    "Matroska with AV1": ("a.mkv", ("-c:v", "libsvtav1", "-preset", 12, "-crf", 20)),
    "MP4 with H.265": (
        "a.mp4",
        ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-tag:v", "hvc1"),
    ),
    "MP4 in fragments": ("a.mp4", (*X264, "-movflags", "frag_keyframe+empty_moov")),
    "QuickTime with ProRes": (
        "a.mov",
        (
            "-c:v",
            "prores_ks",
        ),
    ),
    "AVI with Motion JPEG": ("a.avi", ("-c:v", "mjpeg", "-q:v", 2)),
    "AVI with MPEG-4 part 2": ("a.avi", ("-c:v", "mpeg4", "-q:v", 2)),
    "MPEG programme stream": ("a.mpg", ("-c:v", "mpeg2video", "-q:v", 2)),
    "transport stream": ("a.ts", X264),
    "Flash video": ("a.flv", ("-c:v", "flv", "-q:v", 2)),
    "Windows Media": ("a.wmv", ("-c:v", "wmv2", "-q:v", 2)),
    "Ogg with Theora": ("a.ogv", ("-c:v", "libtheora", "-q:v", 9)),
    "animated GIF": ("a.gif", ()),
    "H.264 without a container": ("a.h264", X264),
    "uncompressed YUV4MPEG2": ("a.y4m", ("-pix_fmt", "yuv420p")),
    "lossless RGB": ("a.mkv", ("-c:v", "ffv1", "-pix_fmt", "bgr0")),
    "grey pictures": ("a.mkv", ("-c:v", "ffv1", "-pix_fmt", "gray")),
    "colour at full resolution": (
        "a.mp4",
        ("-c:v", "libx264", "-preset", "ultrafast", "-crf", 12, "-pix_fmt", "yuv444p"),
    ),
    "full range": ("a.mp4", (*X264[:-2], "-vf", "scale=out_range=pc", "-pix_fmt", "yuvj420p", "-color_range", "pc")),
    "frames out of order": ("a.mp4", ("-c:v", "libx264", "-bf", 3, "-crf", 12, "-pix_fmt", "yuv420p")),
    "picture of odd size": ("a.mkv", ("-vf", "scale=161:119", "-c:v", "ffv1", "-pix_fmt", "yuv444p")),
    "timestamps that start at an hour": ("a.mkv", ("-c", "copy", "-output_ts_offset", 3600)),
}


@pytest.mark.parametrize("kind", VIDEOS)
def test_video_is_what_a_player_shows(kind: str, make: Make) -> None:
    name, options = VIDEOS[kind]
    path = make(name, *options)
    pictures = shown(path)
    assert len(pictures) == 24
    assert levels_apart(path, pictures) < 4
    times = [frame.time_ms for frame in frames(path)]
    assert times[0] == 0
    assert np.diff(times).tolist() == pytest.approx([1000 / 29.97] * 23, abs=12)


@pytest.mark.parametrize("fps", [1, 120])
def test_frame_rate_may_be_low_or_high(fps: int, plain: Path, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [frame.picture for frame in frames(plain)], fps)
    with VideoFile(path) as video:
        assert video.fps == pytest.approx(fps)
        times = [frame.time_ms for frame in video]
    assert times == pytest.approx([1000 * number / fps for number in range(24)], abs=1)


def test_frames_that_come_irregularly_keep_their_times(make: Make) -> None:
    """As from a telephone in the dark, or a recorded screen."""
    path = make(
        "a.mkv", "-vf", "setpts='(N+4*gt(N,11))*0.04/TB'", "-fps_mode", "passthrough", "-enc_time_base", "1/1000", *X264
    )
    steps = np.diff([frame.time_ms for frame in frames(path)])
    assert steps.tolist() == pytest.approx([40] * 11 + [200] + [40] * 11, abs=2)


def test_single_frame_is_a_video(make: Make) -> None:
    assert [frame.time_ms for frame in frames(make("a.mp4", "-frames:v", 1, *X264))] == [0]


def portrait() -> NDArray[np.uint8]:
    """A ramp of skin tones, uint8 RGB (64, 96, 3)."""
    ramp = np.linspace(60, 220, 96)[None, :, None] * np.array([1.0, 0.8, 0.7])
    return np.asarray(np.repeat(ramp, 64, 0), np.uint8)


PORTRAITS: dict[str, tuple[str, str, dict[str, object]]] = {
    "JPEG": ("RGB", "a.jpg", {"quality": 95}),
    "progressive JPEG": ("RGB", "a.jpg", {"quality": 95, "progressive": True}),
    "JPEG for print (CMYK)": ("CMYK", "a.jpg", {"quality": 95}),
    "WebP": ("RGB", "a.webp", {"quality": 95}),
    "AVIF": ("RGB", "a.avif", {"quality": 90}),
    "TIFF": ("RGB", "a.tif", {}),
    "bitmap": ("RGB", "a.bmp", {}),
    "palette": ("P", "a.png", {}),
    "animation, of which the first picture counts": ("P", "a.gif", {"save_all": True, "loop": 0}),
    "suffix in capitals": ("RGB", "A.PNG", {}),
    "suffix of another format": ("RGB", "a.png.jpg", {"format": "PNG"}),
}


@pytest.mark.parametrize("kind", PORTRAITS)
def test_portrait_is_what_a_viewer_shows(kind: str, tmp_path: Path) -> None:
    mode, name, options = PORTRAITS[kind]
    image = Image.fromarray(portrait())
    image = image.quantize(64) if mode == "P" else image.convert(mode)
    if "save_all" in options:
        options = options | {"append_images": [Image.new("RGB", image.size)]}
    image.save(tmp_path / name, **options)  # type: ignore[arg-type]
    seen = read_picture(tmp_path / name)
    assert seen.shape == (64, 96, 3)
    assert np.abs(seen.astype(int) - portrait()).mean() < 6


@pytest.mark.parametrize("kind", ["cut short", "empty", "text", "a video"])
def test_what_is_no_portrait_is_refused_in_one_line(kind: str, plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(portrait()).save(path)
    data = {"cut short": path.read_bytes()[:300], "empty": b"", "text": b"me.jpg\n", "a video": plain.read_bytes()}[
        kind
    ]
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a.jpg: (cannot be read as a picture|a damaged picture \(.+\))$"):
        read_picture(path)


SOUNDS: dict[str, tuple[str, tuple[object, ...]]] = {
    "WAV at 8 kHz": ("a.wav", ("-ar", 8000)),
    "WAV at 96 kHz with 24 bits": ("a.wav", ("-ar", 96000, "-c:a", "pcm_s24le")),
    "WAV of fractions": ("a.wav", ("-c:a", "pcm_f32le")),
    "MP3": ("a.mp3", ("-ar", 44100)),
    "Ogg Vorbis": ("a.ogg", ("-ar", 44100, "-ac", 2, "-c:a", "libvorbis")),
    "Opus": ("a.opus", ("-ar", 48000, "-c:a", "libopus")),
    "FLAC": (
        "a.flac",
        (
            "-ar",
            44100,
        ),
    ),
    "AAC in MP4": ("a.m4a", ("-ar", 44100, "-c:a", "aac")),
    "surround": ("a.mka", ("-ar", 48000, "-ac", 6, "-c:a", "ac3")),
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_sound_is_heard_at_its_time(kind: str, tmp_path: Path) -> None:
    name, options = SOUNDS[kind]
    ffmpeg("-i", tones(tmp_path / "t.wav", 0.3, 1.2), *options, tmp_path / name)
    assert heard(tmp_path / name) == pytest.approx([0.3, 1.2], abs=0.06)
    assert sum(part.size for part in read_sound(tmp_path / name)) / RATE_HZ == pytest.approx(1.6, abs=0.1)
