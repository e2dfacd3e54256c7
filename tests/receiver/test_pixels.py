"""Camera pictures come out in order as far as their references are here; losses are reported and repaired; junk does no harm."""

from __future__ import annotations

import random
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facewire.codec.pixels import MAX_PACKETS, NUMBERS, cut_picture
from facewire.errors import DecodeError
from facewire.receiver.pixels import (
    MAX_SIDE,
    MAX_WAITING,
    MIX_UP_S,
    CodedPicture,
    PixelAssembly,
    PixelDecoder,
    fitted,
)
from facewire.sender.pixels import PixelEncoder

Picture = np.ndarray


def scene(number: int) -> Picture:
    """A disc that moves over stripes."""
    square = np.zeros((256, 256, 3), np.uint8)
    square[:, ::16], square[..., 2] = 90, 60
    cv2.circle(square, (60 + 4 * number % 140, 128), 40, (200, 160, 140), -1)
    return square


def difference(a: Picture, b: Picture) -> float:
    return float(np.abs(a.astype(np.float32) - b).mean())


class Other:
    """A receiver: decodes what it can at once."""

    def __init__(self) -> None:
        self.assembly, self._decoder = PixelAssembly(), PixelDecoder()
        self.shown: list[tuple[int, Picture]] = []

    def take(self, packet: bytes, at_s: float) -> None:
        self.assembly.add(packet, at_s)
        while (coded := self.assembly.take()) is not None:
            picture = self._decoder.decode(coded)
            if picture is None:
                self.assembly.refuse()
            else:
                self.shown.append((coded.capture_ms, fitted(picture, 256)))


