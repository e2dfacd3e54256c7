"""What this side sends: motion and sound of one moment gathered into one message, source frames in paced pieces.

`session` hands in packets as the sender makes them and calls `tick` often; messages leave through the connection in use.
Acknowledgements and reports for the other direction ride along and go by themselves only when nothing else does.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from facewire.call.link import LinkMonitor
from facewire.call.messages import MAX_MEDIA_BYTES, SEQUENCES, MediaMessage, PartKind, encode_media
from facewire.call.peer import Peer
from facewire.call.pieces import PIECE_BYTES, cut
from facewire.call.rate import ANSWER_EVERY_S, Rate
from facewire.codec.wire import rtp_wire_bytes, wire_bytes
from facewire.sender.live import SourceMessage

KEEP_ALIVE_S = 0.45
"""Silence is broken so often, for the other side takes a whole second of it for a stall."""
ANSWER_S = ANSWER_EVERY_S
"""Media of the other side is acknowledged after so long at the latest."""
HOLD_MARGIN_MS = 15.0
"""Sound waits so much longer than motion takes to gather, so that both share a message."""
SOUND_HOLD_MS = 100.0
"""And never less than so long."""
REPORT_EVERY = 2
"""Messages from one report to the next."""
MAX_QUEUED = 3
"""Messages held back by the association; from here on new media is thrown away rather than made late."""
PIECE_GAP_S = 0.01
MAX_WINDOW = 16
"""Pieces of a source frame on their way at a time, at most. The first goes alone: on a path of 20 kbps it takes half a second,
and more of them would only fill its queue, be lost, and go out again.
"""
QUICK_PIECE_S = 0.5
"""A piece acknowledged within that time found no long queue: one more may be on its way."""
PIECE_QUEUE_MS = 150.0
"""One that took longer while the queue is this long: one fewer."""
SOURCE_SETTLES_S = 3.0
MAX_SOUND_PARTS = 12


@dataclass
class OutgoingStats:
    """Totals over the whole call."""

    media_messages: int = 0
    motion_bytes: int = 0
    """Of motion packets."""
    sound_bytes: int = 0
    sound_rtp_bytes: int = 0
    """What the same sound would take on the wire over RTP, a packet each."""
    sources: int = 0
    """Source frames whose pieces were all sent."""
    held_back: int = 0
    """Media messages thrown away since the path did not take them."""


class Outgoing:
    """This side's messages. Times are seconds of one clock that never goes back."""

    def __init__(self) -> None:
        self.stats = OutgoingStats()
        self.rate: Rate | None = None
        self.has_source = False
        """The other side has a source frame of ours, be it a preview: before that, motion is of no use to it and is not sent."""
        self.piece_kbps: float | None = None
        """Source frames take at most so much of the wire; None for as fast as the path allows."""
        self._peer: Peer | None = None
        self._link: LinkMonitor | None = None
        self._sequence = 0
        self._parts: list[tuple[PartKind, bytes]] = []
        self._oldest_at = 0.0
        self._last_sound: list[tuple[PartKind, bytes]] = []
        self._last_sent_at = 0.0
        self._acknowledged: int | None = None
        self._to_answer = False
        self._source: SourceMessage | None = None
        self._pieces: deque[bytes] = deque()
        self._then: deque[bytes] = deque()
        """What follows once the pieces are through: a preview goes first to whom has no picture."""
        self._previewed = False
        """Of the source frame that is being sent, a preview went first."""
        self._next_piece_at = 0.0
        self._window = 1
        self._under_way: deque[float] = deque()
        """When the pieces that are on their way were sent."""
        self._last_piece_at = -SOURCE_SETTLES_S

    def connect(self, peer: Peer, link: LinkMonitor, now: float) -> None:
        """From now on everything goes over this connection."""
        self._peer, self._link = peer, link
        self._pieces.clear()
        self._then.clear()
        self._under_way.clear()
        self._window = 1
        self._source = None
        self._parts.clear()
        self._last_sent_at = now

    def disconnect(self) -> None:
        """Nothing is sent until the next connection."""
        self._peer = self._link = None

    # --- what is to be sent

    def source(self, source: SourceMessage) -> None:
        """A source frame, in place of any that is not through yet. The same one again on one connection changes nothing."""
        if self._peer is None or (self._source is not None and self._source.hash == source.hash):
            return
        self._source = source
        self._pieces, self._then = deque(cut(source.data)), deque()
        self._previewed = bool(source.preview) and not self.has_source
        if self._previewed:
            self._pieces, self._then = deque(cut(source.preview)), self._pieces

    def source_under_way(self, now: float) -> bool:
        """Pieces of a source frame are on their way or just were: a queue that they make is gone by itself."""
        return bool(self._pieces or self._then) or now - self._last_piece_at < SOURCE_SETTLES_S

    @property
    def source_waits(self) -> bool:
        """The other side has no picture of ours yet, and one is on its way."""
        return self._source is not None and not self.has_source

    @property
    def source_follows(self) -> bool:
        """The other side has a preview of our first source frame, and the whole is on its way."""
        return self._previewed and self.has_source and self._unfinished

    @property
    def _unfinished(self) -> bool:
        """Pieces of a source frame wait, or are not acknowledged."""
        return bool(self._pieces or self._then or self._under_way)

    def motion(self, packet: bytes, now: float) -> None:
        """A motion packet: it goes at once, with the sound that waited for it."""
        if not self.has_source:
            return
        self.stats.motion_bytes += len(packet)
        self._part("motion", packet, now)
        self._send(now)

    def sound(self, packet: bytes, now: float) -> None:
        self.stats.sound_bytes += len(packet)
        self.stats.sound_rtp_bytes += rtp_wire_bytes(len(packet))
        self._part("sound", packet, now)

    def answer(self, acknowledged: int | None) -> None:
        """Media of the other side came; that frame is the newest decoded."""
        self._acknowledged, self._to_answer = acknowledged, True

    def tick(self, now: float) -> None:
        """Sends what has waited long enough. To be called every few milliseconds, more often than anything here is due."""
        silent_s = now - self._last_sent_at
        waited = bool(self._parts) and 1000 * (now - self._oldest_at) >= self._hold_ms()
        if waited or (self._to_answer and silent_s >= ANSWER_S) or silent_s >= KEEP_ALIVE_S:
            self._send(now)
        self._send_pieces(now)

    def _hold_ms(self) -> float:
        if self.rate is None:
            return SOUND_HOLD_MS
        return max(SOUND_HOLD_MS, 1000 * self.rate.packing.frames_per_packet / self.rate.fps + HOLD_MARGIN_MS)

    def _part(self, kind: PartKind, packet: bytes, now: float) -> None:
        if self._peer is None or len(packet) > MAX_MEDIA_BYTES - 64:
            return
        if not self._parts:
            self._oldest_at = now
        elif sum(len(part) + 3 for _, part in self._parts) + len(packet) > PIECE_BYTES - 64:
            self._send(now)
            self._oldest_at = now
        self._parts.append((kind, packet))

    def _send(self, now: float) -> None:
        peer, link = self._peer, self._link
        parts, self._parts = self._parts, []
        if peer is None or link is None:
            return
        sounds = [part for part in parts if part[0] == "sound"]
        repeated = self._last_sound if self.rate is not None and self.rate.repeat_sound else []
        self._last_sound = sounds[-MAX_SOUND_PARTS:]
        self._last_sent_at = now
        if peer.queued >= MAX_QUEUED:
            self.stats.held_back += 1
            return
        report = None
        if self._sequence % REPORT_EVERY == 0 or not parts:
            report = link.arrivals.report(now)
        acknowledged = self._acknowledged if self._to_answer or not parts else None
        message = MediaMessage(self._sequence, acknowledged, report, tuple([*repeated, *parts]))
        self._to_answer = False
        if peer.send("media", encode_media(message)):
            link.sent(message, now)
            self.stats.media_messages += 1
            self._sequence = (self._sequence + 1) % SEQUENCES

    def _send_pieces(self, now: float) -> None:
        if self._peer is None or self._link is None or not self._unfinished:
            return
        self._see_pieces_arrive(self._peer.in_flight, self._link, now)
        if not self._pieces:
            # All acknowledged: motion may follow. The other side's own word for it may be lost and come a second later.
            self.has_source = self.has_source or not self._under_way
            if self._under_way or not self._then:
                return
            self._pieces, self._then = self._then, deque()
        if now < self._next_piece_at or self._peer.queued or len(self._under_way) >= self._window:
            return
        piece = self._pieces.popleft()
        self._peer.send("source", piece)
        self._under_way.append(now)
        gap_s = PIECE_GAP_S
        if self.piece_kbps is not None:
            gap_s = max(gap_s, 8 * sum(wire_bytes(len(piece))) / (1000 * self.piece_kbps))
        self._next_piece_at, self._last_piece_at = now + gap_s, now
        if not self._pieces and not self._then:
            self.stats.sources += 1

    def _see_pieces_arrive(self, in_flight: int, link: LinkMonitor, now: float) -> None:
        """Fits the window to the path. in_flight: bytes, of pieces but for some media."""
        while self._under_way and len(self._under_way) > in_flight // PIECE_BYTES + (in_flight % PIECE_BYTES > 800):
            if now - self._under_way.popleft() < QUICK_PIECE_S:
                self._window = min(self._window + 1, MAX_WINDOW)
            elif (link.state.queue_ms or 0.0) > PIECE_QUEUE_MS:
                self._window = max(self._window - 1, 1)
