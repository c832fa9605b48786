"""fastrtc with an inverting handler, as a peer of this project; run by the Python of a venv of its own.

    make bench-fastrtc                              # installs it into .venv-fastrtc
    .venv-fastrtc/bin/python benchmarks/designs/fastrtc_server.py --port 7863 [--busy-ms 30]

Everything is fastrtc's own but the route: POST /offer as the other servers have it. Where fastrtc leaves a
choice, the one with less delay is taken (`skip_frames`). Its filter runs where every video handler of fastrtc
does: in its event loop.
"""

# This file must not import the project: its venv has fastrtc and what that needs, nothing else.

from __future__ import annotations

import argparse
import time
import uuid
from typing import Any

import aioice.ice
import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware

SESSIONS = 64


class NoChannel:
    """In place of the data channel that fastrtc waits for before the first frame; it would carry nothing."""

    def send(self, message: str) -> None:
        """Drop it."""


def create_app(busy_ms: float) -> FastAPI:
    """Compose the application."""
    from fastrtc import Stream, VideoStreamHandler  # type: ignore[import-not-found, unused-ignore]

    def invert(image_bgr: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        began_s = time.monotonic()
        inverted = 255 - image_bgr
        time.sleep(max(0.0, busy_ms / 1e3 - (time.monotonic() - began_s)))
        return inverted

    stream = Stream(
        VideoStreamHandler(invert, fps=30, skip_frames=True),
        modality="video",
        mode="send-receive",
        concurrency_limit=SESSIONS,
        server_rtc_configuration={"iceServers": []},
        verbose=False,
    )
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])

    @app.post("/offer")
    async def offer(request: Request) -> Any:
        body = await request.json()
        name = uuid.uuid4().hex
        answer = await stream.handle_offer(
            {"sdp": body["sdp"], "type": body["type"], "webrtc_id": name}, stream.set_additional_outputs(name)
        )
        for connection in stream.connections[name]:
            connection.set_channel(NoChannel())
        stream.set_input(name, None)
        return answer

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ready"}

    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--busy-ms", type=float, default=0)
    parser.add_argument("--ice-addresses")
    wanted = parser.parse_args()
    if wanted.ice_addresses:
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: wanted.ice_addresses.split(",")
    app = create_app(wanted.busy_ms)
    uvicorn.run(app, host="127.0.0.1", port=wanted.port, loop="asyncio", log_level="warning")


if __name__ == "__main__":
    main()
