"""The least that a WebRTC server in Python can do: each decoded frame goes back, encoded anew.

    python -m benchmarks.designs.echo --port 7862 [--patched] [--ice-addresses 127.0.0.1]

aiortc as it comes, or, `--patched`, with what this project changes in it: the least latency and CPU that a
service built on it could have if its filter took no time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame
from fastapi import FastAPI, Request

from benchmarks.designs.serving import application, flags, gather, serve
from signaling_service.cores import usable_cores
from signaling_service.media.bitrate import BitrateProfile
from signaling_service.media.receive_estimate import ReceiveEstimate
from signaling_service.media.reception import Reception
from signaling_service.media.send_rate import SendRate
from signaling_service.metrics import Metrics
from signaling_service.rtc import aiortc_patches
from signaling_service.rtc.card import Card
from signaling_service.rtc.outage import Outage
from signaling_service.rtc.receiving import receive_through
from signaling_service.rtc.returned_track import ReturnedTrack
from signaling_service.rtc.sending import send_at
from signaling_service.sdp.video_codecs import preferences
from signaling_service.setting_types import VIDEO_CODECS


class Newest(ReturnedTrack):
    """The camera's newest frame, where the service has a result."""

    def __init__(self, camera: MediaStreamTrack) -> None:
        super().__init__(Metrics(), Card(), Outage.CLOSED)
        self._camera = camera
        self._newest: asyncio.Queue[VideoFrame] = asyncio.Queue(1)
        self._draining = asyncio.ensure_future(self._drain())

    async def recv(self) -> VideoFrame:
        """Return the next frame as soon as it is decoded."""
        frame = await self._newest.get()
        self.before_encoding(frame)
        return frame

    def stop(self) -> None:
        super().stop()
        self._draining.cancel()

    async def _drain(self) -> None:
        while True:
            try:
                frame = await self._camera.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, VideoFrame)
            if self._newest.full():
                self._newest.get_nowait()
            self._newest.put_nowait(frame)


def create_app(is_patched: bool) -> FastAPI:
    """Compose the application."""
    connections: set[RTCPeerConnection] = set()
    bitrates = BitrateProfile()
    executor = ThreadPoolExecutor(round(usable_cores()))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.gather(*(connection.close() for connection in list(connections)))

    app = application(lifespan)

    @app.post("/offer")
    async def offer(request: Request) -> dict[str, str]:
        body = await request.json()
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connections.add(connection)

        @connection.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            if track.kind == "video" and not is_patched:
                connection.addTrack(track)

        @connection.on("connectionstatechange")
        async def on_state() -> None:
            if connection.connectionState in ("failed", "closed"):
                connections.discard(connection)
                await connection.close()

        if is_patched:
            connection.addTransceiver("video").setCodecPreferences(preferences(VIDEO_CODECS))
        await connection.setRemoteDescription(RTCSessionDescription(body["sdp"], body["type"]))
        if is_patched:
            (video,) = connection.getTransceivers()
            track = Newest(video.receiver.track)
            video.direction = "sendrecv"
            video.sender.replaceTrack(track)
            receive_through(video.receiver, Reception(ReceiveEstimate(bitrates)))
            send_at(video.sender, SendRate(bitrates), track)
            aiortc_patches.encode_in(video.sender, executor)
        await connection.setLocalDescription(await connection.createAnswer())
        sdp = connection.localDescription.sdp
        if is_patched:
            sdp = aiortc_patches.with_start_bitrate(sdp, bitrates.start)
        return {"sdp": sdp, "type": connection.localDescription.type}

    return app


def main() -> None:
    parser = flags()
    parser.add_argument("--patched", action="store_true")
    wanted = parser.parse_args()
    if wanted.patched:
        aiortc_patches.apply(wanted.ice_addresses.split(",") if wanted.ice_addresses else ())
    else:
        gather(wanted.ice_addresses)
    serve(create_app(wanted.patched), wanted.port, wanted.host)


if __name__ == "__main__":
    main()
