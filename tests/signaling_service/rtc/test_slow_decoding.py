"""Cameras whose pictures are too large, or decode more slowly than they come."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from signaling_service.media.decoder_queue import DecoderQueue
from signaling_service.rtc import decoder_thread
from tests.signaling_service.calling import Camera, page, running, until
from tests.signaling_service.making import WireWorker

LET_GO_S = 20.0
"""A thread that the test has left behind ends after this time."""


class SlowDecoder:
    """Does not return from its first frame before the test lets it, and shows none."""

    inside = threading.Event()
    go = threading.Event()
    outside = threading.Event()

    def decode(self, frame: Any) -> list[Any]:
        self.inside.set()
        self.go.wait(LET_GO_S)
        self.outside.set()
        return []


async def test_a_camera_that_decodes_slowly_holds_up_nobody_when_it_leaves(
    results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("inside", "go", "outside"):
        monkeypatch.setattr(SlowDecoder, name, threading.Event())
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
            assert SlowDecoder.inside.is_set()
            await service.http.delete(f"/sessions/{caller.answer['session']}")
            await service.is_free()
            # All of this while its decoder was still at work.
            assert not SlowDecoder.outside.is_set()
            SlowDecoder.go.set()


async def test_a_picture_over_the_limit_ends_the_session_with_a_reason(results: str) -> None:
    async with running(results, max_width=128, max_height=96) as service, page() as caller:
        with WireWorker(results):
            await service.has_worker()
            await caller.call(service.http)
            await until(lambda: any("picture_too_large" in str(told) for told in caller.messages))
            (error,) = [told["error"]["message"] for told in caller.messages if told["type"] == "error"]
            assert f"{Camera.width}x{Camera.height}" in error
            assert "128x96" in error
            await service.is_free()
    assert service.metric("sessions_ended_total", reason="picture_too_large") == 1
    assert service.metric("frames_received_total") == 0
