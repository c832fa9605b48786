"""One call of the load client with a real server, and the packets it makes and takes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from itertools import pairwise

import aioice.ice
import httpx
import pytest
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from benchmarks.designs import echo
from benchmarks.load_client import matching, replay
from benchmarks.load_client.call import Call, _payload
from benchmarks.load_client.decoding import decoded
from harness.deadline import eventually
from harness.services import in_namespace

FRAMES = 150
"""A loop of five seconds: a counter tells a frame from that of the next round, late as it may come."""


@pytest.fixture
async def call(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Call]:
    """A call to aiortc's bare echo, sending its loop."""
    if not in_namespace():
        monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    app = echo.create_app(is_patched=False)
    transport = httpx.ASGITransport(app)
    one = Call(replay.encode("VP8", 160, 120, FRAMES))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://echo") as http,
    ):
        try:
            await one.connect(http, {})
            one.start(time.monotonic())
            yield one
        finally:
            await one.close()


async def test_returned_frames_are_matched_with_those_that_were_sent(call: Call) -> None:
    await eventually(lambda: len(call.received.frames) >= 10, 5, "ten frames are back")
    frames = list(call.received.frames)
    read = decoded(frames, "VP8")
    assert {(one.width, one.height, one.is_inverted) for one in read} == {(160, 120, False)}
    assert [one.seen.counter for one in read][:10] == list(range(10))
    added = matching.constant([one.seen for one in read], call.sent)
    assert added is not None
    aged = matching.by_timestamp(((one.timestamp, one.at_s) for one in frames), added, call.sent)
    assert len(aged) == len(frames)
    by_counter = matching.by_counter([one.seen for one in read], call.sent)
    assert [one.age_s for one in by_counter] == pytest.approx([one.age_s for one in aged])
    assert call.received.lost_packets == 0


async def test_a_picture_loss_report_begins_the_loop_anew_and_timestamps_go_on(call: Call) -> None:
    await eventually(lambda: len(call.sent.sent_s) >= 5, 5, "five frames are sent")
    call._sender._send_keyframe()
    count = len(call.sent.sent_s)
    await eventually(lambda: len(call.sent.sent_s) > count, 5, "one more frame is sent")
    counters = list(call.sent.counters.values())
    timestamps = list(call.sent.sent_s)
    assert counters[count] == 0
    assert {(b - a) % matching.TIMESTAMPS for a, b in pairwise(timestamps)} == {3000}
    assert call.keyframes_asked == 1


@pytest.mark.parametrize("sources", [[], [7, 8]])
@pytest.mark.parametrize("with_extension", [False, True])
def test_the_payload_begins_behind_sources_and_extension(sources: list[int], with_extension: bool) -> None:
    extensions = HeaderExtensionsMap()
    packet = RtpPacket(payload_type=97, marker=1, sequence_number=65535, timestamp=4_000_000_000, ssrc=5)
    packet.csrc = sources
    packet.payload = b"\x90payload"
    if with_extension:
        extensions._HeaderExtensionsMap__ids.abs_send_time = 2  # type: ignore[attr-defined]
        packet.extensions.abs_send_time = 123
    assert _payload(packet.serialize(extensions)) == b"\x90payload"
