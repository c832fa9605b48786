from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc import (
    RTCConfiguration,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceTransport,
    RTCPeerConnection,
    VideoStreamTrack,
)
from aiortc.rtcdtlstransport import RTCCertificate
from aiortc.rtp import is_rtcp

from signaling_service.media.bitrate import BitrateProfile
from signaling_service.media.receive_ceiling import ReceiveCeiling
from signaling_service.media.reception import Reception
from signaling_service.rtc import aiortc_patches
from signaling_service.rtc.packets import HANDSHAKE_DATAGRAMS, Arriving, Leaving
from signaling_service.rtc.receiving import Receiving, receive_through
from signaling_service.sockets.handling_time import BURST_S, HandlingTime, time_of
from signaling_service.sockets.own_port import OwnPorts
from tests.signaling_service.calling import until


class Watched:
    """Two peers that send each other a picture and have a data channel; `ours` has our parts."""

    def __init__(self) -> None:
        aiortc_patches.apply(["127.0.0.1"])
        aiortc_patches.bind_ice(OwnPorts())
        self.ours, self.theirs = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
        self.channel = self.theirs.createDataChannel("control")
        self.heard: list[str] = []
        self.ours.on("datachannel", lambda channel: channel.on("message", self.heard.append))
        for peer in (self.ours, self.theirs):
            peer.addTrack(VideoStreamTrack())
        self.dtls: Any = None
        self.arriving: Any = None
        self.rtcp: list[bytes] = []

    async def connect(self) -> None:
        await self.theirs.setLocalDescription(await self.theirs.createOffer())
        await self.ours.setRemoteDescription(self.theirs.localDescription)
        self.dtls = self.ours.getSenders()[0].transport
        Leaving(self.dtls).take_over()
        arriving = self.arriving = Arriving(self.dtls, camera=self.camera())
        arriving.take_over()
        take_rtcp = arriving.take_rtcp

        async def noting(packet: bytes) -> None:
            self.rtcp.append(packet)
            await take_rtcp(packet)

        arriving.take_rtcp = noting  # type: ignore[method-assign]
        await self.ours.setLocalDescription(await self.ours.createAnswer())
        await self.theirs.setRemoteDescription(self.ours.localDescription)
        await until(lambda: self.channel.readyState == "open")

    def camera(self) -> Receiving | None:
        """Return what takes the packets of the picture in aiortc's place."""
        return None

    async def close(self) -> None:
        await self.ours.close()
        await self.theirs.close()


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    one = Watched()
    await one.connect()
    yield one
    await one.close()


async def test_media_rtcp_and_messages_pass_both_ways(watched: Watched) -> None:
    frames = [peer.getReceivers()[0].track.recv() for peer in (watched.ours, watched.theirs)]
    async with asyncio.timeout(10):
        await asyncio.gather(*frames)
    watched.channel.send("over DTLS")
    await until(lambda: watched.heard == ["over DTLS"])
    await until(lambda: bool(watched.rtcp))
    assert all(map(is_rtcp, watched.rtcp))
    stats = watched.dtls._get_stats()
    (transport,) = stats.values()
    assert min(transport.packetsSent, transport.packetsReceived) > 1
    assert min(transport.bytesSent, transport.bytesReceived) > 100


async def test_all_that_waits_is_taken_at_once_and_what_cannot_be_decrypted_costs_itself(
    watched: Watched,
) -> None:
    connection = watched.dtls.transport._connection
    taken: list[bytes] = []

    async def take(packet: bytes, arrival_time_ms: int) -> None:
        taken.append(packet)

    watched.dtls._handle_rtp_data = take
    await until(lambda: len(taken) > 2)
    waits = 0
    take_next = watched.dtls._recv_next

    async def counting() -> None:
        nonlocal waits
        waits += 1
        await take_next()

    watched.dtls._recv_next = counting
    for _ in range(50):
        connection.data_received(b"\x80\x60 forged, by an address that is known", 1)
    await asyncio.sleep(0)  # Its task runs once.
    assert connection._queue.empty()
    assert waits == 1
    had = len(taken)
    await until(lambda: len(taken) > had)
    assert watched.ours.connectionState == "connected"


