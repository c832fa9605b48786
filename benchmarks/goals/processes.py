"""Several media processes against one, on all cores, with six sessions and with nine."""

from __future__ import annotations

import os
import statistics
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict

from benchmarks.designs.servers import SERVICE, Design, Load, NotInstalled, Running, running, service_of
from benchmarks.figures import are_even
from benchmarks.goals.clients import Clients, RunFailed
from benchmarks.goals.outcome import Goal, Outcome, doubt, number
from benchmarks.load_client.findings import Run

SESSIONS, MANY = 6, 9
ALL_CORES = f"p95 ms, {SESSIONS} sessions, all cores"
MOST_CPU = 1.10
MOST_P95 = 0.7


async def measure(clients: Clients, processes: int) -> Outcome:
    title = f"{processes} media processes against one, {os.cpu_count()} cores"
    several = service_of(processes)
    # There and back, so that what the machine does meanwhile meets both alike.
    order = [(SERVICE, SESSIONS), (several, SESSIONS), (several, SESSIONS), (SERVICE, SESSIONS)]
    order += [(SERVICE, MANY), (several, MANY)]
    outcome = Outcome(
        "processes",
        title,
        (
            "design",
            "sessions",
            "new fps, slowest",
            "p50 ms",
            "p95 ms",
            "CPU %, each session",
            "dealt",
            "counts",
        ),
    )
    found: list[tuple[Design, int, Run]] = []
    async with AsyncExitStack() as stack:
        servers: dict[Design, Running] = {}
        try:
            for design in (SERVICE, several):
                servers[design] = await stack.enter_async_context(running(design, clients.folder, Load()))
        except NotInstalled as exc:
            outcome.goals.append(Goal(title, "", str(exc), False))
            return outcome
        for design, sessions in order:
            print(f"  {design.title}: {sessions} ...", file=sys.stderr)
            try:
                run = await clients.hold(servers[design], sessions)
            except RunFailed as exc:
                outcome.notes.append(f"{design.title}, {sessions} sessions: {exc}")
                continue
            found.append((design, sessions, run))
            outcome.lines.append(_line(design, sessions, run))
            if sessions == SESSIONS:
                outcome.add_fact(design.title, ALL_CORES, number(run.worst_p95_ms))
    outcome.data = [{"design": one.name, "asked": count, **asdict(run)} for one, count, run in found]
    one = [run for design, count, run in found if design is SERVICE and count == SESSIONS]
    more = [run for design, count, run in found if design is several and count == SESSIONS]
    if one and more:
        outcome.goals.append(_goal(title, processes, one, more))
    return outcome


def _line(design: Design, sessions: int, run: Run) -> tuple[str, ...]:
    return (
        design.title,
        str(sessions),
        number(run.slowest_fps, 1),
        number(run.ages_ms.p50),
        number(run.worst_p95_ms),
        number(run.cpu_percent["media"] / sessions, 1),
        " + ".join(map(str, _dealt(run))),
        run.why_not_counted or "yes",
    )


def _dealt(run: Run) -> list[int]:
    """Return the sessions of each media process: those that have a UDP socket open."""
    return sorted(count for count in run.udp_sockets.values() if count)


def _goal(title: str, processes: int, one: list[Run], more: list[Run]) -> Goal:
    def mean(runs: list[Run], figure: str) -> float:
        values = {
            "p95": [run.worst_p95_ms for run in runs],
            "cpu": [run.cpu_percent["media"] for run in runs],
        }
        return statistics.fmean(values[figure])

    cpu = mean(more, "cpu") / mean(one, "cpu")
    p95 = mean(more, "p95") / mean(one, "p95")
    is_even = all(len(_dealt(run)) == processes and are_even(_dealt(run)) for run in more)
    return Goal(
        title,
        f"CPU per session within 10 %, dealt evenly, p95 at {SESSIONS} sessions at most {MOST_P95} of one's",
        f"CPU {cpu:.2f}, dealt {', '.join(' + '.join(map(str, _dealt(run))) for run in more)}, p95 {p95:.2f} "
        f"({number(mean(more, 'p95'))} of {number(mean(one, 'p95'))} ms)",
        cpu <= MOST_CPU and p95 <= MOST_P95 and is_even,
        doubt(*(run.why_not_counted for run in [*one, *more])),
    )
