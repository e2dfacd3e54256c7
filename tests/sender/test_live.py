"""A live sender sends source frames and motion; a lost face, an unplugged camera and the end of a file become states."""

from __future__ import annotations

import dataclasses
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from facewire.codec import MotionDecoder, Packing, decode_source, source_hash
from facewire.coding import Coding
from facewire.errors import InputError
from facewire.models.runtime import Networks
from facewire.sender import live, policy
from facewire.sender.face_detector import FaceDetector
from facewire.sender.face_tracker import FaceTracker
from facewire.sender.framing import frame_video
from facewire.sender.live import LiveSender, LiveSenderOptions, SenderState, SourceMessage
from facewire.sender.media import VideoSource, open_live_video
from facewire.sender.policy import LookDuty

from .cameras import Camera

WALL = np.full((256, 256, 3), 127, np.uint8)


class Other:
    """The other side: keeps what it receives, and lets a test wait for a state."""

    def __init__(self) -> None:
        self.sources: list[SourceMessage] = []
        self.packets: list[tuple[bytes, int]] = []
        self.states: list[SenderState] = []
        self._changed = threading.Condition()

    def on_state(self, state: SenderState) -> None:
        with self._changed:
            self.states.append(state)
            self._changed.notify_all()

    def wait_for(self, state: SenderState, times: int = 1) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.states.count(state) >= times, timeout=60), self.states

    def sender(
        self, networks: Networks, video: str | int | VideoSource, options: LiveSenderOptions | None = None
    ) -> LiveSender:
        return LiveSender(
            networks,
            video,
            options or LiveSenderOptions(),
            self.sources.append,
            lambda packet, capture_ms: self.packets.append((packet, capture_ms)),
            self.on_state,
        )


def give(sender: LiveSender, pictures: Sequence[np.ndarray], begin_ms: int = 0) -> int:
    """Passes it pictures, 25 a second. Returns the time of the next one."""
    for number, picture in enumerate(pictures):
        sender.take(picture, begin_ms + 40 * number)
    return begin_ms + 40 * len(pictures)


def decoded(networks: Networks, other: Other) -> dict[int, int]:
    """Capture times by frame number, decoded from the packets."""
    coding = Coding.of(networks.bundle)
    rate = decode_source(other.sources[0].data).frame_rate
    decoder = MotionDecoder(coding.tables, coding.quantiser, frame_rate=rate)
    return {frame.number: frame.capture_time_ms for packet, _ in other.packets for frame in decoder.decode(packet)}


def test_first_picture_becomes_the_source_and_every_picture_motion(
    networks: Networks, clip: Path, nodding: list[np.ndarray]
) -> None:
    other = Other()
    sender = other.sender(networks, str(clip))
    give(sender, nodding)
    (source,) = other.sources
    assert source.hash == source_hash(source.data)
    assert source.number == 0
    assert len(other.packets) == 4  # three frames each
    assert [capture_ms for _, capture_ms in other.packets] == [80, 200, 320, 440]
    assert decoded(networks, other) == {number: 40 * number for number in range(12)}
    assert other.states == ["sending"]
    assert sender.stats().sent == 12


def test_on_square_gets_every_square(networks: Networks, clip: Path, nodding: list[np.ndarray]) -> None:
    other, squares = Other(), []
    sender = LiveSender(
        networks,
        str(clip),
        LiveSenderOptions(),
        other.sources.append,
        lambda packet, capture_ms: None,
        other.on_state,
        on_square=lambda square, capture_ms: squares.append((square, capture_ms)),
    )
    framed_at_first = sender.framed
    give(sender, nodding)
    assert framed_at_first is None
    assert sender.framed is not None
    assert (sender.framed.width, sender.framed.height) == (256, 256)
    assert [capture_ms for _, capture_ms in squares] == [40 * number for number in range(12)]
    assert (squares[0][0] == sender.framed.framing.cut(nodding[0])).all()


