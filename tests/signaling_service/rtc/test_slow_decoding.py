"""Cameras whose pictures are too large, or decode more slowly than they come."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from signaling_service.media.decoder_queue import DecoderQueue
from signaling_service.rtc import decoder_thread
from tests.signaling_service.calling import page, running, until
from tests.signaling_service.making import WireWorker

DECODES_FOR_S = 1.0


class SlowDecoder:
    """Takes a second for each frame, and shows none."""

    made = 0

    def __init__(self) -> None:
        SlowDecoder.made += 1
        self.go = threading.Event()

    def decode(self, frame: Any) -> list[Any]:
        self.go.wait(DECODES_FOR_S)
        return []


async def longest_hold_up_s(end: asyncio.Event) -> float:
    """Watch the event loop until `end`."""
    longest_s = 0.0
    while not end.is_set():
        began_s = time.monotonic()
        await asyncio.sleep(0.01)
        longest_s = max(longest_s, time.monotonic() - began_s)
    return longest_s


async def test_a_camera_that_decodes_slowly_holds_up_nobody_when_it_leaves(
    results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_thread, "get_decoder", lambda codec: SlowDecoder())
    waiting: list[int] = []
    put = DecoderQueue.put

    def counting(self: DecoderQueue, task: Any) -> bool:
        taken = put(self, task)
        waiting.append(len(self._waiting))
        return taken

    monkeypatch.setattr(DecoderQueue, "put", counting)
    async with running(results) as service, page() as caller:
        with WireWorker(results):
            await service.has_worker()
            await caller.call(service.http)
            await until(lambda: len(waiting) > 40)
            assert max(waiting) <= 12
            end = asyncio.Event()
            watching = asyncio.create_task(longest_hold_up_s(end))
            await service.http.delete(f"/sessions/{caller.answer['session']}")
            await service.is_free()
            end.set()
            assert await watching < DECODES_FOR_S / 2


async def test_a_picture_over_the_limit_ends_the_session_with_a_reason(results: str) -> None:
    async with running(results, max_width=320, max_height=240) as service, page() as caller:
        with WireWorker(results):
            await service.has_worker()
            await caller.call(service.http)
            await until(lambda: any("picture_too_large" in str(told) for told in caller.messages))
            (error,) = [told["error"]["message"] for told in caller.messages if told["type"] == "error"]
            assert "640x480" in error
            assert "320x240" in error
            await service.is_free()
    assert service.metric("sessions_ended_total", reason="picture_too_large") == 1
    assert service.metric("frames_received_total") == 0
