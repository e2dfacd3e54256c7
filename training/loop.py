"""The training loop of all stages, with time budget, averaged weights, checkpoints, curves and recovery from NaN.

`train` runs a `stage.Stage` and leaves a run folder with `state.pt` (to resume), `weights.safetensors` (averaged weights),
`metrics.csv`, `curve.png` and a picture strip.
"""

from __future__ import annotations

import copy
import csv
import json
import math
import pickle
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import safetensors.torch
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from facewire.errors import FacewireError, InputError
from facewire.training.ranks import Ranks, average_gradients, share_weights
from facewire.training.stage import Stage


@dataclass(frozen=True)
class LoopOptions:
    """How long and how fast a stage trains."""

    minutes: float = 60.0
    """Time budget of the stage, including the time before it was resumed."""
    learning_rate: float = 1e-3
    """Peak learning rate, after a warm-up of 100 steps and before a cosine decay over the time budget."""
    clip: float = 1.0
    """Limit of the gradient norm."""
    ema: float = 0.999
    """Decay of the averaged weights, faster during the first steps."""
    weight_decay: float = 1e-4
    """Weight decay of AdamW."""
    validate_every_s: float = 300.0
    """Seconds between validations, each with strip, curve and checkpoint."""
    steps: int | None = None
    """End after this many steps instead. The learning rate then decays over steps, and a run on a CPU is exactly repeatable."""


def train(
    stage: Stage,
    options: LoopOptions,
    out: Path,
    resume: bool,
    log: Callable[[str], None] = print,
    ranks: Ranks | None = None,
) -> None:
    """Run a stage until its time budget is spent or it is stopped by SIGTERM or Ctrl-C, and leave a checkpoint to resume from.

    log: called with lines about the progress. ranks: the processes that train together; all of them call this with the same
    options, and the first one writes. Raises InputError if there is nothing to resume, or what there is does not suit this run, and
    FacewireError if the loss is repeatedly not finite.
    """
    out.mkdir(parents=True, exist_ok=True)
    if not resume and (out / "state.pt").is_file():
        raise InputError(f"{out} already holds a run: continue it with --resume or choose another folder with --out")
    run = _Run(stage, options, out, log, ranks or Ranks())
    if resume:
        run.load()
    previous = {kind: signal.signal(kind, run.stop) for kind in (signal.SIGTERM, signal.SIGINT)}
    try:
        run.loop()
    finally:
        for kind, handler in previous.items():
            signal.signal(kind, handler)
        run.save()


