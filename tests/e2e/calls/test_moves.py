"""A session from one worker to another, and from one filter to another, in the middle of a call."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio

from harness.deadline import eventually
from harness.peer import Peer, Returned
from harness.picture import Bytes, Picture
from harness.services import Process, Services
from tests.e2e import family_filters

pytestmark = pytest.mark.asyncio(loop_scope="session")

FPS = family_filters.FPS
LATE_S = 1.0
HALF_A_SECOND = FPS // 2
NOTICED_AT_ONCE = FPS // 2
"""Frames; by its status a worker that was killed would be known to be gone after a second."""
LIKE = 10
"""Of 255: a codec's error, and a few frames that a busy machine leaves out."""
TRIES = 8


class Pulsing(Picture):
    """Its patch becomes lighter and darker, all the time."""

    def frame(self, counter: int) -> Bytes:
        planes = super().frame(counter)
        planes[: self.height // 6, : self.width // 8] = round(level(counter))
        chroma = planes[self.height :].reshape(2, self.height // 2, self.width // 2)
        chroma[:, : self.height // 12, : self.width // 16] = 128
        return planes


def level(counter: int) -> float:
    """Luma of the patch. Four frames that a busy machine leaves out make `steady` err by less than LIKE."""
    return 125 + 70 * math.sin(2 * math.pi * counter / (3 * FPS))


def undisturbed(counter: int) -> float:
    """What `steady` makes of the patch when it has seen every frame."""
    mean = level(0)
    for one in range(1, counter + 1):
        mean = level(one) + (mean - level(one)) * math.exp(-1 / (family_filters.STEADY_S * FPS))
    return mean


def patch(luma: Bytes) -> float:
    height, width = luma.shape
    return float(luma[height // 24 : height // 8, width // 32 : width * 3 // 32].mean())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    folder = tmp_path_factory.mktemp("moves")
    package = family_filters.install(folder / "package")
    async with Services(folder) as services:
        services.start_signaling()
        for _ in range(2):
            services.start_worker(
                "passthrough,invert,steady", env={"PYTHONPATH": package, "LATE_S": str(LATE_S)}
            )
        yield services
    print(services.output())


@pytest_asyncio.fixture(loop_scope="session")
async def served(started: Services) -> Services:
    """Serving, whatever the last test killed."""
    for worker in started.workers:
        if not worker.is_running:
            worker.start()
    await started.ready({"passthrough": 2, "invert": 2, "steady": 2})
    return started


@pytest_asyncio.fixture(loop_scope="session")
async def fresh(served: Services) -> Services:
    """Serving, and `late` is not loaded, whatever the last try of a test has loaded."""
    if (await served.filters())["late"]["state"] == "loaded":
        for worker in served.workers:
            worker.kill()

        async def nobody_is_left() -> bool:
            return not await served.filters()

        await eventually(nobody_is_left, 5, "the killed workers are forgotten")
        for worker in served.workers:
            worker.start()
        await served.ready({"passthrough": 2})
    return served


async def serving(peer: Peer, services: Services) -> Process:
    """Return the worker that has the session."""

    def told() -> list[str]:
        stats = [m for m in peer.messages if isinstance(m, dict) and m["type"] == "stats"]
        return [m["worker"] for m in stats if m["worker"]][-1:]

    (id_,) = await eventually(told, 5, "stats that name the worker")
    (worker,) = [one for one in services.workers if f"[worker {id_}]" in one.log.read_text()]
    return worker


def error(one: Returned) -> float:
    assert one.reading is not None
    return abs(float(one.seen) - undisturbed(one.reading.counter))


def told(peer: Peer, kind: str) -> list[dict[str, Any]]:
    return [m for m in peer.messages if isinstance(m, dict) and m["type"] == kind]


async def test_a_switch_to_a_loaded_filter_leaves_out_one_camera_frame_at_most(served: Services) -> None:
    """Seen once in some tries: a busy machine leaves out frames by itself."""
    async with Peer(served.http, Picture(320, 240), FPS) as peer:
        await peer.call(filter="passthrough")
        await peer.frames(FPS)
        left_out = []
        for count in range(TRIES):
            to_inverted = count % 2 == 0
            had = len(peer.returned)
            name = "invert" if to_inverted else "passthrough"
            answer = await served.http.patch(f"/sessions/{peer.session}", json={"filter": name})
            assert answer.status_code == 200, answer.text
            await peer.frames(FPS // 2)
            readings = [one.reading for one in peer.returned[had - 1 :] if one.reading]
            assert len(readings) >= len(peer.returned[had - 1 :])  # No card in between.
            new = [one.counter for one in readings if one.is_inverted == to_inverted]
            old = [one.counter for one in readings if one.is_inverted != to_inverted]
            left_out.append(min(new) - max(old) - 1)
            if left_out[-1] <= 1:
                return
        raise AssertionError(f"camera frames left out: {left_out}")


async def test_a_switch_to_a_filter_that_is_not_loaded_tells_its_progress_and_keeps_the_last_picture(
    fresh: Services,
) -> None:
    async with Peer(fresh.http, Picture(320, 240), FPS) as peer:
        await peer.call(filter="passthrough")
        await peer.control_open()
        await peer.frames(FPS)
        peer.send({"type": "filter", "name": ["late", "passthrough"], "params": {"passthrough": {}}})

        def is_filtered() -> bool:
            reading = peer.readable()[-1].reading
            return reading is not None and reading.is_inverted

        await eventually(is_filtered, 20, "the filter")
        assert [m["filter"] for m in told(peer, "progress") if "late" in m["filter"]]
        assert told(peer, "error") == []
        assert all(one.reading for one in peer.returned)


async def test_a_filter_that_remembers_is_itself_again_half_a_second_after_its_worker_was_killed(
    served: Services,
) -> None:
    async with Peer(served.http, Pulsing(320, 240), FPS, patch) as peer:
        await peer.call(filter="steady")
        await peer.control_open()
        await peer.frames(2 * FPS)
        calm = (await peer.frames(2 * FPS))[-2 * FPS :]
        assert max(map(error, calm)) < LIKE
        # The filter does something, by which a beginning would be seen.
        assert max(abs(one.seen - level(one.reading.counter)) for one in calm if one.reading) > 2 * LIKE
        (await serving(peer, served)).kill()
        killed = max(peer.camera.given_out_s)
        await peer.frames(3 * FPS)
        counters = [one.reading.counter for one in peer.readable() if one.reading]
        longest = max(later - one for one, later in pairwise(counters))
        assert longest <= NOTICED_AT_ONCE
        again = killed + longest + HALF_A_SECOND
        later = [one for one in peer.readable() if one.reading and one.reading.counter >= again]
        assert len(later) > FPS
        assert max(map(error, later)) < LIKE