def test_pictures_of_another_size_are_framed_anew(networks: Networks, nodding: list[np.ndarray]) -> None:
    other = Other()
    sender = other.sender(networks, Camera())
    begin_ms = give(sender, nodding)
    assert sender.framed is not None
    small = sender.framed.framing
    assert other.sources[0].picture == "live"
    give(sender, [cv2.resize(picture, (512, 512)) for picture in nodding] * 3, begin_ms)
    assert sender.framed.width == 512
    assert sender.framed.framing.side == pytest.approx(2 * small.side, rel=0.15)


def test_portrait_replaces_the_face_and_moves_like_it(
    networks: Networks, clip: Path, nodding: list[np.ndarray]
) -> None:
    other = Other()
    sender = other.sender(networks, str(clip))
    begin_ms = give(sender, nodding)
    assert other.sources[0].picture == "file"
    portrait = np.ascontiguousarray(nodding[0][:, ::-1])
    sender.appear_as(portrait)
    begin_ms = give(sender, nodding, begin_ms)
    assert [source.picture for source in other.sources] == ["file", "portrait"]
    coding = Coding.of(networks.bundle)
    source = decode_source(other.sources[1].data)
    own = coding.quantiser.motion(source.motion_units)
    decoder = MotionDecoder(coding.tables, coding.quantiser, frame_rate=source.frame_rate)
    frames = [frame for packet, _ in other.packets for frame in decoder.decode(packet)]
    rolls = [[frame.motion.rotation[2] for frame in part] for part in (frames[:12], frames[12:24])]
    assert abs(rolls[1][0] - own.rotation[2]) < np.radians(1.5)  # it starts from the portrait's own pose
    assert np.corrcoef(rolls[0], rolls[1])[0, 1] > 0.9
    sender.new_source()  # the other side gets the portrait again, not the face
    begin_ms = give(sender, nodding[:2], begin_ms)
    assert [source.picture for source in other.sources][2:] == ["portrait"]
    sender.appear_as(None)
    give(sender, [nodding[0]] * 40, begin_ms)
    assert other.sources[-1].picture == "file"


def test_file_is_sent_in_real_time_to_its_end(networks: Networks, clip: Path) -> None:
    other = Other()
    sender = other.sender(networks, str(clip))
    sender.start()
    other.wait_for("ended")
    sender.stop()
    stats = sender.stats()
    assert other.states == ["sending", "ended"]
    assert stats.captured == 12
    assert stats.sent == len(decoded(networks, other)) == 12 - stats.skipped
    assert sender.problem == ""


@pytest.mark.parametrize("graph", ["appearance", "render"])
def test_weights_that_cannot_draw_end_the_sender(networks: Networks, clip: Path, tmp_path: Path, graph: str) -> None:
    folder = shutil.copytree(networks.bundle.folder, tmp_path / "weights")
    (folder / f"{graph}.onnx").write_bytes(b"no graph")
    other, broken = Other(), Networks(dataclasses.replace(networks.bundle, folder=folder), threads=1)
    sender = other.sender(broken, str(clip), LiveSenderOptions(sources=2, loop=True))
    sender.start()
    other.wait_for("ended")
    sender.stop()
    assert f"{graph}.onnx cannot be loaded" in sender.problem


def test_file_that_waits_gives_its_first_picture_and_begins_when_told(networks: Networks, clip: Path) -> None:
    other = Other()
    sender = other.sender(networks, str(clip), LiveSenderOptions(wait=True))
    sender.start()
    other.wait_for("sending")
    time.sleep(0.7)  # longer than the clip
    assert (sender.stats().captured, len(other.sources)) == (1, 1)
    sender.begin()
    other.wait_for("ended")
    sender.stop()
    times = list(decoded(networks, other).values())
    assert sender.stats().captured == 12
    assert times[1] - times[0] >= 700
    assert times[-1] - times[1] <= 480


