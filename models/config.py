"""Sizes of the networks, stored in every weight bundle so that weights describe themselves.

A `ModelConfig` comes from a bundle's metadata or from the trainer; `face_codec` builds L, H, Δ, F, M and G from it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the six networks of one model."""

    name: str = "laptop"
    """Name of the size."""
    picture_size: int = 256
    """Side of source and synthesised picture in pixels: the core resolution times 1, 2 or 4."""
    canonical_size: int = 40
    """C: length of the canonical shape code, sent once with the source frame."""
    expression_size: int = 20
    """E: length of the expression code, sent every frame. That of the scene code is `codec.motion.SCENE_SIZE` in all models."""
    volume_channels: int = 16
    """Channels of the appearance volume f_s."""
    volume_depth: int = 8
    """Depth slices of the appearance volume."""
    width_128: int = 24
    """Channels at core resolution 128."""
    width_64: int = 48
    """Channels at 64."""
    width_32: int = 96
    """Channels at 32, where the volume is."""
    motion_width: int = 32
    """Channels of the motion field's 3-D hourglass."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


MODELS = {
    config.name: config
    for config in (
        ModelConfig(),
        ModelConfig(
            name="studio",
            volume_channels=24,
            volume_depth=16,
            width_128=64,
            width_64=128,
            width_32=224,
            motion_width=48,
        ),
    )
}
"""The sizes that are trained, by name: laptop for two CPU cores, studio for a GPU; the sender's networks are the same in both."""

AUTOMATIC = ("openvino", "onnxruntime")
"""Backends that are chosen automatically."""
BACKENDS = ("auto", *AUTOMATIC, "torch")
"""Names of the backends for `--backend`; auto is the fastest of `AUTOMATIC` that is installed."""

CORE = 128
"""The networks' own resolution. A picture of 128·r pixels enters as r² sub-pixel planes and leaves through a pixel shuffle."""
