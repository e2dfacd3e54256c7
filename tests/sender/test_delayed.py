"""Source frames under way: each is at the other side some time after its picture, and nothing is known before it can be."""

from __future__ import annotations

import numpy as np
import pytest

from facewire.models.runtime import Networks
from facewire.sender.bank import EVERY_MS
from facewire.sender.delayed import PLAYOUT_MS, SentFrame, sent_frames
from facewire.sender.encoder import Encoder

FPS = 25.0
Picture = np.ndarray


@pytest.fixture(scope="module")
def changing(nodding: list[Picture]) -> list[Picture]:
    """A picture that turns into its negative and then is moved aside, so that source frames are worth it."""
    other = np.ascontiguousarray(255 - nodding[0])
    third = np.ascontiguousarray(np.roll(nodding[0], 60, axis=1))
    return [nodding[0]] * 2 + [other] * 12 + [third] * 12 + [nodding[0]] * 4


def taken(frames: list[SentFrame]) -> dict[bytes, int]:
    """When the picture of each source frame after the first was taken, ms."""
    return {f.new_source.hash: f.capture_time_ms for f in frames[1:] if f.new_source is not None}


@pytest.mark.parametrize("delay_ms", [0.0, 300.0, 700.0])
def test_source_frame_is_shown_once_it_has_arrived(
    networks: Networks, changing: list[Picture], delay_ms: float
) -> None:
    frames = list(sent_frames(Encoder(networks, frame_rate=FPS), changing, source_delay_ms=delay_ms))
    times = taken(frames)
    assert frames[0].new_source is not None
    assert times
    arrived = {source.hash: frame.capture_time_ms for frame in frames for source in frame.arrived}
    for name, taken_ms in times.items():
        shown = [frame.capture_time_ms for frame in frames if frame.capture_time_ms >= taken_ms]
        assert arrived.get(name) == next((at for at in shown if at + PLAYOUT_MS >= taken_ms + delay_ms), None)
    apart = np.diff([0, *times.values()])
    assert apart.min() >= EVERY_MS
    assert all(gap >= delay_ms for gap in apart[1:]), "one at a time is under way"


def test_picture_names_the_source_frame_that_it_became_though_that_is_under_way(
    networks: Networks, changing: list[Picture]
) -> None:
    frames = list(sent_frames(Encoder(networks, frame_rate=FPS), changing))
    frame = next(frame for frame in frames[1:] if frame.new_source is not None)
    assert frame.new_source is not None
    assert frame.source_number == frame.new_source.frame.number == 1
    assert not frame.arrived


def test_no_source_frames_after_the_given_time_and_none_but_the_first_with_one(
    networks: Networks, changing: list[Picture]
) -> None:
    all_of_them = taken(list(sent_frames(Encoder(networks, frame_rate=FPS), changing)))
    last = max(all_of_them.values())
    some = taken(list(sent_frames(Encoder(networks, frame_rate=FPS), changing, until_ms=last)))
    assert list(some.values()) == [at for at in all_of_them.values() if at < last]
    assert not taken(list(sent_frames(Encoder(networks, frame_rate=FPS, sources=1), changing)))


def test_nothing_depends_on_later_pictures(networks: Networks, changing: list[Picture]) -> None:
    whole = list(sent_frames(Encoder(networks, frame_rate=FPS), changing))
    begun = list(sent_frames(Encoder(networks, frame_rate=FPS), changing[:16]))
    assert taken(begun)
    for a, b in zip(whole, begun, strict=False):
        np.testing.assert_array_equal(a.motion.vector(), b.motion.vector())
        assert (a.source_number, [s.hash for s in a.arrived]) == (b.source_number, [s.hash for s in b.arrived])
