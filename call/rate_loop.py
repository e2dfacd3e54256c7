"""The loop of the rate control: measures what is sent, asks `RateController`, and applies its decision to the ends."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import replace

from facewire.call.connections import Connections
from facewire.call.conversation import Conversation
from facewire.call.ends import Ends
from facewire.call.options import SessionOptions
from facewire.call.rate import Measured, Rate, RateController
from facewire.sender.encoder import SOURCE_BYTES_PER_MINUTE

DECISION_S = 0.5
"""Time between two decisions."""
SOURCE_SHARE = 0.15
"""Of the budget on the wire goes to source frames after the first, averaged over a minute."""
MOST_SKIPPED = 0.05
"""Share of pictures that the playout may skip while there is still time to draw what the other side sees."""
WINDOW_S = 2.0
"""What is on the wire is averaged over this long."""


class RateLoop:
    """Rate control of one call. InputError for a bandwidth limit that nothing fits in, or for an impossible frame rate."""

    def __init__(
        self, options: SessionOptions, ends: Ends, conversation: Conversation, connections: Connections
    ) -> None:
        self._fps, self._frugal, self._ends = options.fps, options.frugal, ends
        self._skipped = self._shown = 0
        self._conversation, self._outgoing, self._connections = conversation, conversation.outgoing, connections
        self._controller = self._new_controller(options.max_kbps)
        self._limited = options.max_kbps is not None
        self._sent: deque[tuple[float, int]] = deque()
        """Times, and bytes on the wire until then, source frames and camera pictures left out."""
        self._camera = False
        """At the last decision the camera's picture was shown."""

    @property
    def rate(self) -> Rate:
        """What is sent now."""
        return self._controller.rate

    def set_budget(self, max_kbps: float | None) -> None:
        """Changes the bandwidth limit, and starts low again."""
        self._controller, self._limited = self._new_controller(max_kbps), max_kbps is not None
        self._apply(self.rate)

    def start(self) -> None:
        """Applies the rate to begin with."""
        self._apply(self.rate)

    async def run(self) -> None:
        """Decides twice a second, for ever."""
        held_back, last = 0, time.monotonic()
        while True:
            await asyncio.sleep(DECISION_S)
            now, held_back_before = time.monotonic(), held_back
            kbps, held_back = self._sent_kbps(now), self._outgoing.stats.held_back
            if self._connections.healthy:
                measured = self._measure(now, kbps, held_back - held_back_before)
                self._apply(self._controller.update(measured, now - last))
            last = now

    def follow_layer(self) -> None:
        """Decides at once if another layer is shown than at the last decision: motion makes room for pixels, or takes it back."""
        if self._shows_camera != self._camera and self._connections.healthy:
            now = time.monotonic()
            self._sent.clear()  # it says nothing about what is sent from now on
            self._apply(self._controller.update(replace(self._measure(now, None, 0), queue_ms=None), 0.0))

    @property
    def _holds_extras(self) -> bool:
        """Further source frames wait while the camera is shown, unless they are what brings motion back."""
        return self._shows_camera and self._ends.live is not None and self._ends.live.shown.why != "unlike"

    @property
    def _shows_camera(self) -> bool:
        return self._ends.live is not None and self._ends.live.shown.layer == "camera"

    def _skips(self) -> bool:
        """Whether the playout has skipped many pictures since the last decision, because this machine is busy."""
        if self._ends.playout is None:
            return False
        stats = self._ends.playout.stats()
        skipped, shown = stats.skipped - self._skipped, stats.shown - self._shown
        self._skipped, self._shown = stats.skipped, stats.shown
        return skipped > MOST_SKIPPED * (skipped + shown)

    def _new_controller(self, max_kbps: float | None) -> RateController:
        video, sound = self._ends.live is not None, self._ends.sound is not None
        return RateController(max_kbps, self._fps, frugal=self._frugal, video=video, sound=sound)

    def _sent_kbps(self, now: float) -> float | None:
        """What was sent in the last seconds; None until media have flowed for that long."""
        flowing_at = self._conversation.flowing_at
        if flowing_at is None:
            return None
        sent = self._connections.traffic().sent
        self._sent.append((now, sent.wire_bytes - sent.wire_by_kind["source"] - sent.wire_by_kind["pixels"]))
        while self._sent[0][0] < now - WINDOW_S - DECISION_S:
            self._sent.popleft()
        span_s = now - self._sent[0][0]
        if span_s < WINDOW_S / 2 or now - flowing_at <= WINDOW_S:
            return None
        return 8 * (self._sent[-1][1] - self._sent[0][1]) / (1000 * span_s)

    def _measure(self, now: float, kbps: float | None, held_back: int) -> Measured:
        link, outgoing = self._connections.link, self._outgoing
        measured = Measured(
            link.loss,
            link.rtt_ms,
            link.queue_ms,
            held_back,
            kbps,
            outgoing.source_waits,
            outgoing.source_follows,
            outgoing.path_kbps,
            self._shows_camera,
        )
        if (
            outgoing.source_under_way(now) and not self._shows_camera
        ):  # the queue that a source frame makes goes away by itself
            measured = replace(measured, queue_ms=None, held_back=0)
        return measured

    def _apply(self, rate: Rate) -> None:
        self._camera = self._shows_camera
        self._outgoing.piece_kbps = self._controller.source_kbps if self._limited else None
        self._outgoing.extra_kbps = self._controller.source_kbps
        self._outgoing.pixel_kbps, self._outgoing.holds_extras = self._controller.pixel_kbps, self._holds_extras
        if self._ends.live is not None:
            self._ends.live.set_pixels(self._controller.pixel_kbps, other_draws=self._conversation.other_draws)
            per_minute = SOURCE_SHARE * self._controller.budget_kbps * 1000 / 8 * 60
            if not self._controller.has_room:
                per_minute = min(per_minute, SOURCE_BYTES_PER_MINUTE)
            self._ends.live.set_source_budget(per_minute)
            self._ends.live.allow_looks(not self._skips())
        if rate == self._outgoing.rate:
            return
        self._outgoing.rate = rate
        if self._ends.live is not None:
            self._ends.live.set_rate(rate.packing, rate.fps)
        if self._ends.sound is not None:
            self._ends.sound.set_rate(rate.sound_bps, rate.sound_frame_ms)
