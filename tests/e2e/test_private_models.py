"""The real `background`, on random weights, through both services; see test_private.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from harness.services import Services
from tests.e2e.test_private import Caller, passes

pytestmark = [pytest.mark.models, pytest.mark.asyncio(loop_scope="session")]

LOADED_WITHIN_S = 90.0
"""Importing torchvision takes most of it when two cores are busy."""


def write_weights(path: Path) -> None:
    """Write a file for a network that sees no person anywhere."""
    import torch
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)
    state = network.state_dict()
    state["classifier.high_classifier.bias"][0] += 1e4
    torch.save(state, path)


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path) -> AsyncIterator[Services]:
    write_weights(tmp_path / "weights.pth")
    settings = f'{{"background": {{"weights": "{tmp_path / "weights.pth"}"}}}}'
    async with Services(tmp_path) as services:
        services.start_signaling()
        services.start_worker("passthrough", "--filter-settings", settings)
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
