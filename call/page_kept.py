"""What the page remembers from call to call: name, devices, appearance. Kept by the process: a browser forgets with the port.

`page_call` reads it at the start and writes it when the page says so. A file that cannot be read or written costs only the memory.
"""

from __future__ import annotations

import contextlib
import json
import logging
from pathlib import Path

import platformdirs

from facewire.call.page_messages import KEPT, Keep
from facewire.errors import InputError
from facewire.files import write_whole

_log = logging.getLogger(__name__)


def state_file() -> Path:
    """Where this system keeps the state of a user's programs."""
    return platformdirs.user_state_path("facewire") / "page.json"


class Kept:
    """The remembered values, by their names in `KEPT`; all are texts."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or state_file()
        self.values: dict[str, str] = {}
        with contextlib.suppress(OSError, ValueError, RecursionError):
            read = json.loads(self._file.read_text(encoding="utf-8"))
            if isinstance(read, dict):
                self.values = {name: read[name] for name in KEPT if isinstance(read.get(name), str)}

    def keep(self, message: Keep) -> None:
        if self.values.get(message.what, "") == message.value:
            return
        self.values[message.what] = message.value
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._file, json.dumps(self.values, ensure_ascii=False).encode())
        except (OSError, InputError) as error:
            _log.info("the page's settings are not kept: %s", error)


class NothingKept(Kept):
    """For guests of a gateway, of whom it remembers nothing: their browser does."""

    def __init__(self) -> None:
        self.values = {}

    def keep(self, message: Keep) -> None:
        pass
