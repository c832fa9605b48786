"""What a page that keeps to no limit can have this host remember."""

from __future__ import annotations

from typing import Any

from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtcsctptransport import SCTP_DATA_FIRST_FRAG, DataChunk
from aiortc.rtp import RtpPacket

from signaling_service.rtc import aiortc_patches
from signaling_service.rtc.flooding import MAX_PARTS, MAX_SOURCES, MAX_STREAMS
from tests.signaling_service.sockets.test_arrivals import Called, called

__all__ = ["called"]

WINDOW_BYTES = 1024 * 1024


async def send(sctp: Any, user_data: bytes, flags: int = 0, stream_id: int = 1) -> None:
    chunk = DataChunk(flags)
    chunk.tsn = (sctp._last_received_tsn + 1) % 2**32
    chunk.stream_id, chunk.protocol, chunk.user_data = stream_id, 51, user_data
    await sctp._receive_data_chunk(chunk)


def waiting(sctp: Any) -> list[bytes]:
    return [part.user_data for one in sctp._inbound_streams.values() for part in one.reassembly]


async def test_a_message_without_end_fills_the_window_and_no_more(called: Called) -> None:
    await called.is_alive()
    sctp: Any = called.ours.sctp
    await send(sctp, b"x", SCTP_DATA_FIRST_FRAG)
    for _ in range(2 * WINDOW_BYTES // 1200):
        await send(sctp, bytes(1200))
    assert WINDOW_BYTES - 1200 <= sum(map(len, waiting(sctp))) <= WINDOW_BYTES


async def test_parts_of_a_byte_and_streams_are_few(called: Called) -> None:
    await called.is_alive()
    sctp: Any = called.ours.sctp
    for stream_id in range(1, 4 * MAX_STREAMS):
        await send(sctp, b"x", SCTP_DATA_FIRST_FRAG, stream_id)
    assert len(sctp._inbound_streams) == MAX_STREAMS
    for _ in range(2 * MAX_PARTS):
        await send(sctp, b"x")
    assert len(waiting(sctp)) == MAX_PARTS


async def test_the_longest_message_that_is_promised_gets_through(called: Called) -> None:
    called.channel.send("x" * 65536)
    await called.is_alive()
    assert len(called.heard[0]) == 65536


def test_a_page_has_few_sources() -> None:
    aiortc_patches.apply(["127.0.0.1"])
    router, receiver = RtpRouter(), object()
    router.register_receiver(receiver, [7], [96])  # type: ignore[arg-type]
    for ssrc in range(100, 1000):
        router.route_rtp(RtpPacket(payload_type=96, ssrc=ssrc))
    assert len(router.ssrc_table) == MAX_SOURCES
    for ssrc, expected in ((7, receiver), (100, receiver), (999, None)):
        assert router.route_rtp(RtpPacket(payload_type=96, ssrc=ssrc)) is expected
