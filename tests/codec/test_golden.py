"""The bitstream must not change by accident.

After an intended change raise the version of the format (not for a new preset: see docs/codec.md), run
`FACEWIRE_REGENERATE_GOLDEN=1 pytest tests/codec/test_golden.py` and commit the new files.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from facewire.codec import (
    PRESETS,
    Motion,
    MotionDecoder,
    MotionEncoder,
    Packing,
    Quantiser,
    SourceFrame,
    Tables,
    read_stream,
    write_stream,
)

GOLDEN = Path(__file__).parent / "golden"
SOURCE = SourceFrame(
    b"\x00golden\xff", 256, 25.0, "webp", b"picture", np.arange(40, dtype=np.int16), np.arange(34, dtype=np.int32), 77
)


def golden_motion() -> np.ndarray:
    """float32 (48, 34) computed in integers, so that no machine's library can change it."""
    state, rows = 1, list[list[int]]()
    for frame in range(48):
        row = []
        for _ in range(34):
            state = state * 1103515245 + 12345 & 0x7FFFFFFF
            row.append((state >> 16) % 2001 - 1000 if frame % 12 < 8 else 0)
        rows.append(row)
    return (np.cumsum(rows, 0) / 8192).astype(np.float32)


@pytest.mark.parametrize("preset", [preset.name for preset in PRESETS])
def test_bitstream_matches_the_golden_file(tables: Tables, quantiser: Quantiser, preset: str) -> None:
    encoder = MotionEncoder(tables, quantiser, Packing(preset, frames_per_packet=3, redundancy=1))
    packets = []
    for number, row in enumerate(golden_motion()):
        packet = encoder.encode(Motion.from_vector(row), 40 * number + number % 3)
        if packet is not None:
            packets.append(packet)
            encoder.acknowledge(number - 7)
    data = write_stream([SOURCE, *packets])
    decoder = MotionDecoder(tables, quantiser)
    frames = [frame for packet in read_stream(data).packets for frame in decoder.decode(packet)]
    motion = hashlib.sha256(b"".join(frame.motion.vector().astype("<f4").tobytes() for frame in frames)).hexdigest()
    text = f"{motion}\n" + "\n".join(packet.hex() for packet in packets) + f"\n{data.hex()}\n"
    path = GOLDEN / f"{preset}.txt"
    if os.environ.get("FACEWIRE_REGENERATE_GOLDEN") == "1":
        path.write_text(text)
    assert path.read_text() == text
