"""The receiving end of a call, on a simulated clock: every moment has its picture and its sound, in step."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from dataclasses import replace as replaced

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facewire.codec import Motion, MotionEncoder, Packing, decode_source, encode_source, source_hash
from facewire.coding import Coding
from facewire.errors import DecodeError, WeightsError
from facewire.models.runtime import Networks
from facewire.receiver.concealment import MAX_KNOWN
from facewire.receiver.playout import MAX_EARLY_PACKETS, Playout, PlayoutOptions
from facewire.receiver.sinks import NoVideo, VideoSink
from facewire.receiver.sound import MAX_WAITING
from facewire.sender.sound import SoundOptions, SoundSender
from facewire.sender.source import make_source

FPS = 25.0
BLOCK = 960
LIP_SYNC_MS = (-125.0, 45.0)
"""How far sound may be behind and ahead of the picture (detectability thresholds of ITU-R BT.1359)."""


class Kept(VideoSink):
    """Keeps the times at which pictures were shown, and the last one."""

    def __init__(self, wanted: int = 1 << 60) -> None:
        self.at_s: list[float] = []
        self.picture: np.ndarray | None = None
        self._wanted = wanted

    def show(self, picture: np.ndarray, at_s: float) -> bool:
        self.at_s.append(at_s)
        self.picture = picture
        return len(self.at_s) < self._wanted

    def close(self) -> None: ...


@dataclass
class Network:
    """Packets in transit, delivered in the order of arrival."""

    jitter: Callable[[], float] = lambda: 0.0
    lost: Callable[[], bool] = lambda: False
    delay_s: float = 0.05
    on_the_way: list[tuple[float, int, Callable[[bytes, float], None], bytes]] = field(default_factory=list)
    sent: int = 0

    def send(self, deliver: Callable[[bytes, float], None], packet: bytes, at_s: float) -> None:
        self.sent += 1
        if not self.lost():
            heapq.heappush(self.on_the_way, (at_s + self.delay_s + self.jitter(), self.sent, deliver, packet))

    def deliver(self, until_s: float) -> None:
        while self.on_the_way and self.on_the_way[0][0] <= until_s:
            arrival_s, _, deliver, packet = heapq.heappop(self.on_the_way)
            deliver(packet, arrival_s)


class Caller:
    """Sends a still face and a given voice, without camera and thread.

    drift_ppm: how much slower its clock is than the receiver's.
    """

    def __init__(
        self,
        networks: Networks,
        source: bytes,
        motion: Motion,
        voice: np.ndarray | None,
        network: Network,
        playout: Playout,
        *,
        drift_ppm: float = 0.0,
        frames_per_packet: int = 3,
    ) -> None:
        coding = Coding.of(networks.bundle)
        self.encoder = MotionEncoder(
            coding.tables, coding.quantiser, Packing("default", frames_per_packet, 1), frame_rate=FPS
        )
        self._motion, self._voice, self._network, self._playout = motion, voice, network, playout
        self._rate = 1 - drift_ppm * 1e-6
        self._frames = self._sounds = 0
        self._now_s = 0.0
        self._sound = SoundSender(
            None, SoundOptions(), lambda packet, _: network.send(playout.sound, packet, self._now_s)
        )
        playout.source(source)

    def until(self, now_s: float) -> None:
        """Captures and sends up to that time on the receiver's clock."""
        while (at_s := self._frames / FPS / self._rate) <= now_s:
            packet = self.encoder.encode(self._motion, round(1000 * self._frames / FPS))
            self._frames += 1
            if packet is not None:
                self._network.send(self._playout.motion, packet, at_s)
            if (newest := self._playout.acknowledged()) is not None:
                self.encoder.acknowledge(newest)
        while self._voice is not None and (at_s := (self._sounds + 1) * 0.06 / self._rate) <= now_s:
            self._now_s = at_s
            start = self._sounds * 2880 % (self._voice.size - 2880) // 2880 * 2880
            self._sound.take(self._voice[start : start + 2880], 60 * self._sounds)
            self._sounds += 1


@pytest.fixture(scope="module")
def still(networks: Networks, nodding: list[np.ndarray]) -> tuple[bytes, Motion]:
    """A source message and the motion in it."""
    source = make_source(networks, Coding.of(networks.bundle), nodding[0], FPS)
    return source.message, source.motion


