"""Files that are whole or not there: written under another name, then renamed. For whoever writes results."""

from __future__ import annotations

import os
from pathlib import Path

from facewire.errors import InputError, reason


def check_output(path: Path, *others: Path) -> None:
    """Raises InputError if no file could be written there, before any work is spent on it.

    others: files of the same run, read or written, which the new one would replace if it had their name.
    """
    folder = path.parent
    try:
        if not folder.is_dir():
            raise InputError(f"{path}: no such folder {folder}")
        longest = os.pathconf(folder, "PC_NAME_MAX")
        if (length := len(os.fsencode(path.name))) > longest:
            raise InputError(f"{path}: the name is too long, {length} bytes; at most {longest} are possible there")
        if path.is_dir():
            raise InputError(f"{path}: is a folder; the name of a file is needed")
        _check_ordinary(path)
    except OSError as error:  # such as a path of more than 4096 bytes
        raise InputError(f"{path}: cannot be written ({reason(error)})") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path}: not allowed to write in {folder}")
    for other in others:
        if same_file(path, other):
            raise InputError(f"{path}: would replace {other}, which this run needs; choose another name")


def same_file(a: Path, b: Path) -> bool:
    """Whether both names are of one file, through links and other spellings too; also of one that is still to be written."""
    try:
        return a.resolve() == b.resolve() or a.samefile(b)
    except (OSError, RuntimeError):  # one is not there, or is a link to itself
        return False


def temporary_path(path: Path) -> Path:
    """Where a file is written until it is whole: beside it, with the same ending and a name that is never too long."""
    return path.with_name(f".facewire-{os.getpid()}-{os.urandom(4).hex()}.part{path.suffix[:16]}")


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file under a temporary name and gives it its own at the end; InputError if that cannot be done."""
    _check_ordinary(path)
    temporary = temporary_path(path)
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({reason(error)})") from error
    finally:
        temporary.unlink(missing_ok=True)


def _check_ordinary(path: Path) -> None:
    """A device or pipe, such as /dev/null, must not be replaced by a file: root is able to."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is no ordinary file; the name of a new or an ordinary file is needed")
