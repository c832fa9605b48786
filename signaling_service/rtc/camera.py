"""Drains the remote track without pause; only the newest frame goes on.

aiortc queues received frames without bound, so a reader that waits for anything else falls behind for good.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.video.reformatter import ColorRange, Colorspace

from shared.frame import ColourMatrix, ColourRange, even, is_usable_size
from signaling_service.media.frame import CameraFrame
from signaling_service.media.planes import DecodedPlanes

_BT709 = int(Colorspace.ITU709)
_FULL = int(ColorRange.JPEG)


BURST = 3
"""Frames that may come at once, as after a hold-up on the way."""


class FrameRate:
    """Lets through so many frames a second, evenly but for short bursts."""

    def __init__(self, max_fps: float) -> None:
        self._max_fps = max_fps
        self._credit = float(BURST)
        self._at_s = 0.0

    def allows(self, now_s: float) -> bool:
        """One more frame may pass at this moment of a clock that only rises."""
        if math.isinf(self._max_fps):
            return True
        self._credit = min(BURST, self._credit + (now_s - self._at_s) * self._max_fps)
        self._at_s = now_s
        if self._credit < 1:
            return False
        self._credit -= 1
        return True


class Camera:
    """Reads one remote track and hands each newest frame to `on_frame`, on the event loop."""

    def __init__(
        self, track: MediaStreamTrack, on_frame: Callable[[CameraFrame], None], max_fps: float = math.inf
    ) -> None:
        """Of more frames a second than `max_fps` the rest is left out."""
        self._track = track
        self._on_frame = on_frame
        self._rate = FrameRate(max_fps)
        self._newest: av.VideoFrame | None = None
        self._has_frame = asyncio.Event()

    async def run(self) -> None:
        """Read until the track ends."""
        async with asyncio.TaskGroup() as group:
            sender = group.create_task(self._hand_over())
            await self._read()
            sender.cancel()

    async def _read(self) -> None:
        while True:
            try:
                frame = await self._track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, av.VideoFrame):
                self._newest = frame
                self._has_frame.set()

    async def _hand_over(self) -> None:
        while True:
            await self._has_frame.wait()
            self._has_frame.clear()
            frame, self._newest = self._newest, None
            if frame is None or not self._rate.allows(time.monotonic()):
                continue
            if (ready := to_camera_frame(frame)) is not None:
                self._on_frame(ready)


def to_camera_frame(frame: av.VideoFrame) -> CameraFrame | None:
    """Return a decoded frame as a lane takes it; None for a size that cannot be sent.

    Odd widths and heights lose their last column or row. Any other pixel format than I420 is converted.
    """
    width, height = even(frame.width), even(frame.height)
    if not is_usable_size(width, height):
        return None
    is_full = frame.format.name == "yuvj420p" or int(frame.color_range) == _FULL
    if frame.format.name not in ("yuv420p", "yuvj420p"):
        frame = frame.reformat(format="yuv420p")
        is_full = False
    return CameraFrame(
        planes=DecodedPlanes(frame, width, height),
        width=width,
        height=height,
        pts=frame.pts or 0,
        captured_ns=time.monotonic_ns(),
        colour_range=ColourRange.FULL if is_full else ColourRange.LIMITED,
        colour_matrix=ColourMatrix.BT709 if int(frame.colorspace) == _BT709 else ColourMatrix.BT601,
    )
