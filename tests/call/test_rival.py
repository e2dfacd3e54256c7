"""The comparison with H.264 really encodes some of the pictures."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from facewire.call.rival import BURST_S, EVERY_S, H264Watch, encode_burst

Picture = NDArray[np.uint8]


def watch_seconds(watch: H264Watch, pictures: list[Picture], start_s: float, seconds: float) -> None:
    for number in range(round(seconds * 25)):
        watch.take(pictures[number % len(pictures)], round(1000 * (start_s + number / 25)))


def wait_for_encoder() -> None:
    for thread in threading.enumerate():
        if thread.name == "facewire-h264":
            thread.join()


def test_motion_costs_more_than_stillness(nodding: list[Picture]) -> None:
    moving = encode_burst(nodding * 10, 25)
    still = encode_burst([nodding[0]] * 120, 25)
    assert still.payload_kbps < 0.5 * moving.payload_kbps
    assert moving.wire_kbps > moving.payload_kbps + 25 * 64 * 8 / 1000 - 0.1  # a packet a picture at least
    assert 28 < moving.psnr_db < 45


def test_only_occasional_bursts_are_encoded(nodding: list[Picture]) -> None:
    watch = H264Watch()
    watch_seconds(watch, nodding, 0, BURST_S - 0.1)
    wait_for_encoder()
    early = watch.figures
    assert early is None
    watch_seconds(watch, nodding, BURST_S, 0.1)
    wait_for_encoder()
    first = watch.figures
    assert first is not None
    watch_seconds(watch, [nodding[0]], BURST_S + 0.1, EVERY_S - BURST_S - 0.2)
    wait_for_encoder()
    assert watch.figures is first
    watch_seconds(watch, [nodding[0]], EVERY_S, BURST_S + 0.1)
    wait_for_encoder()
    assert watch.figures is not None
    assert watch.figures.payload_kbps < first.payload_kbps


def test_bursts_are_longer_on_a_slow_machine(nodding: list[Picture]) -> None:
    watch = H264Watch()
    for second in range(14):
        watch.take(nodding[second % 12], 1000 * second)
    wait_for_encoder()
    assert watch.figures is not None
