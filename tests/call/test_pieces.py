"""Source messages in pieces: they can be assembled in any order, and wrong ones are rejected."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.call.pieces import Assembly, cut
from facewire.codec import wire_bytes
from facewire.codec.wire import PIECE_BYTES, source_wire_bytes
from facewire.errors import DecodeError


@given(st.binary(min_size=1, max_size=12_000), st.randoms(use_true_random=False))
def test_pieces_in_any_order_and_repeated_assemble_once(data: bytes, chance: random.Random) -> None:
    pieces = cut(data)
    assert all(len(piece) <= PIECE_BYTES for piece in pieces)
    arriving = pieces * 2
    chance.shuffle(arriving)
    assembly = Assembly()
    whole = [message for piece in arriving if (message := assembly.add(piece)) is not None]
    assert whole == [data]


@given(st.integers(1, 20_000))
def test_modelled_cost_of_a_source_message_is_that_of_its_pieces(size: int) -> None:
    costs = [wire_bytes(len(piece)) for piece in cut(bytes(size))]
    assert source_wire_bytes(size) == (sum(forward for forward, _ in costs), sum(back for _, back in costs))


@given(st.binary(max_size=PIECE_BYTES + 20))
def test_any_bytes_are_handled_by_the_assembly(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        Assembly().add(data)


def test_late_piece_of_the_previous_message_is_harmless() -> None:
    old, new = cut(b"o" * 5000), cut(b"n" * 5000)
    assembly = Assembly()
    for piece in [*old[:3], *new[:4], old[3]]:
        assert assembly.add(piece) is None
    assert assembly.add(new[4]) == b"n" * 5000


def test_only_two_incomplete_messages_are_kept() -> None:
    assembly = Assembly()
    first = cut(b"x" * 3000)
    assembly.add(first[0])
    for number in range(50):
        assembly.add(cut(bytes([number]) * 3000)[0])
    assert all(assembly.add(piece) is None for piece in first[1:])


def test_message_with_a_wrong_hash_is_rejected() -> None:
    first, last = cut(b"a" * 1500)
    assembly = Assembly()
    assembly.add(first)
    with pytest.raises(DecodeError, match="hash"):
        assembly.add(last[:-1] + b"b")
