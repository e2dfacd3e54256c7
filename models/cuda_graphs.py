"""A network on an NVIDIA GPU as CUDA graphs: one launch a batch, fixed buffers, asynchronous transfers.

`CudaGraphs` wraps a `graphs.TorchGraph` on the GPU and takes batches of named arrays from any thread. Each batch size, a power of
two up to `MAX_BATCH`, is captured once. Inputs that repeat during a call (`TorchGraph.kept`: what F made of a source frame) stay on
the GPU for as long as their array is alive. Threads that render at the same time use separate streams and buffers, so one thread's
transfers overlap with another's kernels.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facewire.errors import FacewireError
from facewire.models.backend_types import MAX_BATCH, Arrays
from facewire.models.graphs import TorchGraph

WARM_UP = 3
"""Runs before a capture, in which libraries choose their kernels and allocate workspaces."""


class CudaGraphs:
    """A `backend_types.Run` of a network on a GPU. Raises FacewireError if the GPU's memory does not suffice."""

    def __init__(self, module: TorchGraph, place: torch.device) -> None:
        self._module, self._place = module, place
        self._resident = Residents(place)
        self._free: dict[int, list[_Captured]] = {}
        self._lock = threading.Lock()  # guards `_free`, and captures: one at a time

    def __call__(self, batch: Sequence[Arrays]) -> list[Arrays]:
        """See `backend_types.Run`."""
        results: list[Arrays] = []
        for begin in range(0, len(batch), MAX_BATCH):
            part = batch[begin : begin + MAX_BATCH]
            with self._captured(part[0], batch_size(len(part))) as captured:
                results += captured.run(part, self._resident)
        return results

    @contextlib.contextmanager
    def _captured(self, like: Arrays, size: int) -> Iterator[_Captured]:
        with self._lock:
            free = self._free.setdefault(size, [])
            try:
                captured = free.pop() if free else _Captured(self._module, self._place, like, size)
            except torch.OutOfMemoryError:
                raise FacewireError(f"the GPU has no memory left for {size} pictures at once") from None
        yield captured
        with self._lock:
            free.append(captured)


def batch_size(count: int) -> int:
    """The size of batch that `count` pictures are drawn in: the next power of two."""
    return 1 << (count - 1).bit_length()


class Residents:
    """Copies of arrays on a device, kept for as long as the arrays are alive. The arrays must not be changed."""

    def __init__(self, place: torch.device) -> None:
        self._place = place
        self._known: dict[int, Tensor] = {}

    def __call__(self, array: NDArray[Any]) -> Tensor:
        """The array on the device."""
        key = id(array)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = torch.tensor(array, device=self._place)  # a copy, on a CPU too
            weakref.finalize(array, self._known.pop, key, None)
        return found

    def __len__(self) -> int:
        return len(self._known)


class _Captured:
    """One batch size on one stream: input buffers, the recorded kernels, and pinned buffers for the results."""

    def __init__(self, module: TorchGraph, place: torch.device, like: Arrays, size: int) -> None:
        self._module, self._size = module, size
        self._stream = torch.cuda.Stream(place)
        # No TF32: it puts a coordinate off by a pixel. Shapes never change, so kernels are chosen by benchmark.
        settings = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)
        with torch.inference_mode(), settings, torch.cuda.stream(self._stream):
            zeros = (np.zeros((size, *like[name].shape[1:]), like[name].dtype) for name in module.inputs)
            self._given = [torch.from_numpy(array).to(place) for array in zeros]
            for _ in range(WARM_UP):
                module(*self._given)
            self._stream.synchronize()
            self._graph = torch.cuda.CUDAGraph()
            # thread_local: other threads may use the GPU meanwhile.
            with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
                made = module(*self._given)
        self._made: tuple[Tensor, ...] = made if isinstance(made, tuple) else (made,)
        self._leaving = [
            None if name in module.kept else torch.empty(given.shape, dtype=given.dtype, pin_memory=True)
            for name, given in zip(module.inputs, self._given, strict=True)
        ]
        self._landed = [torch.empty(made.shape, dtype=made.dtype, pin_memory=True) for made in self._made]

    def run(self, batch: Sequence[Arrays], resident: Residents) -> list[Arrays]:
        """One to `size` inputs through the graph; unused places repeat the last."""
        full = [*batch] + [batch[-1]] * (self._size - len(batch))
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            for name, given, leaving in zip(self._module.inputs, self._given, self._leaving, strict=True):
                if leaving is None:
                    torch.cat([resident(one[name]) for one in full], out=given)
                else:
                    np.concatenate([one[name] for one in full], out=leaving.numpy())
                    given.copy_(leaving, non_blocking=True)
            self._graph.replay()
            for made, landed in zip(self._made, self._landed, strict=True):
                landed.copy_(made, non_blocking=True)
        self._stream.synchronize()
        named = zip(self._module.outputs, (landed.numpy() for landed in self._landed), strict=True)
        copies = {name: array[: len(batch)].copy() for name, array in named}
        return [{name: array[row : row + 1] for name, array in copies.items()} for row in range(len(batch))]