def run(caller: Caller, network: Network, playout: Playout, clock: list[float], seconds: float) -> np.ndarray:
    """Continues the call for so long. Returns the sound that was heard."""
    heard = []
    end_s = clock[0] + seconds
    while clock[0] < end_s:
        caller.until(clock[0])
        network.deliver(clock[0])
        if round(clock[0] * 1000) % 40 == 0:
            playout.show(clock[0])
        heard.append(playout.sound_block(BLOCK, clock[0]))
        clock[0] = round(clock[0] + 0.02, 6)
    return np.concatenate(heard)


def call(
    networks: Networks,
    still: tuple[bytes, Motion],
    voice: np.ndarray | None,
    network: Network,
    options: PlayoutOptions | None = None,
    *,
    drift_ppm: float = 0.0,
    frames_per_packet: int = 3,
) -> tuple[Caller, Playout, list[float], Kept]:
    clock, sink = [0.0], Kept()
    playout = Playout(networks, sink, None, options, clock=lambda: clock[0])
    caller = Caller(networks, *still, voice, network, playout, drift_ppm=drift_ppm, frames_per_packet=frames_per_packet)
    return caller, playout, clock, sink


def onsets_ms(sound: np.ndarray) -> np.ndarray:
    """When words begin, in ms from the start of the sound."""
    level = np.abs(sound.astype(np.float32)).reshape(-1, 240).max(1) > 1500
    starts = np.flatnonzero(level[1:] & ~level[:-1]) + 1
    return np.array([5.0 * at for at in starts if not level[max(0, at - 60) : at].any()])


def test_steady_call_shows_every_frame_and_plays_every_word(
    networks: Networks, still: tuple[bytes, Motion], talk: np.ndarray
) -> None:
    network = Network()
    caller, playout, clock, sink = call(networks, still, talk, network)
    run(caller, network, playout, clock, 12)
    stats = playout.stats()
    assert stats.shown == len(sink.at_s) == 300
    assert stats.concealed <= 2
    assert stats.freezes == stats.late == stats.undecodable == stats.sound_late == 0
    assert stats.sound_concealed_ms == 0
    assert 100 < stats.delay_ms < 180
    assert stats.sources == 1


@pytest.mark.parametrize(("loss", "jitter_s"), [(0.0, 0.03), (0.05, 0.08), (0.2, 0.02)])
def test_lips_and_sound_stay_in_step_on_a_bad_link(
    networks: Networks, still: tuple[bytes, Motion], talk: np.ndarray, loss: float, jitter_s: float
) -> None:
    random = np.random.default_rng(0)
    network = Network(lambda: random.uniform(0, jitter_s), lambda: random.random() < loss)
    caller, playout, clock, _ = call(networks, still, talk, network)
    run(caller, network, playout, clock, 12)
    stats = playout.stats()
    assert LIP_SYNC_MS[0] < stats.worst_lip_sync_ms[0] <= stats.worst_lip_sync_ms[1] < LIP_SYNC_MS[1]
    assert stats.sound_played_ms > 3000
    assert stats.longest_freeze_ms < 400


