"""Several calls share networks: each gets its own pictures, in fewer runs than pictures."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from facewire.models import shared
from facewire.models.bundle import load_bundle
from facewire.models.runtime import Drawing, Networks, Picture
from facewire.models.shared import SharedNetworks

CALLS = 4


@pytest.fixture(scope="module")
def drawings(nodding: list[NDArray[np.uint8]]) -> list[Drawing]:
    """One drawing for each call."""
    networks = Networks(load_bundle(), 1)
    found = []
    for number in range(CALLS):
        motion, shape = networks.read(nodding[number])
        found.append(
            Drawing(networks.appearance(nodding[number]), shape, motion, networks.motion(nodding[-1 - number]))
        )
    return found


def draw_at_once(networks: SharedNetworks, drawings: list[Drawing], times: int) -> dict[int, list[Picture | Exception]]:
    """The result of every call's thread."""
    found: dict[int, list[Picture | Exception]] = {number: [] for number in range(len(drawings))}
    start = threading.Barrier(len(drawings))

    def call(number: int) -> None:
        one = drawings[number]
        start.wait()
        for _ in range(times):
            try:
                found[number].append(networks.render(one.appearance, one.canonical, one.source, one.driving))
            except Exception as error:
                found[number].append(error)

    threads = [threading.Thread(target=call, args=(number,)) for number in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return found


@pytest.mark.parametrize("most", [2, 64])
def test_every_caller_gets_its_own_pictures(
    most: int, drawings: list[Drawing], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "MAX_BATCH", most)
    networks = SharedNetworks(load_bundle(), 1)
    found = draw_at_once(networks, drawings, 2)
    for number, wanted in enumerate(Networks(load_bundle(), 1, "torch").render_many(drawings)):
        assert len(found[number]) == 2
        for picture in found[number]:
            assert isinstance(picture, np.ndarray)
            assert np.abs(picture.astype(int) - wanted).max() <= 1
    assert 2 * CALLS / most <= networks.runs < 2 * CALLS


def test_errors_reach_every_caller(drawings: list[Drawing], monkeypatch: pytest.MonkeyPatch) -> None:
    networks = SharedNetworks(load_bundle(), 1)

    def fail(_: Sequence[Drawing]) -> list[Picture]:
        raise MemoryError("no room")

    monkeypatch.setattr(networks, "render_many", fail)
    found = draw_at_once(networks, drawings, 1)
    assert all(isinstance(outcome[0], MemoryError) for outcome in found.values())
    monkeypatch.undo()
    assert isinstance(draw_at_once(networks, drawings[:1], 1)[0][0], np.ndarray)
