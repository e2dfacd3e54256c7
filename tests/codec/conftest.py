"""Motion and tables that the codec's tests share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from facewire.codec import SCENE_SIZE, Quantiser, Tables, default_tables

EXPRESSION_SIZE = 20


def _walk(frames: int, seed: int) -> np.ndarray:
    """float32 (frames, 34): a head that drifts around a mean, sometimes still, sometimes fast."""
    rng = np.random.default_rng(seed)
    spread = np.array([0.2] * 3 + [0.12] * 3 + [0.02] * SCENE_SIZE + [0.33] * EXPRESSION_SIZE)
    speed = np.repeat(rng.choice([0.0, 0.05, 0.2], -(-frames // 10)), 10)[:frames]
    values = np.zeros((frames, spread.size))
    for t in range(1, frames):
        values[t] = values[t - 1] * (1 - speed[t] ** 2) + rng.normal(size=spread.size) * spread * speed[t]
    return values.astype(np.float32)


@pytest.fixture(scope="session")
def quantiser() -> Quantiser:
    return Quantiser.default(EXPRESSION_SIZE)


@pytest.fixture(scope="session")
def tables() -> Tables:
    """The default tables with every kind of prediction switched on, computed in integers."""
    plain = default_tables(EXPRESSION_SIZE)
    classes, size = plain.pull.shape
    numbers = (np.arange(classes * size * size) * 2654435761 % 4294967296 >> 24).reshape(classes, size, size)
    cross = np.tril(np.where(numbers % 3 == 0, numbers % 41 - 20, 0), -1).astype(np.int8)
    pull = -(numbers[:, :, 0] % 30).astype(np.int8)
    bias = (numbers[:, :, 1] % 9 - 4).astype(np.int16)
    return Tables(plain.presets, cross, pull, bias, plain.rate, plain.index)


@pytest.fixture(scope="session")
def walk() -> Callable[[int, int], np.ndarray]:
    """A function of a number of frames and a seed: makes a head wander."""
    return _walk


@pytest.fixture(scope="session")
def head_walk() -> np.ndarray:
    return _walk(200, 1)
