"""Picture and sound of a published stream, in step by the clocks that a viewer is told."""

from __future__ import annotations

import statistics

from harness.lips import EVERY_FRAMES, Lips, Show
from tests.signaling_service.calling import running, until
from tests.signaling_service.making import WireWorker
from tests.signaling_service.streams.live import publishing, watching

IN_STEP_MS = 40
FLASHES = 5


async def test_a_flash_and_its_beep_are_told_as_of_one_time(results: str) -> None:
    async with running(results) as service:
        with WireWorker(results, lambda header, planes: planes):
            await service.has_worker()
            show = Show()
            async with publishing(service.http, camera=show.camera, sound=show.microphone) as publisher:
                show.report_captures(publisher.connection)
                async with watching(service.http) as viewer:
                    lips = Lips(viewer.connection)
                    await until(lambda: lips.is_told, 20)
                    viewer.frames.clear()
                    viewer.sounds.clear()
                    most = FLASHES * EVERY_FRAMES
                    await until(lambda: min(len(viewer.frames), len(viewer.sounds) // 2) >= most, 20)
                    apart_ms = [one for one, _ in lips.apart_ms(viewer.frames, viewer.sounds)]
                    assert abs(statistics.median(apart_ms)) < IN_STEP_MS
