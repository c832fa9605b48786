from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from signaling_service.metrics import Metrics
from signaling_service.session import measuring
from signaling_service.session.measuring import Measuring
from tests.signaling_service.calling import page, running, until
from tests.signaling_service.making import WireWorker


async def test_a_call_shows_in_the_metrics_while_it_lasts(
    results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "MEASURE_EVERY_S", 0.1)
    async with running(results) as service, page() as caller:
        with WireWorker(results):
            await service.has_worker()
            await caller.call(service.http)
            await until(lambda: service.metric("encoders", encoder="libx264") == 1)
            await until(lambda: service.metric("round_trip_seconds_count") > 0)
            for stage in ("decode", "transport", "wait", "batch", "filter", "encode"):
                assert service.metric("stage_seconds_count", stage=stage) > 0
            for way in ("in", "out"):
                packets = service.metric("media_packets_total", way=way)
                assert service.metric("media_bytes_total", way=way) > 10 * packets > 0
            await caller.close()
        await service.is_free()
        assert service.metric("encoders", encoder="libx264") == 0


class Told:
    """A connection that has counted what a test says."""

    def __init__(self) -> None:
        self.lost_in = self.lost_out = 0

    def getSenders(self) -> list[Any]:  # noqa: N802 - as aiortc has it
        return []

    async def getStats(self) -> dict[str, Any]:  # noqa: N802
        transport = SimpleNamespace(type="transport", id="t", bytesReceived=100, bytesSent=200)
        return {
            "t": transport,
            "again": transport,
            "in": SimpleNamespace(type="inbound-rtp", packetsReceived=10, packetsLost=self.lost_in),
            "out": SimpleNamespace(type="outbound-rtp", packetsSent=20),
            "theirs": SimpleNamespace(
                type="remote-inbound-rtp", packetsLost=self.lost_out, roundTripTime=0.05
            ),
        }


async def test_what_is_lost_is_counted_once_and_never_taken_back() -> None:
    metrics, told = Metrics(), Told()
    one = Measuring(told, metrics)  # type: ignore[arg-type]

    def counted(name: str) -> tuple[float | None, ...]:
        return tuple(metrics.registry.get_sample_value(name, {"way": way}) for way in ("in", "out"))

    for told.lost_in, told.lost_out in ((3, 5), (3, 6), (1, 6), (2, 6)):
        await one.end()
    assert counted("p2pcamera_media_packets_lost_total") == (4, 6)
    assert counted("p2pcamera_media_packets_total") == (10, 20)
    assert counted("p2pcamera_media_bytes_total") == (100, 200)
