"""The real `background` through both services, before a camera that sees nobody; see test_private.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from harness.services import Services
from tests.e2e.calls.test_private import Caller, passes

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOADED_WITHIN_S = 60.0


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path) -> AsyncIterator[Services]:
    async with Services(tmp_path) as services:
        services.start_signaling()
        services.start_worker("passthrough")
        await services.ready({"passthrough": 1})
        yield services
    print(services.output())


async def test_the_background_filter_lets_nothing_through_while_it_is_loaded_or_its_worker_killed(
    served: Services,
) -> None:
    async with Caller(served) as caller:
        await caller.call(filter="passthrough", outage="open")
        await caller.control_open()
        await caller.switch_to_private("background", mode="green")
        # Where the whole picture is background, and green, nothing of the camera is left in it.
        await caller.shows(lambda one: one.seen == 0.0, 10, LOADED_WITHIN_S)
        caller.assert_private()
        assert (await caller.patch(filter=["background", "passthrough"], outage="open"))["outage"] == "closed"
        (worker,) = served.workers
        worker.kill()
        await passes(2.5)
        caller.assert_private()
