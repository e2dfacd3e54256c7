"""Frames to bytes and back. Pure: nothing here opens a socket, a file or a thread.

The sender's networks produce one `Motion` per frame (`motion`). `Quantiser` turns it into integers, as coarsely as a
`Preset` says (`quantiser`). `MotionEncoder` bundles frames into packets that never depend on a packet that may be lost
(`packets`); `Tables` tells it how likely each integer is (`entropy`), and a range coder writes it (`range_coder`). At the
receiver, `MotionDecoder` does all this in reverse. A `SourceFrame` with the picture goes first (`source`); together with the
packets it makes a `.fw` file (`stream`). Sound has packets of its own (`sound`). `fit_tables` learns the tables from real
motion when a model is trained (`fitting`), `wire_bytes` says what a packet costs on the wire (`wire`), and
`LateAcknowledgements` simulates a round trip (`acknowledgements`).
"""

from facewire.codec.acknowledgements import LateAcknowledgements
from facewire.codec.entropy import Tables, default_tables
from facewire.codec.fitting import fit_tables
from facewire.codec.motion import (
    POSE_SIZE,
    SCENE_SIZE,
    Motion,
    Transfer,
    distance,
    interpolate,
    relative,
    rotation_angles,
    rotation_matrix,
    transform,
    turn,
)
from facewire.codec.packets import DecodedFrame, MotionDecoder, MotionEncoder, Packing, frames_in
from facewire.codec.quantiser import PRESETS, Preset, Quantiser
from facewire.codec.sound import SILENT_DBFS, SoundPacket, decode_sound, encode_silence, encode_speech
from facewire.codec.source import (
    DEFAULT_SOURCES,
    MAX_SOURCE_NUMBER,
    MAX_SOURCES,
    PICTURE_FORMATS,
    SourceFrame,
    decode_source,
    encode_source,
    source_hash,
)
from facewire.codec.stream import Stream, read_stream, write_stream
from facewire.codec.wire import wire_bytes

__all__ = [
    "DEFAULT_SOURCES",
    "MAX_SOURCES",
    "MAX_SOURCE_NUMBER",
    "PICTURE_FORMATS",
    "POSE_SIZE",
    "PRESETS",
    "SCENE_SIZE",
    "SILENT_DBFS",
    "DecodedFrame",
    "LateAcknowledgements",
    "Motion",
    "MotionDecoder",
    "MotionEncoder",
    "Packing",
    "Preset",
    "Quantiser",
    "SoundPacket",
    "SourceFrame",
    "Stream",
    "Tables",
    "Transfer",
    "decode_sound",
    "decode_source",
    "default_tables",
    "distance",
    "encode_silence",
    "encode_source",
    "encode_speech",
    "fit_tables",
    "frames_in",
    "interpolate",
    "read_stream",
    "relative",
    "rotation_angles",
    "rotation_matrix",
    "source_hash",
    "transform",
    "turn",
    "wire_bytes",
    "write_stream",
]
