"""Invitations: once or for a time, revocable, known by their hashes alone; in memory and in Redis."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from facewire.errors import InputError
from facewire.signaling.invitations import CODE, Invitation, InvitationRefused, Invitations, MemoryInvitations, hashed
from facewire.signaling.links import Link, read_link
from facewire.signaling.redis_invitations import RedisInvitations
from facewire.signaling.rooms import RoomsUnavailable
from tests.signaling.conftest import RedisServer, redis  # noqa: F401


@pytest_asyncio.fixture(params=["memory", "redis"])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Invitations]:
    if request.param == "memory":
        yield MemoryInvitations()
        return
    store = RedisInvitations(request.getfixturevalue("redis").url)
    yield store
    await store.stop()


def soon(seconds: float = 60.0) -> float:
    return time.time() + seconds


async def why(kept: Invitations, code: str, by: str) -> str:
    try:
        await kept.check(code, by)
    except InvitationRefused as error:
        return error.why
    return ""


async def test_the_first_who_takes_it_has_it(kept: Invitations) -> None:
    code = await kept.add(Invitation("kitchen", soon()))
    assert CODE.fullmatch(code)
    assert (await kept.check(code, "ada")).room == "kitchen"
    assert (await kept.check(code, "grace")).room == "kitchen", "looking uses nothing up"
    assert (await kept.take(code, "ada")).room == "kitchen"
    assert await why(kept, code, "grace") == "used"
    with pytest.raises(InvitationRefused, match="has been used"):
        await kept.take(code, "grace")
    assert (await kept.take(code, "ada")).room == "kitchen", "the same person may come back"


async def test_of_many_who_take_it_at_once_one_has_it(kept: Invitations) -> None:
    code = await kept.add(Invitation("kitchen", soon()))
    results = await asyncio.gather(*(kept.take(code, str(number)) for number in range(9)), return_exceptions=True)
    assert sum(isinstance(result, Invitation) for result in results) == 1


async def test_a_reusable_one_is_for_everybody_until_it_is_revoked(kept: Invitations) -> None:
    code = await kept.add(Invitation("kitchen", soon(), reusable=True))
    for person in ("ada", "grace", "joan"):
        assert (await kept.take(code, person)).reusable
    assert await kept.revoke(code)
    assert not await kept.revoke(code)
    assert await why(kept, code, "ada") == "gone"


async def test_it_expires(kept: Invitations) -> None:
    code = await kept.add(Invitation("kitchen", soon(1.0)))
    async with asyncio.timeout(30):
        while not await why(kept, code, "ada"):
            await asyncio.sleep(0.05)
    assert await why(kept, code, "ada") == "gone"


async def test_in_memory_expired_ones_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    from facewire.signaling import invitations

    monkeypatch.setattr(invitations, "MAX_INVITATIONS", 3)
    now = 100.0
    kept = MemoryInvitations(lambda: now)
    codes = [await kept.add(Invitation("kitchen", 110.0)) for _ in range(3)]
    with pytest.raises(Exception, match="are open"):
        await kept.add(Invitation("kitchen", 110.0))
    now = 111.0
    await kept.add(Invitation("kitchen", 120.0))
    assert await why(kept, codes[0], "ada") == "gone"


@given(st.text(max_size=30))
async def test_any_text_is_a_code_or_refused(text: str) -> None:
    kept = MemoryInvitations()
    with pytest.raises(InvitationRefused):
        await kept.take(text, "ada")


async def test_codes_themselves_are_not_kept() -> None:
    kept = MemoryInvitations()
    code = await kept.add(Invitation("kitchen", soon()))
    assert code not in repr(vars(kept))
    assert hashed(code) in repr(vars(kept))


async def test_a_redis_that_is_gone_is_reported(redis: RedisServer) -> None:  # noqa: F811
    store = RedisInvitations(redis.url)
    code = await store.add(Invitation("kitchen", soon()))
    redis.kill()
    with pytest.raises(RoomsUnavailable):
        await store.check(code, "ada")
    await store.stop()


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("https://calls.example.org/j#x3Fq-8sV1LbA", Link("https://calls.example.org", "x3Fq-8sV1LbA")),
        ("https://calls.example.org/j/#x3Fq-8sV1LbA ", Link("https://calls.example.org", "x3Fq-8sV1LbA")),
        ("http://127.0.0.1:8787/j#x3Fq-8sV1LbA", Link("http://127.0.0.1:8787", "x3Fq-8sV1LbA")),
        ("wss://calls.example.org#kitchen", None),
        ("https://calls.example.org#kitchen", None),
        ("kitchen", None),
    ],
)
def test_links_are_told_from_rooms(text: str, link: Link | None) -> None:
    assert read_link(text) == link
    if link is not None:
        assert read_link(str(link)) == link


@pytest.mark.parametrize("text", ["https://a.example/j", "https://a.example/j#", "https://a.example/j#short"])
def test_a_damaged_link_is_explained(text: str) -> None:
    with pytest.raises(InputError, match="incomplete"):
        read_link(text)


@given(st.text(max_size=60))
def test_any_text_is_a_link_a_room_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        read_link(text)
