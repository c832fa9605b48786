"""Handles each packet of a page's camera; stands in for two parts of aiortc's receiver.

aiortc keeps the rest: SRTP, RTX, receiver reports, the decoder and its thread.
"""

from __future__ import annotations

import time
from typing import Protocol

from signaling_service.media.jitter_buffer import EncodedFrame, JitterBuffer, Packet
from signaling_service.media.receive_ceiling import ReceiveCeiling
from signaling_service.media.receive_estimate import ReceiveEstimate


class Replies(Protocol):
    """Where the answers to packets go: to the decoder, and to the page."""

    def decode(self, frame: EncodedFrame) -> bool:
        """Give it to the decoder; False where that cannot be, and so no frame before the next key frame."""

    async def ask_for_packets(self, numbers: list[int]) -> None: ...

    async def ask_for_key_frame(self) -> None: ...

    async def report_estimate(self, bits_per_s: int) -> None: ...


class Reception:
    """One received video stream; used from the event loop alone. Times are time.monotonic()."""

    def __init__(self, estimate: ReceiveEstimate | ReceiveCeiling) -> None:
        self.buffer = JitterBuffer()
        self._estimate = estimate

    def hear(self, sent: int | None, number: int | None, size_bytes: int, now_s: float) -> None:
        """Note that something came, for the estimate; see ReceiveEstimate.add."""
        self._estimate.add(sent, number, size_bytes, now_s)

    def add(self, packet: Packet, now_s: float) -> None:
        """Take a packet of the stream itself."""
        self.buffer.add(packet, now_s)

    async def reply(self, to: Replies, *, decoder_failed: bool) -> None:
        """Send what the packets so far call for."""
        now_s = time.monotonic()
        if decoder_failed:
            self.buffer.need_key_frame(now_s)
        for frame in self.buffer.take(now_s):
            if not to.decode(frame):
                self.buffer.need_key_frame(now_s)
                break
        if numbers := self.buffer.packets_to_ask_for(now_s):
            await to.ask_for_packets(numbers)
        if self.buffer.should_ask_for_key_frame(now_s):
            await to.ask_for_key_frame()
        if (bits_per_s := self._estimate.due(now_s)) is not None:
            await to.report_estimate(bits_per_s)
