"""One camera on several workers that are not alike, and on one that is slow."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from harness.deadline import eventually
from harness.peer import Peer, Returned
from harness.picture import Picture
from harness.services import Services

# tests/signaling_service/workers proves the dealing itself; here it shows with real processes.
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

SIZE = (192, 144)
"""Small, since this is about workers, not codecs."""
SLOW_MS = 90
RUN = 30
"""So many frames in a row."""
SEEN_WITHIN_S = 60.0
"""A busy machine may starve the camera itself: one run of steady work is what has to be seen."""
GROWS_FOR_S = 9.0
"""A queue before a worker of SLOW_MS would hold 170 frames of the camera by then, which is 6 s."""


async def assert_run_in(services: Services, *workers_ms: int, seconds: float) -> None:
    """See RUN new pictures in a row, each newer than the last, that came within so many seconds."""
    services.start_signaling()
    for worker_ms in workers_ms:
        services.start_light_worker("passthrough", "--slow-ms", str(worker_ms))
    await services.ready({"passthrough": len(workers_ms)})
    async with Peer(services.http, Picture(*SIZE)) as peer:
        await peer.call(filter="passthrough")

        def is_seen() -> bool:
            new = firsts(peer.readable())
            return any(last.at_s - first.at_s < seconds for first, last in zip(new, new[RUN:], strict=False))

        await eventually(is_seen, SEEN_WITHIN_S, f"{RUN} frames within {seconds:.2f} s")
        counters = [one.reading.counter for one in peer.readable() if one.reading]
        assert all(earlier <= later for earlier, later in pairwise(counters))


async def test_a_slow_worker_does_not_hold_back_a_fast_one(services: Services) -> None:
    # Taking turns with the slow one would give two frames in its time.
    await assert_run_in(services, 30, SLOW_MS, seconds=RUN * SLOW_MS / 2 / 1000)


async def test_two_slow_workers_share_one_camera(services: Services) -> None:
    # More than one of them alone can do.
    await assert_run_in(services, SLOW_MS, SLOW_MS, seconds=RUN * SLOW_MS / 1000)


async def test_frames_do_not_grow_older_with_a_slow_worker(services: Services) -> None:
    await services.start_light("invert")
    async with Peer(services.http, Picture(*SIZE)) as peer:
        await peer.call(filter="invert", params={"busy_ms": SLOW_MS})
        began_s = (await peer.frames(10))[-1].at_s
        await eventually(lambda: time.monotonic() > began_s + GROWS_FOR_S, 2 * GROWS_FOR_S, "a while")
        await peer.frames(RUN)
        # The youngest of many: a pause of the machine makes some older, a queue all of them.
        assert min(one.age_s for one in peer.returned[-RUN:] if one.age_s is not None) < 1


def firsts(returned: list[Returned]) -> list[Returned]:
    """Each picture once, when it was first shown."""
    seen: dict[int, Returned] = {}
    for one in returned:
        if one.reading:
            seen.setdefault(one.reading.counter, one)
    return list(seen.values())
