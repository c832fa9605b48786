"""A stream's picture in one codec: encoded once, for all viewers of that codec."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import av
from aiortc import RTCRtpCodecParameters
from aiortc.codecs import get_encoder

from shared.frame import CLOCK_RATE
from signaling_service.media.bitrate import BitrateProfile
from signaling_service.media.encoders.h264 import SingleUnitEncoder, takes_single_units
from signaling_service.media.planes import TIME_BASE, plane_lines
from signaling_service.streams.fan_out import EncodedPicture, FanOut

logger = logging.getLogger(__name__)

KEY_EVERY_S = 0.3
"""One key frame serves all that have asked for one within this time."""
_NTP = 1 << 32
REPEAT_AFTER_S = 0.05
"""Without a new picture the last one is encoded again for whoever waits for a key frame."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A picture with its times."""

    frame: av.VideoFrame
    pts: int
    ntp: int

    def later(self, by_s: float) -> _Shown:
        """Return the same picture, so much later."""
        return _Shown(self.frame, self.pts + max(1, round(by_s * CLOCK_RATE)), self.ntp + round(by_s * _NTP))

    def twin(self) -> av.VideoFrame:
        """Return a copy of the frame, stamped."""
        frame = self.frame
        made = av.VideoFrame(frame.width, frame.height, "yuv420p")
        for target, source in zip(made.planes, frame.planes, strict=True):
            columns = min(target.line_size, source.line_size)
            plane_lines(target)[:, :columns] = plane_lines(source)[: target.height, :columns]
        made.pts, made.time_base = self.pts, TIME_BASE
        made.color_range, made.colorspace = frame.color_range, frame.colorspace
        return made


class Rendition:
    """Encodes the newest picture, and gives it to all viewers of one codec. Event loop only."""

    def __init__(self, codec: RTCRtpCodecParameters, bitrates: BitrateProfile, executor: Executor) -> None:
        self._encoder: Any = SingleUnitEncoder() if takes_single_units(codec) else get_encoder(codec)
        self._bitrates = bitrates
        self._executor = executor
        self._viewers: set[FanOut] = set()
        self._expected: set[FanOut] = set()
        self._next: _Shown | None = None
        self._last: _Shown | None = None
        self._last_s = 0.0
        self._key_s = 0.0
        self._wants_key = True
        self._cuts = 0
        self._changed = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def is_watched(self) -> bool:
        return bool(self._viewers or self._expected)

    def expect(self, viewer: FanOut) -> None:
        """Stay for one whose offer is being answered, whoever leaves meanwhile; it joins, or leaves."""
        self._expected.add(viewer)

    def join(self, viewer: FanOut) -> None:
        self._expected.discard(viewer)
        self._viewers.add(viewer)

    def leave(self, viewer: FanOut) -> None:
        self._expected.discard(viewer)
        self._viewers.discard(viewer)

    def show(self, frame: av.VideoFrame, pts: int, ntp: int) -> None:
        """Take the newest picture, with the stream's timestamp (90 kHz) and its time of capture (NTP).

        One that waits is replaced.
        """
        self._next = _Shown(frame, pts, ntp)
        self._changed.set()

    def ask_for_key_frame(self) -> None:
        """Let the next picture need no older one; soon, also where no new one comes."""
        self._wants_key = True
        self._changed.set()

    def cut(self) -> None:
        """Send nothing any more of pictures that were shown before."""
        self._cuts += 1
        self._next = self._last = None
        self._wants_key = True
        for viewer in self._viewers:
            viewer.forget()

    def close(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            due = await self._due()
            try:
                await self._encode(due)
            except (av.FFmpegError, ValueError):
                logger.exception("a published picture could not be encoded")
                self._wants_key = True

    async def _due(self) -> _Shown:
        while True:
            self._changed.clear()
            if self._viewers and self._next is not None:
                due, self._next = self._next, None
                return due
            wait_s = None
            if self._viewers and self._wants_key and self._last is not None:
                now_s = time.monotonic()
                wait_s = max(self._last_s + REPEAT_AFTER_S, self._key_s + KEY_EVERY_S) - now_s
                if wait_s <= 0:
                    return self._last.later(now_s - self._last_s)
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _encode(self, shown: _Shown) -> None:
        cuts, now_s = self._cuts, time.monotonic()
        is_key = self._wants_key and now_s - self._key_s >= KEY_EVERY_S
        if is_key:
            self._wants_key, self._key_s = False, now_s
        bits_per_s = self._bitrates.most_for(shown.frame.width, shown.frame.height)
        self._encoder.target_bitrate = bits_per_s
        # The publisher's own encoder writes into the frame that it is given, in another thread.
        own = shown.twin()
        loop = asyncio.get_running_loop()
        payloads, timestamp = await loop.run_in_executor(self._executor, self._encoder.encode, own, is_key)
        if cuts != self._cuts:
            return
        self._last, self._last_s = shown, now_s
        picture = EncodedPicture(payloads, timestamp, shown.ntp, is_key)
        for viewer in list(self._viewers):
            viewer.send(picture, bits_per_s)
