"""Measures how the other side sees what motion cannot show: `python -m tests.call.camera_table` prints the table in docs/call.md.

Both ends of a call, its bundling, pacing and rate control, on a simulated clock and a simulated link, so that the result depends on
no machine: the talking head of the bundled clip, now and then with one of the situations of `covered` in front of the camera, and a
voice that never pauses. What the screen shows is compared with what the camera saw when it was captured.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import cv2
import numpy as np
import torch

from facewire.call.link import LinkMonitor
from facewire.call.messages import decode_media
from facewire.call.outgoing import Outgoing
from facewire.call.peer import Channel, Peer
from facewire.call.pieces import Assembly
from facewire.call.rate import Measured, RateController
from facewire.call.rate_loop import SOURCE_SHARE
from facewire.codec.pixels import Layer
from facewire.codec.wire import wire_bytes
from facewire.metrics.teacher_files import stlpips_file
from facewire.metrics.teachers import StLpips
from facewire.models.bundle import load_bundle
from facewire.models.runtime import Networks
from facewire.receiver.playout import Playout
from facewire.receiver.sinks import VideoSink
from facewire.sender.encoder import SOURCE_BYTES_PER_MINUTE
from facewire.sender.framing import Framing
from facewire.sender.live import LiveSender, LiveSenderOptions, widest
from facewire.sender.media import Frame, VideoSource
from facewire.sender.picture_choice import PICTURE_MODES, PictureMode
from facewire.sender.policy import LookDuty

from .covered import SITUATIONS, Picture, talking

STEP_S = 0.005
SHOWN_EVERY_S, DECISION_S, SCORED_EVERY = 0.08, 0.5, 4
DELAY_S = 0.04
LOOK_S = 0.025
"""What drawing the other side's picture takes on an idle machine."""
SETTLING_S, ACT_S, REST_S = 12.0, 5.0, 10.0
STEADY_S = 1.5
"""From so long after its beginning a situation's pictures are scored."""
HEAD = (
    "| path, kbps | picture | in front of the camera | shown because | shown after | ST-LPIPS | pictures a second | sent, kbps | "
    "back after |\n|---|---|---|---|---|---|---|---|---|"
)


class Camera(VideoSource):
    """Its pictures are given to the sender one by one."""

    name, fps, live, duration_s = "camera", 25.0, True, None
    remarks: list[str] = []  # noqa: RUF012

    def __iter__(self) -> Iterator[Frame]:
        return iter(())

    def __exit__(self, *_: object) -> None: ...

    def looks(self, per_second: float, seconds: float) -> Iterator[Frame]:
        return iter(())


class Screen(VideoSink):
    """What is on it, and since when the camera's picture is."""

    def __init__(self) -> None:
        self.picture: Picture | None = None
        self.layer: Layer = "motion"

    def show(self, picture: Picture, at_s: float) -> bool:
        self.picture, self.layer = picture, "motion"
        return True

    def show_camera(self, picture: Picture, at_s: float) -> bool:
        self.picture, self.layer = picture, "camera"
        return True

    def close(self) -> None: ...


@dataclass
class Path:
    """A link that carries so much; stands for the connection, as `Outgoing` sees it. Nothing is lost: what waits, waits."""

    kbps: float
    now_s: float = 0.0
    wire_bytes: int = 0
    media_bytes: int = 0
    queued: int = 0
    _free_at: float = 0.0
    _sent: list[tuple[float, int, Channel, bytes]] = field(default_factory=list)
    _count: Iterator[int] = field(default_factory=itertools.count)
    _pieces: deque[tuple[float, int]] = field(default_factory=deque)

    def send(self, channel: Channel, data: bytes) -> bool:
        size = wire_bytes(len(data))[0]
        self.wire_bytes += size
        self.media_bytes += size if channel == "media" else 0
        self._free_at = max(self.now_s, self._free_at) + 8 * size / (1000 * self.kbps)
        heapq.heappush(self._sent, (self._free_at + DELAY_S, next(self._count), channel, data))
        if channel == "source":
            self._pieces.append((self._free_at + 2 * DELAY_S, len(data)))
        return True

    @property
    def in_flight(self) -> int:
        while self._pieces and self._pieces[0][0] <= self.now_s:
            self._pieces.popleft()
        return sum(size for _, size in self._pieces)

    @property
    def queue_ms(self) -> float:
        return 1000 * max(0.0, self._free_at - self.now_s)

    def arrived(self) -> Iterator[tuple[Channel, bytes]]:
        while self._sent and self._sent[0][0] <= self.now_s:
            _, _, channel, data = heapq.heappop(self._sent)
            yield channel, data


