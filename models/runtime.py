"""The networks at run time on ONNX Runtime: pictures to motion, motion to pictures; no torch.

Comes in: a `Bundle` and uint8 RGB pictures (S, S, 3). Goes out: `codec.Motion` for the sender, synthesised pictures for the
receiver. The torch twin is `models.face_codec`; both agree to within rounding (tests/models).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facewire.codec.motion import Motion
from facewire.errors import WeightsError
from facewire.models.bundle import GRAPHS, Bundle

Picture = NDArray[np.uint8]
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Appearance:
    """What F made of a source frame, as the render graph takes it; opaque to everybody else."""

    arrays: dict[str, Array]


class Networks:
    """L, H, Δ (`read`), F (`appearance`) and M, G (`render`) of one bundle; sessions start when first used.

    threads: CPU threads of each graph; ONNX Runtime's choice when None.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise WeightsError(
                "no ONNX Runtime here: pip install 'facewire[cpu]', or 'facewire[gpu]' for CUDA (one of them, never both)"
            ) from None
        self.bundle = bundle
        self._options = onnxruntime.SessionOptions()
        self._options.log_severity_level = 3
        # Spinning threads take the cores that sound, capture and the other direction need; on busy cores they cost double.
        self._options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads is not None:
            self._options.intra_op_num_threads = threads
        available = onnxruntime.get_available_providers()
        self.providers = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in available]
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    def _run(self, graph: str, feeds: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        import onnxruntime

        if graph not in self._sessions:
            assert graph in GRAPHS
            path = self.bundle.folder / f"{graph}.onnx"
            try:
                session = onnxruntime.InferenceSession(str(path), self._options, providers=self.providers)
            except Exception as error:  # ONNX Runtime raises its own classes for missing, broken and foreign files
                raise WeightsError(f"{path} cannot be loaded: {str(error).splitlines()[0]}") from None
            self._sessions[graph] = session
        session = self._sessions[graph]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, feeds), strict=True))

    def read(self, picture: Picture) -> tuple[Motion, Array]:
        """Motion of the head in a framed picture, the scene at rest, and its canonical shape code (C,)."""
        size = self.bundle.picture_size
        if picture.shape != (size, size, 3) or picture.dtype != np.uint8:
            raise ValueError(f"picture is {picture.dtype} {picture.shape}; the networks take uint8 ({size}, {size}, 3)")
        out = self._run("sender", {"picture": picture[None]})
        return Motion.from_head(np.asarray(out["motion"][0], np.float32)), np.asarray(out["shape"][0], np.float32)

    def motion(self, picture: Picture) -> Motion:
        """H and Δ on one framed picture."""
        return self.read(picture)[0]

    def canonical(self, picture: Picture) -> Array:
        """L on one framed picture: shape code (C,)."""
        return self.read(picture)[1]

    def appearance(self, picture: Picture) -> Appearance:
        """F on a source frame; once per source."""
        out = self._run("appearance", {"picture": np.ascontiguousarray(picture)[None]})
        return Appearance({name: np.asarray(value, np.float32) for name, value in out.items()})

    def render(self, appearance: Appearance, canonical: Array, source: Motion, driving: Motion) -> Picture:
        """M and G: the source's head moved from `source` to `driving`, and the scene with it, uint8 (S, S, 3).

        canonical: shape code (C,) as it came over the wire, the same on every call for one source.
        """
        feeds: dict[str, NDArray[np.generic]] = dict(appearance.arrays)
        feeds |= {
            "shape": np.asarray(canonical, np.float32)[None],
            "source_motion": source.head()[None],
            "driving_motion": driving.head()[None],
            "scene": np.asarray(driving.scene - source.scene, np.float32)[None],
        }
        return np.asarray(self._run("render", feeds)["frame"][0], np.uint8)
