"""The demo runs on bundled samples and leaves something to look at: a page that plays its videos together."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest
from playwright.async_api import async_playwright
from rich.console import Console

from facewire.benchmark.demo import BAR_PX, COLUMNS, GAP_PX, TILE_PX, Demo, run_demo
from facewire.benchmark.demo_page import demo_page
from facewire.sender.media import open_video, read_picture
from tests.page.conftest import CHROMIUM, FLAGS

VIDEOS = ["camera.mp4", "facewire.mp4", "x264.mp4", "x264_total.mp4", "portrait.mp4", "free_view.mp4"]
FRAMES = 6


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return run_demo(tmp_path_factory.mktemp("demo") / "out", None, max_frames=FRAMES)


def test_demo_fills_its_folder(demo: Demo) -> None:
    assert (
        {path.name for path in demo.folder.iterdir()}
        == set(demo.files)
        == {
            "index.html",
            "strip.png",
            "demo.json",
            *VIDEOS,
        }
    )
    for name in VIDEOS:
        with open_video(demo.folder / name) as video:
            pictures = [frame.picture for frame in video]
        assert (len(pictures), pictures[0].shape) == (FRAMES, (256, 256, 3))
    rows, columns = 5, 1 + COLUMNS
    height, width, _ = read_picture(demo.folder / "strip.png").shape
    assert (height, width) == (rows * (BAR_PX + TILE_PX) + GAP_PX, columns * TILE_PX + 3 * GAP_PX)
    values = json.loads((demo.folder / "demo.json").read_text())
    assert values["carphone"]["quality"]["ours"]["psnr_db"] > 10
    assert values["portrait"]["quality"]["ours"] is None


def test_page_needs_nothing_but_its_folder(demo: Demo) -> None:
    page = demo.page.read_text()
    named = set(re.findall(r'(?:src|href)="([^"#]*)"', page))
    assert named == {*VIDEOS, "strip.png"}
    assert "://" not in page
    assert page.count('class="badge fair">synthesised<') == 3


def test_path_of_the_page_is_the_last_line_printed(demo: Demo) -> None:
    text = io.StringIO()
    demo.print(Console(file=text, width=60))
    assert text.getvalue().splitlines()[-1] == str(demo.page)


def test_figures_that_nothing_filled_are_left_out_and_the_others_explained(demo: Demo) -> None:
    faces = {"no face", "points px", "mouth r", "eyes r"}
    quality = {
        name: score and replace(score, landmark_missing=None, landmark_px=None, mouth_r=None, eyes_r=None)
        for name, score in demo.report.quality.items()
    }
    without = replace(demo.report, quality=quality)
    page = demo_page(without, [], "strip.png")
    text = io.StringIO()
    replace(demo, report=without).print(Console(file=text, width=80))
    for shown in (page, text.getvalue()):
        assert "PSNR dB" in shown
        assert "likeness of the pixels to the camera" in shown
        assert not any(name in shown for name in faces)
        assert "–" not in shown.replace("‹", "")
    table = replace(demo, report=replace(demo.report, quality=demo.report.quality | {"repeat": None}))
    lines = io.StringIO()
    table.print(Console(file=lines, width=80))
    legend = lines.getvalue().partition("kbps   ")[2].splitlines()
    assert all(re.match(r"\S.*?  +\S", line) for line in legend[1:-3] if not line.startswith("note:")), legend


@pytest.mark.asyncio
async def test_one_control_plays_all_videos_in_step(demo: Demo) -> None:
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page(offline=True)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("requestfailed", lambda request: errors.append(request.url))
        await page.goto(demo.page.as_uri())
        videos = "[...document.querySelectorAll('video')]"
        await page.wait_for_function(f"{videos}.every((v) => v.readyState >= 3)")
        assert await page.evaluate(f"{videos}.map((v) => v.paused)") == [True] * len(VIDEOS)
        await page.get_by_role("button", name="Play all").click()
        await page.wait_for_function(f"{videos}.every((v) => !v.paused && v.currentTime > 0)")
        await page.get_by_role("button", name="Pause all").click()
        await page.get_by_role("slider").fill("0.1")
        await page.wait_for_function(f"{videos}.every((v) => v.paused && Math.abs(v.currentTime - 0.1) < 0.001)")
        for width in (1280, 360):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await browser.close()
    assert errors == []
