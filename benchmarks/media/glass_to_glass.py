"""Glass-to-glass latency in Chromium: one session of one design, filtered by `invert`.

The camera plays a picture that carries a counter. The page reads the counter of each frame that the original
and the filtered video present (requestVideoFrameCallback, so quantised to a screen refresh). The latency of a
frame is the time between the two.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
from playwright.async_api import Browser, Page

from benchmarks.designs.servers import PATCHED_ECHO, Design, Load, Running, running
from benchmarks.figures import why_machine_not_counted
from benchmarks.watching import Sample, Watched, sample
from harness.browser import chromium, forget, frames, opened, served, shown
from harness.pages import write_pages

START_KBIT = 1500
"""What both directions can use of VP8 (aiortc's cap), so what a page asks for where the server does not."""
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
class Measured:
    """What one design gave; all of the same stretch of time."""

    design: str
    """Its title."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    fps: float
    """Frames per second that the browser received and decoded."""
    shown_fps: float
    """Different pictures that it presented; two that fall into one refresh of the screen count as one."""
    camera_fps: float
    """The same of the original: below 30 the machine was too busy for any figure here to count."""
    sent_size: str
    returned_size: str
    codec: str
    """Of what came back."""
    sent_mbit_s: float
    returned_mbit_s: float
    cpu_percent: dict[str, float]
    """By process, children included; 100 is one core."""
    others_cpu_percent: float
    """What everything else on this machine used."""
    stolen_percent: float
    """What other guests of the host took of its cores."""
    ages_ms: list[float]

    @property
    def why_not_counted(self) -> str:
        return why_machine_not_counted(self.others_cpu_percent, self.stolen_percent)


async def measure(design: Design, camera: Path, folder: Path, seconds: float) -> Measured:
    """Start the design, let a page run warm, and record it for so many seconds."""
    pages = folder / design.name
    pages.mkdir(parents=True, exist_ok=True)
    async with running(design, pages, Load()) as server, _page(camera, pages) as (browser, url):
        if design.has_worker:
            write_pages(pages, server.url, {"data-filter": server.body["filter"]})
            address = url
        else:
            write_pages(pages, "")
            kbit = "" if design is PATCHED_ECHO else f"&kbit={START_KBIT}"
            address = f"{url}/article.html?server={server.url}{kbit}"
        async with opened(browser, address) as page:
            return await _record(design, page, server, seconds)


@asynccontextmanager
async def _page(camera: Path, folder: Path) -> AsyncIterator[tuple[Browser, str]]:
    with served(folder) as url:
        async with chromium(camera) as browser:
            yield browser, url


async def _record(design: Design, page: Page, server: Running, seconds: float) -> Measured:
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
        design=design.title,
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
