"""A page that floods its own call: what the other calls of the service see of it.

    sh tests/in_namespace.sh .venv/bin/python -m benchmarks.flooding [--kind nack] [--per-second 20000]

Calls run alone, then beside a flood that nobody reads, then beside the same flood of a call of this service,
then alone once more. Prints a line of JSON. What the third differs from the second by is what the service
lets a flood do. What the second differs from the first by is the flooding process on the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from benchmarks.figures import Spread
from benchmarks.flooder import KINDS
from harness.peer import Peer
from harness.picture import Picture
from harness.services import Services
from harness.udp_ports import claim_udp_ports

CALLS = 2
SIZE, FPS = (320, 240), 15


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a run; ages in ms, CPU time in s."""

    age: Spread
    longest_gap_s: float
    """Without a frame, of the call that waited longest."""
    loop_share: float
    """Of a core, that the service's event loop took."""
    service_share: float
    """Of a core, that all threads of the service took."""
    datagrams: int
    """Of the flood."""
    flooder_share: float
    """Of a core, that the flooding process took."""
    dropped: int
    """Datagrams that the system dropped before the service's sockets, whose buffers were full."""


async def run(
    folder: Path, kind: str, per_second: int, seconds: float, *, one_port: bool = False
) -> dict[str, Part]:
    """Measure the four parts."""
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(Services(folder))
        flags: list[str] = []
        if one_port:
            claims = stack.enter_context(ExitStack())
            flags = ["--udp-port", str(claim_udp_ports(1, claims)[0])]
        services.start_signaling("--processes", "1", *flags)
        services.start_light_worker("invert")
        await services.ready({"invert": 1})
        peers = []
        for mark in range(CALLS):
            peer = await stack.enter_async_context(Peer(services.http, Picture(*SIZE, mark), FPS))
            await peer.call(filter="invert")
            await peer.frames(1, 20)
            peers.append(peer)
        flooder = await _flooder(services.url, kind, per_second, seconds)
        try:
            found = {}
            assert services.signaling is not None
            for name in ("alone", "nobody", "service", "afterwards"):
                to = name if name in ("nobody", "service") else ""
                found[name] = await _part(services.signaling.pid, peers, flooder, to, seconds)
        finally:
            flooder.terminate()
            await flooder.wait()
    return found


async def _flooder(url: str, kind: str, per_second: int, seconds: float) -> asyncio.subprocess.Process:
    argv = ["-m", "benchmarks.flooder", url, "--kind", kind, "--per-second", str(per_second)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, *argv, "--seconds", str(seconds), stdin=pipe, stdout=pipe
    )
    assert process.stdout is not None
    if await process.stdout.readline() != b"ready\n":
        raise RuntimeError("the flooding process did not connect")
    return process


async def _part(
    pid: int, peers: list[Peer], flooder: asyncio.subprocess.Process, to: str, seconds: float
) -> Part:
    service = psutil.Process(pid)
    began_s, began, began_drops = time.monotonic(), _cpu_s(service), _dropped(service)
    sent = {"datagrams": 0, "cpu_s": 0.0}
    if to:
        assert flooder.stdin is not None
        assert flooder.stdout is not None
        flooder.stdin.write(to.encode() + b"\n")
        sent = json.loads(await flooder.stdout.readline())
    else:
        await asyncio.sleep(seconds)
    took_s = time.monotonic() - began_s
    loop_s, all_s = (now - before for now, before in zip(_cpu_s(service), began, strict=True))
    ages = [one.age_s for peer in peers for one in peer.readable(began_s) if one.age_s is not None]
    return Part(
        Spread.of_s(ages),
        max(_longest_gap_s(peer, began_s) for peer in peers),
        loop_s / took_s,
        all_s / took_s,
        int(sent["datagrams"]),
        sent["cpu_s"] / took_s,
        _dropped(service) - began_drops,
    )


def _cpu_s(service: psutil.Process) -> tuple[float, float]:
    """Return what the event loop's thread, the first one, and all threads have used."""
    whole = service.cpu_times()
    loop = next(one for one in service.threads() if one.id == service.pid)
    return loop.user_time + loop.system_time, whole.user + whole.system


def _longest_gap_s(peer: Peer, since_s: float) -> float:
    at_s = [since_s, *(one.at_s for one in peer.readable(since_s)), time.monotonic()]
    return max(later - earlier for earlier, later in pairwise(at_s))


def _dropped(service: psutil.Process) -> int:
    """Sum the last column of /proc/net/udp over the service's sockets."""
    inodes = set()
    for one in Path(f"/proc/{service.pid}/fd").iterdir():
        try:
            target = str(one.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    rows = [
        line.split()
        for name in ("udp", "udp6")
        for line in Path(f"/proc/{service.pid}/net/{name}").read_text().splitlines()[1:]
    ]
    return sum(int(row[12]) for row in rows if row[9] in inodes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, default="nack")
    parser.add_argument("--per-second", type=int, default=20_000, help="datagrams of the flood")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each of the four parts")
    parser.add_argument("--one-port", action="store_true", help="all calls share a UDP port")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flooding") as folder:
        found = asyncio.run(
            run(Path(folder), given.kind, given.per_second, given.seconds, one_port=given.one_port)
        )
    print(json.dumps({name: asdict(part) for name, part in found.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
