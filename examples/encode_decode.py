"""Encodes and decodes a clip: prints what was sent, and writes a video of what the other side sees.

usage: python encode_decode.py [CLIP] [OUT.mkv]
"""

import sys
from pathlib import Path

import facewire
from facewire.samples import sample_clip
from facewire.sender.media import VideoFile
from facewire.video import VideoWriter


def main(clip: Path, out: Path) -> None:
    networks = facewire.load_networks()
    decoder = facewire.Decoder(networks)
    source_bytes = motion_bytes = 0
    with VideoFile(clip) as video, VideoWriter(out, video.fps) as writer:
        encoder = facewire.Encoder(networks, frame_rate=video.fps)
        for frame in video:
            encoded = encoder.encode(frame.picture, frame.time_ms)
            if encoded.source is not None:
                source_bytes += len(encoded.source)
                decoder.receive_source(encoded.source)
            if encoded.packet is not None:
                motion_bytes += len(encoded.packet)
                for decoded in decoder.decode(encoded.packet):
                    writer.write(decoder.render(decoded.motion), decoded.capture_time_ms)
            encoder.acknowledge_all()  # nothing gets lost in this loop
    kbps = 8 * motion_bytes * video.fps / writer.frames / 1000
    print(
        f"{writer.frames} frames: source frame {source_bytes} bytes, motion {motion_bytes} bytes ({kbps:.1f} kbps); {out}"
    )


if __name__ == "__main__":
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else sample_clip(), Path(sys.argv[2] if len(sys.argv) > 2 else "out.mkv")
    )
