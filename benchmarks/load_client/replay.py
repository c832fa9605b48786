"""A camera's stream, encoded and packetised once, to be replayed by many sessions at no cost.

The loop shows `harness/picture.py`: a texture with a sensor's noise, a moving third, a counter. It begins
with its only key frame, so it can start over at any time. That is the answer to a picture-loss report.
"""

from __future__ import annotations

import fractions
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import msgpack
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder

from harness.picture import FPS, LOOP_FRAMES, Picture

CODECS = ("VP8", "H264")
BITS_PER_S = 1_500_000
"""What Chromium sends at 640x480 once it has settled."""
NOISE = 2.0

_OPTIONS = {
    "VP8": {
        "deadline": "realtime",
        "cpu-used": "-6",
        "lag-in-frames": "0",
        "minrate": str(BITS_PER_S),
        "maxrate": str(BITS_PER_S),
        "bufsize": str(BITS_PER_S // 2),
    },
    "H264": {
        "preset": "veryfast",
        "tune": "zerolatency",
        "level": "31",
        "x264-params": f"vbv-maxrate={BITS_PER_S // 1000}:vbv-bufsize={BITS_PER_S // 2000}:scenecut=0",
    },
}
_LIBRARY = {"VP8": "libvpx", "H264": "libx264"}


@dataclass(frozen=True, slots=True)
class Loop:
    """RTP payloads of each frame; the frame's place in the list is the counter that its picture shows."""

    codec: str
    width: int
    height: int
    frames: list[list[bytes]]

    @property
    def bits_per_s(self) -> float:
        size = sum(len(payload) for frame in self.frames for payload in frame)
        return size * 8 * FPS / len(self.frames)

    def save(self, path: Path) -> None:
        path.write_bytes(msgpack.packb([self.codec, self.width, self.height, self.frames]))

    @classmethod
    def read(cls, path: Path) -> Loop:
        return cls(*msgpack.unpackb(path.read_bytes()))


def encode(codec: str, width: int = 640, height: int = 480, frames: int = LOOP_FRAMES) -> Loop:
    """Encode and packetise the picture; takes some seconds of one core."""
    encoder = _encoder(codec, width, height)
    picture = Picture(width, height, noise=NOISE)
    made: list[list[bytes]] = []
    for counter in range(frames):
        frame = av.VideoFrame.from_ndarray(picture.frame(counter), format="yuv420p")
        frame.pts, frame.time_base = counter, fractions.Fraction(1, FPS)
        data = b"".join(bytes(packet) for packet in encoder.encode(frame))
        made.append(_payloads(codec, data, counter))
    return Loop(codec, width, height, made)


def _encoder(codec: str, width: int, height: int) -> Any:
    encoder: Any = av.CodecContext.create(_LIBRARY[codec], "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuv420p"
    encoder.bit_rate = BITS_PER_S
    encoder.framerate = fractions.Fraction(FPS, 1)
    encoder.time_base = fractions.Fraction(1, FPS)
    encoder.gop_size = 100 * LOOP_FRAMES
    encoder.thread_count = 1
    encoder.options = _OPTIONS[codec]
    if codec == "H264":
        encoder.profile = "Baseline"
    return encoder


def _payloads(codec: str, data: bytes, counter: int) -> list[bytes]:
    if codec == "VP8":
        return Vp8Encoder._packetize(data, counter)
    return H264Encoder._packetize(H264Encoder._split_bitstream(data))
