"""What viewers of a published picture cost the service, and how much later they see it.

    python -m benchmarks.viewers [--viewers 1,10,50] [--seconds 10]

One session publishes 640x480 at 30 frames a second with `passthrough`. One viewer decodes, and its pictures
tell their age. The others live in a process of their own; they count encrypted packets and drop them, or the
clients would want more than a core. CPU is that of the one media process, by its own clock, so what clients
cost does not count. Run it in a network namespace (tests/in_namespace.sh).
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from harness.deadline import eventually
from harness.peer import Peer
from harness.picture import Picture, read
from harness.services import Services

SIZE = (640, 480)
SETTLES_S = 3.0
SDP = {"Content-Type": "application/sdp"}


class Viewer:
    """One that watches by WHEP; `decodes`: decrypts, decodes and notes how old each picture is."""

    def __init__(self, *, decodes: bool) -> None:
        self.packets = 0
        self.ages_s: list[float] = []
        self.first_s: float | None = None
        """From the offer to the first decoded picture."""
        self._decodes = decodes
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._reading: asyncio.Task[None] | None = None

    async def watch(self, http: httpx.AsyncClient, given_out_s: dict[int, float]) -> None:
        """`given_out_s`: when the publisher's camera gave out each counter, by time.monotonic()."""
        connection = self._connection
        transport: Any = connection.addTransceiver("video", direction="recvonly").receiver.transport
        handle = transport._handle_rtp_data

        async def handle_rtp_data(data: bytes, arrival_time_ms: int) -> None:
            self.packets += 1
            if self._decodes:
                await handle(data, arrival_time_ms)

        transport._handle_rtp_data = handle_rtp_data
        if self._decodes:
            began_s = time.monotonic()
            connection.on("track", lambda track: self._read(track, given_out_s, began_s))
        await connection.setLocalDescription(await connection.createOffer())
        answer = await http.post("/whep/show", content=connection.localDescription.sdp, headers=SDP)
        answer.raise_for_status()
        await connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        await eventually(lambda: self.packets > 0, 20, "packets come")

    def _read(self, track: Any, given_out_s: dict[int, float], began_s: float) -> None:
        async def read_all() -> None:
            while True:
                frame = await track.recv()
                now_s = time.monotonic()
                self.first_s = self.first_s or now_s - began_s
                reading = read(frame.to_ndarray(format="gray"))
                shown_s = given_out_s.get(reading.counter) if reading else None
                if shown_s is not None:
                    self.ages_s.append(now_s - shown_s)

        self._reading = asyncio.create_task(read_all())

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        await self._connection.close()


async def crowd(url: str, count: int) -> None:
    """Watch `count` times; print a line when all do, and the packets of each at each line that comes in."""
    async with httpx.AsyncClient(base_url=url) as http:
        viewers = [Viewer(decodes=False) for _ in range(count)]
        for viewer in viewers:
            await viewer.watch(http, {})
        print("watching", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(*(viewer.packets for viewer in viewers), flush=True)
        for viewer in viewers:
            await viewer.close()


class Crowd:
    """The viewers that only count, in a process of their own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def packets(self) -> list[int]:
        """Return how many packets each has had so far."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(b"\n")
        return [int(count) for count in (await self._process.stdout.readline()).split()]


@asynccontextmanager
async def crowd_of(url: str, count: int) -> AsyncIterator[Crowd]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.viewers", "--crowd", url, "--viewers", str(count)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        if not await process.stdout.readline():
            raise RuntimeError("the viewers' process has ended")
        yield Crowd(process)
    finally:
        with suppress(ConnectionError):
            process.stdin.close()
        await process.wait()


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else float("nan")


async def measured(services: Services, publisher: Peer, count: int, seconds: float) -> str:
    assert services.signaling is not None
    process = psutil.Process(services.signaling.pid)
    viewer = Viewer(decodes=True)
    async with crowd_of(str(services.http.base_url), max(0, count - 1)) as others:
        if count:
            await viewer.watch(services.http, publisher.camera.given_out_s)
        await asyncio.sleep(SETTLES_S)
        viewer.ages_s.clear()
        returned = len(publisher.returned)
        packets = [viewer.packets, *await others.packets()]
        before, began_s = process.cpu_times(), time.monotonic()
        await asyncio.sleep(seconds)
        after, took_s = process.cpu_times(), time.monotonic() - began_s
        now = [viewer.packets, *await others.packets()]
        await viewer.close()
    cpu = (after.user + after.system - before.user - before.system) / took_s
    rates = [(end - begin) / took_s for begin, end in zip(packets, now, strict=True)]
    own = [one.age_s for one in publisher.returned[returned:] if one.age_s is not None]
    first = "-" if viewer.first_s is None else f"{1000 * viewer.first_s:.0f}"
    rate = f"{min(rates):.0f} to {max(rates):.0f}" if count else "-"
    later = f"{1000 * (p95(viewer.ages_s) - p95(own)):+.0f}" if count else "-"
    own_ms = f"{1000 * p95(own):.0f}"
    return f"| {count} | {cpu:.2f} | {rate} | {len(own) / took_s:.1f} | {own_ms} | {later} | {first} |"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--viewers", default="1,10,50", help="how many, comma-separated (default: 1,10,50)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (default: 10)")
    parser.add_argument("--crowd", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.crowd:
        await crowd(arguments.crowd, int(arguments.viewers))
        return
    with tempfile.TemporaryDirectory() as folder:
        async with Services(Path(folder)) as services:
            services.start_signaling("--processes", "1", "--max-viewers", "200")
            services.start_light_worker("passthrough")
            await services.ready({"passthrough": 1})
            async with Peer(services.http, Picture(*SIZE)) as publisher:
                await publisher.call(filter="passthrough", publish="show")
                await publisher.frames(30)
                print("| viewers | cores | packets/s each | page's frames/s | its p95, ms | ", end="")
                print("a viewer's, more | its first picture, ms |")
                print("|---|---|---|---|---|---|---|")
                for count in (0, *map(int, arguments.viewers.split(","))):
                    print(await measured(services, publisher, count, arguments.seconds), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
