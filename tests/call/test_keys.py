"""Keys during a call, and the terminal afterwards."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import termios
from math import radians
from pathlib import Path

import pytest

from facewire.call.keys import MAX_DEGREES, Keys
from facewire.models.runtime import Networks
from facewire.receiver.decoder import FreeView

from .conftest import Call, make_ends, playout_of
from .test_processes import server


def test_keys_switch_microphone_and_camera(call: Call, networks: Networks, voice: Path) -> None:
    session = call.session(call.point.a, make_ends(networks, video=True, sound=voice))
    keys = Keys(session, call.listener)
    keys.press("mc")
    assert (session.muted, session.camera_on) == (True, False)
    keys.press("c?\x1b")
    assert (session.muted, session.camera_on) == (True, True)
    assert call.listener.texts == ["microphone off", "camera off", "camera on"]


def test_arrow_keys_turn_the_view_within_limits(call: Call, networks: Networks) -> None:
    session = call.session(call.point.b, make_ends(networks, shows=True))
    playout = playout_of(session)
    keys = Keys(session, view=FreeView(roll=0.1))
    keys.press("\x1b[C\x1b[C\x1b[A")
    view = playout._decoder.view
    assert (view.yaw, view.pitch, view.roll) == pytest.approx((radians(10), radians(5), 0.1))
    keys.press("\x1b[D" * 50)
    assert playout._decoder.view.yaw == pytest.approx(-radians(MAX_DEGREES))
    keys.press("0")
    assert playout._decoder.view == FreeView()


def test_t_writes_a_text_and_keys_are_letters_meanwhile(call: Call) -> None:
    session = call.session(call.point.a, None)
    keys = Keys(session, call.listener)
    keys.press("t")
    assert keys.typing
    keys.press("mqü\x1b[Ax\x7f👋")
    assert keys.caption == "text: mqü👋▏  Enter sends it, Esc does not"
    keys.press("\r")
    assert [text.text for text in session.texts.waiting] == ["mqü👋"]
    keys.press("tgone\x1bt  \n")
    assert len(session.texts.waiting) == 1
    assert call.listener.texts == ["you write: mqü👋"]
    assert not keys.typing


def test_keys_without_ends_do_nothing(call: Call) -> None:
    session = call.session(call.point.a, None)
    Keys(session, call.listener).press("mc0\x1b[A")
    assert call.listener.texts == []
    assert not session.muted


def test_q_ends_the_call_and_restores_the_terminal() -> None:
    if not shutil.which("setsid"):
        pytest.skip("needs util-linux")
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with server() as (_, url):
        command = ["setsid", "--ctty", "--wait", sys.executable, "-m", "facewire"]
        program = subprocess.Popen(
            [*command, "receive", "room", "--server", url, "--out", "none"],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
        )
        shown = ""
        while "q end" not in shown:
            assert select.select([ours], [], [], 60)[0], "the terminal stays empty"
            shown += os.read(ours, 4096).decode()
        os.write(ours, b"q")
        program.communicate(timeout=60)
    assert program.returncode == 0
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)
