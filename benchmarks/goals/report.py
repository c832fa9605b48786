"""The benchmark's report: goals, the table of designs, each case's own table; as Markdown and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.goals.outcome import Outcome
from benchmarks.goals.processes import ALL_CORES
from harness.markdown import markdown

COLUMNS = (
    "glass to glass p50 / p95 / p99 ms",
    "new fps",
    "sessions per core",
    ALL_CORES,
    "CPU ms per frame",
    "MiB per session",
    "first frame p50 / p95 ms",
    "Mbit/s back",
)


def as_markdown(outcomes: Sequence[Outcome], machine: dict[str, Any]) -> str:
    """Return the whole report."""
    about = ", ".join(f"{key} {value}" for key, value in machine.items() if key != "packages")
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    parts = [f"Machine: {about}. Packages: {packages}."]
    goals = [goal for outcome in outcomes for goal in outcome.goals]
    if goals:
        lines = [(one.figure, one.wanted, one.found, one.verdict) for one in goals]
        parts.append("## Goals\n\n" + markdown(("figure", "goal", "found", "reached"), lines))
    if designs := _designs(outcomes):
        parts.append("## Designs\n\n" + designs)
    for outcome in outcomes:
        text = f"## {outcome.title}\n"
        if outcome.lines:
            text += "\n" + markdown(outcome.head, outcome.lines)
        text += "".join(f"\n\n{note}" for note in outcome.notes)
        parts.append(text)
    return "\n\n".join(parts) + "\n"


def write_json(outcome: Outcome, machine: dict[str, Any], folder: Path) -> None:
    """Write one case's raw data; what is not a number becomes null."""
    report = {"machine": machine, "goals": [_goal(one) for one in outcome.goals], "data": outcome.data}
    text = json.dumps(_finite(report), indent=1)
    (folder / f"{outcome.name}.json").write_text(text)


def _designs(outcomes: Sequence[Outcome]) -> str:
    facts: dict[str, dict[str, str]] = {}
    for outcome in outcomes:
        for design, found in outcome.facts.items():
            facts.setdefault(design, {}).update(found)
    columns = [column for column in COLUMNS if any(column in one for one in facts.values())]
    lines = [(design, *(one.get(column, "") for column in columns)) for design, one in facts.items()]
    return markdown(("design", *columns), lines) if lines else ""


def _goal(goal: Any) -> dict[str, str]:
    return {"figure": goal.figure, "goal": goal.wanted, "found": goal.found, "reached": goal.verdict}


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value
