from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, VideoStreamTrack
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtpPacket,
    pack_remb_fci,
    unpack_remb_fci,
)

from shared.wire import FrameHeader
from signaling_service.media import path_estimate
from signaling_service.media.bitrate import BitrateProfile, default_bitrate
from signaling_service.media.path_estimate import PathEstimate
from signaling_service.media.payloads import marks
from signaling_service.media.receive_estimate import CEILING_BITS_PER_S
from signaling_service.media.repeats import SHARE
from signaling_service.media.send_rate import SendRate
from signaling_service.metrics import Metrics
from signaling_service.rtc import sending as sending_module
from signaling_service.rtc.card import Card
from signaling_service.rtc.outage import Outage
from signaling_service.rtc.returned_track import ReturnedTrack
from signaling_service.rtc.sending import send_at
from signaling_service.rtc.transport_wide import TransportWide
from tests.signaling_service.calling import Page, Running, page, running, until
from tests.signaling_service.making import WireWorker

FIRST, LATER = 60, 180
FULL = default_bitrate(640, 480)


class OneFrame(VideoStreamTrack):
    """A camera that gives one frame when it may, and no other ever."""

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()

    async def recv(self) -> av.VideoFrame:
        await self.may.wait()
        self.may.clear()
        frame = await super().recv()
        assert isinstance(frame, av.VideoFrame)
        return frame


