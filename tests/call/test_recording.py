"""Recording: only with consent, known to both sides, and marked in the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from facewire.call.badge import stamp
from facewire.call.recording import Recording
from facewire.codec.pixels import Layer
from facewire.video import CAMERA_MARKED, PORTRAIT, SYNTHESISED

PICTURE = np.full((256, 256, 3), 128, np.uint8)


class Two:
    """Both sides of a call; `pass_on` delivers what they tell each other."""

    def __init__(self, folder: Path) -> None:
        self.problems: list[str] = []
        self.said_by_ada: list[str] = []
        self.said_by_grace: list[str] = []
        self.ada = Recording(folder, "kitchen/..", self.said_by_ada.append, self.problems.append)
        self.grace = Recording(folder, "kitchen", self.said_by_grace.append, self.problems.append)

    def pass_on(self) -> None:
        while self.said_by_ada or self.said_by_grace:
            if self.said_by_ada:
                self.grace.step(self.said_by_ada.pop(0))
            else:
                self.ada.step(self.said_by_grace.pop(0))


def film(recording: Recording, frames: int = 5) -> None:
    for number in range(frames):
        recording.show(PICTURE, 100 + number / 25)
        recording.hear(np.full(1920, 1000, np.int16), 100 + number / 25)


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)


def test_nothing_is_recorded_without_consent(two: Two, tmp_path: Path) -> None:
    two.ada.record(True)
    film(two.ada)
    two.pass_on()
    assert (two.ada.here, two.grace.there) == ("asking", "asking")
    film(two.ada)
    two.grace.consent(False)
    two.pass_on()
    film(two.ada)
    assert (two.ada.here, two.grace.there) == ("refused", "off")
    assert list(tmp_path.iterdir()) == []


def test_with_consent_both_sides_know_and_the_file_is_marked(two: Two) -> None:
    two.ada.record(True)
    two.pass_on()
    two.grace.consent(True)
    two.pass_on()
    assert (two.ada.here, two.grace.there) == ("on", "on")
    film(two.ada, 50)
    two.ada.record(False)
    two.pass_on()
    assert (two.ada.here, two.grace.there) == ("off", "off")
    assert two.ada.file is not None
    assert two.ada.file.parent.name != ".."
    with av.open(str(two.ada.file)) as file:
        assert file.metadata["comment"] == SYNTHESISED + CAMERA_MARKED
        assert "cv.iptc.org/newscodes/digitalsourcetype/" in file.metadata["description"]
        pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(pictures) == 50
    wanted = stamp(PICTURE).astype(float)
    assert np.abs(pictures[-1][-20:, :150] - wanted[-20:, :150]).mean() < 12  # the badge is in the picture
    with av.open(str(two.ada.file)) as file:
        sound = np.concatenate([frame.to_ndarray().reshape(-1) for frame in file.decode(audio=0)])
    assert 0.01 < np.abs(sound[4800:-4800]).mean() < 0.1
    assert not two.problems


def test_both_voices_are_in_the_file(two: Two) -> None:
    two.ada.record(True)
    two.pass_on()
    two.grace.consent(True)
    two.pass_on()
    for number in range(50):
        two.ada.show(PICTURE, 100 + number / 25)
        two.ada.hear(np.full(1920, 3000, np.int16), 100 + number / 25)
        two.ada.say(np.repeat(np.array([6000, -6000] * 20, np.int16), 48) if number >= 25 else np.zeros(1920, np.int16))
    two.ada.close()
    with av.open(str(two.ada.file)) as file:
        sound = np.concatenate([frame.to_ndarray().reshape(-1) for frame in file.decode(audio=0)])
    theirs, both = sound[9600:38400], sound[57600:86400]
    assert theirs.std() < 0.02
    assert both.std() > 0.1


def test_a_program_that_cannot_ask_is_not_a_person_who_refuses(two: Two) -> None:
    two.ada.record(True)
    two.ada.step("unable")
    after = two.ada.here
    assert after == "unable"
    assert two.ada.file is None
    two.ada.record(True)
    now = two.ada.here
    assert now == "asking", "another program may have come"


def test_consent_can_be_withdrawn(two: Two) -> None:
    two.ada.record(True)
    two.pass_on()
    two.grace.consent(True)
    two.pass_on()
    film(two.ada)
    two.grace.consent(False)
    two.pass_on()
    assert (two.ada.here, two.grace.there) == ("refused", "off")
    assert two.ada.file is not None
    size = two.ada.file.stat().st_size
    film(two.ada)
    two.ada.close()
    assert two.ada.file.stat().st_size == size


def test_unrequested_answers_record_nothing(two: Two, tmp_path: Path) -> None:
    for step in ("yes", "on", "no", "off"):
        two.ada.step(step)
        film(two.ada)
    assert two.ada.here == "off"
    assert list(tmp_path.iterdir()) == []


def test_consent_does_not_carry_over_to_a_new_person(two: Two) -> None:
    two.ada.record(True)
    two.pass_on()
    two.grace.consent(True)
    two.pass_on()
    film(two.ada)
    two.ada.greeted(same=False)
    assert two.ada.here == "off"
    assert two.ada.file is not None
    assert two.ada.file.exists()


def test_recording_is_announced_again_after_reconnecting(two: Two) -> None:
    two.ada.record(True)
    two.pass_on()
    two.grace.consent(True)
    two.pass_on()
    two.grace.greeted(same=True)
    lost = two.grace.there
    assert lost == "off"
    two.ada.greeted(same=True)
    two.pass_on()
    assert two.grace.there == "on"
    two.ada.close()


def test_request_made_while_alone_is_repeated_to_whoever_joins(two: Two) -> None:
    two.ada.record(True)
    two.said_by_ada.clear()  # there was nobody
    two.ada.greeted(same=False)
    two.pass_on()
    assert two.grace.there == "asking"


def test_missing_folder_is_reported(tmp_path: Path) -> None:
    two = Two(tmp_path / "gone")
    two.ada.record(True)
    two.pass_on()
    two.grace.consent(True)
    two.pass_on()
    assert (two.ada.here, two.grace.there) == ("off", "off")
    assert len(two.problems) == 1


def test_recording_of_a_portrait_is_marked_as_one(tmp_path: Path) -> None:
    two = Two(tmp_path)
    two.ada.portrait = True
    two.ada.record(True)
    two.pass_on()
    two.grace.consent(True)
    two.pass_on()
    film(two.ada)
    two.ada.close()
    with av.open(str(two.ada.file)) as file:
        assert file.metadata["comment"] == PORTRAIT + CAMERA_MARKED


def test_every_picture_of_a_recording_says_what_it_is(two: Two) -> None:
    two.ada.record(True)
    two.pass_on()
    two.grace.consent(True)
    two.pass_on()
    layers: list[Layer] = ["motion", "camera", "camera", "motion"]
    for number, layer in enumerate(layers):
        two.ada.show(PICTURE, 10 + 0.1 * number, layer)
    two.ada.record(False)
    assert two.ada.file is not None
    with av.open(str(two.ada.file)) as file:
        pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    for picture, layer in zip(pictures, layers, strict=True):
        other: Layer = "motion" if layer == "camera" else "camera"
        near, far = (
            np.abs(picture[-20:, :150] - stamp(PICTURE, one)[-20:, :150].astype(float)).mean() for one in (layer, other)
        )
        assert near < 12
        assert near < far


@pytest.mark.parametrize("size", [64, 256, 512])
def test_badge_is_legible_on_any_picture(size: int) -> None:
    for level in (0, 128, 255):
        picture = np.full((size, size, 3), level, np.uint8)
        marked = stamp(picture)
        corner = marked[-max(9, size // 14) :, : size // 2].astype(int)
        assert corner.max() - np.median(corner) > 120  # white letters on a darkened ground
        assert (marked[: size // 2] == picture[: size // 2]).all()


def test_full_disk_ends_the_recording_and_leaves_no_file(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
import numpy as np
from facewire.call.recording import Recording

resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
told, problems = [], []
recording = Recording(Path(sys.argv[1]), "kitchen", told.append, problems.append)
recording.record(True)
recording.step("yes")
noise = np.random.default_rng(0)
for number in range(200):
    recording.show(noise.integers(0, 256, (256, 256, 3), np.uint8), number / 25)
    recording.hear(np.zeros(1920, np.int16), number / 25)
    if problems:
        recording.failed()
        break
assert len(problems) == 1 and "cannot be written" in problems[0], problems
assert told == ["ask", "on", "off"] and recording.here == "off" and recording.file is None, (told, recording.file)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
