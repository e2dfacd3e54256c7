"""`import facewire` is the whole public face: complete, sorted, light."""

from __future__ import annotations

import subprocess
import sys

import facewire
from facewire import errors


def test_all_is_sorted_and_complete() -> None:
    names = [name for homes in facewire._HOMES.values() for name in homes]
    assert len(names) == len(set(names))
    assert set(facewire.__all__) == {*names, "__version__"}
    assert facewire.__all__ == sorted(
        facewire.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )


def test_every_name_can_be_imported_and_comes_from_where_it_is_defined() -> None:
    for module, names in facewire._HOMES.items():
        for name in names:
            value = getattr(facewire, name)
            defined_in = getattr(value, "__module__", module)
            assert defined_in == module or defined_in.startswith(f"{module}."), name


def test_every_public_error_is_there() -> None:
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.FacewireError):
            assert name in facewire.__all__


def test_importing_facewire_loads_nothing_else() -> None:
    code = "import sys, facewire; print(*{'numpy', 'cv2', 'av', 'torch', 'aiortc'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_encoding_needs_no_torch_and_no_aiortc() -> None:
    code = "import sys, facewire; facewire.Encoder, facewire.Decoder; print('torch' in sys.modules, 'aiortc' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(facewire, "decode_everything")
