"""Plays the steps of an upgrade (harness/chaos/upgrade.py) and writes their table into docs/reliability.md.

sh tests/in_namespace.sh .venv/bin/python -m docs.make.upgrade
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from harness.browser import chromium
from harness.chaos.page import camera
from harness.chaos.upgrade import Step, on_one_host, on_several_hosts
from harness.markdown import markdown
from harness.services import in_namespace

DOCUMENT = Path(__file__).parents[1] / "reliability.md"
_PLACE = re.compile(r"(<!-- upgrade -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = (
    "where",
    "step",
    "longest gap, aiortc",
    "longest gap, Chromium",
    "raw frames",
    "frames of another call",
)


def with_table(document: str, steps: list[Step], loads: list[float]) -> str:
    """Return a document with the table at `<!-- upgrade -->`, up to `<!-- end -->`."""
    said = f"Measured {time.strftime('%-d %B %Y')} on {os.cpu_count()} cores, whose load average was "
    said += f"{min(loads):.0f} to {max(loads):.0f} meanwhile."
    rows = [
        (
            one.where,
            one.name,
            *(_seconds(one.gaps_s.get(kind)) for kind in ("aiortc", "Chromium")),
            str(one.raw),
            str(one.foreign),
        )
        for one in steps
    ]
    return _PLACE.sub(lambda place: f"{place[1]}{said}\n\n{markdown(HEAD, rows)}\n{place[2]}", document)


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
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(), steps, loads))
    return 0


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


if __name__ == "__main__":
    sys.exit(main())
