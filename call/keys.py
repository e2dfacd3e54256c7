"""Keys in the terminal during a call: microphone, camera, free view, end.

`headless` reads single keys, without Enter, where there is a terminal, and applies them to the `Session`.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from math import degrees, radians

from facewire.call.listener import Listener
from facewire.call.session import Session
from facewire.errors import InputError
from facewire.receiver.decoder import FreeView
from facewire.sender.picture_choice import PICTURE_MODES, PictureMode

HELP = "keys: m microphone, c camera, p picture, t write a text, arrows look around, 0 reset view, q end"
STEP_DEGREES = 5.0
MAX_DEGREES = 45.0
"""Further round there is little that the source frame shows."""
_MODES: dict[PictureMode, str] = {
    "auto": "synthesised, or the camera's where motion cannot show what is there",
    "motion": "always synthesised",
    "camera": "always the camera's",
}
ARROWS = {"\x1b[A": (0, 1), "\x1b[B": (0, -1), "\x1b[C": (1, 0), "\x1b[D": (-1, 0)}
"""Arrow keys to steps of yaw and pitch."""
SEND, CANCEL, DELETE = "\r\n", "\x1b", "\x7f\b"


class Keys:
    """Carries out keys. listener: told what changed, in words. view: the angle from which the face is seen at first."""

    def __init__(self, session: Session, listener: Listener | None = None, view: FreeView | None = None) -> None:
        self._session = session
        self._listener = listener or Listener()
        self._view = view or FreeView()
        self._line: str | None = None
        """The text being written; None while keys are commands."""

    @property
    def typing(self) -> bool:
        """A text is being written."""
        return self._line is not None

    @property
    def caption(self) -> str:
        """What the keys do now, for the terminal."""
        return HELP if self._line is None else f"text: {self._line}▏  Enter sends it, Esc does not"

    def press(self, text: str) -> None:
        """Handles one key, or several read at once; unknown ones do nothing."""
        while text:
            key = next((arrow for arrow in ARROWS if text.startswith(arrow)), text[0])
            text = text[len(key) :]
            if self._line is None:
                self._do(key)
            elif key not in ARROWS:
                self._type(self._line, key)

    def _type(self, line: str, key: str) -> None:
        """Goes on with the text being written."""
        if key in SEND or key == CANCEL:
            self._line = None
            if key in SEND and line.strip():
                self._write(line)
        elif key in DELETE:
            self._line = line[:-1]
        elif key.isprintable():
            self._line = line + key

    def _write(self, line: str) -> None:
        try:
            self._session.write(line)
        except InputError as error:
            self._listener.notice(str(error))
        else:
            self._listener.notice(f"you write: {line.strip()}")

    def _do(self, key: str) -> None:
        session = self._session
        if key in ARROWS:
            self._turn(*ARROWS[key])
        elif key == "0":
            self._view = FreeView()
            self._look()
        elif key == "m" and session.ends.sound is not None:
            session.mute(not session.muted)
            self._listener.notice("microphone off" if session.muted else "microphone on")
        elif key == "c" and session.ends.live is not None:
            session.camera(not session.camera_on)
            self._listener.notice("camera on" if session.camera_on else "camera off")
        elif key == "p" and session.ends.live is not None:
            mode = PICTURE_MODES[(PICTURE_MODES.index(session.ends.live.picture_mode) + 1) % len(PICTURE_MODES)]
            session.show(mode)
            self._listener.notice(f"picture: {_MODES[mode]}")
        elif key == "t":
            self._line = ""
        elif key == "q":
            session.end()

    def _turn(self, yaw: int, pitch: int) -> None:
        def step(angle: float, steps: int) -> float:
            return radians(min(max(degrees(angle) + steps * STEP_DEGREES, -MAX_DEGREES), MAX_DEGREES))

        self._view = FreeView(step(self._view.yaw, yaw), step(self._view.pitch, pitch), self._view.roll)
        self._look()

    def _look(self) -> None:
        playout = self._session.ends.playout
        if playout is not None:
            playout.free_view(self._view.yaw, self._view.pitch, self._view.roll)

    @contextlib.contextmanager
    def read(self) -> Iterator[bool]:
        """Reads the terminal while entered, and yields whether there is one. Enter it in the event loop."""
        terminal = _terminal()
        if terminal is None:
            yield False
            return
        import termios
        import tty

        loop = asyncio.get_running_loop()
        decode = codecs.getincrementaldecoder("utf-8")("ignore").decode
        before = termios.tcgetattr(terminal)
        tty.setcbreak(terminal)
        loop.add_reader(terminal, self._read, terminal, decode)
        try:
            yield True
        finally:
            loop.remove_reader(terminal)
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)

    def _read(self, terminal: int, decode: Callable[[bytes], str]) -> None:
        data = os.read(terminal, 64)
        if not data:  # the terminal was closed
            asyncio.get_running_loop().remove_reader(terminal)
        self.press(decode(data))


def _terminal() -> int | None:
    """Standard input, if it is a terminal that this program may read: not when it runs in the background."""
    try:
        descriptor = sys.stdin.fileno()
        if os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp():
            return descriptor
    except (AttributeError, OSError, ValueError):  # missing, closed, or on a system without process groups
        pass
    return None
