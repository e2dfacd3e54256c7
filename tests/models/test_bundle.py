"""The packaged weight bundle is small, complete and agrees with torch; broken bundles are refused."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from skimage import data

from facewire.codec import SCENE_SIZE, Tables, turn
from facewire.errors import WeightsError
from facewire.models.bundle import DEFAULT_BUNDLE, WEIGHTS_FILE, load_bundle
from facewire.models.export import export_bundle
from facewire.models.face_codec import FaceCodec, motion_vector
from facewire.models.runtime import Networks


@pytest.fixture(scope="module")
def portrait() -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(data.astronaut()[0:256, 96:352], (256, 256)), np.uint8)


@pytest.fixture(scope="module")
def codec() -> FaceCodec:
    codec = FaceCodec(load_bundle().config).eval()
    tensors = safetensors.torch.load_file(DEFAULT_BUNDLE / WEIGHTS_FILE)
    codec.load_state_dict({n: v.float() for n, v in tensors.items() if not n.startswith("coding.")}, strict=False)
    return codec


def test_packaged_bundle_is_small_and_complete() -> None:
    bundle = load_bundle()
    assert sum(path.stat().st_size for path in DEFAULT_BUNDLE.iterdir()) <= 12_000_000
    assert bundle.steps.shape == (14 + bundle.expression_size,)
    assert Tables.from_bytes(bundle.tables).expression_size == bundle.expression_size


def test_runtime_agrees_with_torch(codec: FaceCodec, portrait: NDArray[np.uint8]) -> None:
    networks = Networks(load_bundle(), threads=1, backend="onnxruntime")
    motion, shape = networks.read(portrait)
    picture = torch.from_numpy(portrait)[None].permute(0, 3, 1, 2).float() / 255
    scene = np.linspace(-0.1, 0.1, SCENE_SIZE, dtype=np.float32)
    driving = replace(turn(motion, 0.3, -0.1, 0.2, (0.1, 0.0, 0.1)), scene=scene)
    frame = networks.render(networks.appearance(portrait), shape, motion, driving)
    with torch.no_grad():
        reading = codec.read(picture)
        arrays = (torch.from_numpy(v)[None] for v in (shape, motion.head(), driving.head(), scene))
        wanted = codec.synthesise(picture, *arrays).frame
    np.testing.assert_allclose(motion_vector(reading)[0].numpy(), motion.head(), atol=1e-4)
    np.testing.assert_allclose(reading.shape[0].numpy(), shape, atol=1e-3)
    difference = np.abs((wanted[0].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy() - frame)
    assert difference.max() <= 2
    assert difference.mean() < 0.05
    assert np.abs(frame.astype(int) - portrait).mean() > 3, "driving by another motion must move the picture"


def test_runtime_does_not_import_torch() -> None:
    code = "import sys, facewire.models.runtime, facewire.models.bundle; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_wrong_picture_raises_value_error(portrait: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"take uint8 \(256, 256, 3\)"):
        Networks(load_bundle()).motion(portrait[:128])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEFAULT_BUNDLE, tmp_path / "bundle"))


def test_missing_bundle_raises_weights_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not a weight bundle"):
        load_bundle(tmp_path)


def test_damaged_weights_raise_weights_error(copy: Path) -> None:
    blob = bytearray((copy / WEIGHTS_FILE).read_bytes())
    blob[-100] ^= 1
    (copy / WEIGHTS_FILE).write_bytes(blob)
    with pytest.raises(WeightsError, match="damaged"):
        load_bundle(copy)


def test_other_format_raises_weights_error(copy: Path) -> None:
    about = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps(about | {"format": 99}))
    with pytest.raises(WeightsError, match="format 99"):
        load_bundle(copy)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}'])
def test_malformed_bundle_json_raises_weights_error(copy: Path, text: str) -> None:
    (copy / "bundle.json").write_text(text)
    with pytest.raises(WeightsError):
        load_bundle(copy)


def test_missing_graph_raises_weights_error(copy: Path) -> None:
    (copy / "sender.onnx").unlink()
    with pytest.raises(WeightsError, match="incomplete"):
        load_bundle(copy)


def test_exchanged_graph_raises_weights_error(copy: Path) -> None:
    (copy / "sender.onnx").write_bytes((copy / "render.onnx").read_bytes())
    with pytest.raises(WeightsError, match=r"sender\.onnx is damaged"):
        load_bundle(copy)


@pytest.mark.slow
def test_exporting_the_packaged_weights_reproduces_the_bundle(codec: FaceCodec, tmp_path: Path) -> None:
    bundle = load_bundle()
    export_bundle(codec, tmp_path / "again", bundle.steps, bundle.canonical_step, bundle.tables, {})
    assert load_bundle(tmp_path / "again").hash == bundle.hash
