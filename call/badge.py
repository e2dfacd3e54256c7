"""The badge that says what a picture is, drawn into it for recordings, and where the page cannot draw it on top.

It is drawn on the receiving side, so no sender can leave it out.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facewire.codec.pixels import Layer

TEXTS: dict[Layer, str] = {"motion": "synthesised from motion", "camera": "camera picture"}
TEXT_SHARE = 1 / 21
"""Font size as a share of the picture's height."""
DARKENED_TO = 0.35
"""Brightness of the picture behind the text, so that white is legible on any face."""


def camera_badge(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy of a camera picture, with its badge."""
    return stamp(picture, "camera")


def stamp(picture: NDArray[np.uint8], layer: Layer = "motion", *, top: bool = False) -> NDArray[np.uint8]:
    """A copy of the picture, uint8 RGB (H, W, 3), with the badge of its layer in its lower left corner, or in the upper one."""
    text = _text(TEXTS[layer], picture.shape[0])
    height, width = min(text.shape[0], picture.shape[0]), min(text.shape[1], picture.shape[1])
    text = text[:height, :width, None]
    marked = picture.copy()
    corner = marked[:height, :width] if top else marked[-height:, :width]
    corner[:] = np.rint(corner * DARKENED_TO * (1 - text) + 255 * text).astype(np.uint8)
    return marked


@lru_cache(maxsize=4)
def _text(words: str, picture_height: int) -> NDArray[np.float32]:
    """The words with a margin, as coverage from 0 to 1, (h, w)."""
    from PIL import Image, ImageDraw, ImageFont

    size = max(8, round(picture_height * TEXT_SHARE))
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(words)
    room = max(2, size // 3)
    image = Image.new("L", (round(right - left) + 2 * room, round(bottom - top) + 2 * room))
    ImageDraw.Draw(image).text((room - left, room - top), words, fill=255, font=font)
    return np.asarray(image, np.float32) / np.float32(255)
