"""A page in a call that sends far more than it should, in a process of its own.

    python -m benchmarks.flooder URL --kind nack --per-second 20000 --seconds 10

Calls, says `ready`, and then for each line of its input floods for so long: `service` floods its call, and
`nobody` sends the same to a socket that nobody reads. So what the flood itself takes of the machine can be
told from what it does to the service. Each is answered with one line of JSON: `Sent`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import httpx
from aioice.utils import random_transaction_id
from aiortc.rtp import RTCP_RTPFB, RTCP_RTPFB_NACK, pack_rtcp_packet

from harness.peer import Peer
from harness.picture import Picture

SIZE, FPS = (320, 240), 15
TURN_S = 0.002
NACKS = 300
"""Named by one report of 1.2 kB, each with the 16 behind it."""

Make = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Sent:
    """What one flood was."""

    datagrams: int
    refused: int
    """What the own socket did not take."""
    cpu_s: float


class Flooder:
    """One call, and the datagrams that it could send."""

    def __init__(self, peer: Peer) -> None:
        (sender,) = peer.senders()
        self._dtls: Any = sender.transport
        self._ice: Any = self._dtls.transport._connection
        self._pair = self._ice._nominated[1]
        self.address = self._pair.remote_addr
        self.socket: socket.socket = self._pair.protocol.transport.get_extra_info("socket")._sock
        (receiver,) = peer.connection.getReceivers()
        self._ssrc = next(iter(receiver._RTCRtpReceiver__remote_streams), 0)  # type: ignore[attr-defined]
        self._number = 0

    def nack(self) -> bytes:
        """A report of packets that are lost, by the thousand."""
        return self._report(RTCP_RTPFB_NACK, b"\xff" * (4 * NACKS))

    def twcc(self) -> bytes:
        """A report of when 1,000 packets came (transport-wide feedback): the longest runs there are."""
        self._number = (self._number + 1) & 0xFF
        runs = struct.pack("!H", 1000)
        return self._report(15, struct.pack("!HHI", 0, 1000, self._number) + runs + bytes(2))

    def small(self) -> bytes:
        """An empty report, the shortest that there is."""
        return bytes(self._dtls._tx_srtp.protect_rtcp(pack_rtcp_packet(201, 0, struct.pack("!L", 1))))

    def forged(self) -> bytes:
        """Media that nobody has signed."""
        return b"\x80\x60" + os.urandom(40)

    def check(self) -> bytes:
        """A connectivity check, which is answered."""
        request = self._ice.build_request(self._pair, nominate=False)
        request.transaction_id = random_transaction_id()
        request.add_message_integrity(self._ice.remote_password.encode())
        return bytes(request)

    def _report(self, fmt: int, body: bytes) -> bytes:
        payload = struct.pack("!LL", 1, self._ssrc) + body
        return bytes(self._dtls._tx_srtp.protect_rtcp(pack_rtcp_packet(RTCP_RTPFB, fmt, payload)))


KINDS = ("nack", "twcc", "small", "forged", "check")


async def flood(make: Make, sender: socket.socket, to: Any, per_second: int, seconds: float) -> Sent:
    """Send so many datagrams a second for so long, or as many as this core can."""
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    sent = refused = 0
    while (passed_s := time.monotonic() - began_s) < seconds:
        until_s = time.monotonic() + 10 * TURN_S
        while sent + refused < passed_s * per_second and time.monotonic() < until_s:
            try:
                sender.sendto(make(), to)
                sent += 1
            except OSError:
                refused += 1
        await asyncio.sleep(TURN_S)
    return Sent(sent, refused, time.process_time() - began_cpu_s)


async def serve(url: str, kind: str, per_second: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    async with (
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as http,
        Peer(http, Picture(*SIZE, 99), FPS) as peer,
    ):
        await peer.call(filter="invert")
        await peer.frames(1, 20)
        flooder = Flooder(peer)
        print("ready", flush=True)
        with socket.socket(flooder.socket.family, socket.SOCK_DGRAM) as nobody:
            nobody.bind((flooder.address[0], 0))
            while line := await loop.run_in_executor(None, sys.stdin.readline):
                to = nobody.getsockname() if line.strip() == "nobody" else flooder.address
                sent = await flood(getattr(flooder, kind), flooder.socket, to, per_second, seconds)
                print(json.dumps(asdict(sent)), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--per-second", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    asyncio.run(serve(given.url, given.kind, given.per_second, given.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
