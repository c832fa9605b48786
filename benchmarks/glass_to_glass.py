"""Glass-to-glass latency in Chromium: one session, each design beside the others in one run.

    python -m benchmarks.glass_to_glass [--seconds 15] [--only invert-90,baseline-90] [--out benchmarks/out]

The camera plays a picture that carries a counter. The page reads the counter of each frame that the original
and the filtered video present (requestVideoFrameCallback, so quantised to a screen refresh); the latency of a
frame is the time between the two. Prints a table, writes glass_to_glass.json and glass_to_glass.png.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
from playwright.async_api import Browser, Page

from benchmarks import glass_report
from benchmarks.glass_report import Measured
from benchmarks.machine import machine
from benchmarks.servers import ARTICLE, ECHO, FASTRTC, PATCHED_ECHO, SERVICE, Design, Load, Running, running
from benchmarks.watching import Sample, Watched, sample
from harness.browser import chromium, forget, frames, opened, served, shown
from harness.pages import write_pages
from harness.picture import Picture, write_y4m
from harness.services import ROOT

START_KBIT = 1500
"""What both directions can use of VP8 (aiortc's cap), so what a page asks for where the server does not."""
NOISE = 2.0
"""Standard deviation of the camera's sensor, in levels of 255."""
_WARM_UP_S = 4.0
_START_S = 30.0
_CODECS = """async () => {
  const names = new Set();
  for (const connection of connections) {
    const reports = await connection.getStats();
    for (const report of reports.values()) {
      if (report.type === "inbound-rtp" && report.kind === "video" && report.codecId) {
        names.add(reports.get(report.codecId).mimeType.replace("video/", ""));
      }
    }
  }
  return [...names];
}"""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure."""

    name: str
    design: Design
    load: Load


CASES = (
    Case("baseline-passthrough", ARTICLE, Load(filter="passthrough")),
    Case("passthrough", SERVICE, Load(filter="passthrough")),
    Case("baseline-0", ARTICLE, Load()),
    Case("echo", ECHO, Load()),
    Case("patched-echo", PATCHED_ECHO, Load()),
    Case("fastrtc-0", FASTRTC, Load()),
    Case("invert-0", SERVICE, Load()),
    Case("baseline-30", ARTICLE, Load(busy_ms=30)),
    Case("invert-30", SERVICE, Load(busy_ms=30)),
    Case("baseline-90", ARTICLE, Load(busy_ms=90)),
    Case("invert-90", SERVICE, Load(busy_ms=90)),
    Case("invert-90-three-workers", SERVICE, Load(busy_ms=90, workers=3)),
)
LEFT_OUT = ("fastrtc-0",)
"""Not measured unless they are named."""


async def measure(case: Case, camera: Path, folder: Path, seconds: float) -> Measured:
    """Start what the case needs, let a page run warm, and record it for so many seconds."""
    pages = folder / case.name
    pages.mkdir(parents=True, exist_ok=True)
    async with running(case.design, pages, case.load) as server, _page(camera, pages) as (browser, url):
        if case.design.has_worker:
            params = json.dumps(server.body["params"])
            write_pages(pages, server.url, {"data-filter": case.load.filter, "data-params": params})
            address = url
        else:
            write_pages(pages, "")
            kbit = "" if case.design is PATCHED_ECHO else f"&kbit={START_KBIT}"
            address = f"{url}/article.html?server={server.url}{kbit}"
        async with opened(browser, address) as page:
            return await _record(case, page, server, seconds)


@asynccontextmanager
async def _page(camera: Path, folder: Path) -> AsyncIterator[tuple[Browser, str]]:
    with served(folder) as url:
        async with chromium(camera) as browser:
            yield browser, url


async def _record(case: Case, page: Page, server: Running, seconds: float) -> Measured:
    await frames(page, 30, _START_S)
    await asyncio.sleep(_WARM_UP_S)
    watched = [*server.watched, *_browser()]
    before = sample(watched)
    traffic_before = await page.evaluate("window.traffic()")
    began_ms, began_s = await forget(page), time.monotonic()
    await asyncio.sleep(seconds)
    filtered, original = await shown(page), await shown(page, "original")
    traffic = await page.evaluate("window.traffic()")
    took_s = time.monotonic() - began_s
    after = sample(watched)
    codecs = await page.evaluate(_CODECS)
    cpu = {role: _percent(after, before, role) for role in after.cpu_s}
    span_s = after.at_s - before.at_s
    others = (after.machine_cpu_s - before.machine_cpu_s) / span_s * 100 - sum(cpu.values())
    ages = [row.age_ms for row in filtered if row.age_ms is not None]
    shown_s = (filtered[-1].at_ms - began_ms) / 1e3

    def mbit_s(name: str) -> float:
        return float((traffic[name] - traffic_before[name]) * 8 / 1e6 / took_s)

    p50_ms, p95_ms, p99_ms = (float(one) for one in np.percentile(ages, (50, 95, 99)))
    return Measured(
        name=case.name,
        design=case.design.title,
        busy_ms=case.load.busy_ms,
        p50_ms=p50_ms,
        p95_ms=p95_ms,
        p99_ms=p99_ms,
        max_ms=max(ages),
        fps=(traffic["frames"] - traffic_before["frames"]) / took_s,
        shown_fps=_different([row.counter for row in filtered]) / shown_s,
        camera_fps=_different([row.counter for row in original]) / shown_s,
        sent_size=f"{traffic['sentWidth']}x{traffic['sentHeight']}",
        returned_size=", ".join(sorted({f"{row.width}x{row.height}" for row in filtered})),
        codec=", ".join(codecs),
        sent_mbit_s=mbit_s("sentBytes"),
        returned_mbit_s=mbit_s("receivedBytes"),
        cpu_percent=cpu,
        others_cpu_percent=max(0.0, others),
        stolen_percent=(after.stolen_s - before.stolen_s) / span_s * 100,
        ages_ms=ages,
    )


def _different(counters: list[int | None]) -> int:
    """Count changes; a set would lose frames once the camera's file has begun again."""
    return sum(one != other for one, other in pairwise(counters))


def _percent(after: Sample, before: Sample, role: str) -> float:
    return (after.cpu_s[role] - before.cpu_s.get(role, 0.0)) / (after.at_s - before.at_s) * 100


def _browser() -> list[Watched]:
    """Return this process's children that are Chromium or, as Playwright's driver is, its parent."""
    found = []
    for child in psutil.Process().children():
        names = [child.name(), *(one.name() for one in child.children(recursive=True))]
        if any("chrom" in name for name in names):
            found.append(Watched("browser", child.pid))
    return found


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--only", help="names of cases, joined by commas")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "out")
    wanted = parser.parse_args()
    names = [case.name for case in CASES if case.name not in LEFT_OUT]
    names = wanted.only.split(",") if wanted.only else names
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
    print(glass_report.table(results))
    print("\n".join(glass_report.verdicts({one.name: one for one in results})))
    wanted.out.mkdir(parents=True, exist_ok=True)
    report = {"machine": about, "seconds": wanted.seconds, "results": [asdict(one) for one in results]}
    (wanted.out / "glass_to_glass.json").write_text(json.dumps(report, indent=1))
    glass_report.plot(results, wanted.out / "glass_to_glass.png")


if __name__ == "__main__":
    asyncio.run(main())
