"""The source frame's picture to WebP and back: the only pixels that a call transmits.

`facewire.sender` writes them and `facewire.receiver` reads them. The sender reads its own back too, to measure canonical
keypoints and source motion on the picture that the receiver will have.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray

from facewire.errors import DecodeError

WEBP_QUALITY = 90
"""About 8 kB for a face at 256 x 256. Higher quality costs bytes of which the networks make no use."""
PREVIEW_QUALITY = 10
"""1.5 kB, 33 dB: shown on a narrow link until the other has arrived."""


def compress(picture: NDArray[np.uint8], quality: int = WEBP_QUALITY) -> bytes:
    """Encodes a picture, uint8 RGB (S, S, 3), as a WebP file. quality: 0 to 100."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "WEBP", quality=quality, method=4)
    return file.getvalue()


def decompress(data: bytes, size: int) -> NDArray[np.uint8]:
    """Decodes a WebP file to uint8 RGB (size, size, 3). Raises DecodeError if it is damaged or of another size."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked here, before decoding
            image = Image.open(io.BytesIO(data), formats=["WEBP"])
        with image:
            if image.size != (size, size):
                raise DecodeError(f"a source frame of {image.width}x{image.height}; these weights need {size}x{size}")
            return np.array(image.convert("RGB"), np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DecodeError("the source frame's picture is damaged") from error
