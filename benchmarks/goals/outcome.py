"""What a case of the benchmark hands on: figures for the table of designs, goals with a verdict, raw data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table of goals."""

    figure: str
    wanted: str
    found: str
    is_reached: bool
    why_not_counted: str = ""

    @property
    def verdict(self) -> str:
        if self.why_not_counted:
            return f"not counted: {self.why_not_counted}"
        return "yes" if self.is_reached else "no"


@dataclass(slots=True)
class Outcome:
    """What one case found."""

    name: str
    title: str
    head: tuple[str, ...] = ()
    lines: list[tuple[str, ...]] = field(default_factory=list)
    """A table of its own, if it has one."""
    goals: list[Goal] = field(default_factory=list)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    """By design's title, then by column of the table of designs."""
    notes: list[str] = field(default_factory=list)
    data: Any = None
    """For the JSON file."""

    def add_fact(self, design: str, column: str, text: str) -> None:
        self.facts.setdefault(design, {})[column] = text


def number(value: float, digits: int = 0) -> str:
    """Return a figure as text; a dash where there was nothing to measure."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def doubt(*reasons: str) -> str:
    """Return the reasons why figures do not count, each once."""
    return "; ".join(dict.fromkeys(filter(None, reasons)))
