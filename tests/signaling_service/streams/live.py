"""Peers that publish by WHIP and watch by WHEP, by aiortc; everything on 127.0.0.1."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import httpx
from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp

from signaling_service.rtc.ice_restart import begin_checks, credentials_in, restart
from tests.signaling_service.calling import Camera, until

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


def _connection() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


@dataclass
class Peer:
    """One side of a WHIP or WHEP session."""

    connection: RTCPeerConnection = field(default_factory=_connection)
    response: httpx.Response | None = None
    frames: list[Any] = field(default_factory=list)
    sounds: list[Any] = field(default_factory=list)
    _reading: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def location(self) -> str:
        assert self.response is not None
        return str(self.response.url.join(self.response.headers["location"]))

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def call(self, http: httpx.AsyncClient, address: str, headers: Mapping[str, str]) -> None:
        """Offer, and connect; raises AssertionError where it is refused."""
        self.connection.on("track", self._on_track)
        offer = await self.offer()
        self.response = await http.post(address, content=offer, headers={**SDP, **headers})
        assert self.response.status_code == 201, self.response.text
        await self.connection.setRemoteDescription(RTCSessionDescription(self.response.text, "answer"))
        await until(lambda: self.connection.connectionState == "connected")

    async def restart_ice(
        self, http: httpx.AsyncClient, headers: Mapping[str, str], candidate: str = ""
    ) -> httpx.Response:
        """Restart ICE as RFC 9725 section 4.3.3 has it; return what the service has answered.

        It tells the candidate that is given, else its own.
        """
        transport = self.connection.getTransceivers()[0].sender.transport.transport
        name, password = restart(transport, "none", "none" * 6)
        sdp = self.connection.localDescription.sdp
        own = "\r\n".join(line for line in sdp.splitlines() if line.startswith("a=candidate"))
        told = candidate or own
        fragment = (
            f"a=ice-ufrag:{name}\r\na=ice-pwd:{password}\r\na=mid:0\r\n{told}\r\na=end-of-candidates\r\n"
        )
        answer = await http.patch(self.location, content=fragment, headers={**FRAGMENT, **headers})
        if answer.status_code == 200:
            remote = credentials_in(answer.text)
            assert remote is not None
            transport._connection.remote_username, transport._connection.remote_password = remote
            for line in answer.text.splitlines():
                if line.startswith("a=candidate:"):
                    await transport.addRemoteCandidate(candidate_from_sdp(line.removeprefix("a=candidate:")))
            begin_checks(transport._connection)
        return answer

    def _on_track(self, track: MediaStreamTrack) -> None:
        kept = self.frames if track.kind == "video" else self.sounds

        async def read() -> None:
            while True:
                try:
                    kept.append(await track.recv())
                except MediaStreamError:
                    return

        self._reading.append(asyncio.create_task(read()))

    async def close(self) -> None:
        await self.connection.close()
        for task in self._reading:
            task.cancel()


@asynccontextmanager
async def publishing(
    http: httpx.AsyncClient,
    address: str = "/whip?stream=show",
    camera: MediaStreamTrack | None = None,
    sound: MediaStreamTrack | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Peer]:
    made = Peer()
    try:
        made.connection.addTransceiver(camera or Camera(), direction="sendonly")
        made.connection.addTransceiver(sound or AudioStreamTrack(), direction="sendonly")
        await made.call(http, address, headers)
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def watching(
    http: httpx.AsyncClient,
    address: str = "/whep/show",
    *,
    kinds: str = "video audio",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Peer]:
    made = Peer()
    try:
        for kind in kinds.split():
            made.connection.addTransceiver(kind, direction="recvonly")
        await made.call(http, address, headers)
        yield made
    finally:
        await made.close()
