"""Every validation clip of the data set, if there is one, decodes to the encoder's motion bit for bit."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np
import pytest

from facewire.codec import Motion, MotionDecoder, MotionEncoder, Packing, Quantiser, Tables
from facewire.models.bundle import load_bundle

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
LATE_FRAMES = 3


@pytest.mark.parametrize(
    ("preset", "every"),
    [("default", 6), *(pytest.param(preset, 1, marks=pytest.mark.slow) for preset in ("high", "default", "lowest"))],
)
def test_validation_clips_decode_to_the_encoders_reconstruction(preset: str, every: int) -> None:
    pytest.importorskip("torch")
    from facewire.training.data import load_labels, read_manifest
    from facewire.training.evaluate_clip import motion_space_of
    from facewire.training.motion_space import project

    bundle = load_bundle()
    space = motion_space_of(None)
    tables, quantiser = Tables.from_bytes(bundle.tables), Quantiser(bundle.steps)
    frames, size = 0, 0
    for row in read_manifest(DATA, "val")[::every]:
        vectors = project(space, load_labels(DATA, row.labels)["landmarks"]).vectors()
        encoder = MotionEncoder(tables, quantiser, Packing(preset), frame_rate=row.fps)
        decoder = MotionDecoder(tables, quantiser, frame_rate=row.fps)
        unacknowledged: deque[int] = deque()
        for number, vector in enumerate(vectors):
            packet = encoder.encode(Motion.from_head(vector), round(1000 * number / row.fps))
            assert packet is not None
            (decoded,) = decoder.decode(packet)
            wanted = encoder.reconstruction(number)
            assert wanted is not None
            np.testing.assert_array_equal(decoded.motion.vector(), wanted.vector())
            frames, size = frames + 1, size + len(packet)
            unacknowledged.append(number)
            if len(unacknowledged) > LATE_FRAMES:
                encoder.acknowledge(unacknowledged.popleft())
    if every > 1:  # the sample decodes; how many bytes its clips take says little about all of them
        assert frames > 1000
        return
    assert frames > 8000
    # Labels jitter more than what the networks read, to which the tables were fitted and which takes 15, 11 and 7 bytes.
    assert size / frames <= {"high": 30, "default": 20, "lowest": 11}[preset]
