"""A seed repeats a run, several processes keep the same weights, and a loss that stays NaN ends a run."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from facewire.errors import FacewireError
from facewire.training.data import open_store
from facewire.training.loop import LoopOptions, train
from facewire.training.receiver_stage import ReceiverStage
from facewire.training.sender_stage import SenderStage
from facewire.training.stage import Stage, StageSetup

CPU = torch.device("cpu")


def stage_of(kind: type[SenderStage | ReceiverStage], clips: Path, cache: Path, seed: int = 3) -> Stage:
    torch.set_num_threads(1)
    store = open_store(clips, cache, "train")
    val = open_store(clips, cache, "val", store.space)
    return kind(StageSetup(store, val, CPU, 1, seed))


def losses_of_run(
    kind: type[SenderStage | ReceiverStage], clips: Path, cache: Path, out: Path, steps: int, seed: int = 3
) -> list[float]:
    """Losses of the first steps of a run with a budget of minutes, which SIGTERM ends."""
    stage = stage_of(kind, clips, cache, seed)
    real, seen = stage.losses, []

    def watched(step: int) -> dict[str, torch.Tensor]:
        losses = real(step)
        seen.append(float(losses["total"].detach()))
        if len(seen) == steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return losses

    stage.losses = watched  # type: ignore[method-assign]
    train(stage, LoopOptions(minutes=60), out, resume=False, log=lambda _: None)
    return seen


@pytest.mark.slow
def test_seed_repeats_a_run(clips: Path, cache: Path, tmp_path: Path) -> None:
    first, second, other = (
        losses_of_run(ReceiverStage, clips, cache, tmp_path / name, 3, seed)
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert first == second
    assert first != other
    assert (tmp_path / "a" / "weights.safetensors").read_bytes() == (
        tmp_path / "b" / "weights.safetensors"
    ).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SenderStage, ReceiverStage])
def test_seed_repeats_a_hundred_steps(
    kind: type[SenderStage | ReceiverStage], clips: Path, cache: Path, tmp_path: Path
) -> None:
    first, second = (losses_of_run(kind, clips, cache, tmp_path / name, 100) for name in "ab")
    assert len(first) == 100
    assert first == second


def test_run_ends_after_the_given_steps(clips: Path, cache: Path, tmp_path: Path) -> None:
    train(stage_of(ReceiverStage, clips, cache), LoopOptions(steps=3), tmp_path, resume=False, log=lambda _: None)
    assert torch.load(tmp_path / "state.pt", weights_only=False)["step"] == 3


@pytest.mark.slow
def test_loss_that_stays_nan_ends_the_run_with_finite_weights(clips: Path, cache: Path, tmp_path: Path) -> None:
    stage = stage_of(ReceiverStage, clips, cache)
    real = stage.losses

    def broken_from_the_third_step(step: int) -> dict[str, torch.Tensor]:
        losses = real(step)
        return losses if step < 2 else losses | {"total": losses["total"] * float("nan")}

    stage.losses = broken_from_the_third_step  # type: ignore[method-assign]
    said: list[str] = []
    with pytest.raises(FacewireError, match=r"not finite 5 times after step 0: .* --rate below 0.001"):
        train(stage, LoopOptions(minutes=60), tmp_path, resume=False, log=said.append)
    assert sum("going back to step 0" in line for line in said) == 5
    weights = safetensors.torch.load_file(tmp_path / "weights.safetensors")
    assert all(torch.isfinite(value).all() for value in weights.values())


RANK_SCRIPT = """
import sys
from pathlib import Path
import torch
from facewire.training.data import open_store
from facewire.training.loop import LoopOptions, train
from facewire.training.ranks import join
from facewire.training.joint_stage import JointStage
from facewire.training.receiver_stage import ReceiverStage
from facewire.training.stage import StageSetup

clips, cache, out = map(Path, sys.argv[1:4])
kind = {"receiver": ReceiverStage, "joint": JointStage}[sys.argv[4]]
torch.set_num_threads(1)
with join("cpu") as ranks:
    assert ranks.count == 2
    store = open_store(clips, cache, "train")
    val = open_store(clips, cache, "val", store.space)
    stage = kind(StageSetup(store, val, torch.device("cpu"), 1, ranks.seed(3)))
    real, losses = stage.losses, []
    def watched(step):
        found = real(step)
        if ranks.rank == 1 and len(losses) == 2:  # only one rank goes wrong, but both must go back
            found["total"] = found["total"] * float("nan")
        losses.append(float(found["total"].detach()))
        return found
    stage.losses = watched
    said = []
    train(stage, LoopOptions(steps=4), out, resume=False, log=said.append, ranks=ranks)
    weights = stage.model.state_dict()
    if kind is JointStage:
        weights |= stage.adversary.networks.state_dict(prefix="adversary.")
    torch.save({"weights": weights, "losses": losses}, out / f"rank{ranks.rank}.pt")
    assert any("going back" in line for line in said) == ranks.first
"""


def torchrun(*command: str) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CI": "1"}
    return subprocess.run(
        [*launcher, *command], capture_output=True, text=True, check=False, env=environment, timeout=300
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["receiver", "joint"])
def test_two_processes_share_weights_but_not_samples(kind: str, clips: Path, cache: Path, tmp_path: Path) -> None:
    open_store(clips, cache, "val", open_store(clips, cache, "train").space)
    script = tmp_path / "ranks.py"
    script.write_text(RANK_SCRIPT)
    result = torchrun(str(script), str(clips), str(cache), str(tmp_path / "run"), kind)
    assert result.returncode == 0, result.stderr
    first, second = (torch.load(tmp_path / "run" / f"rank{rank}.pt", weights_only=False) for rank in (0, 1))
    assert all(torch.equal(value, second["weights"][name]) for name, value in first["weights"].items())
    assert first["losses"][:2] != second["losses"][:2], "both ranks drew the same samples"


@pytest.mark.slow
def test_train_command_runs_under_torchrun(clips: Path, tmp_path: Path) -> None:
    command = ["-m", "facewire", "train", "receiver", "--data", str(clips), "--cache", str(tmp_path / "cache")]
    result = torchrun(*command, "--out", str(tmp_path / "run"), "--steps", "3", "--batch", "1", "--device", "cpu")
    assert result.returncode == 0, result.stderr
    with (tmp_path / "run" / "metrics.csv").open() as file:
        judged = [row[3] for row in csv.reader(file) if row[2] == "val"]
    assert judged.count("psnr") == 1, "only rank 0 writes"
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=False)["step"] == 3