@dataclass
class Act:
    """One situation, as it is seen."""

    situation: str
    began_s: float
    why: str = ""
    shown_s: float | None = None
    back_s: float | None = None
    pictures: int = 0
    wire_bytes: int = 0
    pairs: list[tuple[Picture, Picture]] = field(default_factory=list)
    """On the screen, and in the camera."""


class Side:
    """Both ends, and what is between them."""

    def __init__(self, networks: Networks, kbps: float, mode: PictureMode) -> None:
        self.path, self.screen, self.outgoing = Path(kbps), Screen(), Outgoing()
        self.rate = RateController()
        options = LiveSenderOptions(sources=6, picture=mode)
        self.live = LiveSender(
            networks,
            Camera(),
            options,
            lambda source: (self.outgoing.extra_source if source.extra else self.outgoing.source)(source),
            lambda packet, capture_ms: self.outgoing.motion(packet, self.path.now_s),
            lambda state: None,
            on_pixels=self.outgoing.pixels,
            on_layer=lambda shown, from_ms: self.playout.layer(shown.layer, from_ms),
        )
        self.live._encoder.load_drawing()
        ticks = itertools.count()
        self.live._looks = LookDuty(lambda: LOOK_S * next(ticks))
        self.playout = Playout(networks, self.screen, None, clock=lambda: self.path.now_s)
        self.assembly = Assembly()
        self.outgoing.connect(cast(Peer, self.path), LinkMonitor(), 0.0)
        self._decided_s = self._sounded_s = self._shown_s = 0.0
        self._media: deque[tuple[float, int]] = deque()
        self._camera = False

    def step(self) -> None:
        """Everything that is due now, but the camera."""
        now = self.path.now_s
        if now - self._sounded_s >= (self.outgoing.rate.sound_frame_ms if self.outgoing.rate else 60) / 1000:
            speech = (self.rate.rate.sound_bps * (now - self._sounded_s)) / 8
            self._sounded_s = now
            self.outgoing.sound(bytes([0, 0, 8]) + bytes(round(speech)), now)
        self.outgoing.tick(now)
        for channel, data in self.path.arrived():
            self._arrived(channel, data)
        camera = self.live.shown.layer == "camera"
        if now - self._decided_s >= DECISION_S or camera != self._camera:
            self._decide(camera)
        if now - self._shown_s >= SHOWN_EVERY_S:
            self._shown_s = now
            self.playout.show(now)

    def _arrived(self, channel: Channel, data: bytes) -> None:
        now = self.path.now_s
        if channel == "media":
            for kind, packet in decode_media(data).parts:
                if kind == "motion":
                    self.playout.motion(packet, now)
            if (newest := self.playout.acknowledged()) is not None:
                self.live.acknowledge(newest)
        elif channel == "pixels":
            self.playout.pixels(data, now)
        elif (whole := self.assembly.add(data)) is not None:
            self.playout.source(whole)
            self.outgoing.has_source = True
            if (name := self.playout.source_hash) is not None:
                self.live.source_delivered(name)

    def _decide(self, camera: bool) -> None:
        now = self.path.now_s
        if camera != self._camera:
            self._media.clear()
        self._camera = camera
        self._media.append((now, self.path.media_bytes))
        while self._media[0][0] < now - 2.5:
            self._media.popleft()
        span_s = now - self._media[0][0]
        sent = 8 * (self._media[-1][1] - self._media[0][1]) / (1000 * span_s) if span_s > 1 else None
        busy = self.outgoing.source_under_way(now) and not camera
        measured = Measured(
            0.0,
            80.0,
            None if busy else self.path.queue_ms,
            0,
            sent,
            self.outgoing.source_waits,
            self.outgoing.source_follows,
            self.outgoing.path_kbps,
            camera,
        )
        rate = self.rate.update(measured, now - self._decided_s)
        self._decided_s = now
        self.outgoing.rate, self.outgoing.extra_kbps = rate, self.rate.source_kbps
        self.outgoing.pixel_kbps, self.outgoing.holds_extras = (
            self.rate.pixel_kbps,
            camera and self.live.shown.why != "unlike",
        )
        self.live.set_rate(rate.packing, rate.fps)
        share = SOURCE_SHARE * self.rate.budget_kbps * 1000 / 8 * 60
        self.live.set_source_budget(share if self.rate.has_room else min(share, SOURCE_BYTES_PER_MINUTE))
        self.live.set_pixels(self.rate.pixel_kbps, other_draws=True)


