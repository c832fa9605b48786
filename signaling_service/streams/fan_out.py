"""One viewer's section: packets that others have made, under numbers of its own.

It stands in for the loop of aiortc's sender, which would encode for each viewer. The sender keeps its sender
reports.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiortc import RTCRtpCodecParameters, RTCRtpSender
from aiortc.rtcrtpsender import random_sequence_number
from aiortc.rtp import (
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpRtpfbPacket,
)
from aiortc.utils import random32

from signaling_service.media.repeats import Repeats
from signaling_service.rtc.packets import Leaving
from signaling_service.streams.thinning import KEY_EVERY_S, Thinning

HISTORY = 512
"""Packets that may be sent again: at 1.5 Mbit/s those of 3 s."""
KEY_ASKED_EVERY_S = 1.0
"""A viewer is heard so often. It cannot turn the picture of all others into key frames."""
_VERSION = 0x80
_MARKER = 0x80


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """One picture, or 20 ms of sound, as RTP payloads."""

    payloads: Sequence[bytes]
    timestamp: int
    """Of the stream, at the codec's clock rate."""
    ntp: int
    """When it was captured, by the publisher's clock (NTP, 64 bits)."""
    is_key: bool = True
    marks_end: bool = True
    """Whether the last packet has the marker: of a picture always, of sound never (RFC 7587 section 4.2)."""


class FanOut:
    """Sends encoded pictures by one of aiortc's senders. Event loop only."""

    def __init__(
        self,
        sender: RTCRtpSender,
        leaving: Leaving,
        on_key_asked: Callable[[], None] = lambda: None,
        thinning: Thinning | None = None,
    ) -> None:
        """`on_key_asked` is called when the viewer has lost its picture. Without `thinning` it gets all."""
        self._sender: Any = sender
        self._leaving = leaving
        self._on_key_asked = on_key_asked
        self._thinning = thinning
        self._handle = self._sender._handle_rtcp_packet
        self._repeats = Repeats()
        self._payload_type: int | None = None
        self._number = random_sequence_number()
        self._origin = random32()
        self._history: dict[int, tuple[int, int, int, bytes]] = {}
        self._awaits_key = True
        self._has_skipped = False
        self._bits_per_s = 0
        self._asked_s = float("-inf")

    def take_over(self) -> None:
        """Set our parts in the sender; to be called before it starts."""
        self._sender._run_rtp = self._run
        self._sender._handle_rtcp_packet = self._handle_rtcp_packet

    def send(self, picture: EncodedPicture, bits_per_s: int) -> None:
        """Send one picture, if the viewer can use it; `bits_per_s` bounds what may be sent again."""
        if self._payload_type is None:
            return
        if self._leaving.is_full():
            # A slow viewer's TCP connection: it gets pictures as they are made, or none.
            self._awaits_key = self._has_skipped = True
            self._note_loss(1.0)
            return
        if self._leaves_out(picture):
            return
        if self._awaits_key and not picture.is_key:
            # A viewer that misses no packet asks for nothing.
            if self._has_skipped:
                self._ask_for_key_frame()
            return
        self._bits_per_s = bits_per_s
        timestamp = (self._origin + picture.timestamp) & 0xFFFFFFFF
        last = len(picture.payloads) - 1 if picture.marks_end else -1
        try:
            for index, payload in enumerate(picture.payloads):
                marker = _MARKER if index == last else 0
                self._history[self._number % HISTORY] = (self._number, marker, timestamp, payload)
                self._send_one(self._number, marker, timestamp, payload)
                self._number = (self._number + 1) & 0xFFFF
        except ConnectionError:
            self._awaits_key = True
            return
        self._awaits_key = self._has_skipped = False
        self._note_sent(picture, timestamp)

    def _leaves_out(self, picture: EncodedPicture) -> bool:
        """Tell whether the viewer's line is too narrow for this picture."""
        thinning, now_s = self._thinning, time.monotonic()
        if thinning is None or thinning.takes(now_s, is_key=picture.is_key):
            return False
        self._awaits_key = True
        if thinning.wants_key(now_s):
            self._ask_for_key_frame()
        return True

    def forget(self) -> None:
        """Send nothing again that was sent before, and wait for a key frame."""
        self._history.clear()
        self._leaving.drop_pictures()
        self._awaits_key = True
        if self._thinning is not None:
            self._thinning.forget()

    def _send_one(self, number: int, marker: int, timestamp: int, payload: bytes) -> None:
        kind = marker | self._payload_type  # type: ignore[operator]
        header = struct.pack("!BBHLL", _VERSION, kind, number, timestamp, self._sender._ssrc)
        self._leaving.send_now(header + payload)

    def _note_sent(self, picture: EncodedPicture, timestamp: int) -> None:
        sender = self._sender
        sender._RTCRtpSender__ntp_timestamp = picture.ntp
        sender._RTCRtpSender__rtp_timestamp = timestamp
        sender._RTCRtpSender__packet_count += len(picture.payloads)
        sender._RTCRtpSender__octet_count += sum(map(len, picture.payloads))

    # What the sender calls

    async def _run(self, codec: RTCRtpCodecParameters) -> None:
        sender = self._sender
        self._payload_type = codec.payloadType
        sender._RTCRtpSender__rtp_started.set()
        self._on_key_asked()
        try:
            await asyncio.Event().wait()
        finally:
            self._payload_type = None
            sender._RTCRtpSender__rtp_exited.set()

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK:
            for number in packet.lost:
                self._repeat(number)
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt in (RTCP_PSFB_PLI, RTCP_PSFB_FIR):
            self._ask_for_key_frame()
        elif isinstance(packet, RtcpRrPacket):
            for report in packet.reports:
                if report.ssrc == self._sender._ssrc:
                    self._note_loss(report.fraction_lost / 256)
            await self._handle(packet)

    def _note_loss(self, share: float) -> None:
        if self._thinning is not None:
            self._thinning.note_loss(share, time.monotonic())

    def _ask_for_key_frame(self) -> None:
        now_s = time.monotonic()
        is_thin = self._thinning is not None and self._thinning.is_thin
        if now_s - self._asked_s >= (KEY_EVERY_S if is_thin else KEY_ASKED_EVERY_S):
            self._asked_s = now_s
            self._on_key_asked()

    def _repeat(self, number: int) -> None:
        kept = self._history.get(number % HISTORY)
        if kept is None or kept[0] != number:
            return
        if self._repeats.allows(len(kept[3]), self._bits_per_s, time.monotonic()):
            self._send_one(*kept)
