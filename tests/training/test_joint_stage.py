"""The joint stage: noise of the wire, the adversary, and weights of losses."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch.nn import functional

from facewire.codec.quantiser import PRESETS, SCENE_STEP
from facewire.models.config import MODELS
from facewire.models.face_codec import FaceCodec
from facewire.training.adversary import Adversary
from facewire.training.data import open_store
from facewire.training.joint_stage import PRESET_SHARES, JointStage, JointWeights
from facewire.training.stage import StageSetup
from facewire.training.trained import load_weights

CPU = torch.device("cpu")


@pytest.fixture
def stage(clips: Path, cache: Path) -> JointStage:
    torch.set_num_threads(1)
    store = open_store(clips, cache, "train")
    val = open_store(clips, cache, "val", store.space)
    return JointStage(StageSetup(store, val, CPU, 1, 3), JointWeights().changed(["perceptual=0", "identity=0"]))


def test_transmitted_motion_is_rounded_as_by_the_presets(stage: JointStage) -> None:
    torch.manual_seed(0)
    motion = torch.full((4000, 26), 0.5)
    sent, scene = stage.transmitted(motion, torch.full((4000, 8), 0.5))
    error = (sent - motion)[:, :6].abs() / stage.wire.motion[:, :6].amax(0)
    assert error.max() <= 0.5 + 1e-5
    assert error.max() > 0.45
    dropped = (sent[:, 6:] == 0).sum(1)
    assert int(dropped.max()) >= 12
    for preset in PRESETS:
        assert (dropped == 20 - min(preset.coefficients, 20)).any()
    kept = sent[:, 6:] != 0
    assert (kept[:, :-1] | ~kept[:, 1:]).all(), "only a tail may be dropped"
    told = (scene != 0).all(1)
    assert (scene[~told] == 0).all(), "a scene is sent whole or not at all"
    assert 0.8 < told.float().mean() < 0.9
    assert (scene[told] - 0.5).abs().max() <= SCENE_STEP * 2 + 1e-5


def test_scenes_are_measured_against_their_own_source(stage: JointStage) -> None:
    """Of two sources, each followed by itself and by a shifted copy, only the shifted ones have moved."""
    torch.manual_seed(1)
    stage.model.scene.basis[0, 0] = 1
    stage.model.scene.basis[1, 1] = 1
    rooms = functional.interpolate(torch.rand(2, 3, 24, 24), size=128, mode="bicubic").clamp(0, 1)
    pictures = torch.cat([rooms, rooms, rooms.roll(4, 3)])
    codes = stage.scene(pictures, torch.zeros(6, 26), 2)
    assert codes.shape == (4, 8)
    assert codes[:2].abs().max() < 1e-3
    torch.testing.assert_close(codes[2:, 0], torch.full((2,), -4 / 64), atol=0.01, rtol=0)
    assert codes[2:, 1:].abs().max() < 0.01


def test_every_loss_has_a_weight_and_counts(stage: JointStage) -> None:
    losses = stage.losses(0)
    total = sum(getattr(stage.weights, name) * value for name, value in losses.items() if hasattr(stage.weights, name))
    assert torch.allclose(losses["total"], torch.as_tensor(total))
    assert {"feature_matching", "adversarial", "equivariance", "temporal", "rate", "motion_consistency"} <= set(losses)
    losses["total"].backward()
    parts = {name.split(".")[0] for name, p in stage.model.named_parameters() if p.grad is not None and p.grad.any()}
    assert parts == {"sender", "receiver"}


def test_every_preset_is_drawn_in_training() -> None:
    assert PRESET_SHARES.keys() == {preset.name for preset in PRESETS}
    assert sum(PRESET_SHARES.values()) == pytest.approx(1)


def test_zero_weights_disable_the_adversary(stage: JointStage) -> None:
    plain = JointStage(stage.setup, stage.weights.changed(["feature_matching=0", "adversarial=0"]))
    assert plain.adversary is None
    assert "feature_matching" not in plain.losses(0)


def test_malformed_weights_raise_value_error() -> None:
    with pytest.raises(ValueError, match="no loss 'beauty'"):
        JointWeights().changed(["beauty=1"])
    with pytest.raises(ValueError, match="not a number"):
        JointWeights().changed(["frame=much"])


def test_adversary_learns_to_tell_smooth_from_sharp() -> None:
    torch.manual_seed(0)
    adversary = Adversary(CPU)
    sharp = torch.rand(4, 3, 64, 64)
    smooth = torch.full_like(sharp, 0.5)
    first = float(adversary.learn(smooth, sharp))
    for _ in range(60):
        last = float(adversary.learn(smooth, sharp))
    assert last < 0.6 * first
    caught, fooled = adversary.losses(smooth, sharp), adversary.losses(sharp, sharp)
    assert float(caught.adversarial) > float(fooled.adversarial)
    assert float(caught.feature_matching) > 100 * float(fooled.feature_matching)


def test_checkpoint_restores_adversary_and_frozen_sender(stage: JointStage) -> None:
    stage.losses(0)
    state = stage.state_dict()
    other = JointStage(replace(stage.setup, seed=9), stage.weights)
    other.load_state_dict(state)
    assert other.adversary is not None
    assert stage.adversary is not None
    assert other.reader is not None
    for a, b in zip(
        stage.adversary.networks.state_dict().values(), other.adversary.networks.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)
    for key, value in state["reader"].items():
        assert torch.equal(other.reader.state_dict()[key], value)


def test_studio_stays_within_its_size_and_shares_the_sender(tmp_path: Path) -> None:
    torch.manual_seed(0)
    laptop, studio = FaceCodec(MODELS["laptop"]), FaceCodec(MODELS["studio"])
    stored = 2 * sum(p.numel() for p in studio.parameters())
    assert stored < 16 * 2**20
    assert laptop.sender.state_dict().keys() == studio.sender.state_dict().keys()
    about = {"config": json.dumps(MODELS["laptop"].to_dict())}
    safetensors.torch.save_file(laptop.state_dict(), tmp_path / "laptop.safetensors", about)
    assert load_weights(studio, tmp_path / "laptop.safetensors") == {"face", "scene", "sender"}
    for name, value in laptop.sender.state_dict().items():
        assert torch.equal(studio.sender.state_dict()[name], value)
