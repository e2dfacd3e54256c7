"""The source frame's picture to AVIF and back: the only pixels that a call transmits.

`facewire.sender` writes them and `facewire.receiver` reads them. The sender reads its own back too, to measure canonical
keypoints and source motion on the picture that the receiver will have.
"""

from __future__ import annotations

import io
import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facewire.errors import DecodeError

QUALITY = 60
"""Some 4 kB for a face at 256 x 256. Judged after the networks, on 11 clips of strangers, it gives what WebP at 90 gives
for 54 % of its bytes; below it ST-LPIPS rises."""
DIM_QUALITY = 80
"""Of a picture with half the usual contrast or less: counted in levels, a dark face has less to lose than a fair one."""
CONTRAST = 40.0
"""Standard deviation of brightness from which on a picture counts as usual, in levels. Most have 44 to 67."""
PREVIEW_QUALITY = 20
"""1.4 kB: what is seen on a narrow link until the other is through."""
PICTURE_FORMAT: Literal["avif"] = "avif"
READ_FORMATS = ("avif", "webp")
SPEED = 6
"""Of the AVIF encoder, 0 to 10: 43 ms of a processor; slower ones save 3 %."""


def quality_of(picture: NDArray[np.uint8]) -> int:
    """The quality, 0 to 100, at which a source frame is sent, of a picture uint8 RGB (S, S, 3)."""
    contrast = max(1.0, float(picture.mean(2).std()))
    return round(QUALITY + (DIM_QUALITY - QUALITY) * min(max(0.0, CONTRAST / contrast - 1), 1.0))


def compress(picture: NDArray[np.uint8], quality: int | None = None) -> bytes:
    """A picture, uint8 RGB (S, S, 3), as an AVIF file; quality 0 to 100, None for that of `quality_of`."""
    from PIL import Image

    quality = quality_of(picture) if quality is None else quality
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "AVIF", quality=quality, speed=SPEED, max_threads=1)
    return file.getvalue()


def decompress(data: bytes, size: int, picture_format: str = PICTURE_FORMAT) -> NDArray[np.uint8]:
    """Decodes a picture file to uint8 RGB (size, size, 3). Raises DecodeError if it is damaged or of another size."""
    from PIL import Image

    if picture_format not in READ_FORMATS:
        raise DecodeError(f"a source frame in {picture_format}; this program reads {' and '.join(READ_FORMATS)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked here, before decoding
            image = Image.open(io.BytesIO(data), formats=[picture_format.upper()])
        with image:
            if image.size != (size, size):
                raise DecodeError(f"a source frame of {image.width}x{image.height}; these weights need {size}x{size}")
            return np.array(image.convert("RGB"), np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DecodeError("the source frame's picture is damaged") from error
