"""Returned pictures: what an encoder costs, and how near its picture is to what it was given.

    python -m benchmarks.encoders [--frames 90] [--rounds 3]

A photograph (matplotlib's `grace_hopper.jpg`) under a panning camera with noise of sigma 2, in I420. Each
case is encoded as a session does, and decoded again; the time is the CPU's of this process, the best of some
rounds, beside that of aiortc's own VP8 in the same run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import av
import cv2
import matplotlib.cbook
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from aiortc.codecs import h264, vpx
from aiortc.jitterbuffer import JitterFrame

from signaling_service.encoders.vp8 import Vp8Encoder

Planes = npt.NDArray[np.uint8]
"""(H * 3 / 2, W)."""

SIZES = ((640, 480, 1_500_000), (1280, 720, 3_000_000))
FPS = 30
SETTLED = 10
"""The first frames are a key frame and what follows it."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost and quality of encoders, against aiortc's own VP8.")
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    # The caps are for a call's bandwidth; here the bitrate is given.
    vpx.MAX_BITRATE = h264.MAX_BITRATE = 10_000_000
    cases: dict[str, tuple[Callable[[], Any], Callable[[list[bytes]], bytes], Callable[[], Any]]] = {
        "aiortc VP8": (vpx.Vp8Encoder, _of_vp8, vpx.Vp8Decoder),
        "VP8": (Vp8Encoder, _of_vp8, vpx.Vp8Decoder),
        "aiortc H264": (h264.H264Encoder, _of_h264, h264.H264Decoder),
    }
    for width, height, bits_per_s in SIZES:
        pictures = panning((width, height), arguments.frames)
        print(f"{width}x{height}, {bits_per_s / 1e6:g} Mbit/s")
        first_ms = 0.0
        for name, (encoder, joined, decoder) in cases.items():
            rounds = [_encode(encoder(), pictures, bits_per_s) for _ in range(arguments.rounds)]
            best_ms = min(ms for _, ms in rounds)
            first_ms = first_ms or best_ms
            encoded = rounds[0][0]
            psnr = _psnr(decoder(), [joined(payloads) for payloads in encoded], pictures)[SETTLED:]
            size = sum(len(payload) for payloads in encoded for payload in payloads)
            print(
                f"  {name:<12} {best_ms:5.1f} ms a frame ({best_ms / first_ms:.2f})   "
                f"PSNR {np.mean(psnr):.1f} dB, least {min(psnr):.1f}   "
                f"{size * 8 * FPS / len(pictures) / 1e6:.2f} Mbit/s"
            )


def panning(size: tuple[int, int], count: int) -> list[Planes]:
    """Return I420 pictures of (width, height) of a camera that pans over a photograph, 2 pixels a frame."""
    width, height = size
    path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    photograph = plt.imread(str(path))
    scale = max((width + 2 * count) / photograph.shape[1], (height + count) / photograph.shape[0])
    large = cv2.resize(photograph, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    random = np.random.default_rng(0)
    made = []
    for number in range(count):
        rgb = large[number : number + height, 2 * number : 2 * number + width].astype(np.float32)
        noisy = np.clip(rgb + random.normal(0, 2, rgb.shape), 0, 255).astype(np.uint8)
        made.append(np.asarray(cv2.cvtColor(noisy, cv2.COLOR_RGB2YUV_I420), np.uint8))
    return made


def _encode(encoder: Any, pictures: Sequence[Planes], bits_per_s: int) -> tuple[list[list[bytes]], float]:
    encoder.target_bitrate = bits_per_s
    encoded = []
    spent_s = 0.0
    for number, planes in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
        frame.pts, frame.time_base = number * 3000, Fraction(1, 90_000)
        started_s = time.process_time()
        encoded.append(encoder.encode(frame)[0])
        spent_s += time.process_time() - started_s
    return encoded, spent_s * 1e3 / len(pictures)


def _psnr(decoder: Any, frames: Sequence[bytes], pictures: Sequence[Planes]) -> list[float]:
    """Return the PSNR of brightness of each decoded frame, in dB."""
    found: list[float] = []
    for number, data in enumerate(frames):
        for frame in decoder.decode(JitterFrame(data=data, timestamp=number * 3000)):
            given = pictures[len(found)]
            rows = given.shape[0] * 2 // 3
            error = frame.to_ndarray()[:rows].astype(float) - given[:rows]
            found.append(float(10 * np.log10(255**2 / np.mean(error**2))))
    return found


def _of_vp8(payloads: list[bytes]) -> bytes:
    return b"".join(vpx.vp8_depayload(payload) for payload in payloads)


def _of_h264(payloads: list[bytes]) -> bytes:
    return b"".join(h264.h264_depayload(payload) for payload in payloads)


if __name__ == "__main__":
    main()
