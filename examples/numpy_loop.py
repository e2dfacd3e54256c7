"""NumPy pictures in, NumPy pictures out, over a link that loses a fifth of the packets.

Put your own transport in place of `lost`. Source messages must arrive; packets may get lost or arrive out of order; the number of
the newest decoded frame goes back to the encoder.

usage: python numpy_loop.py [FRAMES]
"""

import random
import sys
from collections.abc import Iterator

import cv2
import numpy as np

import facewire
from facewire.samples import sample_portrait
from facewire.sender.media import read_picture


def camera(frames: int) -> Iterator[np.ndarray]:
    """Pictures, uint8 RGB (H, W, 3): a portrait that tilts back and forth."""
    portrait = read_picture(sample_portrait())
    height, width = portrait.shape[:2]
    for number in range(frames):
        tilt = cv2.getRotationMatrix2D((width / 2, height / 3), 6 * np.sin(number / 5), 1)
        yield cv2.warpAffine(portrait, tilt, (width, height), borderMode=cv2.BORDER_REFLECT)


def main(frames: int) -> None:
    networks = facewire.load_networks()
    encoder = facewire.Encoder(networks, frame_rate=25)
    decoder = facewire.Decoder(networks)
    chance = random.Random(1)
    sent = arrived = 0
    pictures: dict[int, np.ndarray] = {}
    for number, picture in enumerate(camera(frames)):
        encoded = encoder.encode(picture, 40 * number)
        if encoded.source is not None:
            decoder.receive_source(encoded.source)
        if encoded.packet is not None:
            sent += 1
            lost = chance.random() < 0.2
            if not lost:
                arrived += 1
                for frame in decoder.decode(encoded.packet):  # the next packet repeats the frames of a lost one
                    pictures[frame.number] = decoder.render(frame.motion)
        if decoder.acknowledged is not None:
            encoder.acknowledge(decoder.acknowledged)
    print(f"{sent} packets sent, {arrived} arrived, {len(pictures)} of {frames} frames drawn")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
