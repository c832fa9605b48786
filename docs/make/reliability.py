"""Plays the kill matrix (harness/chaos) and writes its table into docs/reliability.md.

    sh tests/in_namespace.sh .venv/bin/python -m docs.make.reliability

`--only WORDS` plays the cases whose names contain all of these words, and keeps the other rows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from docs.make.measured_table import DOCUMENT, seconds, with_table
from harness.browser import chromium
from harness.chaos.outcome import Outcome
from harness.chaos.page import camera
from harness.chaos.parts import CASES, Case
from harness.chaos.scene import play
from harness.services import in_namespace

DATA = Path(__file__).parents[2] / "benchmarks" / "out" / "reliability.json"
HEAD = (
    "part",
    "what happens to it",
    "longest gap, aiortc",
    "longest gap, Chromium",
    "connected again",
    "calls lost",
    "raw frames",
    "frames of another call",
    "left behind",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One case as it was measured."""

    part: str
    fault: str
    load: float
    """Average of the machine over the last minute, when the case was over."""
    gap_s: float | None = None
    page_gap_s: float | None = None
    calls: int = 0
    again: int = 0
    lost: int = 0
    raw: int = 0
    foreign: int = 0
    left: list[str] = field(default_factory=list)
    failed: str = ""
    """Why the case could not be played."""

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table."""
        if self.failed:
            return (self.part, self.fault, f"not measured: {self.failed}", *[""] * 6)
        counts = (f"{self.again} of {self.calls}", str(self.lost), str(self.raw), str(self.foreign))
        left = ", ".join(self.left) or "0"
        return (self.part, self.fault, seconds(self.gap_s), seconds(self.page_gap_s), *counts, left)


def row(outcome: Outcome) -> Row:
    """Return what the table says of a case; a service that takes no call afterwards has left that behind."""
    left = [*outcome.left, *([] if outcome.takes_calls else ["no new call"])]
    return Row(
        outcome.part,
        outcome.fault,
        os.getloadavg()[0],
        outcome.gap_s("aiortc"),
        outcome.gap_s("Chromium"),
        len(outcome.watches),
        outcome.again,
        outcome.lost,
        outcome.raw,
        outcome.foreign,
        left,
    )


def table(rows: list[Row]) -> list[tuple[str, ...]]:
    """Return the lines of the matrix, in the order of CASES."""
    order = {(case.part.name, case.fault_name): place for place, case in enumerate(CASES)}
    known = [one for one in rows if (one.part, one.fault) in order]
    known.sort(key=lambda one: order[one.part, one.fault])
    return [one.cells() for one in known]


async def measure(cases: list[Case]) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="chaos") as name:
        folder = Path(name)
        async with chromium(camera(folder)) as browser:
            for place, case in enumerate(cases):
                own = folder / str(place)
                own.mkdir()
                try:
                    rows.append(row(await play(case, own, browser)))
                except AssertionError as exc:
                    failed = str(exc).partition("\n")[0]
                    rows.append(Row(case.part.name, case.fault_name, failed=failed, load=os.getloadavg()[0]))
                print(" | ".join(rows[-1].cells()), file=sys.stderr, flush=True)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="words of the names of the cases to play")
    words = parser.parse_args().only.split()
    if not in_namespace():
        parser.error("run it by tests/in_namespace.sh, where links can be cut")
    if words and not DATA.exists():
        parser.error(f"--only keeps the other rows, which {DATA.name} would have: run all of them first")
    cases = [case for case in CASES if all(word in case.name for word in words)]
    rows = {(one.part, one.fault): one for one in _kept()}
    rows |= {(one.part, one.fault): one for one in asyncio.run(measure(cases))}
    DATA.parent.mkdir(exist_ok=True)
    DATA.write_text(json.dumps([asdict(one) for one in rows.values()]))
    played = list(rows.values())
    loads = [one.load for one in played]
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(), "matrix", HEAD, table(played), loads))
    return 0


def _kept() -> list[Row]:
    return [Row(**one) for one in json.loads(DATA.read_text())] if DATA.exists() else []


if __name__ == "__main__":
    sys.exit(main())
