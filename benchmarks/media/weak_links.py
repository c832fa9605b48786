"""What a page in Chromium sees behind a slow router, beside aiortc's plain echo on the same links.

    tests/in_namespace.sh python -m benchmarks.media.weak_links [--only 1-10] [--browser firefox]

Browser, router and server have a network namespace each. The router's two cables carry nothing but the call:
a token bucket (tc) with 200 ms of buffer makes each way narrow, iptables drops datagrams at random, and a
TUN device delays them. Each design is measured on each link in turn: from the first picture on for so many
seconds, then with the limit gone. Prints a row per link and design. Needs the Debian packages iptables and
iproute2, and /dev/net/tun for the links that delay.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx
import numpy as np

from benchmarks.media.weak_browsers import BROWSERS, AnyPage, Started
from benchmarks.media.weak_wires import LINKS, SERVER, Link, Wires
from harness.browser import frames, new_pictures, served, shown, shown_so_far
from harness.deadline import eventually
from harness.namespaces import Network, network
from harness.pages import write_pages
from harness.services import Process

PORT = 7860
PICTURE_BITS_PER_S = 1_500_000
"""What 640x480 wants (media/bitrate.py)."""
FULL = 0.8
SETTLED_S = 5.0
SAMPLE_S = 0.25
_START_S = 40.0
_TRAFFIC = """async () => {
  const sum = { up: 0, bytes: 0, packets: 0, lost: 0 };
  for (const connection of connections) {
    for (const report of (await connection.getStats()).values()) {
      if (report.type === "outbound-rtp") sum.up += report.bytesSent + (report.headerBytesSent ?? 0);
      if (report.type !== "inbound-rtp" || report.kind !== "video") continue;
      sum.bytes += report.bytesReceived + (report.headerBytesReceived ?? 0);
      sum.packets += report.packetsReceived;
      sum.lost += report.packetsLost;
    }
  }
  return sum;
}"""
_NEWEST_SIZE = """(() => {
  const { width, height } = meter.rows("filtered").at(-1);
  return [width, height];
})()"""


@dataclass(slots=True)
class Measured:
    """What the page saw."""

    link: str
    design: str
    p50_ms: float
    p95_ms: float
    max_ms: float
    fps: float
    longest_gap_s: float
    first_s: float
    """From the opening of the page to the first picture."""
    lost: float
    """Part of the packets that came never, of those after the first 5 s."""
    down_mbit_s: float
    """After the first 5 s, headers of RTP included."""
    up_mbit_s: float
    used: float
    """Part of what the link and the picture allow."""
    queue_up_ms: float | None
    queue_down_ms: float | None
    """What waits before each limit, p95 of samples after the first 5 s; no load of this host is in it."""
    full_after_s: float | None
    """From the end of the limit until the picture comes whole and at its full rate."""
    load: float
    """Of this host, the mean of the last minute (load average): over its cores, times count for little."""
    sizes: dict[str, int] = field(default_factory=dict)


async def measure(
    link: Link, design: str, wires: Wires, url: str, browser: Started, seconds: float
) -> Measured:
    """Call over the weak link, and record what the page shows from the first picture on."""
    async with browser as open_page:
        with ExitStack() as limit:
            limit.enter_context(wires.weak(link))
            opened_s = time.monotonic()
            async with open_page(url) as page:
                await frames(page, 1, _START_S)
                first_s, from_ms = time.monotonic() - opened_s, (await shown(page))[0].at_ms
                await asyncio.sleep(SETTLED_S)
                before, before_s = await page.evaluate(_TRAFFIC), time.monotonic()
                with wires.watched(link) as queues_ms:
                    await asyncio.sleep(seconds - SETTLED_S)
                after, took_s = await page.evaluate(_TRAFFIC), time.monotonic() - before_s
                rows, to_ms = await shown_so_far(page)
                limit.close()
                is_narrow = link.down is not None and not link.is_own
                full_after_s = await _full_after_s(page) if is_narrow else None
    rows = new_pictures(rows)
    gaps_s = [(b - a) / 1e3 for a, b in pairwise([from_ms, *(row.at_ms for row in rows), to_ms])]
    ages_ms = [row.age_ms for row in rows if row.age_ms is not None]
    traffic = {name: after[name] - before[name] for name in after}
    bits_per_s = 8 * traffic["bytes"] / took_s
    return Measured(
        link=link.name,
        design=design,
        p50_ms=float(np.percentile(ages_ms, 50)),
        p95_ms=float(np.percentile(ages_ms, 95)),
        max_ms=max(ages_ms),
        fps=len(rows) / ((to_ms - from_ms) / 1e3),
        longest_gap_s=max(gaps_s),
        first_s=first_s,
        lost=max(traffic["lost"], 0) / max(traffic["packets"] + traffic["lost"], 1),
        down_mbit_s=bits_per_s / 1e6,
        up_mbit_s=8e-6 * traffic["up"] / took_s,
        used=bits_per_s / min(link.down or PICTURE_BITS_PER_S, PICTURE_BITS_PER_S),
        queue_up_ms=queues_ms[0],
        queue_down_ms=queues_ms[1],
        full_after_s=full_after_s,
        load=os.getloadavg()[0],
        sizes=dict(Counter(f"{row.width}x{row.height}" for row in rows)),
    )


async def _full_after_s(page: AnyPage) -> float | None:
    """Return how long it takes until pictures of 640x480 come at their full rate; None: over 15 s."""
    began_s = time.monotonic()
    before, before_s = await page.evaluate(_TRAFFIC), began_s
    while (now_s := time.monotonic()) - began_s < 15:
        await asyncio.sleep(SAMPLE_S)
        after, after_s = await page.evaluate(_TRAFFIC), time.monotonic()
        bits_per_s = 8 * (after["bytes"] - before["bytes"]) / (after_s - before_s)
        before, before_s = after, after_s
        width, height = await page.evaluate(_NEWEST_SIZE)
        if (width, height) == (640, 480) and bits_per_s >= FULL * PICTURE_BITS_PER_S:
            return now_s - began_s
    return None


@asynccontextmanager
async def service(far: Network, folder: Path, flags: list[str]) -> AsyncIterator[str]:
    """Start this service and a worker in the far network; gives the page's address."""
    results = f"ipc://{folder}/results.ipc"
    mine = [
        "--host",
        SERVER,
        "--port",
        str(PORT),
        "--results-bind",
        results,
        "--ice-addresses",
        SERVER,
        "--open",
    ]
    worker = ["--filters", "passthrough", "--device", "cpu", "--signaling", results]
    processes = [
        _python(far, folder, "signaling_service", [*mine, *flags]),
        _python(far, folder, "inference_service", worker),
    ]
    write_pages(folder, f"http://{SERVER}:{PORT}", {"data-filter": "passthrough"})
    async with _running(processes):
        yield "/"


