"""Pictures that motion cannot show, made of what installed packages ship: a hand over the face, a sheet of paper held up, a second
person, an empty chair.

Each is a function of a camera picture, uint8 RGB (288, 352, 3), and the seconds since it began; nobody else is filmed for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire.samples import sample_clip, sample_portrait
from facewire.sender.media import open_video, read_picture

Picture = NDArray[np.uint8]
WIDTH, HEIGHT = 352, 288
FACE_X, FACE_Y = 172, 122
"""Where the face is in the bundled clip, about."""
RISE_S = 0.12
"""A hand or a sheet is in its place after so long."""
TEXT = ("Flight  FW 256", "Gate 12   08:45", "Seat 14 C", "Please be there", "half an hour before", "departure.")


@lru_cache(maxsize=1)
def talking() -> tuple[Picture, ...]:
    """The bundled clip, scaled up: 120 pictures, 25 a second."""
    with open_video(str(sample_clip())) as video:
        return tuple(
            np.asarray(cv2.resize(f.picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8) for f in video
        )


def hand(picture: Picture, seconds: float) -> Picture:
    """An open hand in front of the face; its fingers move."""
    x = FACE_X + 10 * np.sin(2.1 * seconds)
    y = FACE_Y + 14 + 8 * np.sin(3.3 * seconds) + 200 * max(0.0, 1 - seconds / RISE_S)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(mask, (round(x), round(y + 42)), (44, 50), 0, 0, 360, 255, -1)
    cv2.line(mask, (round(x), round(y + 80)), (round(x + 18), HEIGHT + 40), 255, 54)
    for finger, (dx, length) in enumerate([(-34, 62), (-12, 78), (12, 76), (34, 58)]):
        tip = dx * 1.25 + 5 * np.sin(4 * seconds + finger), -length
        cv2.line(mask, (round(x + dx), round(y + 20)), (round(x + tip[0]), round(y + tip[1])), 255, 21)
    cv2.line(mask, (round(x - 36), round(y + 52)), (round(x - 80), round(y + 8)), 255, 23)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    shade = 0.62 + 0.38 * np.clip(inside / 14, 0, 1)
    skin = np.array([205, 158, 130], np.float32) * shade[..., None]
    return _over(picture, np.asarray(skin + 6 * _grain()[..., None], np.float32), mask)


def paper(picture: Picture, seconds: float) -> Picture:
    """A sheet with large print, held up in front of the face."""
    sheet = np.full((210, 190, 3), 238, np.uint8)
    for row, line in enumerate(TEXT):
        cv2.putText(sheet, line, (10, 34 + 31 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.56, (30, 30, 60), 1, cv2.LINE_AA)
    x = FACE_X - 95 + 7 * np.sin(1.7 * seconds)
    y = FACE_Y - 80 + 5 * np.sin(2.3 * seconds) + 260 * max(0.0, 1 - seconds / RISE_S)
    turn = cv2.getRotationMatrix2D((95, 105), 3 * np.sin(1.3 * seconds), 1.0)
    turn[:, 2] += x, y
    drawn = cv2.warpAffine(sheet, turn, (WIDTH, HEIGHT))
    mask = np.asarray(cv2.warpAffine(np.full(sheet.shape[:2], 255, np.uint8), turn, (WIDTH, HEIGHT)), np.uint8)
    return _over(picture, drawn.astype(np.float32), mask)


def second_person(picture: Picture, seconds: float) -> Picture:
    """Somebody else leans in from the right."""
    portrait = cv2.resize(read_picture(sample_portrait())[20:330, 60:370], (180, 180), interpolation=cv2.INTER_AREA)
    x = FACE_X + 28 + round(4 * np.sin(1.9 * seconds) + 180 * max(0.0, 1 - seconds / (3 * RISE_S)))
    y = 62 + round(3 * np.sin(2.9 * seconds))
    mask, drawn = np.zeros((HEIGHT, WIDTH), np.uint8), np.zeros((HEIGHT, WIDTH, 3), np.float32)
    oval = np.zeros((180, 180), np.uint8)
    cv2.ellipse(oval, (88, 92), (62, 88), 0, 0, 360, 255, -1)
    width, height = min(180, WIDTH - x), min(180, HEIGHT - y)
    if width > 0:
        mask[y : y + height, x : x + width] = oval[:height, :width]
        drawn[y : y + height, x : x + width] = portrait[:height, :width]
    return _over(picture, drawn, mask)


def empty_chair(picture: Picture, seconds: float) -> Picture:
    """Nobody: a wall, a window, the back of a chair."""
    room = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    room[:] = np.linspace(186, 150, HEIGHT)[:, None, None] * np.array([1.0, 0.97, 0.9])
    cv2.rectangle(room, (30, 20), (120, 130), (210, 225, 240), -1)
    cv2.rectangle(room, (30, 20), (120, 130), (110, 100, 90), 4)
    cv2.line(room, (75, 20), (75, 130), (110, 100, 90), 3)
    cv2.ellipse(room, (180, 210), (74, 92), 0, 180, 360, (70, 74, 92), -1)
    cv2.rectangle(room, (106, 208), (254, HEIGHT), (70, 74, 92), -1)
    for x in range(122, 250, 24):
        cv2.line(room, (x, 165), (x, HEIGHT), (52, 56, 72), 3)
    return np.asarray(np.clip(room + 3 * _grain(round(25 * seconds) % 8)[..., None], 0, 255), np.uint8)


SITUATIONS: dict[str, Callable[[Picture, float], Picture]] = {
    "hand over the face": hand,
    "paper held up": paper,
    "second person": second_person,
    "empty chair": empty_chair,
}


@lru_cache(maxsize=8)
def _grain(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((HEIGHT, WIDTH)).astype(np.float32)


def _over(picture: Picture, drawn: NDArray[np.float32], mask: NDArray[np.uint8]) -> Picture:
    soft = cv2.GaussianBlur(mask, (3, 3), 0)[..., None].astype(np.float32) / 255
    return np.asarray(np.clip(picture * (1 - soft) + drawn * soft, 0, 255), np.uint8)