async def test_what_a_page_sends_beyond_its_share_of_the_thread_is_dropped(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clock of CPU time by which a report costs 10 ms."""
    connection = watched.dtls.transport._connection
    worked_s, taken = 0.0, 0

    async def take(packet: bytes, arrival_time_ms: int) -> None:
        nonlocal worked_s, taken
        worked_s += 0.01
        taken += 1

    budget = HandlingTime(cpu_clock=lambda: worked_s)
    monkeypatch.setattr(watched.arriving, "_budget", budget)
    monkeypatch.setattr(watched.arriving, "_decrypted", lambda data: data)
    watched.dtls._handle_rtp_data = take
    for _ in range(500):
        connection.data_received(b"\x80\x60" + bytes(10), 1)
    await until(connection._queue.empty)
    assert BURST_S / 0.01 <= taken < 20
    monkeypatch.undo()
    watched.channel.send("still here")
    await until(lambda: watched.heard == ["still here"])


async def test_reading_and_handling_take_of_one_budget(watched: Watched) -> None:
    connection = watched.dtls.transport._connection
    (protocol,) = connection._protocols
    assert watched.arriving._budget is time_of(connection)
    assert protocol.transport._way._reader._budget is time_of(connection)


async def test_a_page_without_keys_is_given_no_more_than_a_handshake() -> None:
    """Of what comes before there are keys OpenSSL sees a bounded number of datagrams, and no media."""
    transport: Any = RTCDtlsTransport(
        RTCIceTransport(RTCIceGatherer(iceServers=[])), [RTCCertificate.generateCertificate()]
    )
    connection: Any = transport.transport._connection
    connection._nominated[1] = "a pair"
    arriving = Arriving(transport)
    for _ in range(3 * HANDSHAKE_DATAGRAMS):
        connection.data_received(b"\x80media", 1)
        connection.data_received(b"\x16hello", 1)
    given = list[bytes]()

    async def ask() -> None:
        while True:
            given.append(await arriving._next_for_dtls())

    asking = asyncio.create_task(ask())
    await until(connection._queue.empty)
    assert given == [b"\x16hello"] * HANDSHAKE_DATAGRAMS
    # With keys all goes on as it comes: what is media's is not asked for here.
    transport._rx_srtp = object()
    connection.data_received(b"\x16later", 1)
    await until(lambda: given[-1] == b"\x16later")
    asking.cancel()


async def test_a_session_that_is_closed_says_so_to_whoever_sends(watched: Watched) -> None:
    await watched.ours.close()
    with pytest.raises(ConnectionError):
        await watched.dtls._send_rtp(b"\x80\x60" + bytes(30))


async def test_the_other_end_that_closes_ends_the_session(watched: Watched) -> None:
    await watched.theirs.close()
    await until(lambda: watched.ours.connectionState == "closed")


async def test_a_datagram_longer_than_srtp_takes_costs_itself(watched: Watched) -> None:
    watched.dtls.transport._connection.data_received(b"\x80\x60" + bytes(1600), 1)
    receiver: Any = watched.ours.getReceivers()[0]
    async with asyncio.timeout(10):
        for _ in range(3):
            await receiver.track.recv()
    assert watched.ours.connectionState == "connected"


class WithCamera(Watched):
    """Its receiver has our parts too. Notes what goes aiortc's way, and may lose a packet."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[int] = []
        """Of the packets that went aiortc's way."""
        self.lost: list[bytes] = []
        self.loses = False
        self.key_frames_asked_for = 0

    def camera(self) -> Receiving:
        receiver: Any = self.ours.getReceivers()[0]
        receiving = receive_through(receiver, Reception(ReceiveCeiling(BitrateProfile())))
        handle, take, ask = self.dtls._handle_rtp_data, receiving.take, receiving.ask_for_key_frame

        async def noting(packet: bytes, arrival_time_ms: int) -> None:
            self.numbers.append(int.from_bytes(packet[2:4], "big"))
            await handle(packet, arrival_time_ms)

        def losing(data: bytes, now_s: float) -> bool:
            if self.loses:
                self.lost.append(data)
                self.loses = False
                return True
            return take(data, now_s)

        async def asking() -> None:
            self.key_frames_asked_for += 1
            await ask()

        self.dtls._handle_rtp_data = noting
        receiving.take = losing  # type: ignore[method-assign]
        receiving.ask_for_key_frame = asking  # type: ignore[method-assign]
        return receiving

    async def frames(self, count: int) -> None:
        async with asyncio.timeout(10):
            for _ in range(count):
                await self.ours.getReceivers()[0].track.recv()


@pytest.fixture
async def with_camera() -> AsyncIterator[WithCamera]:
    one = WithCamera()
    await one.connect()
    yield one
    await one.close()


async def test_a_cameras_packets_are_taken_past_aiortcs_parser_but_for_the_first(
    with_camera: WithCamera,
) -> None:
    await with_camera.frames(20)
    assert len(with_camera.numbers) == 1
    receiver: Any = with_camera.ours.getReceivers()[0]
    (source,) = receiver._RTCRtpReceiver__remote_streams.values()
    assert source.packets_received >= 20
    assert source.packets_lost == 0


async def test_a_lost_packet_is_asked_for_and_its_repeat_completes_the_picture(
    with_camera: WithCamera,
) -> None:
    await with_camera.frames(5)
    asked = with_camera.key_frames_asked_for
    with_camera.loses = True
    await until(lambda: bool(with_camera.lost))
    await with_camera.frames(20)
    assert len(with_camera.numbers) == 2, "the first packet and the repeat"
    assert with_camera.key_frames_asked_for == asked


async def test_a_packet_that_cannot_be_taken_costs_itself(
    with_camera: WithCamera, caplog: pytest.LogCaptureFixture
) -> None:
    await with_camera.frames(5)
    arriving = with_camera.arriving

    def broken(packet: bytes, now_s: float) -> bool:
        arriving._camera = camera
        raise KeyError("secret")

    camera, arriving._camera = arriving._camera, SimpleNamespace(take=broken)
    await with_camera.frames(20)
    assert "KeyError" in caplog.text
    assert "secret" not in caplog.text
    assert with_camera.ours.connectionState == "connected"


async def test_nothing_is_taken_once_the_receiver_has_stopped(with_camera: WithCamera) -> None:
    await with_camera.frames(5)
    await with_camera.ours.getReceivers()[0].stop()
    had = len(with_camera.numbers)
    await until(lambda: len(with_camera.numbers) > had + 3)


async def test_what_an_answer_costs_is_of_the_pages_share(
    with_camera: WithCamera, caplog: pytest.LogCaptureFixture
) -> None:
    await with_camera.frames(5)
    arriving, spent_s = with_camera.arriving, [0.0]
    arriving._budget = HandlingTime(cpu_clock=lambda: spent_s[0])
    reply = arriving._camera.reply

    async def costly() -> None:
        spent_s[0] += 2 * BURST_S
        await reply()

    arriving._camera.reply = costly
    await until(lambda: "takes too long to handle" in caplog.text)
