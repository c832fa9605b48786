"""A peer whose media takes the service's TCP port (RFC 6544), as of a page whose network takes no UDP."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import aioice.ice
from aioice.candidate import Candidate
from aiortc import RTCSessionDescription

from harness.peer import Peer


class TcpPeer(Peer):
    """Use as `Peer`."""

    async def take(self, answer: RTCSessionDescription) -> None:
        """Connect to the candidates of TCP alone."""
        lines = answer.sdp.split("\r\n")
        told = [line for line in lines if not line.startswith("a=candidate") or " tcp " in line]
        (sender, *_) = self.senders()
        connection: Any = sender.transport.transport._connection
        for protocol in connection._protocols:
            protocol.transport.close()
        connection._protocols[:] = [_protocol(connection)]
        await super().take(RTCSessionDescription("\r\n".join(told), answer.type))


class FramedTransport(asyncio.DatagramTransport):
    """Looks to aioice like a UDP socket, and is a connection for each address that it sends to (RFC 4571)."""

    def __init__(self, protocol: aioice.ice.StunProtocol) -> None:
        super().__init__()
        self._protocol = protocol
        self._writers: dict[tuple[str, int], asyncio.Task[asyncio.StreamWriter]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    def sendto(self, data: Any, addr: Any = None) -> None:
        if (opening := self._writers.get(addr)) is None:
            opening = self._writers[addr] = asyncio.create_task(self._open(addr))
        frame = struct.pack("!H", len(data)) + bytes(data)
        if opening.done():
            opening.result().write(frame)
        else:
            opening.add_done_callback(lambda done: done.result().write(frame))

    def close(self) -> None:
        for task in self._reading:
            task.cancel()
        for opening in self._writers.values():
            if opening.done():
                opening.result().close()
            else:
                opening.cancel()
        asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    async def _open(self, address: tuple[str, int]) -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection(*address)
        task = asyncio.create_task(self._read(reader, address))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
        return writer

    async def _read(self, reader: asyncio.StreamReader, address: tuple[str, int]) -> None:
        try:
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                self._protocol.datagram_received(await reader.readexactly(size), address)
        except (asyncio.IncompleteReadError, ConnectionError):
            return


def _protocol(connection: aioice.ice.Connection) -> aioice.ice.StunProtocol:
    protocol = aioice.ice.StunProtocol(connection)
    protocol.connection_made(FramedTransport(protocol))
    protocol.local_candidate = Candidate("1", 1, "tcp", 1, "127.0.0.1", 9, "host", tcptype="active")
    return protocol
