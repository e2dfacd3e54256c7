"""A call of a minute leaves nothing behind; `tests.call.soak` does the same for longer calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from facewire.models.runtime import Networks

from .soak import soak


@pytest.mark.slow
async def test_memory_stays_flat_and_no_task_is_left(networks: Networks, voice: Path) -> None:
    looks = await soak(networks, voice, 60, 5)
    during = looks[:-1]
    assert during[-1].memory_mb - during[0].memory_mb < 20
    assert {look.tasks for look in during} == {during[0].tasks}
    assert during[-1].frames > during[0].frames
    assert looks[-1].tasks == 0
