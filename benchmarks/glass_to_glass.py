"""Glass-to-glass latency in Chromium, beside the article's design, at the same size and in the same run.

    python -m benchmarks.glass_to_glass [--seconds 15] [--only invert-90,baseline-90] [--out benchmarks/out]

The camera plays a picture that carries a counter. The page reads the counter of each frame that the original
and the filtered video present (requestVideoFrameCallback, so quantised to a screen refresh); the latency of a
frame is the time between the two. Prints a table, writes glass_to_glass.json and glass_to_glass.png.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from playwright.async_api import Browser, Page

from tests.e2e.browser import chromium, forget, frames, opened, served, shown
from tests.e2e.deadline import eventually
from tests.e2e.pages import write_pages
from tests.e2e.picture import Picture, write_y4m
from tests.e2e.services import ROOT, Process, Services, free_port, in_namespace

START_KBIT = 1500
"""What both directions can use of VP8 (aiortc's cap), so what the baseline's page asks for in the answer."""
OTHERS_CPU_PERCENT = 30
"""Over this much of a core for other work, two cores are too few for the baseline to keep up."""
NOISE = 2.0
"""Standard deviation of the camera's sensor, in levels of 255."""
_WARM_UP_S = 4.0
_START_S = 30.0


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure."""

    name: str
    is_baseline: bool
    filter: str
    busy_ms: int
    workers: int = 1


CASES = (
    Case("baseline-passthrough", True, "passthrough", 0),
    Case("passthrough", False, "passthrough", 0),
    Case("baseline-0", True, "invert", 0),
    Case("invert-0", False, "invert", 0),
    Case("baseline-30", True, "invert", 30),
    Case("invert-30", False, "invert", 30),
    Case("baseline-90", True, "invert", 90),
    Case("invert-90", False, "invert", 90),
    Case("invert-90-three-workers", False, "invert", 90, workers=3),
)
BOUNDS = (
    # What is compared, with what, and the most (or least) that was aimed at.
    ("p50 at busy_ms 0, of the baseline's", "invert-0", "baseline-0", 0.45),
    ("p50 at busy_ms 90, of the baseline's", "invert-90", "baseline-90", 0.85),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one case gave; all of the same stretch of time."""

    name: str
    p50_ms: float
    p95_ms: float
    max_ms: float
    fps: float
    """Frames per second that the browser received and decoded."""
    shown_fps: float
    """Different pictures that it presented; two that fall into one refresh of the screen count as one."""
    camera_fps: float
    """The same of the original: below 30 the machine was too busy for any figure here to count."""
    sent_size: str
    returned_size: str
    sent_mbit_s: float
    returned_mbit_s: float
    cpu_percent: dict[str, float]
    """By process, children included; 100 is one core."""
    others_cpu_percent: float
    """What everything else on this machine used."""
    ages_ms: list[float]


async def measure(case: Case, camera: Path, folder: Path, seconds: float) -> Measured:
    """Start what the case needs, let a page run warm, and record it for so many seconds."""
    pages = folder / case.name
    pages.mkdir()
    if case.is_baseline:
        async with _baseline(case, pages) as (server, processes), _page(camera, pages) as (browser, url):
            address = f"{url}/article.html?server={server}&kbit={START_KBIT}"
            async with opened(browser, address) as page:
                return await _record(case, page, processes, seconds)
    async with Services(pages) as services, _page(camera, pages) as (browser, url):
        workers = await services.start(case.filter, case.workers)
        assert services.signaling is not None
        params = json.dumps({"busy_ms": case.busy_ms})
        write_pages(pages, services.url, {"data-filter": case.filter, "data-params": params})
        async with opened(browser, url) as page:
            return await _record(case, page, [services.signaling, *workers], seconds)


@asynccontextmanager
async def _baseline(case: Case, folder: Path) -> AsyncIterator[tuple[str, list[Process]]]:
    port = free_port()
    argv = [sys.executable, "-m", "benchmarks.baseline", "--port", str(port), "--busy-ms", str(case.busy_ms)]
    argv += ["--invert"] if case.filter == "invert" else []
    argv += [] if in_namespace() else ["--ice-addresses", "127.0.0.1"]
    process = Process("baseline", argv, folder / "baseline.log")
    write_pages(folder, "")
    process.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

            async def is_ready() -> bool:
                try:
                    return (await http.get("/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(is_ready, _START_S, f"the baseline answers; it said: {process.output()}")
        yield f"http://127.0.0.1:{port}", [process]
    finally:
        await process.stop()


@asynccontextmanager
async def _page(camera: Path, folder: Path) -> AsyncIterator[tuple[Browser, str]]:
    with served(folder) as url:
        async with chromium(camera) as browser:
            yield browser, url


async def _record(case: Case, page: Page, processes: list[Process], seconds: float) -> Measured:
    await frames(page, 30, _START_S)
    await asyncio.sleep(_WARM_UP_S)
    watched = {process.name: [psutil.Process(process.pid)] for process in processes}
    watched["browser"] = [child for child in psutil.Process().children() if "chrom" in _command(child)]
    busy_before_s = _busy_s()
    cpu_before_s = {name: _cpu_s(group) for name, group in watched.items()}
    before = await page.evaluate("window.traffic()")
    began_ms, began_s = await forget(page), time.monotonic()
    await asyncio.sleep(seconds)
    filtered, original = await shown(page), await shown(page, "original")
    after = await page.evaluate("window.traffic()")
    took_s = time.monotonic() - began_s
    cpu = {name: (_cpu_s(group) - cpu_before_s[name]) / took_s * 100 for name, group in watched.items()}
    others = (_busy_s() - busy_before_s) / took_s * 100 - sum(cpu.values())
    ages = [row.age_ms for row in filtered if row.age_ms is not None]
    shown_s = (filtered[-1].at_ms - began_ms) / 1e3

    def mbit_s(name: str) -> float:
        return float((after[name] - before[name]) * 8 / 1e6 / took_s)

    sizes = sorted({f"{row.width}x{row.height}" for row in filtered})
    return Measured(
        name=case.name,
        p50_ms=float(np.percentile(ages, 50)),
        p95_ms=float(np.percentile(ages, 95)),
        max_ms=max(ages),
        fps=(after["frames"] - before["frames"]) / took_s,
        shown_fps=_different([row.counter for row in filtered]) / shown_s,
        camera_fps=_different([row.counter for row in original]) / shown_s,
        sent_size=f"{after['sentWidth']}x{after['sentHeight']}",
        returned_size=", ".join(sizes),
        sent_mbit_s=mbit_s("sentBytes"),
        returned_mbit_s=mbit_s("receivedBytes"),
        cpu_percent=cpu,
        others_cpu_percent=max(0.0, others),
        ages_ms=ages,
    )


def _different(counters: list[int | None]) -> int:
    """Count changes; a set would lose frames once the camera's file has begun again."""
    return sum(one != other for one, other in pairwise(counters))


def _command(process: psutil.Process) -> str:
    """Return the name of a process or of one of its children: Chromium hides behind Playwright's driver."""
    try:
        return " ".join([process.name(), *(child.name() for child in process.children(recursive=True))])
    except psutil.NoSuchProcess:
        return ""


def _cpu_s(group: list[psutil.Process]) -> float:
    total_s = 0.0
    for top in group:
        for process in (top, *top.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total_s += times.user + times.system
    return total_s


def _busy_s() -> float:
    """Return the CPU time that all processes of the machine have used."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def table(results: list[Measured]) -> str:
    """Return the figures as text, one line a case."""
    head = ("case", "p50", "p95", "max", "fps", "fps", "camera", "sent", "returned", "CPU %")
    rows: list[tuple[str, ...]] = [
        head,
        ("", "ms", "ms", "ms", "back", "shown", "fps", "Mbit/s", "Mbit/s", ""),
    ]
    for one in results:
        shares = {**one.cpu_percent, "others": one.others_cpu_percent}
        cpu = "  ".join(f"{name} {value:.0f}" for name, value in shares.items())
        rows.append(
            (
                one.name,
                *(f"{value:.0f}" for value in (one.p50_ms, one.p95_ms, one.max_ms)),
                *(f"{value:.1f}" for value in (one.fps, one.shown_fps, one.camera_fps)),
                f"{one.sent_size} {one.sent_mbit_s:.2f}",
                f"{one.returned_size} {one.returned_mbit_s:.2f}",
                cpu,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def verdicts(by_name: Mapping[str, Measured]) -> list[str]:
    """Return a line for each figure aimed at that this run can tell."""
    lines = []
    for what, ours, baseline, most in BOUNDS:
        if ours in by_name and baseline in by_name:
            ratio = by_name[ours].p50_ms / by_name[baseline].p50_ms
            lines.append(f"{what}: {ratio:.2f} (at most {most})")
    if three := by_name.get("invert-90-three-workers"):
        lines.append(f"fps at busy_ms 90 with three workers: {three.fps:.1f} (at least 28)")
    disturbed = [one.name for one in by_name.values() if one.others_cpu_percent > OTHERS_CPU_PERCENT]
    if disturbed:
        lines.append(f"This machine was busy with other work, so do not count: {', '.join(disturbed)}")
    return lines


def plot(results: list[Measured], path: Path) -> None:
    """Draw the distribution of each case's latencies."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 0.55 * len(results) + 1.6), layout="constrained")
    for place, one in enumerate(reversed(results)):
        is_baseline = one.name.startswith("baseline")
        colour = "#999999" if is_baseline else "#1f6fb2"
        axes.barh(place, one.p95_ms, color=colour, alpha=0.35)
        axes.barh(place, one.p50_ms, color=colour)
        axes.text(
            one.p95_ms, place, f" {one.p50_ms:.0f} / {one.p95_ms:.0f} ms, {one.fps:.0f} fps", va="center"
        )
    axes.set_yticks(range(len(results)), [one.name for one in reversed(results)])
    axes.set_xlim(0, 1.35 * max(one.p95_ms for one in results))
    axes.set_xlabel("glass to glass, ms: p50 (solid) and p95")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    packages = ("aiortc", "av", "pyzmq", "torch", "playwright")
    return {
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "route": "network namespace" if in_namespace() else "loopback",
    }


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--only", help="names of cases, joined by commas")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "out")
    wanted = parser.parse_args()
    names = wanted.only.split(",") if wanted.only else [case.name for case in CASES]
    if unknown := set(names) - {case.name for case in CASES}:
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {[case.name for case in CASES]}")
    about = machine()
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        camera = folder / "camera.y4m"
        write_y4m(camera, Picture(noise=NOISE))
        for case in CASES:
            if case.name in names:
                print(f"{case.name} ...", file=sys.stderr)
                results.append(await measure(case, camera, folder, wanted.seconds))
    by_name = {one.name: one for one in results}
    print(table(results))
    print("\n".join(verdicts(by_name)))
    wanted.out.mkdir(parents=True, exist_ok=True)
    report = {"machine": about, "seconds": wanted.seconds, "results": [asdict(one) for one in results]}
    (wanted.out / "glass_to_glass.json").write_text(json.dumps(report, indent=1))
    plot(results, wanted.out / "glass_to_glass.png")


if __name__ == "__main__":
    asyncio.run(main())
