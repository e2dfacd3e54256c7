"""Media files of every kind give the pictures and the sound that a player gives: compared with FFmpeg's own command."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from facewire.cli import main
from facewire.errors import InputError
from facewire.sender.container import Timeline
from facewire.sender.media import InputOptions, VideoFile
from facewire.sender.sound import RATE_HZ, read_sound
from tests.cases.conftest import X264, Make, ffmpeg, frames, heard, levels_apart, shown, tones


def copy_with_matrix(path: Path, *options: str) -> Path:
    out = path.with_name(f"turned-{path.name}")
    ffmpeg(*options, "-i", path, "-c", "copy", out)
    return out


@pytest.mark.parametrize(
    "options",
    [
        ["-display_hflip"],
        ["-display_vflip"],
        ["-display_rotation", "90"],
        ["-display_rotation", "180"],
        ["-display_rotation", "-90"],
        ["-display_rotation", "90", "-display_hflip"],
        ["-display_rotation", "90", "-display_vflip"],
    ],
)
def test_display_matrix_turns_and_mirrors_as_in_a_player(make: Make, options: list[str]) -> None:
    turned = copy_with_matrix(make("a.mp4", "-c", "copy"), *options)
    assert levels_apart(turned, shown(turned)) < 3
    assert levels_apart(turned, shown(turned)[:, ::-1]) > 10  # so it would be seen


@pytest.mark.parametrize("curve", ["smpte2084", "arib-std-b67"])
def test_hdr_looks_like_the_ordinary_video_that_it_was_made_from(make: Make, plain: Path, curve: str) -> None:
    to_hdr = (
        "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv,zscale=t=linear:npl=203,format=gbrpf32le,"
        f"zscale=p=bt2020:t={curve}:m=bt2020nc:r=tv:npl=203,format=yuv420p10le"
    )
    tags = f"log-level=none:colorprim=bt2020:transfer={curve}:colormatrix=bt2020nc"
    hdr = make("a.mp4", "-vf", to_hdr, "-c:v", "libx265", "-preset", "ultrafast", "-crf", "10", "-x265-params", tags)
    assert levels_apart(hdr, shown(plain)) < 9  # 22 and 15 without tone mapping


def test_interlaced_fields_become_frames(make: Make, plain: Path) -> None:
    combed = ("-vf", "tinterlace=interleave_top,fieldorder=tff", *X264, "-flags", "+ildct+ilme")
    interlaced = make("a.mp4", *combed)
    assert len(frames(interlaced)) == 12
    assert levels_apart(interlaced, shown(interlaced, "bwdif=mode=send_frame")) < 2
    times = [frame.time_ms for frame in frames(interlaced)]
    assert np.diff(times).tolist() == pytest.approx([1000 * 2 / 29.97] * 11, abs=1.5)


def test_default_stream_is_shown_and_another_on_request(make: Make, plain: Path) -> None:
    inputs = ("-f", "lavfi", "-i", "testsrc=s=160x120:r=30:d=1", "-map", "1:v", "-map", "0:v", *X264)
    two = make("a.mkv", *inputs, "-disposition:v:0", 0, "-disposition:v:1", "default")
    assert levels_apart(two, shown(plain)) < 4
    first = np.stack([frame.picture for frame in frames(two, 0)])[:24]
    assert np.abs(first.astype(int) - shown(plain)).mean() > 40
    with VideoFile(two) as video:
        assert video.streams == 2
        assert video.remarks == [
            "a.mkv has 2 video streams: number 1 is used, which players show; another with --stream N"
        ]
    with VideoFile(two, InputOptions(0)) as video:
        assert video.remarks == []
    there = r"a.mkv: no video stream 2, only 0: h264, 160x120; 1: h264, 160x120, which players show$"
    with pytest.raises(InputError, match=there):
        VideoFile(two, InputOptions(2))
    with pytest.raises(InputError, match=r"no video stream 1, only 0: h264, 160x120$"):
        VideoFile(plain, InputOptions(1))


def test_cover_of_a_song_is_no_video(make: Make, tmp_path: Path) -> None:
    make("cover.png", "-frames:v", 1)
    song = tmp_path / "song.m4a"
    tone = ("-f", "lavfi", "-i", "sine=d=1", "-i", tmp_path / "cover.png")
    ffmpeg(*tone, "-map", 0, "-map", 1, "-c:v", "png", "-disposition:v", "attached_pic", song)
    with pytest.raises(InputError, match="holds only sound"):
        VideoFile(song)
    assert sum(part.size for part in read_sound(song)) == pytest.approx(RATE_HZ, rel=0.1)


@pytest.mark.parametrize("name", ["2024-05-01T10:30:00.mp4", "http:talk.mp4", "100%03d.mp4", "a b'#?.mp4", "-i.mp4"])
def test_name_of_a_file_is_a_name(make: Make, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(name, "-c", "copy")
    monkeypatch.chdir(path.parent)
    assert len(frames(Path(path.name))) == 24


def test_edit_list_is_followed_and_nothing_is_missed(make: Make, tmp_path: Path) -> None:
    long = make("a.mp4", "-vf", "loop=2:24,setpts=N/30/TB", *X264, "-g", "250")
    ffmpeg("-ss", 1, "-i", long, "-c", "copy", tmp_path / "cut.mp4")
    with VideoFile(tmp_path / "cut.mp4") as video:
        pictures = list(video)
        assert video.remarks == []
    assert levels_apart(tmp_path / "cut.mp4", shown(tmp_path / "cut.mp4")) < 2
    assert len(pictures) < 72


def test_file_that_is_cut_short_is_remarked(make: Make) -> None:
    whole = make("a.mp4", "-vf", "loop=3:24,setpts=N/30/TB", *X264, "-g", "12", "-movflags", "+faststart")
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])
    with VideoFile(whole) as video:
        assert 0 < len(list(video)) < 96
        assert len(video.remarks) == 1
    assert "ends early" in video.remarks[0] or "cut short" in video.remarks[0]


def test_damage_in_the_middle_does_not_end_it(make: Make) -> None:
    path = make("a.mkv", "-c:v", "mjpeg", "-q:v", 2, "-pix_fmt", "yuvj420p")
    with av.open(str(path)) as container:
        packet = next(packet for packet in container.demux(video=0) if packet.pts and packet.pts > 300)
    data = bytearray(path.read_bytes())
    at = data.index(bytes(packet))
    data[at : at + packet.size] = bytes(packet.size)
    path.write_bytes(data)
    with VideoFile(path) as video:
        assert len(list(video)) == 23
        assert "damaged" in video.remarks[0]


def test_picture_that_changes_its_shape_keeps_its_proportions(plain: Path, tmp_path: Path) -> None:
    """A telephone that is turned while it films: two sizes in one stream."""
    parts = []
    for name, size in (("wide", "160:120"), ("tall", "120:160")):
        ffmpeg(
            "-i", plain, "-vf", f"scale={size},setsar=1", *X264, "-bsf:v", "h264_mp4toannexb", tmp_path / f"{name}.h264"
        )
        parts.append((tmp_path / f"{name}.h264").read_bytes())
    (tmp_path / "both.h264").write_bytes(b"".join(parts))
    pictures = [frame.picture for frame in frames(tmp_path / "both.h264")]
    assert len(pictures) == 48
    assert {picture.shape for picture in pictures} == {(120, 160, 3)}
    bars = pictures[-1][:, [0, 20, -20, -1]]
    assert (bars == 0).all()
    assert pictures[-1][:, 40:120].std() > 20


def test_recording_without_a_duration_has_one(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "a.webm"
    source = make("a.mp4", "-c", "copy")
    path.write_bytes(ffmpeg("-i", source, "-c:v", "libvpx", "-deadline", "realtime", "-f", "webm", "-live", 1, "-"))
    with av.open(str(path)) as container:
        assert container.duration is None
    with VideoFile(path) as video:
        assert video.duration_s == pytest.approx(24 / 29.97, abs=0.05)


@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_joined_recordings_go_on_without_a_leap(make: Make, tmp_path: Path, seconds: float) -> None:
    """A transport stream that is spliced: its timestamps begin again, or leap ahead."""
    first = make("a.ts", "-c", "copy")
    second = make("b.ts", "-c", "copy", "-output_ts_offset", seconds)
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    times = [frame.time_ms for frame in frames(both)]
    assert len(times) == 48
    assert np.diff(times).tolist() == pytest.approx([1000 / 29.97] * 47, abs=15)


AS_VIDEO = ("-map", "0:v", "-map", "1:a", "-c:v", "copy")


def test_sound_before_the_first_picture_is_left_out_and_the_rest_in_step(plain: Path, tmp_path: Path) -> None:
    late = tmp_path / "a.mp4"
    wav = tones(tmp_path / "t.wav", 0.1, 1.2)
    ffmpeg("-itsoffset", 0.5, "-i", plain, "-i", wav, *AS_VIDEO, "-c:a", "aac", late)
    assert heard(late) == pytest.approx([0.7], abs=0.03)


def test_gap_in_the_sound_is_silence(plain: Path, tmp_path: Path) -> None:
    gap = tmp_path / "a.mkv"
    wav = tones(tmp_path / "t.wav", 0.0, 1.2)
    cut = ("-af", "aselect='lt(t,.4)+gte(t,1.2)'")
    ffmpeg("-i", plain, "-i", wav, *cut, *AS_VIDEO, "-c:a", "pcm_s16le", gap)
    assert heard(gap) == pytest.approx([0.0, 1.2], abs=0.03)


def test_sound_that_changes_its_format_is_heard_to_the_end(tmp_path: Path) -> None:
    """As in recordings of broadcasts: stereo after mono."""
    parts = []
    for name, channels in (("a", 1), ("b", 2)):
        wav = tones(tmp_path / f"{name}.wav", 0.5, seconds=1.0)
        ffmpeg("-i", wav, "-ac", channels, "-c:a", "mp2", "-ar", 16000, tmp_path / f"{name}.mp2")
        parts.append((tmp_path / f"{name}.mp2").read_bytes())
    (tmp_path / "both.mp2").write_bytes(b"".join(parts))
    assert heard(tmp_path / "both.mp2") == pytest.approx([0.5, 1.5], abs=0.15)


def test_timeline_keeps_gaps_and_mends_leaps() -> None:
    whole = Timeline()
    assert [whole.at(stamp, 0.1) for stamp in (5.0, 5.1, None, 30.0, 5.0)] == pytest.approx([0, 0.1, 0.2, 25, 25.1])
    spliced = Timeline(spliced=True)
    assert [spliced.at(stamp, 0.1) for stamp in (5.0, 30.0, 30.1, 2.0)] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [Timeline(4.0).at(stamp, 0.1) for stamp in (3.0, 4.5)] == pytest.approx([-1, 0.5])


def test_huge_file_that_is_no_stream_is_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "huge.fw").open("wb") as file:
        file.truncate(64 << 30)  # sparse
    assert main(["decode", str(tmp_path / "huge.fw"), "-o", str(tmp_path / "a.mkv")]) == 2
    assert "not a facewire stream" in capsys.readouterr().err
    with (tmp_path / "huge.fw").open("r+b") as file:
        file.write(b"FWIR\x02")
    assert main(["decode", str(tmp_path / "huge.fw"), "-o", str(tmp_path / "a.mkv")]) == 2
