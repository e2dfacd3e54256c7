"""The networks in torch as one more backend: on an NVIDIA GPU if there is one, and for several calls at once.

Comes in: a bundle folder. Goes out: what `backends.Backend` promises, with any number of pictures in a batch. G runs in
bfloat16 on a GPU, all that makes coordinates in float32. Needs torch; nothing chooses it unasked.
"""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch

from facewire.models import graphs
from facewire.models.backends import Arrays, Run, unusable
from facewire.models.bundle import WEIGHTS_FILE, load_bundle
from facewire.models.face_codec import FaceCodec


class Torch:
    """torch on CUDA where it has it, else on the CPU. half: G in bfloat16; None for on a GPU only."""

    name = "torch"
    why = "only ever chosen by --backend"
    batches = True

    def __init__(self, threads: int | None = None, half: bool | None = None) -> None:
        self._place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.device = self._place.type.upper()
        self._half = self._place.type == "cuda" if half is None else half
        self.precision = "float32, G bfloat16" if self._half else "float32"
        self._codecs: dict[Path, FaceCodec] = {}
        if threads is not None:
            torch.set_num_threads(threads)  # of the whole program: torch knows no other way

    def load(self, folder: Path, graph: str) -> Run:
        """See `Backend`."""
        if folder not in self._codecs:
            self._codecs[folder] = self._codec(folder)
        module = graphs.GRAPHS[graph](self._codecs[folder]).eval()

        def run(feeds: Arrays) -> Arrays:
            with torch.inference_mode():
                tensors = [torch.from_numpy(feeds[name]).to(self._place, non_blocking=True) for name in module.inputs]
                results = module(*tensors)
            results = results if isinstance(results, tuple) else (results,)
            return {name: value.cpu().numpy() for name, value in zip(module.outputs, results, strict=True)}

        return run

    def _codec(self, folder: Path) -> FaceCodec:
        codec = FaceCodec(load_bundle(folder).config)
        try:
            tensors = safetensors.torch.load_file(folder / WEIGHTS_FILE)
            mine = {name: value.float() for name, value in tensors.items() if not name.startswith("coding.")}
            # What is missing is what the networks make themselves: grids.
            codec.load_state_dict(mine, strict=False)
        except (OSError, RuntimeError, safetensors.SafetensorError) as error:
            raise unusable(folder / WEIGHTS_FILE, error) from None
        codec = codec.to(self._place)
        if self._half:
            generator = codec.receiver.generator
            half = torch.autocast(self._place.type, torch.bfloat16)
            generator.forward = half(generator.forward)  # type: ignore[method-assign]
        return codec
