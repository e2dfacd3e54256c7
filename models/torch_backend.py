"""The networks in torch as one more backend, on an NVIDIA GPU if there is one, and for several calls at once.

It implements `backend_types.Backend` and renders every batch in one run. On a GPU, G runs in bfloat16 and everything that makes
coordinates in float32 (see `models.cuda_graphs`). It needs torch and is only used on request.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import nn

from facewire.models import graphs
from facewire.models.backend_types import Arrays, Run, unusable
from facewire.models.bundle import WEIGHTS_FILE, load_bundle
from facewire.models.cuda_graphs import CudaGraphs
from facewire.models.face_codec import FaceCodec


class Torch:
    """torch on CUDA if it has that, else on the CPU. half: run G in bfloat16; None does so on a GPU only."""

    name = "torch"
    why = "chosen with --backend"

    def __init__(self, threads: int | None = None, half: bool | None = None) -> None:
        self._place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.device = self._place.type.upper()
        self.half = self._place.type == "cuda" if half is None else half
        """G runs in bfloat16."""
        self.precision = "float32, G bfloat16" if self.half else "float32"
        self._codecs: dict[Path, FaceCodec] = {}
        if threads is not None:
            torch.set_num_threads(threads)  # for the whole program: torch has no other way

    def load(self, folder: Path, graph: str) -> Run:
        """See `Backend`."""
        module = self.module(folder, graph)
        if self._place.type == "cuda":
            return CudaGraphs(module, self._place)

        def run(batch: Sequence[Arrays]) -> list[Arrays]:
            if not batch:
                return []
            with torch.inference_mode():
                results = module(
                    *(torch.from_numpy(np.concatenate([one[name] for one in batch])) for name in module.inputs)
                )
            results = results if isinstance(results, tuple) else (results,)
            named = {name: value.numpy() for name, value in zip(module.outputs, results, strict=True)}
            return [{name: value[row : row + 1] for name, value in named.items()} for row in range(len(batch))]

        return run

    def module(self, folder: Path, graph: str) -> graphs.TorchGraph:
        """The graph of that name, on its device; WeightsError if it cannot be loaded."""
        if folder not in self._codecs:
            self._codecs[folder] = self._codec(folder)
        return graphs.GRAPHS[graph](self._codecs[folder]).eval()

    def _codec(self, folder: Path) -> FaceCodec:
        codec = FaceCodec(load_bundle(folder).config)
        try:
            tensors = safetensors.torch.load_file(folder / WEIGHTS_FILE)
            mine = {name: value.float() for name, value in tensors.items() if not name.startswith("coding.")}
            # Only the grids are missing, which the networks make themselves.
            codec.load_state_dict(mine, strict=False)
        except (OSError, RuntimeError, safetensors.SafetensorError) as error:
            raise unusable(folder / WEIGHTS_FILE, error) from None
        codec = codec.to(self._place)
        if self.half:
            generator = codec.receiver.generator
            for layer in generator.modules():
                if isinstance(layer, nn.Conv2d) and layer is not generator.residual_flow:  # it makes coordinates
                    layer.to(torch.bfloat16)  # once, instead of in every picture as autocast does
            half = torch.autocast(self._place.type, torch.bfloat16, cache_enabled=False)
            generator.forward = half(generator.forward)  # type: ignore[method-assign]
        return codec
