"""Draws the dashboard's panels from a real Prometheus that watched real calls.

    PROMETHEUS=/path/to/prometheus .venv/bin/python -m docs.make.dashboard

Grafana itself is no part of this: its JSON says what each panel asks and where it lies, and matplotlib draws
the answers. The picture says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.peer import Peer
from harness.picture import Picture
from harness.prometheus import RATE_INTERVAL, Prometheus, program, prometheus
from harness.services import ROOT, Services

DASHBOARD = ROOT / "deploy" / "metrics" / "grafana" / "dashboards" / "p2pcamera.json"
PICTURE = ROOT / "docs" / "images" / "dashboard.png"
COLUMNS = 24
COLUMN_IN, ROW_IN = 0.62, 0.27
TITLE = "deploy/metrics/grafana: its panels, drawn from Prometheus by docs/make/dashboard.py, not by Grafana"
UNITS = {"s": ("ms", 1e3), "percentunit": ("%", 100.0), "bps": ("Mbit/s", 1e-6), "bytes": ("MiB", 2**-20)}
COLOURS = ("#1f6fb2", "#c4401f", "#2f9e6e", "#7a55b8", "#c98a2b", "#a93f86", "#5b8c2a", "#8b93a1")
NAMES = 6
"""In a legend; more would hide what is drawn."""


def main() -> None:
    """Make the calls, ask Prometheus, and write the picture."""
    parser = argparse.ArgumentParser(description="Draw the dashboard from a real Prometheus.")
    parser.add_argument("--seconds", type=float, default=90.0, help="how long the calls last")
    parser.add_argument("--out", type=Path, default=PICTURE)
    given = parser.parse_args()
    if program() is None:
        parser.error("needs prometheus (Debian: apt-get install prometheus), or its path in PROMETHEUS")
    mpl.use("Agg")
    asyncio.run(watched(given.seconds, given.out))


async def watched(seconds: float, out: Path) -> None:
    """Let three calls come one after the other, and one of them leave; then draw what Prometheus kept."""
    with tempfile.TemporaryDirectory(prefix="p2p") as name:
        folder = Path(name)
        async with Services(folder) as services, AsyncExitStack() as calls:
            services.start_signaling("--processes", "2", "--max-sessions", "6")
            for _ in range(2):
                services.start_worker("invert,ink")
            await services.ready({"invert": 2, "ink": 2})
            async with prometheus(folder, services.port) as asked:
                began_s = time.time()
                for number, chosen in enumerate(("invert", "ink", "invert")):
                    peer = Peer(services.http, Picture(320, 240, mark=number + 1), fps=15)
                    await calls.enter_async_context(peer)
                    await peer.call(filter=chosen)
                    await asyncio.sleep(seconds / 4)
                await peer.__aexit__(None, None, None)
                await asyncio.sleep(seconds / 4)
                figure = await drawn(asked, began_s, time.time())
    figure.savefig(out, dpi=80, pil_kwargs={"optimize": True})
    print(out)


async def drawn(asked: Prometheus, began_s: float, ended_s: float) -> Figure:
    """Return all panels, each at its place."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) + 2
    figure = plt.figure(figsize=(COLUMNS * COLUMN_IN, rows * ROW_IN), facecolor="white")
    passed_s = round(ended_s - began_s)
    subtitle = f"two media processes, two workers on a CPU, three calls of 320x240, {passed_s} s"
    head = f"{TITLE}\n{subtitle}; rates over {RATE_INTERVAL}"
    figure.text(0.01, 1 - 0.2 / rows, head, fontsize=10, va="top", color="#444444")
    for panel in panels:
        place = panel["gridPos"]
        x, width = place["x"] / COLUMNS, place["w"] / COLUMNS
        y, height = 1 - (place["y"] + 2 + place["h"]) / rows, place["h"] / rows
        left = 0.07 if panel["type"] == "bargauge" else 0.035
        inner = (x + left, y + 1.0 / rows, width - left - 0.01, height - 2.2 / rows)
        axes = figure.add_axes(inner)
        axes.set_title(panel["title"], fontsize=8, loc="left", fontweight="bold")
        unit, factor = UNITS.get(panel["fieldConfig"]["defaults"]["unit"], ("", 1.0))
        series: list[Any]
        if panel["type"] == "timeseries":
            series = await lines(asked, panel, began_s, ended_s)
            _graph(axes, panel, series, unit, factor)
        else:
            series = [
                (legend(target["legendFormat"], one["metric"]), one["metric"], float(one["value"][1]))
                for target in panel["targets"]
                for one in await asked.ask(target["expr"])
            ]
            _WITHOUT_TIME[panel["type"]](axes, panel, series, unit, factor)
    return figure


