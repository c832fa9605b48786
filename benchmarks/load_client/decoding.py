"""Reads the counters of returned frames, after a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import av
import numpy as np
from aiortc.codecs.base import Decoder
from aiortc.codecs.h264 import H264Decoder, h264_depayload
from aiortc.codecs.vpx import Vp8Decoder, vp8_depayload
from aiortc.jitterbuffer import JitterFrame

from benchmarks.load_client.call import Frame
from benchmarks.load_client.matching import Seen
from harness.picture import read


@dataclass(frozen=True, slots=True)
class Decoded:
    """A returned frame whose band could be read."""

    seen: Seen
    width: int
    height: int
    is_inverted: bool


def decoded(frames: Iterable[Frame], codec: str) -> list[Decoded]:
    """Decode frames whose payloads were kept, from the first key frame on; unreadable ones are left out."""
    decoder: Decoder = Vp8Decoder() if codec == "VP8" else H264Decoder()
    depayload = vp8_depayload if codec == "VP8" else h264_depayload
    found = []
    for frame in frames:
        if frame.payloads is None:
            continue
        data = b"".join(map(depayload, frame.payloads))
        try:
            pictures = decoder.decode(JitterFrame(data, frame.timestamp))
        except av.FFmpegError:
            continue  # Before the first key frame.
        for picture in pictures:
            assert isinstance(picture, av.VideoFrame)
            if one := _read(picture, frame):
                found.append(one)
    return found


def _read(picture: av.VideoFrame, frame: Frame) -> Decoded | None:
    plane = picture.planes[0]
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    reading = read(lines[: picture.height, : picture.width])
    if reading is None:
        return None
    seen = Seen(frame.timestamp, frame.at_s, reading.counter)
    return Decoded(seen, picture.width, picture.height, reading.is_inverted)
