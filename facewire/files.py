"""Files that are whole or not there: written under another name, then renamed. For whoever writes results."""

from __future__ import annotations

from pathlib import Path

from facewire.errors import InputError


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file under a temporary name and gives it its own at the end; InputError if that cannot be done."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)
