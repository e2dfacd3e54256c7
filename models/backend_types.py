"""What every way of running a bundle's graphs has in common. `models.backends` and `models.torch_backend` implement it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from facewire.errors import WeightsError

Arrays = dict[str, NDArray[Any]]
Run = Callable[[Sequence[Arrays]], list[Arrays]]
"""A graph ready to run: a batch of inputs, each with a first dimension of 1, to as many outputs; in one run only in torch."""
MAX_BATCH = 64
"""Pictures in one run."""


class Backend(Protocol):
    """One way to run graphs. name: as on the command line. device: what it computes on. precision: of its numbers. why: it is taken
    where nobody asked for another.
    """

    name: str
    device: str
    precision: str
    why: str

    def load(self, folder: Path, graph: str) -> Run:
        """The graph of that name (`bundle.GRAPHS`), ready to run from any thread; WeightsError if it cannot be loaded."""


def unusable(path: Path, error: Exception) -> WeightsError:
    """What to raise for a file that a library could not use: its error's first line."""
    lines = str(error).splitlines() or [type(error).__name__]
    return WeightsError(f"{path} cannot be loaded: {lines[0]}")
