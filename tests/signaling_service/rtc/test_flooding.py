"""What a page that keeps to no limit can have this host remember."""

from __future__ import annotations

import pytest
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtp import RtpPacket

from signaling_service.rtc import aiortc_patches
from signaling_service.rtc.flooding import BURST_S, MAX_SOURCES, SHARE, HandlingTime


def test_a_page_has_few_sources() -> None:
    aiortc_patches.apply(["127.0.0.1"])
    router, receiver = RtpRouter(), object()
    router.register_receiver(receiver, [7], [96])  # type: ignore[arg-type]
    for ssrc in range(100, 1000):
        router.route_rtp(RtpPacket(payload_type=96, ssrc=ssrc))
    assert len(router.ssrc_table) == MAX_SOURCES
    for ssrc, expected in ((7, receiver), (100, receiver), (999, None)):
        assert router.route_rtp(RtpPacket(payload_type=96, ssrc=ssrc)) is expected


class Clocks:
    """Of a thread that sleeps until the next datagram, and works for as long as that costs."""

    def __init__(self) -> None:
        self.now_s = self.worked_s = 0.0
        self.budget = HandlingTime(lambda: self.now_s, lambda: self.worked_s)

    def handled(self, count: int, cost_s: float, every_s: float) -> int:
        """Return how many of so many datagrams were handled."""
        found = 0
        for _ in range(count):
            self.now_s += every_s
            if self.budget.begin():
                found += 1
                self.now_s += cost_s
                self.worked_s += cost_s
                self.budget.end()
        return found


def test_a_camera_loses_nothing() -> None:
    clocks = Clocks()
    assert clocks.handled(10_000, cost_s=0.0001, every_s=0.002) == 10_000
    # What has waited while the process stood still comes at once.
    clocks.now_s += 0.5
    assert clocks.handled(400, cost_s=0.0001, every_s=0.0) == 400


@pytest.mark.parametrize("cost_s", [0.00005, 0.001, 0.01])
def test_a_page_that_floods_takes_its_share_of_the_thread_and_no_more(cost_s: float) -> None:
    clocks = Clocks()
    count = 100_000
    clocks.handled(count, cost_s, every_s=0.00002)
    assert clocks.worked_s / clocks.now_s == pytest.approx(SHARE, rel=0.1)
    clocks.now_s += 10.0
    began_s = clocks.worked_s
    clocks.handled(count, cost_s, every_s=0.0)
    assert clocks.worked_s - began_s < BURST_S / (1 - SHARE) + cost_s
