"""A folder of synthetic clips, shared by all training tests."""

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("synthetic_clips", Path(__file__).parent / "synthetic.py")
assert _spec is not None
assert _spec.loader is not None
_synthetic = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_synthetic)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three training clips and one validation clip of a drawn head."""
    folder: Path = _synthetic.make_clips(tmp_path_factory.mktemp("data") / "clips")
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache for their frames."""
    return tmp_path_factory.mktemp("cache")
