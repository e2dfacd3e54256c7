"""Messages to the page, as in docs/page.md, made from the state of the call.

Sessions, ends and recordings are only read here. `page_call` sends a message when it differs from the last one.
"""

from __future__ import annotations

import io
import shlex
import time
from typing import TYPE_CHECKING, Any

from facewire import __version__
from facewire.call.messages import MAX_NAME_CHARACTERS, MAX_TEXT_CHARACTERS
from facewire.call.options import CallOptions, GuestOptions, PageOptions
from facewire.call.page_messages import MAX_PITCH_DEGREES, MAX_ROLL_DEGREES, MAX_YAW_DEGREES, PAGE_VERSION

if TYPE_CHECKING:
    from facewire.call.ends import Ends
    from facewire.call.recording import Recording
    from facewire.call.rival import H264Figures
    from facewire.call.session import Session
    from facewire.call.stats import CallStats, Recent

MIN_KBPS, MAX_KBPS = 8.0, 200.0
"""Limits of the budget that the page may set."""
MAX_DETAIL_CHARACTERS = 300

Values = dict[str, Any]


def hello(options: CallOptions, page: PageOptions, name: str, kept: dict[str, str]) -> Values:
    """The answer to the page's greeting. name: this side's current name. kept: see `page_kept`."""
    if page.guest is not None:
        return _guest_hello(options, page.guest, name)
    command = f"facewire call {shlex.quote(options.room)} --server {shlex.quote(options.server)}"
    link = f"{options.server}#{options.room}"
    return {
        "type": "hello",
        "version": PAGE_VERSION,
        "program": __version__,
        "room": options.room,
        "server": options.server,
        "name": name,
        "invite": {"command": command, "link": link, "token": options.token is not None},
        "sends": {"camera": page.camera, "microphone": page.microphone},
        "view": {"yaw": MAX_YAW_DEGREES, "pitch": MAX_PITCH_DEGREES, "roll": MAX_ROLL_DEGREES},
        "budget": {"min_kbps": MIN_KBPS, "max_kbps": MAX_KBPS},
        "fps": options.session.fps,
        "name_characters": MAX_NAME_CHARACTERS,
        "text_characters": MAX_TEXT_CHARACTERS,
        "folder": str(page.recordings),
        "kept": kept,
        "guest": None,
    }


def _guest_hello(options: CallOptions, guest: GuestOptions, name: str) -> Values:
    """The same to the page of a guest: nothing of the machine that it talks to."""
    return {
        "type": "hello",
        "version": PAGE_VERSION,
        "program": __version__,
        "room": options.room,
        "server": guest.server,
        "name": name,
        "invite": {"command": "", "link": "", "token": False},
        "sends": {"camera": True, "microphone": True},
        "view": {"yaw": MAX_YAW_DEGREES, "pitch": MAX_PITCH_DEGREES, "roll": MAX_ROLL_DEGREES},
        "budget": {"min_kbps": MIN_KBPS, "max_kbps": MAX_KBPS},
        "fps": options.session.fps,
        "name_characters": MAX_NAME_CHARACTERS,
        "text_characters": MAX_TEXT_CHARACTERS,
        "folder": "",
        "kept": {},
        "guest": {
            "ice_servers": [
                {"urls": list(one.urls), "username": one.username, "credential": one.credential}
                if one.username is not None
                else {"urls": list(one.urls)}
                for one in guest.ice_servers
            ],
        },
    }


def own(ends: Ends | None, *, camera_on: bool, microphone_on: bool) -> Values:
    """State of this side's media. ends: None while they are being opened."""
    live = ends.live if ends is not None else None
    framed, source = (live.framed, live.source) if live is not None else (None, None)
    camera = "starting" if ends is None else "none"
    if live is not None:
        camera = live.state if camera_on else "paused"
    square = None
    if framed is not None:
        square = {"x": framed.framing.x, "y": framed.framing.y, "side": framed.framing.side}
    return {
        "type": "own",
        "camera": camera,
        "muted": not microphone_on,
        "camera_on": camera_on,
        "picture": source.picture if source is not None else "live",
        "width": framed.width if framed is not None else None,
        "height": framed.height if framed is not None else None,
        "framing": square,
        "layer": live.shown.layer if live is not None else "motion",
        "why": live.shown.why if live is not None else "",
        "detail": live.problem[:MAX_DETAIL_CHARACTERS] if live is not None else "",
    }


def call(session: Session) -> Values:
    """State of the call, and what the other side says about itself."""
    remote, state, seconds = session.other.hello, session.other.state, session.open_s
    playout = session.ends.playout
    other = None
    if remote is not None:
        other = {
            "name": session.other.name,
            "camera": state.camera if state is not None else "starting",
            "muted": state.muted if state is not None else False,
            "picture": state.picture if state is not None else "live",
            "sends_video": remote.video,
            "sends_sound": remote.sound,
            "through": session.other.through or None,
            "shown": playout is not None and playout.stats().shown > 0,
            "layer": playout.stats().layer if playout is not None else "motion",
        }
    return {
        "type": "call",
        "state": session.state if session.state != "ended" else "connecting",
        "server": session.server_there,
        "seconds": _round(seconds),
        "other": other,
    }


