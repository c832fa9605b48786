"""How a part is broken, and mended where it does not mend itself."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass

import psutil

from harness.light_worker import HANG_S
from harness.namespaces import HERE

STOPPED_S = 10.0
CUT_S = 5.0
MEMORY_S = 5.0


@dataclass(frozen=True, slots=True)
class Target:
    """What is broken at a time."""

    processes: Sequence[psutil.Process]
    drops: Sequence[str]
    """Rules of iptables, which cut it off; empty where nothing can."""


Fault = Callable[[Target], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def nothing(target: Target) -> AsyncIterator[None]:
    """Break nothing: what the calls see anyway, on a busy machine too."""
    yield


@asynccontextmanager
async def killed(target: Target) -> AsyncIterator[None]:
    """End it at once; whoever supervises it starts it again."""
    for process in target.processes:
        process.kill()
    yield


@asynccontextmanager
async def stopped(target: Target) -> AsyncIterator[None]:
    """SIGSTOP, and SIGCONT after STOPPED_S."""
    for process in target.processes:
        process.suspend()
    try:
        await asyncio.sleep(STOPPED_S)
    finally:
        for process in target.processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()
    yield


@asynccontextmanager
async def hung(target: Target) -> AsyncIterator[None]:
    """Have the filter of light workers hang for HANG_S, while they go on to say how they are."""
    for process in target.processes:
        process.send_signal(signal.SIGUSR1)
    await asyncio.sleep(HANG_S)
    yield


@asynccontextmanager
async def starved(target: Target) -> AsyncIterator[None]:
    """Forbid it any more address space for MEMORY_S; it may die of that."""
    before = {}
    for process in target.processes:
        before[process] = resource.prlimit(process.pid, resource.RLIMIT_AS)
        hard = before[process][1]
        resource.prlimit(process.pid, resource.RLIMIT_AS, (process.memory_info().vms, hard))
    try:
        await asyncio.sleep(MEMORY_S)
    finally:
        for process, limits in before.items():
            with suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_AS, limits)
    yield


@asynccontextmanager
async def cut(target: Target) -> AsyncIterator[None]:
    """Drop what goes to it and comes from it for CUT_S, without a word to either end."""
    for rule in target.drops:
        HERE.run("iptables", "-A", *rule.split(), "-j", "DROP")
    try:
        await asyncio.sleep(CUT_S)
    finally:
        for rule in target.drops:
            HERE.run("iptables", "-D", *rule.split(), "-j", "DROP")
    yield


FAULTS: dict[str, Fault] = {
    "SIGKILL": killed,
    f"SIGSTOP for {STOPPED_S:.0f} s": stopped,
    f"filter hangs for {HANG_S:.0f} s": hung,
    f"no more memory for {MEMORY_S:.0f} s": starved,
    f"link cut for {CUT_S:.0f} s": cut,
}
