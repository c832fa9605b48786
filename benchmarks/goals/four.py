"""Four sessions on one worker that is busy for 30 ms a batch, beside the article's design."""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.designs.servers import ARTICLE, SERVICE, Design, Load, running
from benchmarks.goals.clients import Clients
from benchmarks.goals.outcome import Goal, Outcome, doubt, number
from benchmarks.load_client.findings import Run

SESSIONS = 4
LEAST_FPS, MOST_P95_MS = 28.0, 150.0


async def measure(clients: Clients) -> Outcome:
    found: dict[Design, Run] = {}
    for design in (ARTICLE, SERVICE):
        async with running(design, clients.folder, Load(busy_ms=30)) as server:
            found[design] = await clients.hold(server, SESSIONS)
    outcome = Outcome(
        "four",
        f"{SESSIONS} sessions, one worker with busy_ms 30",
        ("design", "new fps, each", "transit p50 ms", "p95 ms", "p99 ms", "counts"),
        [
            (
                design.title,
                ", ".join(number(one.new_fps, 1) for one in run.sessions),
                number(run.ages_ms.p50),
                number(run.worst_p95_ms),
                number(run.ages_ms.p99),
                run.why_not_counted or "yes",
            )
            for design, run in found.items()
        ],
        data={design.name: asdict(run) for design, run in found.items()},
    )
    ours, article = found[SERVICE], found[ARTICLE]
    outcome.goals.append(
        Goal(
            f"{SESSIONS} sessions, one worker with busy_ms 30",
            f"each at least {LEAST_FPS:.0f} fps, p95 under {MOST_P95_MS:.0f} ms",
            f"slowest {number(ours.slowest_fps, 1)} fps, worst p95 {number(ours.worst_p95_ms)} ms "
            f"(the article's: {number(article.slowest_fps, 1)} fps, p50 {number(article.ages_ms.p50)} ms)",
            ours.slowest_fps >= LEAST_FPS and ours.worst_p95_ms < MOST_P95_MS,
            doubt(ours.why_not_counted),
        )
    )
    return outcome