@pytest.mark.parametrize("kbps", [8, 10, 20, 40, 80, 200])
def test_pictures_arrive_within_the_rate(kbps: float) -> None:
    encoder, other, sent = PixelEncoder(kbps), Other(), 0
    for number in range(150):
        for packet in encoder.encode(scene(number), 40 * number):
            other.take(packet, 0.04 * number)
            sent += 1
    assert encoder.stats.keys == 1
    assert encoder.stats.packets == sent
    assert 8 * encoder.stats.wire_bytes / 6000 < 1.15 * kbps
    assert len(other.shown) == encoder.stats.pictures >= 20
    assert other.assembly.lost == 0
    assert [ms for ms, _ in other.shown] == sorted(ms for ms, _ in other.shown)
    last_ms, last = other.shown[-1]
    assert difference(last, scene(last_ms // 40)) < 12


def test_more_of_the_wire_gives_more_pixels() -> None:
    few, many = PixelEncoder(8), PixelEncoder(8)
    many.kbps = 150
    few.encode(scene(0), 0)
    many.encode(scene(0), 0)
    assert few.side < many.side == 256


def test_small_changes_of_the_rate_need_no_key_picture() -> None:
    encoder = PixelEncoder(20)
    for number in range(200):
        encoder.kbps = 20 + 4 * np.sin(number / 10)
        encoder.encode(scene(number), 40 * number)
    assert encoder.stats.keys == 1


@pytest.mark.parametrize("pattern", ["every 7th", "first", "bursts", "key pictures"])
def test_losses_are_reported_and_repaired_by_a_key_picture(pattern: str) -> None:
    encoder, other, chance = PixelEncoder(40), Other(), random.Random(1)
    sent = 0
    burst = 0
    for number in range(400):
        now_ms = 40 * number
        for packet in encoder.encode(scene(number), now_ms):
            sent += 1
            burst = burst - 1 if burst else (4 if chance.random() < 0.04 else 0)
            lost = {
                "every 7th": sent % 7 == 0,
                "first": sent == 1,
                "bursts": burst > 0,
                "key pictures": packet[3] == 0 and sent < 40,
            }[pattern]
            if (not lost and number < 350) or number >= 350:
                other.take(packet, now_ms / 1000)
        report = other.assembly.report((now_ms - 100) / 1000)  # a round trip late
        if report is not None and report.stuck:
            encoder.lost(report.heard, now_ms)
    assert encoder.stats.keys > 1
    assert len(other.shown) > encoder.stats.pictures * 0.4
    captured_ms, picture = other.shown[-1]
    assert captured_ms >= 40 * 396
    assert difference(picture, scene(captured_ms // 40)) < 10, "only pictures whose references are there are shown"


def test_every_picture_shown_is_right_under_random_loss() -> None:
    encoder, other, chance = PixelEncoder(60), Other(), random.Random(3)
    for number in range(300):
        for packet in encoder.encode(scene(number), 40 * number):
            if chance.random() > 0.15:
                other.take(packet, 0.04 * number)
        report = other.assembly.report(0.04 * number)
        if report is not None and report.stuck:
            encoder.lost(report.heard, 40 * number)
    assert len(other.shown) > 20
    assert max(difference(picture, scene(ms // 40)) for ms, picture in other.shown) < 16


def test_one_loss_brings_one_key_picture_however_often_it_is_reported() -> None:
    encoder = PixelEncoder(40)
    for number in range(30):
        encoder.encode(scene(number), 40 * number)
    keys, heard = encoder.stats.keys, encoder.stats.pictures - 1
    for number in range(30, 60):
        encoder.lost(heard, 40 * number)
        encoder.encode(scene(number), 40 * number)
    assert encoder.stats.keys == keys + 1


def test_a_report_about_pictures_that_never_were_changes_nothing() -> None:
    encoder = PixelEncoder(40)
    encoder.lost(5, 0)
    encoder.encode(scene(0), 0)
    encoder.lost(9000, 1000)
    encoder.encode(scene(30), 1200)
    assert encoder.stats.keys == 1


def test_packets_may_overtake_each_other_and_come_twice() -> None:
    data = [bytes([number]) * 3000 for number in range(4)]
    packets = [
        packet for number, body in enumerate(data) for packet in cut_picture(body, number, min(number, 1), 40 * number)
    ]
    random.Random(2).shuffle(packets)
    assembly, taken = PixelAssembly(), []
    for packet in [*packets, *packets]:
        assembly.add(packet, 0.0)
        while (coded := assembly.take()) is not None:
            taken.append(coded)
    assert [coded.data for coded in taken] == data
    assert [coded.key for coded in taken] == [True, False, False, False]


def test_a_gap_is_reported_after_packets_have_had_time_to_overtake() -> None:
    assembly = PixelAssembly()
    assert assembly.report(0.0) is None
    for number in (0, 2):
        for packet in cut_picture(b"x", number, min(number, 1), 0):
            assembly.add(packet, 1.0)
        assembly.take()
    early, late = assembly.report(1.0 + MIX_UP_S / 2), assembly.report(1.0 + 2 * MIX_UP_S)
    assert early is not None
    assert late is not None
    assert (early.heard, early.stuck, late.stuck) == (2, False, True)


def test_numbers_wrap() -> None:
    assembly, taken = PixelAssembly(), 0
    for step in range(6):
        for packet in cut_picture(b"x", NUMBERS - 3 + step, min(step, 1), step):
            assembly.add(packet, 0.0)
        taken += assembly.take() is not None
    assert taken == 6


def test_a_sender_that_starts_over_is_followed() -> None:
    assembly = PixelAssembly()
    for number in (30_000, 5):
        for packet in cut_picture(b"x", number, 0, 0):
            assembly.add(packet, 0.0)
        assert assembly.take() is not None


numbers = st.integers(0, 40)


@given(st.lists(st.tuples(numbers, st.integers(0, 3), st.integers(1, 5000)), max_size=60))
@settings(max_examples=60)
def test_memory_is_bounded_whatever_comes(pictures: list[tuple[int, int, int]]) -> None:
    assembly = PixelAssembly()
    for number, reference, size in pictures:
        for packet in cut_picture(bytes(size), number * 1700, reference, 0)[:-1] or cut_picture(
            b"x", number, reference, 0
        ):
            try:
                assembly.add(packet, 0.0)
            except DecodeError:
                continue
            assert len(assembly._parts) <= MAX_WAITING
            assert all(len(parts) <= MAX_PACKETS for parts in assembly._parts.values())
        assembly.take()


@given(st.binary(min_size=1, max_size=400), st.booleans())
@settings(max_examples=60)
def test_any_bytes_are_a_picture_or_none(data: bytes, key: bool) -> None:
    picture = PixelDecoder().decode(CodedPicture(key, 0, data))
    assert picture is None or max(picture.shape) <= MAX_SIDE


def coded(width: int, height: int) -> bytes:
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.options = {"preset": "ultrafast", "tune": "zerolatency"}
    frame = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24").reformat(
        format="yuv420p"
    )
    frame.pts = 0
    return b"".join(bytes(packet) for packet in context.encode(frame))


@pytest.mark.parametrize(("width", "height"), [(64, 48), (1024, 1024), (4096, 4096), (8, 8)])
def test_pictures_of_other_shapes_and_sizes_are_refused(width: int, height: int) -> None:
    assert PixelDecoder().decode(CodedPicture(True, 0, coded(width, height))) is None


def test_damaged_pictures_do_no_harm() -> None:
    good, chance, decoder = coded(256, 256), random.Random(4), PixelDecoder()
    for _ in range(200):
        data = bytearray(good)
        for _ in range(4):
            data[chance.randrange(len(data))] = chance.randrange(256)
        picture = decoder.decode(CodedPicture(True, 0, bytes(data)))
        assert picture is None or max(picture.shape) <= MAX_SIDE
    assert decoder.decode(CodedPicture(True, 0, good)) is not None
