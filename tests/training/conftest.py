"""One folder of synthetic clips for all training tests."""

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
    return _synthetic.make_clips(tmp_path_factory.mktemp("data") / "clips")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trainer's cache for them."""
    return tmp_path_factory.mktemp("cache")
