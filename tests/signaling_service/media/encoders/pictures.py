"""A sequence of pictures through an encoder, and back through a decoder."""

from __future__ import annotations

from aiortc.jitterbuffer import JitterFrame

from harness.coding import FPS, frame_of


def encode(encoder, pictures, first=0):
    """Payloads of each picture."""
    return [encoder.encode(frame_of(planes, first + number))[0] for number, planes in enumerate(pictures)]


def decoded(decoder, frames):
    """Arrays (H * 3 / 2, W) of what frames of data decode to."""
    made = []
    for number, data in enumerate(frames):
        made += decoder.decode(JitterFrame(data=data, timestamp=number * 3000))
    return [frame.to_ndarray() for frame in made]


def bits_per_s(frames):
    """Of frames as payloads."""
    return sum(len(payload) for payloads in frames for payload in payloads) * 8 * FPS / len(frames)
