"""Background tasks that belong to one object and end with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import ParamSpec

from facewire.errors import FacewireError

P = ParamSpec("P")

_log = logging.getLogger(__name__)


class Tasks:
    """Keeps tasks alive while they run, and cancels those that are left at the end.

    on_error: told, in words, about every `FacewireError` that a task raises. A broken connection is only logged.
    """

    def __init__(self, on_error: Callable[[str], None]) -> None:
        self._on_error = on_error
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    def spawn(self, work: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
        """Start `work(*args)` in the running loop; does nothing after `close`.

        It takes the function and not its coroutine: a task that is cancelled before its first step would leave the
        coroutine behind, never awaited.
        """
        if self._closed:
            return

        async def run() -> None:
            try:
                await work(*args, **kwargs)
            except ConnectionError as error:
                _log.info("%s", error)
            except FacewireError as error:
                self._on_error(str(error))

        task = asyncio.get_running_loop().create_task(run())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        self._closed = True
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
