"""Reading videos and pictures of all kinds, and writing video."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from facewire.errors import InputError
from facewire.sender.media import VideoFile, open_video, read_picture
from facewire.video import SYNTHESISED, VideoWriter


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(256, 256), (65, 97)])
def test_lossless_video_round_trips(tmp_path: Path, size: tuple[int, int]) -> None:
    pictures = [noise(*size, seed) for seed in range(4)]
    times = [0, 40, 41, 200]
    with VideoWriter(tmp_path / "a.mkv", 25) as writer:
        for picture, time_ms in zip(pictures, times, strict=True):
            writer.write(picture, time_ms)
    with open_video(tmp_path / "a.mkv") as video:
        frames = list(video)
    assert [frame.time_ms for frame in frames] == times
    assert all(np.array_equal(frame.picture, picture) for frame, picture in zip(frames, pictures, strict=True))


def test_name_with_a_colon_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with VideoWriter(Path("10:30.mkv"), 25) as writer:
        writer.write(noise(64, 64))
    assert [path.name for path in tmp_path.iterdir()] == ["10:30.mkv"]


def test_synthesised_video_is_marked(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 25) as writer:
        writer.write(noise(64, 64))
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.metadata["comment"] == SYNTHESISED


def test_failing_writer_leaves_only_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(b"old")
    with pytest.raises(RuntimeError, match="boom"), VideoWriter(tmp_path / "a.mkv", 25) as writer:  # noqa: PT012
        writer.write(noise(64, 64))
        raise RuntimeError("boom")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.mkv", b"old")]


def test_ten_bit_video_is_read(tmp_path: Path) -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format="yuv420p10le")))
        container.mux(stream.encode(None))
    with open_video(tmp_path / "a.mkv") as video:
        (frame,) = video
    assert frame.picture.dtype == np.uint8
    assert abs(frame.picture.astype(int) - 128).max() <= 2


def test_wide_pixels_become_square(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(12, 11)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(noise(144, 176), format="rgb24")))
        container.mux(stream.encode(None))
    with open_video(tmp_path / "a.mp4") as video:
        (frame,) = video
    assert frame.picture.shape == (144, 192, 3)


def test_truncated_file_yields_what_decodes_with_a_remark(clip: Path, tmp_path: Path) -> None:
    whole = clip.with_suffix(".mkv")
    with VideoWriter(whole, 25) as writer:
        for seed in range(8):
            writer.write(noise(64, 64, seed))
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with VideoFile(tmp_path / "cut.mkv") as video:
        frames = list(video)
        assert 0 < len(frames) < 8
        assert len(video.remarks) == 1 or len(frames) >= 3


def test_looks_are_few_and_spread(carphone: Path) -> None:
    with VideoFile(carphone) as video:
        times = [frame.time_ms for frame in video.looks(per_second=5, seconds=2)]
    assert len(times) == 10
    assert times[-1] <= 2000


def test_transparency_becomes_white(tmp_path: Path) -> None:
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert (read_picture(tmp_path / "a.png") == 255).all()


def test_picture_is_rotated_by_its_exif_orientation(tmp_path: Path) -> None:
    image = Image.fromarray(noise(64, 96))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    assert read_picture(tmp_path / "a.jpg").shape == (96, 64, 3)


def display_p3() -> bytes:
    """An ICC profile of the Display P3 primaries, with a gamma of 2.2."""

    def xyz(*values: float) -> bytes:
        return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * value) for value in values))

    gamma = b"curv" + bytes(4) + struct.pack(">IHH", 1, round(2.2 * 256), 0)
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 3) + b"P3\0" + bytes(81),
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.51512, 0.24120, -0.00105),
        b"gXYZ": xyz(0.29198, 0.69225, 0.04189),
        b"bXYZ": xyz(0.15710, 0.06657, 0.78407),
        b"rTRC": gamma,
        b"gTRC": gamma,
        b"bTRC": gamma,
    }
    table, body, begins = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", begins + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = struct.pack(">I", begins + len(body))
    white = struct.pack(">3i", 63190, 65536, 54061)
    head = size + bytes(4) + bytes([2, 64, 0, 0]) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28) + white
    return head.ljust(128, b"\0") + table + body


def test_sixteen_bits_of_grey_become_eight(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 64).round(), (64, 1))
    Image.fromarray((ramp * 257).astype(np.uint16)).save(tmp_path / "a.png")
    Image.fromarray((ramp / 255).astype(np.float32)).save(tmp_path / "a.tif")
    for name in ("a.png", "a.tif"):
        assert abs(read_picture(tmp_path / name)[..., 0].astype(float) - ramp).max() <= 1


def test_colour_profile_is_applied(tmp_path: Path) -> None:
    """Telephones take pictures in Display P3; read as sRGB, faces are pale."""
    wide = np.full((64, 64, 3), (200, 90, 60), np.uint8)
    Image.fromarray(wide).save(tmp_path / "a.png", icc_profile=display_p3())
    Image.fromarray(wide).save(tmp_path / "damaged.png", icc_profile=b"no profile" * 20)
    red, green, blue = read_picture(tmp_path / "a.png")[0, 0].tolist()
    assert red > 210
    assert green < 88
    assert 40 < blue < 60
    assert (read_picture(tmp_path / "damaged.png") == wide).all()


def test_huge_picture_is_rejected_before_decoding(tmp_path: Path) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    for side, name in ((10_000, "large"), (60_000, "absurd")):
        data[16:24] = struct.pack(">II", side, side)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        (tmp_path / f"{name}.png").write_bytes(data)
        with pytest.raises(InputError, match=f"{name}.png"):
            read_picture(tmp_path / f"{name}.png")


def test_folder_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a file"):
        read_picture(tmp_path)


def test_pictures_of_changing_size_are_scaled_to_the_first(tmp_path: Path) -> None:
    parts = []
    for name, size in (("a.ts", 128), ("b.ts", 64)):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 2 * size, size, "yuv420p"
            for _ in range(3):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(noise(size, 2 * size), format="rgb24")))
            container.mux(stream.encode(None))
        parts.append((tmp_path / name).read_bytes())
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    with open_video(tmp_path / "both.ts") as video:
        shapes = [frame.picture.shape for frame in video]
    assert len(shapes) > 3
    assert set(shapes) == {(128, 256, 3)}


def test_small_picture_is_rejected(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="too small"):
        read_picture(tmp_path / "a.png")


def test_phone_video_is_rotated_upright(tmp_path: Path) -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :48] = 255  # left half white
    with VideoWriter(tmp_path / "a.mp4", 25) as writer:
        writer.write(picture)
    # The track header's matrix from a phone held upright: a quarter turn clockwise.
    unit, one, minus = b"\0\0\0\0", b"\0\1\0\0", b"\xff\xff\0\0"
    plain = one + unit + unit + unit + one + unit
    turned = unit + one + unit + minus + unit + unit
    data = (tmp_path / "a.mp4").read_bytes()
    track = data.index(b"tkhd")
    (tmp_path / "b.mp4").write_bytes(data[:track] + data[track:].replace(plain, turned, 1))
    with open_video(tmp_path / "b.mp4") as video:
        (frame,) = video
    assert frame.picture.shape == (96, 64, 3)
    assert frame.picture[:40].mean() > 230  # the left is now on top
    assert frame.picture[-40:].mean() < 25
