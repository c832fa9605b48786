"""Tables that docs/reliability.md has of measured cases, with the day and the load of the machine."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.markdown import markdown

DOCUMENT = Path(__file__).parents[1] / "reliability.md"


def with_table(
    document: str, name: str, head: Sequence[str], rows: Iterable[Sequence[str]], loads: Sequence[float]
) -> str:
    """Return a document with a table at `<!-- name -->`, up to `<!-- end -->`.

    `loads`: averages of the machine while it was measured.
    """
    said = f"Measured {time.strftime('%-d %B %Y')} on {os.cpu_count()} cores, whose load average was "
    said += f"{min(loads):.0f} to {max(loads):.0f} meanwhile."
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    return place.sub(lambda found: f"{found[1]}{said}\n\n{markdown(head, rows)}\n{found[2]}", document)


def seconds(value: float | None) -> str:
    """Return a cell: nothing for what was not measured."""
    return "" if value is None else f"{value:.2f} s"
