"""What the page remembers between calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facewire.call.options import CallOptions, PageOptions
from facewire.call.page_call import PageCall
from facewire.call.page_kept import Kept
from facewire.call.page_messages import KEPT, Keep


def test_the_next_call_knows_what_this_one_kept(tmp_path: Path) -> None:
    file = tmp_path / "state" / "page.json"
    kept = Kept(file)
    kept.keep(Keep("name", "Ada"))
    kept.keep(Keep("theme", "dark"))
    kept.keep(Keep("theme", "light"))
    assert Kept(file).values == {"name": "Ada", "theme": "light"}


async def test_the_next_program_tells_its_page_what_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    chosen = {"camera": "HD Webcam", "microphone": "Headset", "speaker": "Lautsprecher", "panel": "open"}

    def program() -> PageCall:
        return PageCall(CallOptions("ws://127.0.0.1:9", "kitchen"), PageOptions(recordings=tmp_path))

    first = program()
    for what, value in chosen.items():
        await first.page_message(Keep(what, value))
    said: list[dict[str, Any]] = []
    program().page_opened(said.append)
    assert said[0]["kept"] == chosen


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary() | st.sampled_from([b"[1]", b'{"name": 1}', b"[" * 100_000, b'{"other": "x", "name": "Ada"}']))
def test_any_file_can_be_read(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "page.json"
    file.write_bytes(data)
    assert all(name in KEPT and isinstance(value, str) for name, value in Kept(file).values.items())


def test_a_place_that_cannot_be_written_costs_only_the_memory(caplog: pytest.LogCaptureFixture) -> None:
    kept = Kept(Path("/dev/null/page.json"))
    kept.keep(Keep("name", "Ada"))
    assert kept.values == {"name": "Ada"}
