"""What a picture costs a codec, and how near to what was given it comes out.

    python -m benchmarks.media.encoders [--frames 150] [--rounds 3] [--sizes 640x480,1280x720] [--threads]

A photograph (matplotlib's `grace_hopper.jpg`) under a camera that pans to and fro, with noise of sigma 2, in
I420, at the bitrate that the size is worth. Each case is encoded as a session does, and decoded as one does;
the time is the CPU's of this process. Cases take turns, and of each the best round counts, since on a machine
that does other work too a time can only be too long. PSNR is of brightness, once the encoder has settled.

With --threads: how late pictures of several sessions leave, by the number of threads that encode them.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from aiortc.codecs import h264, vpx
from aiortc.jitterbuffer import JitterFrame

from harness.coding import FPS, Planes, frame_of, luma_psnr_db, panning
from signaling_service.media import decoders
from signaling_service.media.bitrate import default_bitrate
from signaling_service.media.encoders.h264 import H264Encoder
from signaling_service.media.encoders.vp8 import Vp8Encoder

SETTLED = 0.4
"""Share of the frames that an encoder has to find its quality."""
THREAD_SESSIONS = 6


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoder, and what gives its pictures back."""

    name: str
    encoder: Callable[[], Any]
    depayload: Callable[[bytes], bytes]
    decoder: Callable[[], Any]


CODECS = (
    Codec("VP8", Vp8Encoder, vpx.vp8_depayload, decoders.Vp8Decoder),
    Codec("H264", H264Encoder, h264.h264_depayload, decoders.H264Decoder),
    Codec("aiortc VP8", vpx.Vp8Encoder, vpx.vp8_depayload, vpx.Vp8Decoder),
    Codec("aiortc H264", h264.H264Encoder, h264.h264_depayload, h264.H264Decoder),
)


@dataclass(slots=True)
class Measured:
    """Of one codec at one size; the least of all rounds."""

    encode_ms: float = float("inf")
    decode_ms: float = float("inf")
    psnr_db: tuple[float, ...] = ()
    mbit_s: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost and quality of codecs.")
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", default="640x480,1280x720,1920x1080")
    parser.add_argument("--threads", action="store_true")
    arguments = parser.parse_args()
    if arguments.threads:
        measure_threads(arguments.rounds)
        return
    for text in arguments.sizes.split(","):
        width, height = map(int, text.split("x"))
        bits_per_s = default_bitrate(width, height)
        # The caps are for a call's bandwidth; here the bitrate is given.
        vpx.MAX_BITRATE = h264.MAX_BITRATE = bits_per_s
        there = panning((width, height), arguments.frames // 2)
        pictures = there + there[::-1]
        measured = {codec.name: Measured() for codec in CODECS}
        for _ in range(arguments.rounds):
            for codec in CODECS:
                _round(codec, pictures, bits_per_s, measured[codec.name])
        print(f"{text}, {bits_per_s / 1e6:.2f} Mbit/s")
        for name, one in measured.items():
            print(
                f"  {name:<12} encode {one.encode_ms:5.1f} ms, decode {one.decode_ms:4.1f} ms   "
                f"PSNR {np.mean(one.psnr_db):.1f} dB, least {min(one.psnr_db):.1f}   {one.mbit_s:.2f} Mbit/s"
            )


def _round(codec: Codec, pictures: Sequence[Planes], bits_per_s: int, measured: Measured) -> None:
    frames, encode_ms = _encode(codec.encoder(), pictures, bits_per_s)
    settled = int(len(frames) * SETTLED)
    shown, decode_ms = _decode(codec, frames)
    measured.encode_ms = min(measured.encode_ms, encode_ms)
    measured.decode_ms = min(measured.decode_ms, decode_ms)
    if not measured.psnr_db:
        pairs = list(zip(pictures, shown, strict=True))[settled:]
        measured.psnr_db = tuple(luma_psnr_db(*pair) for pair in pairs)
        size_bytes = sum(len(payload) for payloads in frames[settled:] for payload in payloads)
        measured.mbit_s = size_bytes * 8 * FPS / len(pairs) / 1e6


def measure_threads(rounds: int) -> None:
    """Print how long 640x480 pictures of several sessions wait and take, when they come at the same time."""
    cores = len(os.sched_getaffinity(0))
    pictures = panning((640, 480), 60)
    spent: dict[int, list[float]] = {count: [] for count in (cores, 2 * cores, cores + 4, THREAD_SESSIONS)}
    for _ in range(rounds):
        for count, times_ms in spent.items():
            times_ms += _burst_ms(count, pictures)
    print(f"{THREAD_SESSIONS} sessions on {cores} cores: from a picture's arrival to its packets")
    for count, times_ms in spent.items():
        print(f"  {count} threads: mean {np.mean(times_ms):.1f} ms, p95 {np.percentile(times_ms, 95):.1f} ms")


def _burst_ms(threads: int, pictures: Sequence[Planes]) -> list[float]:
    encoders = [H264Encoder() for _ in range(THREAD_SESSIONS)]
    times_ms: list[float] = []
    with ThreadPoolExecutor(threads) as executor:
        for number, planes in enumerate(pictures):
            began_s = time.perf_counter()
            pending: list[Future[float]] = [
                executor.submit(_encoded_at_s, encoder, frame_of(planes, number)) for encoder in encoders
            ]
            ended = [(one.result() - began_s) * 1e3 for one in pending]
            # The first picture makes the encoder.
            times_ms += ended if number else []
            time.sleep(max(0.0, began_s + 1 / FPS - time.perf_counter()))
    return times_ms


def _encoded_at_s(encoder: Any, frame: av.VideoFrame) -> float:
    encoder.encode(frame)
    return time.perf_counter()


def _encode(encoder: Any, pictures: Sequence[Planes], bits_per_s: int) -> tuple[list[list[bytes]], float]:
    encoder.target_bitrate = bits_per_s
    frames = [frame_of(planes, number) for number, planes in enumerate(pictures)]
    started_s = time.process_time()
    encoded = [encoder.encode(frame)[0] for frame in frames]
    return encoded, (time.process_time() - started_s) * 1e3 / len(pictures)


def _decode(codec: Codec, frames: Sequence[list[bytes]]) -> tuple[list[Planes], float]:
    decoder = codec.decoder()
    shown: list[Planes] = []
    spent_s = 0.0
    for number, payloads in enumerate(frames):
        data = b"".join(map(codec.depayload, payloads))
        started_s = time.process_time()
        found = decoder.decode(JitterFrame(data=data, timestamp=number * 3000))
        spent_s += time.process_time() - started_s
        shown += [frame.to_ndarray() for frame in found]
    return shown, spent_s * 1e3 / len(frames)


if __name__ == "__main__":
    main()