class _Run:
    WARM_UP = 100
    SNAPSHOT_EVERY = 200
    MAX_RETURNS = 5
    """Times that the run returns to one snapshot before it gives up."""

    def __init__(self, stage: Stage, options: LoopOptions, out: Path, log: Callable[[str], None], ranks: Ranks) -> None:
        self.stage, self.options, self.out, self.ranks = stage, options, out, ranks
        self.log = log if ranks.first else lambda _: None
        share_weights(stage.model)
        self.ema = copy.deepcopy(stage.model).eval().requires_grad_(False)
        self.parameters = [p for p in stage.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            self.parameters, options.learning_rate, (0.9, 0.99), weight_decay=options.weight_decay
        )
        self.device = self.parameters[0].device
        self.step, self.elapsed, self.stopping = 0, 0.0, False
        self.returns = 0
        self.snapshot = self.state()

    def state(self) -> dict[str, Any]:
        return copy.deepcopy(
            {
                "made_by": self.stage.run_name(),
                "model": self.stage.model.state_dict(),
                "ema": self.ema.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "stage": self.stage.state_dict(),
                "step": self.step,
                "elapsed": self.elapsed,
            }
        )

    def restore(self, state: dict[str, Any]) -> None:
        self.stage.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.stage.load_state_dict(state["stage"])
        self.step, self.elapsed = int(state["step"]), float(state["elapsed"])

    def load(self) -> None:
        path = self.out / "state.pt"
        if not path.is_file():
            raise InputError(f"nothing to resume in {self.out}: no state.pt; start without --resume")
        try:
            state = torch.load(path, map_location="cpu", weights_only=False)
            made_by = state.get("made_by")  # older files do not say
        except (
            OSError,
            EOFError,
            RuntimeError,
            ValueError,
            AttributeError,
            ImportError,
            pickle.UnpicklingError,
        ) as error:
            raise InputError(f"{path} is damaged ({error}): start anew with another --out") from error
        mine = self.stage.run_name()
        if made_by is not None and made_by != mine:
            raise InputError(
                f"{path} is of another run: {made_by}, not {mine}; resume with the same, or choose another --out"
            )
        try:
            self.restore(state)
        except (KeyError, RuntimeError, ValueError) as error:
            raise InputError(
                f"{path} does not suit this run ({mine}): resume with the stage, --model and --size that it was started with"
            ) from error
        self.snapshot = self.state()
        self.stage.reseed(self.step)
        self.log(f"resumed at step {self.step}, {self.elapsed / 60:.1f} min")

    def save(self) -> None:
        if not self.ranks.first:
            return
        partial = self.out / "state.partial"
        torch.save(self.state(), partial)
        partial.replace(self.out / "state.pt")
        frozen = {
            name
            for name, part in self.stage.model.named_children()
            if not any(p.requires_grad for p in part.parameters()) and any(True for _ in part.parameters())
        }
        state = self.ema.state_dict()
        weights = {name: value.contiguous() for name, value in state.items() if name.split(".")[0] not in frozen}
        about = {"config": json.dumps(self.stage.model.config.to_dict())}
        safetensors.torch.save_file(weights, self.out / "weights.partial", about)
        (self.out / "weights.partial").replace(self.out / "weights.safetensors")

    def stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def rate(self) -> float:
        if self.step < self.WARM_UP:  # by steps only, so that a seed's first steps do not depend on the machine's speed
            return self.options.learning_rate * (self.step + 1) / self.WARM_UP
        return self.options.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.progress())))

    def progress(self) -> float:
        """Spent share of the budget."""
        if self.options.steps is not None:
            return min(1.0, self.step / self.options.steps)
        return min(1.0, self.elapsed / (self.options.minutes * 60))

    def continues(self) -> bool:
        """Whether there is budget left and the run was not stopped, agreed on by all ranks."""
        self.elapsed, self.stopping = self.ranks.agree(self.elapsed, self.stopping, self.device)
        return self.progress() < 1 and not self.stopping

    def loop(self) -> None:
        validated = self.elapsed
        sums: dict[str, float] = {}
        since, rate_start = 0, time.monotonic()
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
            disable=not self.ranks.first,
        ) as bar:
            task = bar.add_task("training", total=1.0, text="")
            while self.continues():
                start = time.monotonic()
                losses = self.one_step()
                self.elapsed += time.monotonic() - start
                if losses is None:
                    continue
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + value
                since += 1
                if self.step % 50 == 0:
                    speed = since * self.stage.samples_per_step / (time.monotonic() - rate_start)
                    mean = {name: value / since for name, value in sums.items()}
                    text = f"step {self.step} loss {mean['total']:.4f} {speed:.1f} samples/s"
                    bar.update(task, completed=self.progress(), text=text)
                    self.write("train", mean | {"samples_per_s": speed, "learning_rate": self.rate()})
                    sums, since, rate_start = {}, 0, time.monotonic()
                if self.elapsed - validated > self.options.validate_every_s:
                    validated = self.elapsed
                    self.validate()
        self.save()  # before the last validation, for which there may be no time
        self.validate()

    def one_step(self) -> dict[str, float] | None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        losses = self.stage.losses(self.step)
        self.optimiser.zero_grad(set_to_none=True)
        losses["total"].backward()
        total = average_gradients(self.parameters, losses["total"])
        norm = nn.utils.clip_grad_norm_(self.parameters, self.options.clip)
        if not torch.isfinite(norm) or not torch.isfinite(total):
            self.go_back()
            return None
        self.optimiser.step()
        self.step += 1
        decay = min(self.options.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(self.ema.state_dict().values(), self.stage.model.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(value, 1 - decay)
                else:
                    mean.copy_(value)
        if self.step % self.SNAPSHOT_EVERY == 0:
            self.snapshot = self.state()
            self.returns = 0
        return {name: float(value.detach()) for name, value in losses.items()}

    def go_back(self) -> None:
        """Return to the last snapshot to continue with other samples; give up if that does not help."""
        self.log(f"step {self.step}: the loss is not finite; going back to step {self.snapshot['step']}")
        elapsed = self.elapsed
        self.restore(self.snapshot)
        self.elapsed = elapsed
        self.returns += 1
        if self.returns >= self.MAX_RETURNS:
            raise FacewireError(
                f"the loss was not finite {self.returns} times after step {self.step}: {self.out} holds that step's weights; "
                f"continue with --resume and a --rate below {self.options.learning_rate:g}, or check clips and labels"
            )

    def validate(self) -> None:
        if not self.ranks.first:
            return
        with torch.no_grad():
            figures = self.stage.validate(self.ema)
            self.stage.strip(self.ema, self.out / "strip.png")
        self.write("val", figures)
        self.log(
            f"{self.elapsed / 60:6.1f} min, step {self.step}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items())
        )
        self.save()
        draw_curve(self.out)

    def write(self, kind: str, figures: dict[str, float]) -> None:
        if not self.ranks.first:
            return
        with (self.out / "metrics.csv").open("a", newline="") as file:
            writer = csv.writer(file)
            for name, value in figures.items():
                writer.writerow([self.step, f"{self.elapsed:.1f}", kind, name, f"{value:.6g}"])


def draw_curve(out: Path) -> None:
    """Plot `metrics.csv` of a run folder as `curve.png`, with a panel for each figure."""
    from matplotlib.figure import Figure

    series: dict[str, list[tuple[float, float]]] = {}
    with (out / "metrics.csv").open(newline="") as file:
        for _, elapsed, kind, name, value in csv.reader(file):
            series.setdefault(f"{kind} {name}", []).append((float(elapsed) / 60, float(value)))
    columns = 4
    figure = Figure(figsize=(16, 3 * math.ceil(len(series) / columns)), layout="constrained")
    for index, (name, points) in enumerate(sorted(series.items())):
        axis = figure.add_subplot(math.ceil(len(series) / columns), columns, index + 1)
        axis.plot(*zip(*points, strict=True))
        axis.set_title(name)
        axis.set_xlabel("minutes")
    figure.savefig(out / "curve.png", dpi=60)
