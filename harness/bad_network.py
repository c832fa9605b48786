"""A network that loses datagrams and lets them overtake each other, at one end of a peer's connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from aiortc import RTCPeerConnection


@dataclass(frozen=True, slots=True)
class BadNetwork:
    """The same both ways."""

    loss: float = 0.02
    """Share of the datagrams that never come."""
    late: float = 0.1
    """Share of those that come `late_s` later, behind others."""
    late_s: float = 0.03

    def spoil(self, connection: RTCPeerConnection, random: Random) -> None:
        """Put it before a connection that is connected."""
        # Not STUN's: a call that ends for want of consent is another test.
        for pair in _pairs(connection):
            protocol = pair.protocol
            protocol.transport = _Transport(
                protocol.transport, self._through(_while_open(protocol.transport), random)
            )
            protocol.datagram_received = self._through(protocol.datagram_received, random)

    def _through(self, carry: Callable[..., Any], random: Random) -> Callable[..., None]:
        def carried(data: bytes, *to: Any) -> None:
            is_stun = not data or data[0] < 4
            chance = random.random()
            if is_stun or chance >= self.loss + self.late:
                carry(data, *to)
            elif chance >= self.loss:
                asyncio.get_running_loop().call_later(self.late_s, carry, data, *to)

        return carried


def _while_open(transport: Any) -> Callable[..., None]:
    def sendto(data: bytes, *to: Any) -> None:
        # What comes late may come behind the end of the call.
        if not transport.is_closing():
            transport.sendto(data, *to)

    return sendto


class _Transport:
    """asyncio's, but for `sendto`, which its own class does not let be set."""

    def __init__(self, transport: Any, sendto: Callable[..., None]) -> None:
        self._transport, self.sendto = transport, sendto

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _pairs(connection: RTCPeerConnection) -> list[Any]:
    transports = {sender.transport.transport for sender in connection.getSenders()}
    return [pair for ice in transports for pair in ice._connection._nominated.values()]
