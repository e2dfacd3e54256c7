"""The layout of the call page: at every size of window nothing overflows, and nothing covers a face or the label."""

from __future__ import annotations

import pytest
from playwright.async_api import FloatRect, expect

from .conftest import Opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZES = ((320, 568), (390, 844), (640, 360), (844, 390), (1280, 800))
LONG_NAME = "x" * 64
OVERFLOWING = """() => [...document.querySelectorAll('body *')].filter((element) => {
  if (!element.checkVisibility({opacityProperty: true, visibilityProperty: true}) || element.closest('svg')) return false;
  const style = getComputedStyle(element), box = element.getBoundingClientRect();
  if (style.clipPath !== 'none' || !box.width) return false;
  const cut = element.parentElement.closest('.self-picture, .ambient, .rail, .sheet, .advice, .plate, #status-text, .room');
  if (!cut && !element.matches('.ambient') && (box.right > innerWidth + 1 || box.left < -1)) return true;
  return style.overflowX === 'visible' && style.display !== 'inline' && element.scrollWidth > element.clientWidth + 1
    && !element.matches('.round, .beacon, [data-tip]')
    && !element.querySelector('.ambient, .round, .beacon, [data-tip]');
}).map((element) => `${element.tagName} ${element.id} ${element.className}`)"""
"""What is wider than the window, or than its own box without being cut; animated rings and tooltips may be."""


async def box_of(page: Opened, selector: str) -> FloatRect:
    box = await page.at(selector).bounding_box()
    assert box is not None, f"{selector} is not shown"
    return box


async def assert_apart(page: Opened, first: str, second: str, size: str) -> None:
    a, b = await box_of(page, first), await box_of(page, second)
    across = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
    down = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
    assert min(across, down) <= 1, f"{first} and {second} overlap by {across:.0f} x {down:.0f} px at {size}"


@pytest.mark.parametrize("panel", [False, True], ids=["closed", "open"])
async def test_nothing_covers_the_face_or_the_label(call_page: Opened, panel: bool) -> None:
    process, page = call_page.process, call_page.page
    if panel:
        process.hello["kept"] = {"panel": "open"}
        await page.reload()
    process.words()
    process.source()
    process.call(name=LONG_NAME, picture="portrait", camera="no-face", muted=True)
    process.own(camera="no-face")
    process.figures()
    await call_page.view("call")
    await call_page.settled()
    for width, height in SIZES:
        size = f"{width}x{height}, panel {'open' if panel else 'closed'}"
        await page.set_viewport_size({"width": width, "height": height})
        await expect(call_page.at(".banner").first).to_be_visible()
        await call_page.settled()
        await assert_apart(call_page, "#banners", "#portrait", size)
        process.say("view", yaw=-20, pitch=5, roll=0, frontal=False)
        await expect(call_page.at("#gimbal")).to_be_visible()
        await call_page.settled()
        for mark in ("#badge", "#plate"):
            await assert_apart(call_page, "#self", mark, size)
            await assert_apart(call_page, "#gimbal", mark, size)
        await page.keyboard.press("t")
        await expect(call_page.at("#turn-panel")).to_be_visible()
        await call_page.settled()
        await assert_apart(call_page, "#turn-panel", "#portrait", size)
        await expect(call_page.at("#badge")).to_be_in_viewport(ratio=0.99)
        await page.keyboard.press("t")
        process.say("view", yaw=0, pitch=0, roll=0, frontal=False)
        await expect(call_page.at("#gimbal")).to_be_hidden()
        picture = await box_of(call_page, "#portrait")
        assert picture["width"] == pytest.approx(picture["height"], abs=1), size
        assert picture["width"] > (0.35 if panel else 0.5) * min(width, height), size


async def test_a_question_leaves_the_face_free(call_page: Opened) -> None:
    call_page.process.call(name=LONG_NAME)
    call_page.process.recording(there="asking")
    await call_page.view("call")
    for width, height in SIZES:
        await call_page.page.set_viewport_size({"width": width, "height": height})
        await expect(call_page.page.get_by_role("button", name="Allow", exact=True)).to_be_in_viewport(ratio=1)
        await call_page.settled()
        await assert_apart(call_page, "#banners", "#portrait", f"{width}x{height}")


