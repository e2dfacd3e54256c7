"""Outgoing media: motion and sound of the same moment share a message, and source frames go in paced pieces.

`conversation` hands in packets as the sender makes them, and `session` calls `tick` often; messages leave through the
connection in use. Acknowledgements and reports for the other direction ride along, and go alone only when nothing else does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from facewire.call.link import LinkMonitor
from facewire.call.messages import MAX_MEDIA_BYTES, SEQUENCES, MediaMessage, PartKind, encode_media
from facewire.call.peer import Peer
from facewire.call.pieces import cut
from facewire.call.rate import ANSWER_EVERY_S, Rate
from facewire.codec.pixels import PixelReport
from facewire.codec.wire import PIECE_BYTES, rtp_wire_bytes, wire_bytes
from facewire.sender.live import SourceMessage

KEEP_ALIVE_S = 0.45
"""The longest silence: the other side takes a whole second of it for a stall."""
ANSWER_S = ANSWER_EVERY_S
"""The longest time before the other side's media are acknowledged."""
HOLD_MARGIN_MS = 15.0
"""How much longer sound waits than motion takes to be bundled, so that both share a message."""
SOUND_HOLD_MS = 100.0
"""The shortest time that sound waits."""
REPORT_EVERY = 2
"""Every how many messages a report is sent."""
MAX_QUEUED = 3
"""From this many messages held back by the association on, new media are dropped rather than delayed."""
PIECE_GAP_S = 0.01
MAX_WINDOW = 16
"""The most pieces of a source frame in flight. The first goes alone: at 20 kbps it takes half a second, and more of them
would only fill the queue, be lost, and be sent again.
"""
QUICK_PIECE_S = 0.5
"""A piece acknowledged within this time met no long queue: one more may be in flight."""
PIECE_QUEUE_MS = 150.0
"""If it took longer and the queue is this long, one fewer."""
PATH_SHARE = 0.8
"""A further source frame takes so much of the rate at which an earlier one went through."""
MOST_EXTRA_KBPS = 400.0
"""But no more than this: its last piece is then sent a tenth of a second after the first, well before it is needed."""
LEAST_EXTRA_KBPS = 50.0
"""And on a path that carries less, no more than the rate allows: each piece in the queue would hold media up for .2 s and more."""
SLOWER_S = 0.1
"""A piece that took this much longer than the quickest one met a queue: media would have to wait there too."""
RISE = 1.25
"""By so much faster goes the next source frame if no piece met one."""
SMALL_PIECE_BYTES = 800
"""Of pieces below this, the last of a source frame, it cannot be told when they are acknowledged: media are as small."""
SOURCE_SETTLES_S = 3.0
MAX_SOUND_PARTS = 12
MAX_PIXEL_PACKETS = 64
"""Packets of camera pictures that wait; if there would be more, the picture is left out, and a key picture follows."""
URGENT_S = 0.08
"""How soon the other side is told that a camera picture was lost."""


@dataclass
class OutgoingStats:
    """Totals over the whole call."""

    media_messages: int = 0
    motion_bytes: int = 0
    sound_bytes: int = 0
    sound_rtp_bytes: int = 0
    """What the same sound would take on the wire over RTP, with a packet per frame."""
    sources: int = 0
    """Source frames sent completely."""
    held_back: int = 0
    """Media messages dropped because the path was too slow."""
    pixel_packets: int = 0
    """Of camera pictures, sent."""
    pixels_left_out: int = 0
    """Camera pictures that were not sent since too many waited."""