@pytest.mark.parametrize("drift_ppm", [-200.0, 200.0])
def test_words_are_heard_when_their_picture_is_due(
    networks: Networks, still: tuple[bytes, Motion], talk: np.ndarray, drift_ppm: float
) -> None:
    """Measured on the sound itself rather than on the playout's figures."""
    random = np.random.default_rng(1)
    network = Network(lambda: random.uniform(0, 0.03))
    caller, playout, clock, _ = call(networks, still, talk, network, drift_ppm=drift_ppm)
    heard = run(caller, network, playout, clock, 24)
    onset_s = onsets_ms(heard) / 1000
    spoken_ms = onsets_ms(np.concatenate([talk[: (talk.size - 2880) // 2880 * 2880]] * 4))
    # The delay changes slowly, so the delay at the end of the run tells what was due at an onset.
    late = [playout._clock.due_ms(onset) for onset in onset_s[-6:]]
    off = [min(spoken_ms - capture, key=abs) for capture in late]
    assert len(off) == 6
    assert LIP_SYNC_MS[0] < -max(off) <= -min(off) < LIP_SYNC_MS[1]
    assert playout.stats().freezes == 0


@pytest.mark.slow
def test_twenty_minutes_with_drifting_clocks_stay_in_step_and_small(
    networks: Networks, still: tuple[bytes, Motion], talk: np.ndarray
) -> None:
    random = np.random.default_rng(2)
    network = Network(lambda: random.exponential(0.01), lambda: random.random() < 0.01)
    caller, playout, clock, _ = call(networks, still, talk, network, drift_ppm=100.0)
    run(caller, network, playout, clock, 60)
    run(caller, network, playout, clock, 1140)
    stats = playout.stats()
    assert LIP_SYNC_MS[0] < stats.worst_lip_sync_ms[0] <= stats.worst_lip_sync_ms[1] < LIP_SYNC_MS[1]
    assert abs(stats.lip_sync_ms or 0.0) < 40
    assert stats.delay_ms < 250
    assert stats.freezes < 5
    assert len(playout._timeline._frames) < 64


def test_blackout_freezes_rests_and_recovers_without_a_new_source(
    networks: Networks, still: tuple[bytes, Motion], talk: np.ndarray
) -> None:
    network = Network()
    caller, playout, clock, _ = call(networks, still, talk, network)
    run(caller, network, playout, clock, 4)
    network.lost = lambda: True
    run(caller, network, playout, clock, 5)
    network.lost = lambda: False
    assert playout.stats().freezes == 1
    assert playout.stats().longest_freeze_ms > 4500
    before = playout.stats()
    run(caller, network, playout, clock, 4)
    after = playout.stats()
    assert after.shown - before.shown == 100
    assert after.concealed - before.concealed <= 15  # recovered within 0.6 s
    assert after.sources == 1
    assert after.sound_played_ms > before.sound_played_ms


def test_announced_pause_is_not_a_freeze(networks: Networks, still: tuple[bytes, Motion]) -> None:
    network = Network()
    caller, playout, clock, _ = call(networks, still, None, network)
    run(caller, network, playout, clock, 2)
    concealed = playout.stats().concealed
    network.lost = lambda: True
    playout.pause(True)
    run(caller, network, playout, clock, 1)
    assert playout.stats().freezes == 0
    assert playout.stats().concealed == concealed
    assert playout.stats().shown == 75


def test_packets_from_before_the_source_are_used_once_it_arrives(
    networks: Networks, still: tuple[bytes, Motion]
) -> None:
    network, clock, sink = Network(), [0.0], Kept()
    playout = Playout(networks, sink, None, clock=lambda: clock[0])
    coding = Coding.of(networks.bundle)
    encoder = MotionEncoder(coding.tables, coding.quantiser, frame_rate=FPS)
    for number in range(2 * MAX_EARLY_PACKETS):
        packet = encoder.encode(still[1], 40 * number)
        assert packet is not None
        playout.motion(packet, 0.04 * number)
    assert playout.acknowledged() is None
    assert len(playout._early) == MAX_EARLY_PACKETS
    assert playout.show(2.5)
    assert sink.at_s == []
    playout.source(still[0])
    assert playout.acknowledged() == 2 * MAX_EARLY_PACKETS - 1
    playout.show(2.54)
    assert len(sink.at_s) == 1
    assert network.sent == 0


def test_sound_does_not_wait_for_a_picture(networks: Networks, talk: np.ndarray) -> None:
    clock = [0.0]
    playout = Playout(networks, NoVideo(), None, clock=lambda: clock[0])
    packets: list[tuple[bytes, int]] = []
    sender = SoundSender(None, SoundOptions(), lambda packet, at: packets.append((packet, at)))
    for at in range(0, talk.size - 2880, 2880):
        sender.take(talk[at : at + 2880], at // 48)
    heard = []
    while clock[0] < 5:
        while packets and packets[0][1] / 1000 + 0.1 <= clock[0]:
            playout.sound(packets.pop(0)[0], clock[0])
        heard.append(playout.sound_block(BLOCK, clock[0]))
        clock[0] += 0.02
    assert playout.stats().sound_played_ms > 1500
    assert np.abs(np.concatenate(heard)).max() > 3000


def test_new_source_replaces_the_old_one_between_two_pictures(
    networks: Networks, still: tuple[bytes, Motion], nodding: list[np.ndarray]
) -> None:
    network = Network()
    caller, playout, clock, sink = call(networks, still, None, network)
    run(caller, network, playout, clock, 2)
    first, shown = sink.picture, len(sink.at_s)
    other = make_source(networks, Coding.of(networks.bundle), np.ascontiguousarray(255 - nodding[6]), FPS, 2000)
    message = other.message
    playout.source(message)
    run(caller, network, playout, clock, 1)
    assert len(sink.at_s) == shown + 25
    assert playout.source_hash == source_hash(message)
    assert playout.stats().sources == 2
    assert playout.stats().freezes == 0
    assert first is not None
    assert sink.picture is not None
    assert np.abs(sink.picture.astype(int) - first).mean() > 30


def test_frame_whose_source_is_not_there_yet_is_drawn_from_another(
    networks: Networks, still: tuple[bytes, Motion], nodding: list[np.ndarray]
) -> None:
    clock = [0.0]
    playout = Playout(networks, NoVideo(), None, clock=lambda: clock[0])
    playout.source(still[0])
    coding = Coding.of(networks.bundle)
    encoder = MotionEncoder(coding.tables, coding.quantiser, frame_rate=FPS)
    other = make_source(networks, coding, nodding[6], FPS, 0, number=1)
    for number in range(20):
        packet = encoder.encode(still[1], 40 * number, 1)
        assert packet is not None
        playout.motion(packet, 0.04 * number)
        if number == 10:
            before = playout.stats()
            playout.source(other.message)
        clock[0] = 0.04 * number
        playout.show(clock[0])
    assert before.substituted > 3
    assert playout.stats().substituted == before.substituted, "from then on it is there"
    assert playout.stats().shown == 20


def test_waiting_for_the_first_motion_is_not_a_freeze(
    networks: Networks, still: tuple[bytes, Motion], talk: np.ndarray
) -> None:
    """Sound starts at once and motion two seconds later. A gap after that is a freeze."""
    network = Network()
    caller, playout, clock, _ = call(networks, still, talk, network)
    pass_on, dark = network.send, [(0.0, 2.0), (4.0, 5.0)]

    def send(deliver: Callable[[bytes, float], None], packet: bytes, at_s: float) -> None:
        if deliver != playout.motion or not any(begin <= at_s < end for begin, end in dark):
            pass_on(deliver, packet, at_s)

    network.send = send  # type: ignore[method-assign]
    run(caller, network, playout, clock, 3.5)
    assert playout.stats().sound_played_ms > 1000
    assert playout.stats().frames > 20
    assert playout.stats().freezes == 0
    run(caller, network, playout, clock, 3)
    assert playout.stats().freezes == 1


def test_restart_accepts_another_sender(networks: Networks, still: tuple[bytes, Motion], talk: np.ndarray) -> None:
    network = Network()
    caller, playout, clock, sink = call(networks, still, talk, network)
    run(caller, network, playout, clock, 3)
    newest = playout.acknowledged()
    assert newest is not None
    assert newest > 60
    network.on_the_way.clear()
    playout.restart()
    assert playout.acknowledged() is None
    again = Caller(networks, *still, talk, network, playout)
    begun_s = clock[0]
    again_clock_until = again.until
    again.until = lambda now_s: again_clock_until(now_s - begun_s)  # type: ignore[method-assign]
    late = network.send
    network.send = lambda deliver, packet, at_s: late(deliver, packet, at_s + begun_s)  # type: ignore[method-assign]
    before = playout.stats()
    run(again, network, playout, clock, 4)
    after = playout.stats()
    assert playout.acknowledged() in range(80, 100)
    assert after.shown - before.shown == 100
    assert after.concealed - before.concealed < 20
    assert after.sound_played_ms > before.sound_played_ms
    assert len(sink.at_s) == after.shown


def test_free_view_and_portrait_change_what_is_drawn(
    networks: Networks, still: tuple[bytes, Motion], nodding: list[np.ndarray]
) -> None:
    network = Network()
    caller, playout, clock, sink = call(networks, still, None, network)
    run(caller, network, playout, clock, 1)
    straight = sink.picture
    playout.free_view(0.4, 0.0, 0.0)
    run(caller, network, playout, clock, 0.2)
    assert straight is not None
    assert sink.picture is not None
    assert np.abs(sink.picture.astype(int) - straight).mean() > 3
    portrait = np.ascontiguousarray(nodding[0][:, ::-1])
    caller, playout, clock, sink = call(networks, still, None, Network(), PlayoutOptions(portrait=portrait))
    run(caller, caller._network, playout, clock, 1)
    assert sink.picture is not None
    mirrored = np.abs(sink.picture.astype(int) - portrait).mean()
    assert mirrored < 0.3 * np.abs(sink.picture.astype(int) - straight).mean()


def test_foreign_bytes_raise_and_the_call_continues(networks: Networks, still: tuple[bytes, Motion]) -> None:
    network = Network()
    caller, playout, clock, _ = call(networks, still, None, network)
    run(caller, network, playout, clock, 1)
    source = decode_source(still[0])
    with pytest.raises(WeightsError):
        playout.source(encode_source(replaced(source, bundle_hash=bytes(8))))
    with pytest.raises(DecodeError):
        playout.source(b"FWSF")
    with pytest.raises(DecodeError):
        playout.motion(b"\xff", clock[0])
    with pytest.raises(DecodeError):
        playout.sound(b"", clock[0])
    run(caller, network, playout, clock, 1)
    assert playout.stats().freezes == 0


def test_damaged_picture_raises_and_the_call_continues(networks: Networks, still: tuple[bytes, Motion]) -> None:
    network = Network()
    caller, playout, clock, sink = call(networks, still, None, network)
    run(caller, network, playout, clock, 1)
    with pytest.raises(DecodeError, match="picture is damaged"):
        playout.source(encode_source(replaced(decode_source(still[0]), picture=b"no picture")))
    run(caller, network, playout, clock, 1)
    assert len(sink.at_s) == 50
    assert playout.stats().sources == 1


events = st.lists(
    st.one_of(
        st.tuples(st.just("motion"), st.integers(0, 79), st.just(b""), st.floats(0, 0.5)),
        st.tuples(st.just("sound"), st.integers(0, 49), st.just(b""), st.floats(0, 0.5)),
        st.tuples(st.just("junk"), st.just(0), st.binary(max_size=40), st.floats(0, 0.5)),
        st.tuples(st.just("wait"), st.just(0), st.just(b""), st.floats(0, 3)),
    ),
    max_size=60,
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events)
def test_every_tick_has_a_picture_under_any_loss_order_and_copies(
    networks: Networks, still: tuple[bytes, Motion], talk: np.ndarray, events: list[tuple[str, int, bytes, float]]
) -> None:
    coding = Coding.of(networks.bundle)
    encoder = MotionEncoder(coding.tables, coding.quantiser, Packing(redundancy=1), frame_rate=FPS)
    motions = [encoder.encode(still[1], 40 * number) for number in range(80)]
    sounds: list[bytes] = []
    sender = SoundSender(None, SoundOptions(), lambda packet, _: sounds.append(packet))
    for at in range(0, 50 * 2880, 2880):
        sender.take(talk[at : at + 2880], at // 48)
    clock, sink = [0.0], Kept()
    playout = Playout(networks, sink, None, clock=lambda: clock[0])
    playout.source(still[0])
    for ticks, (kind, number, junk, later_s) in enumerate(events, start=1):
        clock[0] += later_s
        try:
            if kind == "motion":
                playout.motion(motions[number] or b"", clock[0])
            elif kind == "sound":
                playout.sound(sounds[number % len(sounds)], clock[0])
            elif kind == "junk":
                (playout.motion if len(junk) % 2 else playout.sound)(junk, clock[0])
        except DecodeError:
            pass
        assert playout.show(clock[0])
        assert len(sink.at_s) == ticks
        assert playout.sound_block(BLOCK, clock[0]).shape == (BLOCK,)
    assert len(playout._timeline._frames) <= MAX_KNOWN
    assert len(playout._track._waiting) <= MAX_WAITING


def test_closed_window_ends_playout_once(networks: Networks, still: tuple[bytes, Motion]) -> None:
    ends: list[str] = []
    ended = threading.Event()

    def on_end(reason: str) -> None:
        ends.append(reason)
        ended.set()

    playout = Playout(networks, Kept(wanted=3), None, on_end=on_end)
    playout.source(still[0])
    playout.start()
    assert ended.wait(30)
    playout.stop()
    assert ends == ["closed"]
    assert playout.stats().shown == 3