async def test_the_invitation_is_whole(call_page: Opened) -> None:
    call_page.process.call("waiting")
    await call_page.view("call")
    for width, height in SIZES:
        await call_page.page.set_viewport_size({"width": width, "height": height})
        await call_page.settled()
        await expect(call_page.at("#veil-title")).to_be_in_viewport(ratio=1)
        await assert_apart(call_page, "#veil-invite-line", ".dock", f"{width}x{height}")
        await assert_apart(call_page, "#veil-invite-line", "#self", f"{width}x{height}")


async def test_texts_can_be_read_and_written_on_every_screen(call_page: Opened) -> None:
    process, page = call_page.process, call_page.page
    process.source()
    process.call()
    process.texts(*[("own", "word " * 30), ("other", "x" * 90)] * 5)
    await call_page.view("call")
    await call_page.at("#chat-open").click()
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        await call_page.settled()
        size = f"{width}x{height}"
        for part in ("#write-text", "#write-send", "#badge", "#leave"):
            await expect(call_page.at(part)).to_be_in_viewport(ratio=0.99)
        await assert_apart(call_page, "#rail", "#portrait", size)
        await assert_apart(call_page, "#write", ".dock", size)
        assert (await box_of(call_page, "#texts"))["height"] > 40, size
        assert await page.evaluate("(scrollTo(999, 0), scrollX)") == 0, size


async def test_a_long_name_overflows_nowhere(call_page: Opened) -> None:
    await assert_no_overflow(call_page)


async def test_a_long_name_overflows_nowhere_in_german(german_page: Opened) -> None:
    await assert_no_overflow(german_page)


async def assert_no_overflow(call_page: Opened) -> None:
    process, page = call_page.process, call_page.page
    process.hello["room"] = "r" * 40
    await page.reload()
    await call_page.at("#name").fill(LONG_NAME)
    for state in ("lobby", "call", "waiting", "paused", "recorded", "ended"):
        if state == "call":
            process.call(name=LONG_NAME, picture="file", muted=True)
            process.recording(here="asking")
            process.figures(slow=True)
        if state == "waiting":
            process.call("waiting")
        if state == "paused":
            process.call(name=LONG_NAME, camera="paused")
        if state == "recorded":
            process.call(name=LONG_NAME, seconds=3700.0)
            process.recording(there="on")
        if state == "ended":
            process.phase("ended", "other-left", "y" * 200)
        await call_page.view({"lobby": "lobby", "ended": "message"}.get(state, "call"))
        for width, height in SIZES:
            await page.set_viewport_size({"width": width, "height": height})
            await call_page.settled()
            assert await page.evaluate("(scrollTo(999, 0), scrollX)") == 0, f"{state} scrolls sideways at {width} px"
            assert await page.evaluate(OVERFLOWING) == [], f"{state} at {width}x{height}"


@pytest.mark.slow
async def test_the_layout_fits_from_phone_to_wall(call_page: Opened) -> None:
    process, page = call_page.process, call_page.page
    for stage in ("lobby", "call"):
        if stage == "call":
            process.words()
            process.source()
            process.figures()
            process.call(picture="portrait", muted=True)
        await call_page.view(stage)
        for width, height in ((320, 640), (390, 844), (844, 390), (820, 1180), (1024, 700), (1920, 1080), (3840, 2160)):
            await page.set_viewport_size({"width": width, "height": height})
            size = f"{stage} at {width}x{height}"
            assert await page.evaluate("(scrollTo(999, 0), scrollX)") == 0, f"{size} scrolls sideways"
            if stage == "call":
                await expect(call_page.at("#badge")).to_be_in_viewport(ratio=0.99)
                await expect(call_page.at("#leave")).to_be_in_viewport(ratio=0.99)
                box = await call_page.at("#portrait").bounding_box()
                assert box is not None
                assert box["width"] == pytest.approx(box["height"], abs=1), size
                assert box["width"] > 0.3 * min(width, height), size


async def test_the_header_of_a_phone_fits_while_being_recorded(call_page: Opened) -> None:
    process, page = call_page.process, call_page.page
    process.call(name="x" * 64, seconds=3700.0)
    process.recording(there="on")
    await call_page.view("call")
    for width in (320, 390):
        await page.set_viewport_size({"width": width, "height": 700})
        await expect(call_page.at("#recording-mark")).to_be_in_viewport(ratio=1)
        await expect(call_page.at("#settings-open")).to_be_in_viewport(ratio=1)
        boxes = [await call_page.at(name).bounding_box() for name in ("#status", ".tools")]
        assert boxes[0] is not None
        assert boxes[1] is not None
        assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] + 1, f"status and tools overlap at {width} px"
