"""Background tasks: kept, reported, and ended with their owner, without leaving a coroutine behind."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Iterator

import pytest

from facewire.call.tasks import Tasks
from facewire.errors import InputError
from facewire.models.runtime import Networks

from .conftest import Call, make_ends, playout_of


@pytest.fixture
def warned() -> Iterator[list[warnings.WarningMessage]]:
    """Warnings of this test, also of those about objects that are thrown away."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


async def test_closing_before_the_first_step_leaves_no_coroutine_behind(warned: list[warnings.WarningMessage]) -> None:
    tasks = Tasks(lambda text: None)
    ran: list[str] = []

    async def work(name: str) -> None:
        ran.append(name)

    tasks.spawn(work, "before")
    await tasks.close()
    tasks.spawn(work, "after")
    await asyncio.sleep(0)
    gc.collect()
    assert ran == []
    assert warned == []


async def test_expected_errors_are_reported_in_words() -> None:
    told: list[str] = []
    tasks = Tasks(told.append)

    async def fail(error: Exception) -> None:
        raise error

    tasks.spawn(fail, InputError("no such address"))
    tasks.spawn(fail, ConnectionError("gone"))
    await asyncio.sleep(0)
    await tasks.close()
    assert told == ["no such address"]


async def test_connection_lost_while_the_call_ends_leaves_no_coroutine_behind(
    call: Call, networks: Networks, warned: list[warnings.WarningMessage]
) -> None:
    call.start(a=make_ends(networks, video=True), b=make_ends(networks, shows=True))
    await call.until(lambda: playout_of(call.b).stats().frames > 0)
    current = call.a._connections.current
    assert current is not None
    ending = call.tasks.pop(0)
    ending.cancel()
    current.peer._on_closed()
    await asyncio.wait([ending])
    gc.collect()
    assert [str(warning.message) for warning in warned if "never awaited" in str(warning.message)] == []
