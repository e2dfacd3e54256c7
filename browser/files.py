"""What a server hands to a browser so that it decodes and draws by itself: scripts, onnxruntime-web, and the weights.

`server` serves these to a page of this machine. Scripts import each other by relative addresses, so `codec/`, `networks/` and
`player/` must be served as neighbours.
"""

from __future__ import annotations

import re
from pathlib import Path

from facewire.errors import InputError

FOLDER = Path(__file__).parent
SCRIPTS = re.compile(r"(codec|networks|player)/[a-z0-9_]{1,60}\.(js|css|svg)")
"""Names under `FOLDER` that may be served."""
RUNTIME_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""What a browser needs of onnxruntime-web."""
BUNDLE_FILES = ("bundle.json", "weights.safetensors", "appearance.onnx", "render.onnx")
"""What it needs of a weight bundle."""
INSTALL = "npm ci --omit=dev --prefix '{}'"
"""The command that gets onnxruntime-web into `FOLDER`."""
CONTENT_TYPES = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "json": "application/json",
    "mjs": "text/javascript",
    "svg": "image/svg+xml",
    "wasm": "application/wasm",
}


def runtime_folder() -> Path:
    """The folder with `RUNTIME_FILES`: a wheel carries it; in a clone npm puts it there. InputError if there is none."""
    for folder in (FOLDER / "runtime", FOLDER / "node_modules/onnxruntime-web/dist"):
        if all((folder / name).is_file() for name in RUNTIME_FILES):
            return folder
    raise InputError(f"onnxruntime-web, which runs the networks in the browser, is not here: {INSTALL.format(FOLDER)}")


def content_type(name: str) -> str:
    """The type of a file by its name, for the header."""
    ending = name.rpartition(".")[2]
    kind = CONTENT_TYPES.get(ending, "application/octet-stream")
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
