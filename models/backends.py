"""Running a bundle's graphs with ONNX Runtime or OpenVINO.

A backend takes a bundle folder and the name of a graph, and returns a function from named input arrays to named output arrays,
which `models.runtime` calls. `backend` chooses the fastest that is installed: ONNX Runtime if it has CUDA, else OpenVINO, else ONNX
Runtime on the CPU; `models.torch_backend` is used on request only. All give the same pictures to within a rounding step
(tests/models). `advice` says what would be faster; docs/speed.md has the figures.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from facewire.errors import InputError, WeightsError
from facewire.models.backend_types import Arrays, Backend, Run, unusable
from facewire.models.config import BACKENDS

HALF_PRECISION = "receiver.generator."
"""Weights of the convolutions that may run in bfloat16: those of G, which make colours. Everything that makes coordinates stays in
float32: in bfloat16 a coordinate would be off by a pixel."""


NOTHING_INSTALLED = (
    "nothing is installed that runs the networks: pip install 'facewire[openvino]' or 'facewire[cpu]'; on a machine with CUDA "
    "'facewire[gpu]', never together with 'facewire[cpu]'"
)


def backend(name: str = "auto", threads: int | None = None) -> Backend:
    """The backend of that name or, for "auto", the fastest one installed.

    threads: CPU threads of each graph; None lets the backend choose. Raises InputError for a backend that is unknown or not
    installed, WeightsError if no backend is installed.
    """
    if name not in BACKENDS:
        raise InputError(f"no backend is called {name!r}; there are {', '.join(BACKENDS)}")
    have = {package for package in BACKENDS if importlib.util.find_spec(package) is not None}
    if name == "openvino" and name not in have:
        raise InputError("OpenVINO is not installed: pip install 'facewire[openvino]'")
    if name == "torch":
        if name not in have:
            raise InputError("torch is not installed: pip install 'facewire[train]'")
        from facewire.models.torch_backend import Torch

        return Torch(threads)
    if name == "auto":
        name = "openvino" if "openvino" in have and "CUDAExecutionProvider" not in _providers() else "onnxruntime"
    if name == "openvino":
        return OpenVino(threads)
    if "onnxruntime" not in have:
        raise WeightsError(NOTHING_INSTALLED)
    return OnnxRuntime(threads)


def cpu_backend(threads: int | None = None) -> Backend:
    """A backend for graphs that are too small for a GPU to pay off: ONNX Runtime on the CPU or, if not installed, OpenVINO.

    ONNX Runtime comes first because it loads small graphs faster. Raises WeightsError if neither is installed.
    """
    if importlib.util.find_spec("onnxruntime") is not None:
        return OnnxRuntime(threads, on_cpu=True)
    if importlib.util.find_spec("openvino") is not None:
        return OpenVino(threads)
    raise WeightsError(NOTHING_INSTALLED)


def advice(chosen: Backend) -> str:
    """One line on what to install for more speed than the chosen backend has; empty if nothing is known to help."""
    if chosen.device == "CUDA":
        return ""
    if shutil.which("nvidia-smi") is not None and "CUDAExecutionProvider" not in _providers():
        return "an NVIDIA GPU is here: pip uninstall onnxruntime, then pip install 'facewire[gpu]'"
    if importlib.util.find_spec("openvino") is None:
        return "pip install 'facewire[openvino]': a picture in about half the time or less"
    return "" if chosen.name == "openvino" else "--backend openvino, which is installed"


def _providers() -> list[str]:
    if importlib.util.find_spec("onnxruntime") is None:
        return []
    available = quiet_onnxruntime().get_available_providers()
    return [provider for provider in ("CUDAExecutionProvider", "CPUExecutionProvider") if provider in available]


# On a GPU convolutions would otherwise run in TF32, whose 10 bits of mantissa put a coordinate off by a pixel.
_PROVIDER_OPTIONS = {"CUDAExecutionProvider": {"use_tf32": "0"}}


class OnnxRuntime:
    """ONNX Runtime on CUDA if it has that, else on the CPU."""

    name = "onnxruntime"
    precision = "float32"

    def __init__(self, threads: int | None = None, on_cpu: bool = False) -> None:
        """threads: see `backend`. on_cpu: do not use CUDA even if it is available."""
        onnxruntime = quiet_onnxruntime()
        providers = ["CPUExecutionProvider"] if on_cpu else _providers()
        self._providers = [(name, _PROVIDER_OPTIONS.get(name, {})) for name in providers]
        cuda = "CUDAExecutionProvider" in providers
        self.device = "CUDA" if cuda else "CPU"
        self.why = "CUDA is here" if cuda else "neither CUDA nor OpenVINO is here"
        self._options = onnxruntime.SessionOptions()
        self._options.log_severity_level = 3
        # Spinning threads take cores that sound, capture and the other direction need; on busy cores they cost double.
        self._options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads is not None:
            self._options.intra_op_num_threads = threads

    def load(self, folder: Path, graph: str) -> Run:
        """See `Backend`."""
        onnxruntime = quiet_onnxruntime()
        path = folder / f"{graph}.onnx"
        try:
            session = onnxruntime.InferenceSession(str(path), self._options, providers=self._providers)
        except Exception as error:  # ONNX Runtime raises its own classes for missing, broken and foreign files
            raise unusable(path, error) from None
        names = [output.name for output in session.get_outputs()]
        return lambda batch: [dict(zip(names, session.run(names, feeds), strict=True)) for feeds in batch]


def quiet_onnxruntime() -> Any:
    """The onnxruntime module, imported without its telemetry.

    By default it keeps a device id and a database of events in the home folder, and sends them to Microsoft.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def quiet_openvino() -> Any:
    """The openvino module, imported without its telemetry.

    By default it reports every import to Google Analytics, from a process that one of its threads forks off ours.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


class OpenVino:
    """OpenVINO on the CPU.

    By default it runs whole graphs in bfloat16 if the processor can, coordinates included. Here only the convolutions of G do,
    in half the time.
    """

    name = "openvino"
    device = "CPU"
    why = "the fastest on a CPU, and no CUDA is here"

    def __init__(self, threads: int | None = None) -> None:
        openvino = quiet_openvino()
        self._core = openvino.Core()
        self._half = self._core.get_property("CPU", "INFERENCE_PRECISION_HINT") == openvino.Type.bf16
        self.precision = "float32, G's convolutions bfloat16" if self._half else "float32"
        self._settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            # Otherwise the first thread of every graph is pinned to the first core, for both ends of all calls.
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = threads

    def load(self, folder: Path, graph: str) -> Run:
        """See `Backend`."""
        path = folder / f"{graph}.onnx"
        try:
            model = self._core.read_model(path)
            if self._half:
                _convolve_in_half(model)
            compiled = self._core.compile_model(model, "CPU", self._settings)
        except Exception as error:  # as above
            raise unusable(path, error) from None
        names = [output.get_any_name() for output in compiled.outputs]
        own = threading.local()  # a request belongs to one thread

        def run(feeds: Arrays) -> Arrays:
            if not hasattr(own, "request"):
                own.request = compiled.create_infer_request()
            results = own.request.infer(feeds)
            return {name: np.asarray(results[name]) for name in names}

        return lambda batch: [run(feeds) for feeds in batch]


def _convolve_in_half(model: Any) -> None:
    """Wraps the convolutions of an `openvino.Model` whose weights are `HALF_PRECISION` in conversions to bfloat16 and back."""
    from openvino import opset13 as ops

    for node in model.get_ordered_ops():
        if node.get_type_name() != "Convolution" or not _weight_name(node.input_value(1)).startswith(HALF_PRECISION):
            continue
        picture, weight = (ops.convert(node.input_value(index), "bf16") for index in (0, 1))
        how = node.get_attributes()
        half = ops.convolution(picture, weight, how["strides"], how["pads_begin"], how["pads_end"], how["dilations"])
        result = ops.convert(half, "f32").output(0)
        for follower in node.output(0).get_target_inputs():
            follower.replace_source_output(result)


def _weight_name(value: Any) -> str:
    """Name of the stored tensor from which an `openvino.Output` is made by casts, slices and reshapes."""
    node = value.get_node()
    while node.get_input_size():
        node = node.input_value(0).get_node()
    return str(node.get_friendly_name())
