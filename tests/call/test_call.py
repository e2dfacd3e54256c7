"""Whole calls over loopback sockets: media, traffic, and recovery when the network goes away."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import re
import time
from pathlib import Path

import pytest
from rich.console import Console

from facewire.call import session as sessions
from facewire.call.messages import Bye, encode_control
from facewire.call.options import SessionOptions
from facewire.call.session import Session
from facewire.call.stats import CallStats
from facewire.errors import InputError
from facewire.models.runtime import Networks

from .conftest import Call, make_ends, playout_of
from .relay import Impairment, Way


async def test_media_flow_both_ways_and_every_datagram_is_counted(call: Call, networks: Networks, voice: Path) -> None:
    both = (make_ends(networks, video=True, sound=voice, shows=True) for _ in range(2))
    call.start(*both)
    playouts = [playout_of(session) for session in (call.a, call.b)]
    await call.until(lambda: all(playout.stats().frames > 20 for playout in playouts))
    await call.until(lambda: all(playout.stats().sound_played_ms > 1000 for playout in playouts))
    await call.until(lambda: all(playout.stats().sources and playout.stats().shown for playout in playouts))
    directions: list[tuple[Session, Way, Session]] = [(call.a, "ab", call.b), (call.b, "ba", call.a)]
    for session, way, other in directions:
        sent, counted = session.traffic().sent, call.relay.counts[way]
        assert sent.datagrams == pytest.approx(counted.datagrams, abs=3)
        assert sent.wire_bytes == pytest.approx(counted.wire_bytes, abs=3 * 400)
        assert sum(sent.kinds().values()) == sent.wire_bytes
        assert other.stats.refused.total() == 0
        assert session.stats.connections == 1
    await call.stop()
    assert call.a.state == call.b.state == "ended"
    for session, way, _ in directions:
        assert session.traffic().sent.datagrams == pytest.approx(call.relay.counts[way].datagrams, abs=6)


async def test_traffic_of_a_connection_closed_by_both_sides_is_counted_once(call: Call, networks: Networks) -> None:
    call.start(a=make_ends(networks, video=True), b=make_ends(networks, shows=True))
    playout = playout_of(call.b)
    await call.until(lambda: playout.stats().sources > 0)  # 8 kB: what still comes is little beside it
    connections = call.a._connections
    current = connections.current
    assert current is not None
    before = call.a.traffic().sent.wire_bytes
    await asyncio.gather(connections._drop(current), connections._drop(current), connections._give_up(current))
    assert before <= call.a.traffic().sent.wire_bytes < 1.5 * before


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
async def test_call_works_over_a_lossy_path(call: Call, networks: Networks, voice: Path, seed: int) -> None:
    call.relay.chance.seed(seed)
    call.relay.impairment = Impairment(loss=0.1, delay_ms=40, jitter_ms=20, reordered=0.05, repeated=0.05)
    call.start(a=make_ends(networks, video=True, shows=True), b=make_ends(networks, sound=voice, shows=True))
    playout = playout_of(call.b)
    await call.until(lambda: playout.stats().frames > 40)
    await call.until(lambda: call.a.link.loss is not None)  # reports come now and then, and one in ten is lost
    assert call.b.stats.connections == 1
    assert playout.stats().undecodable <= 4


async def test_connection_survives_a_short_blackout(call: Call, networks: Networks) -> None:
    call.start(a=make_ends(networks, video=True), b=make_ends(networks, shows=True))
    playout = playout_of(call.b)
    await call.until(lambda: playout.stats().frames > 10)
    call.relay.impairment.blackout = True
    await call.until(lambda: call.b.state == "stalled" and call.a.state == "stalled")
    call.relay.impairment.blackout = False
    await call.until(lambda: call.a.state == call.b.state == "connected")
    assert call.b.stats.connections == 1
    assert call.b.stats.stalls == 1


async def test_call_resumes_after_a_long_blackout_without_a_new_source(call: Call, networks: Networks) -> None:
    call.start(a=make_ends(networks, video=True), b=make_ends(networks, shows=True))
    playout = playout_of(call.b)
    await call.until(lambda: playout.stats().frames > 10)
    call.relay.impairment.blackout = True
    await call.until(lambda: call.a.stats.attempts > 1)
    call.relay.impairment.blackout = False
    before = playout.stats().frames
    await call.until(lambda: call.a.state == call.b.state == "connected")
    await call.until(lambda: playout.stats().frames > before)
    await call.until(lambda: call.a.stats.connections == 2 and call.b.stats.connections == 2)
    after = playout.stats().frames
    await call.until(lambda: playout.stats().frames > after + 5)
    assert call.b.stats.sources_received == 2, "the preview and the whole"
    assert call.a.outgoing.stats.sources == 1


async def test_further_source_frames_arrive_and_are_used(call: Call, networks: Networks) -> None:
    call.start(a=make_ends(networks, video=True, sources=4), b=make_ends(networks, shows=True))
    playout, live = playout_of(call.b), call.a.ends.live
    assert live is not None
    await call.until(lambda: len(playout.source_hashes) >= 3)
    await call.until(lambda: live.stats().likeness is not None)
    assert live.stats().sources_in_use >= 3
    assert call.b.stats.refused["undecodable"] == 0
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(CallStats(call.a).table())
    assert re.search(r"source frames; likeness +[34]; \d+ %", console.export_text())


async def test_source_frames_that_the_other_side_has_are_not_sent_again(call: Call, networks: Networks) -> None:
    call.start(a=make_ends(networks, video=True, sources=2), b=make_ends(networks, shows=True))
    playout = playout_of(call.b)
    await call.until(lambda: len(playout.source_hashes) == 2)
    received = call.b.stats.sources_received
    call.relay.impairment.blackout = True
    await call.until(lambda: call.a.stats.attempts > 1)
    held = set(playout.source_hashes)
    call.relay.impairment.blackout = False
    await call.until(lambda: call.a.stats.connections == 2 and call.b.stats.connections == 2)
    before = playout.stats().frames
    await call.until(lambda: playout.stats().frames > before + 5)
    assert held <= set(playout.source_hashes)
    assert call.b.stats.sources_received <= received + 2, "none of those that were there"


async def test_restarted_program_rejoins_the_call(call: Call, networks: Networks) -> None:
    call.start(a=make_ends(networks, video=True), b=make_ends(networks, shows=True))
    playout = playout_of(call.b)
    await call.until(lambda: playout.stats().frames > 10)
    current = call.a._connections.current
    assert current is not None
    await current.peer.close()
    call.tasks[0].cancel()
    await asyncio.wait([call.tasks[0]])
    call.point.a.leave()
    call.a = call.session(call.point.a, make_ends(networks, video=True))
    call.point.a.come()
    call.tasks[0] = asyncio.create_task(call.a.run())
    before = playout.stats().frames
    await call.until(lambda: playout.stats().frames > before + 5)


async def test_call_survives_loss_of_the_server(call: Call, networks: Networks) -> None:
    call.start(a=make_ends(networks, video=True), b=make_ends(networks, shows=True))
    playout = playout_of(call.b)
    await call.until(lambda: playout.stats().frames > 10)
    call.point.there = False
    before = playout.stats().frames
    await call.until(lambda: playout.stats().frames > before + 20)
    assert call.b.state == "connected"


async def test_mismatched_weights_end_the_call_on_both_sides(call: Call, networks: Networks) -> None:
    other_weights = dataclasses.replace(networks.bundle, hash=b"\x01" * 8)
    call.start(a=make_ends(networks, video=True), b=make_ends(networks, shows=True), b_bundle=other_weights)
    endings = await asyncio.gather(*call.tasks)
    assert all(ending.failed and "weights" in ending.reason and ending.code == "versions" for ending in endings)
    assert playout_of(call.b).stats().frames == 0


async def test_goodbye_ends_the_call_on_both_sides(call: Call, networks: Networks) -> None:
    call.start(a=make_ends(networks, video=True), b=make_ends(networks, shows=True))
    await call.until(lambda: call.a.state == call.b.state == "connected")
    call.a.end()
    endings = await asyncio.gather(*call.tasks)
    assert not any(ending.failed for ending in endings)
    assert "the other side ended" in endings[1].reason
    assert [ending.code for ending in endings] == ["left", "other-ended"]
    assert len(encode_control(Bye(""))) < 5


async def test_budget_can_change_during_a_call(call: Call, networks: Networks, voice: Path) -> None:
    call.start(a=make_ends(networks, video=True, sound=voice), b=make_ends(networks, shows=True))
    playout = playout_of(call.b)
    await call.until(lambda: playout.stats().frames > 5)
    call.a.set_budget(8)
    assert call.a.rate.packing.preset == "lowest"
    assert call.a.rate.fps < 25
    with pytest.raises(InputError):
        call.a.set_budget(1)
    call.a.set_budget(None)
    assert call.a.rate.fps == 25
    frames = playout.stats().frames
    await call.until(lambda: playout.stats().frames > frames + 5)


@pytest.mark.slow
async def test_budget_holds_on_the_wire(call: Call, networks: Networks, voice: Path) -> None:
    sends, limit = make_ends(networks, video=True, sound=voice), SessionOptions(max_kbps=16)
    call.start(a=sends, b=make_ends(networks, shows=True), a_options=limit)
    playout = playout_of(call.b)
    await call.until(lambda: playout.stats().frames > 5)
    start, began = call.relay.counts["ab"].wire_bytes, time.monotonic()
    await asyncio.sleep(5)  # the time over which the rate is measured
    kbps = 8 * (call.relay.counts["ab"].wire_bytes - start) / (1000 * (time.monotonic() - began))
    assert kbps < 16


@pytest.mark.slow
async def test_source_frame_is_sent_once_over_a_narrow_path(call: Call, networks: Networks, voice: Path) -> None:
    call.relay.impairment = Impairment(delay_ms=40, kbps=20, queue_ms=1000)
    call.start(a=make_ends(networks, video=True, sound=voice), b=make_ends(networks, shows=True))
    playout = playout_of(call.b)
    await call.until(lambda: playout.stats().sources and playout.stats().frames)
    assert call.a.ends.live is not None
    assert call.a.ends.live.source is not None
    assert call.a.traffic().sent.kinds()["source"] < 1.4 * len(call.a.ends.live.source.data)  # headers included
    assert call.relay.counts["ab"].lost <= 2


async def test_a_file_plays_from_its_beginning_when_somebody_comes(
    call: Call, networks: Networks, clip: Path, voice: Path
) -> None:
    sending, showing = make_ends(networks, video=clip, sound=voice, loop=False), make_ends(networks, shows=True)
    call.a, call.b = call.session(call.point.a, sending), call.session(call.point.b, showing)
    call.tasks.append(asyncio.create_task(call.a.run()))
    await asyncio.sleep(1.5)  # the clip lasts half a second
    assert sending.live is not None
    assert sending.sound is not None
    assert sending.live.stats().captured == 1
    assert sending.sound.stats().frames == 0
    call.tasks.append(asyncio.create_task(call.b.run()))
    await call.until(lambda: sending.live and sending.live.state == "ended")
    await call.until(lambda: sending.sound and sending.sound.stats().frames)
    assert playout_of(call.b).stats().sources > 0, "it had the source frame before the file went on"
    assert sending.live.stats().captured == 12


async def test_a_guest_is_said_to_speak_through_its_server(call: Call, networks: Networks) -> None:
    call.start(a_options=SessionOptions(through="calls.example.org"))
    await call.until(lambda: call.b.other.hello)
    assert call.b.other.through == "calls.example.org"
    assert [text for text in call.listener.texts if "goes through calls.example.org" in text]
    assert call.a.other.through == ""


async def test_no_path_to_somebody_who_is_there_is_said(
    call: Call, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "NO_PATH_S", 1.0)
    call.relay.impairment = Impairment(blackout=True)
    call.start(a_options=SessionOptions(wait_s=3))
    ending = await call.tasks[0]
    assert ending.failed
    assert "no connection within 3 s: the other side is in the room" in ending.reason
    assert "TURN" in ending.reason
    assert sum("no path to it is found" in text for text in call.listener.texts) == 2  # once on each side
    call.tasks.pop(0)
    call.b.end()
