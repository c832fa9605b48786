"""Plays the steps of an upgrade (harness/chaos/upgrade.py) and writes their table into docs/reliability.md.

sh tests/in_namespace.sh .venv/bin/python -m docs.make.upgrade
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from docs.make.measured_table import DOCUMENT, seconds, with_table
from harness.browser import chromium
from harness.chaos.page import camera
from harness.chaos.upgrade import Step, on_one_host, on_several_hosts
from harness.services import in_namespace

HEAD = (
    "where",
    "step",
    "longest gap, aiortc",
    "longest gap, Chromium",
    "raw frames",
    "frames of another call",
)


def cells(step: Step) -> tuple[str, ...]:
    """Return the row of the table."""
    gaps = (seconds(step.gaps_s.get(kind)) for kind in ("aiortc", "Chromium"))
    return (step.where, step.name, *gaps, str(step.raw), str(step.foreign))


async def measure() -> tuple[list[Step], list[float]]:
    steps: list[Step] = []
    loads = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory(prefix="upgrade") as name:
        folder = Path(name)
        (folder / "one").mkdir()
        (folder / "several").mkdir()
        async with chromium(camera(folder)) as browser:
            async for step in on_one_host(folder / "one", browser):
                steps.append(step)
                print(step, file=sys.stderr, flush=True)
        async for step in on_several_hosts(folder / "several"):
            steps.append(step)
            print(step, file=sys.stderr, flush=True)
    return steps, [*loads, os.getloadavg()[0]]


def main() -> int:
    if not in_namespace():
        sys.stderr.write("run it by tests/in_namespace.sh, where hosts can be made\n")
        return 2
    steps, loads = asyncio.run(measure())
    rows = [cells(step) for step in steps]
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(), "upgrade", HEAD, rows, loads))
    return 0


if __name__ == "__main__":
    sys.exit(main())
