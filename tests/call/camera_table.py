"""Measures how the other side sees what motion cannot show: `python -m tests.call.camera_table` prints the table in docs/call.md.

One side sends the talking head of the bundled clip and a voice through `relay`; now and then one of the situations of `covered` is
in front of the camera. What the other side's screen shows is compared with what the camera saw then.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np
import torch
import uvloop

from facewire.call.ends import Ends, Uplink
from facewire.call.options import SessionOptions
from facewire.codec.pixels import Layer
from facewire.metrics.teacher_files import stlpips_file
from facewire.metrics.teachers import StLpips
from facewire.models.bundle import load_bundle
from facewire.models.runtime import Networks
from facewire.receiver.playout import Playout, PlayoutOptions
from facewire.receiver.sinks import PacedSound, VideoSink
from facewire.sender.framing import Framing
from facewire.sender.live import LiveSender, LiveSenderOptions, widest
from facewire.sender.media import Frame, VideoSource
from facewire.sender.picture_choice import PICTURE_MODES, PictureMode
from facewire.sender.sound import SoundOptions, SoundSender

from .conftest import Call, write_voice
from .covered import SITUATIONS, Picture, talking
from .relay import Impairment

FPS = 25.0
SHOWN_FPS = 12.5
SETTLING_S = 20.0
ACT_S, REST_S = 6.0, 7.0
STEADY_S = 1.5
"""From so long after its beginning a situation's pictures are scored."""
PATHS = {
    "20 kbps": Impairment(delay_ms=40, kbps=20, queue_ms=1000),
    "40 kbps": Impairment(delay_ms=40, kbps=40, queue_ms=1000),
    "40 kbps, 5 % loss": Impairment(loss=0.05, delay_ms=40, kbps=40, queue_ms=1000),
    "100 kbps": Impairment(delay_ms=40, kbps=100, queue_ms=1000),
}


