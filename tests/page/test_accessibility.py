"""axe finds no serious fault in any state of the call page, light or dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Opened

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _axe() -> str:
    package = pytest.importorskip("axe_playwright_python")
    return (Path(str(package.__path__[0])) / "axe.min.js").read_text(encoding="utf-8")


def _talk(page: Opened) -> None:
    page.process.words()
    page.process.source()
    page.process.call(seconds=60)
    page.process.figures()


def _texts(page: Opened) -> None:
    _talk(page)
    page.process.texts(("other", "Can you hear me?"), ("own", "Yes"), ("own", "👋"))


def _first_picture(page: Opened) -> None:
    page.process.call(seconds=0.1, shown=False)
    page.process.source()


def _troubled(page: Opened) -> None:
    _talk(page)
    page.process.call(camera="no-face", picture="portrait", muted=True)
    page.process.own(camera="no-face")
    page.process.recording(there="asking")


def _recording(page: Opened) -> None:
    _talk(page)
    page.process.recording(here="on", seconds=3.0)
    page.process.say("view", yaw=20, pitch=5, roll=0, frontal=True)


STATES: dict[str, tuple[Callable[[Opened], None], str]] = {
    "lobby": (lambda page: None, ""),
    "lobby, no face": (lambda page: page.process.own(camera="no-face"), ""),
    "loading": (lambda page: page.process.phase("loading"), ""),
    "waiting": (lambda page: page.process.call("waiting"), ""),
    "connecting": (lambda page: page.process.call("connecting"), ""),
    "first picture": (_first_picture, ""),
    "call": (_talk, ""),
    "call, statistics": (_talk, "#figures"),
    "call, texts": (_texts, "#chat-open"),
    "call, advice": (_troubled, "#quality"),
    "call, turning": (_recording, "#turn"),
    "call, troubled": (_troubled, ""),
    "stalled": (lambda page: page.process.call("stalled"), ""),
    "camera off": (lambda page: page.process.call(camera="paused"), ""),
    "settings": (_talk, "#settings-open"),
    "shortcuts": (_talk, "#keys-open"),
    "safety words": (_talk, "#words-open"),
    "about the mark": (_talk, "#badge"),
    "before recording": (_talk, "#record"),
    "while recording": (_recording, "#recording-mark"),
    "ended": (lambda page: page.process.phase("ended", "other-left", "the other side left"), ""),
    "versions": (lambda page: page.process.phase("ended", "versions", "protocol 2 there, 1 here"), ""),
    "broken": (lambda page: page.process.phase("broken", "", "no weights"), ""),
}


@pytest.mark.parametrize(
    ("scheme", "states"),
    [
        ("light", ["lobby", "call, advice", "call, statistics", "settings"]),
        pytest.param("light", list(STATES), marks=pytest.mark.slow),
        pytest.param("dark", list(STATES), marks=pytest.mark.slow),
    ],
)
async def test_axe_finds_nothing_serious(call_page: Opened, scheme: str, states: list[str]) -> None:
    assert await serious_faults(call_page, scheme, states) == []


async def test_axe_finds_nothing_serious_in_german(german_page: Opened) -> None:
    assert (
        await serious_faults(german_page, "light", ["lobby", "call, advice", "call, statistics", "settings", "ended"])
        == []
    )


async def serious_faults(call_page: Opened, scheme: str, states: list[str]) -> list[str]:
    page = call_page.page
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    await page.reload()
    await page.evaluate(_axe())
    found: list[str] = []
    for name in states:
        go, press = STATES[name]
        call_page.process.say("view", yaw=0, pitch=0, roll=0, frontal=False)
        call_page.process.recording()
        call_page.process.own()
        go(call_page)
        await page.wait_for_timeout(100)
        if press:
            await call_page.at(press).click()
        await call_page.settled()
        result = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        found += [
            f"{name}: {violation['id']} ({violation['impact']}): {node['html'][:120]} {node['failureSummary'][:300]}"
            for violation in result["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]
        if press:
            toggles = press in ("#turn", "#figures")
            await call_page.at(press).click() if toggles else await page.keyboard.press("Escape")
            await page.evaluate("document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close())")
    return found
