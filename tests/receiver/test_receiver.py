"""Every frame is shown, whatever was lost, and foreign or damaged streams raise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facewire.benchmark.channel import Channel
from facewire.codec import Motion, MotionEncoder, Packing, encode_source, write_stream
from facewire.coding import Coding
from facewire.errors import DecodeError, InputError, WeightsError
from facewire.models.runtime import Networks
from facewire.receiver.decoder import Decoder, FreeView
from facewire.receiver.play import play as play_file
from facewire.receiver.receiver import Receiver
from facewire.sender.encoder import Encoder
from facewire.source_picture import compress, decompress

FPS = 25.0
FRAME_MS = 40


def play(
    networks: Networks, nodding: list[np.ndarray], channel: Channel, frames: int, packing: Packing, rtt_ms: float
) -> tuple[Receiver, list[bool]]:
    """Sends frames over a channel and returns which of them were concealed. Draws no pictures."""
    encoder, decoder = Encoder(networks, frame_rate=FPS, packing=packing), Decoder(networks)
    decoder.receive_source(encoder.use_source(nodding[0]).message)
    receiver = Receiver(decoder, playout_delay_ms=rtt_ms)
    motions = [encoder.measure(square) for square in nodding]
    shown = []
    for number in range(frames):
        now = number * FRAME_MS
        for acknowledged in channel.acknowledgements(now):
            encoder.acknowledge(acknowledged)
        packet = encoder.pack(motions[number % len(motions)], now)
        if packet is not None:
            channel.send(packet, now)
        for arrival, data in channel.packets(now):
            receiver.receive(data)
            if decoder.acknowledged is not None:
                channel.acknowledge(decoder.acknowledged, arrival)
        shown += list(receiver.due(now))
    for _, data in channel.packets(1e9):
        receiver.receive(data)
    shown += list(receiver.drain(frames))
    assert [due.number for due in shown] == list(range(frames))
    assert np.diff([due.time_ms for due in shown]).min() >= 0
    return receiver, [due.concealed for due in shown]


def test_nothing_is_concealed_on_a_good_link(networks: Networks, nodding: list[np.ndarray]) -> None:
    receiver, concealed = play(networks, nodding, Channel(0.0, 100), 60, Packing(redundancy=1), 100)
    assert not any(concealed)
    assert receiver.late == 0


@pytest.mark.parametrize("seed", range(4))
def test_only_lost_frames_are_concealed_at_20_percent_loss(
    networks: Networks, nodding: list[np.ndarray], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rtt_ms, frames = 200.0, 150
    channel = Channel(0.2, rtt_ms, seed)
    lost: list[bool] = []
    send = channel.send

    def noted(packet: bytes, now_ms: float) -> bool:
        arrives = send(packet, now_ms)
        lost.append(not arrives)
        return arrives

    monkeypatch.setattr(channel, "send", noted)
    _, concealed = play(networks, nodding, channel, frames, Packing(), rtt_ms)
    # A frame is missing only if its own packet was lost: no later one depends on it.
    assert [number for number in range(frames) if concealed[number]] == [n for n in range(frames) if lost[n]]
    assert 0.1 < np.mean(concealed) < 0.3


def test_redundancy_repairs_single_losses(networks: Networks, nodding: list[np.ndarray]) -> None:
    _, concealed = play(networks, nodding, Channel("1101", 100), 58, Packing(redundancy=1), 100)
    assert not any(concealed)


def test_bundled_frames_all_arrive(networks: Networks, nodding: list[np.ndarray]) -> None:
    channel = Channel(0.0, 100)
    _, concealed = play(networks, nodding, channel, 60, Packing(frames_per_packet=3, redundancy=1), 200)
    assert not any(concealed)
    assert channel.sent == 20


@pytest.mark.parametrize("frames_per_packet", [2, 3, 5])
def test_redundancy_repairs_most_of_20_percent_loss(
    networks: Networks, nodding: list[np.ndarray], frames_per_packet: int
) -> None:
    packing = Packing(frames_per_packet=frames_per_packet, redundancy=1)
    _, concealed = play(networks, nodding, Channel(0.2, 100, seed=1), 150, packing, 200)
    assert np.mean(concealed) < 0.2


def test_file_without_its_first_frame_raises_at_once(
    networks: Networks, nodding: list[np.ndarray], tmp_path: Path
) -> None:
    encoder = Encoder(networks, frame_rate=FPS)
    source = encoder.use_source(nodding[0])
    coding = Coding.of(networks.bundle)
    late = MotionEncoder(coding.tables, coding.quantiser, frame_rate=FPS, first_number=4_000_000_000)
    packet = late.encode(encoder.measure(nodding[0]), 0)
    assert packet is not None
    (tmp_path / "a.fw").write_bytes(write_stream([source.frame, packet]))
    with pytest.raises(DecodeError, match=r"a\.fw: damaged stream: frame 0 is missing"):
        play_file(tmp_path / "a.fw", tmp_path / "a.mkv", networks)
    assert not (tmp_path / "a.mkv").exists()


def test_file_without_a_frame_that_others_need_raises(
    networks: Networks, nodding: list[np.ndarray], tmp_path: Path
) -> None:
    encoder = Encoder(networks, frame_rate=FPS)
    source = encoder.use_source(nodding[0])
    coding = Coding.of(networks.bundle)
    motion, packets = MotionEncoder(coding.tables, coding.quantiser, frame_rate=FPS), []
    for number in range(3):
        packets.append(motion.encode(encoder.measure(nodding[number]), 40 * number))
        motion.acknowledge(number)
    first, _, third = packets
    assert first is not None
    assert third is not None
    (tmp_path / "a.fw").write_bytes(write_stream([source.frame, first, third]))
    with pytest.raises(DecodeError, match=r"a\.fw: damaged stream: a packet needs frames that are missing"):
        play_file(tmp_path / "a.fw", tmp_path / "a.mkv", networks)
    assert not (tmp_path / "a.mkv").exists()


def test_stream_of_other_weights_raises(networks: Networks, nodding: list[np.ndarray]) -> None:
    source = replace(Encoder(networks).make_source(nodding[0]).frame, bundle_hash=b"\0" * 8)
    with pytest.raises(WeightsError, match="0000000000000000"):
        Decoder(networks).receive_source(encode_source(source))


def test_source_is_measured_on_the_receivers_picture(networks: Networks, nodding: list[np.ndarray]) -> None:
    source = Decoder(networks).read_source(Encoder(networks).make_source(nodding[0]).frame)
    again = networks.motion(source.picture).vector()
    coarse = networks.bundle.steps
    assert np.abs(source.motion.vector() - again).max() <= coarse.max()


def test_damaged_picture_is_a_decode_error(nodding: list[np.ndarray]) -> None:
    webp = compress(nodding[0])
    assert 3_000 < len(webp) < 20_000
    for bad in (b"", webp[:100], b"RIFF" + webp[:500]):
        with pytest.raises(DecodeError):
            decompress(bad, 256)
    with pytest.raises(DecodeError, match="256x256"):
        decompress(webp, 512)


@pytest.mark.parametrize("loss", ["", "1021", -0.1, 1.5])
def test_impossible_loss_raises(loss: float | str) -> None:
    with pytest.raises(InputError):
        Channel(loss)


def test_frontal_view_faces_the_viewer_whatever_the_head_does() -> None:
    frontal = FreeView(frontal=True)
    for yaw, pitch, roll in ((0.4, 0.0, 0.0), (-0.3, 0.2, 0.1), (0.0, 0.0, -0.2)):
        head = np.zeros(26, np.float32)
        head[:3] = yaw, pitch, roll
        motion = Motion.from_head(head)
        seen = frontal.seen(motion)
        assert seen.rotation == pytest.approx([0, 0, roll], abs=1e-6)  # a tilted head stays tilted
        assert (seen.expression == motion.expression).all()
    turned = FreeView(yaw=0.2, frontal=True).seen(motion)
    assert abs(turned.rotation[0]) == pytest.approx(0.2, abs=0.02)
