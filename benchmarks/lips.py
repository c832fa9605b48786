"""How far apart a viewer of a published stream has picture and sound.

    python -m benchmarks.lips [--seconds 20] [--busy-ms 0,100]

A peer publishes flashes and beeps that begin together (harness/lips.py) through `passthrough`, which may take
longer (`busy_ms`). A viewer compares them by the clocks of RTP and RTCP, by which players play, and by when
the packets came. Run it in a network namespace (tests/in_namespace.sh).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from harness.deadline import eventually
from harness.lips import Lips, Show
from harness.services import Services

SDP = {"Content-Type": "application/sdp"}
CONNECT_S = 20.0


class Peer:
    """A connection that publishes or watches; use as `async with`."""

    def __init__(self, services: Services) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.frames: dict[str, list[Any]] = {"video": [], "audio": []}
        self._services = services
        self._reading: list[asyncio.Task[None]] = []
        self.connection.on(
            "track", lambda track: self._reading.append(asyncio.create_task(self._read(track)))
        )

    async def __aenter__(self) -> Peer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)

    async def call(self, address: str) -> None:
        """Offer by WHIP or WHEP, and connect."""
        connection = self.connection
        await connection.setLocalDescription(await connection.createOffer())
        answer = await self._services.http.post(address, content=connection.localDescription.sdp, headers=SDP)
        answer.raise_for_status()
        await connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        await eventually(lambda: connection.connectionState == "connected", CONNECT_S, "they are connected")

    async def _read(self, track: Any) -> None:
        while True:
            self.frames[track.kind].append(await track.recv())


async def measured(services: Services, busy_ms: int, seconds: float) -> str:
    show = Show()
    async with Peer(services) as publisher, Peer(services) as viewer:
        for track in (show.camera, show.microphone):
            publisher.connection.addTransceiver(track, direction="sendonly")
        params = json.dumps({"busy_ms": busy_ms})
        await publisher.call(f"/whip?stream=lips{busy_ms}&filter=passthrough&params={params}")
        show.report_captures(publisher.connection)
        for kind in ("video", "audio"):
            viewer.connection.addTransceiver(kind, direction="recvonly")
        await viewer.call(f"/whep/lips{busy_ms}")
        lips = Lips(viewer.connection)
        await eventually(lambda: lips.is_told, CONNECT_S, "the service tells its clocks")
        for frames in viewer.frames.values():
            frames.clear()
        await asyncio.sleep(seconds)
        apart = lips.apart_ms(viewer.frames["video"], viewer.frames["audio"])
    columns = [described(list(column)) for column in zip(*apart, strict=True)]
    return f"| {busy_ms} | {len(apart)} | {' | '.join(columns)} |"


def described(apart_ms: Sequence[float]) -> str:
    """Return the median, and the range."""
    return f"{statistics.median(apart_ms):+.0f} ({min(apart_ms):+.0f} to {max(apart_ms):+.0f})"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement (default: 20)")
    parser.add_argument("--busy-ms", default="0,100", help="of the filter, comma-separated (default: 0,100)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        async with Services(Path(folder)) as services:
            services.start_signaling("--processes", "1")
            services.start_light_worker("passthrough")
            await services.ready({"passthrough": 1})
            print("| filter takes, ms | flashes | picture later by the clocks, ms | as packets came, ms |")
            print("|---|---|---|---|")
            for busy_ms in map(int, arguments.busy_ms.split(",")):
                print(await measured(services, busy_ms, arguments.seconds), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
