"""A WebRTC client without a browser: sends a picture that can be read back, notes what returns."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import aioice.ice
import httpx
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import VideoFrame

from harness.deadline import eventually
from harness.picture import COUNTERS, FPS, Bytes, Picture, Reading, read
from harness.services import in_namespace

_CLOCK_RATE = 90_000
_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class Returned:
    """One frame that came back from the service."""

    at_s: float
    """time.monotonic() when the decoder gave it out."""
    reading: Reading | None
    """None where the picture carries no band that can be read."""
    age_s: float | None
    """Since the camera gave out the same counter."""
    width: int
    height: int
    rtp_timestamp: int
    seen: Any
    """What the peer's `look` said of it."""


class PictureTrack(VideoStreamTrack):
    """A camera that shows `picture`, one counter a frame, in real time."""

    def __init__(self, picture: Picture, fps: int) -> None:
        super().__init__()
        self._picture, self._fps = picture, fps
        self._began_s: float | None = None
        self._count = 0
        self.given_out_s: dict[int, float] = {}
        """Counter (modulo COUNTERS) -> time.monotonic()."""

    def show(self, picture: Picture) -> None:
        """Show another picture from the next frame on; its size may differ."""
        self._picture = picture

    async def recv(self) -> VideoFrame:
        """Return the next frame when its time has come; a late one is skipped, as a camera does."""
        now_s = time.monotonic()
        if self._began_s is None:
            self._began_s = now_s
        self._count = max(self._count + 1, int((now_s - self._began_s) * self._fps))
        await asyncio.sleep(self._began_s + self._count / self._fps - now_s)
        frame = VideoFrame.from_ndarray(self._picture.frame(self._count), format="yuv420p")
        frame.pts = self._count * _CLOCK_RATE // self._fps
        frame.time_base = Fraction(1, _CLOCK_RATE)
        self.given_out_s[self._count % COUNTERS] = time.monotonic()
        return frame


class Peer:
    """One call; use as `async with`. `returned` grows while it lasts."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        picture: Picture,
        fps: int = FPS,
        look: Callable[[Bytes], Any] = lambda luma: None,
    ) -> None:
        """`look` is asked about the (H, W) luma plane of each frame that returns."""
        self._http = http
        self._look = look
        self.camera = PictureTrack(picture, fps)
        self.returned: list[Returned] = []
        self.messages: list[Any] = []
        """What came over the control channel: texts as they are, JSON read."""
        self.answer: dict[str, Any] = {}
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._channel = self.connection.createDataChannel("control")
        self._channel.on("message", self._take)
        self.connection.on("track", self._on_track)
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.connection.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    @property
    def session(self) -> str:
        """The session's id, as the service named it."""
        return str(self.answer["session"])

    async def call(self, **body: Any) -> None:
        """Offer, take the answer, and wait until both are connected; `body` is added to the offer's."""
        self.connection.addTrack(self.camera)
        with _loopback_unless_in_namespace():
            await self.connection.setLocalDescription(await self.connection.createOffer())
        offer = self.connection.localDescription
        answer = await self._http.post("/offer", json={"sdp": offer.sdp, "type": offer.type, **body})
        assert answer.status_code == 200, answer.text
        self.answer = answer.json()
        await self.take(RTCSessionDescription(self.answer["sdp"], self.answer["type"]))
        await eventually(
            lambda: self.connection.connectionState == "connected", _CONNECT_S, "the peers are connected"
        )

    async def take(self, answer: RTCSessionDescription) -> None:
        """Begin to connect."""
        await self.connection.setRemoteDescription(answer)

    def send(self, message: str | dict[str, Any]) -> None:
        """Send over the control channel; a dict goes as JSON."""
        self._channel.send(message if isinstance(message, str) else json.dumps(message))

    async def control_open(self) -> None:
        """Wait until the control channel takes messages."""
        await eventually(
            lambda: self._channel.readyState == "open", _CONNECT_S, "the control channel is open"
        )

    def readable(self, since_s: float = 0.0) -> list[Returned]:
        """Return the frames since a time.monotonic() whose band could be read."""
        return [one for one in self.returned if one.reading is not None and one.at_s >= since_s]

    async def frames(self, count: int, within_s: float = 10.0) -> list[Returned]:
        """Wait for `count` more readable frames; return them."""
        since_s = time.monotonic()
        try:
            await eventually(
                lambda: len(self.readable(since_s)) >= count, within_s, f"{count} more readable frames"
            )
        except AssertionError as exc:
            came = [one for one in self.returned if one.at_s >= since_s]
            raise AssertionError(
                f"{exc}; {len(came)} came, {len(self.readable(since_s))} of them readable, "
                f"the connection is {self.connection.connectionState}"
            ) from exc
        return self.readable(since_s)

    def senders(self) -> list[RTCRtpSender]:
        return self.connection.getSenders()

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._reading = asyncio.create_task(self._read(track))

    def _take(self, message: str | bytes) -> None:
        text = message.decode() if isinstance(message, bytes) else message
        self.messages.append(json.loads(text) if text.startswith("{") else text)

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, VideoFrame)
            now_s = time.monotonic()
            luma = _luma(frame)
            reading = read(luma)
            sent_s = self.camera.given_out_s.get(reading.counter) if reading else None
            age_s = now_s - sent_s if sent_s is not None else None
            seen = self._look(luma)
            assert frame.pts is not None
            (receiver,) = self.connection.getReceivers()
            # aiortc counts from the first frame's on.
            first: int = receiver._RTCRtpReceiver__timestamp_mapper._origin  # type: ignore[attr-defined]
            rtp_timestamp = (first + frame.pts) % 2**32
            self.returned.append(
                Returned(now_s, reading, age_s, frame.width, frame.height, rtp_timestamp, seen)
            )


def _luma(frame: VideoFrame) -> np.ndarray[Any, np.dtype[np.uint8]]:
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


@contextmanager
def _loopback_unless_in_namespace() -> Iterator[None]:
    """Let aioice, which leaves out 127.0.0.1, gather just that where there is no network of our own."""
    if in_namespace():
        yield
        return
    found = aioice.ice.get_host_addresses
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    try:
        yield
    finally:
        aioice.ice.get_host_addresses = found
