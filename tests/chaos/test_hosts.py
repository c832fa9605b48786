"""Two service hosts and three worker hosts: one is cut off and comes back, then each part is restarted."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.chaos.hosts import SERVICES, WORKERS
from harness.chaos.upgrade import CALLS, on_several_hosts
from harness.services import in_namespace

pytestmark = pytest.mark.slow


async def test_a_host_that_is_cut_off_and_a_rolling_restart_of_all_lose_no_call(tmp_path: Path) -> None:
    if not in_namespace():
        pytest.skip("needs a network namespace of its own")
    steps = []
    async for step in on_several_hosts(tmp_path):
        print(step)
        assert (step.raw, step.foreign) == (0, 0)
        steps.append(step)
    assert len(steps) == 1 + WORKERS + SERVICES
    # A worker's restart costs no connection, a service's each call that it has.
    assert steps[WORKERS].calls == CALLS
    assert steps[-1].calls > CALLS
