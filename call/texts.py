"""What the two people write to each other: short texts that arrive although the connection breaks.

Each text has a number and is sent again over the next connection until the other side has said that it has it; what comes twice is
dropped by its number.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from facewire.call.messages import MAX_TEXT_CHARACTERS, SAFE_TEXT, Text
from facewire.errors import InputError
from facewire.signaling.limits import Bucket

KEPT = 200
"""Texts of a call that are kept, the newest; a page shows them."""
PER_S, BURST = 2.0, 20.0
"""How many texts of the other side are taken: more than a person writes."""
MAX_WAITING = 50
"""Texts that wait until the other side can be reached."""


@dataclass(frozen=True, eq=False)
class Written:
    """One text."""

    own: bool
    """This side wrote it."""
    text: str
    at_s: float
    """When it was written, or came, in seconds since 1970 by this machine's clock."""
    arrived: bool
    """The other side has it."""


class Texts:
    """All texts of one call."""

    def __init__(self) -> None:
        self.all: list[Written] = []
        """The newest ones, in the order in which they were written here or came."""
        self._waiting: dict[int, tuple[Text, Written]] = {}
        self._written = self._heard = 0
        """Numbers of the newest text of each side."""
        self._flood = Bucket(PER_S, BURST)

    @property
    def waiting(self) -> list[Text]:
        """Texts of this side that the other one does not have yet, as far as is known."""
        return [text for text, _ in self._waiting.values()]

    def write(self, text: str) -> Text:
        """Takes a text of this side; returns what to send. InputError for one that cannot be sent."""
        text = " ".join(text.split())
        if not 1 <= len(text) <= MAX_TEXT_CHARACTERS:
            raise InputError(f"a text has 1 to {MAX_TEXT_CHARACTERS} characters")
        if SAFE_TEXT.fullmatch(text) is None:
            raise InputError("a text has no control characters")
        if len(self._waiting) >= MAX_WAITING:
            raise InputError("the other side cannot be reached; wait until it has what you wrote before")
        self._written += 1
        message = Text(self._written, text)
        self._waiting[message.number] = message, self._keep(Written(True, text, time.time(), False))
        return message

    def arrived(self, number: int) -> None:
        """The other side has all texts up to that number."""
        for one in [one for one in self._waiting if one <= number]:
            _, written = self._waiting.pop(one)
            if written in self.all:
                self.all[self.all.index(written)] = replace(written, arrived=True)

    def take(self, message: Text, now_s: float) -> Written | None:
        """Takes a text of the other side; None for one that is here already, and for more of them than a person writes."""
        if message.number <= self._heard or not self._flood.take(1, now_s):
            return None
        self._heard = message.number
        return self._keep(Written(False, message.text, time.time(), True))

    @property
    def heard(self) -> int:
        """Number of the other side's newest text, 0 before the first."""
        return self._heard

    def start_over(self) -> None:
        """Another program is on the other side, which counts from 1."""
        self._heard = 0

    def _keep(self, written: Written) -> Written:
        self.all = [*self.all, written][-KEPT:]
        return written
