"""The call page in a real browser, in each of its states, against a scripted process."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, expect

from facewire.call.page_messages import (
    Badge,
    Budget,
    CameraSwitch,
    Consent,
    Invite,
    JoinRoom,
    Keep,
    LeaveRoom,
    Microphone,
    NewSource,
    Offer,
    PictureShown,
    PortraitSwitch,
    Quit,
    Record,
    View,
    Write,
)

from .conftest import ALLOW, DENY, Opened, launched, opened
from .scripted import FIGURES, HELLO, WORDS, Picture

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_lobby_shows_the_framed_preview_and_joins_with_a_name(call_page: Opened) -> None:
    await call_page.camera_is_seen()
    await expect(call_page.at("#lobby-title")).to_have_text("kitchen")
    await expect(call_page.at("#lobby-invite")).to_have_text("facewire call kitchen --server wss://calls.example.org")
    call_page.process.own(framing={"x": 64, "y": 48, "side": 320})
    await call_page.until("document.getElementById('preview-frame').style.width === '50%'")
    await call_page.page.wait_for_timeout(400)  # the square moves smoothly
    square, preview = [await call_page.at(name).bounding_box() for name in ("#preview-frame", "#preview")]
    assert square is not None
    assert preview is not None
    assert square["x"] - preview["x"] == pytest.approx(0.4 * preview["width"], abs=2), "the preview is a mirror"
    assert square["y"] - preview["y"] == pytest.approx(0.1 * preview["height"], abs=2)
    assert square["width"] == pytest.approx(square["height"], abs=1)
    await call_page.at("#name").fill("Ada Lovelace")
    await call_page.at("#join").click()
    await call_page.process.hears(JoinRoom("Ada Lovelace"))
    assert call_page.process.camera_frames > 0
    assert call_page.process.sound_frames > 0


@pytest.mark.slow
async def test_lobby_reports_a_missing_face_and_waits_for_the_networks(call_page: Opened) -> None:
    call_page.process.own(camera="no-face")
    await expect(call_page.at("#preview-note")).to_contain_text("No face found")
    call_page.process.phase("loading")
    await expect(call_page.at("#join")).to_be_disabled()
    call_page.process.phase("lobby")
    await expect(call_page.at("#join")).to_be_enabled()


@pytest.mark.slow
async def test_waiting_shows_the_invitation_and_a_call_the_other_person(call_page: Opened) -> None:
    call_page.process.call("waiting")
    await expect(call_page.at("#veil-title")).to_be_visible()
    await expect(call_page.at("#veil-invite")).to_contain_text("facewire call kitchen")
    await expect(call_page.at("#rail")).to_be_hidden()
    call_page.process.call("connecting")
    await expect(call_page.at("#veil-title")).to_have_text("Connecting…")
    call_page.process.call()
    await expect(call_page.at("#veil")).to_be_hidden()
    await expect(call_page.at("#plate-name")).to_have_text("Grace")
    await call_page.other_is_seen()
    assert await call_page.page.title() == "Grace · facewire"


async def test_the_real_picture_is_shown_first_and_synthesised_ones_carry_the_label(call_page: Opened) -> None:
    call_page.process.call(seconds=0.2, shown=False)
    call_page.process.source()
    await expect(call_page.at("#source-caption")).to_have_css("opacity", "1")
    await expect(call_page.at("#source-caption-time")).to_contain_text(re.compile(r"\d\d:\d\d:\d\d"))
    await expect(call_page.at("#badge")).to_be_hidden()
    call_page.process.call(seconds=1)
    await expect(call_page.at("#source-full")).to_have_css("opacity", "0")
    states: list[dict[str, Any]] = [
        {},
        {"camera": "no-face"},
        {"picture": "portrait"},
        {"picture": "file"},
        {"name": "x" * 64},
    ]
    for state in states:
        call_page.process.call(**state)
        await expect(call_page.at("#badge")).to_be_in_viewport(ratio=1)
        await expect(call_page.at("#badge")).to_have_text("Synthesised from motion")
    await call_page.at("#badge").click()
    await expect(call_page.at("#about")).to_be_visible()
    await expect(call_page.at("#about-caption")).to_contain_text("A real picture")


async def test_camera_pictures_carry_their_own_label(call_page: Opened) -> None:
    process = call_page.process
    process.call(camera="sending", seconds=20.0)
    await expect(call_page.at("#badge")).to_have_text("Synthesised from motion")
    process.call(camera="sending", seconds=20.0, layer="camera")
    await expect(call_page.at("#badge")).to_have_text("Camera picture")
    await expect(call_page.at("#remote")).to_have_attribute("aria-label", "The other person, as their camera sees them")
    process.call(camera="sending", seconds=20.0, layer="motion")
    await expect(call_page.at("#badge")).to_have_text("Synthesised from motion")


async def test_what_is_shown_of_oneself_can_be_held_and_is_said(call_page: Opened) -> None:
    process = call_page.process
    process.call()
    process.own(layer="camera", why="two-faces")
    await expect(call_page.at(".banner")).to_have_text("They see your camera’s picture: there is more than one face.")
    await expect(call_page.at("#self-caption")).to_have_text("Your camera’s picture")
    process.own(why="path")
    await expect(call_page.at(".banner")).to_contain_text("too thin for your camera’s picture")
    process.own()
    await expect(call_page.at(".banner")).to_have_count(0)
    await call_page.at("#settings-open").click()
    await call_page.at("input[name=picture][value=camera]").check(force=True)
    await process.hears(PictureShown("camera"))
    process.say("picture", mode="motion")
    await expect(call_page.at("input[name=picture][value=motion]")).to_be_checked()


async def test_texts_are_written_read_and_answered(call_page: Opened) -> None:
    process, at = call_page.process, call_page.at
    process.call(seconds=60)
    await call_page.view("call")
    process.texts(("other", "Can you hear me?"))
    await expect(at(".banner")).to_contain_text("Grace: Can you hear me?")
    await expect(at("#unread")).to_be_visible()
    assert await at("#chat-open").get_attribute("aria-label") == "Write; 1 unread"
    await at(".banner button").click()
    await expect(at("#write-text")).to_be_focused()
    await expect(at("#unread")).to_be_hidden()
    await expect(at(".banner")).to_have_count(0)
    await call_page.page.keyboard.type("No: mq \u2764")
    await call_page.page.keyboard.press("Enter")
    await process.hears(Write("No: mq \u2764"))
    await expect(at("#write-text")).to_have_value("")
    assert not any(isinstance(message, Microphone) for message in process.heard), "letters are no shortcuts meanwhile"
    process.texts(("other", "Can you hear me?"), ("own", "No"), ("own", "<b>👋</b>"))
    await expect(at("#texts li")).to_have_text(
        [re.compile("Can you hear me.*Grace"), re.compile("No.*You"), "<b>👋</b>On its way"]
    )
    await at(".reaction").first.click()
    await process.hears(Write("👍"))
    await at("#chat-close").click()
    await expect(at("#rail")).to_be_hidden()
    await call_page.page.keyboard.press("s")
    await expect(at("#facts")).to_be_visible()
    await expect(at("#texts")).to_be_hidden()


async def test_new_texts_are_unread_though_old_ones_are_forgotten(call_page: Opened) -> None:
    process, at = call_page.process, call_page.at
    process.call(seconds=60)
    await call_page.view("call")
    process.texts(*[("other", f"text {number}") for number in range(200)])
    await at("#chat-open").click()
    await expect(at("#texts li")).to_have_count(200)
    await at("#chat-close").click()
    await expect(at("#unread")).to_be_hidden()
    process.texts(*[("other", f"text {number}") for number in range(1, 201)], first=1)
    await expect(at("#unread")).to_be_visible()
    await expect(at(".banner")).to_contain_text("text 200")


async def test_all_real_pictures_are_shown_each_with_its_time(call_page: Opened) -> None:
    call_page.process.call(seconds=1)
    call_page.process.source()
    await call_page.view("call")
    await call_page.page.keyboard.press("s")
    await expect(call_page.at("#source-title")).to_have_text("The one real picture")
    await expect(call_page.at("#source-set")).to_be_hidden()
    call_page.process.source(count=3)
    await expect(call_page.at("#source-title")).to_have_text("The 3 real pictures")
    pictures = call_page.at("#source-set img")
    await expect(pictures).to_have_count(3)
    titles = [await pictures.nth(place).get_attribute("title") for place in range(3)]
    assert len(set(titles)) == 3
    assert all(re.search(r"\d\d:\d\d:\d\d", title or "") for title in titles)
    await expect(pictures.nth(2)).to_be_visible()
    assert {"1", "2", "3"} <= set(call_page.process.asked_for)
    loaded = len(call_page.process.asked_for)
    call_page.process.source(count=3)
    call_page.process.call(seconds=3)
    await expect(pictures).to_have_count(3)
    assert len(call_page.process.asked_for) == loaded, "nothing is loaded twice"


async def test_portraits_and_video_files_are_announced(call_page: Opened) -> None:
    call_page.process.source("portrait")
    call_page.process.call(picture="portrait")
    await expect(call_page.at(".banner")).to_contain_text("not on a live camera")
    await call_page.at(".banner button").click()
    await expect(call_page.at(".banner")).to_have_count(0)
    await expect(call_page.at("#plate-kind")).to_have_text("Portrait")
    await expect(call_page.at("#source-text")).to_contain_text("not from a live camera")
    call_page.process.call(picture="file")
    await expect(call_page.at(".banner")).to_contain_text("video file")


async def test_names_are_never_interpreted_as_html(call_page: Opened) -> None:
    name = "<b>&amp;<img src=x onerror=alert(1)>"
    call_page.process.call(name=name, picture="portrait")
    call_page.process.recording(there="asking")
    await expect(call_page.at("#plate-name")).to_have_text(name)
    await expect(call_page.at(".banner.ask")).to_contain_text("<b>&amp;<img src=x")
    assert await call_page.page.locator("main b").count() == 0


async def test_microphone_and_camera_can_be_switched_off_and_on(call_page: Opened) -> None:
    process = call_page.process
    await call_page.camera_is_seen()
    process.call()
    await call_page.view("call")
    await call_page.at("#mic").click()
    await process.hears(Microphone(False))
    await expect(call_page.at("#mic")).to_have_accessible_name("Unmute")
    await call_page.at("#cam").click()
    await process.hears(CameraSwitch(False))
    assert await call_page.page.evaluate("document.getElementById('self-video').srcObject") is None, (
        "the camera's light is off"
    )
    await expect(call_page.at("#self-veil")).to_be_visible()
    await call_page.page.keyboard.press("c")
    await process.hears(CameraSwitch(True))
    await call_page.until("document.getElementById('self-video').videoWidth > 0")
    await call_page.page.keyboard.press("m")
    await process.hears(Microphone(True))


async def test_dragging_turns_the_head_within_limits(call_page: Opened) -> None:
    process, page = call_page.process, call_page.page
    process.call()
    await call_page.view("call")
    await expect(call_page.at("#head")).to_have_attribute("data-turnable", "")
    await call_page.settled()
    box = await call_page.at("#head").bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await page.mouse.move(*middle)
    await page.mouse.down()
    await page.mouse.move(middle[0] + box["width"] / 5, middle[1], steps=4)
    await process.hears(View(-20.0, 0.0, 0.0, False))
    await expect(call_page.at("#gimbal-text")).to_have_text("+20° · 0°")
    await page.mouse.move(middle[0] + 2 * box["width"], middle[1] + 2 * box["height"], steps=4)
    await process.hears(View(-25.0, 20.0, 0.0, False))
    await page.mouse.up()
    await page.keyboard.press("0")
    await process.hears(View(0.0, 0.0, 0.0, False))
    await expect(call_page.at("#gimbal")).to_be_hidden()
    await call_page.at("#head").focus()
    await page.keyboard.press("ArrowLeft")
    await process.hears(View(5.0, 0.0, 0.0, False))
    await page.keyboard.press("ArrowUp")
    await process.hears(View(5.0, -5.0, 0.0, False))


@pytest.mark.slow
async def test_sliders_turn_the_head_and_eye_contact_toggles(call_page: Opened) -> None:
    process, page = call_page.process, call_page.page
    process.call()
    await call_page.view("call")
    await page.keyboard.press("t")
    await call_page.at("#yaw").fill("20")
    await process.hears(View(-20.0, 0.0, 0.0, False))
    await call_page.at("#eye").click()
    await process.hears(View(-20.0, 0.0, 0.0, True))
    process.say("view", yaw=-20, pitch=0, roll=0, frontal=True)
    await expect(call_page.at("#eye")).to_have_attribute("aria-pressed", "true")
    await call_page.at("#turn-reset").click()
    await process.hears(View(0.0, 0.0, 0.0, True))


@pytest.mark.slow
async def test_recording_asks_first_and_shows_a_red_mark(call_page: Opened) -> None:
    process, page = call_page.process, call_page.page
    process.call()
    await call_page.view("call")
    await page.keyboard.press("r")
    await expect(call_page.at("#record-where")).to_contain_text("/home/ada")
    assert Record(True) not in process.heard
    await call_page.at("#record-start").click()
    await process.hears(Record(True))
    process.recording(here="asking")
    await expect(call_page.at(".banner")).to_contain_text("Asking Grace whether you may record")
    process.recording(here="on", seconds=12.0)
    await expect(call_page.at("#recording-mark")).to_contain_text(re.compile(r"Recording 0:1\d"))
    assert (await page.title()).startswith("●")
    await call_page.at("#record").click()
    await process.hears(Record(False))
    process.recording(here="off", file="/home/ada/kitchen.mp4")
    await expect(call_page.at(".banner")).to_contain_text("/home/ada/kitchen.mp4")
    process.recording(here="refused")
    await expect(call_page.at(".banner")).to_contain_text("doesn’t want to be recorded")
    process.recording(here="unable")
    await expect(call_page.at(".banner")).to_contain_text("their program runs without a page")


async def test_being_recorded_needs_consent_that_can_be_withdrawn(call_page: Opened) -> None:
    process = call_page.process
    process.call()
    process.recording(there="asking")
    await call_page.page.get_by_role("button", name="Don’t allow").click()
    await process.hears(Consent(False))
    process.recording(there="off")
    process.recording(there="asking")
    await call_page.page.get_by_role("button", name="Allow", exact=True).click()
    await process.hears(Consent(True))
    process.forget()
    process.recording(there="on")
    await call_page.at("#recording-mark").click()
    await call_page.at("#stop-recording").click()
    await process.hears(Consent(False))


async def test_a_server_in_between_is_said_and_kept_out_of_the_safety_words(call_page: Opened) -> None:
    call_page.process.call(through="calls.example.org")
    call_page.process.words()
    await expect(call_page.at("#banners")).to_contain_text("calls.example.org, which sees and hears everything")
    await call_page.at("#banners button").click()
    await expect(call_page.at("#banners")).not_to_contain_text("calls.example.org")
    await call_page.at("#words-open").click()
    await expect(call_page.at("#words-how")).to_contain_text("the words say nothing about that")


async def test_a_link_is_made_where_the_server_is_a_gateway(call_page: Opened) -> None:
    process = call_page.process
    await expect(call_page.at("#lobby-invite-make")).to_be_hidden()
    process.say("invitation", link=None)
    await call_page.at("#lobby-invite-make").click()
    await process.hears(Invite())
    process.say("invitation", link="https://calls.example.org/j#x3Fq-8sV1LbA")
    await expect(call_page.at("#lobby-invite")).to_have_text("https://calls.example.org/j#x3Fq-8sV1LbA")
    await expect(call_page.at("#lobby-invite-label")).to_contain_text("calls.example.org, which sees and hears it")
    await expect(call_page.at("#lobby-invite-make")).to_be_hidden()
    process.say("invitation", link=None)
    process.call("waiting")
    await call_page.at("#veil-invite-make").click()
    process.say("invitation", link="https://calls.example.org/j#x3Fq-8sV1LbA")
    await expect(call_page.at("#veil-invite")).to_have_text("https://calls.example.org/j#x3Fq-8sV1LbA")
    await expect(call_page.at("#veil-text")).to_contain_text("for one person, within a day")


async def test_a_portrait_is_uploaded_or_refused_with_a_reason(call_page: Opened, face: Picture) -> None:
    process = call_page.process
    file = io.BytesIO()
    Image.fromarray(face).save(file, "png")
    picture = {"name": "portrait.png", "mimeType": "image/png", "buffer": file.getvalue()}
    process.refuse_portraits = True
    async with call_page.page.expect_file_chooser() as choosing:
        await call_page.at("label:has(#appear-portrait)").click()
    await (await choosing.value).set_files(picture)  # type: ignore[arg-type]
    await expect(call_page.at("#appear-note")).to_contain_text("No face was found")
    await expect(call_page.at("#appear-self")).to_be_checked()
    assert "400" in call_page.errors.pop()  # the console reports the refusal itself
    process.refuse_portraits = False
    await call_page.at("#portrait-file").set_input_files(picture)  # type: ignore[arg-type]
    await process.hears(PortraitSwitch(True))
    assert process.portraits == [file.getvalue()]
    await expect(call_page.at("#appear-portrait")).to_be_checked()
    process.call()
    await expect(call_page.at("#self-portrait")).to_be_visible()


@pytest.mark.slow
async def test_savings_are_plotted_against_h264(call_page: Opened) -> None:
    process, page = call_page.process, call_page.page
    process.call()
    await call_page.view("call")
    await page.keyboard.press("s")
    process.figures(seconds=1.0, h264=None)
    await expect(call_page.at("#savings-factor")).to_have_text("Measuring…")
    for moment in range(2, 20):
        process.figures(seconds=float(moment))
    await expect(call_page.at("#savings-factor")).to_have_text("12× less")
    await expect(call_page.at("#value-h264")).to_have_text("164 kbps")
    await expect(call_page.at("#value-wire")).to_have_text("14 kbps")
    await expect(call_page.at("#value-payload")).to_have_text("5.1 kbps")
    await expect(call_page.at("#plot")).to_have_accessible_name(re.compile("14 kbps.*164 kbps"))
    canvas = await call_page.at("#plot").screenshot()
    pixels = np.asarray(Image.open(io.BytesIO(canvas)).convert("RGB")).reshape(-1, 3).astype(int)
    orange = (pixels[:, 0] > pixels[:, 2] + 60).sum()
    assert orange > 30, "the curve of H.264"
    process.figures(seconds=60.0, h264=FIGURES["h264"] | {"wire_kbps": 12.0})
    await expect(call_page.at("#savings-factor")).to_have_text("No saving right now")
    await page.keyboard.press("s")
    await expect(call_page.at("#rail")).to_be_hidden()


async def test_a_missing_picture_is_explained(call_page: Opened) -> None:
    for other, words in (
        ({"shown": False}, "Grace is here"),
        ({"state": "stalled"}, "Reconnecting…"),
        ({"camera": "paused"}, "Grace has their camera off"),
        ({"camera": "none", "sends_video": False}, "Grace has no camera"),
    ):
        call_page.process.call(**other)
        await expect(call_page.at("#veil-title")).to_have_text(words)
        await expect(call_page.at("#veil")).to_be_visible()


async def test_problems_are_shown_as_banners(call_page: Opened) -> None:
    process = call_page.process
    process.call(camera="no-face")
    process.own(camera="no-face")
    process.figures(slow=True)
    await expect(call_page.at(".banner")).to_have_count(3)
    await expect(call_page.at("#banners")).to_contain_text("This computer is slow")
    process.own()
    process.figures()
    process.call(server=False)
    await expect(call_page.at(".banner")).to_have_count(1)
    await expect(call_page.at(".banner")).to_contain_text("Lost contact with the server")


async def test_what_is_said_is_true_of_the_state(call_page: Opened) -> None:
    process = call_page.process
    await call_page.camera_is_seen()
    process.call("waiting")
    process.figures(slow=True)
    await call_page.view("call")
    await expect(call_page.at("#status")).to_have_text(re.compile("Waiting"))
    await expect(call_page.at(".banner")).to_have_count(0)
    process.call(camera="paused", muted=True)
    await expect(call_page.at("#veil-text")).to_have_text("They can still hear you. Their microphone is off.")
    await call_page.at("#mic").click()
    await expect(call_page.at("#veil-text")).to_have_text("Both microphones are off.")
    process.figures(h264=None)
    process.own(camera="starting")
    await expect(call_page.at("#savings-factor")).to_have_text("Nothing to compare")
    process.call(server=False)
    await expect(call_page.at("#quality")).to_have_attribute("data-level", "fair")
    process.figures(fps=8.7, loss=0.2)
    process.phase("ended", "left")
    await expect(call_page.at("#message-summary")).to_contain_text("8.7: the network lost packets")


async def test_the_headline_of_what_is_saved_is_a_mean(call_page: Opened) -> None:
    call_page.process.call()
    for moment, wire in ((1.0, 10.0), (2.0, 10.0), (3.0, 40.0)):
        call_page.process.figures(
            seconds=moment,
            sent=FIGURES["sent"] | {"wire_kbps": wire},
            h264=FIGURES["h264"] | {"wire_kbps": 60.0},
        )
    await expect(call_page.at("#savings-factor")).to_have_text("3.0× less")


@pytest.mark.slow
async def test_the_end_of_a_call_says_why_and_what_to_do(call_page: Opened) -> None:
    process = call_page.process
    process.call()
    process.figures()
    await call_page.view("call")
    for code, words in (
        ("left", "You left the call"),
        ("other-left", "Grace left"),
        ("server", "The server can’t be reached"),
        ("token-missing", "This server needs a token"),
        ("token-expired", "Your token has expired"),
        ("token", "Your token is not for this room"),
        ("replaced", "You joined from somewhere else"),
        ("refused", "The server did not let you in"),
        ("room-full", "The room is full"),
        ("versions", "Your versions don’t match"),
        ("nobody", "No one joined"),
        ("time", "Time limit reached"),
        ("other", "The call ended"),
    ):
        process.phase("ended", code, "the reason in detail")
        await expect(call_page.at("#message-title")).to_have_text(words)
        await expect(call_page.at("#message-title")).to_be_focused()
        await expect(call_page.at("#message-summary")).to_contain_text("61 kB")
    await call_page.page.get_by_role("button", name="Join again").click()
    await process.hears(JoinRoom("Ada"))
    await call_page.page.get_by_role("button", name="Close facewire").click()
    await process.hears(Quit())


@pytest.mark.slow
async def test_leaving_and_the_rate_limit_reach_the_process(call_page: Opened) -> None:
    process = call_page.process
    process.call()
    await call_page.view("call")
    await call_page.page.keyboard.press("Shift+Q")
    await process.hears(LeaveRoom())
    await call_page.at("#settings-open").click()
    await call_page.at("#rate").focus()
    await call_page.page.keyboard.press("Home")
    await process.hears(Budget(8.0))
    await call_page.page.keyboard.press("End")
    await process.hears(Budget(None))


@pytest.mark.slow
async def test_a_new_source_frame_can_be_requested(call_page: Opened) -> None:
    call_page.process.source(whose="own")
    call_page.process.call()
    await call_page.view("call")
    await call_page.at("#settings-open").click()
    await expect(call_page.at("#portrait-thumb")).to_be_visible()
    await call_page.at("#new-source").click()
    await call_page.process.hears(NewSource())


@pytest.mark.slow
async def test_single_key_shortcuts_are_ignored_while_typing_or_when_switched_off(call_page: Opened) -> None:
    process, page = call_page.process, call_page.page
    process.call()
    await call_page.view("call")
    await call_page.at("#settings-open").click()
    await page.keyboard.press("m")
    await call_page.at("label.switch").click()
    await page.keyboard.press("Escape")
    await page.keyboard.press("m")
    await call_page.at("#settings-open").click()
    await call_page.at("label.switch").click()
    await page.keyboard.press("Escape")
    assert Microphone(False) not in process.heard
    await page.keyboard.press("m")
    await process.hears(Microphone(False))


async def test_appearance_and_shortcuts_are_kept_by_the_process(call_page: Opened) -> None:
    process = call_page.process
    await call_page.at("#settings-open").click()
    await call_page.at("label:has(input[value=dark])").click()
    await process.hears(Keep("theme", "dark"))
    await call_page.at("label.switch").click()
    await process.hears(Keep("keys", "off"))
    process.hello["kept"] = {"theme": "light", "keys": "off"}
    await call_page.page.reload()
    await expect(call_page.at("html")).to_have_attribute("data-theme", "light")
    process.call()
    await call_page.view("call")
    process.forget()
    await call_page.page.keyboard.press("m")
    await call_page.at("#cam").click()
    await process.hears(CameraSwitch(False))
    assert Microphone(False) not in process.heard


async def test_safety_words_are_shown_beside_the_call(call_page: Opened) -> None:
    call_page.process.words()
    call_page.process.call()
    await expect(call_page.at("#words-list span")).to_have_text(WORDS)
    await call_page.page.keyboard.press("w")
    await expect(call_page.at("#words-big span")).to_have_text(WORDS)


@pytest.mark.slow
async def test_picture_in_picture_has_the_label_burnt_in(call_page: Opened) -> None:
    process, page = call_page.process, call_page.page
    process.call()
    await call_page.other_is_seen()
    await page.evaluate(  # a headless browser cannot open such a window
        "() => { HTMLVideoElement.prototype.requestPictureInPicture = async function () "
        "{ this.dispatchEvent(new Event('enterpictureinpicture')); }; }"
    )
    await call_page.at("#pip").click()
    await process.hears(Badge(True))
    await expect(call_page.at("#pip")).to_have_attribute("aria-pressed", "true")
    await page.evaluate("document.getElementById('remote').dispatchEvent(new Event('leavepictureinpicture'))")
    await process.hears(Badge(False))


@pytest.mark.slow
async def test_a_second_tab_takes_over_once_the_first_is_closed(call_page: Opened) -> None:
    second = await call_page.context.new_page()
    await second.goto(call_page.process.server.origin)
    await expect(second.locator("#message-title")).to_have_text("This call is open in another tab")
    await call_page.page.close()
    await second.get_by_role("button", name="Use it here").click()
    await second.wait_for_selector("body[data-view=lobby]")


@pytest.mark.slow
async def test_a_reload_returns_to_the_call(call_page: Opened) -> None:
    call_page.process.source()
    call_page.process.call()
    await call_page.other_is_seen()
    await call_page.page.reload()
    await call_page.view("call")
    await call_page.other_is_seen()
    await expect(call_page.at("#source-caption")).to_have_css("opacity", "0")


@pytest.mark.slow
async def test_a_reload_keeps_what_was_switched_off(call_page: Opened) -> None:
    process = call_page.process
    process.call()
    process.own(camera="paused", camera_on=False, muted=True)
    await call_page.page.reload()
    await call_page.view("call")
    await expect(call_page.at("#mic")).to_have_accessible_name("Unmute")
    await expect(call_page.at("#cam")).to_have_accessible_name("Turn camera on")
    assert await call_page.page.evaluate("document.getElementById('self-video').srcObject") is None
    await call_page.at("#cam").click()
    await process.hears(CameraSwitch(True))
    await call_page.until("document.getElementById('self-video').videoWidth > 0")


async def test_a_broken_connection_recovers_with_switches_made_meanwhile(call_page: Opened) -> None:
    process = call_page.process
    process.call()
    await call_page.other_is_seen()
    await process.drop()
    await expect(call_page.at(".banner.bad")).to_contain_text("Trying again")
    process.forget()
    await call_page.page.keyboard.press("m")
    await process.hears(Microphone(False))
    await expect(call_page.at(".banner")).to_have_count(0)
    await expect(call_page.at("#mic")).to_have_accessible_name("Unmute")
    await process.hears(Offer)  # the local connection is renewed as well


@pytest.mark.slow
async def test_blocked_sound_can_be_turned_on(call_page: Opened) -> None:
    await call_page.page.evaluate(
        """() => {
          const play = HTMLMediaElement.prototype.play;
          let clicked = false;
          addEventListener('click', () => { clicked = true; }, true);
          HTMLMediaElement.prototype.play = async function () {
            if (!this.muted && !clicked) throw new DOMException('', 'NotAllowedError');
            return play.call(this);
          };
        }"""
    )
    await call_page.process.drop()  # the page connects again
    call_page.process.call()
    await call_page.page.get_by_role("button", name="Turn sound on").click()
    await expect(call_page.at(".banner")).to_have_count(0)
    assert await call_page.page.evaluate("document.getElementById('remote').muted") is False


async def test_the_end_of_the_process_is_reported(call_page: Opened) -> None:
    call_page.process.call()
    await call_page.view("call")
    await call_page.process.server.stop()
    await expect(call_page.at("#message-title")).to_have_text("facewire has ended")
    await expect(call_page.at("#message-command")).to_have_text(HELLO["invite"]["command"])
    call_page.errors.clear()  # the console reports failed requests


@pytest.mark.slow
async def test_a_dead_process_is_given_up_after_ten_seconds(call_page: Opened) -> None:
    process, page = call_page.process, call_page.page
    process.call()
    await call_page.view("call")
    await page.clock.install()
    await process.die()
    await expect(call_page.at(".banner.bad")).to_contain_text("Trying again")
    for _ in range(12):
        await page.clock.run_for(1000)
        await page.wait_for_timeout(50)
    await expect(call_page.at("#message-title")).to_have_text("facewire has stopped")
    assert any("ERR_CONNECTION_REFUSED" in error for error in call_page.errors)
    call_page.errors.clear()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def well_equipped() -> AsyncIterator[Browser]:
    """A browser with two cameras."""
    async for browser in launched(ALLOW, "--use-fake-device-for-media-stream=device-count=2"):
        yield browser


DEVICES = {"camera": "fake_device_1", "microphone": "Fake Audio Input 2", "speaker": "Fake Audio Output 1"}


async def test_chosen_devices_are_kept_and_chosen_again_by_the_next_call(well_equipped: Browser, face: Picture) -> None:
    async for page in opened(well_equipped, face):
        await page.camera_is_seen()
        for device, label in DEVICES.items():
            await page.at(f"#lobby-{device}").select_option(label=label)
            await page.process.hears(Keep(device, label))
    async for page in opened(well_equipped, face, kept=DEVICES):  # another profile: other ids for the same devices
        await page.until(
            f"document.getElementById('preview-video').srcObject?.getTracks()[0].label === '{DEVICES['camera']}'"
        )
        for device, label in DEVICES.items():
            await expect(page.at(f"#lobby-{device} option:checked")).to_have_text(label)
        speaker = await page.at("#lobby-speaker").input_value()
        await page.until(f"document.getElementById('remote').sinkId === '{speaker}'")
        assert page.errors == []


async def test_a_kept_device_that_is_gone_costs_nothing(well_equipped: Browser, face: Picture) -> None:
    async for page in opened(well_equipped, face, kept={"camera": "unplugged", "microphone": "unplugged"}):
        await page.camera_is_seen()
        await expect(page.at("#lobby-camera option:checked")).to_have_text("fake_device_0")
        assert not [message for message in page.process.heard if isinstance(message, Keep)], "it may come back"
        assert page.errors == []


async def test_another_camera_is_used_where_the_chosen_one_is_gone(well_equipped: Browser, face: Picture) -> None:
    async for page in opened(well_equipped, face):
        await page.camera_is_seen()
        track = "document.getElementById('preview-video').srcObject?.getTracks()[0].id ?? ''"
        before = await page.page.evaluate(track)
        await page.page.evaluate(
            "() => { const list = document.getElementById('lobby-camera'); list.options[1].value = 'gone'; list.value = 'gone';"
            " list.dispatchEvent(new Event('change')); }"
        )
        await page.until(f"!['', '{before}'].includes({track})")
        await expect(page.at("#preview-veil")).to_be_hidden()
        assert page.errors == []


@pytest_asyncio.fixture(loop_scope="module")
async def refused_page(face: Picture) -> AsyncIterator[Opened]:
    """A page without permission for camera and microphone."""
    async for browser in launched(DENY):
        async for open_ in opened(browser, face):
            yield open_


async def test_joining_works_without_permission_for_camera_and_microphone(refused_page: Opened) -> None:
    await expect(refused_page.at("#preview-veil-title")).to_have_text("Camera access is blocked")
    await expect(refused_page.at("#preview-retry")).to_be_visible()
    await refused_page.at("#join").click()
    await refused_page.process.hears(JoinRoom("Ada"))
    assert refused_page.errors == []


@pytest.mark.slow
async def test_a_missing_camera_is_reported(browser: Browser, face: Picture) -> None:
    async for open_ in opened(browser, face):
        await open_.page.evaluate(
            "() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); }; }"
        )
        await open_.at("#lobby-cam").click()
        await open_.at("#lobby-cam").click()
        await expect(open_.at("#preview-veil-title")).to_have_text("No camera found")
