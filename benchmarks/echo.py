"""The least that a WebRTC server in Python can do: each decoded frame goes back, encoded anew.

    python -m benchmarks.echo --port 7862 [--patched] [--ice-addresses 127.0.0.1]

aiortc as it comes, or, `--patched`, with what this project changes in it: the least latency and CPU that a
service built on it could have if its filter took no time.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aioice.ice
import uvicorn
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware

from signaling_service import aiortc_patches


def create_app(is_patched: bool) -> FastAPI:
    """Compose the application."""
    connections: set[RTCPeerConnection] = set()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.gather(*(connection.close() for connection in list(connections)))

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])

    @app.post("/offer")
    async def offer(request: Request) -> dict[str, str]:
        body = await request.json()
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connections.add(connection)

        @connection.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            if track.kind == "video":
                connection.addTrack(track)

        @connection.on("connectionstatechange")
        async def on_state() -> None:
            if connection.connectionState in ("failed", "closed"):
                connections.discard(connection)
                await connection.close()

        await connection.setRemoteDescription(RTCSessionDescription(body["sdp"], body["type"]))
        await connection.setLocalDescription(await connection.createAnswer())
        sdp = connection.localDescription.sdp
        if is_patched:
            sdp = aiortc_patches.with_start_bitrate(sdp)
        return {"sdp": sdp, "type": connection.localDescription.type}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ready"}

    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--patched", action="store_true")
    parser.add_argument(
        "--ice-addresses", help="gather this address alone; for hosts without another than loopback"
    )
    wanted = parser.parse_args()
    if wanted.patched:
        aiortc_patches.apply(wanted.ice_addresses.split(",") if wanted.ice_addresses else ())
    elif wanted.ice_addresses:
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: wanted.ice_addresses.split(",")
    uvicorn.run(
        create_app(wanted.patched), host="127.0.0.1", port=wanted.port, loop="asyncio", log_level="warning"
    )


if __name__ == "__main__":
    main()
