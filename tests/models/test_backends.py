"""All backends agree with the reference in pictures, numbers and errors."""

import importlib.util
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from facewire.codec import Motion, turn
from facewire.errors import InputError, WeightsError
from facewire.models import backends
from facewire.models.bundle import load_bundle
from facewire.models.config import AUTOMATIC, BACKENDS
from facewire.models.receiver_networks import sample_volume
from facewire.models.runtime import Drawing, Networks, networks_for_drawing
from facewire.models.torch_backend import Torch

needs_openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="needs OpenVINO")


def test_volume_sampling_agrees_with_grid_sample() -> None:
    torch.manual_seed(0)
    volume, flow = torch.randn(2, 3, 8, 9, 7), torch.randn(2, 3, 5, 4, 6)  # a third of the points lie outside
    wanted = torch.nn.functional.grid_sample(
        volume, flow.permute(0, 2, 3, 4, 1), align_corners=False, padding_mode="border"
    )
    torch.testing.assert_close(sample_volume(volume, flow), wanted, atol=1e-4, rtol=1e-4)


@needs_openvino
def test_openvino_is_imported_without_its_telemetry() -> None:
    check = "import sys, threading; from facewire.models.backends import OpenVino; OpenVino(); " + (
        "print(threading.active_count(), sys.modules['openvino_telemetry'])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "1 None\n"


@needs_openvino
def test_openvino_agrees_with_onnx_runtime(nodding: list[NDArray[np.uint8]]) -> None:
    ours, reference = (Networks(load_bundle(), 1, name) for name in ("openvino", "onnxruntime"))
    (motion, shape), (wanted_motion, wanted_shape) = (n.read(nodding[0]) for n in (ours, reference))
    np.testing.assert_allclose(motion.head(), wanted_motion.head(), atol=1e-4)
    np.testing.assert_allclose(shape, wanted_shape, atol=1e-3)
    scene = np.linspace(-0.05, 0.05, 8, dtype=np.float32)
    for driving in (
        motion,
        turn(Motion(motion.rotation, motion.translation, motion.expression, scene), 0.3, -0.1, 0.1),
    ):
        picture = ours.render(ours.appearance(nodding[0]), shape, motion, driving)
        wanted = reference.render(reference.appearance(nodding[0]), shape, motion, driving)
        difference = np.abs(picture.astype(int) - wanted)
        assert difference.mean() < 0.25, "G may run in bfloat16; the limit is one level"
        assert difference.max() <= 16


@needs_openvino
def test_openvino_serves_several_threads(nodding: list[NDArray[np.uint8]]) -> None:
    networks = Networks(load_bundle(), 1, "openvino")
    wanted = [networks.motion(picture).head() for picture in nodding[:4]]
    found: dict[int, NDArray[np.float32]] = {}

    def read(index: int) -> None:
        for _ in range(5):
            found[index] = networks.motion(nodding[index]).head()

    threads = [threading.Thread(target=read, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(4):
        np.testing.assert_array_equal(found[index], wanted[index])


def scenes(networks: Networks, nodding: list[NDArray[np.uint8]]) -> list[Drawing]:
    """Three pictures of two calls."""
    drawings = []
    for first, *others in ((0, 3, 6), (9, 2)):
        appearance = networks.appearance(nodding[first])
        motion, shape = networks.read(nodding[first])
        drawings += [Drawing(appearance, shape, motion, networks.motion(nodding[other])) for other in others]
    return drawings


@pytest.mark.parametrize("name", [name for name in BACKENDS[1:] if importlib.util.find_spec(name)])
def test_batch_agrees_with_single_pictures(name: str, nodding: list[NDArray[np.uint8]]) -> None:
    networks = Networks(load_bundle(), 1, name)
    drawings = scenes(networks, nodding)
    together = networks.render_many(drawings)
    assert len(together) == 3
    for picture, one in zip(together, drawings, strict=True):
        alone = networks.render(one.appearance, one.canonical, one.source, one.driving)
        assert np.abs(picture.astype(int) - alone).max() <= 1
    assert networks.render_many([]) == []


@pytest.mark.parametrize(("half", "limit"), [(False, 0.01), (True, 0.25)])
def test_torch_agrees_with_onnx_runtime(half: bool, limit: float, nodding: list[NDArray[np.uint8]]) -> None:
    reference, ours = Networks(load_bundle(), 1, "onnxruntime"), Networks(load_bundle(), 1, "torch")
    ours.backend = Torch(half=half)
    drawings = scenes(reference, nodding)
    for picture, wanted in zip(ours.render_many(drawings), reference.render_many(drawings), strict=True):
        assert np.abs(picture.astype(int) - wanted).mean() < limit
    assert (ours.backend.precision == "float32") != half


def test_unknown_backend_error_lists_the_backends() -> None:
    with pytest.raises(InputError, match="openvino, onnxruntime, torch"):
        backends.backend("tensorrt")


def test_call_uses_the_given_number_of_threads(nodding: list[NDArray[np.uint8]]) -> None:
    wanted = Networks(load_bundle(), 1)
    told, chosen = networks_for_drawing(load_bundle(), 2), networks_for_drawing(load_bundle(), None)
    for drawing in scenes(wanted, nodding):
        for networks in (told, chosen):
            picture = networks.render_many([drawing])[0]
            assert np.abs(picture.astype(int) - wanted.render_many([drawing])[0]).max() <= 2


def test_advice_names_only_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime = backends.backend("onnxruntime")
    if onnxruntime.device == "CPU":
        assert "openvino" in backends.advice(onnxruntime)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    if "CUDAExecutionProvider" not in backends._providers():
        assert "facewire[gpu]" in backends.advice(onnxruntime)


def test_missing_backend_error_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'facewire\[openvino\]'"):
        backends.backend("openvino")
    with pytest.raises(WeightsError, match=r"facewire\[cpu\]"):
        backends.backend()


@pytest.mark.parametrize("name", [name for name in AUTOMATIC if importlib.util.find_spec(name)])
def test_broken_graph_error_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "sender.onnx").write_bytes(b"not a graph")
    with pytest.raises(WeightsError, match=r"sender\.onnx cannot be loaded: .+") as error:
        backends.backend(name).load(tmp_path, "sender")
    assert "\n" not in str(error.value)
