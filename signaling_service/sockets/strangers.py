"""TCP connections that have not proved yet whose they are: few, of each address fewer, and not for long."""

from __future__ import annotations

import asyncio
from collections import Counter

from signaling_service.access.networks import network_of
from signaling_service.sockets.handling_time import HandlingTime
from signaling_service.sockets.tcp_connection import TcpConnection

PROVE_S = 5.0
"""A page sends its check as soon as it is connected. A lost packet is sent again twice within this time."""
MOST = 128
MOST_OF_AN_ADDRESS = 16
"""Pages behind one NAT have one address, and wait for a round trip each."""


class Strangers:
    """Shared by all listening sockets of a process; event loop only."""

    def __init__(self) -> None:
        self.budget = HandlingTime()
        """For accepting them all, and for what they send."""
        self._timers: dict[TcpConnection, asyncio.TimerHandle] = {}
        """The oldest first."""
        self._of_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._timers)

    def admit(self, connection: TcpConnection) -> bool:
        """Let a connection wait, the oldest one giving way to it; False where its address has enough."""
        host = network_of(connection.address[0])
        if self._of_address[host] >= MOST_OF_AN_ADDRESS:
            return False
        if len(self._timers) >= MOST:
            next(iter(self._timers)).close()
        self._of_address[host] += 1
        self._timers[connection] = asyncio.get_running_loop().call_later(PROVE_S, connection.close)
        return True

    def forget(self, connection: TcpConnection) -> None:
        """Take note that a connection has proved itself, or is over."""
        timer = self._timers.pop(connection, None)
        if timer is None:
            return
        timer.cancel()
        host = network_of(connection.address[0])
        self._of_address[host] -= 1
        if not self._of_address[host]:
            del self._of_address[host]

    def close(self) -> None:
        for connection in list(self._timers):
            connection.close()
