"""A publisher's sound: Opus that is passed on as it came, as late as the picture is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpReceiver
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket, RtpPacket

from signaling_service.streams.fan_out import EncodedPicture
from signaling_service.streams.sender_clock import SenderClock

CLOCK_RATE = 48_000
"""Of Opus, whatever it was sampled with (RFC 7587 section 4.1)."""
LONGEST_DELAY_S = 0.5
MAX_WAITING = 100
"""Packets of 20 ms: twice what the longest delay needs."""
_SMOOTHING = 0.1


class Delay:
    """How late the picture is: follows its latencies smoothly, so the sound does not jump."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def note(self, latency_s: float) -> None:
        late_s = min(latency_s, LONGEST_DELAY_S)
        self.seconds += _SMOOTHING * (late_s - self.seconds) if self.seconds else late_s


class Sound:
    """Takes the packets of one receiver in the place of its decoder. Event loop only."""

    def __init__(
        self, receiver: RTCRtpReceiver, delay: Delay, on_packet: Callable[[EncodedPicture], None]
    ) -> None:
        self._receiver: Any = receiver
        self._delay = delay
        self._on_packet = on_packet
        self._clock = SenderClock(CLOCK_RATE)
        self._handle_rtcp = self._receiver._handle_rtcp_packet
        self._waiting: deque[tuple[float, EncodedPicture]] = deque(maxlen=MAX_WAITING)
        self._came = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def take_over(self) -> None:
        """Set our parts in the receiver."""
        self._receiver._handle_rtp_packet = self._handle_rtp_packet
        self._receiver._handle_rtcp_packet = self._handle_rtcp_packet

    def close(self) -> None:
        self._task.cancel()

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        if not packet.payload:
            return
        ntp = self._clock.ntp(packet.timestamp)
        due_s = asyncio.get_running_loop().time() + self._delay.seconds
        self._waiting.append(
            (due_s, EncodedPicture((packet.payload,), packet.timestamp, ntp, marks_end=False))
        )
        self._came.set()

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpSrPacket):
            self._clock.note_report(packet.sender_info.ntp_timestamp, packet.sender_info.rtp_timestamp)
        await self._handle_rtcp(packet)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while self._waiting:
                due_s, packet = self._waiting[0]
                if (wait_s := due_s - loop.time()) > 0:
                    await asyncio.sleep(wait_s)
                    continue
                self._waiting.popleft()
                self._on_packet(packet)
            self._came.clear()
            await self._came.wait()
