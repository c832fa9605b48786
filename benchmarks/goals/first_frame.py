"""From the offer to the first filtered frame, call after call."""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.designs.servers import PATCHED_ECHO, SERVICE, Load, running
from benchmarks.goals.clients import Clients
from benchmarks.goals.outcome import Goal, Outcome, number

CALLS = 50
MOST_MS = 500.0


async def measure(clients: Clients, calls: int = CALLS) -> Outcome:
    outcome = Outcome(
        "first-frame",
        f"Offer to first frame, {calls} calls one after another",
        ("design", "connected p50 ms", "p95 ms", "first frame p50 ms", "p95 ms"),
    )
    found = {}
    for design in (PATCHED_ECHO, SERVICE):
        async with running(design, clients.folder, Load()) as server:
            one = found[design] = await clients.first_frames(server, calls)
        spreads = (one.connected_ms.p50, one.connected_ms.p95, one.first_frame_ms.p50, one.first_frame_ms.p95)
        outcome.lines.append((design.title, *map(number, spreads)))
        first = one.first_frame_ms
        outcome.add_fact(
            design.title, "first frame p50 / p95 ms", f"{number(first.p50)} / {number(first.p95)}"
        )
    outcome.data = {design.name: asdict(one) for design, one in found.items()}
    ours = found[SERVICE]
    outcome.goals.append(
        Goal(
            f"offer to first filtered frame, p95 of {calls}",
            f"under {MOST_MS:.0f} ms",
            f"{number(ours.first_frame_ms.p95)} ms; {ours.inverted} of {calls} first frames were filtered",
            ours.first_frame_ms.p95 < MOST_MS and ours.inverted == calls,
            ours.why_not_counted,
        )
    )
    return outcome
