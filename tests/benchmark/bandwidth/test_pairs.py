"""Asking people: the page holds every pair, and answers are counted as the browser saves them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.benchmark.bandwidth.pairs import COLUMNS, Preference, pairs_page, read_answers, table_of
from facewire.benchmark.bandwidth.players import make_players
from facewire.benchmark.bandwidth.report_page import report_page
from facewire.benchmark.bandwidth.run import Result
from facewire.benchmark.bandwidth.summary import summarise
from facewire.errors import InputError

from .conftest import told

HEAD = ",".join(COLUMNS)


def test_the_page_asks_every_clip_under_both_conditions(quick: Result) -> None:
    page = pairs_page(quick, ["x264-veryfast"], 4, told)
    found = re.search(r'<script type="application/json" id="trials">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    assert data["columns"] == list(COLUMNS)
    assert {trial["condition"] for trial in data["trials"]} == {"quality", "wire"}
    for trial in data["trials"]:
        assert trial["clip"] == "carphone_pristine"
        assert all(trial[side].startswith("data:video/mp4;base64,") for side in ("camera", "ours", "theirs"))
        assert trial["ours"] != trial["theirs"]


def test_players_show_four_columns_in_step(quick: Result) -> None:
    summary = summarise(quick)
    rival = summary.comparison("x264-veryfast", "psnr", "payload")
    assert rival is not None
    (player,) = make_players(quick, rival, 3, told)
    assert [title for title, _ in player.columns][:2] == ["camera", "facewire"]
    assert len(player.columns) == 4
    assert 0 < player.worst < quick.clips[0].frames
    assert "data:video/mp4" in report_page(quick, summary, [], [], [player])


def test_answers_of_several_people_add_up(tmp_path: Path) -> None:
    rows = ["c,x265 slow,crf30,quality,facewire,rival,3.1"] * 6 + ["c,x265 slow,crf30,quality,same,rival,3.1"] * 2
    (tmp_path / "a.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    (tmp_path / "b.csv").write_text(f"{HEAD}\nc,x265 slow,crf30,quality,rival,facewire,2\n")
    (found,) = read_answers([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert (found.ours, found.theirs, found.same) == (6, 1, 2)
    assert found.share == pytest.approx(7 / 9)
    assert table_of([found]).row_count == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "its first line would be"),
        (f"{HEAD}\nc,x,p,quality,maybe,rival,1\n", "line 2"),
        (f"{HEAD}\n", "no answers"),
    ],
)
def test_files_without_answers_are_named(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_answers([path])


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 20))
def test_interval_contains_the_share(ours: int, theirs: int, same: int) -> None:
    if ours + theirs + same == 0:
        return
    found = Preference("x", "quality", ours, theirs, same)
    low, high = found.interval
    assert -1e-9 <= low <= found.share + 1e-9
    assert found.share <= high + 1e-9 <= 1 + 2e-9
    more = Preference("x", "quality", 4 * ours, 4 * theirs, 4 * same)
    assert more.interval[1] - more.interval[0] < high - low