def test_file_that_waits_can_be_stopped(networks: Networks, clip: Path) -> None:
    other = Other()
    sender = other.sender(networks, str(clip), LiveSenderOptions(wait=True))
    sender.start()
    other.wait_for("sending")
    sender.stop()
    assert not any(thread.is_alive() for thread in sender._threads)


def test_looped_file_continues_with_increasing_times(networks: Networks, clip: Path) -> None:
    other, enough = Other(), threading.Event()

    def on_motion(packet: bytes, capture_ms: int) -> None:
        other.packets.append((packet, capture_ms))
        if capture_ms > 1200:
            enough.set()

    looped = LiveSenderOptions(loop=True)
    sender = LiveSender(networks, str(clip), looped, other.sources.append, on_motion, other.on_state)
    sender.start()
    assert enough.wait(60)
    sender.stop()
    times = list(decoded(networks, other).values())
    assert times == sorted(times)
    assert times[-1] > 1000  # the clip lasts 480 ms
    assert "ended" not in other.states


def test_lost_face_pauses_sending_becomes_a_state_and_recovers(
    networks: Networks, clip: Path, nodding: list[np.ndarray]
) -> None:
    other = Other()
    sender = other.sender(networks, str(clip))
    now_ms = give(sender, nodding)
    now_ms = give(sender, [WALL] * 6, now_ms)
    said = len(other.packets)
    assert other.states == ["sending"]  # not lost yet: nothing is sent, but the state stays
    now_ms = give(sender, [WALL] * 20, now_ms)
    assert other.states == ["sending", "no-face"]
    assert len(other.packets) == said
    give(sender, nodding, now_ms)
    assert other.states == ["sending", "no-face", "sending"]
    assert len(other.sources) == 2  # there were cuts in the file: it may be somebody else
    times = decoded(networks, other)
    assert list(times) == list(range(len(times)))
    assert sender.stats().without_face > 20


def test_no_face_at_all_becomes_a_state(networks: Networks, clip: Path) -> None:
    other = Other()
    give(other.sender(networks, str(clip)), [WALL] * 20)
    assert other.states == ["no-face"]
    assert other.sources == []
    assert other.packets == []


def test_square_follows_the_face_of_a_camera(networks: Networks, clip: Path, astronaut: np.ndarray) -> None:
    small = cv2.resize(astronaut, (300, 300), interpolation=cv2.INTER_AREA)

    def at(x: int) -> np.ndarray:
        return np.asarray(cv2.copyMakeBorder(small, 90, 90, x, 340 - x, cv2.BORDER_REPLICATE), np.uint8)

    other = Other()
    sender = other.sender(networks, str(clip))
    sender._face = FaceTracker()  # as for a camera, with no square known from the file
    give(sender, [at(min(340, 6 * number)) for number in range(60)] + [at(340)] * 60)
    assert other.states == ["sending"]
    assert sender.framed is not None
    assert sender.framed.framing.x > 200


def test_new_source_is_made_on_request(networks: Networks, clip: Path, nodding: list[np.ndarray]) -> None:
    other = Other()
    sender = other.sender(networks, str(clip))
    sender.new_source()  # no effect: there is none yet, and the first one is due anyway
    now_ms = give(sender, nodding)
    sender.new_source()
    give(sender, nodding, now_ms)
    assert [source.number for source in other.sources] == [0, 1]
    assert other.sources[0].hash != other.sources[1].hash


