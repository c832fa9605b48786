"""Draw the pictures of benchmarks/README.md: `python -m docs.make.bench_plots`, after `make bench`.

They are latency over sessions, and where a frame's time and CPU go; both from the raw data of the last run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

from harness.services import ROOT

LIMIT_MS = 150.0
"""Up to where a design holds its sessions, as `benchmarks/goals/one_core.py` has it."""
COLOURS = ("#9a9a9a", "#c98a2b", "#7a5ca8", "#1f6fb2", "#2f9e6e", "#c0504d", "#5b8c2a", "#8c5b2a")
TICKS_MS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
KINDS = {"codecs": "#1f6fb2", "hop to the filter": "#c0504d", "other": "#9a9a9a"}


@dataclass(frozen=True, slots=True)
class Bar:
    """One stage of the waterfall; `kind` is one of KINDS."""

    name: str
    kind: str
    cpu_ms: float
    wall_ms: float | None


def main() -> None:
    """Read one-core.json and hop.json, and draw each that is there."""
    parser = argparse.ArgumentParser(description="Draw the pictures of benchmarks/README.md.")
    parser.add_argument("--data", type=Path, default=ROOT / "benchmarks" / "out")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "images")
    given = parser.parse_args()
    mpl.use("Agg")
    for name, draw, picture in (
        ("one-core", _draw_latency, "latency-over-sessions.png"),
        ("hop", _draw_stages, "stages.png"),
    ):
        file = given.data / f"{name}.json"
        if not file.exists():
            print(f"{file} is missing: run make bench BENCH_FLAGS='--only {name}' first")
            continue
        draw(json.loads(file.read_text())["data"], given.folder / picture)
        print(given.folder / picture)


def _draw_latency(ladders: Sequence[Mapping[str, Any]], path: Path) -> None:
    tails_ms = {
        one["title"]: {int(sessions): ms for sessions, ms in one["worst_p95_ms"].items() if ms is not None}
        for one in ladders
    }
    latency_over_sessions(tails_ms, LIMIT_MS, path)


def _draw_stages(data: Mapping[str, Any], path: Path) -> None:
    bars = [Bar(one["name"], one["kind"], one["cpu_ms"], one["wall_ms"]) for one in data["stages"]]
    waterfall(bars, path)


def latency_over_sessions(tails_ms: Mapping[str, Mapping[int, float]], limit_ms: float, path: Path) -> None:
    """Draw each design's tail as sessions are added; logarithmic, since an overloaded one has no bound."""
    figure, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
    for (title, tails), colour in zip(tails_ms.items(), COLOURS, strict=False):
        axes.plot(list(tails), list(tails.values()), marker="o", color=colour, label=title)
    axes.axhline(limit_ms, color="#444444", linewidth=0.8, linestyle="--")
    axes.set_yscale("log")
    axes.set_yticks(TICKS_MS, [f"{tick} ms" if tick < 1000 else f"{tick // 1000} s" for tick in TICKS_MS])
    axes.set_yticks([], minor=True)
    axes.set_xlabel("sessions of 640x480 at 30 fps; the media service alone on one core")
    axes.set_ylabel("worst session's p95, camera packet to result")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color="#e4e4e4")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=9, loc="outside right upper")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def waterfall(bars: Sequence[Bar], path: Path) -> None:
    """Draw stages under one another: CPU on the left, the time that passes on the right."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 0.42 * len(bars) + 1.4), layout="constrained", sharey=True
    )
    _steps(left, [(bar.cpu_ms, bar.kind) for bar in bars])
    _steps(right, [(bar.wall_ms or 0.0, bar.kind) for bar in bars])
    left.set_xlabel("CPU of the media service, ms per frame, added up")
    right.set_xlabel("time of the stages on a frame's way, ms, added up")
    left.set_yticks(range(len(bars)), [bar.name for bar in bars])
    left.invert_yaxis()
    for label, colour in KINDS.items():
        right.barh(0, 0, color=colour, label=label)
    right.legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _steps(axes: Any, steps: Sequence[tuple[float, str]]) -> None:
    start = 0.0
    for place, (value, kind) in enumerate(steps):
        axes.barh(place, value, left=start, color=KINDS[kind])
        start += value
        if value:
            axes.text(start, place, f" {value:.2f}", va="center", fontsize=8)
    axes.set_xlim(0, 1.15 * start or 1)
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
