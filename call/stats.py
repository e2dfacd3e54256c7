"""Statistics of a call: a live table, and everything at the end for other programs.

`CallStats` looks at a `Session` about twice a second and makes a rich table, and plain values for JSON. Rates in the table
cover the last seconds; totals and means in the JSON cover the whole call. Bytes on the wire are those of IP packets, counted
at the sockets.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from facewire.call.rate import Rate
from facewire.call.session import Session
from facewire.call.traffic import KINDS, Direction
from facewire.codec.pixels import Layer
from facewire.sender.picture_choice import Why

if TYPE_CHECKING:
    from rich.table import Table

_LAYERS: dict[Layer, str] = {"motion": "synthesised", "camera": "camera picture"}
_REASONS: dict[Why, str] = {
    "": "",
    "asked": "the camera's picture, as you asked",
    "no-face": "the camera's picture: no face to move",
    "two-faces": "the camera's picture: more than one face",
    "unlike": "the camera's picture: motion cannot show what is there",
    "path": "motion only: the path is too thin for the camera's picture",
    "other-side": "motion only: the other side cannot show the camera's picture",
}
WINDOW_S = 3.0
LINE_EVERY_S = 1.0
SLOW_SHARE = 0.1
MAX_LINES = 24 * 3600
"""The timeline covers up to a day."""


@dataclass(frozen=True)
class _Moment:
    at_s: float
    sent_bytes: int
    received_bytes: int
    sent_payload: int
    received_payload: int
    sent_datagrams: int
    received_datagrams: int
    shown: int
    concealed: int
    skipped: int
    """Pictures skipped in either direction because this machine was too slow."""
    captured: int
    sent: int
    sound_rtp_bytes: int


@dataclass(frozen=True)
class Recent:
    """The last seconds. Rates are None until there are two looks to compare."""

    sent_payload_kbps: float | None
    sent_wire_kbps: float | None
    received_payload_kbps: float | None
    received_wire_kbps: float | None
    fps_shown: float | None
    fps_sent: float | None
    concealed: float | None
    """Concealed share of the pictures shown, 0 to 1."""
    slow: bool
    """More than one picture in ten was skipped because this machine was too slow."""
    sound_rtp_kbps: float | None
    """What the sound sent would take over RTP."""


class CallStats:
    """Follows one session. Call `look` about twice a second."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._started = time.monotonic()
        self._moments: deque[_Moment] = deque()
        self._lines: deque[dict[str, Any]] = deque(maxlen=MAX_LINES)
        self._e2e_sum, self._e2e_count, self._e2e_worst = 0.0, 0, 0.0
        self._line_at = 0.0
        self.look()

    def look(self) -> None:
        """Takes a sample."""
        now = time.monotonic()
        self._moments.append(self._moment(now))
        while self._moments[0].at_s < now - WINDOW_S and len(self._moments) > 2:
            self._moments.popleft()
        end_to_end_ms = self._session.end_to_end_ms()
        if end_to_end_ms is not None and self._session.state == "connected":
            self._e2e_sum, self._e2e_count = self._e2e_sum + end_to_end_ms, self._e2e_count + 1
            self._e2e_worst = max(self._e2e_worst, end_to_end_ms)
        if now - self._line_at >= LINE_EVERY_S:
            self._line_at = now
            self._lines.append(self._line(now, end_to_end_ms))

    def _moment(self, now: float) -> _Moment:
        ends, traffic = self._session.ends, self._session.traffic()
        played = ends.playout.stats() if ends.playout is not None else None
        captured = ends.live.stats() if ends.live is not None else None
        return _Moment(
            at_s=now,
            sent_bytes=traffic.sent.wire_bytes,
            received_bytes=traffic.received.wire_bytes,
            sent_payload=sum(traffic.sent.payload_by_kind.values()),
            received_payload=sum(traffic.received.payload_by_kind.values()),
            sent_datagrams=traffic.sent.datagrams,
            received_datagrams=traffic.received.datagrams,
            shown=played.shown if played is not None else 0,
            concealed=played.concealed if played is not None else 0,
            skipped=(played.skipped if played is not None else 0) + (captured.skipped if captured is not None else 0),
            captured=captured.captured if captured is not None else 0,
            sent=captured.sent if captured is not None else 0,
            sound_rtp_bytes=self._session.outgoing.stats.sound_rtp_bytes,
        )

    def _line(self, now: float, end_to_end_ms: float | None) -> dict[str, Any]:
        """A line of the timeline, from the newest sample."""
        link, moment = self._session.link, self._moments[-1]
        return {
            "s": round(now - self._started, 1),
            "state": self._session.state,
            "sent_kbps": _round(self._rate("sent_bytes")),
            "received_kbps": _round(self._rate("received_bytes")),
            "loss": _round(link.loss, 3),
            "rtt_ms": _round(link.rtt_ms),
            "shown": moment.shown,
            "concealed": moment.concealed,
            "end_to_end_ms": _round(end_to_end_ms),
        }

    def values(self) -> dict[str, Any]:
        """Everything, for JSON."""
        session = self._session
        seconds = time.monotonic() - self._started
        traffic, link, rate = session.traffic(), session.link, session.rate
        ends, outgoing = session.ends, session.outgoing.stats
        values: dict[str, Any] = {
            "seconds": round(seconds, 2),
            "peer": session.other.name,
            "sent": _direction(traffic.sent, seconds),
            "received": _direction(traffic.received, seconds),
            "link": {name: _round(value, 3) for name, value in asdict(link).items()},
            "rate": _rate_values(rate),
            "session": {
                name: dict(value) if name == "refused" else _round(value, 3)
                for name, value in asdict(session.stats).items()
            },
            "outgoing": asdict(outgoing),
            "end_to_end_ms": {
                "mean": _round(self._e2e_sum / self._e2e_count) if self._e2e_count else None,
                "worst": _round(self._e2e_worst) if self._e2e_count else None,
            },
            "timeline": list(self._lines),
        }
        values["fps"] = self._frame_rates()
        if ends.playout is not None:
            values["playout"] = asdict(ends.playout.stats())
        if ends.live is not None:
            values["sender"] = asdict(ends.live.stats()) | {"state": ends.live.state}
        return values

    def recent(self) -> Recent:
        """The last seconds in numbers."""
        first, last = self._moments[0], self._moments[-1]
        shown, skipped = last.shown - first.shown, last.skipped - first.skipped
        wanted = shown + skipped + last.captured - first.captured
        return Recent(
            self._rate("sent_payload"),
            self._rate("sent_bytes"),
            self._rate("received_payload"),
            self._rate("received_bytes"),
            self._per_second("shown"),
            self._per_second("sent"),
            (last.concealed - first.concealed) / shown if shown else None,
            skipped > SLOW_SHARE * wanted,
            self._rate("sound_rtp_bytes"),
        )

    def _frame_rates(self) -> dict[str, float | None]:
        """Frames per second sent, received and shown since the call opened."""
        open_s, ends = self._session.open_s, self._session.ends
        if not open_s:
            return {"sent": None, "received": None, "shown": None}
        played = ends.playout.stats() if ends.playout is not None else None
        return {
            "sent": _round(ends.live.stats().sent / open_s) if ends.live is not None else None,
            "received": _round(played.frames / open_s) if played is not None else None,
            "shown": _round(played.shown / open_s) if played is not None else None,
        }

    def table(self) -> Table:
        """The last seconds as a table."""
        from rich.table import Table

        session, link = self._session, self._session.link
        table = Table(title=self._title(), title_justify="left", show_header=True, box=None, padding=(0, 2, 0, 0))
        for name in ("", "sent", "received"):
            table.add_column(name, justify="left" if not name else "right")
        table.add_row("on the wire, kbps", *(_text(self._rate(f"{way}_bytes"), 1) for way in ("sent", "received")))
        table.add_row("payload, kbps", *(_text(self._rate(f"{way}_payload"), 1) for way in ("sent", "received")))
        table.add_row(
            "packets per second", *(_text(self._per_second(f"{way}_datagrams"), 1) for way in ("sent", "received"))
        )
        table.add_row(
            "lost", *(_text(None if share is None else 100 * share, 1, " %") for share in (link.loss, link.loss_here))
        )
        traffic = session.traffic()
        for kind in KINDS:
            sent, received = (8 * way.kinds()[kind] / 1000 for way in (traffic.sent, traffic.received))
            table.add_row(f"{kind}, kbit in total", f"{sent:.0f}", f"{received:.0f}")
        if (playout := session.ends.playout) is not None:
            stats = playout.stats()
            table.add_row("pictures per second", "", _text(self._per_second("shown"), 1))
            table.add_row("pictures shown, concealed", "", f"{stats.shown}, {stats.concealed}")
            table.add_row("playout delay", "", f"{stats.delay_ms:.0f} ms")
            table.add_row("sound ahead of picture", "", _text(stats.lip_sync_ms, 0, " ms"))
        table.add_row("capture to picture", "", _text(session.end_to_end_ms(), 0, " ms"))
        table.add_row("round trip", _text(link.rtt_ms, 0, " ms"), "")
        if (live := session.ends.live) is not None and (playout := session.ends.playout) is not None:
            table.add_row("picture", _LAYERS[live.shown.layer], _LAYERS[playout.stats().layer])
        if (why := shown_because(session)) != "":
            table.add_row("", why, "")
        if session.muted or not session.camera_on:
            off = [name for name, on in (("microphone", not session.muted), ("camera", session.camera_on)) if not on]
            table.add_row("off", ", ".join(off), "")
        packing, fps = session.rate.packing, session.rate.fps
        sending = f"{packing.preset}, {fps:g} fps, {packing.frames_per_packet} a packet, +{packing.redundancy}"
        table.add_row("sending", sending, "")
        if (live := session.ends.live) is not None:
            seen = live.stats()
            like = _text(None if seen.likeness is None else 100 * seen.likeness, 0, " %")
            table.add_row("source frames; likeness", f"{seen.sources_in_use}; {like}", "")
        return table

    def _title(self) -> str:
        session = self._session
        who = session.other.name or "the other side"
        texts = {
            "waiting": "waiting for the other side",
            "connecting": "connecting",
            "connected": f"in a call with {who}",
            "stalled": f"no signal from {who}; waiting for the network",
            "ended": "ended",
        }
        camera = session.other.state.camera if session.other.state is not None else "sending"
        notes = {
            "no-face": "their face is not visible",
            "paused": "their camera is off",
            "camera-lost": "their camera is disconnected",
        }
        note = notes.get(camera, "")
        if session.other.state is not None and session.other.state.muted:
            note = f"{note}, muted" if note else "they are muted"
        return texts[session.state] + (f" ({note})" if note else "")

    def _per_second(self, name: str) -> float | None:
        first, last = self._moments[0], self._moments[-1]
        span = last.at_s - first.at_s
        return (getattr(last, name) - getattr(first, name)) / span if span > 0.2 else None

    def _rate(self, name: str) -> float | None:
        """kbps."""
        value = self._per_second(name)
        return None if value is None else 8 * value / 1000


