"""What aioice has of a UDP socket: asyncio's datagram transport, for one call at one local address."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import aioice.ice

from signaling_service.rtc.udp_socket import Address, UdpSocket


class Owner(Protocol):
    """Who gives a call its datagrams: a socket of its own, or one that calls share."""

    def claims(self, transport: CallTransport, address: Address) -> bool:
        """Take note that the call has proved this address to be its page's; False where it is another's."""

    def gives_up(self, transport: CallTransport, address: Address) -> None:
        """Take note that the address is this call's no more."""

    def leaves(self, transport: CallTransport) -> None:
        """Take note that the call is over."""


class CallTransport(asyncio.DatagramTransport):
    """`begin` before the first datagram."""

    def __init__(self, socket: UdpSocket, owner: Owner, protocol: aioice.ice.StunProtocol) -> None:
        super().__init__({"sockname": socket.address})
        self.protocol = protocol
        self._socket = socket
        self._owner = owner
        self._is_closing = False

    def begin(self) -> None:
        """Give the protocol its transport; from then on it may send."""
        self.protocol.connection_made(self)

    def claims(self, address: Address) -> bool:
        """Tell whether an address that the page has proved is its own; see Owner."""
        return self._owner.claims(self, address)

    def gives_up(self, address: Address) -> None:
        self._owner.gives_up(self, address)

    def sendto(self, data: Any, addr: Any = None) -> None:
        if not self._is_closing:
            self._socket.send(data, addr)

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._owner.leaves(self)
            # As asyncio does: whoever closes has not begun to wait yet.
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()
