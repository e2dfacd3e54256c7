"""What runs a bundle's graphs: ONNX Runtime or OpenVINO, behind one call.

Comes in: a bundle folder and the name of a graph. Goes out: a function from named arrays to named arrays, for `models.runtime`.
`backend` picks the best that is installed: ONNX Runtime where it has CUDA, else OpenVINO, else ONNX Runtime on the CPU.
All give the same pictures to within a level of rounding (tests/models). OpenVINO has no 5-D GridSample and takes a graph of its
own, in which volumes are sampled slice by slice; the weights are the same file.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facewire.errors import InputError, WeightsError

Arrays = dict[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]

BACKENDS = ("auto", "openvino", "onnxruntime")


class Backend(Protocol):
    """One way to run graphs. name: as on the command line. device: what it computes on."""

    name: str
    device: str

    def load(self, folder: Path, graph: str) -> Run:
        """The graph of that name (`bundle.GRAPHS`), ready to run from any thread; WeightsError if it cannot be loaded."""


def backend(name: str = "auto", threads: int | None = None) -> Backend:
    """The backend of that name or, for "auto", the fastest of those installed.

    threads: CPU threads of each graph; the backend's choice when None. InputError for a backend that is not known or not installed,
    WeightsError where none is.
    """
    if name not in BACKENDS:
        raise InputError(f"no backend is called {name!r}; there are {', '.join(BACKENDS)}")
    have = {package for package in BACKENDS if importlib.util.find_spec(package) is not None}
    if name == "openvino" and name not in have:
        raise InputError("OpenVINO is not installed: pip install 'facewire[openvino]'")
    if name == "auto":
        fast = "openvino" in have and not ("onnxruntime" in have and "CUDAExecutionProvider" in _providers())
        name = "openvino" if fast else "onnxruntime"
    if name == "openvino":
        return OpenVino(threads)
    if "onnxruntime" not in have:
        raise WeightsError(
            "no ONNX Runtime here: pip install 'facewire[cpu]', or 'facewire[gpu]' for CUDA (one of them, never both)"
        )
    return OnnxRuntime(threads)


def _providers() -> list[str]:
    import onnxruntime

    available = onnxruntime.get_available_providers()
    return [provider for provider in ("CUDAExecutionProvider", "CPUExecutionProvider") if provider in available]


class OnnxRuntime:
    """ONNX Runtime on CUDA where it has it, else on the CPU."""

    name = "onnxruntime"

    def __init__(self, threads: int | None = None) -> None:
        import onnxruntime

        self._providers = _providers()
        self.device = "CUDA" if "CUDAExecutionProvider" in self._providers else "CPU"
        self._options = onnxruntime.SessionOptions()
        self._options.log_severity_level = 3
        # Spinning threads take the cores that sound, capture and the other direction need; on busy cores they cost double.
        self._options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads is not None:
            self._options.intra_op_num_threads = threads

    def load(self, folder: Path, graph: str) -> Run:
        """See `Backend`."""
        import onnxruntime

        path = folder / f"{graph}.onnx"
        try:
            session = onnxruntime.InferenceSession(str(path), self._options, providers=self._providers)
        except Exception as error:  # ONNX Runtime raises its own classes for missing, broken and foreign files
            raise _unusable(path, error) from None
        names = [output.name for output in session.get_outputs()]
        return lambda feeds: dict(zip(names, session.run(names, feeds), strict=True))


class OpenVino:
    """OpenVINO on the CPU, in float32: left to itself it takes bfloat16 where the processor has it, and a coordinate in
    bfloat16 is off by a pixel.
    """

    name = "openvino"
    device = "CPU"

    def __init__(self, threads: int | None = None) -> None:
        import openvino

        self._core = openvino.Core()
        self._settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = threads

    def load(self, folder: Path, graph: str) -> Run:
        """See `Backend`."""
        path = folder / f"{graph}.onnx"
        try:
            compiled = self._core.compile_model(self._core.read_model(path), "CPU", self._settings)
        except Exception as error:  # as above
            raise _unusable(path, error) from None
        names = [output.get_any_name() for output in compiled.outputs]
        own = threading.local()  # a request is one thread's

        def run(feeds: Arrays) -> Arrays:
            if not hasattr(own, "request"):
                own.request = compiled.create_infer_request()
            results = own.request.infer(feeds)
            return {name: np.asarray(results[name]) for name in names}

        return run


def _unusable(path: Path, error: Exception) -> WeightsError:
    lines = str(error).splitlines() or [type(error).__name__]
    return WeightsError(f"{path} cannot be loaded: {lines[0]}")
