"""What people write to each other: numbered, taken once, sent again until the other side has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewire.call.messages import Text, decode_control, encode_control
from facewire.call.texts import BURST, KEPT, MAX_WAITING, Texts
from facewire.errors import InputError

from .conftest import Call, Notices


class Reader(Notices):
    """Records what the other person writes."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[tuple[str, str]] = []

    def written(self, name: str, text: str) -> None:
        self.read.append((name, text))


@given(st.text(min_size=1, max_size=500))
def test_what_is_taken_from_a_person_can_be_sent_and_is_read_as_it_is(text: str) -> None:
    texts = Texts()
    try:
        message = texts.write(text)
    except InputError:
        assert texts.all == []
        return
    assert decode_control(encode_control(message)) == message
    assert "\n" not in message.text


@pytest.mark.parametrize("text", ["", "  \n", "x" * 501, "\x1b[2Jgone", "left\u202eright", "\ud800"])
def test_texts_that_cannot_be_sent(text: str) -> None:
    with pytest.raises(InputError, match="text has"):
        Texts().write(text)


def test_lines_become_one() -> None:
    assert Texts().write(" back at\n  nine ").text == "back at nine"


def test_texts_are_kept_until_the_other_side_has_them() -> None:
    texts = Texts()
    first, second = texts.write("one"), texts.write("two")
    assert texts.waiting == [first, second]
    texts.arrived(first.number)
    assert texts.waiting == [second]
    assert [(one.text, one.arrived) for one in texts.all] == [("one", True), ("two", False)]
    texts.arrived(99)
    assert texts.waiting == []


def test_a_text_that_comes_again_is_taken_once() -> None:
    texts = Texts()
    assert texts.take(Text(1, "hello"), 0) is not None
    assert texts.take(Text(1, "hello"), 1) is None
    assert texts.heard == 1
    texts.start_over()
    assert texts.take(Text(1, "a new program"), 2) is not None
    assert [one.text for one in texts.all] == ["hello", "a new program"]


def test_a_flood_is_not_kept() -> None:
    texts = Texts()
    for number in range(10_000):
        texts.take(Text(number + 1, "x"), 0)
    assert len(texts.all) == BURST
    for number in range(10_000):
        texts.take(Text(20_000 + number, "x"), 100 + number)
    assert len(texts.all) == KEPT


def test_nobody_writes_endlessly_to_nobody() -> None:
    texts = Texts()
    for number in range(MAX_WAITING):
        texts.write(str(number))
    with pytest.raises(InputError, match="cannot be reached"):
        texts.write("more")


async def test_texts_wait_for_the_other_side_and_outlive_a_connection(call: Call) -> None:
    call.listener = reader = Reader()
    call.start()
    call.a.write("before you came")
    await call.until(lambda: len(reader.read) == 1)
    await call.until(lambda: not call.a.texts.waiting)
    call.b.write("👋")
    await call.until(lambda: [one.text for one in call.a.texts.all] == ["before you came", "👋"])
    call.relay.impairment.blackout = True
    call.a.write("are you still there?")
    await call.until(lambda: call.a.stats.attempts > 1)
    assert [text.text for text in call.a.texts.waiting] == ["are you still there?"]
    call.relay.impairment.blackout = False
    await call.until(lambda: not call.a.texts.waiting)
    assert [text for _, text in reader.read] == ["before you came", "👋", "are you still there?"]
