"""Training on a drawn head for a few steps: run, stopped, resumed, and recovered from a loss that is not finite."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from facewire.cli import main
from facewire.errors import InputError
from facewire.models.config import ModelConfig
from facewire.models.face_codec import FaceCodec
from facewire.training.batches import BatchLoader, PairSampler, Rows
from facewire.training.data import open_store
from facewire.training.joint_stage import JointStage
from facewire.training.loop import LoopOptions, train
from facewire.training.receiver_stage import ReceiverStage
from facewire.training.sender_stage import SenderStage
from facewire.training.stage import Stage, StageSetup
from facewire.training.trained import load_weights

CPU = torch.device("cpu")


def stage_of(kind: type[SenderStage | ReceiverStage | JointStage], clips: Path, cache: Path) -> Stage:
    torch.set_num_threads(1)
    store = open_store(clips, cache, "train")
    val = open_store(clips, cache, "val", store.space)
    return kind(StageSetup(store, val, CPU, batch=1, seed=3))


@pytest.mark.parametrize("kind", [SenderStage, ReceiverStage, JointStage])
def test_each_stage_trains_and_writes_its_run_folder(
    kind: type[SenderStage | ReceiverStage | JointStage], clips: Path, cache: Path, tmp_path: Path
) -> None:
    stage = stage_of(kind, clips, cache)
    train(stage, LoopOptions(steps=2), tmp_path, resume=False, log=lambda _: None)
    for name in ("state.pt", "weights.safetensors", "metrics.csv", "curve.png", "strip.png"):
        assert (tmp_path / name).stat().st_size > 0, name
    with (tmp_path / "metrics.csv").open() as file:
        assert any(row[2] == "val" for row in csv.reader(file))
    assert all(torch.isfinite(p).all() for p in stage.model.parameters())


def test_same_seed_gives_the_same_losses(clips: Path, cache: Path) -> None:
    runs = []
    for _ in range(2):
        stage = stage_of(ReceiverStage, clips, cache)
        torch.manual_seed(5)
        runs.append([float(stage.losses(step)["total"].detach()) for step in range(3)])
    assert runs[0] == runs[1]


def test_a_few_steps_lower_the_loss(clips: Path, cache: Path) -> None:
    stage = stage_of(ReceiverStage, clips, cache)
    optimiser = torch.optim.AdamW([p for p in stage.model.parameters() if p.requires_grad], 1e-3)
    indices = stage.sampler.draw(stage.rows)
    stage.sampler.draw = lambda *_: indices  # type: ignore[method-assign]
    losses = []
    for step in range(12):
        loss = stage.losses(step)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-3:]) < sum(losses[:3])


def test_resume_continues_at_the_last_step(clips: Path, cache: Path, tmp_path: Path) -> None:
    train(stage_of(ReceiverStage, clips, cache), LoopOptions(steps=2), tmp_path, resume=False, log=lambda _: None)
    first = torch.load(tmp_path / "state.pt", weights_only=False)
    said: list[str] = []
    train(stage_of(ReceiverStage, clips, cache), LoopOptions(steps=3), tmp_path, resume=True, log=said.append)
    second = torch.load(tmp_path / "state.pt", weights_only=False)
    assert "resumed at step 2" in said[0]
    assert (first["step"], second["step"]) == (2, 3)


def test_resume_without_a_run_raises_input_error(clips: Path, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to resume"):
        train(stage_of(ReceiverStage, clips, cache), LoopOptions(minutes=0.01), tmp_path, resume=True)


def test_resume_as_another_run_is_refused_and_loses_nothing(clips: Path, cache: Path, tmp_path: Path) -> None:
    train(stage_of(SenderStage, clips, cache), LoopOptions(steps=1), tmp_path, resume=False, log=lambda _: None)
    file, other = tmp_path / "state.pt", stage_of(ReceiverStage, clips, cache)

    def refused(words: str) -> None:
        before = file.read_bytes()
        with pytest.raises(InputError, match=words):
            train(other, LoopOptions(steps=2), tmp_path, resume=True, log=lambda _: None)
        assert file.read_bytes() == before

    refused("is of another run: sender --model laptop --size 256, not receiver --model laptop --size 128")
    state = torch.load(file, weights_only=False)
    del state["made_by"]  # as older versions wrote it
    torch.save(state, file)
    refused("does not suit this run .*--model and --size")
    file.write_bytes(file.read_bytes()[:1000])
    refused("is damaged")
    file.write_bytes(b"no state at all")
    refused("is damaged")


def test_nan_loss_returns_to_the_last_snapshot(
    clips: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_of(ReceiverStage, clips, cache)
    real, calls = stage.losses, []

    def sometimes_broken(step: int) -> dict[str, torch.Tensor]:
        losses = real(step)
        calls.append(step)
        if len(calls) == 2:
            losses["total"] = losses["total"] * float("nan")
        return losses

    monkeypatch.setattr(stage, "losses", sometimes_broken)
    said: list[str] = []
    train(stage, LoopOptions(steps=4), tmp_path, resume=False, log=said.append)
    assert any("not finite" in line for line in said)
    assert all(torch.isfinite(p).all() for p in stage.model.parameters())


@pytest.mark.slow
def test_sigterm_saves_a_checkpoint(clips: Path, cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "facewire.cli", "train", "receiver", "--minutes", "30", "--batch", "1"]
    command += ["--data", str(clips), "--cache", str(cache), "--out", str(out), "--validate-every", "0.01"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"CI": "1"})
    deadline = time.monotonic() + 120
    while not (out / "state.pt").is_file() and time.monotonic() < deadline:  # after the first step
        time.sleep(0.1)
    (out / "state.pt").unlink()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    assert (out / "state.pt").is_file()


def test_foreign_or_missing_weights_raise_input_error(clips: Path, cache: Path, tmp_path: Path) -> None:
    stage = stage_of(ReceiverStage, clips, cache)
    safetensors.torch.save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="no weights of this model"):
        load_weights(stage.model, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="no such weights"):
        load_weights(stage.model, tmp_path / "nothing.safetensors")


def test_folder_without_manifest_raises_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.csv"):
        open_store(tmp_path, tmp_path / "cache", "train")


def test_pairs_come_from_one_clip_and_differ_in_pose(clips: Path, cache: Path) -> None:
    store = open_store(clips, cache, "train")
    sampler = PairSampler(store, seed=0, far=1.0)
    drawn = sampler.draw(Rows(50, driving_rows=2))
    clip = [int((store.starts <= i).sum()) for i in drawn.reshape(-1)]
    assert all(a == b == c for a, b, c in zip(clip[::3], clip[1::3], clip[2::3], strict=True))
    apart = abs(store.motion[drawn[:, 1], 0] - store.motion[drawn[:, 0], 0]).mean()
    near = PairSampler(store, seed=0, far=0.0).draw(Rows(50, driving_rows=2))
    assert apart > abs(store.motion[near[:, 1], 0] - store.motion[near[:, 0], 0]).mean()


def test_loader_averages_pictures_and_keeps_labels(clips: Path, cache: Path) -> None:
    store = open_store(clips, cache, "train")
    batch = BatchLoader(store, CPU).load(PairSampler(store, 0).draw(Rows(1)).reshape(-1), 128)
    assert batch.pictures.shape == (2, 3, 128, 128)
    assert float(batch.pictures.max()) <= 1
    assert batch.motion.shape == (2, 26)


def test_resident_store_gives_the_same_batches(clips: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(clips, cache, "train")
    indices = PairSampler(store, 0).draw(Rows(4)).reshape(-1)
    monkeypatch.setattr("facewire.training.batches.UPLOAD_FRAMES", 7)  # several pieces, the last one short
    held = BatchLoader(store, CPU, resident=True)
    assert held.pictures is not None
    assert len(held.pictures) % 7
    assert torch.equal(held.load(indices, 256).pictures, BatchLoader(store, CPU).load(indices, 256).pictures)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (["--batch", "0"], "--batch 0: at least 1"),
        (["--minutes", "nan"], "--minutes nan: a number above 0"),
        (["--steps", "0"], "--steps 0: at least 1"),
        (["--device", "cuda"], "torch sees no CUDA GPU"),
    ],
)
def test_invalid_options_exit_with_a_message(
    option: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "cuda" in option and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert main(["train", "sender", "--data", str(tmp_path), "--out", str(tmp_path / "run"), *option]) == 2
    assert says in capsys.readouterr().err


def test_existing_run_is_not_overwritten(clips: Path, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"")
    with pytest.raises(InputError, match="already holds a run"):
        train(stage_of(ReceiverStage, clips, cache), LoopOptions(minutes=0.01), tmp_path, resume=False)


def test_weights_of_a_larger_picture_size_raise_input_error(clips: Path, cache: Path, tmp_path: Path) -> None:
    large = FaceCodec(ModelConfig(picture_size=256))
    safetensors.torch.save_file(large.state_dict(), tmp_path / "large.safetensors")
    with pytest.raises(InputError, match="not shrink"):
        load_weights(FaceCodec(ModelConfig(picture_size=128)), tmp_path / "large.safetensors")


def test_cache_of_other_clips_raises_input_error(clips: Path, cache: Path, tmp_path: Path) -> None:
    open_store(clips, cache, "train")
    other = tmp_path / "other"
    shutil.copytree(clips, other)
    rows = (other / "manifest.csv").read_text().splitlines()
    (other / "manifest.csv").write_text("\n".join([rows[0], *rows[2:]]) + "\n")
    with pytest.raises(InputError, match="made from other clips"):
        open_store(other, cache, "train")


def test_manifest_without_validation_clips_raises_input_error(clips: Path, tmp_path: Path) -> None:
    shutil.copytree(clips, tmp_path / "data")
    manifest = tmp_path / "data" / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",val,", ",train,"))
    with pytest.raises(InputError, match="no clips of split 'val'"):
        open_store(tmp_path / "data", tmp_path / "cache", "val")


def test_exporting_half_a_model_fails(clips: Path, tmp_path: Path) -> None:
    half = {n: v for n, v in FaceCodec(ModelConfig()).state_dict().items() if not n.startswith("receiver.")}
    safetensors.torch.save_file(half, tmp_path / "weights.safetensors")
    command = [sys.executable, "-m", "facewire.cli", "export", str(tmp_path), "--data", str(clips)]
    result = subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "lacks the receiver weights" in result.stderr
    assert not (tmp_path / "out").exists()
