"""Files are complete or absent, and only regular files are ever replaced."""

import os
from pathlib import Path

import pytest

from facewire.errors import InputError
from facewire.files import check_output, write_whole


def test_pipe_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="no ordinary file"):
        check_output(pipe)
    with pytest.raises(InputError, match="no ordinary file"):
        write_whole(pipe, b"x")
    assert pipe.is_fifo()


def test_file_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["figures.json"]
