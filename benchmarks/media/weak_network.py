"""What a page in Chromium sees over a network that loses packets, or is narrow, or goes away for a while.

    tests/in_namespace.sh python -m benchmarks.media.weak_network [--seconds 20] [--only loss-3,narrow-700k]

The services run in a network namespace of their own. A cable leads there from the one that the browser is in,
and carries nothing but HTTP and media: iptables drops datagrams on it, a token bucket (tc) makes it narrow.
Each way has its own queue. Prints a line of JSON per case. Needs the Debian packages iptables and iproute2.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import httpx
import numpy as np
from playwright.async_api import Page

from harness.browser import (
    chromium,
    forget,
    frames,
    new_pictures,
    opened,
    served,
    shown,
    shown_so_far,
)
from harness.deadline import eventually
from harness.namespaces import HERE, Network, cable, network
from harness.pages import write_pages
from harness.picture import Picture, write_camera
from harness.services import Process

NEAR, FAR = "10.99.0.1", "10.99.0.2"
PORT = 7860
FREEZE_S = 0.2
"""Longer without a new picture is what a person calls a freeze."""
_START_S = 40.0

Wire = tuple[tuple[Network, str], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A network: its loss each way, its width each way, and how long it goes away in the middle."""

    name: str
    loss: float = 0.0
    bits_per_s: int | None = None
    outage_s: float = 0.0


CASES = (
    Case("good"),
    Case("loss-3", loss=0.03),
    Case("loss-10", loss=0.1),
    Case("narrow-700k", bits_per_s=700_000),
    Case("outage-3s", outage_s=3.0),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the page saw."""

    case: str
    shown_fps: float
    p50_ms: float
    p95_ms: float
    freezes: int
    longest_freeze_s: float
    back_after_s: float | None
    """From the end of the outage to the next picture."""
    key_frames: int
    sent_mbit_s: float
    returned_mbit_s: float
    returned_mbit_s_first_2s: float
    returned_size: str


def weaken(wire: Wire, case: Case) -> Callable[[], None]:
    """Make both ends of the cable as the case says; returns what mends them."""
    done: list[tuple[Network, list[str]]] = []
    for end, name in wire:
        if case.loss:
            rule = f"INPUT -i {name} -p udp -m statistic --mode random --probability {case.loss} -j DROP"
            end.run("iptables", "-A", *rule.split())
            done.append((end, ["iptables", "-D", *rule.split()]))
        if case.bits_per_s:
            shape = f"dev {name} root tbf rate {case.bits_per_s}bit burst 10kb latency 300ms"
            end.run("tc", "qdisc", "add", *shape.split())
            done.append((end, ["tc", "qdisc", "del", "dev", name, "root"]))

    def mend() -> None:
        for end, command in done:
            end.run(*command)

    return mend


async def measure(case: Case, wire: Wire, site: tuple[Path, str], camera: Path, seconds: float) -> Measured:
    """Call over the weakened network and watch the returned picture from the first frame on."""
    _, url = site
    mend = weaken(wire, case)
    back_after_s = None
    try:
        async with chromium(camera) as browser, opened(browser, url) as page:
            await frames(page, 1, _START_S)
            before, began_s, began_ms = (
                await page.evaluate("window.traffic()"),
                time.monotonic(),
                await forget(page),
            )
            await asyncio.sleep(2)
            early, early_s = await page.evaluate("window.traffic()"), time.monotonic()
            if case.outage_s:
                await asyncio.sleep(3)
                back_after_s = await _outage(page, wire, case.outage_s)
            await asyncio.sleep(max(0.0, began_s + seconds - time.monotonic()))
            rows, ended_ms = await shown_so_far(page)
            after, took_s = await page.evaluate("window.traffic()"), time.monotonic() - began_s
    finally:
        mend()
    fresh = new_pictures(rows)
    times_ms = [row.at_ms for row in fresh]
    gaps_s = [(b - a) / 1e3 for a, b in pairwise([began_ms, *times_ms, ended_ms])]
    ages = [row.age_ms for row in fresh if row.age_ms is not None]
    return Measured(
        case=case.name,
        shown_fps=len(times_ms) / took_s,
        p50_ms=float(np.percentile(ages, 50)),
        p95_ms=float(np.percentile(ages, 95)),
        freezes=sum(gap_s > FREEZE_S for gap_s in gaps_s),
        longest_freeze_s=max(gaps_s),
        back_after_s=back_after_s,
        key_frames=after["keyFrames"] - before["keyFrames"],
        sent_mbit_s=(after["sentBytes"] - before["sentBytes"]) * 8e-6 / took_s,
        returned_mbit_s=(after["receivedBytes"] - before["receivedBytes"]) * 8e-6 / took_s,
        returned_mbit_s_first_2s=(early["receivedBytes"] - before["receivedBytes"])
        * 8e-6
        / (early_s - began_s),
        returned_size=",".join(sorted({f"{row.width}x{row.height}" for row in rows})),
    )


async def _outage(page: Page, wire: Wire, for_s: float) -> float:
    mend = weaken(wire, Case("outage", loss=1.0))
    await asyncio.sleep(for_s)
    had = len(new_pictures(await shown(page)))
    mend()
    began_s = time.monotonic()

    async def is_back() -> bool:
        return len(new_pictures(await shown(page))) > had

    await eventually(is_back, 30.0, "a picture after the outage")
    return time.monotonic() - began_s


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", default="", help="names of cases, comma-separated")
    parser.add_argument("--signaling", default="", help="more flags for the signaling service")
    wanted = parser.parse_args()
    chosen = [case for case in CASES if not wanted.only or case.name in wanted.only.split(",")]
    if missing := [tool for tool in ("iptables", "tc") if shutil.which(tool) is None]:
        parser.error(f"no {' and no '.join(missing)} here: apt-get install iptables iproute2")
    with network() as far, tempfile.TemporaryDirectory() as folder_name, served(Path(folder_name)) as url:
        cable((HERE, "weak0", f"{NEAR}/24"), (far, "weak1", f"{FAR}/24"))
        folder = Path(folder_name)
        camera = folder / "camera.y4m"
        write_camera(camera, Picture(noise=2.0))
        results = f"ipc://{folder}/results.ipc"
        flags = ["--host", FAR, "--port", str(PORT), "--results-bind", results, "--ice-addresses", FAR]
        flags += ["--open"]
        services = [
            Process(
                "signaling",
                far.command(sys.executable, "-m", "signaling_service", *flags, *wanted.signaling.split()),
                folder / "signaling.log",
            ),
            Process(
                "worker",
                far.command(
                    *(sys.executable, "-m", "inference_service", "--filters", "passthrough"),
                    *("--device", "cpu", "--signaling", results),
                ),
                folder / "worker.log",
                {"OMP_NUM_THREADS": "1"},
            ),
        ]
        write_pages(folder, f"http://{FAR}:{PORT}", {"data-filter": "passthrough"})
        for service in services:
            service.start()
        try:
            await _ready(services)
            for case in chosen:
                measured = await measure(
                    case, ((HERE, "weak0"), (far, "weak1")), (folder, url), camera, wanted.seconds
                )
                print(
                    json.dumps(
                        {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(measured).items()}
                    )
                )
                sys.stdout.flush()
        finally:
            for service in services:
                await service.stop()


async def _ready(services: list[Process]) -> None:
    async with httpx.AsyncClient(base_url=f"http://{FAR}:{PORT}", trust_env=False) as http:

        async def is_ready() -> bool:
            try:
                return (await http.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(is_ready, _START_S, f"the services answer; {[one.output() for one in services]}")


if __name__ == "__main__":
    asyncio.run(main())
