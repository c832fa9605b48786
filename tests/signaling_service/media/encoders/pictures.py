"""Pictures for encoders, and how near what comes out is to what went in."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from aiortc.jitterbuffer import JitterFrame

FPS = 30


def frame_of(planes, number):
    """A frame of 30 fps with a pts that is no multiple of the frame's length, as a camera's are."""
    frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
    frame.pts, frame.time_base = number * 3000 + number % 7, Fraction(1, 90_000)
    return frame


def encode(encoder, pictures, first=0):
    """Payloads of each picture."""
    return [encoder.encode(frame_of(planes, first + number))[0] for number, planes in enumerate(pictures)]


def decoded(decoder, frames):
    """Arrays (H * 3 / 2, W) of what frames of data decode to."""
    made = []
    for number, data in enumerate(frames):
        made += decoder.decode(JitterFrame(data=data, timestamp=number * 3000))
    return [frame.to_ndarray() for frame in made]


def psnr(one, other):
    """Of brightness, in dB."""
    rows = one.shape[0] * 2 // 3
    return 10 * np.log10(255**2 / np.mean((one[:rows].astype(float) - other[:rows]) ** 2))


def bits_per_s(frames):
    """Of frames as payloads."""
    return sum(len(payload) for payloads in frames for payload in payloads) * 8 * FPS / len(frames)