async def lines(
    asked: Prometheus, panel: dict[str, Any], began_s: float, ended_s: float
) -> list[tuple[str, list[float], list[float]]]:
    """Return each line of a graph: its name, seconds since the beginning, values."""
    return [
        (
            legend(target["legendFormat"], one["metric"]),
            [at_s - began_s for at_s, _ in one["values"]],
            [float(value) for _, value in one["values"]],
        )
        for target in panel["targets"]
        for one in await asked.ask_range(target["expr"], began_s, ended_s)
    ]


def legend(pattern: str, labels: dict[str, str]) -> str:
    """Fill in a legend as Grafana does; ids of workers are shortened."""
    filled = re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], "")[:9], pattern)
    return filled.strip() or "value"


def _graph(axes: Axes, panel: dict[str, Any], series: list[Any], unit: str, factor: float) -> None:
    own = _own_colours(panel)
    axes.tick_params(labelsize=7)
    axes.grid(visible=True, color="#eeeeee")
    axes.set_ylabel(unit, fontsize=7)
    is_stacked = "custom" in panel["fieldConfig"]["defaults"]
    colours = [own.get(name, COLOURS[place % len(COLOURS)]) for place, (name, _, _) in enumerate(series)]
    if is_stacked and series:
        # Only where every line has a value: a stack of parts would be another one.
        common = sorted(set.intersection(*(set(map(round, at_s)) for _, at_s, _ in series)))
        values = [dict(zip(map(round, at_s), of, strict=True)) for _, at_s, of in series]
        stack = [[one[at_s] * factor for at_s in common] for one in values]
        axes.stackplot(common, stack, labels=[name for name, _, _ in series], colors=colours, alpha=0.7)
    else:
        for (name, at_s, values_of), colour in zip(series, colours, strict=True):
            axes.plot(at_s, [value * factor for value in values_of], label=name, color=colour, linewidth=1.2)
    axes.set_ylim(bottom=0)
    if series:
        handles, names = axes.get_legend_handles_labels()
        axes.legend(handles[:NAMES], names[:NAMES], fontsize=6, loc="upper left", framealpha=0.7, ncols=2)
    else:
        axes.text(0.5, 0.5, "nothing happened", transform=axes.transAxes, ha="center", color="#888888")


def _stat(axes: Axes, panel: dict[str, Any], series: list[Any], unit: str, factor: float) -> None:
    axes.set_axis_off()
    value = f"{series[0][2] * factor:.3g} {unit}" if series else "no value"
    axes.text(0.0, 0.3, value, fontsize=20, transform=axes.transAxes, color=COLOURS[0])


def _bars(axes: Axes, panel: dict[str, Any], series: list[Any], unit: str, factor: float) -> None:
    own = _own_colours(panel)
    names = [name for name, _, _ in series]
    values = [value * factor for _, _, value in series]
    bars = axes.barh(names, values, color=[own.get(name, COLOURS[0]) for name in names])
    axes.bar_label(bars, labels=[f"{value:.1f} {unit}" for value in values], fontsize=7, padding=2)
    axes.invert_yaxis()
    axes.set_xlim(right=1.25 * max(values, default=1.0))
    axes.tick_params(labelsize=7)


def _table(axes: Axes, panel: dict[str, Any], series: list[Any], unit: str, factor: float) -> None:
    axes.set_axis_off()
    hidden = {"__name__", "job", "instance"}
    rows = [
        ", ".join(f"{key} {value[:16]}" for key, value in labels.items() if key not in hidden)
        for _, labels, _ in series
    ]
    for place, text in enumerate(rows[:6]):
        half = text.rfind(",", 0, 60) + 1 if len(text) > 60 else 0
        shown = f"{text[:half]}\n  {text[half:].strip()}" if half else text
        axes.text(0.0, 0.9 - 0.2 * place, shown, fontsize=6, va="top", transform=axes.transAxes)


def _own_colours(panel: dict[str, Any]) -> dict[str, str]:
    return {
        one["matcher"]["options"]: one["properties"][0]["value"]["fixedColor"]
        for one in panel["fieldConfig"]["overrides"]
    }


_WITHOUT_TIME = {"stat": _stat, "bargauge": _bars, "table": _table}


if __name__ == "__main__":
    main()
