"""The quality sign of the call page: its level, the advice behind it, and the panel of statistics that it opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import expect

from facewire.call.page_messages import CameraSwitch, Keep, Microphone

from .conftest import DENY, Opened, launched, opened
from .scripted import Picture

pytestmark = pytest.mark.asyncio(loop_scope="module")

Trouble = Callable[[Opened], Any]
TROUBLES: list[tuple[Trouble, str, str]] = [
    (lambda page: page.process.figures(loss=0.05), "fair", "Your connection is losing packets: 5.0% of what you send"),
    (lambda page: page.process.figures(loss=0.4), "poor", "Move closer to your router"),
    (lambda page: page.process.figures(concealed=0.1), "fair", "10% of the pictures are filled in"),
    (lambda page: page.process.figures(delay_ms=1620.0), "poor", "1.6 seconds from their camera"),
    (lambda page: page.process.figures(fps=9.0), "fair", "Only 9.0 pictures a second arrive from Grace"),
    (lambda page: page.process.figures(fps=9.0), "fair", "Their camera may be short of light"),
    (lambda page: page.process.figures(slow=True, fps=20.0), "fair", "This computer is slow"),
    (lambda page: page.process.figures(slow=True, fps=4.0), "poor", "Close other programs"),
    (lambda page: page.process.own(camera="no-face"), "fair", "We can’t see your face"),
    (lambda page: page.process.own(camera="camera-lost"), "fair", "Your camera was disconnected"),
    (lambda page: page.process.call(camera="no-face"), "fair", "Ask them to look at the camera"),
    (lambda page: page.process.call(camera="camera-lost"), "fair", "Grace’s camera was disconnected"),
    (lambda page: page.process.call(server=False), "fair", "Lost contact with the server"),
    (lambda page: page.process.call("stalled"), "poor", "Nothing is coming through"),
]


async def test_the_sign_says_how_good_the_call_is_and_what_helps(call_page: Opened) -> None:
    process = call_page.process
    sign = call_page.at("#quality")
    await call_page.camera_is_seen()
    for trouble, level, words in TROUBLES:
        process.phase("lobby")  # forgets what was measured
        process.own()
        await expect(sign).to_be_hidden()
        process.figures()
        process.call()
        await expect(sign).to_have_accessible_name("Call quality: good")
        await expect(call_page.at("#advice-list li")).to_have_count(0)
        trouble(call_page)
        await expect(sign).to_have_accessible_name(f"Call quality: {level}")
        await expect(call_page.at("#advice-list li")).to_have_count(1)
        await expect(call_page.at("#advice-list")).to_contain_text(words)


async def test_the_sign_differs_by_more_than_colour(call_page: Opened) -> None:
    process = call_page.process
    filled = (
        "[...document.querySelectorAll('#quality rect')].filter((bar) => getComputedStyle(bar).fill !== 'none').length"
    )
    for values, bars in (({}, 3), ({"loss": 0.1}, 2), ({"loss": 0.5}, 1)):
        process.call()
        process.figures(**values)
        await call_page.until(f"{filled} === {bars}")


async def test_a_young_call_is_not_judged_and_a_trouble_stays_long_enough_to_be_read(call_page: Opened) -> None:
    process, sign = call_page.process, call_page.at("#quality")
    process.call()
    process.figures(seconds=2.0, loss=0.5)
    await expect(call_page.at("#value-wire")).to_have_text("14 kbps")
    await expect(sign).to_have_attribute("data-level", "good")
    process.figures(loss=0.5)
    await expect(sign).to_have_attribute("data-level", "poor")
    process.figures(seconds=32.0, sent={"payload_kbps": 5.0, "wire_kbps": 99.0, "bytes": 1})
    await expect(call_page.at("#value-wire")).to_have_text("99 kbps")
    await expect(sign).to_have_attribute("data-level", "poor")
    await call_page.page.wait_for_timeout(4100)
    process.figures()
    await expect(sign).to_have_attribute("data-level", "good")


async def test_the_advice_opens_and_closes_by_keyboard(call_page: Opened) -> None:
    page = call_page.page
    call_page.process.call()
    call_page.process.figures()
    await call_page.view("call")
    await call_page.at("#quality").focus()
    await page.keyboard.press("Enter")
    await expect(call_page.at("#advice")).to_be_visible()
    await expect(call_page.at("#advice-fine")).to_have_text("Nothing is wrong.")
    await page.keyboard.press("Tab")
    await expect(call_page.at("#advice-figures")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(call_page.at("#advice")).to_be_hidden()
    await expect(call_page.at("#quality")).to_be_focused()


async def test_the_panel_is_closed_at_first_and_stays_as_it_was_left(call_page: Opened) -> None:
    process, page = call_page.process, call_page.page
    process.call()
    process.figures()
    await call_page.view("call")
    await expect(call_page.at("#rail")).to_be_hidden()
    await call_page.at("#quality").click()
    await page.get_by_role("button", name="Show statistics").last.click()
    await process.hears(Keep("panel", "open"))
    await expect(call_page.at("#rail")).to_be_visible()
    await expect(call_page.at("#advice")).to_be_hidden()
    process.hello["kept"] = {"panel": "open"}
    await page.reload()
    await call_page.view("call")
    await expect(call_page.at("#rail")).to_be_visible()
    await page.keyboard.press("s")
    await process.hears(Keep("panel", "closed"))
    await expect(call_page.at("#rail")).to_be_hidden()


async def test_blocked_devices_are_said_and_their_buttons_ask_again(face: Picture) -> None:
    async for browser in launched(DENY):
        async for page in opened(browser, face):
            page.process.call()
            page.process.figures()
            await page.view("call")
            await page.at("#quality").click()
            await expect(page.at("#advice-list")).to_contain_text(
                "Camera access is blocked: the other person can’t see you"
            )
            await expect(page.at("#advice-list")).to_contain_text("Microphone access is blocked")
            await page.page.keyboard.press("Escape")
            page.process.forget()
            await expect(page.at("#cam")).to_have_accessible_name("Turn camera on")
            await page.at("#cam").click()
            await page.process.hears(CameraSwitch(True))
            await expect(page.at("#mic")).to_have_accessible_name("Unmute")
            await page.at("#mic").click()
            await page.process.hears(Microphone(True))
