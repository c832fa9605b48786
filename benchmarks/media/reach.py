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
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from playwright.async_api import Page, Route

from harness import turn
from harness.browser import Shown, chromium, frames, opened, shown
from harness.certificate import write_certificate
from harness.delay import delayed
from harness.namespaces import HERE, Network, cable, network
from harness.pages import write_pages
from harness.picture import Picture, write_camera
from harness.services import Services

SERVICE, RELAY, SERVICE_6 = "10.89.0.1", "10.89.0.2", "fd89::1"
PORT = 20_000
WARM_UP_MS = 5_000.0
FREEZE_MS = 500.0
_START_S = 60.0
_NAT = "-t nat -A POSTROUTING -o {wan} -j MASQUERADE --random-fully"
_ONLY_443 = ("-P OUTPUT DROP", "-A OUTPUT -o lo -j ACCEPT", "-A OUTPUT -p tcp --dport 443 -j ACCEPT")
_NO_UDP = ("-A OUTPUT -p udp -j DROP",)
_WAY = """(async () => {
  const report = await p2pcamera.sessions[0].getStats();
  const transport = [...report.values()].find(({ type }) => type === "transport");
  const pair = report.get(transport.selectedCandidatePairId);
  const local = report.get(pair.localCandidateId);
  const remote = report.get(pair.remoteCandidateId);
  return local.candidateType === "relay" ? `relay by ${local.relayProtocol}` : remote.protocol;
})()"""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of network."""

    name: str
    page: tuple[str, ...] = ()
    """Rules of the page's own firewall."""
    lossy: float = 0.0
    """Share of all packets that the first router drops, each way."""
    bits_per_s: int = 0
    """Width of the way to the page; 200 ms of it wait at most."""
    delay_ms: float = 0.0
    """Each way."""
    nats: int = 0
    rebinds: bool = False
    """In the middle of the call the NAT beside the page gives its flows another address and other ports."""
    has_relay: bool = False
    is_ipv6: bool = False


CASES = (
    Case("open"),
    Case("udp-blocked", _NO_UDP),
    Case("only-443", _ONLY_443, has_relay=True),
    Case("double-nat", nats=2),
    Case("double-nat-udp-blocked", _NO_UDP, nats=2),
    Case("nat-rebinding", nats=2, rebinds=True),
    Case("ipv6-only", is_ipv6=True),
    Case("round-trip-300", delay_ms=150.0),
    Case("loss-2", lossy=0.02),
    Case("loss-2-tcp", _NO_UDP, lossy=0.02),
    Case("loss-10", lossy=0.1),
    Case("loss-10-tcp", _NO_UDP, lossy=0.1),
    Case("narrow-1M", bits_per_s=1_000_000),
    Case("narrow-1M-tcp", _NO_UDP, bits_per_s=1_000_000),
    Case("narrow-600k-tcp", _NO_UDP, bits_per_s=600_000),
)


