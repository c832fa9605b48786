"""A camera, its encoder and a bad network in made-up time, in front of a jitter buffer and a real decoder."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc.codecs import h264, vpx
from aiortc.codecs.h264 import h264_depayload as depayload_h264
from aiortc.codecs.vpx import vp8_depayload as depayload_vp8
from aiortc.jitterbuffer import JitterFrame

from signaling_service.media.jitter_buffer import JitterBuffer, Packet
from signaling_service.media.payloads import marks

WIDTH, HEIGHT = 96, 80
TICKS_PER_S = 90_000
CODECS: dict[str, tuple[Callable[[], Any], Callable[[], Any], Callable[[bytes], bytes]]] = {
    "VP8": (vpx.Vp8Encoder, vpx.Vp8Decoder, depayload_vp8),
    "H264": (h264.H264Encoder, h264.H264Decoder, depayload_h264),
}


@dataclass(frozen=True, slots=True)
class Network:
    """One way; the other way takes as long and loses as much."""

    loss: float = 0.0
    duplicates: float = 0.0
    delay_s: float = 0.02
    jitter_s: float = 0.0
    """So much later may a packet come than the one before it: they overtake each other."""
    outage_s: tuple[float, float] = (0.0, 0.0)


@dataclass
class Call:
    """What happened: pictures by RTP timestamp since the first frame."""

    sent: dict[int, bytes] = field(default_factory=dict)
    """As a decoder shows them to which everything came."""
    shown: dict[int, bytes] = field(default_factory=dict)
    shown_s: dict[int, float] = field(default_factory=dict)
    """When."""
    key_frames_asked: int = 0
    packets_asked: int = 0
    decoder_errors: int = 0

    def longest_pause_s(self) -> float:
        times_s = sorted(self.shown_s.values())
        return max((b - a for a, b in itertools.pairwise(times_s)), default=0.0)


def camera(fps: int, count: int) -> Iterator[av.VideoFrame]:
    """Noise that moves, so that each frame needs the one before it and takes several packets."""
    rng = np.random.default_rng(1)
    scene = rng.integers(16, 235, (HEIGHT * 2, WIDTH * 2), np.uint8)
    for i in range(count):
        picture = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        x, y = (i * 3) % WIDTH, (i * 2) % HEIGHT
        picture[:HEIGHT] = scene[y : y + HEIGHT, x : x + WIDTH]
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = i * TICKS_PER_S // fps, Fraction(1, TICKS_PER_S)
        yield frame


def call(
    network: Network,
    codec: str = "VP8",
    *,
    fps: int = 30,
    frames: int = 90,
    seed: int = 0,
    first_number: int = 1000,
    first_timestamp: int = 5000,
    bits_per_s: int = 1_000_000,
) -> Call:
    """Send a camera through the network; the sender answers NACK and PLI as a browser does."""
    make_encoder, make_decoder, depayload = CODECS[codec]
    encoder, decoder, clean_decoder = make_encoder(), make_decoder(), make_decoder()
    encoder.target_bitrate = bits_per_s
    rng = random.Random(seed)
    buffer = JitterBuffer()
    done = Call()
    order = itertools.count()
    history: dict[int, Packet] = {}
    events: list[tuple[float, int, str, Any]] = []
    wants_key = False
    number = first_number

    def at(time_s: float, what: str, value: Any = None) -> None:
        heapq.heappush(events, (time_s, next(order), what, value))

    def carry(now_s: float, what: str, value: Any) -> None:
        copies = 2 if rng.random() < network.duplicates else 1
        for _ in range(copies):
            start_s, end_s = network.outage_s
            if rng.random() >= network.loss and not start_s <= now_s < end_s:
                at(now_s + network.delay_s + rng.random() * network.jitter_s, what, value)

    def decode(which: Any, data: bytes, timestamp: int) -> Iterator[tuple[int, bytes]]:
        for frame in which.decode(JitterFrame(data, timestamp)):
            yield frame.pts, frame.to_ndarray(format="yuv420p").tobytes()

    for i, frame in enumerate(camera(fps, frames)):
        at(i / fps, "frame", frame)
    while events:
        now_s, _, what, value = heapq.heappop(events)
        if what == "frame":
            payloads, timestamp = encoder.encode(value, force_keyframe=wants_key)
            wants_key = False
            value.pict_type = 0
            data = b"".join(map(depayload, payloads))
            done.sent.update(decode(clean_decoder, data, timestamp))
            for place, payload in enumerate(payloads):
                packet = Packet(
                    number=number & 0xFFFF,
                    timestamp=(first_timestamp + timestamp) & 0xFFFFFFFF,
                    marker=place == len(payloads) - 1,
                    marks=marks(codec, payload, depayload(payload)),
                    data=depayload(payload),
                    payload_type=96,
                )
                history[packet.number] = packet
                carry(now_s + place * 0.0005, "packet", packet)
                number += 1
        elif what == "packet":
            buffer.add(value, now_s)
            for encoded in buffer.take(now_s):
                try:
                    for timestamp, picture in decode(decoder, encoded.data, encoded.timestamp):
                        done.shown[timestamp] = picture
                        done.shown_s[timestamp] = now_s
                except av.FFmpegError:
                    done.decoder_errors += 1
            numbers = buffer.packets_to_ask_for(now_s)
            done.packets_asked += len(numbers)
            if numbers:
                carry(now_s, "nack", numbers)
            if buffer.should_ask_for_key_frame(now_s):
                done.key_frames_asked += 1
                carry(now_s, "pli", None)
        elif what == "nack":
            for asked in value:
                carry(now_s, "packet", history[asked])
        elif what == "pli":
            wants_key = True
    return done
