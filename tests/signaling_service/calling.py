"""A whole service in this process, and a page's side of a call; everything on 127.0.0.1."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame

from signaling_service.config import Settings
from signaling_service.http.app import create_app
from signaling_service.media.transport_feedback import URI
from signaling_service.service import Service

LIMIT_S = 10.0


@dataclass
class Running:
    """A service that answers, and the means to ask it."""

    service: Service
    http: httpx.AsyncClient

    def metric(self, name: str, **labels: str) -> float:
        return self.service.metrics.registry.get_sample_value(f"p2pcamera_{name}", labels) or 0.0

    async def has_worker(self) -> None:
        await until(lambda: bool(self.service.workers.live()))

    async def is_free(self) -> None:
        """Wait until nothing of any session is left."""
        await until(lambda: self.metric("sessions") == 0)
        left = [task for task in asyncio.all_tasks() if "Session" in repr(task.get_coro())]
        assert not left
        assert not self.service.listener._sinks
        assert not self.service.workers._listeners


@asynccontextmanager
async def running(results: str, **settings: Any) -> AsyncIterator[Running]:
    # A number, since by measured load a busy machine would refuse what these tests are not about.
    own = {"ice_addresses": ("127.0.0.1",), "max_sessions": 10, **settings}
    service = Service(Settings(results_bind=results, **own))
    app = create_app(service)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as http,
    ):
        yield Running(service, http)


class HeldAnswers:
    """Offers that the service has begun to answer, and answers no further until `go_on`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._go_on = asyncio.Event()
        create_answer = RTCPeerConnection.createAnswer

        async def held(connection: RTCPeerConnection) -> RTCSessionDescription:
            self.count += 1
            await self._go_on.wait()
            return await create_answer(connection)

        monkeypatch.setattr(RTCPeerConnection, "createAnswer", held)

    async def have_begun(self, count: int) -> None:
        await until(lambda: self.count == count)

    def go_on(self) -> None:
        self._go_on.set()


async def until(is_so: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Wait for a condition; raises TimeoutError when it does not come true in time."""
    async with asyncio.timeout(limit_s):
        while not is_so():  # noqa: ASYNC110 - what is waited for knows nothing of this test
            await asyncio.sleep(0.01)


class Camera(VideoStreamTrack):
    """A small black camera: most tests are not about its size, and 640x480 takes eight times the CPU."""

    # Multiples of 16: of other sizes H264's header says more.
    width, height = 160, 128

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(self.width, self.height, "yuv420p")
        for plane, level in zip(frame.planes, (16, 128, 128), strict=True):
            plane.update(bytes([level]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, time_base
        return frame


@dataclass
class Page:
    """What the shim does, by aiortc: sends a camera, opens `control`, notes what comes back."""

    connection: RTCPeerConnection = field(
        default_factory=lambda: RTCPeerConnection(RTCConfiguration(iceServers=[]))
    )
    frames: list[VideoFrame] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=dict)
    _reading: asyncio.Task[None] | None = None

    async def offer(self, *, video: bool = True, candidates: bool = True) -> str:
        """Return the SDP of an offer with a camera."""
        self.control = self.connection.createDataChannel("control")
        self.control.on("message", self._on_message)
        self.connection.on("track", self._on_track)
        if video:
            self.connection.addTrack(Camera())
        await self.connection.setLocalDescription(await self.connection.createOffer())
        lines = self.connection.localDescription.sdp.split("\r\n")
        # The service's patches are in this process too; a page of aiortc gives no transport-wide feedback.
        lines = [x for x in lines if URI not in x and not x.endswith("transport-cc")]
        if not candidates:
            lines = [x for x in lines if not x.startswith(("a=candidate", "a=end-of-candidates"))]
        return "\r\n".join(lines)

    async def call(self, http: httpx.AsyncClient, **body: Any) -> None:
        """Connect; raises what keeps it from connecting."""
        response = await http.post("/offer", json={"type": "offer", "sdp": await self.offer(), **body})
        assert response.status_code == 200, response.text
        await self.take(response.json())

    async def take(self, answer: dict[str, Any]) -> None:
        await self.begin(answer)
        await until(lambda: self.connection.connectionState == "connected")
        await until(lambda: self.control.readyState == "open")

    async def begin(self, answer: dict[str, Any]) -> None:
        """Begin to connect, without waiting for it."""
        self.answer = answer
        await self.connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))

    def say(self, message: Any) -> None:
        self.control.send(message if isinstance(message, str) else json.dumps(message))

    async def hears(self, type_: str) -> dict[str, Any]:
        """Return the next message of this type."""
        return await self._message(type_, len(self.messages))

    async def has_heard(self, type_: str) -> dict[str, Any]:
        """Return the first message of this type, which may have come already."""
        return await self._message(type_, 0)

    async def _message(self, type_: str, since: int) -> dict[str, Any]:
        def found() -> list[Any]:
            return [m for m in self.messages[since:] if isinstance(m, dict) and m["type"] == type_]

        await until(lambda: bool(found()))
        return dict(found()[0])

    async def shows(self, count: int) -> None:
        """Wait for that many more frames."""
        had = len(self.frames)
        await until(lambda: len(self.frames) >= had + count)

    async def close(self) -> None:
        await self.connection.close()
        if self._reading is not None:
            self._reading.cancel()

    def _on_message(self, message: str) -> None:
        self.messages.append(json.loads(message) if message.startswith("{") else message)

    def _on_track(self, track: Any) -> None:
        async def read() -> None:
            while True:
                try:
                    self.frames.append(await track.recv())
                except MediaStreamError:
                    return

        self._reading = asyncio.create_task(read())


@asynccontextmanager
async def page() -> AsyncIterator[Page]:
    made = Page()
    try:
        yield made
    finally:
        await made.close()
