"""A UDP port for each call and local address: any that the system has, or one of a range."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence

import aioice.ice

from signaling_service.sockets.call_transport import CallTransport
from signaling_service.sockets.handling_time import time_of
from signaling_service.sockets.udp_socket import Address, UdpSocket

MakeProtocol = Callable[[], aioice.ice.StunProtocol]


class OwnPorts:
    """Binds a socket for each call.

    In a range each search begins behind the port given last: what the network still carries for the session
    that had a port reaches no session that has just begun.
    """

    def __init__(self, ports: Sequence[int] = (0,)) -> None:
        """Port 0 is any."""
        self._ports = ports
        self._next = 0

    def join(self, make: MakeProtocol, host: str) -> CallTransport:
        """Return a call's transport at a local address; raises OSError, also where every port is taken."""
        protocol = make()
        try:
            one = self._bound(host)
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                protocol.receiver.lacks_port = True  # type: ignore[attr-defined]
            raise
        transport = CallTransport(one, _Alone(one), protocol)
        transport.begin()
        one.open(protocol.datagram_received, time_of(protocol.receiver))
        return transport

    def _bound(self, host: str) -> UdpSocket:
        for place in range(self._next, self._next + len(self._ports)):
            try:
                one = UdpSocket(host, self._ports[place % len(self._ports)])
            except OSError as exc:
                if exc.errno != errno.EADDRINUSE:
                    raise
            else:
                self._next = (place + 1) % len(self._ports)
                return one
        raise OSError(errno.EADDRINUSE, "every port of the range is taken")


class _Alone:
    """A socket with one call: every address that its page proves is the page's."""

    def __init__(self, own: UdpSocket) -> None:
        self._own = own

    def claims(self, transport: CallTransport, address: Address) -> bool:
        return True

    def gives_up(self, transport: CallTransport, address: Address) -> None:
        pass

    def renames(self, transport: CallTransport, former: bytes, name: bytes) -> None:
        pass

    def leaves(self, transport: CallTransport) -> None:
        self._own.close()