class Outgoing:
    """What this side sends. Times are in seconds, from a monotonic clock."""

    def __init__(self) -> None:
        self.stats = OutgoingStats()
        self.rate: Rate | None = None
        self.has_source = False
        """The other side has a source frame of ours, or its preview. Without one motion is of no use, and is not sent."""
        self.piece_kbps: float | None = None
        """Limit for all source frames, on the wire; None for as fast as the path allows."""
        self._peer: Peer | None = None
        self._link: LinkMonitor | None = None
        self._sequence = 0
        self._parts: list[tuple[PartKind, bytes]] = []
        self._oldest_at = 0.0
        self._last_sound: list[tuple[PartKind, bytes]] = []
        self._last_sent_at = 0.0
        self._acknowledged: int | None = None
        self._to_answer = False
        self.pixel_kbps: float | None = None
        """Pace of camera pictures on the wire; None while there is no room for any."""
        self._pixels: deque[bytes] = deque()
        self._pixels_free_at = 0.0
        """When the next packet of one may go."""
        self._pixel_report: Callable[[float], PixelReport | None] | None = None
        """Makes the report about the other side's camera pictures, if any came since the last one."""
        self._told_lost_at = 0.0
        self._source: SourceMessage | None = None
        self._pieces: deque[bytes] = deque()
        self._then: deque[bytes] = deque()
        """Pieces that follow once these are through: the whole source frame after its preview."""
        self._previewed = False
        """The source frame that is being sent was preceded by a preview."""
        self._extras: deque[SourceMessage] = deque()
        """Source frames that are sent when there is room."""
        self._sends_extra = False
        """The pieces under way are of one of those."""
        self.holds_extras = False
        """Further source frames wait: the camera's picture is shown."""
        self.extra_kbps: float | None = None
        """And take at most so much of the wire, unless the path is known to carry more."""
        self.path_kbps = 0.0
        """What the path has carried of source frames, with a margin; 0 while unknown."""
        self._quickest_s = float("inf")
        """The shortest time in which a piece was acknowledged."""
        self._run_at = 0.0
        self._run_bytes = 0
        """Of the pieces under way: when the first was sent, and bytes on the wire."""
        self._run_slow = False
        """One of them met a queue."""
        self._window = 1
        self._under_way: deque[tuple[float, int]] = deque()
        """When each piece in flight was sent, and its size."""
        self._last_piece_at = -SOURCE_SETTLES_S
        self._last_piece_size = 0

    def connect(self, peer: Peer, link: LinkMonitor, now: float) -> None:
        """Sends everything over this connection from now on."""
        self._peer, self._link = peer, link
        self._pieces.clear()
        self._then.clear()
        self._under_way.clear()
        self._window = 1
        self.path_kbps, self._quickest_s, self._run_bytes = 0.0, float("inf"), 0
        self._source = None
        self._extras.clear()
        self._sends_extra = False
        self._parts.clear()
        self._pixels.clear()
        self._pixel_report = None
        self._last_sent_at = now

    def disconnect(self) -> None:
        """Nothing is sent until the next connection."""
        self._peer = self._link = None

    # --- what to send

    def source(self, source: SourceMessage) -> None:
        """Sends a source frame, in place of any that is not through yet; the same one only once per connection."""
        if self._peer is None or (self._source is not None and self._source.hash == source.hash):
            return
        self._source = source
        self._extras.clear()
        self._sends_extra = False
        self._pieces, self._then = deque(cut(source.data)), deque()
        self._previewed = bool(source.preview) and not self.has_source
        if self._previewed:
            self._pieces, self._then = deque(cut(source.preview)), self._pieces

    def extra_source(self, source: SourceMessage) -> None:
        """One more source frame, for when there is room."""
        if self._peer is not None:
            self._extras.append(source)

    def source_under_way(self, now: float) -> bool:
        """Pieces of a source frame are in flight, or were just now. The queue that they cause goes away by itself."""
        return bool(self._pieces or self._then) or now - self._last_piece_at < SOURCE_SETTLES_S

    @property
    def source_waits(self) -> bool:
        """The other side has no picture of ours yet, and one is on its way."""
        return self._source is not None and not self.has_source

    @property
    def source_follows(self) -> bool:
        """The other side has a preview of our source frame, and the whole frame is on its way."""
        return self._previewed and self.has_source and self._unfinished and not self._sends_extra

    @property
    def _unfinished(self) -> bool:
        """Pieces of a source frame are waiting or not acknowledged."""
        return bool(self._pieces or self._then or self._under_way)

    def motion(self, packet: bytes, now: float) -> None:
        """Sends a motion packet at once, with the sound that waited for it."""
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
        """Notes that media came from the other side. acknowledged: the newest frame decoded."""
        self._acknowledged, self._to_answer = acknowledged, True

    def pixels(self, packets: list[bytes]) -> None:
        """Sends the packets of one camera picture, each when there is room for it."""
        if self._peer is None or len(self._pixels) + len(packets) > MAX_PIXEL_PACKETS:
            self.stats.pixels_left_out += 1
            return
        self._pixels.extend(packets)

    def answer_pixels(self, report: Callable[[float], PixelReport | None]) -> None:
        """Notes that a part of a camera picture came from the other side. report: makes the report for a time."""
        self._pixel_report = report

    def tick(self, now: float) -> None:
        """Sends what has waited long enough. Call it every few milliseconds."""
        silent_s = now - self._last_sent_at
        waited = bool(self._parts) and 1000 * (now - self._oldest_at) >= self._hold_ms()
        lost = silent_s >= URGENT_S and now - self._told_lost_at >= ANSWER_S and self._is_stuck(now)
        if waited or lost or (self._to_answer and silent_s >= ANSWER_S) or silent_s >= KEEP_ALIVE_S:
            self._send(now)
        self._send_pieces(now)
        self._send_pixels(now)

    def _is_stuck(self, now: float) -> bool:
        report = self._pixel_report(now) if self._pixel_report is not None else None
        stuck = report is not None and report.stuck
        self._told_lost_at = now if stuck else self._told_lost_at
        return stuck

    def _send_pixels(self, now: float) -> None:
        """Media go first: a packet waits while any are held back, and for its turn at its pace."""
        peer = self._peer
        if peer is None or not self._pixels or self.pixel_kbps is None or now < self._pixels_free_at or peer.queued:
            return
        packet = self._pixels.popleft()
        if peer.send("pixels", packet):
            self.stats.pixel_packets += 1
            self._pixels_free_at = now + 8 * wire_bytes(len(packet))[0] / (1000 * self.pixel_kbps)

    def _hold_ms(self) -> float:
        if self.rate is None:
            return SOUND_HOLD_MS
        least_ms = SOUND_HOLD_MS if self.rate.sound_frame_ms > 20 else 0.0
        return max(least_ms, 1000 * self.rate.packing.frames_per_packet / self.rate.fps + HOLD_MARGIN_MS)

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
        pixels = self._pixel_report(now) if self._pixel_report is not None else None
        message = MediaMessage(self._sequence, acknowledged, report, tuple([*repeated, *parts]), pixels)
        self._to_answer = False
        if pixels is None or not pixels.stuck:
            self._pixel_report = None
        if peer.send("media", encode_media(message)):
            link.sent(message, now)
            self.stats.media_messages += 1
            self._sequence = (self._sequence + 1) % SEQUENCES

    def _send_pieces(self, now: float) -> None:
        if self._peer is None or self._link is None:
            return
        if not self._unfinished:
            if not self._extras or not self.has_source or self.holds_extras:
                return
            self._pieces, self._sends_extra = deque(cut(self._extras.popleft().data)), True
        self._see_pieces_arrive(self._peer.in_flight, self._link, now)
        if not self._pieces:
            if not self._under_way:
                self._learn_path(now)
            # All are acknowledged: motion may follow. The other side's own message about it may be lost and come a second later.
            self.has_source = self.has_source or not self._under_way
            if self._under_way or not self._then:
                return
            self._pieces, self._then = self._then, deque()
        if self._sends_extra and self.holds_extras:
            return
        piece = self._pieces[0]
        size = sum(wire_bytes(len(piece)))
        gap_s, limit_kbps = PIECE_GAP_S, self._limit_kbps()
        if limit_kbps is not None:
            gap_s = max(gap_s, 8 * self._last_piece_size / (1000 * limit_kbps))
        if now < self._last_piece_at + gap_s or self._peer.queued or len(self._under_way) >= self._window:
            return
        self._pieces.popleft()
        self._peer.send("source", piece)
        if not self._run_bytes:
            self._run_at, self._run_slow = now, False
        self._run_bytes += size
        self._under_way.append((now, len(piece)))
        self._last_piece_at, self._last_piece_size = now, size
        if not self._pieces and not self._then:
            self.stats.sources += 1

    def _see_pieces_arrive(self, in_flight: int, link: LinkMonitor, now: float) -> None:
        """Fits the window to the path. in_flight: in bytes, mostly pieces but also some media."""
        waiting = in_flight // PIECE_BYTES + (in_flight % PIECE_BYTES > SMALL_PIECE_BYTES)
        while self._under_way and len(self._under_way) > waiting:
            sent_at, size = self._under_way.popleft()
            took_s = now - sent_at
            if size > SMALL_PIECE_BYTES:
                self._quickest_s = min(self._quickest_s, took_s)
            if self._sends_extra and not self._run_slow and took_s > self._quickest_s + SLOWER_S:
                self.path_kbps, self._run_slow = self.path_kbps / 2, True
            if took_s < QUICK_PIECE_S:
                self._window = min(self._window + 1, MAX_WINDOW)
            elif (link.state.queue_ms or 0.0) > PIECE_QUEUE_MS:
                self._window = max(self._window - 1, 1)

    def _limit_kbps(self) -> float | None:
        """How fast the pieces may go that are next."""
        roomy = self.path_kbps >= LEAST_EXTRA_KBPS and self.piece_kbps is None
        if self._sends_extra and roomy and self.extra_kbps is not None:
            return max(self.extra_kbps, min(self.path_kbps, MOST_EXTRA_KBPS))
        return self.extra_kbps if self._sends_extra else self.piece_kbps

    def _learn_path(self, now: float) -> None:
        """All pieces are through: how fast?"""
        size, self._run_bytes = self._run_bytes, 0
        if not size or self._run_slow:
            return
        reached_kbps = PATH_SHARE * 8 * size / (1000 * max(now - self._run_at, 0.001))
        tried = self._sends_extra and self.path_kbps >= LEAST_EXTRA_KBPS
        self.path_kbps = max(self.path_kbps * (RISE if tried else 1.0), reached_kbps)
