"""The H264 encoder of an NVIDIA GPU, where this process can use one."""

from __future__ import annotations

import fractions
import logging
from typing import Any

import av
from aiortc.mediastreams import VIDEO_TIME_BASE
from av.codec.codec import UnknownCodecError

logger = logging.getLogger(__name__)

CODEC = "h264_nvenc"
OPTIONS = {
    "preset": "p4",
    "tune": "ull",
    "profile": "baseline",
    "rc": "cbr",
    "zerolatency": "1",
    "delay": "0",
    "bf": "0",
    "no-scenecut": "1",
    "forced-idr": "1",
}
"""Each frame comes out before the next goes in, at a constant bitrate, and a key frame only when asked
for."""
BITRATE_STEP = 0.1
"""A smaller change of the target is kept from the GPU: FFmpeg makes a key frame of each."""
TRIAL_FPS = 30
LONGEST_GOP = 3000
TRIAL_SIZE = (320, 240)
"""Small, and above the least that NVENC takes."""


class Nvenc:
    """Whether the GPU encodes, found out once; opens encoders there. Any thread."""

    def __init__(self) -> None:
        self.is_usable = False

    def look(self) -> None:
        """Encode one picture, and tell the log which encoder H264 gets.

        On a GPU this takes a fraction of a second. That FFmpeg knows the encoder says nothing: there may be
        no driver, and not every GPU has it (an H100 has none).
        """
        frame = av.VideoFrame(*TRIAL_SIZE, "yuv420p")
        frame.pts, frame.time_base = 0, VIDEO_TIME_BASE
        try:
            codec = self._opened(*TRIAL_SIZE, TRIAL_FPS, 300_000)
            self.is_usable = bool(codec.encode(frame))
            reason = "it holds frames back"
        except (av.FFmpegError, UnknownCodecError) as exc:
            reason = str(exc)
        if self.is_usable:
            logger.info("H264 is encoded by the GPU (%s)", CODEC)
        else:
            # As most hosts have it; the reason is a long one, for whoever looks for it.
            logger.info("H264 is encoded by the CPU (libx264)")
            logger.debug("%s cannot be used: %s", CODEC, reason)

    def open(self, width: int, height: int, fps: int, bits_per_s: int) -> Any | None:
        """Return an open encoder; None where the GPU has none or takes no further session."""
        if not self.is_usable:
            return None
        try:
            return self._opened(width, height, fps, bits_per_s)
        except av.FFmpegError as exc:
            logger.warning("the GPU takes no further encoder (%s): this session gets libx264", exc)
            return None

    @staticmethod
    def follow(codec: Any, bits_per_s: int) -> None:
        """Give an encoder of `open` a new bitrate, unless it is about the same."""
        if abs(bits_per_s - codec.bit_rate) > BITRATE_STEP * codec.bit_rate:
            codec.bit_rate = bits_per_s

    def _opened(self, width: int, height: int, fps: int, bits_per_s: int) -> Any:
        codec: Any = av.CodecContext.create(CODEC, "w")
        codec.width, codec.height = width, height
        codec.pix_fmt = "yuv420p"
        codec.bit_rate = bits_per_s
        codec.framerate = fractions.Fraction(fps, 1)
        codec.time_base = VIDEO_TIME_BASE
        codec.gop_size = LONGEST_GOP
        codec.options = dict(OPTIONS)
        codec.open()
        return codec