def test_scene_codes_continue_across_a_new_source(networks: Networks, clip: Path, nodding: list[np.ndarray]) -> None:
    """Whichever source frame the other side has, the difference from its code is how far the scene has moved."""
    other = Other()
    sender = other.sender(networks, str(clip), LiveSenderOptions(Packing(redundancy=1)))
    moves = [np.array([[1, 0, x], [0, 1, 0]], np.float64) for x in range(16)]
    size = nodding[0].shape[1::-1]
    pictures = [cv2.warpAffine(nodding[0], move, size, borderMode=cv2.BORDER_REPLICATE) for move in moves]
    now_ms = give(sender, pictures[:8])
    sender.new_source()
    give(sender, pictures[8:], now_ms)
    first, second = (decode_source(message.data) for message in other.sources)
    coding = Coding.of(networks.bundle)
    decoder = MotionDecoder(coding.tables, coding.quantiser, frame_rate=first.frame_rate)
    scenes = np.stack([frame.motion.scene for packet, _ in other.packets for frame in decoder.decode(packet)])
    assert not coding.quantiser.motion(first.motion_units).scene.any()
    begins = coding.quantiser.motion(second.motion_units).scene
    moved = np.abs(scenes[-1]).argmax()
    steps = np.diff(scenes[:, moved])
    assert abs(begins[moved] - scenes[8, moved]) < 0.02
    assert abs(scenes[-1, moved]) > 1.5 * abs(scenes[7, moved])
    assert np.abs(steps).max() < 4 * np.abs(steps).mean() + 0.01


def test_new_receiver_gets_the_source_again_and_packets_it_can_decode(
    networks: Networks, clip: Path, nodding: list[np.ndarray]
) -> None:
    other = Other()
    sender = other.sender(networks, str(clip))
    now_ms = give(sender, nodding)
    sender.acknowledge(11)
    now_ms = give(sender, nodding[:6], now_ms)
    coding = Coding.of(networks.bundle)
    newcomer = MotionDecoder(coding.tables, coding.quantiser)
    assert newcomer.decode(other.packets[-1][0]) == []  # predicted from a frame that it never had
    sender.new_receiver()
    give(sender, nodding[:3], now_ms)
    assert other.sources[1] is other.sources[0]
    assert newcomer.decode(other.packets[-1][0])


def test_rate_changes_while_sending(networks: Networks, clip: Path, nodding: list[np.ndarray]) -> None:
    other = Other()
    sender = other.sender(networks, str(clip), LiveSenderOptions(Packing("high")))
    now_ms = give(sender, nodding)
    first = other.packets.copy()
    sender.set_rate(Packing("lowest", 4, 0), 12.5)
    give(sender, nodding, now_ms)
    assert len(first) == 12
    assert len(other.packets) == 15
    assert sum(len(p) for p, _ in other.packets[12:]) < 0.5 * sum(len(p) for p, _ in first)
    for packing, fps in (
        (Packing("best"), 25),
        (Packing(frames_per_packet=17), 25),
        (Packing(redundancy=3), 25),
        (Packing(), 0),
    ):
        with pytest.raises(InputError):
            sender.set_rate(packing, fps)


def test_paused_camera_sends_nothing(networks: Networks, clip: Path, nodding: list[np.ndarray]) -> None:
    other = Other()
    sender = other.sender(networks, str(clip))
    now_ms = give(sender, nodding[:4])
    sender.pause(True)
    now_ms = give(sender, nodding, now_ms)
    assert other.states == ["sending", "paused"]
    assert sorted(decoded(networks, other)) == [0, 1, 2, 3]  # the frames gathered before were sent
    sender.pause(False)
    give(sender, nodding, now_ms)
    assert other.states[-1] == "sending"


def test_newest_picture_wins_when_the_machine_is_slow(
    networks: Networks, clip: Path, nodding: list[np.ndarray]
) -> None:
    other = Other()
    sender = other.sender(networks, str(clip))
    for number, picture in enumerate(nodding):
        sender._offer(picture, 40 * number)  # the motion thread has not started
    assert sender.stats().skipped == 11
    sender._enter_after_last("ended")
    sender._work()
    assert sender.stats().sent == 1
    assert other.packets[0][1] >= 0
    assert list(decoded(networks, other).values()) == [440]
    assert other.states == ["sending", "ended"]


