"""Decoders of the camera's picture: aiortc's, in the one thread that each session has for them.

PyAV's default is one more for each core, in each session. They would share out slices of a picture, which
makes no frame of 640x480 or 1280x720 ready sooner.
"""

from __future__ import annotations

from aiortc.codecs import h264, vpx


class Vp8Decoder(vpx.Vp8Decoder):
    """Decodes in the calling thread; one instance per session."""

    def __init__(self) -> None:
        super().__init__()
        self.codec.thread_count = 1


class H264Decoder(h264.H264Decoder):
    """Decodes in the calling thread; one instance per session."""

    def __init__(self) -> None:
        super().__init__()
        self.codec.thread_count = 1
