"""Training one model in several processes, started by torch's launcher: `torchrun --nproc-per-node N -m facewire train …`.

`join` reads the launcher's environment and gives `Ranks`, with which `training.loop` writes once and stops everywhere. Shared
starting weights and averaged gradients keep the weights of all processes equal. Without a launcher there is one rank, and
nothing here has an effect.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from facewire.errors import InputError

PATIENCE = timedelta(hours=6)
"""How long a rank waits for the others, while rank 0 decodes all clips or validates. The launcher handles ranks that die."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together."""

    rank: int = 0
    """Number of this process; 0 validates and writes."""
    count: int = 1
    """Number of processes."""
    local: int = 0
    """Number of this process on its machine, and of its GPU."""

    @property
    def first(self) -> bool:
        """Whether this is the rank that validates and writes."""
        return self.rank == 0

    def seed(self, seed: int) -> int:
        """A different seed for every rank, so that each draws other samples."""
        return seed + 100_003 * self.rank

    def wait(self) -> None:
        """Wait until all ranks are here."""
        if self.count > 1:
            distributed.barrier()

    def agree(self, elapsed: float, stopping: bool, device: torch.device) -> tuple[float, bool]:
        """The clock of rank 0, which sets the learning rate and ends the run, and whether any rank was told to stop."""
        if self.count == 1:
            return elapsed, stopping
        said = torch.tensor([elapsed if self.first else 0.0, float(stopping)], dtype=torch.float64, device=device)
        distributed.all_reduce(said)
        return float(said[0]), bool(said[1])


@contextmanager
def join(device: str) -> Iterator[Ranks]:
    """Join the ranks that torch's launcher started, for as long as the context lasts; NCCL for CUDA, gloo on the CPU."""
    if "WORLD_SIZE" not in os.environ or "RANK" not in os.environ:
        yield Ranks()
        return
    ranks = Ranks(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ.get("LOCAL_RANK", "0")))
    if device == "cuda":
        if ranks.local >= torch.cuda.device_count():
            raise InputError(f"{ranks.local + 1} processes need as many GPUs: torch sees {torch.cuda.device_count()}")
        torch.cuda.set_device(ranks.local)
    distributed.init_process_group("nccl" if device == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield ranks
    finally:
        distributed.destroy_process_group()


def share_weights(model: nn.Module) -> None:
    """Give all ranks the parameters and buffers of rank 0."""
    if distributed.is_initialized():
        for tensor in model.state_dict().values():
            distributed.broadcast(tensor, 0)


def average_gradients(parameters: Iterable[nn.Parameter], loss: Tensor) -> Tensor:
    """Replace gradients by their mean over ranks, equal on all to the last bit, and return the mean loss.

    A parameter without a gradient on any rank keeps None. What is not finite on one rank is not finite on all.
    """
    if not distributed.is_initialized():
        return loss
    parameters = list(parameters)
    held = torch.tensor([float(p.grad is not None) for p in parameters], device=loss.device)
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([part.flatten() for part in parts] + [held, loss.detach().reshape(1)])
    distributed.all_reduce(flat)
    sizes = [p.numel() for p in parameters]
    *sums, held, total = torch.split(flat, [*sizes, len(held), 1])
    for parameter, values, holders in zip(parameters, sums, held.tolist(), strict=True):
        parameter.grad = (values / distributed.get_world_size()).view_as(parameter) if holders else None
    mean: Tensor = total[0] / distributed.get_world_size()
    return mean
