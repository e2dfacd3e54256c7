"""CUDA graphs; some tests need a GPU, the others check on any machine what a capture requires."""

import functools
import gc
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.utils._python_dispatch import TorchDispatchMode

from facewire.errors import FacewireError
from facewire.models import cuda_graphs, receiver_networks, sender_networks
from facewire.models.bundle import GRAPHS, load_bundle
from facewire.models.cuda_graphs import Residents, batch_size
from facewire.models.face_codec import FaceCodec
from facewire.models.graphs import GRAPHS as MODULES
from facewire.models.runtime import Drawing, Networks

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


class Seen(TorchDispatchMode):
    """Names of the operators that ran."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@functools.cache
def shapes(size: int) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    bundle = load_bundle()
    one = Networks(bundle, 1).appearance(np.zeros((bundle.picture_size,) * 2 + (3,), np.uint8)).arrays
    numbers = {"shape": bundle.canonical_size, "scene": 8}
    numbers |= dict.fromkeys(("source_motion", "driving_motion"), 6 + bundle.expression_size)
    found = {name: ((size, *array.shape[1:]), torch.float32) for name, array in one.items()}
    found |= {name: ((size, length), torch.float32) for name, length in numbers.items()}
    return found | {"picture": ((size, bundle.picture_size, bundle.picture_size, 3), torch.uint8)}


@pytest.mark.parametrize("name", GRAPHS)
def test_graph_can_be_captured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device without values, reading one back or making a tensor elsewhere fails; neither can be captured."""
    for module in (sender_networks, receiver_networks):
        monkeypatch.setattr(module, "float32_region", lambda like: nullcontext())  # which has no autocast
    codec = FaceCodec(load_bundle().config).to("meta")
    graph = MODULES[name](codec).eval()
    given = [empty(shapes(2)[wanted]) for wanted in graph.inputs]
    with torch.inference_mode(), Seen() as seen:
        made = graph(*given)
    made = made if isinstance(made, tuple) else (made,)
    assert [tensor.shape[0] for tensor in made] == [2] * len(graph.outputs)
    assert not seen.names & {"_local_scalar_dense", "lift_fresh", "nonzero", "masked_select"}


def empty(like: tuple[tuple[int, ...], torch.dtype]) -> torch.Tensor:
    return torch.empty(like[0], dtype=like[1], device="meta")


@given(st.integers(1, 64))
def test_batch_sizes_are_powers_of_two(count: int) -> None:
    size = batch_size(count)
    assert count <= size < 2 * count
    assert size & (size - 1) == 0


def test_array_stays_on_the_device_while_alive() -> None:
    resident = Residents(torch.device("cpu"))
    array = np.arange(6, dtype=np.float32).reshape(1, 6)
    there = resident(array)
    assert resident(array) is there
    np.testing.assert_array_equal(there.numpy(), array)
    other = resident(array.copy())  # dropped at once
    gc.collect()
    assert other is not there
    assert len(resident) == 1
    del array
    gc.collect()
    assert len(resident) == 0


@needs_gpu
@pytest.mark.parametrize("count", [1, 3, 65])
def test_gpu_agrees_with_the_reference(count: int, nodding: list[NDArray[np.uint8]]) -> None:
    reference, ours = Networks(load_bundle(), 1, "onnxruntime"), Networks(load_bundle(), 1, "torch")
    appearance = reference.appearance(nodding[0])
    motion, shape = reference.read(nodding[0])
    motions = [reference.motion(nodding[number % len(nodding)]) for number in range(count)]
    drawings = [Drawing(appearance, shape, motion, driving) for driving in motions]
    for _ in range(2):  # captured, then replayed
        made = ours.render_many(drawings)
        for picture, wanted in zip(made, reference.render_many(drawings), strict=True):
            difference = np.abs(picture.astype(int) - wanted)
            assert difference.mean() < 0.25
            assert difference.max() <= 16


@needs_gpu
def test_full_gpu_raises_facewire_error(monkeypatch: pytest.MonkeyPatch, nodding: list[NDArray[np.uint8]]) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(cuda_graphs, "_Captured", full)
    with pytest.raises(FacewireError, match="no memory left for 1 pictures"):
        Networks(load_bundle(), 1, "torch").motion(nodding[0])
