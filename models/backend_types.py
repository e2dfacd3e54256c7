"""The interface of everything that runs a bundle's graphs, implemented by `models.backends` and `models.torch_backend`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from facewire.errors import WeightsError

Arrays = dict[str, NDArray[Any]]
Run = Callable[[Sequence[Arrays]], list[Arrays]]
"""A graph that is ready to run: from a list of inputs, each with a first dimension of 1, to as many outputs. Only torch computes
them in one run."""
MAX_BATCH = 64
"""Most pictures in one run."""


class Backend(Protocol):
    """One way to run graphs.

    name: as on the command line. device: what it computes on. precision: of its numbers. why: the reason for choosing it
    automatically.
    """

    name: str
    device: str
    precision: str
    why: str

    def load(self, folder: Path, graph: str) -> Run:
        """The graph of that name (`bundle.GRAPHS`), ready to run from any thread; WeightsError if it cannot be loaded."""


def unusable(path: Path, error: Exception) -> WeightsError:
    """The error to raise for a file that a library could not use, with the first line of the library's own message."""
    lines = str(error).splitlines() or [type(error).__name__]
    return WeightsError(f"{path} cannot be loaded: {lines[0]}")
