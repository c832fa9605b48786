"""A frame's way through both services, as a collector of OpenTelemetry sees it."""

from __future__ import annotations

import pytest

from harness.collector import Span, collector
from harness.deadline import eventually
from harness.peer import Peer
from harness.picture import Picture
from harness.services import Services

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVERY = 10
WAY = {
    *(("p2pcamera-signaling", name) for name in ("frame", "decode", "link", "hold", "encode")),
    *(("p2pcamera-inference", name) for name in ("worker", "wait", "batch")),
}


async def test_the_spans_of_one_frame_in_both_services_form_one_trace(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as kept:
        for name, value in kept.environment.items():
            monkeypatch.setenv(name, value)
        services.start_signaling("--processes", "2", "--trace-every", str(EVERY))
        services.start_worker("invert", "--traces")
        await services.ready({"invert": 1})

        def whole() -> list[list[Span]]:
            return [spans for spans in kept.traces().values() if {(s.service, s.name) for s in spans} == WAY]

        async with Peer(services.http, Picture(320, 240), fps=20) as peer:
            await peer.call(filter="invert")
            await eventually(whole, 30, "all spans of one frame have come")
            session = peer.session
        by_name = {span.name: span for span in whole()[0]}
        assert len(whole()[0]) == len(WAY)
        frame, link, worker = (by_name[name] for name in ("frame", "link", "worker"))
        assert frame.parent == b""
        assert {span.name for span in by_name.values() if span.parent == frame.id} == {
            *("decode", "link", "hold", "encode")
        }
        assert worker.parent == link.id
        assert by_name["wait"].parent == by_name["batch"].parent == worker.id
        assert frame.told["p2pcamera.outcome"] == "shown"
        assert {one.told["p2pcamera.session"] for one in (frame, worker)} == {session}
        assert link.began_ns <= worker.began_ns < worker.ended_ns
        assert frame.began_ns < link.began_ns < link.ended_ns < frame.ended_ns
        received = await services.metric("p2pcamera_frames_received_total")
        assert len(kept.traces()) <= received / EVERY
