"""One case: services with calls, a part that breaks, and what is left when all have gone."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx
import psutil
from playwright.async_api import Browser

from harness.chaos.callers import FILTER, Caller, PeerCaller
from harness.chaos.outcome import Outcome, new_times_s, watch
from harness.chaos.page import page_caller
from harness.chaos.parts import Case, media
from harness.deadline import eventually
from harness.namespaces import HERE, cable, network
from harness.services import Services, free_port
from shared import link_keys

CALLS = 4
BACK_S = 25.0
"""Longest wait for all calls, from when the fault has passed."""
WATCHED_S = 4.0
"""All calls are watched for so long at least."""
BACK_FRAMES = 10
FREE_S = 30.0
"""An offer that nobody answers any more holds its place for 10 s, and a call that is gone for 5 s."""
RESTART_S = 0.3
"""Docker waits at least 0.1 s before it starts a container again."""
HERE_ADDRESS = "10.77.0.1"
"""Of tests/in_namespace.sh."""


async def play(case: Case, folder: Path, browser: Browser | None = None) -> Outcome:
    """Run one case; with a browser, whose camera is page.camera(), one of the calls is a page's."""
    outcome = Outcome(case.part.name, case.fault_name)
    keeper = Keeper()
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(_services(case, folder))
        keeping = asyncio.create_task(keeper.run(services))
        stack.push_async_callback(_cancelled, keeping)
        async with AsyncExitStack() as calls:
            callers = await _callers(services, folder, browser, calls)
            since_s = time.monotonic()
            async with case.fault(case.part.find(services)):
                pass
            await _watch(services, case, callers, since_s, outcome)
        await _check_free(services, outcome)
        await _cancelled(keeping)
        for process in filter(None, [services.signaling, *services.workers]):
            await process.stop()
        outcome.left += [f"process {one.pid}" for one in keeper.seen if one.is_running()]
        outcome.left += [f"file {one.name}" for one in sorted(services.sockets.iterdir())]
    return outcome


class Keeper:
    """Starts what has ended once more, as a supervisor does, and knows every process that there was."""

    def __init__(self) -> None:
        self.seen: set[psutil.Process] = set()

    async def run(self, services: Services) -> None:
        while True:
            with suppress(psutil.NoSuchProcess):
                self.seen.update(media(services))
            for process in filter(None, [services.signaling, *services.workers]):
                if not process.is_running:
                    await asyncio.sleep(RESTART_S)
                    process.start()
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _services(case: Case, folder: Path) -> AsyncIterator[Services]:
    async with AsyncExitStack() as stack:
        results, flags = "", []
        if case.needs_cables:
            link_keys.make(folder / "keys")
            results, flags = (
                f"tcp://{HERE_ADDRESS}:{free_port()}",
                ["--link-keys", str(folder / "keys")],
            )
        services = await stack.enter_async_context(Services(folder, results=results))
        services.start_signaling("--processes", "2", *flags)
        for place in range(case.part.workers):
            if case.needs_cables:
                _start_behind_cable(services, place, flags, stack)
            else:
                services.start_light_worker(FILTER)
        try:
            await services.ready({FILTER: case.part.workers})
            yield services
        finally:
            print(services.output())


def _start_behind_cable(services: Services, place: int, flags: Sequence[str], stack: AsyncExitStack) -> None:
    """Start a worker in a network of its own, whose cable ends here as `worker{place}`."""
    far = stack.enter_context(network())
    near_address, far_address = f"10.78.{place}.1", f"10.78.{place}.2"
    cable((HERE, f"worker{place}", f"{near_address}/24"), (far, "eth0", f"{far_address}/24"))
    far.run("ip", "route", "add", "default", "via", near_address)
    argv = [
        sys.executable,
        "-m",
        "harness.light_worker",
        "--filters",
        FILTER,
        "--signaling",
        services.results,
    ]
    argv += ["--frames-bind", f"tcp://{far_address}:5557", *flags]
    services.add_worker(far.command(*argv))


async def _callers(
    services: Services, folder: Path, browser: Browser | None, stack: AsyncExitStack
) -> list[Caller]:
    callers: list[Caller] = []
    if browser is not None:
        callers.append(await stack.enter_async_context(page_caller(browser, services.url, folder / "site")))
    peers = [PeerCaller(services.http, mark) for mark in range(1, 1 + CALLS - len(callers))]
    callers += [await stack.enter_async_context(peer) for peer in peers]
    await _all_show(callers, 0.0, BACK_S)
    return callers


async def _watch(
    services: Services, case: Case, callers: Sequence[Caller], since_s: float, outcome: Outcome
) -> None:
    passed_s = time.monotonic()
    with suppress(AssertionError):
        await services.ready({FILTER: case.part.workers})
    # What was on its way when the fault passed proves nothing.
    with suppress(AssertionError):
        await _all_show(callers, max(passed_s, time.monotonic() - 1.0), BACK_S)
    await asyncio.sleep(max(0.0, since_s + WATCHED_S - time.monotonic()))
    until_s = time.monotonic()
    for caller in callers:
        seen = await caller.seen()
        is_back = any(at_s > until_s - 3.0 for at_s in new_times_s(seen))
        outcome.watches.append(
            watch(caller.kind, caller.mark, seen, caller.calls, since_s, until_s, is_back=is_back)
        )
    async with PeerCaller(services.http, 99) as newcomer:
        with suppress(AssertionError):
            await _all_show([newcomer], 0.0, BACK_S)
            outcome.takes_calls = True


async def _all_show(callers: Sequence[Caller], since_s: float, within_s: float) -> None:
    async def do() -> bool:
        for caller in callers:
            if sum(at_s > since_s for at_s in new_times_s(await caller.seen())) < BACK_FRAMES:
                return False
        return True

    await eventually(do, within_s, "all calls show new filtered frames")


async def _check_free(services: Services, outcome: Outcome) -> None:
    """Note what belongs to sessions when no call is left."""

    async def is_free() -> bool:
        try:
            return await services.sessions() == 0
        except httpx.HTTPError:
            return False

    try:
        await eventually(is_free, FREE_S, "no session is left")
    except AssertionError as exc:
        outcome.left.append(str(exc))
    for process in media(services):
        outcome.left += [f"socket {one.laddr}" for one in process.net_connections(kind="udp")]


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
