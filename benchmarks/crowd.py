"""Crowds at the door: strangers who publish, watch and connect without end, and what the calls inside see.

    sh tests/in_namespace.sh .venv/bin/python -m benchmarks.crowd [--way whip] [--every 0] [--seconds 30]

Four calls run: one is published, and one comes by the TCP port for media. Then a crowd knocks by WHIP, by
WHEP or at the TCP port (benchmarks/knocking.py), and then all is quiet once more. Prints a line of JSON: what
the calls saw before, meanwhile and afterwards, and memory and descriptors of the service.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from aiortc import RTCConfiguration, RTCPeerConnection, VideoStreamTrack

from benchmarks.figures import Spread
from benchmarks.knocking import STREAM, Knocks, elsewhere
from benchmarks.watching import Watched, memory
from harness.deadline import eventually
from harness.peer import Peer
from harness.picture import Picture
from harness.services import Services
from harness.tcp_peer import TcpPeer
from harness.udp_ports import claim_udp_ports

CALLS = 4
SIZE, FPS = (320, 240), 15
MAX_SESSIONS = 20
QUIET_S = 20.0
"""After so long nothing of a crowd is left: offers that never connect end after 10 s."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a run; ages in ms, from a camera's frame to its result at the peer."""

    age: Spread
    least_frames: int
    """Of the call that got the fewest."""
    loop_share: float
    """Of a core, that the service's event loop took."""


@dataclass(frozen=True, slots=True)
class Found:
    """A run."""

    before: Part
    meanwhile: Part
    afterwards: Part
    answer: Spread
    """How long a call of the crowd waited for its answer, or for its connection."""
    statuses: dict[str, int]
    lost: int
    """Calls that were not connected at the end."""
    memory_mib: tuple[float, float, float]
    """Before, at the end of the crowd, and afterwards."""
    descriptors: tuple[int, int, int]


async def run(
    folder: Path, way: str, seconds: float, *, callers: int = 4, every_s: float = 0.0, alone_s: float = 10.0
) -> Found:
    """Have a crowd knock for so long."""
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(Services(folder))
        (port,) = claim_udp_ports(1, stack.enter_context(ExitStack()))
        flags = ["--processes", "1", "--tcp-port", str(port), "--max-sessions", str(MAX_SESSIONS)]
        services.start_signaling(*flags, has_limit=False)
        services.start_light_worker("invert")
        await services.ready({"invert": 1})
        peers: list[Peer] = []
        for mark in range(CALLS):
            kind = TcpPeer if mark == 1 else Peer
            peer = await stack.enter_async_context(kind(services.http, Picture(*SIZE, mark), FPS))
            await peer.call(filter="invert", **({"publish": STREAM} if mark == 0 else {}))
            await peer.frames(1, 20)
            peers.append(peer)
        sdp = await stack.enter_async_context(_offer(way))

        before, *used = await _part(services, peers, asyncio.sleep(alone_s)), _used(services)
        knocking = asyncio.ensure_future(
            elsewhere(services.url, sdp, callers, seconds, way=way, every_s=every_s, port=port)
        )
        meanwhile = await _part(services, peers, knocking)
        used.append(_used(services))
        knocks: Knocks = knocking.result()
        had = used[0][1]
        await eventually(lambda: _used(services)[1] <= had, QUIET_S, f"{had} descriptors again")
        afterwards = await _part(services, peers, asyncio.sleep(alone_s))
        used.append(_used(services))
        lost = sum(peer.connection.connectionState != "connected" for peer in peers)
    return Found(
        before,
        meanwhile,
        afterwards,
        Spread.of_s(knocks.took_s),
        dict(sorted(knocks.statuses.items())),
        lost,
        (used[0][0], used[1][0], used[2][0]),
        (used[0][1], used[1][1], used[2][1]),
    )


@asynccontextmanager
async def _offer(way: str) -> AsyncIterator[str]:
    """An offer that can be taken; nobody is behind it."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    if way == "whep":
        connection.addTransceiver("video", direction="recvonly")
    else:
        connection.addTransceiver(VideoStreamTrack(), direction="sendonly")
    await connection.setLocalDescription(await connection.createOffer())
    try:
        yield connection.localDescription.sdp
    finally:
        await connection.close()


async def _part(services: Services, peers: list[Peer], doing: object) -> Part:
    assert services.signaling is not None
    service = psutil.Process(services.signaling.pid)
    began_s, began_cpu_s = time.monotonic(), _loop_s(service)
    await doing  # type: ignore[misc]
    took_s = time.monotonic() - began_s
    shown = [peer.readable(began_s) for peer in peers]
    ages = [one.age_s for each in shown for one in each if one.age_s is not None]
    return Part(Spread.of_s(ages), min(map(len, shown)), (_loop_s(service) - began_cpu_s) / took_s)


def _loop_s(service: psutil.Process) -> float:
    """Return what the event loop's thread, the first one, has used."""
    loop = next(one for one in service.threads() if one.id == service.pid)
    return loop.user_time + loop.system_time


def _used(services: Services) -> tuple[float, int]:
    """Return memory in MiB, and descriptors."""
    assert services.signaling is not None
    pid = services.signaling.pid
    return memory([Watched("media", pid)])["media"].pss_mib, psutil.Process(pid).num_fds()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=("whip", "whep", "tcp"), default="whip")
    parser.add_argument("--seconds", type=float, default=30.0, help="for which the crowd knocks")
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--every", type=float, default=0.0, help="seconds between two knocks of one caller")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crowd") as folder:
        found = asyncio.run(
            run(Path(folder), given.way, given.seconds, callers=given.callers, every_s=given.every)
        )
    print(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
