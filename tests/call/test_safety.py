"""Safety words: the same on both sides, and different if somebody is in between."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from facewire.call.safety import WORD_COUNT, WORDS, safety_words
from facewire.models.runtime import Networks

from .conftest import Call, make_ends


def test_word_list_has_a_word_for_each_byte() -> None:
    assert len(set(WORDS)) == len(WORDS) == 256
    assert all(word.isascii() and word.islower() and len(word) >= 4 for word in WORDS)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32), st.integers(0, 255))
@settings(max_examples=4)
def test_words_agree_on_both_sides_and_change_with_the_certificate(a: bytes, b: bytes, bit: int) -> None:
    words = safety_words(a, b)
    assert words == safety_words(b, a)
    assert len(words) == WORD_COUNT
    other = (int.from_bytes(b, "big") ^ (1 << bit)).to_bytes(32, "big")
    assert safety_words(a, other) != words


async def test_fingerprints_agree_and_outlive_connections(call: Call, networks: Networks) -> None:
    call.start(a=make_ends(networks, video=True), b=make_ends(networks, shows=True))
    await call.until(lambda: call.b.state == call.a.state == "connected")
    assert call.a.fingerprints is not None
    assert call.b.fingerprints is not None
    first = call.a.fingerprints
    assert first == call.b.fingerprints[::-1]
    assert first[0] != first[1]

    call.relay.impairment.blackout = True
    await call.until(lambda: call.a.stats.attempts > 1)  # another connection is being made
    call.relay.impairment.blackout = False
    await call.until(lambda: call.a.stats.connections > 1 or call.b.stats.connections > 1)
    await call.until(lambda: call.a.fingerprints is not None)
    assert call.a.fingerprints == first
