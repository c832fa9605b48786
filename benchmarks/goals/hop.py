"""What each stage of the media path costs, and what the way to the filter and back adds to the codecs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.designs.servers import STAGED, Load, running
from benchmarks.designs.staged_service import WAIT
from benchmarks.goals.clients import Clients
from benchmarks.goals.outcome import Goal, Outcome, doubt, number

SESSIONS = 3
MOST_OF_CODECS = 0.10
LIBZMQ = "libzmq"
"""Its threads; the other stages are functions."""
WAY = (
    "packets in",
    "decode",
    "pack",
    "lane",
    WAIT,
    LIBZMQ,
    "deliver",
    "unpack",
    "encode",
    "packets out",
)
"""In the order of a frame's way."""
HOP = ("pack", "lane", LIBZMQ, "deliver", "unpack")
REST = "rest"


@dataclass(frozen=True, slots=True)
class Stage:
    """Per returned frame."""

    name: str
    cpu_ms: float
    wall_ms: float | None
    """None for threads, which work beside the frame's way."""


async def measure(clients: Clients) -> Outcome:
    async with running(STAGED, clients.folder, Load()) as server:
        run = await clients.hold(server, SESSIONS)
    stages = by_frame(run.stages_before, run.stages_after, run.frames_returned)
    cpu = {stage.name: stage.cpu_ms for stage in stages}
    # A function that the service no longer calls would make the hop look cheap.
    uncalled = [stage.name for stage in stages if stage.wall_ms == 0]
    hop, codecs = sum(cpu[name] for name in HOP), cpu["decode"] + cpu["encode"]
    return Outcome(
        "hop",
        f"CPU and time by stage, {SESSIONS} sessions, one process, VP8",
        ("stage", "CPU ms per frame", "time ms per frame"),
        [
            (one.name, number(one.cpu_ms, 3), "" if one.wall_ms is None else number(one.wall_ms, 2))
            for one in stages
        ],
        [
            Goal(
                "CPU that the hop to the filter adds per frame in the media service",
                f"at most {MOST_OF_CODECS * 100:.0f} % of decode plus encode",
                f"{hop / codecs * 100:.1f} % ({hop:.2f} of {codecs:.2f} ms: "
                + ", ".join(f"{name} {cpu[name]:.2f}" for name in HOP)
                + ")",
                hop / codecs <= MOST_OF_CODECS,
                doubt(*(f"{name} was never called" for name in uncalled), run.why_not_counted),
            )
        ],
        notes=[f"in this run: {run.slowest_fps:.1f} fps at least, transit p50 {run.ages_ms.p50:.0f} ms"],
        data={
            "stages": [{**asdict(stage), "kind": _kind(stage.name)} for stage in stages],
            "transit_mean_ms": run.ages_ms.mean,
            "run": asdict(run),
        },
    )


def _kind(name: str) -> str:
    if name in ("decode", "encode"):
        return "codecs"
    return "hop to the filter" if name in (*HOP, WAIT) else "other"


def by_frame(before: dict[str, Any], after: dict[str, Any], frames: int) -> list[Stage]:
    """Return what each stage took per frame between two snapshots of a staged service; the rest is last."""

    def grown(part: str, name: str, figure: str | None = None) -> float:
        values = [snapshot[part].get(name, 0.0) for snapshot in (before, after)]
        if figure is not None:
            values = [one[figure] if one else 0.0 for one in values]
        return float(values[1] - values[0]) * 1e3 / max(frames, 1)

    stages = []
    for name in WAY:
        if name == LIBZMQ:
            threads = [thread for thread in after["threads"] if thread.startswith("ZMQbg")]
            stages.append(Stage(name, sum(grown("threads", thread) for thread in threads), None))
        else:
            stages.append(Stage(name, grown("stages", name, "cpu_s"), grown("stages", name, "wall_s")))
    total_ms = (after["cpu_s"] - before["cpu_s"]) * 1e3 / max(frames, 1)
    return [*stages, Stage(REST, total_ms - sum(one.cpu_ms for one in stages), None)]
