"""H264: libx264 in the calling thread, or the GPU's encoder where there is one.

aiortc's own takes 16 ms for a picture of 640x480, since it sets no preset and takes as many threads as there
are cores. It begins anew, with a key frame, at each change of the bitrate over 10 %. libx264 takes a new
bitrate while it runs.
"""

from __future__ import annotations

import fractions
import logging
from collections.abc import Iterable
from typing import Any

import av
from aiortc.codecs import h264
from aiortc.mediastreams import VIDEO_TIME_BASE, convert_timebase
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.video.frame import PictureType

from signaling_service.media.bitrate import default_bitrate
from signaling_service.media.encoders.nvenc import Nvenc
from signaling_service.media.picture_scale import FULL_FPS, scaled

logger = logging.getLogger(__name__)

PRESET = "ultrafast"
LOOP_FILTER = "no-deblock=0"
"""What ultrafast leaves out and is worth its time: 0.4 dB at 640x480, 0.8 at 1280x720, for 0.1 more CPU. With
it, superfast is 0.1 dB better and takes 1.2 times as long."""
NO_ADAPTIVE_QUANTISER = "0"
"""It moves bits from detail to flat areas: 1.2 dB less."""
LEAST_QUANTISER = "18"
"""Of ITU-T H.264's scale of 52: no picture is quantised more finely, however many bits there are. What is
left out is a sensor's noise. A panning photograph with noise then takes 0.84 Mbit/s, not 1.47, and a tenth
less CPU. It is at 43.3 dB, not 43.6."""
BUFFER_S, SMALLER_BUFFER_S = 0.3, 0.2
"""Longest time, at the highest bitrate, that a picture may take on the network. With a second a key frame
grows to three times the size, and the rate follows a lower target slowly. Where a picture is sent smaller, a
key frame is felt more."""
LONGEST_GOP = 3000
MOST_UNIT_BYTES = h264.PACKET_MAX
"""Of a NAL unit that is a packet by itself."""


class H264Encoder(h264.H264Encoder):
    """Encodes in the calling thread; one instance per session.

    `nvenc` is asked for an encoder on the GPU. None, a refusal (the GPU carries so many sessions and no more)
    and a failure while encoding all mean libx264, for the rest of the session.
    """

    target_bitrate: int = default_bitrate(640, 480)
    """Bits per second; aiortc bounds it by module globals, here its owner does (send_rate)."""
    size: tuple[int, int] | None = None
    """Width and height in which pictures are sent; None: as they come."""
    fps: int = FULL_FPS
    """What x264 reckons with. If fewer frames come, they get no more bits each, which would only take longer
    on the network."""
    most_bits_per_s: int | None = None
    """That a target for this size and rate may rise to: the less, the smaller is a key frame. None: what the
    picture is worth."""
    most_unit_bytes: int | None = None
    """Of a NAL unit; None: of any size."""

    def __init__(self, nvenc: Nvenc | None = None) -> None:
        super().__init__()
        self._nvenc = nvenc
        self._is_on_gpu = False
        self._highest_bits_per_s = 0
        self._made_for: tuple[Any, ...] = ()

    def encode(self, frame: Any, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """Return RTP payloads and the RTP timestamp of an I420 frame."""
        frame = scaled(frame, self.size)
        codec: Any = self.codec
        if codec is None or not self._follows(codec, frame):
            codec = self._open(frame)
        # Also when it is not forced: a frame object that is sent twice would be a key frame again.
        frame.pict_type = PictureType.I if force_keyframe else PictureType.NONE
        try:
            packets = codec.encode(frame)
        except av.FFmpegError as exc:
            if not self._is_on_gpu:
                raise
            logger.warning("the GPU's encoder failed (%s): this session goes on with libx264", exc)
            self._nvenc = None
            packets = self._open(frame).encode(frame)
        data = b"".join(map(bytes, packets))
        payloads = self._packetize(self._split_bitstream(data))
        return payloads, convert_timebase(frame.pts, frame.time_base, VIDEO_TIME_BASE)

    def _follows(self, codec: Any, frame: Any) -> bool:
        """Hand the target on to the running encoder; returns whether it can take this frame at that
        bitrate."""
        if self._made_for != self._kind(frame):
            return False
        if self._is_on_gpu:
            Nvenc.follow(codec, self.target_bitrate)
            return True
        if self._target > self._highest_bits_per_s:
            return False
        codec.bit_rate = self._target
        return True

    def _open(self, frame: Any) -> Any:
        codec = None
        if self._nvenc is not None:
            codec = self._nvenc.open(frame.width, frame.height, self.fps, self.target_bitrate)
        self._is_on_gpu = codec is not None
        if codec is None:
            most = self.most_bits_per_s or default_bitrate(frame.width, frame.height)
            self._highest_bits_per_s = max(self._target, most)
            buffer_s = SMALLER_BUFFER_S if self.most_bits_per_s else BUFFER_S
            codec = _software(frame, self.fps, self._highest_bits_per_s, buffer_s, self.most_unit_bytes)
            codec.bit_rate = self._target
        self.codec = codec
        self._made_for = self._kind(frame)
        return codec

    @property
    def _target(self) -> int:
        return min(self.target_bitrate, self.most_bits_per_s or self.target_bitrate)

    def _kind(self, frame: Any) -> tuple[Any, ...]:
        """What cannot change while an encoder runs."""
        return frame.width, frame.height, frame.color_range, frame.colorspace, self.fps


class SingleUnitEncoder(H264Encoder):
    """Makes each NAL unit a packet, for pages that ask for packetization mode 0 (RFC 6184 section 6.2).

    With libx264 alone, which cuts a picture into slices of a certain size.
    """

    most_unit_bytes = MOST_UNIT_BYTES

    def __init__(self) -> None:
        super().__init__(nvenc=None)

    @classmethod
    def _packetize(cls, packages: Iterable[bytes]) -> list[bytes]:
        return list(packages)


def takes_single_units(codec: RTCRtpCodecParameters) -> bool:
    """Tell whether a page asks for packetization mode 0; the answer names the mode (h264_formats)."""
    return codec.name.lower() == "h264" and codec.parameters.get("packetization-mode") == "0"


def _software(
    frame: Any, fps: int, highest_bits_per_s: int, buffer_s: float, most_unit_bytes: int | None
) -> Any:
    """Return an open encoder whose `bit_rate` may be set to anything up to this at any time.

    Opened with equal average and maximum, x264 keeps a constant bitrate, and takes any average up to that
    maximum. Python cannot change the maximum itself.
    """
    codec: Any = av.CodecContext.create("libx264", "w")
    codec.width, codec.height = frame.width, frame.height
    codec.pix_fmt = "yuv420p"
    codec.color_range, codec.colorspace = frame.color_range, frame.colorspace
    codec.bit_rate = highest_bits_per_s
    codec.framerate = fractions.Fraction(fps, 1)
    # PyAV rounds a frame's pts to the codec's clock, in the frame itself.
    codec.time_base = VIDEO_TIME_BASE
    codec.gop_size = LONGEST_GOP
    codec.thread_count = 1
    codec.profile = "Baseline"
    codec.options = {
        "preset": PRESET,
        "tune": "zerolatency",
        "maxrate": str(highest_bits_per_s),
        "bufsize": str(int(highest_bits_per_s * buffer_s)),
        "forced-idr": "1",
        "aq-mode": NO_ADAPTIVE_QUANTISER,
        "qmin": LEAST_QUANTISER,
        "x264-params": LOOP_FILTER + (f":slice-max-size={most_unit_bytes}" if most_unit_bytes else ""),
    }
    codec.open()
    return codec
