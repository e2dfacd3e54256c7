"""A source frame more where the other side sees a bad picture, the best one for each picture, and no more bytes than allowed."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from facewire.codec import MAX_SOURCES, Motion, distance, encode_source
from facewire.errors import InputError
from facewire.models.runtime import Networks
from facewire.receiver.decoder import MAX_SOURCES as KEPT
from facewire.receiver.decoder import Decoder
from facewire.sender.bank import (
    EVERY_MS,
    FLOOR,
    WORTH,
    WORTH_WHEN_EMPTY,
    ByteBudget,
    Drawn,
    Entry,
    SourceBank,
    UsedSources,
    difference,
    likeness,
    worth,
)
from facewire.sender.encoder import Encoder
from facewire.sender.policy import LookDuty

Picture = np.ndarray


def shifted(square: Picture, pixels: int) -> Picture:
    """A head that moved to the right, in front of a scene that did too."""
    return np.ascontiguousarray(np.roll(square, pixels, axis=1))


@pytest.fixture
def bank(networks: Networks) -> SourceBank:
    return SourceBank(networks, 3)


def test_each_picture_is_drawn_from_the_source_frame_that_shows_it_best(
    networks: Networks, nodding: list[Picture]
) -> None:
    encoder = Encoder(networks, sources=3)
    near, far = nodding[0], np.ascontiguousarray(255 - shifted(nodding[0], 40))
    encoder.use_source(near)
    other = encoder.admit(far, encoder.with_scene(far, networks.motion(far)), 1000, arrived=True)
    assert encoder.bank.look(far, networks.motion(far), 2000).entry.source is other
    assert encoder.bank.look(near, networks.motion(near), 4000).entry.source is not other


def test_source_frame_is_used_while_it_is_under_way(networks: Networks, nodding: list[Picture]) -> None:
    encoder = Encoder(networks, sources=3)
    encoder.use_source(nodding[0])
    light = np.ascontiguousarray(255 - nodding[0])
    late = encoder.admit(light, networks.motion(light), 1000, arrived=False)
    assert encoder.bank.look(light, networks.motion(light), 1000).entry.source is late


def test_nothing_flickers_between_two_that_are_alike(networks: Networks, nodding: list[Picture]) -> None:
    encoder = Encoder(networks, sources=2)
    first = encoder.use_source(nodding[0])
    encoder.admit(nodding[0], networks.motion(nodding[0]), 1000, arrived=True)
    for number, square in enumerate(nodding):
        assert encoder.bank.look(square, networks.motion(square), 2000 + 40 * number).entry.source is first


def test_bank_of_full_size_drops_the_one_that_another_is_nearest_to(bank: SourceBank, nodding: list[Picture]) -> None:
    encoder = Encoder(bank._networks, sources=3)
    encoder.use_source(nodding[0])
    squares = [shifted(nodding[0], 30), shifted(nodding[0], 32), shifted(nodding[0], -40)]
    sources = [
        encoder.admit(square, encoder.networks.motion(square), 1000 * n, arrived=True)
        for n, square in enumerate(squares)
    ]
    kept = [entry.source for entry in encoder.bank.entries]
    assert len(kept) == 3
    assert sources[2] in kept
    assert not (sources[0] in kept and sources[1] in kept), "these two are nearly the same"


@pytest.mark.parametrize("sources", [0, MAX_SOURCES + 1])
def test_impossible_number_of_source_frames_is_refused(networks: Networks, sources: int) -> None:
    with pytest.raises(InputError, match="from 1 to 8"):
        Encoder(networks, sources=sources)


def test_one_source_frame_stays_the_only_one(networks: Networks, nodding: list[Picture]) -> None:
    encoder = Encoder(networks, sources=1)
    encoded = [encoder.encode_square(square, 40 * n) for n, square in enumerate([*nodding, 255 - nodding[0]])]
    assert [n for n, one in enumerate(encoded) if one.source is not None] == [0]
    assert all(one.drawn is None for one in encoded), "nothing is drawn for a choice that there is not"


def errors_seen(networks: Networks, squares: list[Picture], sources: int) -> tuple[list[float], int]:
    """How far off each picture is at the other side, and how many source frames that took."""
    encoder, decoder = Encoder(networks, sources=sources), Decoder(networks)
    errors, sent = [], 0
    for number, square in enumerate(squares):
        encoded = encoder.encode_square(square, 400 * number)
        if encoded.source is not None:
            decoder.receive_source(encoded.source)
            sent += 1
        assert encoded.packet is not None
        (frame,) = decoder.decode(encoded.packet)
        errors.append(difference(decoder.render(frame.motion, frame.source), square))
        if encoded.drawn is not None:  # what the sender drew is what the other side sees, but for the quantised motion
            assert abs(encoded.drawn.error - errors[-1]) < 3
    return errors, sent


def test_a_new_light_brings_a_new_source_frame_and_a_better_picture(networks: Networks, nodding: list[Picture]) -> None:
    framed = [np.asarray(cv2.resize(square[:130, 45:175], (256, 256)), np.uint8) for square in nodding]
    squares = [framed[0], *(np.ascontiguousarray(square // 3) for square in framed)]
    one, sent_once = errors_seen(networks, squares, 1)
    several, sent = errors_seen(networks, squares, 3)
    assert sent_once == 1
    assert sent >= 2
    assert np.mean(several) < 0.7 * np.mean(one)


def test_receiver_draws_from_the_nearest_source_frame_it_has(networks: Networks, nodding: list[Picture]) -> None:
    encoder, decoder = Encoder(networks, sources=3), Decoder(networks)
    decoder.receive_source(encoder.use_source(nodding[0]).message)
    moved = shifted(nodding[0], 40)
    missing = encoder.admit(moved, networks.motion(moved), 1000, arrived=True)
    there = decoder.drawn_source(missing.motion, missing.frame.number)
    assert there is decoder.source
    decoder.receive_source(missing.message)
    assert decoder.drawn_source(missing.motion, missing.frame.number) is decoder.sources[missing.frame.number]
    assert decoder.drawn_source(missing.motion, 200) is decoder.sources[missing.frame.number], "no such number"


def test_memory_stays_bounded_whatever_a_peer_sends(networks: Networks, nodding: list[Picture]) -> None:
    source, decoder = Encoder(networks).make_source(nodding[0]), Decoder(networks)
    for number in range(256):
        decoder.receive_source(encode_source(replace(source.frame, number=number)))
    assert len(decoder.sources) == KEPT
    assert 255 in decoder.sources


def test_budget_allows_a_minute_at_once_and_then_so_much_a_minute() -> None:
    budget = ByteBudget(6000)
    assert budget.left(0) == 6000
    budget.spend(6000)
    assert budget.left(0) == 0
    assert budget.left(30_000) == pytest.approx(3000)
    assert budget.left(600_000) == 6000


def test_source_frame_is_worth_more_the_less_is_left(networks: Networks, nodding: list[Picture]) -> None:
    source = Encoder(networks).make_source(nodding[0])

    def drawn(error: float) -> Drawn:
        return Drawn(Entry(source, None), source.motion, error)

    full, spent = ByteBudget(100_000), ByteBudget(100_000)
    spent.spend(70_000)
    assert not worth(drawn(FLOOR), full, 0)
    assert worth(drawn(FLOOR + 1.1 * WORTH), full, 0)
    assert not worth(drawn(FLOOR + 1.1 * WORTH), spent, 0)
    assert worth(drawn(FLOOR + 1.1 * WORTH_WHEN_EMPTY), spent, 0)
    spent.spend(30_000)
    assert not worth(drawn(100), spent, 0)


def test_source_frames_keep_their_distance_in_time(networks: Networks, nodding: list[Picture]) -> None:
    encoder = Encoder(networks, sources=4, source_bytes_per_minute=1e6)
    encoder.use_source(nodding[0])
    light = np.ascontiguousarray(255 - nodding[0])
    bad = encoder.bank.look(light, networks.motion(light), 0)
    assert not encoder.wants_source(bad, EVERY_MS - 1)
    assert encoder.wants_source(bad, EVERY_MS)
    late = encoder.admit(light, bad.motion, round(EVERY_MS), arrived=False)
    assert not encoder.wants_source(bad, 10 * EVERY_MS), "one at a time is under way"
    encoder.bank.delivered({late.hash})
    assert encoder.wants_source(bad, 10 * EVERY_MS)


def test_counts_of_use_follow_numbers_that_come_again(networks: Networks, nodding: list[Picture]) -> None:
    source = Encoder(networks).make_source(nodding[0])
    used = UsedSources()
    used.sent(source, 0)
    used.used(0)
    used.sent(source, 7)
    used.used(0)
    used.used(0)
    used.used(99)
    assert [(one.frame, one.used) for one in used.list()] == [(0, 1), (7, 2)]


def test_source_frame_is_chosen_by_motion_where_there_is_no_time_to_draw(
    bank: SourceBank, networks: Networks, nodding: list[Picture]
) -> None:
    encoder = Encoder(networks, sources=3)
    encoder.use_source(nodding[0])
    moved = shifted(nodding[0], 40)
    other = encoder.admit(moved, networks.motion(moved), 1000, arrived=False)
    assert encoder.bank.choose(networks.motion(moved), 3000).source is other
    assert encoder.bank.choose(networks.motion(nodding[0]), 5000).source is not other


def test_source_frame_of_another_light_is_not_used_and_dropped_first(
    networks: Networks, nodding: list[Picture]
) -> None:
    encoder = Encoder(networks, sources=3)
    motion = encoder.use_source(np.ascontiguousarray(nodding[0] // 3)).motion
    light = encoder.admit(nodding[0], networks.motion(nodding[0]), 1000, arrived=True)
    dark = encoder.bank.entries[0]
    assert encoder.bank.choose(motion, 2000) is dark, "nothing is known of either yet"
    looked = [encoder.bank.glance(nodding[0], motion) for _ in range(6)]
    assert {drawn.entry.source.frame.number for drawn in looked} == {0, 1}
    assert dark.expected(motion) > 10
    for _ in range(10):
        encoder.bank.entries[1].learn(motion, 2.0)
    assert encoder.bank.choose(motion, 3000).source is light
    for number in (1, 2):
        square = shifted(nodding[0], 20 * number)
        encoder.admit(square, networks.motion(square), 3000 + 1000 * number, arrived=True)
    assert dark not in encoder.bank.entries


def test_looks_take_a_tenth_of_a_processor() -> None:
    now = [0.0]
    duty = LookDuty(lambda: now[0])
    spent = 0.0
    for frame in range(1000):
        if duty.due(40.0 * frame):
            with duty:
                now[0] += 0.05
            spent += 0.05
    assert spent / 40 == pytest.approx(LookDuty.SHARE, abs=0.03)


def test_distance_counts_turns_moves_scale_and_expression(networks: Networks) -> None:
    still = Motion.from_head(np.zeros(26, np.float32))

    def moved(place: int, by: float) -> Motion:
        head = np.zeros(26, np.float32)
        head[place] = by
        return Motion.from_head(head)

    assert distance(still, still) == 0
    for place, by in ((0, np.radians(15)), (3, 0.15), (5, 0.15), (10, 1.0)):
        assert distance(still, moved(place, by)) == pytest.approx(1, abs=1e-4)


def test_likeness_is_one_for_the_camera_picture_itself(nodding: list[Picture]) -> None:
    assert likeness(difference(nodding[0], nodding[0])) == 1
    assert likeness(difference(nodding[0], np.ascontiguousarray(255 - nodding[0]))) < 0.5
