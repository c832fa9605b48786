"""The article's design, written anew, for comparison: one WebRTC process, one worker, two queues, PIL images.

    python -m benchmarks.designs.baseline --port 7861 --busy-ms 90 [--ice-addresses 127.0.0.1]

`recv()` of the returned track waits for a camera frame and puts it into the worker's queue as a PIL image. It
returns the newest result that lies in the other queue at that moment. Where the article leaves a choice, the
one with less delay is taken here: a frame that the worker has not begun is replaced by the newer one. aiortc
is as it comes, without this project's patches.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import queue
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av import VideoFrame
from fastapi import FastAPI, Request
from PIL import Image, ImageOps

from benchmarks.designs.serving import application, flags, gather, serve

Images = Any
"""multiprocessing.Queue of PIL images; the class is generic in stubs alone."""


def work(waiting: Images, done: Images, busy_ms: float, invert: bool) -> None:
    """Filter images for ever; each takes `busy_ms`, the work included."""
    while True:
        image: Image.Image | None = waiting.get()
        if image is None:
            return
        began_s = time.monotonic()
        result = ImageOps.invert(image) if invert else image
        time.sleep(max(0.0, busy_ms / 1e3 - (time.monotonic() - began_s)))
        done.put(result)


class FilteredTrack(MediaStreamTrack):
    """The camera's track with the newest result in place of each frame."""

    kind = "video"

    def __init__(self, camera: MediaStreamTrack, waiting: Images, done: Images) -> None:
        super().__init__()
        self._camera, self._to_worker, self._from_worker = camera, waiting, done
        self._shown: Image.Image | None = None

    async def recv(self) -> VideoFrame:
        """Return the newest result, at the time and with the pts of the next camera frame."""
        frame = await self._camera.recv()
        assert isinstance(frame, VideoFrame)
        image = frame.to_image()  # type: ignore[no-untyped-call]
        _take_newest(self._to_worker)
        self._to_worker.put(image)
        self._shown = _take_newest(self._from_worker) or self._shown or image
        returned: VideoFrame = VideoFrame.from_image(self._shown)  # type: ignore[no-untyped-call]
        returned.pts, returned.time_base = frame.pts, frame.time_base
        return returned


def create_app(busy_ms: float, invert: bool) -> FastAPI:
    """Compose the application; its lifespan owns the worker process."""
    spawn = multiprocessing.get_context("spawn")
    waiting, done = spawn.Queue(), spawn.Queue()
    connections: set[RTCPeerConnection] = set()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        worker = spawn.Process(target=work, args=(waiting, done, busy_ms, invert), daemon=True)
        worker.start()
        yield
        await asyncio.gather(*(connection.close() for connection in connections))
        waiting.put(None)
        worker.join(1)
        worker.terminate()

    app = application(lifespan)

    @app.post("/offer")
    async def offer(request: Request) -> dict[str, str]:
        body = await request.json()
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connections.add(connection)

        @connection.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            connection.addTrack(FilteredTrack(track, waiting, done))

        await connection.setRemoteDescription(RTCSessionDescription(body["sdp"], body["type"]))
        await connection.setLocalDescription(await connection.createAnswer())
        answer = connection.localDescription
        return {"sdp": answer.sdp, "type": answer.type}

    return app


def _take_newest(images: Images) -> Image.Image | None:
    newest: Image.Image | None = None
    while True:
        try:
            newest = images.get_nowait()
        except queue.Empty:
            return newest


def main() -> None:
    parser = flags()
    parser.add_argument("--busy-ms", type=float, default=0)
    parser.add_argument("--invert", action="store_true")
    wanted = parser.parse_args()
    gather(wanted.ice_addresses)
    serve(create_app(wanted.busy_ms, wanted.invert), wanted.port)


if __name__ == "__main__":
    main()
