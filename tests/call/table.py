"""Measures calls over bad paths: `python -m tests.call.table [--seconds N] [NAME...]` prints the table in docs/call.md.

One side sends a real clip and a voice through `relay`; the other one shows and plays them and sends a voice back. Pictures are
drawn at only `SHOWN_FPS` to leave the machine to the network code; concealment is counted per drawn picture.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from facewire.call.options import SessionOptions
from facewire.models.bundle import load_bundle
from facewire.models.runtime import Networks

from .conftest import Call, make_ends, playout_of, write_voice
from .relay import Impairment

SHOWN_FPS = 12.5
SETTLING_S = 14.0
"""By then the rate control has risen as far as it will."""


@dataclass(frozen=True)
class Row:
    """One path and its effect. Rates count the IP packets of one direction, acknowledgements for the other one included."""

    name: str
    coded_fps: float
    """Frames per second that arrived and could be decoded."""
    shown: int
    concealed: float
    """Share of pictures that were interpolated across lost frames, guessed or held."""
    freezes: int
    """Longer than 200 ms."""
    longest_ms: float
    back_s: float | None
    """From the end of a blackout to the next new frame."""
    sound_back_s: float | None
    """The same to the next speech played."""
    opened_s: float
    first_s: float
    """From the start of both ends to the first motion drawn, on the preview."""
    sharp_s: float | None
    """The same to the whole source frame; None if it had not come when the call had settled."""
    there_kbps: float
    """From the side with video."""
    here_kbps: float
    delay_ms: float
    end_to_end_ms: float
    sound_concealed: float
    connections: int


CONDITIONS: dict[str, tuple[Impairment, float, float | None]] = {
    "clean": (Impairment(), 0.0, None),
    "1 % loss": (Impairment(loss=0.01, delay_ms=40), 0.0, None),
    "5 % loss": (Impairment(loss=0.05, delay_ms=40), 0.0, None),
    "10 % loss": (Impairment(loss=0.10, delay_ms=40), 0.0, None),
    "20 % loss": (Impairment(loss=0.20, delay_ms=40), 0.0, None),
    "10 % loss in bursts of 4": (Impairment(loss=0.10, burst=4, delay_ms=40), 0.0, None),
    "80 ms there and back": (Impairment(delay_ms=40), 0.0, None),
    "400 ms there and back": (Impairment(delay_ms=200), 0.0, None),
    "100 ms jitter": (Impairment(delay_ms=40, jitter_ms=100), 0.0, None),
    "10 % reordered, 5 % repeated": (Impairment(delay_ms=40, reordered=0.1, repeated=0.05), 0.0, None),
    "40 kbps": (Impairment(delay_ms=40, kbps=40, queue_ms=1000), 0.0, None),
    "20 kbps": (Impairment(delay_ms=40, kbps=20, queue_ms=1000), 0.0, None),
    "20 kbps, --max-kbps 18": (Impairment(delay_ms=40, kbps=20, queue_ms=1000), 0.0, 18.0),
    "0.5 s dark": (Impairment(delay_ms=40), 0.5, None),
    "2 s dark": (Impairment(delay_ms=40), 2.0, None),
    "5 s dark": (Impairment(delay_ms=40), 5.0, None),
    "10 s dark": (Impairment(delay_ms=40), 10.0, None),
}


async def measure(
    name: str, seconds: float, networks: Networks, voice: Path, *, sound: bool = True, both: bool = False
) -> Row:
    """Measures a call over one path for `seconds` after settling. both: video both ways."""
    impairment, dark_s, budget = CONDITIONS[name]
    call = Call(networks)
    call.relay.impairment = impairment
    drawn_fps = SHOWN_FPS / 4 if both else SHOWN_FPS
    voices = voice if sound else None
    a = make_ends(networks, video=True, sound=voices, shows=both, shown_fps=drawn_fps)
    b = make_ends(networks, video=both, sound=voices, shows=True, shown_fps=drawn_fps)
    began = time.monotonic()
    call.start(a, b, a_options=SessionOptions(max_kbps=budget))
    playout = playout_of(call.b)
    await call.until(lambda: playout.stats().sources and playout.stats().frames, 90)
    first_s = time.monotonic() - began
    whole = asyncio.create_task(call.until(lambda: playout.stats().sources > 1, SETTLING_S + seconds))
    sharp_s: list[float] = []
    whole.add_done_callback(lambda _: sharp_s.append(time.monotonic() - began))
    await asyncio.sleep(SETTLING_S)
    before, sound_before = playout.stats(), playout.stats().sound_concealed_ms
    counts = {way: count.wire_bytes for way, count in call.relay.counts.items()}
    start = time.monotonic()
    back_s = sound_back_s = None
    if dark_s:
        await asyncio.sleep(2)
        impairment.blackout = True
        await asyncio.sleep(dark_s)
        impairment.blackout = False
        light, dark = time.monotonic(), playout.stats()
        while back_s is None or sound_back_s is None:
            seen = playout.stats()
            if back_s is None and seen.frames > dark.frames:
                back_s = time.monotonic() - light
            if sound_back_s is None and seen.sound_played_ms > dark.sound_played_ms:
                sound_back_s = time.monotonic() - light
            assert time.monotonic() - light < 30, "picture or sound did not come back"
            await asyncio.sleep(0.01)
    await asyncio.sleep(max(0.0, seconds - (time.monotonic() - start)))
    span = time.monotonic() - start
    after, end_to_end = playout.stats(), call.b.end_to_end_ms()
    kbps = {way: 8 * (count.wire_bytes - counts[way]) / (1000 * span) for way, count in call.relay.counts.items()}
    shown = after.shown - before.shown
    row = Row(
        name=name,
        coded_fps=(after.frames - before.frames) / span,
        shown=shown,
        concealed=(after.concealed - before.concealed) / max(1, shown),
        freezes=after.freezes - before.freezes,
        longest_ms=after.longest_freeze_ms,
        back_s=back_s,
        sound_back_s=sound_back_s,
        opened_s=call.b.stats.first_open_s or 0.0,
        first_s=first_s,
        sharp_s=sharp_s[0] if sharp_s else None,
        there_kbps=kbps["ab"],
        here_kbps=kbps["ba"],
        delay_ms=after.delay_ms,
        end_to_end_ms=end_to_end or 0.0,
        sound_concealed=(after.sound_concealed_ms - sound_before) / (1000 * span),
        connections=call.b.stats.connections,
    )
    await asyncio.gather(whole, return_exceptions=True)
    await call.stop()
    return row


def line(row: Row) -> str:
    """A row of the table in the document."""
    sharp = "–" if row.sharp_s is None else f"{row.sharp_s:.1f}"
    back = "" if row.back_s is None or row.sound_back_s is None else f"{row.back_s:.1f}, {row.sound_back_s:.1f} s"
    return (
        f"| {row.name} | {row.there_kbps:.1f} / {row.here_kbps:.1f} | {row.coded_fps:.1f} | "
        f"{100 * row.concealed:.0f} % | {row.freezes} | "
        f"{row.longest_ms:.0f} ms | {row.delay_ms:.0f} ms | {row.end_to_end_ms:.0f} ms | "
        f"{100 * row.sound_concealed:.0f} % | {row.first_s:.1f}, {sharp} s | {back} |"
    )


HEAD = (
    "| path | kbps there / back | frames a second | concealed | freezes > 200 ms | longest | playout delay | capture to picture | "
    "sound filled in | first picture, sharp | back after |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures calls over bad paths.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {'; '.join(CONDITIONS)}")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--no-sound", action="store_true", help="no sound either way")
    parser.add_argument("--no-pauses", action="store_true", help="voices that never stop")
    parser.add_argument("--both", action="store_true", help="video both ways")
    options = parser.parse_args()
    networks = Networks(load_bundle(), threads=1)
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        voice = write_voice(Path(folder) / "voice.wav", pauses=not options.no_pauses)
        for name in options.names or CONDITIONS:
            row = uvloop.run(
                measure(name, options.seconds, networks, voice, sound=not options.no_sound, both=options.both)
            )
            print(line(row), flush=True)
            print(json.dumps(asdict(row)), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
