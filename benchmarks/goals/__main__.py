"""`make bench`: every figure of the project, each measured side by side in one run.

    python -m benchmarks.goals [--only one-core,hop] [--seconds 15] [--fastrtc] [--soak-seconds 300]

Prints the report, which benchmarks/out/bench.md keeps, with the raw data of each case beside it as JSON. What
the columns mean, and how far to trust them: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.goals import first_frame, first_shown, four, glass, hop, one_core, processes, report, soak
from benchmarks.goals.clients import Clients, RunFailed
from benchmarks.goals.outcome import Goal, Outcome
from benchmarks.machine import machine
from harness.services import ROOT

SECONDS = 15.0
SOAK_S = 30.0
"""Long enough to see that it works; the goal is five minutes."""


async def main() -> None:
    flags = _flags()
    measures = _measures(flags)
    about = machine()
    outcomes = []
    flags.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in measures.items():
            print(f"{name} ...", file=sys.stderr)
            began_s = time.monotonic()
            outcome = await _tried(name, measure, Clients(Path(folder), flags.seconds or SECONDS))
            print(f"{name}: {time.monotonic() - began_s:.0f} s", file=sys.stderr)
            report.write_json(outcome, about, flags.out)
            outcomes.append(outcome)
            # After every case, so that an interrupted run leaves what it has.
            (flags.out / "bench.md").write_text(report.as_markdown(outcomes, about))
    print(report.as_markdown(outcomes, about))


def _measures(flags: argparse.Namespace) -> dict[str, Callable[[Clients], Awaitable[Outcome]]]:
    cases: dict[str, Callable[[Clients], Awaitable[Outcome]]] = {
        "glass": lambda clients: glass.measure(clients, with_fastrtc=flags.fastrtc),
        "four": four.measure,
        "one-core": lambda clients: one_core.measure(clients, flags.seconds, with_fastrtc=flags.fastrtc),
        "processes": lambda clients: processes.measure(clients, flags.processes),
        "hop": hop.measure,
        "first-frame": lambda clients: first_frame.measure(clients, flags.calls),
        "first-shown": first_shown.measure,
        "soak": lambda clients: soak.measure(clients, flags.soak_seconds),
    }
    names = flags.only.split(",") if flags.only else list(cases)
    if unknown := set(names) - set(cases):
        sys.exit(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(cases)}")
    return {name: cases[name] for name in cases if name in names}


async def _tried(name: str, measure: Callable[[Clients], Awaitable[Outcome]], clients: Clients) -> Outcome:
    """Measure; a case that fails says why in the report and leaves the others to go on."""
    try:
        return await measure(clients)
    except (RunFailed, AssertionError) as exc:
        print(f"{name} failed: {exc}", file=sys.stderr)
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        return Outcome(name, name, goals=[Goal(name, "", f"failed: {reason}", False)])


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="names of cases, joined by commas")
    parser.add_argument(
        "--seconds",
        type=float,
        help=f"of each stretch; default {SECONDS:.0f}, one-core {one_core.SECONDS:.0f}",
    )
    parser.add_argument("--soak-seconds", type=float, default=SOAK_S)
    parser.add_argument("--processes", type=int, default=2, help="media processes to compare with one")
    parser.add_argument("--calls", type=int, default=first_frame.CALLS, help="of first-frame")
    parser.add_argument("--fastrtc", action="store_true", help="measure fastrtc too (make bench-fastrtc)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "out")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
