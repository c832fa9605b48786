"""What viewers of a published picture cost the service, and how much later they see it.

    python -m benchmarks.viewers [--viewers 1,10,50] [--seconds 10]

One session publishes 640x480 at 30 frames a second with `passthrough`. Viewers take packets and decode none,
but for one, whose pictures tell their age. CPU is that of the one media process, by its own clock, so what
clients cost does not count. Run it in a network namespace (tests/in_namespace.sh).
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
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
    """One that watches by WHEP; `decodes`: and notes how old each picture is."""

    def __init__(self, *, decodes: bool) -> None:
        self.packets = 0
        self.ages_s: list[float] = []
        self._decodes = decodes
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._reading: asyncio.Task[None] | None = None

    async def watch(self, http: httpx.AsyncClient, name: str, publisher: Peer) -> None:
        connection = self._connection
        receiver: Any = connection.addTransceiver("video", direction="recvonly").receiver
        handle = receiver._handle_rtp_packet

        async def handle_rtp_packet(packet: Any, arrival_time_ms: int) -> None:
            self.packets += 1
            if self._decodes:
                await handle(packet, arrival_time_ms)

        receiver._handle_rtp_packet = handle_rtp_packet
        if self._decodes:
            connection.on("track", lambda track: self._read(track, publisher))
        await connection.setLocalDescription(await connection.createOffer())
        answer = await http.post(f"/whep/{name}", content=connection.localDescription.sdp, headers=SDP)
        answer.raise_for_status()
        await connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        await eventually(lambda: self.packets > 0, 20, "packets come")

    def _read(self, track: Any, publisher: Peer) -> None:
        async def read_all() -> None:
            while True:
                frame = await track.recv()
                now_s = time.monotonic()
                reading = read(frame.to_ndarray(format="gray"))
                given_s = publisher.camera.given_out_s.get(reading.counter) if reading else None
                if given_s is not None:
                    self.ages_s.append(now_s - given_s)

        self._reading = asyncio.create_task(read_all())

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        await self._connection.close()


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else float("nan")


async def measured(services: Services, publisher: Peer, count: int, seconds: float) -> str:
    async with AsyncExitStack() as stack:
        viewers = [Viewer(decodes=index == 0) for index in range(count)]
        for viewer in viewers:
            stack.push_async_callback(viewer.close)
            await viewer.watch(services.http, "show", publisher)
        await asyncio.sleep(SETTLES_S)
        assert services.signaling is not None
        process = psutil.Process(services.signaling.pid)
        for viewer in viewers:
            viewer.packets = 0
            viewer.ages_s.clear()
        returned = len(publisher.returned)
        before, began_s = process.cpu_times(), time.monotonic()
        await asyncio.sleep(seconds)
        after, took_s = process.cpu_times(), time.monotonic() - began_s
        cpu = (after.user + after.system - before.user - before.system) / took_s
        packets = [viewer.packets / took_s for viewer in viewers]
        own = [one.age_s for one in publisher.returned[returned:] if one.age_s is not None]
        later_ms = 1000 * (p95(viewers[0].ages_s) - p95(own)) if viewers else float("nan")
        rate = f"{min(packets):.0f} to {max(packets):.0f}" if packets else "-"
        return f"| {count} | {cpu:.2f} | {rate} | {1000 * p95(own):.0f} | {later_ms:+.0f} |"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--viewers", default="1,10,50", help="how many, comma-separated (default: 1,10,50)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (default: 10)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        async with Services(Path(folder)) as services:
            services.start_signaling("--processes", "1", "--max-viewers", "200")
            services.start_light_worker("passthrough")
            await services.ready({"passthrough": 1})
            async with Peer(services.http, Picture(*SIZE)) as publisher:
                await publisher.call(filter="passthrough", publish="show")
                await publisher.frames(30)
                print("| viewers | cores | packets/s each | p95 of the page, ms | of a viewer, more |")
                print("|---|---|---|---|---|")
                for count in (0, *map(int, arguments.viewers.split(","))):
                    print(await measured(services, publisher, count, arguments.seconds), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