@contextmanager
def between(case: Case, https_port: int) -> Iterator[tuple[Network, Network]]:
    """Lay the cables as the case says; gives the namespaces of the page and of the router beside it."""
    with network() as outer, network() as inner, network() as far, ExitStack() as way:
        cable((HERE, "s0", f"{SERVICE}/24"), (outer, "o0", "10.89.0.254/24"))
        cable((outer, "o1", "10.90.0.1/24"), (inner, "i0", "10.90.0.254/24"))
        cable((inner, "i1", "10.91.0.1/24"), (far, "f0", "10.91.0.9/24"))
        HERE.run("ip", "address", "add", f"{RELAY}/24", "dev", "s0")
        ends = [(HERE, "s0", SERVICE_6), (outer, "o0", "fd89::fe"), (outer, "o1", "fd90::1")]
        ends += [(inner, "i0", "fd90::fe"), (inner, "i1", "fd91::1"), (far, "f0", "fd91::9")]
        for at, name, address in ends:
            at.run("ip", "address", "add", f"{address}/64", "dev", name, "nodad")
        for at, to_page, to_service in (
            (HERE, ("10.89.0.254", "fd89::fe"), None),
            (outer, ("10.90.0.254", "fd90::fe"), None),
            (inner, None, ("10.90.0.1", "fd90::1")),
            (far, None, ("10.91.0.1", "fd91::1")),
        ):
            at.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
            at.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
            for gateway in to_page or ():
                net = "fd90::/15" if ":" in gateway else "10.90.0.0/15"
                at.run("ip", "route", "add", net, "via", gateway)
            for gateway in to_service or ():
                at.run("ip", "-6" if ":" in gateway else "-4", "route", "add", "default", "via", gateway)
        for at, wan in ((outer, "o0"), (inner, "i0"))[: case.nats]:
            at.run("iptables", *_NAT.format(wan=wan).split())
        for rule in case.page:
            for program in ("iptables", "ip6tables"):
                far.run(program, *rule.split())
        if case.is_ipv6:
            for rule in ("-A OUTPUT -o lo -j ACCEPT", "-P OUTPUT DROP"):
                far.run("iptables", *rule.split())
        if case.lossy:
            rule = f"-A FORWARD -m statistic --mode random --probability {case.lossy} -j DROP"
            outer.run("iptables", *rule.split())
        if case.bits_per_s:
            shape = f"dev o1 root tbf rate {case.bits_per_s}bit burst 5kb latency 200ms"
            outer.run("tc", "qdisc", "add", *shape.split())
        if case.delay_ms:
            way.enter_context(delayed(outer, ("o0", "o1"), case.delay_ms))
        redirect = f"PREROUTING -i s0 -p tcp --dport 443 -j REDIRECT --to-ports {https_port}".split()
        tables = {"iptables": ["-d", SERVICE], "ip6tables": ["-d", SERVICE_6]}
        for program, to in tables.items():
            HERE.run(program, "-t", "nat", "-A", *redirect, *to)
        try:
            yield far, inner
        finally:
            for program, to in tables.items():
                HERE.run(program, "-t", "nat", "-D", *redirect, *to)


def rebind(router: Network) -> None:
    """Give the router another address: with the old one its masqueraded flows go, and their ports."""
    # One command, for the shortest time without an address.
    router.run(
        "sh",
        "-c",
        "ip -4 address flush dev i0 && ip address add 10.90.0.253/24 dev i0"
        " && ip route add default via 10.90.0.1",
    )


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
        await asyncio.sleep(seconds / 2)
        if case.rebinds:
            rebind(router)
        await asyncio.sleep(seconds / 2)
        rows = [row for row in await shown(page) if row.counter is not None]
        way = str(await page.evaluate(_WAY))
    fresh = _first_shown(rows)
    ages = [row.age_ms for row in fresh if row.age_ms and row.at_ms > fresh[0].at_ms + WARM_UP_MS]
    gaps = [b.at_ms - a.at_ms for a, b in pairwise(fresh)]
    return [
        case.name,
        way,
        f"{fresh[0].at_ms - began_ms:,.0f}",
        *(f"{value:,.0f}" for value in (*np.percentile(ages, (50, 95)), max(ages))),
        f"{len(ages) / (seconds - WARM_UP_MS / 1e3):.0f}",
        f"{sum(gap > FREEZE_MS for gap in gaps)}",
        f"{max(gaps):,.0f}",
        f"{fresh[-1].width}x{fresh[-1].height}",
    ]


def _first_shown(rows: list[Shown]) -> list[Shown]:
    """Keep of each picture when it was shown first."""
    return [*rows[:1], *(row for before, row in pairwise(rows) if row.counter != before.counter)]


async def main() -> None:
    """Print the table, a row as soon as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", default=",".join(case.name for case in CASES))
    given = parser.parse_args()
    heads = ["network", "way", "first picture ms", "p50 ms", "p95 ms", "max ms", "pictures/s", "gaps > 0.5 s"]
    heads += ["longest gap ms", "size"]
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
