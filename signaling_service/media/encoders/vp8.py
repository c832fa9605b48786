"""VP8 by libvpx: aiortc's with other settings.

aiortc asks for libvpx's strongest temporal denoiser and for a slow search. The filter has already changed
every pixel on purpose, so smoothing it again only costs: 2.8 dB at 640x480, as
`python -m benchmarks.media.encoders` measures.

FFmpeg hands no new bitrate to libvpx while it runs, and a new encoder begins with a key frame. But libvpx
gives each picture bits for the time since the one before it. So the encoder is opened once, for what the
size is worth, and its clock runs slower by as much as the target is lower:

    target       1.5 Mbit/s       0.75 Mbit/s
    pictures     |   |   |   |    |   |   |   |     every 33 ms
    its clock    0  33  66 100  116 133 150 166 ms
"""

from __future__ import annotations

import fractions
from typing import Any

import av
from aiortc.codecs import vpx
from aiortc.mediastreams import VIDEO_TIME_BASE, convert_timebase
from av.video.frame import PictureType

from shared.frame import CLOCK_RATE
from signaling_service.media.bitrate import default_bitrate
from signaling_service.media.picture_scale import FULL_FPS, scaled

SPEED = "-10"
"""libvpx's cpu-used: -6 (aiortc's) takes 1.15 times as long for 0.1 dB; from -12 on single frames get bad."""
LONGEST_GOP = 3000
BUFFER_S = 0.5
"""At the bitrate that the size is worth. With a second the first key frame is twice as large."""
LONGEST_STEP = 1.2
"""Pictures: one that comes later has no more bits, which would only take longer on the network."""
MOST_KEY_PERCENT = "600"
"""Of a usual picture's bits, for a key frame: 0.2 s of the target."""


class Vp8Encoder(vpx.Vp8Encoder):
    """Encodes in the calling thread; one instance per session."""

    target_bitrate: int = default_bitrate(640, 480)
    """Bits per second; aiortc bounds it by module globals, here its owner does (send_rate)."""
    size: tuple[int, int] | None = None
    """Width and height in which pictures are sent; None: as they come."""
    fps: int = FULL_FPS
    """Pictures a second that the target is for."""

    def __init__(self) -> None:
        super().__init__()
        self._opened_bits_per_s = 0
        self._last_pts: int | None = None
        self._clock = 0

    def encode(self, frame: Any, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """Return RTP payloads and the RTP timestamp of an I420 frame."""
        frame = scaled(frame, self.size)
        pts, time_base = frame.pts, frame.time_base
        timestamp = convert_timebase(pts, time_base, VIDEO_TIME_BASE)
        codec: Any = self.codec
        if codec is None or (codec.width, codec.height) != (frame.width, frame.height):
            self._opened_bits_per_s = default_bitrate(frame.width, frame.height)
            codec = self.codec = _codec(frame.width, frame.height, self._opened_bits_per_s)
        # Also when it is not forced: a frame object that is sent twice would be a key frame again.
        frame.pict_type = PictureType.I if force_keyframe else PictureType.NONE
        frame.pts, frame.time_base = self._next_tick(timestamp), VIDEO_TIME_BASE
        try:
            data = b"".join(bytes(packet) for packet in codec.encode(frame))
        finally:
            frame.pts, frame.time_base = pts, time_base
        payloads = self._packetize(data, self.picture_id)
        self.picture_id = (self.picture_id + 1) % (1 << 15)
        return payloads, timestamp

    def _next_tick(self, timestamp: int) -> int:
        """Return when libvpx shall think that the picture of this time is shown, in ticks of 90 kHz."""
        elapsed = 0 if self._last_pts is None else timestamp - self._last_pts
        self._last_pts = timestamp
        elapsed = min(elapsed, round(LONGEST_STEP * CLOCK_RATE / self.fps))
        # libvpx takes no picture twice at one time.
        self._clock += max(round(elapsed * self.target_bitrate / self._opened_bits_per_s), 1)
        return self._clock


def _codec(width: int, height: int, bits_per_s: int) -> Any:
    codec: Any = av.CodecContext.create("libvpx", "w")
    codec.width, codec.height = width, height
    codec.pix_fmt = "yuv420p"
    codec.bit_rate = bits_per_s
    codec.framerate = fractions.Fraction(FULL_FPS, 1)
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
        # Equal bounds mean a constant bitrate; FFmpeg takes the buffer's size from this.
        "minrate": str(bits_per_s),
        "maxrate": str(bits_per_s),
        "bufsize": str(round(BUFFER_S * bits_per_s)),
        "max-intra-rate": MOST_KEY_PERCENT,
        "undershoot-pct": "100",
        "overshoot-pct": "15",
        "static-thresh": "1",
    }
    return codec
