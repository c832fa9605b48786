"""The stages that are measured from outside are the functions that the service calls."""

from __future__ import annotations

import asyncio
import queue
import threading

import pytest
from aiortc import RTCRtpCodecParameters
from aiortc.jitterbuffer import JitterFrame

from benchmarks.designs import staged_service
from benchmarks.designs.stage_clock import Stages
from signaling_service.rtc import decoder_thread


def test_decoding_is_measured_where_the_service_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged_service, "_replace", monkeypatch.setattr)
    stages = Stages()
    staged_service.wrap(stages)
    codec = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=97)
    tasks: queue.SimpleQueue[object] = queue.SimpleQueue()
    tasks.put((codec, JitterFrame(b"\x00", 0)))
    tasks.put(None)

    async def decode() -> None:
        loop = asyncio.get_running_loop()
        decoder_thread.decode_all(loop, tasks, asyncio.Queue(), threading.Event())

    asyncio.run(decode())
    assert stages.totals["decode"].count == 1