@asynccontextmanager
async def echo(far: Network, folder: Path, flags: list[str]) -> AsyncIterator[str]:
    """Start aiortc's plain echo in the far network; gives the page's address."""
    mine = ["--host", SERVER, "--port", str(PORT), "--ice-addresses", SERVER]
    write_pages(folder, "")
    async with _running([_python(far, folder, "benchmarks.designs.echo", mine)]):
        yield f"/article.html?server=http://{SERVER}:{PORT}"


DESIGNS = {"service": service, "echo": echo}


def _python(network: Network, folder: Path, module: str, flags: list[str]) -> Process:
    argv = network.command(sys.executable, "-m", module, *flags)
    return Process(module, argv, folder / f"{module}.log", {"OMP_NUM_THREADS": "1"})


@asynccontextmanager
async def _running(processes: list[Process]) -> AsyncIterator[None]:
    for process in processes:
        process.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://{SERVER}:{PORT}", trust_env=False) as http:

            async def is_ready() -> bool:
                assert all(process.is_running for process in processes), [one.output() for one in processes]
                try:
                    return (await http.get("/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(is_ready, _START_S, "an answer")
        yield
    finally:
        for process in processes:
            await process.stop()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", default="", help="names of links, comma-separated")
    parser.add_argument("--design", default="", choices=["", *DESIGNS], help="one of the two")
    parser.add_argument("--browser", default="chromium", choices=[*BROWSERS])
    parser.add_argument("--flags", default="", help="more flags for the signaling service")
    wanted = parser.parse_args()
    chosen = [link for link in LINKS if not wanted.only or link.name in wanted.only.split(",")]
    if missing := [tool for tool in ("iptables", "tc") if shutil.which(tool) is None]:
        parser.error(f"no {' and no '.join(missing)} here: apt-get install iptables iproute2")
    with network() as router, network() as far, tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        wires = Wires(router, far)
        for link in chosen:
            for name, start in DESIGNS.items():
                if wanted.design in ("", name):
                    with served(folder) as url:
                        async with start(far, folder, wanted.flags.split()) as path:
                            browser = BROWSERS[wanted.browser](folder)
                            found = await measure(link, name, wires, url + path, browser, wanted.seconds)
                    print(json.dumps(_rounded(asdict(found))))
                    sys.stdout.flush()


def _rounded(found: dict[str, object]) -> dict[str, object]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in found.items()}


if __name__ == "__main__":
    asyncio.run(main())