def test_unplugged_camera_becomes_a_state_and_recovers(
    networks: Networks, carphone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture: Callable[[str], cv2.VideoCapture] = cv2.VideoCapture
    monkeypatch.setattr(
        cv2, "VideoCapture", lambda _number: capture(str(carphone))
    )  # a camera that dies at a clip's end
    monkeypatch.setattr(live, "REOPEN_CAMERA_S", 0.01)
    other = Other()
    sender = other.sender(networks, 0)
    sender.start()
    other.wait_for("camera-lost", 2)
    sender.stop()
    assert other.states[:4] == ["sending", "camera-lost", "sending", "camera-lost"]
    assert sender.problem == "camera 0 was unplugged"
    assert len([source for source in other.sources if not source.extra]) == 1


def test_failing_callback_is_only_logged(
    networks: Networks, clip: Path, nodding: list[np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    other = Other()

    def broken(*_: object) -> None:
        raise RuntimeError("the loop is closed")

    sender = LiveSender(networks, str(clip), LiveSenderOptions(), broken, broken, other.on_state)
    give(sender, nodding)
    assert sender.stats().sent == 12
    assert "the loop is closed" in caplog.text


@pytest.mark.parametrize("video", ["no such.mp4", "99"])
def test_unusable_video_raises_at_once(networks: Networks, video: str) -> None:
    with pytest.raises(InputError):
        Other().sender(networks, video)


def test_still_picture_sways_by_a_known_motion(portrait_file: Path, networks: Networks) -> None:
    with open_live_video(portrait_file) as video:
        frames = [frame for frame, _ in zip(video, range(101), strict=False)]
    assert [frame.time_ms for frame in frames[:3]] == [0, 40, 80]
    with open_live_video(portrait_file) as video:
        framing = frame_video(video, FaceDetector()).framing
    rolls = [float(networks.motion(framing.cut(frames[at].picture, 256)).rotation[2]) for at in (0, 25, 75, 100)]
    assert np.degrees(rolls[1] - rolls[2]) == pytest.approx(-10, abs=2)
    assert np.degrees(rolls[0] - rolls[3]) == pytest.approx(0, abs=1)


@pytest.mark.parametrize("slow", [False, True], ids=["looks", "has no time to look"])
def test_head_that_moved_far_brings_a_further_source_frame(
    networks: Networks, clip: Path, nodding: list[np.ndarray], monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    if slow:
        monkeypatch.setattr(LookDuty, "due", lambda _self, _time_ms: False)
    other = Other()
    sender = other.sender(networks, str(clip), LiveSenderOptions(sources=3))
    sender._encoder.load_drawing()
    give(sender, [nodding[0]] * 8)
    moved = np.ascontiguousarray(np.roll(nodding[0], 40, axis=1))
    give(sender, [moved] * 60, 400)
    extra = [source for source in other.sources if source.extra]
    assert len(other.sources) == 2
    assert len(extra) == 1, "the second one is not there yet, so there is no third"
    assert sender.stats().sources_in_use == 2
    assert (sender.stats().likeness is None) == slow
    assert sender._encoder.source is not None
    assert sender._encoder.source.hash == extra[0].hash, "pictures are drawn from it while it is under way"
    other_side = sender._encoder.bank.entries[-1]
    assert not other_side.arrived
    sender.source_delivered(extra[0].hash)
    give(sender, [moved] * 4, 3000)
    assert other_side.arrived


def test_another_light_brings_a_further_source_frame_and_keeps_the_others(
    networks: Networks, clip: Path, nodding: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "REFRESH_EVERY_MS", 400)
    monkeypatch.setattr(policy, "CHANGED", 0.001)  # everything is a change
    monkeypatch.setattr(LookDuty, "due", lambda _self, _time_ms: True)
    other = Other()
    sender = other.sender(networks, str(clip), LiveSenderOptions(sources=3))
    sender._encoder.load_drawing()
    now = give(sender, [nodding[0]] * 20)
    dimmed = [(nodding[0] * (1 - 0.5 * min(1, number / 40))).astype(np.uint8) for number in range(80)]
    give(sender, dimmed, now)
    assert [source.extra for source in other.sources] == [False, True]
    assert sender.stats().sources_in_use == 2
