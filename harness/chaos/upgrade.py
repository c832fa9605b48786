"""The steps of an upgrade, and how long calls are without a new picture in each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser

from harness.chaos.callers import FILTER, Caller, PeerCaller
from harness.chaos.hosts import SERVICES, hosts
from harness.chaos.outcome import new_times_s, watch
from harness.chaos.page import page_caller
from harness.deadline import eventually
from harness.services import Services

CALLS, FPS = 3, 10
BACK_S = 60.0
CUT_S = 3.0
DRAIN_S = 120.0
AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """What the calls saw of one step, from its beginning until all of them showed new pictures."""

    where: str
    name: str
    gaps_s: dict[str, float]
    """Longest time without a new filtered picture, by the kind of caller."""
    raw: int
    foreign: int
    calls: int
    """Connections that all calls have had so far."""


async def on_several_hosts(folder: Path) -> AsyncIterator[Step]:
    """Cut a worker's host off and bring it back, then restart each part in turn."""
    async with hosts(folder) as made, AsyncExitStack() as stack:
        callers: list[Caller] = [
            await stack.enter_async_context(PeerCaller(made.http, mark, FPS)) for mark in range(1, 1 + CALLS)
        ]
        watched = _Watched("several hosts", callers)
        await watched.begin()
        async with made.cut(SERVICES):
            await asyncio.sleep(CUT_S)
        await made.ready()
        yield await watched.step("a worker's host is cut off for 3 s")
        for place, worker in enumerate(made.workers):
            await watched.begin()
            await made.replace(worker)
            yield await watched.step(f"worker {1 + place} of {len(made.workers)} is restarted")
        for place, service in enumerate(made.services):
            await watched.begin()
            await made.replace(service)
            yield await watched.step(f"service {1 + place} of {len(made.services)} is restarted")


async def on_one_host(folder: Path, browser: Browser) -> AsyncIterator[Step]:
    """Replace the worker, then the service by a successor that waits, then as a supervisor restarts it."""
    async with Services(folder) as services, AsyncExitStack() as stack:
        services.start_signaling("--processes", "1", drains_s=DRAIN_S)
        first = services.start_light_worker(FILTER)
        await services.ready({FILTER: 1})
        callers: list[Caller] = [
            await stack.enter_async_context(page_caller(browser, services.url, folder / "site")),
            await stack.enter_async_context(PeerCaller(services.http, 1, FPS)),
        ]
        watched = _Watched("one host", callers)
        await watched.begin()
        services.start_light_worker(FILTER)
        await services.ready({FILTER: 2})
        await first.stop()
        yield await watched.step("the worker is replaced: the new one first")
        old = services.signaling
        assert old is not None
        await watched.begin()
        services.start_signaling("--processes", "1", "--wait-seconds", str(DRAIN_S))
        await old.stop(DRAIN_S)
        yield await watched.step("the service is replaced by a successor that waits")
        restarted = services.signaling
        assert restarted is not None
        await watched.begin()
        await restarted.stop()
        restarted.start()
        yield await watched.step("the service is restarted without draining")


class _Watched:
    def __init__(self, where: str, callers: Sequence[Caller]) -> None:
        self._where, self._callers = where, callers
        self._since_s = 0.0

    async def begin(self) -> None:
        """A step begins when all calls show."""
        await self._all_show()
        self._since_s = time.monotonic()

    async def step(self, name: str) -> Step:
        """Return what was seen; raises AssertionError where a call has not come back."""
        await asyncio.sleep(AFTER_S)
        await self._all_show()
        gaps_s: dict[str, float] = {}
        raw = foreign = 0
        for one in self._callers:
            seen = await one.seen()
            saw = watch(one.kind, one.mark, seen, 1, self._since_s, time.monotonic(), is_back=True)
            gaps_s[one.kind] = max(saw.gap_s, gaps_s.get(one.kind, 0.0))
            raw, foreign = raw + saw.raw, foreign + saw.foreign
        return Step(self._where, name, gaps_s, raw, foreign, sum(one.calls for one in self._callers))

    async def _all_show(self) -> None:
        since_s = time.monotonic()

        async def do() -> bool:
            for one in self._callers:
                if sum(at_s > since_s for at_s in new_times_s(await one.seen())) < 5:
                    return False
            return True

        await eventually(do, BACK_S, "all calls show new pictures")
