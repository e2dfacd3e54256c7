"""From a trained `FaceCodec` to a weight bundle: one safetensors file, and ONNX graphs that point into it.

The torch model, quantiser steps and probability tables go in; a bundle folder (see `models.bundle`) comes out. Every weight
is stored once, in float16. The graphs reference it as ONNX external data followed by a Cast, which ONNX Runtime folds away
when it loads them. Buffers of the face model and grids stay in float32, which coordinates need.
"""

from __future__ import annotations

import hashlib
import json
import logging
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.external_data_helper
import onnx.numpy_helper
import safetensors.numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from facewire.codec.motion import SCENE_SIZE
from facewire.models.bundle import FORMAT, GRAPHS, WEIGHTS_FILE
from facewire.models.face_codec import FaceCodec
from facewire.models.graphs import AppearanceGraph, RenderGraph, SenderGraph, TorchGraph

OPSET = 20


def export_bundle(
    codec: FaceCodec,
    folder: Path,
    steps: NDArray[np.float32],
    canonical_step: float,
    tables: bytes,
    training: dict[str, Any],
) -> None:
    """Write a bundle folder. training: what bundle.json is to say about how the weights were made."""
    folder.mkdir(parents=True, exist_ok=True)
    codec = codec.eval()
    tensors = {name: _stored(name, value) for name, value in codec.state_dict().items() if value.is_floating_point()}
    tensors |= {
        "coding.steps": np.asarray(steps, np.float32),
        "coding.canonical_step": np.array([canonical_step], np.float32),
        "coding.tables": np.frombuffer(tables, np.uint8),
    }
    codec.load_state_dict(
        {n: torch.from_numpy(v.astype(np.float32)) for n, v in tensors.items() if n in codec.state_dict()}, strict=False
    )
    blob = safetensors.numpy.save(tensors)
    (folder / WEIGHTS_FILE).write_bytes(blob)
    offsets = _offsets(blob)
    s, c, e = codec.config.picture_size, codec.config.canonical_size, codec.config.expression_size
    picture = torch.zeros(1, s, s, 3, dtype=torch.uint8)
    parts = AppearanceGraph(codec)(picture)
    # Two tensors: the exporter would take one tensor passed twice for one input.
    motions = (torch.zeros(1, c), torch.zeros(1, 6 + e), torch.zeros(1, 6 + e), torch.zeros(1, SCENE_SIZE))
    _export(SenderGraph(codec), (picture,), folder / "sender.onnx", offsets)
    _export(AppearanceGraph(codec), (picture,), folder / "appearance.onnx", offsets)
    _export(RenderGraph(codec), (*parts, *motions), folder / "render.onnx", offsets)
    files = [WEIGHTS_FILE, *(f"{graph}.onnx" for graph in GRAPHS)]
    about = {
        "format": FORMAT,
        "sha256": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files},
        "config": codec.config.to_dict(),
        "training": training,
    }
    (folder / "bundle.json").write_text(json.dumps(about, indent=1) + "\n")


def _stored(name: str, value: Tensor) -> NDArray[Any]:
    """Networks in float16; geometry and norm statistics in float32."""
    keep = name.startswith(("face.", "scene.")) or name.endswith(
        ("template", "running_mean", "running_var", "log_sigma", "log_rest")
    )
    array = value.detach().cpu().float().numpy()
    return array if keep else array.astype(np.float16)


def _offsets(blob: bytes) -> dict[str, tuple[int, int, str]]:
    """Offset, length and dtype ("F16" or "F32") of each tensor in a safetensors file."""
    (size,) = struct.unpack("<Q", blob[:8])
    header = json.loads(blob[8 : 8 + size])
    return {
        name: (8 + size + entry["data_offsets"][0], entry["data_offsets"][1] - entry["data_offsets"][0], entry["dtype"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _export(
    module: TorchGraph,
    example: tuple[Tensor, ...],
    path: Path,
    offsets: dict[str, tuple[int, int, str]],
) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own deprecations are not ours to fix
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            module.eval(),
            example,
            dynamo=True,
            optimize=False,  # its optimiser folds norms into weights; ours must stay as stored
            opset_version=OPSET,
            input_names=list(module.inputs),
            output_names=list(module.outputs),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _point_into_weights(model.graph, offsets)
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    onnx.save(model, path)


def _point_into_weights(graph: onnx.GraphProto, offsets: dict[str, tuple[int, int, str]]) -> None:
    """Replace initialisers that are weights by references into the safetensors file, cast to float32 if stored as float16."""
    casts = []
    for tensor in graph.initializer:
        entry = offsets.get(tensor.name)
        if entry is None:
            continue
        offset, length, kind = entry
        name, shape = tensor.name, list(tensor.dims)
        if int(np.prod(shape)) * (2 if kind == "F16" else 4) != length:
            continue
        tensor.Clear()
        tensor.dims.extend(shape)
        tensor.data_type = onnx.TensorProto.FLOAT16 if kind == "F16" else onnx.TensorProto.FLOAT
        tensor.name = f"{name}.stored" if kind == "F16" else name
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", WEIGHTS_FILE), ("offset", str(offset)), ("length", str(length))):
            item = tensor.external_data.add()
            item.key, item.value = key, value
        if kind == "F16":
            casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
