"""The TCP connections of one call at one address of this host."""

from __future__ import annotations

import aioice.ice

from signaling_service.sockets.call_transport import CallTransport
from signaling_service.sockets.handling_time import time_of
from signaling_service.sockets.tcp_connection import TcpConnection
from signaling_service.sockets.udp_socket import Address

CONNECTIONS_OF_A_CALL = 8
"""A page opens one from each of its own addresses. The one heard longest ago gives way."""


class CallConnections:
    """What the call's transport sends by, and who owns it."""

    def __init__(
        self, address: Address, protocol: aioice.ice.StunProtocol, calls: dict[bytes, CallConnections]
    ) -> None:
        """`calls` are those at the address, by their names."""
        self.address = address
        self._protocol = protocol
        self._calls = calls
        self._open: dict[Address, TcpConnection] = {}

    def proves(self, connection: TcpConnection, datagram: bytes) -> bool:
        """Take over a connection if its first datagram proves that it is the page's."""
        # An answer to the check goes out by it.
        self._open[connection.address] = connection
        self._protocol.datagram_received(datagram, connection.address)
        if connection.address not in self._known:
            del self._open[connection.address]
            return False
        connection.is_proved = True
        connection.open(self._take, self._ended, time_of(self._protocol.receiver))
        while len(self._open) > CONNECTIONS_OF_A_CALL:
            self._open[min(self._open, key=lambda address: self._known.get(address, 0.0))].close()
        return True

    # What the call's transport sends by (call_transport.Way)

    def send(self, data: bytes, address: Address) -> None:
        if (connection := self._open.get(address)) is not None:
            connection.send(data)

    async def room(self, address: Address) -> bool:
        if (connection := self._open.get(address)) is None:
            return False
        await connection.room()
        return connection.takes_note_of_dropped()

    def is_full(self, address: Address) -> bool:
        connection = self._open.get(address)
        return connection is not None and connection.is_full

    def drop_pictures(self, address: Address) -> bool:
        connection = self._open.get(address)
        return connection is not None and connection.drop_pictures()

    # What the call's transport says (call_transport.Owner)

    def claims(self, transport: CallTransport, address: Address) -> bool:
        return True  # It belongs to a connection, which nobody else can have.

    def gives_up(self, transport: CallTransport, address: Address) -> None:
        if (connection := self._open.get(address)) is not None:
            connection.close()

    def renames(self, transport: CallTransport, former: bytes, name: bytes) -> None:
        self._calls[name] = self._calls.pop(former)

    def leaves(self, transport: CallTransport) -> None:
        del self._calls[self._protocol.receiver.local_username.encode()]
        for connection in list(self._open.values()):
            connection.close()

    @property
    def _known(self) -> dict[Address, float]:
        known: dict[Address, float] = getattr(self._protocol, "known_addresses", {})
        return known

    def _take(self, connection: TcpConnection, datagram: bytes) -> None:
        self._protocol.datagram_received(datagram, connection.address)

    def _ended(self, connection: TcpConnection) -> None:
        """Forget an address to which nothing can be sent any more: each connection has another one."""
        if self._open.pop(connection.address, None) is None:
            return
        self._known.pop(connection.address, None)
        ice = self._protocol.receiver
        for pair in list(ice._check_list):
            is_ours = pair.protocol is self._protocol and pair not in ice._nominated.values()
            if is_ours and pair.remote_addr not in self._open:
                if pair.task is not None:
                    pair.task.cancel()
                ice._check_list.remove(pair)
        checked = [pair.remote_candidate for pair in ice._check_list]
        ice._remote_candidates[:] = [
            one for one in ice._remote_candidates if one.type != "prflx" or one in checked
        ]
