"""Two people in real browsers with real programs: pictures follow the camera, sound is heard, and calls recover."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from numpy.typing import NDArray

from facewire.metrics.quality import FaceMesh
from facewire.models.runtime import Networks
from facewire.samples import sample_portrait
from facewire.sender.face_detector import FaceDetector
from facewire.sender.framing import choose_square
from facewire.sender.media import read_picture
from facewire.signaling.server import ServerOptions, SignalingServer
from facewire.video import CAMERA_MARKED, SYNTHESISED
from tests.page.firefox import Firefox

from .browsers import PATIENCE_S, Browsers, Grab, Person
from .doorway import Doorway
from .relay import Relay

pytestmark = pytest.mark.slow

Read = Callable[[NDArray[np.uint8]], NDArray[np.float64] | None]
"""Reads a picture: roll, turn to the side and opening of the mouth, in arbitrary units; None if there is no face."""
LONGEST_DELAY_S = 3.0
"""From the camera to the synthesised picture, on two cores that run two browsers, two programs and a test."""


@pytest.fixture(scope="module")
def read(networks: Networks) -> Read:
    return by_mesh() if FaceMesh.installed() else by_networks(networks)


def by_mesh() -> Read:
    mesh = FaceMesh()

    def read(picture: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        face = mesh.look(picture)
        if face is None:
            return None
        points = face.points * [picture.shape[1] / 256, picture.shape[0] / 256]
        eyes = points[263] - points[33]
        left, nose, right = points[234, 0], points[1, 0], points[454, 0]
        return np.array([np.arctan2(eyes[1], eyes[0]), (nose - left) / (right - left), face.mouth], float)

    return read


def by_networks(networks: Networks) -> Read:
    detector = FaceDetector()

    def read(picture: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        faces = detector.detect(picture)
        if not faces:
            return None
        height, width = picture.shape[:2]
        motion = networks.motion(choose_square(faces[:1], width, height).cut(picture))
        yaw, _, roll = motion.rotation
        return np.array([roll, yaw, motion.expression[0]], float)

    return read


def likeness(shown: list[Grab], camera: list[Grab], read: Read) -> tuple[float, float]:
    """The best correlation of roll and turn of the two heads over all possible delays, and that delay in seconds."""

    def curve(grabs: list[Grab]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        rows = [(grab.at_s, motion) for grab in grabs if (motion := read(grab.picture)) is not None]
        assert len(rows) > 0.7 * len(grabs), "hardly a face in what the page showed"
        return np.array([at for at, _ in rows]), np.array([motion for _, motion in rows])

    (at, seen), (fed_at, fed) = curve(shown), curve(camera)
    assert seen[:, 0].std() > np.radians(0.5), "the picture stands still"
    best = (-1.0, 0.0)
    for delay in np.arange(0.0, LONGEST_DELAY_S, 0.05):
        inside = at - delay >= fed_at[0]
        if inside.sum() < 12:
            continue
        moved = np.stack([np.interp(at[inside] - delay, fed_at, column) for column in fed.T])
        alike = [np.corrcoef(a, b)[0, 1] for a, b in zip(moved[:2], seen[inside].T[:2], strict=True)]
        best = max(best, (float(np.mean(alike)), float(delay)))
    return best


@pytest_asyncio.fixture
async def door() -> AsyncIterator[Doorway]:
    server = SignalingServer(ServerOptions(port=0))
    await server.start()
    async with Doorway(server.url, Relay()) as made:
        yield made
    await server.stop()


async def test_picture_follows_the_camera(tmp_path: Path, carphone: Path, door: Doorway, read: Read) -> None:
    """One way only: two cores that also run two browsers can draw one synthesised picture in time, but not two."""
    async with Browsers(tmp_path, carphone, door.url) as browsers:
        a, b = await browsers.person("a", "--video", "none", "--sound", "none"), await browsers.person("b")
        await a.join()
        await b.join()
        await a.sees()
        shown, camera = await asyncio.gather(a.grabs("remote", 60), b.grabs("self-video", 60))
        alike, delay_s = likeness(shown, camera, read)
        print(f"roll and turn correlate by {alike:.2f} at a delay of {delay_s:.2f} s")
        assert alike > 0.5


async def test_two_people_see_hear_and_record_each_other(tmp_path: Path, carphone: Path, door: Doorway) -> None:
    async with Browsers(tmp_path, carphone, door.url) as browsers:
        a, b = await browsers.person("a"), await browsers.person("b")
        await a.join()
        await a.says("waiting")
        await b.join()
        await asyncio.gather(a.sees(), b.sees())

        assert await a.hears() > 0.01
        await b.page.click("#mic")
        await a.page.wait_for_selector("#plate-mic", state="visible")
        async with asyncio.timeout(PATIENCE_S):
            while await a.hears() >= 0.002:
                pass  # what was under way is still heard
        await b.page.click("#mic")
        async with asyncio.timeout(PATIENCE_S):
            while await a.hears() <= 0.01:
                pass

        await a.page.click("#record")
        await a.page.click("#record-start")
        await b.page.click("#banners button:last-of-type")  # allow
        for person in (a, b):
            await person.page.wait_for_selector("#recording-mark", state="visible")
        await asyncio.sleep(2)  # something to record
        await b.page.click("#recording-mark")
        await b.page.click("#stop-recording")  # takes it back
        await a.page.wait_for_selector("#recording-mark", state="hidden")
        (film,) = tmp_path.glob("facewire-room-*.mp4")
        with av.open(str(film)) as file:
            assert file.metadata["comment"] == SYNTHESISED + CAMERA_MARKED
            assert sum(1 for _ in file.decode(video=0)) > 2

        await b.page.reload()
        await b.sees()
        await a.grabs("remote", 1)
        assert a.process.returncode is b.process.returncode is None

        await b.page.click("#leave")
        await a.says("left")
        await b.page.wait_for_selector("#remote", state="hidden")
        assert a.errors == b.errors == []


CAMERA_WITH_A_FACE = """() => {
  if (!navigator.mediaDevices) return;
  const portrait = Uint8Array.from(atob("%s"), (letter) => letter.charCodeAt(0)), canvas = document.createElement("canvas");
  canvas.width = 640; canvas.height = 480;
  navigator.mediaDevices.getUserMedia = async () => {
    const picture = await createImageBitmap(new Blob([portrait], {type: "image/jpeg"})), context = canvas.getContext("2d");
    setInterval(() => context.drawImage(picture, 8 * Math.sin(performance.now() / 400), 0, 640, 640), 80);
    return canvas.captureStream();
  };
}"""
"""Firefox's fake camera has no face. This one has: the base64 of a JPEG, swaying."""


