from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiortc import RTCRtpCodecParameters
from aiortc.rtp import RTCP_PSFB_PLI, RTCP_RTPFB_NACK, RtcpPsfbPacket, RtcpRtpfbPacket

from signaling_service.streams.fan_out import HISTORY, EncodedPicture, FanOut

CODEC = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=97)
KEY = EncodedPicture((b"one", b"two"), 3000, 7 << 32)
DELTA = EncodedPicture((b"three",), 6000, 8 << 32, is_key=False)
FAST = 10_000_000


class Sender:
    """What a fan-out uses of aiortc's sender."""

    def __init__(self) -> None:
        self._ssrc = 42
        self._RTCRtpSender__rtp_started = asyncio.Event()
        self._RTCRtpSender__rtp_exited = asyncio.Event()
        self._RTCRtpSender__packet_count = 0
        self._RTCRtpSender__octet_count = 0

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        raise AssertionError(packet)


class Way:
    def __init__(self) -> None:
        self.sent: list[tuple[int, bool, int, bytes]] = []
        self.is_broken = self.has_stopped = False
        self.dropped = 0

    def is_full(self) -> bool:
        return self.has_stopped

    def drop_pictures(self) -> bool:
        self.dropped += 1
        return True

    def send_now(self, packet: bytes) -> None:
        if self.is_broken:
            raise ConnectionError
        _, kind, number, timestamp, ssrc = struct.unpack("!BBHLL", packet[:12])
        assert (kind & 0x7F, ssrc) == (97, 42)
        self.sent.append((number, kind >= 0x80, timestamp, packet[12:]))


class Viewing:
    def __init__(self) -> None:
        self.way = Way()
        self.asked = 0
        sender: Any = Sender()
        way: Any = self.way
        self.sender = sender
        self.fan_out = FanOut(sender, way, self._ask)
        self.fan_out.take_over()

    def _ask(self) -> None:
        self.asked += 1

    async def says(self, packet: Any) -> None:
        await self.sender._handle_rtcp_packet(packet)


@pytest.fixture
async def viewing() -> AsyncIterator[Viewing]:
    made = Viewing()
    task = asyncio.create_task(made.sender._run_rtp(CODEC))
    await made.sender._RTCRtpSender__rtp_started.wait()
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert made.sender._RTCRtpSender__rtp_exited.is_set()


async def test_a_viewer_begins_with_a_key_frame_which_it_asks_for(viewing: Viewing) -> None:
    assert viewing.asked == 1
    viewing.fan_out.send(DELTA, FAST)
    assert viewing.way.sent == []
    viewing.fan_out.send(KEY, FAST)
    viewing.fan_out.send(DELTA, FAST)
    numbers, markers, stamps, payloads = zip(*viewing.way.sent, strict=True)
    assert [(number - numbers[0]) & 0xFFFF for number in numbers] == [0, 1, 2]
    assert markers == (False, True, True)
    assert [(stamp - stamps[0]) & 0xFFFFFFFF for stamp in stamps] == [0, 0, 3000]
    assert payloads == (b"one", b"two", b"three")
    assert viewing.sender._RTCRtpSender__packet_count == 3
    assert viewing.sender._RTCRtpSender__ntp_timestamp == DELTA.ntp


async def test_pictures_for_a_viewer_whose_way_is_full_are_left_out_up_to_the_next_key_frame(
    viewing: Viewing,
) -> None:
    viewing.fan_out.send(KEY, FAST)
    viewing.way.has_stopped = True
    viewing.fan_out.send(DELTA, FAST)
    viewing.way.has_stopped = False
    viewing.fan_out.send(DELTA, FAST)
    # It misses no packet, and so asks for nothing itself.
    assert (len(viewing.way.sent), viewing.asked) == (2, 2)
    viewing.fan_out.send(KEY, FAST)
    viewing.fan_out.send(DELTA, FAST)
    numbers = [number for number, *_ in viewing.way.sent]
    assert [(number - numbers[0]) & 0xFFFF for number in numbers] == [0, 1, 2, 3, 4]


async def test_a_lost_packet_is_sent_again_as_it_was(viewing: Viewing) -> None:
    viewing.fan_out.send(KEY, FAST)
    lost = viewing.way.sent[1]
    nack = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=42, lost=[lost[0], lost[0] + 1000])
    await viewing.says(nack)
    assert viewing.way.sent[2:] == [lost]


async def test_repeats_are_a_share_of_the_bitrate(viewing: Viewing) -> None:
    viewing.fan_out.send(EncodedPicture((bytes(1000),) * 100, 0, 0), 80_000)
    numbers = [number for number, *_ in viewing.way.sent]
    await viewing.says(RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=42, lost=numbers))
    assert len(viewing.way.sent) == 102  # a quarter of a second's 10,000 bytes


async def test_what_was_hidden_is_not_sent_again(viewing: Viewing) -> None:
    viewing.fan_out.send(KEY, FAST)
    numbers = [number for number, *_ in viewing.way.sent]
    viewing.fan_out.forget()
    assert viewing.way.dropped == 1
    await viewing.says(RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=42, lost=numbers))
    viewing.fan_out.send(DELTA, FAST)
    assert len(viewing.way.sent) == 2


async def test_one_viewer_cannot_ask_for_key_frames_all_the_time(viewing: Viewing) -> None:
    for _ in range(20):
        await viewing.says(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=42))
    assert viewing.asked == 2


async def test_after_a_gap_a_viewer_waits_for_a_key_frame(viewing: Viewing) -> None:
    viewing.fan_out.send(KEY, FAST)
    viewing.way.is_broken = True
    viewing.fan_out.send(DELTA, FAST)
    viewing.way.is_broken = False
    viewing.fan_out.send(DELTA, FAST)
    assert len(viewing.way.sent) == 2
    viewing.fan_out.send(KEY, FAST)
    assert len(viewing.way.sent) == 4


async def test_what_is_kept_is_bounded(viewing: Viewing) -> None:
    for _ in range(3):
        viewing.fan_out.send(EncodedPicture((b"x",) * HISTORY, 0, 0), FAST)
    assert len(viewing.fan_out._history) == HISTORY
