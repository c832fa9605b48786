"""How many sessions one core carries: the media service alone on it, client and worker on another."""

from __future__ import annotations

import os
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field

from benchmarks.designs.servers import (
    ARTICLE,
    ECHO,
    FASTRTC,
    PATCHED_ECHO,
    SERVICE,
    Design,
    Load,
    Running,
    running,
)
from benchmarks.goals.clients import Clients, RunFailed
from benchmarks.goals.outcome import Goal, Outcome, doubt, number
from benchmarks.load_client.findings import Run
from benchmarks.watching import Memory, memory

COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 10)
SECONDS = 6.0
"""A rung's stretch, unless it is asked for otherwise."""
LIMIT_MS = 150.0
GOAL_MS = 100.0
HOLDS_FPS = 28.0
LEAST_SESSIONS, AIM = 5, 6
MOST_OF_ECHO = 0.7


@dataclass(slots=True)
class Ladder:
    """One design, with more and more sessions until the tail is too long."""

    design: Design
    codec: str
    idle: dict[str, Memory]
    runs: dict[int, Run] = field(default_factory=dict)
    ended: str = ""

    @property
    def title(self) -> str:
        return self.design.title + ("" if self.codec == "VP8" else f", {self.codec}")

    def sessions_below(self, limit_ms: float) -> int:
        """Return the highest count up to which each run kept its tail below the limit."""
        most = 0
        for sessions, run in self.runs.items():
            if not (run.worst_p95_ms < limit_ms and run.slowest_fps >= HOLDS_FPS):
                break
            most = sessions
        return most

    @property
    def doubt(self) -> str:
        """Why the rungs up to the one that did not hold do not count, if so."""
        return doubt(*(run.why_not_counted for run in self.runs.values()))


async def measure(clients: Clients, seconds: float | None, *, with_fastrtc: bool) -> Outcome:
    """Climb all ladders together, rung by rung, so that each meets the same state of the machine."""
    if len(os.sched_getaffinity(0)) < 2:
        return Outcome("one-core", "sessions on one core", notes=["needs two cores: not measured"])
    media_core, others_core = sorted(os.sched_getaffinity(0))[:2]
    load = Load(media_core=media_core, others_core=others_core)
    designs = [ARTICLE, ECHO, PATCHED_ECHO, SERVICE, *([FASTRTC] if with_fastrtc else [])]
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(running(one, clients.folder, load)) for one in designs]
        ladders = [(server, Ladder(server.design, "VP8", memory(server.watched))) for server in servers]
        service = next(server for server in servers if server.design is SERVICE)
        # Behind the VP8 one, whose memory is measured on the fresh process.
        ladders.append((service, Ladder(SERVICE, "H264", memory(service.watched))))
        for sessions in COUNTS:
            for server, ladder in ladders:
                if not ladder.ended:
                    await _climb(clients, server, ladder, sessions, seconds or SECONDS, others_core)
    return _outcome([ladder for _, ladder in ladders])


async def _climb(
    clients: Clients, server: Running, ladder: Ladder, sessions: int, seconds: float, core: int
) -> None:
    print(f"  {ladder.title}: {sessions} ...", file=sys.stderr)
    try:
        run = await clients.hold(server, sessions, seconds=seconds, codec=ladder.codec, core=core)
    except RunFailed as exc:
        ladder.ended = f"{sessions} sessions: {exc}"
        return
    ladder.runs[sessions] = run
    if not run.worst_p95_ms < LIMIT_MS:
        ladder.ended = f"p95 {number(run.worst_p95_ms)} ms"


def _outcome(ladders: list[Ladder]) -> Outcome:
    counts = sorted({sessions for ladder in ladders for sessions in ladder.runs})
    outcome = Outcome(
        "one-core",
        "Transit p95 in ms (slowest fps) by sessions, the media service alone on one core",
        ("design", *map(str, counts)),
        [(ladder.title, *(_cell(ladder.runs.get(count)) for count in counts)) for ladder in ladders],
        data=[
            {
                "title": ladder.title,
                "codec": ladder.codec,
                "ended": ladder.ended,
                "worst_p95_ms": {sessions: run.worst_p95_ms for sessions, run in ladder.runs.items()},
                "runs": {sessions: asdict(run) for sessions, run in ladder.runs.items()},
            }
            for ladder in ladders
        ],
    )
    for ladder in ladders:
        _add_facts(outcome, ladder)
    by_title = {ladder.title: ladder for ladder in ladders}
    outcome.goals = _goals(by_title[SERVICE.title], by_title[f"{SERVICE.title}, H264"], by_title[ECHO.title])
    return outcome


def _cell(run: Run | None) -> str:
    if run is None:
        return ""
    mark = "*" if run.why_not_counted else ""
    return f"{number(run.worst_p95_ms)} ({number(run.slowest_fps)}){mark}"


def _add_facts(outcome: Outcome, ladder: Ladder) -> None:
    most = ladder.sessions_below(LIMIT_MS)
    outcome.add_fact(ladder.title, "sessions per core", f"{most}{'*' if ladder.doubt else ''}")
    held = [count for count in ladder.runs if 2 <= count <= most]
    if not held:
        return
    run = ladder.runs[max(held)]
    grown = run.memory["media"].pss_mib - ladder.idle["media"].pss_mib
    outcome.add_fact(ladder.title, "CPU ms per frame", number(run.cpu_ms_per_frame(), 1))
    if ladder.codec == "VP8":
        outcome.add_fact(ladder.title, "MiB per session", number(grown / max(held), 1))
    outcome.add_fact(ladder.title, "Mbit/s back", number(run.returned_mbit_s, 2))


def _goals(ours: Ladder, ours_h264: Ladder, echo: Ladder) -> list[Goal]:
    best = max(ours.sessions_below(GOAL_MS), ours_h264.sessions_below(GOAL_MS))
    sessions = Goal(
        f"sessions on one core, the media service alone, p95 under {GOAL_MS:.0f} ms",
        f"at least {LEAST_SESSIONS}, aim at {AIM}",
        f"VP8 {ours.sessions_below(GOAL_MS)}, H264 {ours_h264.sessions_below(GOAL_MS)} "
        f"(bare echo: {echo.sessions_below(GOAL_MS)})",
        best >= LEAST_SESSIONS,
        doubt(ours.doubt, ours_h264.doubt),
    )
    return [sessions, _cpu_goal([ours_h264, ours], echo)]


def _cpu_goal(ours: list[Ladder], echo: Ladder) -> Goal:
    """Compare at the most sessions that both hold; the first ladder is what browsers get, and decides."""
    parts, ratios, doubts = [], [], [echo.doubt]
    for ladder in ours:
        most = min(ladder.sessions_below(LIMIT_MS), echo.sessions_below(LIMIT_MS))
        doubts.append(ladder.doubt)
        if not most:
            parts.append(f"{ladder.codec}: no count that both hold")
            continue
        mine, theirs = ladder.runs[most].cpu_ms_per_frame(), echo.runs[most].cpu_ms_per_frame()
        ratios.append(mine / theirs)
        parts.append(
            f"{ladder.codec} {mine / theirs:.2f} ({mine:.1f} of {theirs:.1f} ms, {most} sessions each)"
        )
    is_reached = len(ratios) == len(ours) and ratios[0] <= MOST_OF_ECHO
    figure = "CPU per frame, of bare echo's with VP8"
    return Goal(figure, f"at most {MOST_OF_ECHO}", "; ".join(parts), is_reached, doubt(*doubts))
