"""What aioice has of a socket: asyncio's datagram transport, for one call at one local address."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import aioice.ice

from signaling_service.sockets.udp_socket import Address


class Way(Protocol):
    """By what a call's datagrams leave: a UDP socket, or the TCP connections of the call's page."""

    address: Address
    """This host's."""

    def send(self, data: bytes, address: Address) -> None:
        """Send at the end of this turn of the event loop, or drop what cannot be sent."""

    async def room(self, address: Address) -> bool:
        """Wait until a picture may be sent to this address; True where an earlier one was dropped here."""

    def is_full(self, address: Address) -> bool:
        """Tell whether a picture would have to wait here."""

    def drop_pictures(self, address: Address) -> bool:
        """Drop the pictures that have not left yet; True where there was one."""


class Owner(Protocol):
    """Who gives a call its datagrams: a socket of its own, or one that calls share."""

    def claims(self, transport: CallTransport, address: Address) -> bool:
        """Take note that the call has proved this address to be its page's; False where it is another's."""

    def gives_up(self, transport: CallTransport, address: Address) -> None:
        """Take note that the address is this call's no more."""

    def renames(self, transport: CallTransport, former: bytes, name: bytes) -> None:
        """Take note that checks for the call bear another name from now on."""

    def leaves(self, transport: CallTransport) -> None:
        """Take note that the call is over."""


class CallTransport(asyncio.DatagramTransport):
    """`begin` before the first datagram."""

    def __init__(self, way: Way, owner: Owner, protocol: aioice.ice.StunProtocol) -> None:
        super().__init__({"sockname": way.address})
        self.protocol = protocol
        self._way = way
        self._owner = owner
        self._is_closing = False

    def begin(self) -> None:
        """Give the protocol its transport; from then on it may send."""
        self.protocol.connection_made(self)

    def leave_by(self, way: Way) -> None:
        """Send by another way from now on."""
        self._way = way

    def claims(self, address: Address) -> bool:
        """Tell whether an address that the page has proved is its own; see Owner."""
        return self._owner.claims(self, address)

    def gives_up(self, address: Address) -> None:
        self._owner.gives_up(self, address)

    def renames(self, former: bytes, name: bytes) -> None:
        self._owner.renames(self, former, name)

    def sendto(self, data: Any, addr: Any = None) -> None:
        if not self._is_closing:
            self._way.send(data, addr)

    async def room(self, address: Address) -> bool:
        """See Way."""
        return await self._way.room(address)

    def is_full(self, address: Address) -> bool:
        """See Way."""
        return self._way.is_full(address)

    def drop_pictures(self, address: Address) -> bool:
        """See Way."""
        return self._way.drop_pictures(address)

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