@dataclass
class Gated:
    """A worker whose first answer is one picture, and which waits before it gives another."""

    may_go_on: threading.Event = field(default_factory=threading.Event)
    answered: int = 0

    def __call__(self, header: FrameHeader, planes: bytes) -> bytes:
        if self.answered:
            self.may_go_on.wait(10.0)
        self.answered += 1
        luma = header.width * header.height
        return bytes([FIRST if self.answered == 1 else LATER]) * luma + bytes([128]) * (luma // 2)


@dataclass
class Watched:
    """What came back, packet by packet."""

    keys: list[bool] = field(default_factory=list)
    """For each frame's first packet, whether it belongs to a key frame."""
    stamps: list[int] = field(default_factory=list)
    """RTP timestamp of each frame."""
    ssrc: int = 0

    def watch(self, caller: Page) -> None:
        receiver: Any = caller.connection.getReceivers()[0]
        handle = receiver._handle_rtp_packet

        async def handle_rtp_packet(packet: Any, arrival_time_ms: int) -> None:
            codec = receiver._RTCRtpReceiver__codecs[packet.payload_type]
            if codec.name in ("VP8", "H264") and packet.timestamp not in self.stamps:
                self.stamps.append(packet.timestamp)
                self.ssrc = packet.ssrc
                self.keys.append(marks(codec.name, packet.payload, b"x").of_key_frame)
            await handle(packet, arrival_time_ms)

        receiver._handle_rtp_packet = handle_rtp_packet


def luma(frame: av.VideoFrame) -> float:
    return float(np.mean(frame.to_ndarray()[: frame.height]))


@dataclass
class Calling:
    service: Running
    gated: Gated


@pytest.fixture
async def calling(results: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Calling]:
    # Else a slow machine shows the card before the first result.
    monkeypatch.setattr("signaling_service.rtc.outage.CARD_AFTER_S", 60.0)
    async with running(results) as service:
        gated = Gated()
        with WireWorker(results, gated):
            await service.has_worker()
            yield Calling(service, gated)
            gated.may_go_on.set()


async def connected(
    calling: Calling, caller: Page, camera: VideoStreamTrack, watched: Watched | None = None
) -> None:
    caller.connection.addTrack(camera)
    if watched is not None:
        # Before the first packet can come.
        watched.watch(caller)
    answer = await calling.service.http.post(
        "/offer", json={"type": "offer", "sdp": await caller.offer(video=False)}
    )
    assert answer.status_code == 200, answer.text
    await caller.take(answer.json())
    await until(lambda: calling.service.metric("sessions_connected") == 1)


async def test_one_camera_frame_comes_back_without_a_second_as_a_key_frame_of_its_result(
    calling: Calling,
) -> None:
    camera, watched = OneFrame(), Watched()
    async with page() as caller:
        await connected(calling, caller, camera, watched)
        camera.may.set()
        # The page's own decoder would wait for the next frame; the packets say that it is there.
        await until(lambda: watched.keys == [True])
        assert calling.gated.answered == 1


async def test_the_first_frame_is_a_key_frame_of_the_first_result_and_a_lost_picture_is_sent_again(
    calling: Calling,
) -> None:
    watched = Watched()
    async with page() as caller:
        await connected(calling, caller, VideoStreamTrack(), watched)
        await until(lambda: len(watched.keys) >= 1)
        receiver: Any = caller.connection.getReceivers()[0]
        # No further result comes: what the page lost is shown again at once, and no card in its place.
        await receiver._send_rtcp_pli(watched.ssrc)
        await until(lambda: len(watched.keys) >= 2)
        assert watched.keys[:2] == [True, True]
        calling.gated.may_go_on.set()
        await until(lambda: len(watched.keys) >= 8)
        assert not any(watched.keys[3:])
        await until(lambda: len(caller.frames) >= 2)
        assert [abs(luma(frame) - FIRST) < 3 for frame in caller.frames[:2]] == [True, True]


class Unsteady(VideoStreamTrack):
    """A camera whose frames are not equally far apart."""

    def __init__(self) -> None:
        super().__init__()
        self.pts: list[int] = []
        self._rng = random.Random(5)

    async def recv(self) -> av.VideoFrame:
        frame = await super().recv()
        assert isinstance(frame, av.VideoFrame)
        frame.pts = (self.pts[-1] if self.pts else 0) + 2500 + self._rng.randrange(1000)
        self.pts.append(frame.pts)
        return frame


async def test_returned_frames_are_as_far_apart_as_those_of_the_camera(calling: Calling) -> None:
    camera, watched = Unsteady(), Watched()
    calling.gated.may_go_on.set()
    async with page() as caller:
        await connected(calling, caller, camera, watched)
        await until(lambda: len(watched.stamps) >= 25)
        returned = [(stamp - watched.stamps[0]) & 0xFFFFFFFF for stamp in watched.stamps]
        assert any({first + stamp for stamp in returned} <= set(camera.pts) for first in camera.pts)


async def test_the_page_is_told_a_high_estimate_and_lost_packets_are_asked_for(calling: Calling) -> None:
    calling.gated.may_go_on.set()
    rng = random.Random(3)
    estimates: list[int] = []
    asked: list[int] = []
    async with page() as caller:
        await connected(calling, caller, VideoStreamTrack())
        sender: Any = caller.connection.getSenders()[0]
        handle = sender._handle_rtcp_packet

        async def handle_rtcp_packet(packet: Any) -> None:
            if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
                estimates.append(unpack_remb_fci(packet.fci)[0])
            if isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK:
                asked.extend(packet.lost)
            await handle(packet)

        sender._handle_rtcp_packet = handle_rtcp_packet
        transport: Any = sender.transport
        send_rtp = transport._send_rtp

        async def lossy(data: bytes) -> None:
            if 192 <= data[1] <= 208 or rng.random() >= 0.05:
                await send_rtp(data)

        transport._send_rtp = lossy
        before = len(caller.frames)
        await until(lambda: bool(asked) and bool(estimates) and len(caller.frames) >= before + 40)
        assert max(estimates) >= 0.99 * CEILING_BITS_PER_S


@dataclass
class Encoder:
    target_bitrate: int = 0


@pytest.fixture
async def sending() -> AsyncIterator[tuple[Any, SendRate, ReturnedTrack, Encoder]]:
    """A sender whose encoder is made, and whose rate is known to have been sent for 2 s."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender: Any = connection.addTransceiver("video").sender
    rate = SendRate(BitrateProfile())
    track = ReturnedTrack(Metrics(), Card(), Outage.CLOSED)
    send_at(sender, rate, track)
    sender._RTCRtpSender__encoder = encoder = Encoder()
    track.before_encoding(av.VideoFrame(640, 480, "yuv420p"))
    rate.note_sent(-FULL // 8 * 2, time.monotonic() - 2.0)
    yield sender, rate, track, encoder
    await connection.close()


def remb(bits_per_s: int, ssrc: int) -> RtcpPsfbPacket:
    return RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=pack_remb_fci(bits_per_s, [ssrc]))


async def test_the_encoder_begins_with_what_the_picture_is_worth(sending: Any) -> None:
    _, _, track, encoder = sending
    assert encoder.target_bitrate == FULL
    track.before_encoding(av.VideoFrame(1280, 720, "yuv420p"))
    assert encoder.target_bitrate == pytest.approx(default_bitrate(1280, 720), rel=0.01)


async def test_reports_reach_the_encoder_by_the_rate_alone(sending: Any) -> None:
    sender, _, _, encoder = sending
    await sender._handle_rtcp_packet(remb(100_000, sender._ssrc + 1))
    await sender._handle_rtcp_packet(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=b"else"))
    await sender._handle_rtcp_packet(remb(1_450_000, sender._ssrc))
    assert encoder.target_bitrate == FULL
    await sender._handle_rtcp_packet(remb(600_000, sender._ssrc))
    assert encoder.target_bitrate == pytest.approx(600_000, rel=0.01)


async def test_losses_in_a_receiver_report_lower_the_target(sending: Any) -> None:
    sender, rate, _, encoder = sending
    rate.note_loss(0, 1000, time.monotonic() - 2.0)
    for ssrc, lost in ((sender._ssrc + 1, 90), (sender._ssrc, 50)):
        report = RtcpReceiverInfo(
            ssrc=ssrc,
            fraction_lost=0,
            packets_lost=lost,
            highest_sequence=1100,
            jitter=0,
            lsr=0,
            dlsr=0,
        )
        await sender._handle_rtcp_packet(RtcpRrPacket(ssrc=1, reports=[report]))
    assert encoder.target_bitrate == pytest.approx(0.75 * FULL, rel=0.01)


@pytest.mark.parametrize("did_wait", [False, True])
async def test_a_picture_that_is_to_be_covered_and_has_not_left_never_leaves(did_wait: bool) -> None:
    done: list[str] = []
    history = {7: RtpPacket(sequence_number=7)}
    sender: Any = SimpleNamespace(
        _handle_rtcp_packet=None,
        _next_encoded_frame=None,
        _send_keyframe=lambda: done.append("key frame"),
        _retransmit=None,
        _RTCRtpSender__rtp_history=history,
    )
    track = ReturnedTrack(Metrics(), Card(), Outage.CLOSED)

    def drop_pictures() -> bool:
        done.append("drop")
        return did_wait

    leaving: Any = SimpleNamespace(drop_pictures=drop_pictures)
    send_at(sender, SendRate(BitrateProfile()), track, leaving=leaving)
    track.begin_anew()
    assert done == ["drop", "key frame"]
    # Nor is it sent again when the page misses it.
    assert (7 in history) is not did_wait


@pytest.mark.parametrize("was_dropped", [False, True])
async def test_no_picture_is_taken_while_there_is_no_room_for_it(was_dropped: bool) -> None:
    has_room = asyncio.Event()
    done: list[str] = []

    async def room() -> bool:
        await has_room.wait()
        return was_dropped

    async def next_encoded_frame(codec: Any) -> None:
        done.append("picture")

    sender: Any = SimpleNamespace(
        _handle_rtcp_packet=None,
        _next_encoded_frame=next_encoded_frame,
        _send_keyframe=lambda: done.append("key frame"),
        _retransmit=None,
        _RTCRtpSender__encoder=Encoder(),
    )
    track: Any = SimpleNamespace()
    send_at(sender, SendRate(BitrateProfile()), track, leaving=SimpleNamespace(room=room))  # type: ignore[arg-type]
    taking = asyncio.create_task(sender._next_encoded_frame(None))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not done
    has_room.set()
    await taking
    # Those that follow need what the page has never got.
    assert done == (["key frame"] if was_dropped else []) + ["picture"]


async def test_a_picture_that_had_to_wait_for_room_is_encoded_at_a_lower_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(path_estimate, "FULL_S", 0.01)
    rates: list[int] = []
    encoder = Encoder()

    async def room() -> bool:
        await asyncio.sleep(0.0 if not rates else 0.02)
        return False

    async def next_encoded_frame(codec: Any) -> None:
        rates.append(encoder.target_bitrate)

    sender: Any = SimpleNamespace(
        _handle_rtcp_packet=None,
        _next_encoded_frame=next_encoded_frame,
        _retransmit=None,
        _RTCRtpSender__encoder=encoder,
    )
    rate = SendRate(BitrateProfile())
    encoder.target_bitrate = rate.target
    control = TransportWide(PathEstimate(rate.target, 300_000))
    leaving: Any = SimpleNamespace(room=room)
    send_at(sender, rate, SimpleNamespace(), leaving=leaving, control=control)  # type: ignore[arg-type]
    for _ in range(2):
        await sender._next_encoded_frame(None)
    assert rates[0] == FULL
    # The longer it had to wait, the lower.
    assert path_estimate.DRAIN * path_estimate.FALL * FULL <= rates[1] <= path_estimate.FALL * FULL


async def test_key_frames_are_few_however_often_a_page_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, asked, keys = 100.0, 0, list[float]()
    monkeypatch.setattr(sending_module, "time", SimpleNamespace(monotonic=lambda: now_s))

    def repeat() -> None:
        nonlocal asked
        asked += 1

    async def handle(packet: RtcpPsfbPacket) -> None:
        """As aiortc does."""
        sender._send_keyframe()

    sender: Any = SimpleNamespace(
        _handle_rtcp_packet=handle,
        _next_encoded_frame=None,
        _send_keyframe=lambda: keys.append(now_s),
        _retransmit=None,
        _ssrc=1,
        _RTCRtpSender__octet_count=0,
        _RTCRtpSender__encoder=None,
    )
    track: Any = SimpleNamespace(repeat=repeat)
    send_at(sender, SendRate(BitrateProfile()), track)
    lost = RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=2, media_ssrc=1)
    for number in range(90):
        now_s = 100.0 + number / 30
        for _ in range(10 if number < 60 else 0):
            await sender._handle_rtcp_packet(lost)
        track.before_encoding(av.VideoFrame(16, 16))
    assert asked == 600
    # The first at once, and the last of all that were asked for.
    assert keys[0] == 100.0
    assert 6 <= len(keys) <= 8
    assert keys[-1] > 101.9


async def test_repeats_are_bounded_however_many_are_asked_for() -> None:
    packets = [RtpPacket(sequence_number=number, payload=bytes(1200)) for number in range(100)]
    repeated: list[int] = []

    async def retransmit(number: int) -> None:
        repeated.append(number)

    sender = SimpleNamespace(
        _handle_rtcp_packet=None,
        _next_encoded_frame=None,
        _send_keyframe=None,
        _retransmit=retransmit,
        _RTCRtpSender__rtp_history={packet.sequence_number: packet for packet in packets},
    )
    rate = SendRate(BitrateProfile(300_000, 300_000, 300_000))
    send_at(sender, rate, SimpleNamespace())  # type: ignore[arg-type]
    for _ in range(20):
        for packet in packets:
            await sender._retransmit(packet.sequence_number)
    assert 0 < 1200 * len(repeated) < 1.5 * SHARE * 300_000 / 8
    had = len(repeated)
    await sender._retransmit(5000)  # Never sent: it takes nothing off the budget.
    assert len(repeated) == had
