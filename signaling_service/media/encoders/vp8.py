"""VP8 by libvpx: aiortc's with other settings.

aiortc asks for libvpx's strongest temporal denoiser and for a slow search. The filter has already changed
every pixel on purpose, so smoothing it again only costs: 2.8 dB at 640x480, as
`python -m benchmarks.media.encoders` measures.
"""

from __future__ import annotations

import fractions
from typing import Any

import av
from aiortc.codecs import vpx
from aiortc.mediastreams import VIDEO_TIME_BASE, convert_timebase
from av.video.frame import PictureType

from signaling_service.media.bitrate import default_bitrate
from signaling_service.media.picture_scale import FULL_FPS, scaled

SPEED = "-10"
"""libvpx's cpu-used: -6 (aiortc's) takes 1.15 times as long for 0.1 dB; from -12 on single frames get bad."""
BITRATE_STEP = 0.1
"""A smaller change of the target is not worth a new encoder, which begins with a key frame. FFmpeg hands no
new bitrate to libvpx."""
LONGEST_GOP = 3000


class Vp8Encoder(vpx.Vp8Encoder):
    """Encodes in the calling thread; one instance per session."""

    target_bitrate: int = default_bitrate(640, 480)
    """Bits per second; aiortc bounds it by module globals, here its owner does (send_rate)."""
    size: tuple[int, int] | None = None
    """Width and height in which pictures are sent; None: as they come."""
    fps: int = FULL_FPS
    """What libvpx reckons with."""

    def encode(self, frame: Any, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """Return RTP payloads and the RTP timestamp of an I420 frame."""
        frame = scaled(frame, self.size)
        codec = self.codec
        if codec is not None and not self._fits(codec, frame):
            codec = None
        if codec is None:
            codec = self.codec = _codec(frame.width, frame.height, self.fps, self.target_bitrate)
        # Also when it is not forced: a frame object that is sent twice would be a key frame again.
        frame.pict_type = PictureType.I if force_keyframe else PictureType.NONE
        data = b"".join(bytes(packet) for packet in codec.encode(frame))
        payloads = self._packetize(data, self.picture_id)
        self.picture_id = (self.picture_id + 1) % (1 << 15)
        return payloads, convert_timebase(frame.pts, frame.time_base, VIDEO_TIME_BASE)

    def _fits(self, codec: Any, frame: Any) -> bool:
        change = abs(self.target_bitrate - codec.bit_rate) / codec.bit_rate
        kind = frame.width, frame.height, self.fps
        return kind == (codec.width, codec.height, codec.framerate) and change <= BITRATE_STEP


def _codec(width: int, height: int, fps: int, bits_per_s: int) -> Any:
    codec: Any = av.CodecContext.create("libvpx", "w")
    codec.width, codec.height = width, height
    codec.pix_fmt = "yuv420p"
    codec.bit_rate = bits_per_s
    codec.framerate = fractions.Fraction(fps, 1)
    # PyAV rounds a frame's pts to the codec's clock, in the frame itself.
    codec.time_base = VIDEO_TIME_BASE
    codec.gop_size = LONGEST_GOP
    codec.qmin, codec.qmax = 2, 56
    # Two spin while they wait for each other: 2.5 times the CPU at 1280x720, and at 1920x1080 0.2 s a picture
    # where other sessions have the second core.
    codec.thread_count = 1
    codec.options = {
        "deadline": "realtime",
        "cpu-used": SPEED,
        "noise-sensitivity": "0",
        "lag-in-frames": "0",
        # Equal bounds mean a constant bitrate; FFmpeg makes a buffer of one second of this.
        "minrate": str(bits_per_s),
        "maxrate": str(bits_per_s),
        "bufsize": str(bits_per_s),
        "undershoot-pct": "100",
        "overshoot-pct": "15",
        "static-thresh": "1",
    }
    return codec
