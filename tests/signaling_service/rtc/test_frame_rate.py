from __future__ import annotations

import asyncio
from typing import Any

import av
import pytest
from aiortc.mediastreams import MediaStreamError

from signaling_service.rtc.camera import BURST, Camera, FrameRate
from tests.signaling_service.calling import page, running, until
from tests.signaling_service.making import WireWorker


@pytest.mark.parametrize(("comes_fps", "max_fps", "passes_fps"), [(30, 60, 30), (60, 30, 30), (59, 60, 59)])
def test_no_more_frames_pass_than_allowed(comes_fps: int, max_fps: int, passes_fps: int) -> None:
    rate = FrameRate(max_fps)
    passed = sum(rate.allows(1000 + number / comes_fps) for number in range(10 * comes_fps))
    assert passed == pytest.approx(10 * passes_fps, abs=BURST)


def test_frames_that_were_held_up_pass_together() -> None:
    rate = FrameRate(30)
    assert [rate.allows(1000.0) for _ in range(BURST + 1)] == [True] * BURST + [False]


async def test_a_camera_hands_on_no_more_than_its_limit() -> None:
    class Track:
        """So many frames without a pause."""

        left = 30

        async def recv(self) -> av.VideoFrame:
            # Each is handed on, or left out, before the next one comes.
            for _ in range(3):
                await asyncio.sleep(0)
            if not self.left:
                raise MediaStreamError
            self.left -= 1
            return av.VideoFrame(16, 16, "yuv420p")

    handed: list[Any] = []
    track: Any = Track()
    await Camera(track, handed.append, max_fps=1).run()
    assert len(handed) == BURST


async def test_a_session_has_the_services_limit(results: str) -> None:
    async with running(results, max_fps=7) as service:
        with WireWorker(results):
            await service.has_worker()
            async with page() as caller:
                await caller.call(service.http)
                sessions: Any = service.service.sessions
                (session,) = sessions._sessions.values()
                await until(lambda: session._camera is not None)
                assert session._camera._rate._max_fps == 7