async def test_firefox_and_chromium_see_each_other(tmp_path: Path, carphone: Path, door: Doorway) -> None:
    portrait = cv2.imencode(".jpg", read_picture(sample_portrait())[..., ::-1])[1].tobytes()
    async with Browsers(tmp_path, carphone, door.url) as browsers, await Firefox.start() as firefox:
        a, (_, url) = await browsers.person("a", "--sound", "none"), await browsers.program("b", "--sound", "none")
        page = await firefox.page(480, 640)
        await page.before_load(CAMERA_WITH_A_FACE % base64.b64encode(portrait).decode())
        await page.goto(url)
        await page.until("document.getElementById('preview').dataset.face === 'found'", PATIENCE_S)
        await page.click("#join")
        await a.join()
        await a.sees()
        await page.until("document.getElementById('remote').currentTime > 0.5", PATIENCE_S)
        await page.until("document.getElementById('badge').checkVisibility()", PATIENCE_S)
        await page.says("Connected")
        assert page.errors == a.errors == []


async def test_call_recovers_from_a_network_outage(tmp_path: Path, carphone: Path, door: Doorway) -> None:
    async with Browsers(tmp_path, carphone, door.url) as browsers:
        a, b = await browsers.person("a"), await browsers.person("b")
        await a.join()
        await b.join()
        await asyncio.gather(a.sees(), b.sees())
        door.relay.impairment.blackout = True
        await a.says("reconnecting")
        door.relay.impairment.blackout = False
        await a.page.wait_for_function("() => !document.body.innerText.toLowerCase().includes('reconnecting')")
        before = await a.grabs("remote", 1)
        async with asyncio.timeout(PATIENCE_S):
            while True:  # until it moves again
                after = await a.grabs("remote", 1)
                if np.abs(before[0].picture.astype(int) - after[0].picture).mean() > 0.5:
                    break


async def other_page_cannot_act(person: Person) -> None:
    """A page of another program on this machine, in the same browser: its requests carry our cookie, but the wrong origin."""

    async def evil(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>evil</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", evil)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    page = await person.page.context.new_page()
    await page.goto(f"http://127.0.0.1:{runner.addresses[0][1]}/")
    script = """async (host) => {
      const socket = new WebSocket(`ws://${host}/ws`);
      const opened = await new Promise((done) => { socket.onopen = () => done(true); socket.onerror = () => done(false); });
      const read = await fetch(`http://${host}/`, {credentials: 'include'}).then(() => true, () => false);
      const posted = await fetch(`http://${host}/portrait`, {method: 'POST', body: 'x', credentials: 'include'})
        .then(() => true, () => false);
      const frame = document.createElement('iframe');
      frame.src = `http://${host}/`;
      document.body.append(frame);
      await new Promise((done) => { frame.onload = done; setTimeout(done, 3000); });
      let framed = false;
      try { framed = frame.contentWindow.location.href.startsWith(`http://${host}`); } catch { framed = false; }
      return [opened, read, posted, framed];
    }"""
    host = person.page.url.split("/")[2]
    assert await page.evaluate(script, host) == [False, False, False, False]
    await runner.cleanup()


async def test_only_the_first_tab_of_the_right_browser_gets_in(tmp_path: Path, carphone: Path, door: Doorway) -> None:
    async with Browsers(tmp_path, carphone, door.url) as browsers:
        a = await browsers.person("a")
        await a.page.wait_for_selector("#join:enabled", timeout=60_000)
        tab = await a.page.context.new_page()
        await tab.goto(a.page.url)
        script = "() => document.body.innerText.toLowerCase().includes('another tab')"
        await tab.wait_for_function(script)
        stranger = await (await browsers.browser.new_context()).new_page()
        for address, text in (
            (a.url, "already been used"),
            (a.page.url, "another browser"),
            (a.page.url + "?token=guess", "not valid"),
            (a.page.url.replace("127.0.0.1", "localhost"), "Wrong address"),
        ):
            await stranger.goto(address)
            assert text in await stranger.inner_text("body")
        await other_page_cannot_act(a)
        await a.page.click("#join")  # and the call was not touched by any of that
        await a.says("waiting")