HEAD = (
    "| path | picture | in front of the camera | shown because | shown after | ST-LPIPS | pictures a second | kbps | "
    "capture to picture | sound filled in | back after |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Seen:
    """A picture on the screen, or in the camera."""

    picture: Picture
    at_s: float
    layer: Layer = "motion"


class Stage(VideoSource):
    """The camera, forwards and backwards through the clip in real time, with a situation in front of it."""

    name, fps, live, duration_s = "stage", FPS, True, None
    remarks: list[str] = []  # noqa: RUF012

    def __init__(self) -> None:
        self.situation: str | None = None
        self.began_s = 0.0
        self.captured: list[Seen] = []
        self._over = Event()

    def __iter__(self) -> Iterator[Frame]:
        clip = [*talking(), *talking()[-2:0:-1]]
        begin = time.monotonic()
        number = 0
        while not self._over.wait(max(0.0, begin + number / FPS - time.monotonic())):
            now = time.monotonic()
            number = max(number, int((now - begin) * FPS))
            picture = clip[number % len(clip)]
            if self.situation is not None:
                picture = SITUATIONS[self.situation](picture, now - self.began_s)
                self.captured.append(Seen(picture, now))
            yield Frame(picture, round(1000 * (now - begin)))
            number += 1

    def act(self, situation: str | None) -> None:
        if situation is not None:
            self.captured, self.began_s = [], time.monotonic()
        self.situation = situation

    def stop(self) -> None:
        self._over.set()

    def __exit__(self, *_: object) -> None: ...

    def looks(self, per_second: float, seconds: float) -> Iterator[Frame]:
        return iter(())


class Screen(VideoSink):
    """Keeps what it shows."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def show(self, picture: Picture, at_s: float) -> bool:
        self.seen.append(Seen(picture, time.monotonic()))
        return True

    def show_camera(self, picture: Picture, at_s: float) -> bool:
        self.seen.append(Seen(picture, time.monotonic(), "camera"))
        return True

    def close(self) -> None: ...


@dataclass(frozen=True)
class Act:
    """A situation, from its beginning to the return of the face and beyond."""

    situation: str
    began_s: float
    delay_s: float
    why: str
    framing: Framing
    seen: list[Seen]
    captured: list[Seen]
    figures: str

    def row(self, judge: Judge) -> str:
        shown = [one.at_s - self.began_s for one in self.seen if one.layer == "camera"]
        after = f"{shown[0]:.2f} s" if shown else "–"
        back = f"{max(0.0, shown[-1] - ACT_S):.1f} s" if shown else "–"
        scores = []
        for one in self.seen[::2]:
            if STEADY_S <= one.at_s - self.began_s <= ACT_S:
                truth = min(self.captured, key=lambda c: abs(c.at_s - (one.at_s - self.delay_s)))
                scores.append(judge.distance(one.picture, cut(truth.picture, self.framing, self.why, one.layer)))
        return f"{self.situation} | {self.why or '–'} | {after} | {np.mean(scores):.3f} | {self.figures} | {back} |"


class Judge:
    """ST-LPIPS."""

    def __init__(self) -> None:
        file = stlpips_file()
        assert file is not None, "ST-LPIPS: pip install 'facewire[metrics]'"
        torch.set_num_threads(1)
        self._network = StLpips(file).eval()

    def distance(self, a: Picture, b: Picture) -> float:
        with torch.no_grad():
            both = [torch.from_numpy(p.transpose(2, 0, 1)[None].astype(np.float32) / 255) for p in (a, b)]
            return float(self._network(*both))


async def measure(path: str, mode: PictureMode, networks: Networks, voice: Path | None, judge: Judge) -> None:
    """Prints a row of the table for every situation."""
    call, stage, screen = Call(networks), Stage(), Screen()
    call.relay.impairment = PATHS[path]
    uplink = Uplink()
    live = LiveSender(
        networks,
        stage,
        LiveSenderOptions(sources=6, picture=mode),
        uplink.source,
        uplink.motion,
        uplink.camera_state,
        on_pixels=uplink.pixels,
        on_layer=uplink.layer,
        clock=uplink.clock,
    )
    sound = SoundSender(str(voice), SoundOptions(loop=True), uplink.sound, clock=uplink.clock) if voice else None
    playout = Playout(networks, screen, PacedSound(), PlayoutOptions(fps=SHOWN_FPS))
    call.start(Ends(live, sound, None, uplink), Ends(None, None, playout, Uplink()), a_options=SessionOptions())
    await call.until(lambda: playout.stats().frames, 90)
    await asyncio.sleep(SETTLING_S)
    acts = []
    for situation in SITUATIONS:
        delay_s = (call.b.end_to_end_ms() or 0.0) / 1000
        screen.seen, before = [], playout.stats()
        wire = call.relay.counts["ab"].wire_bytes
        stage.act(situation)
        await asyncio.sleep(ACT_S)
        why, framed, after = live.shown.why, live.framed, playout.stats()
        stage.act(None)
        assert framed is not None
        kbps = 8 * (call.relay.counts["ab"].wire_bytes - wire) / (1000 * ACT_S)
        fps = (after.camera_decoded - before.camera_decoded) / ACT_S
        concealed = (after.sound_concealed_ms - before.sound_concealed_ms) / (1000 * ACT_S)
        figures = f"{fps:.1f} | {kbps:.1f} | {1000 * delay_s:.0f} ms | {100 * concealed:.0f} %"
        await asyncio.sleep(REST_S)
        acts.append(Act(situation, stage.began_s, delay_s, why, framed.framing, screen.seen, stage.captured, figures))
    await call.stop()
    for act in acts:  # after the call: it takes the processor
        print(f"| {path} | {mode} | {act.row(judge)}", flush=True)


def cut(picture: Picture, framing: Framing, why: str, layer: Layer) -> Picture:
    """What the other side should see of a camera picture."""
    wide = layer == "camera" and why in ("asked", "two-faces")
    return (widest(picture, framing) if wide else framing).cut(picture)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures how what motion cannot show is seen on the other side.")
    parser.add_argument("names", nargs="*", metavar="PATH", help=f"of: {'; '.join(PATHS)}")
    parser.add_argument("--picture", choices=PICTURE_MODES, default="auto")
    parser.add_argument("--no-sound", action="store_true")
    options = parser.parse_args()
    networks, judge = Networks(load_bundle(), threads=1), Judge()
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        voice = None if options.no_sound else write_voice(Path(folder) / "voice.wav")
        for name in options.names or PATHS:
            uvloop.run(measure(name, options.picture, networks, voice, judge))


if __name__ == "__main__":
    main()