def measure(networks: Networks, kbps: float, mode: PictureMode) -> list[Act]:
    """All situations, one after the other, over one path."""
    side = Side(networks, kbps, mode)
    acts: list[Act] = []
    clip = [*talking(), *talking()[-2:0:-1]]
    end_s = SETTLING_S + len(SITUATIONS) * (ACT_S + REST_S)
    names, number, looks = iter(SITUATIONS), 0, 0
    act: Act | None = None
    captured: dict[int, Picture] = {}
    while side.path.now_s < end_s:
        now = side.path.now_s
        since = now - SETTLING_S
        if since >= 0 and since // (ACT_S + REST_S) >= len(acts):
            act = Act(next(names), now)
            acts.append(act)
            before_bytes, before_pictures = side.path.wire_bytes, side.playout.stats().camera_decoded
        acting = act is not None and now - act.began_s < ACT_S
        if now >= number / 25:
            picture = clip[number % len(clip)]
            if act is not None and acting:
                picture = SITUATIONS[act.situation](picture, now - act.began_s)
            captured[number * 40] = picture
            captured.pop(number * 40 - 4000, None)
            side.live.take(picture, number * 40)
            number += 1
        shown_before = side._shown_s
        side.step()
        if act is not None and side._shown_s != shown_before:
            looks += 1
            _note(act, side, captured, acting=acting, scored=looks % SCORED_EVERY == 0)
            if acting:
                act.wire_bytes = side.path.wire_bytes - before_bytes
                act.pictures = side.playout.stats().camera_decoded - before_pictures
        side.path.now_s = round(now + STEP_S, 6)
    return acts


def _note(act: Act, side: Side, captured: dict[int, Picture], *, acting: bool, scored: bool) -> None:
    elapsed_s = side.path.now_s - act.began_s
    if not acting:
        if side.screen.layer == "camera":
            act.back_s = elapsed_s - ACT_S
        return
    act.why = side.live.shown.why or act.why
    if side.screen.layer == "camera" and act.shown_s is None:
        act.shown_s = elapsed_s
    of_ms = side.playout.stats().shown_capture_ms
    if scored and elapsed_s >= STEADY_S and side.screen.picture is not None and side.live.framed is not None:
        camera = captured[min(captured, key=lambda ms: abs(ms - (of_ms or 0.0)))]
        wide = side.screen.layer == "camera" and act.why in ("asked", "two-faces")
        act.pairs.append((side.screen.picture, cut(camera, side.live.framed.framing, wide=wide)))


def cut(picture: Picture, framing: Framing, *, wide: bool) -> Picture:
    """What the other side should see of a camera picture."""
    return np.asarray(cv2.resize((widest(picture, framing) if wide else framing).cut(picture), (256, 256)), np.uint8)


class Judge:
    """ST-LPIPS."""

    def __init__(self) -> None:
        file = stlpips_file()
        assert file is not None, "ST-LPIPS: pip install 'facewire[metrics]'"
        torch.set_num_threads(1)
        self._network = StLpips(file).eval()

    def distance(self, pairs: list[tuple[Picture, Picture]]) -> float:
        values = []
        for pair in pairs:
            with torch.no_grad():
                values.append(
                    float(self._network(*(torch.from_numpy(p.transpose(2, 0, 1)[None] / 255).float() for p in pair)))
                )
        return float(np.mean(values))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures how the other side sees what motion cannot show.")
    parser.add_argument("kbps", nargs="*", type=float, default=[20.0, 40.0, 100.0], help="what the path carries")
    parser.add_argument("--picture", choices=PICTURE_MODES, default="auto")
    options = parser.parse_args()
    networks, judge = Networks(load_bundle(), threads=1), Judge()
    print(HEAD, flush=True)
    for kbps in options.kbps:
        for act in measure(networks, kbps, options.picture):
            shown = "–" if act.shown_s is None else f"{act.shown_s:.2f} s"
            back = "–" if act.back_s is None else f"{act.back_s:.1f} s"
            print(
                f"| {kbps:g} | {options.picture} | {act.situation} | {act.why or '–'} | {shown} | "
                f"{judge.distance(act.pairs):.3f} | "
                f"{act.pictures / ACT_S:.1f} | {8 * act.wire_bytes / (1000 * ACT_S):.1f} | {back} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
