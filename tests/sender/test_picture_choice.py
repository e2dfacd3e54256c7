"""The camera's picture takes over when motion cannot show what is there, soon but not at once, and gives back without flicker."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.sender.picture_choice import ALONE_MS, MOST_ALONE_MS, STALE_MS, Choice, PictureChoice, PictureMode

STEP_MS = 40


def shown(
    choice: PictureChoice,
    faces: Callable[[float], int],
    seconds: float,
    *,
    begin_s: float = 0.0,
    can_send: bool = True,
    can_draw: bool | None = True,
) -> list[Choice]:
    """What is shown for every picture. faces: how many there are after so many seconds."""
    times = range(round(1000 * begin_s), round(1000 * (begin_s + seconds)), STEP_MS)
    return [choice.decide(ms, faces(ms / 1000), can_send=can_send, can_draw=can_draw) for ms in times]


def switches(choices: list[Choice]) -> int:
    return sum(a.layer != b.layer for a, b in pairwise(choices))


@pytest.mark.parametrize(("faces", "why"), [(0, "no-face"), (2, "two-faces"), (3, "two-faces")])
def test_the_camera_takes_over_within_300_ms_and_gives_back(faces: int, why: str) -> None:
    choices = shown(PictureChoice(), lambda s: faces if 2 <= s < 6 else 1, 10)
    assert {choice.layer for choice in choices[: 2000 // STEP_MS]} == {"motion"}
    assert choices[2000 // STEP_MS + 300 // STEP_MS] == Choice("camera", why)  # type: ignore[arg-type]
    assert choices[6000 // STEP_MS].layer == "camera"
    assert choices[-1] == Choice()
    assert switches(choices) == 2


def test_one_look_without_a_face_changes_nothing() -> None:
    choices = shown(PictureChoice(), lambda s: 0 if 2 <= s < 2.06 else 1, 4)
    assert set(choices) == {Choice()}


def test_unlike_pictures_take_two_looks() -> None:
    choice = PictureChoice()
    choice.looked(0, 0.95)
    choice.looked(1000, 0.3)
    assert choice.decide(1000, 1, can_send=True).layer == "motion"
    choice.looked(1300, 0.3)
    assert choice.decide(1300, 1, can_send=True) == Choice("camera", "unlike")
    choice.looked(1600, 0.55)  # not enough
    assert choice.decide(1600 + ALONE_MS, 1, can_send=True).layer == "camera"
    choice.looked(3000, 0.9)
    assert choice.decide(3000, 1, can_send=True).layer == "camera"
    assert choice.decide(3000 + ALONE_MS, 1, can_send=True) == Choice()


def test_what_is_merely_unlike_is_left_to_motion_where_video_would_be_no_better() -> None:
    choice = PictureChoice()
    choice.looked(0, 0.3)
    choice.looked(400, 0.3)
    assert choice.decide(400, 1, can_send=True, sharp=False) == Choice()
    assert choice.decide(440, 1, can_send=True, sharp=True) == Choice("camera", "unlike")


def test_a_single_bad_look_is_forgotten() -> None:
    choice = PictureChoice()
    choice.looked(0, 0.3)
    choice.looked(400, 0.9)
    choice.looked(800, 0.3)
    assert choice.decide(900, 1, can_send=True) == Choice()


def test_without_looks_it_is_not_unlike_for_ever() -> None:
    choice = PictureChoice()
    choice.looked(0, 0.3)
    choice.looked(500, 0.3)
    assert choice.decide(500, 1, can_send=True).why == "unlike"
    assert choice.decide(500 + STALE_MS + 1, 1, can_send=True).layer == "camera"
    assert choice.decide(500 + STALE_MS + 1 + ALONE_MS, 1, can_send=True) == Choice()


@pytest.mark.parametrize("period_s", [0.2, 0.4, 1.0, 2.0, 6.0])
def test_changes_back_and_forth_do_not_flicker(period_s: float) -> None:
    choices = shown(PictureChoice(), lambda s: 0 if s % (2 * period_s) >= period_s else 1, 60)
    lasts = [0]
    for before, after in pairwise(choices):
        lasts = [*lasts, 0] if before.layer != after.layer else [*lasts[:-1], lasts[-1] + STEP_MS]
    assert switches(choices) <= 10
    assert all(ms >= ALONE_MS - STEP_MS for ms in lasts[1:-1]), lasts


def test_ten_changes_a_minute_wait_longer_each_time_they_come_back_soon() -> None:
    choices = shown(PictureChoice(), lambda s: 0 if s % 6 >= 3 else 1, 60)
    assert 2 <= switches(choices) <= 10
    assert choices[-1].layer == "camera" or choices[-2].layer == "camera"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(40, 3000), st.floats(0, 1)), max_size=40))
def test_whatever_comes_a_calm_face_brings_motion_back(script: list[tuple[int, int, float]]) -> None:
    choice, now = PictureChoice(), 0
    for faces, lasts_ms, likeness in script:
        choice.looked(now, likeness)
        for _ in range(0, lasts_ms, STEP_MS):
            choice.decide(now, faces, can_send=True)
            now += STEP_MS
    choice.looked(now, 0.95)
    for _ in range(0, round(MOST_ALONE_MS) + 2 * STEP_MS, STEP_MS):
        last = choice.decide(now, 1, can_send=True)
        now += STEP_MS
    assert last == Choice()


def test_it_says_why_the_camera_is_not_shown() -> None:
    assert shown(PictureChoice(), lambda s: 0, 1, can_send=False)[-1] == Choice("motion", "path")
    assert shown(PictureChoice(), lambda s: 0, 1, can_draw=False)[-1] == Choice("motion", "other-side")
    assert shown(PictureChoice(), lambda s: 0, 1, can_draw=None)[-1] == Choice()
    assert shown(PictureChoice(), lambda s: 1, 1, can_send=False)[-1] == Choice()


@pytest.mark.parametrize(("mode", "layer"), [("motion", "motion"), ("camera", "camera")])
def test_what_the_user_wants_is_shown_whatever_is_there(mode: PictureMode, layer: str) -> None:
    choices = shown(PictureChoice(mode), lambda s: int(s) % 3, 9)
    assert {choice.layer for choice in choices} == {layer}


def test_back_from_the_users_wish_motion_comes_at_once() -> None:
    choice = PictureChoice("camera")
    assert choice.decide(0, 1, can_send=True) == Choice("camera", "asked")
    choice.mode = "auto"
    assert choice.decide(40, 1, can_send=True) == Choice()
