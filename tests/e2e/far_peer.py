"""A peer in another network namespace, whose HTTP goes through pipes, since only its media shall go far.

The first half is the test's; `python -m tests.e2e.far_peer` is the process at the far end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from aioice import stun

from harness.namespaces import Network
from harness.peer import Peer
from harness.picture import Picture
from harness.services import ROOT

STUN_PORT = 3478
FPS = 10


class FarPeer:
    """A call from another namespace, as the test sees it."""

    def __init__(self, process: Process, http: httpx.AsyncClient) -> None:
        self._process, self._http = process, http
        self.answer: dict[str, Any] = {}
        self.frames = 0
        """How many readable frames have come back."""
        self.outcome: str | None = None
        """`connected`, or what kept it from that."""

    async def run(self) -> None:
        """Pass its offer on and note what it says, until it ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "offer" in said:
                response = await self._http.post("/offer", json=said["offer"])
                assert response.status_code == 200, response.text
                self.answer = response.json()
                self._write(self.answer)
            self.outcome = said.get("outcome", self.outcome)
            self.frames = said.get("frames", self.frames)

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")


@asynccontextmanager
async def far_peer(network: Network, http: httpx.AsyncClient, *flags: str) -> AsyncIterator[FarPeer]:
    """Start a peer in `network`; it calls at once."""
    argv = network.command(sys.executable, "-m", "tests.e2e.far_peer", *flags)
    process = await asyncio.create_subprocess_exec(*argv, stdin=PIPE, stdout=PIPE, cwd=ROOT, limit=1 << 20)
    peer = FarPeer(process, http)
    reading = asyncio.create_task(peer.run())
    try:
        yield peer
    finally:
        process.kill()
        await process.wait()
        await reading


class _Pipes(httpx.AsyncBaseTransport):
    """Asks the test to call the service."""

    def __init__(self, hides_addresses: bool) -> None:
        self._hides_addresses = hides_addresses

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(await request.aread())
        if self._hides_addresses:
            lines = [line for line in body["sdp"].split("\r\n") if not line.startswith("a=candidate")]
            body["sdp"] = "\r\n".join(lines)
        _say(offer=body)
        answer = await asyncio.to_thread(sys.stdin.readline)
        return httpx.Response(200, json=json.loads(answer))


class _StunServer(asyncio.DatagramProtocol):
    """Tells whoever asks from where it is seen."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = stun.parse_message(data)
        answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, asked.transaction_id)
        answer.attributes["XOR-MAPPED-ADDRESS"] = addr
        self._transport.sendto(bytes(answer), addr)


@asynccontextmanager
async def far_stun_server(network: Network) -> AsyncIterator[None]:
    """Serve STUN on every address of `network`, at STUN_PORT."""
    argv = network.command(sys.executable, "-m", "tests.e2e.far_peer", "--stun-server")
    process = await asyncio.create_subprocess_exec(*argv, stdout=PIPE, cwd=ROOT)
    try:
        assert process.stdout is not None
        assert json.loads(await process.stdout.readline()) == {"outcome": "serving"}
        yield
    finally:
        process.kill()
        await process.wait()


async def _call(hides_addresses: bool) -> None:
    async with (
        httpx.AsyncClient(transport=_Pipes(hides_addresses), base_url="http://service") as http,
        Peer(http, Picture(320, 240), FPS) as peer,
    ):
        try:
            await peer.call()
        except AssertionError as exc:
            _say(outcome=str(exc))
            return
        _say(outcome="connected")
        while True:
            _say(frames=len(peer.readable()))
            await asyncio.sleep(0.1)


async def _serve_stun() -> None:
    await asyncio.get_running_loop().create_datagram_endpoint(_StunServer, local_addr=("0.0.0.0", STUN_PORT))
    _say(outcome="serving")
    await asyncio.Event().wait()


def _say(**message: Any) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--stun-server", action="store_true")
    parser.add_argument("--hide-addresses", action="store_true")
    wanted = parser.parse_args()
    asyncio.run(_serve_stun() if wanted.stun_server else _call(wanted.hide_addresses))
