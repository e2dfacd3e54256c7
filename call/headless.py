"""A call without a page: media of this machine, keys and a live table in the terminal, figures at the end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from facewire.call.ends import EndNetworks, free_view, open_ends
from facewire.call.keys import Keys
from facewire.call.listener import Listener
from facewire.call.options import CallOptions
from facewire.call.room import open_room
from facewire.call.stats import CallStats
from facewire.errors import InputError
from facewire.models.bundle import load_bundle

REFRESH_S, TYPING_S = 0.5, 0.1


class _Terminal(Listener):
    """Prints what a session has to say, unless it is to be quiet."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet

    def notice(self, text: str) -> None:
        if not self._quiet:
            self._console.print(f"facewire: {text}", markup=False, soft_wrap=True)


async def hold_call(options: CallOptions, json_target: Callable[[dict[str, Any]], bool], *, quiet: bool) -> None:
    """Holds a call until it ends; InputError if it failed. A signal before it has begun cancels this.

    json_target, quiet: as in `command.run`.
    """
    task = asyncio.current_task()
    assert task is not None
    for name in (signal.SIGTERM, signal.SIGHUP):  # Ctrl-C cancels it anyhow
        asyncio.get_running_loop().add_signal_handler(name, task.cancel)
    console = Console(stderr=True, highlight=False)
    terminal = _Terminal(console, quiet=quiet)
    bundle = await asyncio.to_thread(load_bundle, options.weights)
    networks = EndNetworks(bundle, options.threads, options.backend)
    ends = await asyncio.to_thread(open_ends, options.media, networks, options.session.fps)
    for remark in ends.live.remarks if ends.live is not None else ():
        terminal.notice(remark)
    view = free_view(options.media)
    client, session = open_room(options, bundle, ends, terminal)
    async with client:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(name, session.end)
        stats = CallStats(session)
        keys = Keys(session, terminal, view)
        with keys.read() as there:
            live = not quiet and console.is_terminal
            following = asyncio.create_task(_follow(stats, console, live=live, keys=keys if there else None))
            try:
                ending = await session.run()
            finally:
                following.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await following
    stats.look()
    printed = json_target(stats.values() | {"ending": ending.reason, "failed": ending.failed})
    if ending.failed:
        raise InputError(ending.reason)
    if not printed:
        if ending.reason:
            terminal.notice(ending.reason)
        # Standard output may carry raw pictures.
        (console if options.media.out == "raw" else Console(highlight=False)).print(stats.table())


async def _follow(stats: CallStats, console: Console, *, live: bool, keys: Keys | None) -> None:
    """Looks at the call again and again, and shows the table where it is wanted. keys: None where none are read."""

    def table() -> Table:
        made = stats.table()
        made.caption, made.caption_justify = escape(keys.caption) if keys is not None else None, "left"
        return made

    with contextlib.ExitStack() as stack:
        shown = stack.enter_context(Live(table(), console=console, transient=True)) if live else None
        while True:
            await asyncio.sleep(TYPING_S if keys is not None and keys.typing else REFRESH_S)
            stats.look()
            if shown is not None:
                shown.update(table())
