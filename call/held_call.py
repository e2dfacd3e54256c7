"""One call as the page holds it: a session, its figures, recordings of both sides, and the safety words of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from facewire.call.ends import Ends
from facewire.call.listener import Listener
from facewire.call.options import CallOptions, PageOptions
from facewire.call.recording import Recording
from facewire.call.room import RoomClient, open_room
from facewire.call.safety import safety_words
from facewire.call.stats import CallStats
from facewire.call.tasks import Tasks
from facewire.models.bundle import Bundle

Problem = Literal["notice", "disk"]


class HeldCall(Listener):
    """Make it in the event loop. problem: called with a text for the page. client: as in `open_room`. InputError for options that
    cannot work.
    """

    def __init__(
        self,
        options: CallOptions,
        page: PageOptions,
        bundle: Bundle,
        ends: Ends,
        tasks: Tasks,
        problem: Callable[[Problem, str], None],
        client: RoomClient | None = None,
    ) -> None:
        self._portrait_shown = options.media.portrait is not None
        self._tasks, self._problem = tasks, problem
        self._loop = asyncio.get_running_loop()
        self.client, self.session = open_room(options, bundle, ends, self, client)
        self.recordings = Recording(
            page.recordings or Path(), options.room, self.session.tell_recording, self._cannot_write
        )
        self.stats = CallStats(self.session)
        self._words: tuple[str, ...] = ()
        self._words_of: tuple[bytes, bytes] | None = None
        """Fingerprints of the connection whose words they are."""

    # --- from the session

    def notice(self, text: str) -> None:
        self._problem("notice", text)

    def greeted(self, same: bool) -> None:
        self.recordings.greeted(same)

    def written(self, name: str, text: str) -> None:
        """The page shows all texts of the session."""

    def recording(self, step: str) -> None:
        self.recordings.step(step)

    # --- what follows from how the session stands

    def follow(self) -> None:
        """Keeps up with the session: whose face a recording shows, the safety words of another connection."""
        other = self.session.other.state
        self.recordings.portrait = self._portrait_shown or (other is not None and other.picture == "portrait")
        fingerprints = self.session.fingerprints
        if fingerprints is not None and fingerprints != self._words_of:
            self._words_of, self._words = fingerprints, ()
            self._tasks.spawn(self._find_words, fingerprints)

    @property
    def safety_words(self) -> tuple[str, ...]:
        """Words that both people see if nobody listens in; empty while there is no connection."""
        return self._words if self.session.fingerprints is not None else ()

    async def _find_words(self, fingerprints: tuple[bytes, bytes]) -> None:
        words = await asyncio.to_thread(safety_words, *fingerprints)
        if fingerprints == self._words_of:
            self._words = words

    def _cannot_write(self, text: str) -> None:
        """From the playout's threads."""
        self._loop.call_soon_threadsafe(self._end_recording, text)

    def _end_recording(self, text: str) -> None:
        self.recordings.failed()
        self._problem("disk", text)
