"""Calls that come, go, switch and change size under loss and reordering: memory, threads, tasks, descriptors.

    make soak MINUTES=30

Prints a line of JSON, and ends with 1 where a promise was not kept: memory grows under 3 % after five
minutes, threads, tasks and descriptors are no more than before, no call fails or sees a frame of another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import psutil

from benchmarks.watching import Watched, memory
from harness.services import Services
from harness.soak import Tally, callers, growth, sampled

LANES = 4
WARM_UP_S = 15.0
SETTLED_S = 300.0
"""Memory is judged from here on; a shorter run judges its second half."""
MOST_GROWTH = 0.03
EVERY_S = 2.0
FREE_S = 30.0


@dataclass(frozen=True, slots=True)
class Held:
    """What the processes of the services hold while there is no session."""

    threads: int
    descriptors: int
    tasks: int


async def held(services: Services) -> Held:
    """Look, once there is no session."""
    await services.has_sessions(0, FREE_S)
    tree = [one for watched in _watched(services) for one in watched.tree()]
    return Held(
        sum(one.num_threads() for one in tree),
        sum(one.num_fds() for one in tree),
        round(await services.metric("p2pcamera_tasks")),
    )


async def run(
    folder: Path, minutes: float, lanes: int = LANES, warm_up_s: float = WARM_UP_S
) -> dict[str, object]:
    """Soak both services; returns what was found."""
    tally, samples = Tally(), list[tuple[float, float]]()
    async with Services(folder) as services:
        await services.start_light("invert,passthrough")
        await callers(services.http, warm_up_s, lanes, Tally())
        before = await held(services)
        looking = asyncio.create_task(sampled(EVERY_S, lambda: _mib(services), samples))
        try:
            await callers(services.http, minutes * 60, lanes, tally)
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
        after = await _settled(services, before)
    return {
        "minutes": minutes,
        "tally": asdict(tally),
        "memory_mib": [round(mib, 1) for _, mib in samples[:: max(1, len(samples) // 30)]],
        "memory_growth": growth(samples, min(SETTLED_S, minutes * 30)),
        "before": asdict(before),
        "after": asdict(after),
    }


def broken(found: dict[str, object]) -> list[str]:
    """Return which promises were not kept."""
    tally, before, after = found["tally"], found["before"], found["after"]
    assert isinstance(tally, dict)
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    told = [
        f"{name}: {before[name]} before, {after[name]} after" for name in before if after[name] > before[name]
    ]
    if float(str(found["memory_growth"])) >= MOST_GROWTH:
        told.append(f"memory grew by {float(str(found['memory_growth'])):.1%}")
    if tally["foreign"]:
        told.append(f"{tally['foreign']} frames of another call")
    if tally["faults"]:
        told.append(f"{len(tally['faults'])} calls failed, first: {tally['faults'][0]}")
    return told


async def _settled(services: Services, before: Held) -> Held:
    """Threads of decoders and sockets of calls that have just ended take a moment."""
    found = await held(services)
    for _ in range(20):
        if all(now <= then for now, then in zip(astuple(found), astuple(before), strict=True)):
            break
        await asyncio.sleep(0.5)
        found = await held(services)
    return found


def _mib(services: Services) -> float:
    with suppress(psutil.NoSuchProcess):
        return sum(one.pss_mib for one in memory(_watched(services)).values())
    return 0.0


def _watched(services: Services) -> list[Watched]:
    assert services.signaling is not None
    return [
        Watched("media", services.signaling.pid),
        *(Watched("worker", one.pid) for one in services.workers),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--calls", type=int, default=LANES, help="at a time")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak") as folder:
        found = asyncio.run(run(Path(folder), given.minutes, given.calls))
    print(json.dumps(found))
    told = broken(found)
    print("; ".join(told) or "all held", file=sys.stderr)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
