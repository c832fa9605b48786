"""Calls from networks of many kinds: when the first picture comes, how late pictures are, when they stop.

    sh tests/in_namespace.sh python -m benchmarks.media.reach [--seconds 20] [--only open,udp-blocked]

The services and a TURN server run in one network namespace, Chromium in another; between them lie two
routers. Each row is a new service, a new browser and a new call of 640x480 at 30 fps. Prints a table.
Needs the Debian packages iptables, iproute2 and, for the rows of relays, coturn; the row of a long way needs
/dev/net/tun.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import mimetypes
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from playwright.async_api import Page, Route

from benchmarks.media.network_kinds import CASES, RELAY, SERVICE, SERVICE_6, Case, between, rebind
from harness import turn
from harness.browser import chromium, frames, new_pictures, opened, shown_so_far
from harness.certificate import write_certificate
from harness.namespaces import Network
from harness.pages import write_pages
from harness.picture import Picture, write_camera
from harness.services import Services

PORT = 20_000
WARM_UP_MS = 5_000.0
FREEZE_MS = 500.0
_START_S = 60.0
_CALL = "p2pcamera.sessions[0].id"
_WAY = """(async () => {
  const report = await p2pcamera.sessions[0].getStats();
  const transport = [...report.values()].find(({ type }) => type === "transport");
  const pair = report.get(transport.selectedCandidatePairId);
  const local = report.get(pair.localCandidateId);
  const remote = report.get(pair.remoteCandidateId);
  const version = remote.address.includes(":") ? 6 : 4;
  const way = local.candidateType === "relay" ? `relay by ${local.relayProtocol}` : remote.protocol;
  return `${way}, IPv${version}`;
})()"""


@asynccontextmanager
async def called(case: Case, folder: Path, camera: Path) -> AsyncIterator[tuple[Page, Network]]:
    """Open a page there, which calls as any page does; gives it and the router beside it."""
    certificate = write_certificate(folder, SERVICE, RELAY, SERVICE_6)
    flags = ["--host", "::", "--open", "--processes", "1", "--ice-addresses", f"{SERVICE},{SERVICE_6}"]
    flags += ["--public-ip", f"{SERVICE},{SERVICE_6}", "--udp-port", str(PORT), "--tcp-port", str(PORT)]
    if case.has_relay:
        flags += ["--ice-servers", json.dumps(turn.servers(RELAY))]
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(Services(folder, certificate=certificate))
        far, router = stack.enter_context(between(case, services.port))
        services.start_signaling(*flags)
        services.start_light_worker("invert")
        await services.ready({"invert": 1})
        if case.has_relay:
            await stack.enter_async_context(turn.turn_server(folder, RELAY, SERVICE, certificate))
        server = f"https://[{SERVICE_6}]" if case.is_ipv6 else f"https://{SERVICE}"
        write_pages(site := folder / "site", server, {"data-filter": "invert"})
        trusting = ["--ignore-certificate-errors"]
        browser = await stack.enter_async_context(chromium(camera, network=far, more=trusting))
        page = await stack.enter_async_context(opened(browser, "about:blank"))

        async def answer(route: Route) -> None:
            path = site / urlsplit(route.request.url).path.removeprefix("/site/")
            kind = mimetypes.guess_type(path.name)[0] or "text/plain"
            await route.fulfill(body=path.read_bytes(), content_type=kind)

        await page.route("**/site/*", answer)
        await page.goto(f"{server}/site/index.html")
        yield page, router


async def measure(case: Case, folder: Path, camera: Path, seconds: float) -> list[str]:
    """Return the cells of the case's row."""
    async with called(case, folder, camera) as (page, router):
        await frames(page, 1, _START_S)
        began_ms = (await page.evaluate("opened"))["began"]
        call = await page.evaluate(_CALL)
        await asyncio.sleep(seconds / 2)
        if case.rebinds:
            rebind(router)
        await asyncio.sleep(seconds / 2)
        rows, ended_ms = await shown_so_far(page)
        way = str(await page.evaluate(_WAY)) + (", a new call" if await page.evaluate(_CALL) != call else "")
    fresh = new_pictures(rows)
    ages = [row.age_ms for row in fresh if row.age_ms is not None and row.at_ms > fresh[0].at_ms + WARM_UP_MS]
    gaps = [b - a for a, b in pairwise([*(row.at_ms for row in fresh), ended_ms])]
    return [
        case.name,
        way,
        f"{fresh[0].at_ms - began_ms:,.0f}",
        *(f"{value:,.0f}" for value in (*np.percentile(ages, (50, 95)), max(ages))),
        f"{len(ages) / (seconds - WARM_UP_MS / 1e3):.0f}",
        f"{sum(gap > FREEZE_MS for gap in gaps)}",
        f"{max(gaps):,.0f}",
        ", ".join(dict.fromkeys(f"{row.width}x{row.height}" for row in fresh)),
        f"{os.getloadavg()[0]:.1f}",
    ]


async def main() -> None:
    """Print the table, a row as soon as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", default=",".join(case.name for case in CASES))
    given = parser.parse_args()
    heads = ["network", "way", "first picture ms", "p50 ms", "p95 ms", "max ms", "pictures/s", "gaps > 0.5 s"]
    heads += ["longest gap ms", "sizes", "load average"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        write_camera(camera := Path(folder) / "camera.y4m", Picture(mark=1))
        for case in CASES:
            if case.name not in given.only.split(","):
                continue
            if case.has_relay and not turn.is_installed():
                print(f"| {case.name} | needs coturn |", flush=True)
                continue
            (own := Path(folder) / case.name).mkdir()
            try:
                cells = await measure(case, own, camera, given.seconds)
            except AssertionError as exc:
                cells = [case.name, f"no picture: {exc}"[:200]]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
