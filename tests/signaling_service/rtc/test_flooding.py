"""What a page that keeps to no limit can have this host remember."""

from __future__ import annotations

from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtp import RtpPacket

from signaling_service.rtc import aiortc_patches
from signaling_service.rtc.flooding import MAX_SOURCES


def test_a_page_has_few_sources() -> None:
    aiortc_patches.apply(["127.0.0.1"])
    router, receiver = RtpRouter(), object()
    router.register_receiver(receiver, [7], [96])  # type: ignore[arg-type]
    for ssrc in range(100, 1000):
        router.route_rtp(RtpPacket(payload_type=96, ssrc=ssrc))
    assert len(router.ssrc_table) == MAX_SOURCES
    for ssrc, expected in ((7, receiver), (100, receiver), (999, None)):
        assert router.route_rtp(RtpPacket(payload_type=96, ssrc=ssrc)) is expected
