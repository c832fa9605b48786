"""Hosts as network namespaces: services and workers on several, behind one address that calls go to.

Each host has a cable to this namespace, which forwards between them. The link is ZeroMQ over TCP, with keys.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx

from harness.chaos.callers import FILTER
from harness.deadline import eventually
from harness.namespaces import HERE, Network, cable, network
from harness.services import Process, free_port
from shared import link_keys

SERVICES, WORKERS = 2, 3
HTTP, RESULTS, FRAMES = 7860, 5556, 5557
KEY = "of-the-hosts"
READY_S = 120.0
DRAIN_S = 60.0


class Balancer:
    """Passes each connection on to a service that takes it, in turn, as a load balancer does."""

    def __init__(self, addresses: list[str]) -> None:
        self._turns = itertools.cycle(range(len(addresses)))
        self._addresses = addresses

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for _ in self._addresses:
                try:
                    far = await asyncio.open_connection(self._addresses[next(self._turns)], HTTP)
                except OSError:
                    continue
                ways = [(reader, far[1]), (far[0], writer)]
                await asyncio.gather(*(_copy(*way) for way in ways), return_exceptions=True)
                return
        finally:
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Hosts:
    """Two services and three workers, each on a host of its own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.port = free_port()
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {KEY}"},
            trust_env=False,
            timeout=10,
            # A connection that is kept would stay with one service.
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        keys = folder / "keys"
        link_keys.make(keys)
        HERE.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        nets = [self._host(place, stack) for place in range(SERVICES + WORKERS)]
        self.addresses = [address for _, address in nets[:SERVICES]]
        signaling = ",".join(f"tcp://{address}:{RESULTS}" for address in self.addresses)
        link = ["--link-keys", str(keys)]
        self.services, self.workers = [], []
        for net, address in nets[:SERVICES]:
            flags = ["--host", address, "--port", str(HTTP), "--results-bind", f"tcp://{address}:{RESULTS}"]
            flags += ["--processes", "1", "--max-sessions", "20", "--udp-port", "20000", "--api-key", KEY]
            flags += ["--drain-seconds", str(DRAIN_S), "--wait-seconds", "30", *link]
            self.services.append(_process(net, "signaling_service", flags, folder / f"service-{address}.log"))
        for net, address in nets[SERVICES:]:
            flags = ["--filters", FILTER, "--signaling", signaling, *link]
            flags += ["--frames-bind", f"tcp://{address}:{FRAMES}"]
            self.workers.append(
                _process(net, "harness.light_worker", flags, folder / f"worker-{address}.log")
            )

    async def ready(self) -> None:
        """Wait until each service knows all the workers."""

        async def are_ready() -> bool:
            for address in self.addresses:
                try:
                    url = f"http://{address}:{HTTP}/filters"
                    said = (await self.http.get(url)).json()["filters"]
                except (httpx.HTTPError, KeyError):
                    return False
                if [one["workers"] for one in said if one["name"] == FILTER] != [WORKERS]:
                    return False
            return True

        await eventually(are_ready, READY_S, "each service knows each worker")

    async def replace(self, process: Process) -> None:
        """End a part, start it again, and wait until all are ready: one step of a rolling restart."""
        await process.stop(DRAIN_S + 10)
        process.start()
        await self.ready()

    @asynccontextmanager
    async def cut(self, place: int) -> AsyncIterator[None]:
        """Take a host off the network for a while: the services are the first places."""
        HERE.run("ip", "link", "set", "dev", f"host{place}", "down")
        try:
            yield
        finally:
            HERE.run("ip", "link", "set", "dev", f"host{place}", "up")

    def output(self) -> str:
        return "\n".join(f"--- {one.log.stem} ---\n{one.output()}" for one in (*self.services, *self.workers))

    @staticmethod
    def _host(place: int, stack: ExitStack) -> tuple[Network, str]:
        far = stack.enter_context(network())
        near_address, address = f"10.79.{place}.1", f"10.79.{place}.2"
        cable((HERE, f"host{place}", f"{near_address}/24"), (far, "eth0", f"{address}/24"))
        far.run("ip", "route", "add", "default", "via", near_address)
        return far, address


def _process(net: Network, module: str, flags: list[str], log: Path) -> Process:
    return Process(log.stem, net.command(sys.executable, "-m", module, *flags), log)


@asynccontextmanager
async def hosts(folder: Path) -> AsyncIterator[Hosts]:
    """Start everything; it is ready then. All ends with the block."""
    with ExitStack() as stack:
        made = Hosts(folder, stack)
        balancer = await asyncio.start_server(Balancer(made.addresses).pass_on, "127.0.0.1", made.port)
        try:
            for one in (*made.services, *made.workers):
                one.start()
            await made.ready()
            yield made
        finally:
            print(made.output())
            for one in (*made.services, *made.workers):
                if one.is_running:
                    one.kill()
            await made.http.aclose()
            balancer.close()
