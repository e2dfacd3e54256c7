"""A network on an NVIDIA GPU as CUDA graphs: one launch a batch, buffers that stay, transfers that wait for nobody.

Comes in: a `graphs.TorchGraph` on the GPU, batches of named arrays from any thread. Goes out: its outputs. Each size of batch is
captured once, powers of two up to `MAX_BATCH`; what a call sends again and again (`TorchGraph.kept`: F of a source frame)
stays on the GPU as long as the array lives here. Threads that draw at the same time have streams and buffers of their own, so
one's transfers go on while another's kernels run.
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
"""Runs before a capture: libraries choose their kernels and make their workspaces in them."""


class CudaGraphs:
    """A `backend_types.Run` of a network on a GPU. FacewireError where its memory does not do."""

    def __init__(self, module: TorchGraph, place: torch.device) -> None:
        self._module, self._place = module, place
        self._resident = Residents(place)
        self._free: dict[int, list[_Captured]] = {}
        self._lock = threading.Lock()  # of `_free`, and of captures: one at a time

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
    """Arrays on a device, for as long as they live here; nobody may change them meanwhile."""

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
    """One size of batch on one stream: buffers to write to, the recorded kernels, pinned buffers that results land in."""

    def __init__(self, module: TorchGraph, place: torch.device, like: Arrays, size: int) -> None:
        self._module, self._size = module, size
        self._stream = torch.cuda.Stream(place)  # type: ignore[no-untyped-call]
        # float32 stays float32: in TF32 a coordinate is off by a pixel. Shapes never change, so kernels are chosen by trying.
        settings = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)
        with torch.inference_mode(), settings, torch.cuda.stream(self._stream):
            zeros = (np.zeros((size, *like[name].shape[1:]), like[name].dtype) for name in module.inputs)
            self._given = [torch.from_numpy(array).to(place) for array in zeros]
            for _ in range(WARM_UP):
                module(*self._given)
            self._stream.synchronize()
            self._graph = torch.cuda.CUDAGraph()
            # thread_local: what other threads do on the GPU meanwhile is theirs.
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
