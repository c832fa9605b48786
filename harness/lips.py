"""Flashes and beeps that begin together: how far apart a viewer has them, by the clocks of RTP and RTCP."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCRtpSender, VideoStreamTrack, clock
from aiortc.rtp import RtcpSrPacket
from av import AudioFrame, VideoFrame

FPS = 25
RATE = 48_000
CLOCK_RATE = 90_000
EVERY_FRAMES = 10
"""A flash of one frame, and a beep of 40 ms, every 0.4 s."""
BEEP_SAMPLES = 2 * RATE // FPS
BEEP_HZ = 1000
PACKET_SAMPLES = RATE // 50
_DARK, _BRIGHT = 40, 220
_LOUD = 0.2
_NTP_SECOND = 1 << 32


class Show:
    """A camera and a microphone with one clock, which starts with the first frame of either."""

    def __init__(self) -> None:
        self.camera = _Camera(self)
        self.microphone = _Microphone(self)
        self._began_s: float | None = None
        self._began_ntp = 0

    async def until(self, at_s: float) -> float:
        """Wait for a time of the show's clock; return by how much it is over."""
        if self._began_s is None:
            self._began_s, self._began_ntp = time.monotonic(), clock.current_ntp_time()
        late_s = time.monotonic() - self._began_s - at_s
        if late_s < 0:
            await asyncio.sleep(-late_s)
        return max(0.0, late_s)

    def report_captures(self, connection: RTCPeerConnection) -> None:
        """Let the sender reports say when frames were captured; aiortc says when they were sent, encoded."""
        for sender, rate in zip(connection.getSenders(), (CLOCK_RATE, RATE), strict=True):
            of: Any = sender
            of.__class__ = _Exact
            of.ntp_of = lambda stamp, rate=rate: self._began_ntp + stamp * _NTP_SECOND // rate


class _Camera(VideoStreamTrack):
    def __init__(self, show: Show) -> None:
        super().__init__()
        self._show = show
        self._count = -1

    async def recv(self) -> VideoFrame:
        """Return the next frame when its time has come; those that are over are skipped."""
        late_s = await self._show.until((self._count + 1) / FPS)
        self._count += 1 + int(late_s * FPS)
        luma = _DARK if self._count % EVERY_FRAMES else _BRIGHT
        planes = np.full((360, 320), 128, np.uint8)
        planes[:240] = luma
        frame = VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = self._count * CLOCK_RATE // FPS, Fraction(1, CLOCK_RATE)
        return frame


class _Microphone(AudioStreamTrack):
    def __init__(self, show: Show) -> None:
        super().__init__()
        self._show = show
        self._count = 0

    async def recv(self) -> AudioFrame:
        """Return the next 20 ms when they are over."""
        await self._show.until((self._count + PACKET_SAMPLES) / RATE)
        at = np.arange(self._count, self._count + PACKET_SAMPLES)
        self._count += PACKET_SAMPLES
        is_beep = at % (EVERY_FRAMES * RATE // FPS) < BEEP_SAMPLES
        wave = 0.5 * np.sin(2 * math.pi * BEEP_HZ / RATE * at) * is_beep
        frame = AudioFrame.from_ndarray((wave * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, int(at[0]), Fraction(1, RATE)
        return frame


class _Exact(RTCRtpSender):
    """Notes for its reports when the frame that it sends was captured."""

    async def _next_encoded_frame(self, codec: Any) -> Any:
        frame = await super()._next_encoded_frame(codec)
        if frame is not None:
            self.captured_ntp = self.ntp_of(frame.timestamp)  # type: ignore[attr-defined]
        return frame

    def _note(self, _: int) -> None:
        """Let aiortc's own time be."""

    _RTCRtpSender__ntp_timestamp = property(lambda self: getattr(self, "captured_ntp", 0), _note)


class Lips:
    """Listens to the packets of a viewer, picture first; give it what was decoded."""

    def __init__(self, connection: RTCPeerConnection) -> None:
        self._sections = [_Section(one) for one in connection.getReceivers()]

    @property
    def is_told(self) -> bool:
        """Whether the service has told the times of both."""
        return all(one.report is not None for one in self._sections)

    def apart_ms(
        self, frames: Iterable[VideoFrame], sounds: Iterable[AudioFrame]
    ) -> list[tuple[float, float]]:
        """Return how much later each flash is than its beep, in ms: by the reports, and as packets came."""
        picture, sound = self._sections
        beeps = [(sound.at_s(pts), sound.came(packet)) for packet, pts in _beeps(sounds)]
        found = []
        for pts in _flashes(frames):
            at_s, came_s = picture.at_s(pts), picture.came(pts)
            beep = min(beeps, key=lambda one: abs(one[0] - at_s), default=None)
            if beep is not None and beep[1] is not None and came_s is not None:
                found.append((1000 * (at_s - beep[0]), 1000 * (came_s - beep[1])))
        # The last beep may still be on its way.
        return found[:-1]


class _Section:
    def __init__(self, receiver: Any) -> None:
        self._came_s: dict[int, float] = {}
        """RTP timestamp -> time.monotonic() of its first packet."""
        self.report: tuple[int, int] | None = None
        self._mapper = receiver._RTCRtpReceiver__timestamp_mapper
        self._rate = CLOCK_RATE if receiver.track.kind == "video" else RATE
        take_rtp, take_rtcp = receiver._handle_rtp_packet, receiver._handle_rtcp_packet

        async def handle_rtp_packet(packet: Any, arrival_time_ms: int) -> None:
            self._came_s.setdefault(packet.timestamp, time.monotonic())
            await take_rtp(packet, arrival_time_ms)

        async def handle_rtcp_packet(packet: Any) -> None:
            if isinstance(packet, RtcpSrPacket):
                self.report = (packet.sender_info.ntp_timestamp, packet.sender_info.rtp_timestamp)
            await take_rtcp(packet)

        receiver._handle_rtp_packet, receiver._handle_rtcp_packet = handle_rtp_packet, handle_rtcp_packet

    def came(self, pts: int) -> float | None:
        """Return when the packet of a decoded frame came."""
        return self._came_s.get(self._stamp(pts))

    def _stamp(self, pts: int) -> int:
        # aiortc counts from the first packet.
        return int(pts + self._mapper._origin) % (1 << 32)

    def at_s(self, pts: int) -> float:
        """Return when something was captured, by the publisher's clock."""
        assert self.report is not None
        ntp, reported = self.report
        ticks = (self._stamp(pts) - reported + (1 << 31)) % (1 << 32) - (1 << 31)
        return (ntp % (1 << 48)) / _NTP_SECOND + ticks / self._rate


def _flashes(frames: Iterable[VideoFrame]) -> Iterable[int]:
    for frame in frames:
        if frame.to_ndarray()[: frame.height].mean() > (_DARK + _BRIGHT) / 2:
            yield int(frame.pts or 0)


def _beeps(sounds: Iterable[AudioFrame]) -> Iterable[tuple[int, int]]:
    """Give the timestamps of the packets in which beeps begin, and of their first samples."""
    was_loud = True
    for frame in sounds:
        samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]
        loud = np.flatnonzero(np.abs(samples) > _LOUD * 32767)
        if len(loud) and not was_loud:
            yield int(frame.pts or 0), int(frame.pts or 0) + int(loud[0])
        was_loud = len(loud) > 0
