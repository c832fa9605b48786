"""Twice the calls that a service admits: what those inside see of it, and what the others hear.

    sh tests/in_namespace.sh .venv/bin/python -m benchmarks.beyond_capacity [--seconds 120] [--measured]

The calls inside run for a while alone, then as many callers again knock without pause, then all is quiet once
more. Prints a line of JSON: p95 of the age of the inside calls' frames before, meanwhile and afterwards, how
long a refusal took, memory, and whether a caller is taken when a place is free again. The callers share the
machine with the service: with --measured they starve before it does (`callers_cores`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from aiortc import RTCConfiguration, RTCPeerConnection, VideoStreamTrack

from benchmarks.figures import Spread
from benchmarks.knocking import KNOCK_EVERY_S, elsewhere
from benchmarks.watching import Watched, memory
from harness.peer import Peer
from harness.picture import Picture
from harness.services import Services

LIMIT = 4
MOST = 40
"""Calls that are tried at most where the measured load decides."""
SIZE, FPS = (320, 240), 15
SETTLE_S = 4.0
"""What a new call costs is known after some seconds (load.WINDOW_S)."""
FREE_S = 20.0


@dataclass(frozen=True, slots=True)
class Found:
    """A run; ages in ms, from a camera's frame to its result at the peer, memory in MiB."""

    inside: int
    callers_cores: float
    """What those inside used themselves before the others came. They are one process: where this is over 0.8,
    the age of frames says more of it than of the service."""
    age_before: Spread
    age_meanwhile: Spread
    age_afterwards: Spread
    refusal: Spread
    statuses: dict[str, int]
    without_retry_after: int
    lost: int
    """Calls inside that were not connected at the end."""
    memory_before: float
    memory_meanwhile: float
    memory_afterwards: float
    is_taken_again: bool


async def run(folder: Path, seconds: float, *, measured: bool, alone_s: float = 20.0) -> Found:
    """Fill a service, knock for so long, and look; with `measured` its load decides what it admits."""
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(Services(folder))
        limit = [] if measured else ["--max-sessions", str(LIMIT)]
        services.start_signaling("--processes", "1", *limit, has_limit=not measured)
        services.start_light_worker("invert")
        await services.ready({"invert": 1})
        peers = await _fill(services, stack)
        sdp = await stack.enter_async_context(_offer())

        used_s = time.process_time()
        before, memory_before = await _alone(peers, services, alone_s)
        callers_cores = (time.process_time() - used_s) / alone_s
        since_s = time.monotonic()
        knocks = await elsewhere(services.url, sdp, len(peers), seconds)
        meanwhile, memory_meanwhile = _ages(peers, since_s), _mib(services)
        afterwards, memory_afterwards = await _alone(peers, services, alone_s)

        lost = sum(peer.connection.connectionState != "connected" for peer in peers)
        await peers[0].connection.close()
        is_taken = await _is_taken(services, sdp)
    return Found(
        len(peers),
        callers_cores,
        before,
        meanwhile,
        afterwards,
        Spread.of_s(knocks.took_s),
        dict(sorted(knocks.statuses.items())),
        knocks.without_retry_after,
        lost,
        memory_before,
        memory_meanwhile,
        memory_afterwards,
        is_taken,
    )


async def _fill(services: Services, stack: AsyncExitStack) -> list[Peer]:
    """Call until the service is full."""
    peers: list[Peer] = []
    while len(peers) < MOST:
        if (await services.http.get("/readyz")).status_code != 200:
            break
        peer = await stack.enter_async_context(Peer(services.http, Picture(*SIZE, len(peers)), FPS))
        await peer.call(filter="invert")
        await peer.frames(1, FREE_S)
        peers.append(peer)
        if len(peers) >= LIMIT:
            await asyncio.sleep(SETTLE_S)
    return peers


@asynccontextmanager
async def _offer() -> AsyncIterator[str]:
    """An offer that would be taken if there were a place."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTrack(VideoStreamTrack())
    connection.createDataChannel("control")
    await connection.setLocalDescription(await connection.createOffer())
    try:
        yield connection.localDescription.sdp
    finally:
        await connection.close()


async def _alone(peers: list[Peer], services: Services, seconds: float) -> tuple[Spread, float]:
    since_s = time.monotonic()
    await asyncio.sleep(seconds)
    return _ages(peers, since_s), _mib(services)


def _ages(peers: list[Peer], since_s: float) -> Spread:
    """p95 is that of all inside calls together."""
    return Spread.of_s(
        [one.age_s for peer in peers for one in peer.readable(since_s) if one.age_s is not None]
    )


def _mib(services: Services) -> float:
    assert services.signaling is not None
    return memory([Watched("media", services.signaling.pid)])["media"].pss_mib


async def _is_taken(services: Services, sdp: str) -> bool:
    until_s = time.monotonic() + FREE_S
    while time.monotonic() < until_s:
        body = {"type": "offer", "sdp": sdp, "filter": "invert"}
        if (await services.http.post("/offer", json=body)).status_code == 200:
            return True
        await asyncio.sleep(KNOCK_EVERY_S)
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="for which the others knock")
    parser.add_argument(
        "--measured", action="store_true", help="no --max-sessions: the measured load decides"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="beyond") as folder:
        found = asyncio.run(run(Path(folder), given.seconds, measured=given.measured))
    print(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
