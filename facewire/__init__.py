"""facewire: a two-party video call whose video is not pixels but motion.

    encoder = facewire.Encoder(frame_rate=25)          decoder = facewire.Decoder()
    encoded = encoder.encode(picture, time_ms)  ──►    decoder.receive_source(encoded.source)
                                                       frames = decoder.decode(encoded.packet)
    encoder.acknowledge(number)                 ◄──    decoder.acknowledged
                                                       picture = decoder.render(frames[-1].motion)

`Encoder` turns camera pictures into one source message and then a few bytes per frame; `Decoder` turns these back into pictures.
How the bytes travel is up to you: packets may get lost, arrive late or out of order. `load_networks` chooses weights, threads and
backend for both. `facewire.call` makes calls over WebRTC, `facewire.training` trains the networks, and `facewire.cli` is the
command.

Names are imported when they are first used, so that `import facewire` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from facewire.codec import PRESETS, DecodedFrame, Motion, Packing, Preset, interpolate, relative, turn
    from facewire.errors import DecodeError, FacewireError, InputError, NoFaceError, WeightsError
    from facewire.models.runtime import Networks, load_networks
    from facewire.receiver.decoder import Decoder, FreeView
    from facewire.sender.encoder import Encoded, Encoder

_HOMES = {
    "facewire.codec": (
        "PRESETS",
        "DecodedFrame",
        "Motion",
        "Packing",
        "Preset",
        "interpolate",
        "relative",
        "turn",
    ),
    "facewire.errors": ("DecodeError", "FacewireError", "InputError", "NoFaceError", "WeightsError"),
    "facewire.models.runtime": ("Networks", "load_networks"),
    "facewire.receiver.decoder": ("Decoder", "FreeView"),
    "facewire.sender.encoder": ("Encoded", "Encoder"),
}
"""Where each public name is imported from."""

__all__ = [
    "PRESETS",
    "DecodeError",
    "DecodedFrame",
    "Decoder",
    "Encoded",
    "Encoder",
    "FacewireError",
    "FreeView",
    "InputError",
    "Motion",
    "Networks",
    "NoFaceError",
    "Packing",
    "Preset",
    "WeightsError",
    "__version__",
    "interpolate",
    "load_networks",
    "relative",
    "turn",
]


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            value: object = getattr(import_module(module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'facewire' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