def recording(made: Recording) -> Values:
    """Who is recording."""
    return {
        "type": "recording",
        "here": made.here,
        "file": str(made.file) if made.file is not None else None,
        "seconds": round(made.seconds, 1),
        "there": made.there,
    }


def texts(session: Session) -> Values:
    """What the two have written to each other."""
    return {
        "type": "texts",
        "texts": [
            {
                "whose": "own" if one.own else "other",
                "text": one.text,
                "at_ms": round(1000 * one.at_s),
                "arrived": one.arrived,
            }
            for one in session.texts.all
        ],
    }


class Sources:
    """Messages about source frames. Remembers when each was taken, as computing it again would give a slightly different time.

    path: where `picture/` is, relative to the page.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._taken_ms: dict[bytes, int | None] = {}

    def news(self, whose: str, ends: Ends, session: Session | None) -> Values | None:
        """About the source frame in use, "own" or "other"; None if there is none."""
        if whose == "own":
            source = ends.live.source if ends.live is not None else None
            if source is None:
                return None
            age_s = (ends.uplink.clock.now_ms() - source.capture_ms) / 1000
            newest = self._taken(whose, source.hash, time.time() - age_s)
            return {"type": "source", "whose": whose, **newest, "picture": source.picture, "set": []}
        playout = ends.playout
        if session is None or playout is None or playout.real_picture is None or playout.source_hash is None:
            return None
        picture = session.other.state.picture if session.other.state is not None else "live"
        newest = self._taken(whose, playout.source_hash, session.other.captured_at(playout.real_picture[1]))
        there = [
            self._taken(whose, name, session.other.captured_at(captured_ms))
            for name, _, captured_ms in playout.real_pictures
        ]
        return {"type": "source", "whose": whose, **newest, "picture": picture, "set": there}

    def _taken(self, whose: str, name: bytes, taken_s: float | None) -> Values:
        """Where the page finds a real picture, and when it was taken."""
        taken_ms = self._taken_ms.setdefault(name, round(1000 * taken_s) if taken_s is not None else None)
        return {"url": f"{self._path}picture/{whose}?v={name.hex()}", "taken_ms": taken_ms}


def real_picture(ends: Ends, whose: str, side: int, name: str | None = None) -> bytes | None:
    """The "own" or "other" source frame as PNG; None if there is none.

    side: size of the picture in pixels. name: hash of one of the other side's, in hexadecimal; None, or one that is not here any
    more, is the newest.
    """
    from PIL import Image

    from facewire.codec import decode_source
    from facewire.source_picture import decompress

    if whose == "other":
        real = ends.playout.real_picture if ends.playout is not None else None
        there = ends.playout.real_pictures if ends.playout is not None else []
        newest = real[0] if real is not None else None
        picture = next((one for found, one, _ in there if found.hex() == name), newest)
    else:
        source = ends.live.source if ends.live is not None else None
        picture = decompress(decode_source(source.data).picture, side) if source is not None else None
    if picture is None:
        return None
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def figures(session: Session, stats: CallStats, h264: H264Figures | None) -> Values:
    """Cost and quality of the call. stats: must have looked just now."""
    recent, traffic, seconds, rate = stats.recent(), session.traffic(), session.open_s, session.rate
    playout = session.ends.playout.stats() if session.ends.playout is not None else None
    return {
        "type": "figures",
        "seconds": _round(seconds),
        "sent": {
            "payload_kbps": _round(recent.sent_payload_kbps),
            "wire_kbps": _round(recent.sent_wire_kbps),
            "bytes": traffic.sent.wire_bytes,
        },
        "received": {
            "payload_kbps": _round(recent.received_payload_kbps),
            "wire_kbps": _round(recent.received_wire_kbps),
            "bytes": traffic.received.wire_bytes,
        },
        "h264": _h264(h264, seconds, session, recent) if h264 is not None else None,
        "fps": _round(recent.fps_shown),
        "fps_sent": _round(recent.fps_sent),
        "delay_ms": _round(session.end_to_end_ms()),
        "rtt_ms": _round(session.link.rtt_ms),
        "loss": _round(session.link.loss, 4),
        "concealed": _round(recent.concealed, 4),
        "frozen_s": round(playout.frozen_ms / 1000, 1) if playout is not None else 0.0,
        "preset": rate.packing.preset,
        "slow": recent.slow,
    }


def _h264(measured: H264Figures, seconds: float | None, session: Session, recent: Recent) -> Values:
    """What the same call would take with H.264: pictures, and sound over RTP, as this side sends them."""
    from facewire.call.rival import CRF

    sound_kbps = recent.sound_rtp_kbps or 0.0
    return {
        "payload_kbps": round(measured.payload_kbps, 1),
        "sound_kbps": round(sound_kbps, 1),
        "wire_kbps": round(measured.wire_kbps + sound_kbps, 1),
        "psnr_db": round(measured.psnr_db, 1),
        "age_s": round(time.monotonic() - measured.at_s, 1),
        "crf": CRF,
        "bytes": round(measured.wire_kbps * 125 * (seconds or 0.0)) + session.outgoing.stats.sound_rtp_bytes,
    }


def _round(value: float | None, digits: int = 1) -> float | None:
    return None if value is None else round(value, digits)
