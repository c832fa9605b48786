from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from aiortc import RTCRtpCodecParameters
from aiortc.rtp import (
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
)

from harness.narrow_link import FPS, PACKET_BYTES, Link
from signaling_service.streams.fan_out import HISTORY, EncodedPicture, FanOut
from signaling_service.streams.thinning import KEY_EVERY_S, Thinning

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
        assert isinstance(packet, RtcpRrPacket)


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
        self.fan_out = FanOut(sender, way, self._ask, Thinning())
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


async def test_what_hides_a_picture_reaches_a_viewer_of_key_frames_alone_at_once(
    viewing: Viewing, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    monkeypatch.setattr("signaling_service.streams.fan_out.time.monotonic", lambda: now_s)
    for second in range(1, 5):
        now_s = float(second)
        await viewing.says(report(viewing, 0.9))
    viewing.fan_out.send(KEY, FAST)
    assert viewing.way.sent == []  # It has had one lately.
    viewing.fan_out.forget()
    viewing.fan_out.send(KEY, FAST)
    assert viewing.way.sent != []


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


KEY_PACKETS, DELTA_PACKETS = 40, 5
"""Of 1.5 Mbit/s: 48 kB and 6 kB."""


def report(viewing: Viewing, share: float) -> RtcpRrPacket:
    lost = min(255, round(256 * share))
    info = RtcpReceiverInfo(
        ssrc=42, fraction_lost=lost, packets_lost=0, highest_sequence=0, jitter=0, lsr=0, dlsr=0
    )
    return RtcpRrPacket(ssrc=1, reports=[info])


async def test_a_viewer_on_a_narrow_line_sees_key_frames_and_costs_the_others_few(
    viewing: Viewing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of a fifth of the stream, for a minute of made-up time: the player asks as Chromium does."""
    now_s = 0.0
    monkeypatch.setattr("signaling_service.streams.fan_out.time.monotonic", lambda: now_s)
    link, asked = Link(300_000, queue_bytes=64_000), viewing.asked
    shown_s: list[float] = []
    can_show, lost, sent, reported_s = False, 0, 0, 0.0
    for i in range(60 * FPS):
        now_s = i / FPS
        is_key = i == 0 or viewing.asked > asked
        asked = viewing.asked
        count = KEY_PACKETS if is_key else DELTA_PACKETS
        viewing.way.sent.clear()
        viewing.fan_out.send(EncodedPicture((bytes(PACKET_BYTES),) * count, i, i, is_key), FAST)
        arrived = [link.arrival_s(now_s, PACKET_BYTES) for _ in viewing.way.sent]
        if arrived:
            is_whole = None not in arrived
            can_show = is_whole and (can_show or is_key)
            shown_s += [now_s] if can_show else []
            sent, lost = sent + len(arrived), lost + arrived.count(None)
            if not can_show:
                await viewing.says(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=42))
        if now_s - reported_s >= 1 and sent:
            await viewing.says(report(viewing, lost / sent))
            lost, sent, reported_s = 0, 0, now_s
    times_s = [0.0, *shown_s, 60.0]
    assert max(later - one for one, later in pairwise(times_s)) < 4 * KEY_EVERY_S
    assert viewing.asked < 60 / KEY_EVERY_S + 10
