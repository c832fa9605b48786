"""One camera on several workers that are not alike, and on one that is slow."""

from __future__ import annotations

import time
from statistics import median

import pytest

from harness.deadline import eventually
from harness.peer import Peer, Returned, shown_per_s
from harness.picture import Picture
from harness.services import Services

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIZE = (192, 144)
"""Small, since what is measured here are workers, not codecs."""
SETTLE_FRAMES = 60
WINDOW_S = 3.0
WINDOWS = 15
"""A busy machine may starve the camera itself: one window of steady work is what has to be seen."""


async def assert_fps_with_workers_of(services: Services, *workers_ms: int, at_least: float) -> None:
    """See a camera of 30 fps get back so many different pictures a second for WINDOW_S."""
    services.start_signaling()
    for worker_ms in workers_ms:
        services.start_light_worker("passthrough", "--slow-ms", str(worker_ms))
    await services.ready({"passthrough": len(workers_ms)})
    async with Peer(services.http, Picture(*SIZE)) as peer:
        await peer.call(filter="passthrough")
        await peer.frames(SETTLE_FRAMES)
        seen: list[float] = []
        while len(seen) < WINDOWS and (not seen or seen[-1] < at_least):
            since_s = time.monotonic()
            await eventually(lambda: time.monotonic() > since_s + WINDOW_S, 2 * WINDOW_S, "measured")  # noqa: B023
            seen.append(shown_per_s(peer.readable(since_s)))
        assert seen[-1] >= at_least, f"fps in {len(seen)} windows: {seen}"


async def test_a_slow_worker_does_not_hold_back_a_fast_one(services: Services) -> None:
    await assert_fps_with_workers_of(services, 30, 90, at_least=28)


async def test_two_slow_workers_share_one_camera(services: Services) -> None:
    await assert_fps_with_workers_of(services, 90, 90, at_least=20)


async def test_frames_do_not_grow_older_with_a_worker_of_90_ms(services: Services) -> None:
    await services.start_light("invert")
    async with Peer(services.http, Picture(*SIZE)) as peer:
        await peer.call(filter="invert", params={"busy_ms": 90})
        began_s = (await peer.frames(10))[-1].at_s
        await eventually(lambda: peer.returned[-1].at_s > began_s + 20, 25, "20 s of frames")
        thirds: list[list[float]] = [[], [], []]
        for one in peer.readable(began_s):
            if one.age_s is not None:
                thirds[min(int((one.at_s - began_s) / 20 * 3), 2)].append(one.age_s)
        assert median(thirds[2]) < median(thirds[0]) + 0.05
        assert median(thirds[2]) < 0.5
        assert len(new_pictures(peer.readable(began_s))) > 20 * 8


def new_pictures(returned: list[Returned]) -> set[int]:
    return {one.reading.counter for one in returned if one.reading}