def shown_because(session: Session) -> str:
    """Why the other side is shown what it is, in words; empty where there is nothing to say."""
    return _REASONS[session.ends.live.shown.why] if session.ends.live is not None else ""


def _direction(way: Direction, seconds: float) -> dict[str, Any]:
    payload = sum(way.payload_by_kind.values())
    return {
        "datagrams": way.datagrams,
        "wire_bytes": way.wire_bytes,
        "wire_kbps": _round(8 * way.wire_bytes / (1000 * max(seconds, 0.001)), 2),
        "payload_kbps": _round(8 * payload / (1000 * max(seconds, 0.001)), 2),
        "wire_bytes_by_kind": way.kinds(),
        "payload_bytes_by_kind": dict(way.payload_by_kind),
        "messages": dict(way.messages),
    }


def _rate_values(rate: Rate) -> dict[str, Any]:
    sound = {"sound_bps": rate.sound_bps, "repeat_sound": rate.repeat_sound}
    return asdict(rate.packing) | {"fps": rate.fps} | sound


def _round(value: Any, digits: int = 1) -> Any:
    return round(value, digits) if isinstance(value, float) else value


def _text(value: float | None, digits: int, unit: str = "") -> str:
    return "–" if value is None else f"{value:.{digits}f}{unit}"
