"""Processes that share out long work, clip by clip: started, and ended without a trace when one dies or the user gives up.

Used by `training.evaluate` and `benchmark.bandwidth.run`.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from facewire.errors import InputError


@contextlib.contextmanager
def worker_pool(
    workers: int, what: str, start: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[concurrent.futures.ProcessPoolExecutor]:
    """A pool of spawned processes, each of which calls `start` first. what: they do, for the InputError that is raised if one dies.
    Whatever else ends the work ends them at once.
    """
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, context, start, arguments) as pool:
        try:
            yield pool
        except BrokenProcessPool:
            raise InputError(f"a process {what} died, perhaps for want of memory: fewer --workers") from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()
            raise


@contextlib.contextmanager
def interrupts_for_this_process() -> Iterator[None]:
    """Processes started meanwhile leave Ctrl-C to this one, which ends them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
