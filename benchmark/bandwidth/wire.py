"""A sample on real sockets: rivals' packets over RTP, ours in a call of two programs, every datagram counted.

A clip and operating points of `run` give `WireSample`s, which the report shows beside the modelled rates. Runs in real time, so it
takes about a minute; needs facewire[call,server].
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import mean
from typing import Any

import av

from facewire.benchmark.bandwidth.clip import read_clip
from facewire.benchmark.bandwidth.codec import Packet
from facewire.benchmark.bandwidth.players import at_quality, codec_of
from facewire.benchmark.bandwidth.rivals import RIVALS
from facewire.benchmark.bandwidth.run import BenchOptions, ClipResult
from facewire.benchmark.bandwidth.summary import anchor_of, label
from facewire.errors import InputError

UDP_IP_BYTES = 28
SETTLING_S, MEASURED_S = 12.0, 15.0
"""Warm-up of a call of ours: it starts slowly, and its source frame goes first."""
SENT_AS = {"h264": "video/H264", "vp8": "video/VP8"}
"""What aiortc can carry: decoders of `RIVALS`, and their names in WebRTC."""
PATIENCE_S = 60.0


@dataclass(frozen=True)
class WireSample:
    """One codec on real sockets, in kbit/s; measured rates count IP packets."""

    codec: str
    seconds: float
    payload_kbps: float
    modelled_kbps: float
    """As in the tables; ours includes acknowledgements."""
    forward_kbps: float
    back_kbps: float
    datagrams: int
    """Forward."""


def measure_wire(options: BenchOptions, found: ClipResult, families: Sequence[str]) -> list[WireSample]:
    """Measures ours, and the families that aiortc carries at our quality. Empty without facewire[call,server]."""
    if any(importlib.util.find_spec(name) is None for name in ("aiortc", "msgpack", "uvloop", "jwt")):
        return []
    samples = [_call(options, found)]
    clip = read_clip(Path(found.path), options.config.size, options.config.seconds)
    for family in families:
        if family in RIVALS and RIVALS[family].decoder in SENT_AS and found.of(family):
            point = at_quality(found, family, anchor_of(found))
            packets = codec_of(options, point).encode(clip.pictures, clip.fps).packets
            sent = asyncio.run(_over_rtp(packets, clip.fps, SENT_AS[RIVALS[family].decoder]))
            span = (len(clip.pictures) - 1) / clip.fps
            forward, back = (8 * size / 1000 / span for size in sent[:2])
            name = f"{label(family)} {point.name}"
            samples.append(WireSample(name, span, point.payload_kbps, point.wire_kbps, forward, back, sent[2]))
    return samples


def _call(options: BenchOptions, found: ClipResult) -> WireSample:
    """Two programs, video one way, no sound."""
    ours = anchor_of(found)
    facewire = [sys.executable, "-m", "facewire"]
    weights = ["--weights", str(options.weights)] if options.weights is not None else []
    seconds = SETTLING_S + MEASURED_S
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        figures = Path(folder) / "sent.json"
        server = _start(running, [*facewire, "serve", "--open", "--port", "0"])
        assert server.stdout is not None
        url = next((word for word in server.stdout.readline().split() if word.startswith("ws://")), None)
        if url is None:
            raise InputError("the signaling server for the measurement on sockets did not start")
        common = ["bench", "--server", url, "--seconds", str(seconds), "--wait", "30", *weights]
        _start(running, [*facewire, "receive", *common, "--out", "none"])
        sending = ["--video", found.path, "--loop", "--sound", "none", "--json", str(figures)]
        sending += ["--sources", str(options.config.sources), "--frugal"]  # as modelled
        sender = _start(running, [*facewire, "send", *common, *sending])
        try:
            sender.wait(seconds + PATIENCE_S)
            values = json.loads(figures.read_text())
        except (subprocess.TimeoutExpired, OSError, ValueError) as error:
            raise InputError("the call for the measurement on sockets did not connect") from error
    lines = [
        line
        for line in values["timeline"]
        if line["sent_kbps"] and line["s"] >= values["timeline"][-1]["s"] - MEASURED_S
    ]
    sent, received = (mean(line[name] or 0.0 for line in lines) for name in ("sent_kbps", "received_kbps"))
    share = values["sent"]["datagrams"] * MEASURED_S / values["seconds"]
    return WireSample("facewire, a call", MEASURED_S, ours.payload_kbps, ours.wire_kbps, sent, received, round(share))


def _start(running: contextlib.ExitStack, command: list[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def end() -> None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.communicate()

    running.callback(end)
    return process


async def _over_rtp(packets: Sequence[Packet], fps: float, mime: str) -> tuple[int, int, int]:
    """Sends packets in real time; returns IP bytes forward and back and datagrams forward, after the first packet."""
    from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection
    from aiortc.contrib.media import MediaBlackhole
    from aiortc.rtcrtpsender import RTCRtpSender

    time_base = 1 / Fraction(fps).limit_denominator(1001)
    first_gone, all_gone = asyncio.Event(), asyncio.Event()

    class Track(MediaStreamTrack):
        kind = "video"

        def __init__(self) -> None:
            super().__init__()
            self.place, self.began = 0, 0.0

        async def recv(self) -> Any:
            now = asyncio.get_running_loop().time()
            self.began = self.began or now
            if self.place == 1:
                await asyncio.sleep(0.5)  # the key frame is under way; what follows is counted
                self.began = asyncio.get_running_loop().time()
                first_gone.set()
                await asyncio.sleep(0)
            if self.place == len(packets):
                all_gone.set()
                await asyncio.Event().wait()
            packet = packets[self.place]
            await asyncio.sleep(max(0.0, self.began + packet.number / fps - asyncio.get_running_loop().time()))
            made = av.Packet(packet.data)
            made.pts, made.time_base = packet.number, time_base
            self.place += 1
            return made

    here, there = (RTCPeerConnection(RTCConfiguration([])) for _ in range(2))
    sink = MediaBlackhole()
    there.on("track", sink.addTrack)
    try:
        sender = here.addTrack(Track())
        wanted = [c for c in RTCRtpSender.getCapabilities("video").codecs if c.mimeType == mime]
        next(t for t in here.getTransceivers() if t.sender is sender).setCodecPreferences(wanted)
        await here.setLocalDescription(await here.createOffer())
        await there.setRemoteDescription(here.localDescription)
        await there.setLocalDescription(await there.createAnswer())
        await here.setRemoteDescription(there.localDescription)
        await sink.start()
        async with asyncio.timeout(PATIENCE_S + len(packets) / fps):
            await first_gone.wait()
            before = await _counts(sender)
            await all_gone.wait()
            after = await _counts(sender)
    except TimeoutError as error:
        raise InputError("the connection for the measurement on sockets failed") from error
    finally:
        await sink.stop()
        await here.close()
        await there.close()
    forward, back, datagrams, answers = (b - a for a, b in zip(before, after, strict=True))
    return forward + UDP_IP_BYTES * datagrams, back + UDP_IP_BYTES * answers, datagrams


async def _counts(sender: Any) -> tuple[int, int, int, int]:
    """Bytes sent and received, and datagrams sent and received, by the transport under a sender."""
    stats = await sender.getStats()
    transport = next(entry for entry in stats.values() if entry.type == "transport")
    return transport.bytesSent, transport.bytesReceived, transport.packetsSent, transport.packetsReceived
