"""Two service hosts and three worker hosts: one is cut off and comes back, then each part is restarted."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from harness.chaos.callers import PeerCaller
from harness.chaos.hosts import SERVICES, hosts
from harness.chaos.outcome import new_times_s, watch
from harness.deadline import eventually
from harness.services import in_namespace

pytestmark = pytest.mark.slow

CALLS, FPS = 3, 10
BACK_S = 60.0
CUT_S = 3.0


async def all_show(callers: list[PeerCaller], since_s: float) -> None:
    async def do() -> bool:
        return all([sum(at_s > since_s for at_s in new_times_s(await one.seen())) > 5 for one in callers])

    await eventually(do, BACK_S, "all calls show new pictures")


async def test_a_host_that_is_cut_off_and_a_rolling_restart_of_all_lose_no_call(tmp_path: Path) -> None:
    if not in_namespace():
        pytest.skip("needs a network namespace of its own")
    async with hosts(tmp_path) as made, AsyncExitStack() as stack:
        callers = [PeerCaller(made.http, mark, FPS) for mark in range(1, 1 + CALLS)]
        for one in callers:
            await stack.enter_async_context(one)
        await all_show(callers, 0.0)

        async def step(name: str, since_s: float) -> None:
            await all_show(callers, time.monotonic())
            for one in callers:
                seen = watch("aiortc", one.mark, await one.seen(), 1, since_s, time.monotonic(), is_back=True)
                assert (seen.raw, seen.foreign) == (0, 0)
                print(f"{name}: call {one.mark} without a new picture for {seen.gap_s:.2f} s at most")

        began_s = time.monotonic()
        async with made.cut(SERVICES):
            await asyncio.sleep(CUT_S)
        await made.ready()
        await step("a worker's host is cut off", began_s)
        for number, worker in enumerate(made.workers):
            began_s = time.monotonic()
            await made.replace(worker)
            await step(f"worker {number} is restarted", began_s)
        calls = [one.calls for one in callers]
        for number, service in enumerate(made.services):
            began_s = time.monotonic()
            await made.replace(service)
            await step(f"service {number} is restarted", began_s)
        # Each call has moved at least once, and by itself no worker made one connect again.
        assert all(one.calls > before for one, before in zip(callers, calls, strict=True))
