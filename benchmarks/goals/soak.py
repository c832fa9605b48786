"""Six cameras of 30 fps on a worker that carries ten frames of each per second, for minutes."""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.designs.servers import SERVICE, Load, running
from benchmarks.goals.clients import Clients
from benchmarks.goals.outcome import Goal, Outcome, number

SESSIONS = 6
BUSY_MS = 100.0
"""A batch of all six takes this long: ten batches a second, ten frames of each."""
MOST_APART = 0.10
MOST_GROWTH = 0.10
"""Of the median age, over the whole run."""


async def measure(clients: Clients, seconds: float) -> Outcome:
    load = Load(busy_ms=BUSY_MS, max_batch=SESSIONS)
    async with running(SERVICE, clients.folder, load) as server:
        run = await clients.hold(server, SESSIONS, seconds=seconds)
    rates = [one.new_fps for one in run.sessions]
    mean = sum(rates) / len(rates)
    apart = (max(rates) - min(rates)) / mean if mean else float("inf")
    grown_ms = run.age_slope_ms_per_min * run.seconds / 60
    growth = run.memory_growth_mib_per_min
    return Outcome(
        "soak",
        f"{SESSIONS} sessions of 30 fps on a worker of 10 fps each, {seconds:.0f} s",
        ("session", "new fps", "age p50 ms", "p95 ms"),
        [
            (str(place), number(one.new_fps, 2), number(one.ages_ms.p50), number(one.ages_ms.p95))
            for place, one in enumerate(run.sessions)
        ],
        [
            Goal(
                f"{SESSIONS} sessions of 30 fps, a worker of 10 fps each, {seconds / 60:.1f} minutes",
                "equal rates within 10 %, no growth of age",
                f"{number(min(rates), 2)} to {number(max(rates), 2)} fps ({apart * 100:.1f} % apart), age "
                f"{number(run.ages_ms.p50)} ms at the median, {grown_ms:+.1f} ms over the run",
                apart <= MOST_APART and grown_ms <= MOST_GROWTH * run.ages_ms.p50,
                run.why_not_counted,
            )
        ],
        notes=[f"PSS of {role} grew by {one:.2f} MiB a minute (second half)" for role, one in growth.items()],
        data=asdict(run),
    )
